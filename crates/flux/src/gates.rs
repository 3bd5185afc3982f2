//! Feature gates that the FluxInstance's own patches switch on.

use std::collections::BTreeMap;

use kustomize::Whole;
use serde_json::Value;

use crate::fields::{items, text};

/// Returns the gates that patches of a FluxInstance set on the Deployment of a controller.
pub(crate) fn of(patches: &[Value], controller: &str) -> BTreeMap<String, bool> {
    let mut gates = BTreeMap::new();
    for patch in patches {
        let source = text(patch, &["patch"]).unwrap_or("");
        let Ok(documents) = kustomize::manifests("patch", source.as_bytes()) else { continue };
        for document in documents {
            if applies(patch, &document.value, controller) {
                arguments(&document.value, &mut gates);
            }
        }
    }
    gates
}

fn applies(patch: &Value, document: &Value, controller: &str) -> bool {
    let fits =
        |pattern: Option<&str>, text: &str| pattern.is_none_or(|pattern| Whole::new(pattern).is_ok_and(|pattern| pattern.fits(text)));
    match patch.get("target").filter(|target| !target.is_null()) {
        Some(target) => {
            let label = text(target, &["labelSelector"]);
            let component = label.is_none_or(|label| label.contains(controller) || !label.contains("app.kubernetes.io/component"));
            fits(text(target, &["kind"]), "Deployment") && fits(text(target, &["name"]), controller) && component
        }
        None => text(document, &["kind"]) == Some("Deployment") && text(document, &["metadata", "name"]) == Some(controller),
    }
}

/// Returns the gates that a Deployment of a controller sets itself.
pub(crate) fn of_deployment(deployment: &Value) -> BTreeMap<String, bool> {
    let mut gates = BTreeMap::new();
    arguments(deployment, &mut gates);
    gates
}

fn arguments(value: &Value, gates: &mut BTreeMap<String, bool>) {
    match value {
        Value::String(argument) => {
            let Some(list) = argument.strip_prefix("--feature-gates=") else { return };
            for (gate, state) in list.split(',').filter_map(|pair| pair.split_once('=')) {
                if let Ok(state) = state.trim().parse() {
                    gates.insert(gate.trim().to_string(), state);
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| arguments(item, gates)),
        Value::Object(map) if !matches!(text(value, &["op"]), Some("remove" | "test")) => {
            map.values().for_each(|inner| arguments(inner, gates))
        }
        _ => {}
    }
}

/// Returns the patches of a FluxInstance, or of a HelmRelease that makes one.
pub(crate) fn patches(object: &Value) -> &[Value] {
    match text(object, &["kind"]) {
        Some("FluxInstance") => items(object, &["spec", "kustomize", "patches"]),
        _ => items(object, &["spec", "values", "instance", "kustomize", "patches"]),
    }
}

/// Returns the version of Flux that a FluxInstance, or a HelmRelease that makes one, asks for.
pub(crate) fn distribution_version(object: &Value) -> Option<&str> {
    text(object, &["spec", "distribution", "version"]).or(text(object, &["spec", "values", "instance", "distribution", "version"]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn gates_of_both_kinds_of_patches() {
        let patches = json!([
            {"patch": "- op: add\n  path: /spec/template/spec/containers/0/args/-\n  value: --feature-gates=A=true,B=false\n", "target": {"kind": "Deployment", "name": "(helm|x)-controller"}},
            {"patch": "kind: Deployment\nmetadata: {name: helm-controller}\nspec: {args: [\"--feature-gates=C=true\"]}\n"},
            {"patch": "- op: add\n  path: /x\n  value: --feature-gates=D=true\n", "target": {"kind": "Deployment", "name": "helm"}},
        ]);
        let found = of(patches.as_array().unwrap(), "helm-controller");
        assert_eq!(found, [("A".to_string(), true), ("B".to_string(), false), ("C".to_string(), true)].into());
    }
}
