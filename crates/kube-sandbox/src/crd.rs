//! Custom resource definitions: checking them, and serving what they define.
//!
//! Versions are converted by relabelling only (strategy None); CEL rules in schemas are not evaluated.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::failure::Cause;
use crate::kinds::{Kinds, Resource, ResourceId, ScalePaths, SchemaOf};
use crate::objects::text;
use crate::schema::Schema;
use crate::store::State;

const VERBS: [&str; 8] = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];

pub(crate) const GROUP: &str = "apiextensions.k8s.io";
pub(crate) const PLURAL: &str = "customresourcedefinitions";

/// Fills in the names that follow from others.
pub(crate) fn defaults(definition: &mut Value) {
    let kind = definition["spec"]["names"]["kind"].as_str().unwrap_or_default().to_owned();
    let Some(spec) = definition["spec"].as_object_mut() else { return };
    if let Some(names) = spec.get_mut("names").and_then(Value::as_object_mut) {
        names.entry("singular").or_insert_with(|| kind.to_lowercase().into());
        names.entry("listKind").or_insert_with(|| format!("{kind}List").into());
    }
    spec.entry("conversion").or_insert_with(|| json!({ "strategy": "None" }));
}

/// Checks what makes a definition unusable.
pub(crate) fn check(definition: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    let spec = &definition["spec"];
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (group, plural, name) = (word(&spec["group"]), word(&spec["names"]["plural"]), text(definition, "name"));
    if name != format!("{plural}.{group}") {
        let why = "must be spec.names.plural+\".\"+spec.group";
        causes.push(Cause::invalid("metadata.name", &name.into(), why));
    }
    for (field, value) in
        [("spec.group", &spec["group"]), ("spec.names.plural", &spec["names"]["plural"]), ("spec.names.kind", &spec["names"]["kind"])]
    {
        if word(value).is_empty() {
            causes.push(Cause::required(field, ""));
        }
    }
    if !group.is_empty() && !group.contains('.') {
        causes.push(Cause::invalid("spec.group", &group.clone().into(), "should be a domain with at least one dot"));
    }
    if !matches!(spec["scope"].as_str(), Some("Namespaced" | "Cluster")) {
        causes.push(Cause::unsupported("spec.scope", &word(&spec["scope"]).into(), &["\"Cluster\"".into(), "\"Namespaced\"".into()]));
    }
    let versions = spec["versions"].as_array().map_or(&[][..], Vec::as_slice);
    if versions.iter().filter(|version| version["storage"] == true).count() != 1 {
        causes.push(Cause::invalid("spec.versions", &spec["versions"], "must have exactly one version marked as storage version"));
    }
    for (at, version) in versions.iter().enumerate() {
        if !version["schema"]["openAPIV3Schema"].is_object() {
            causes.push(Cause::required(format!("spec.versions[{at}].schema.openAPIV3Schema"), "schemas are required"));
        }
    }
    causes
}

pub(crate) fn is_established(definition: &Value) -> bool {
    let conditions = definition["status"]["conditions"].as_array();
    conditions.is_some_and(|list| list.iter().any(|c| c["type"] == "Established" && c["status"] == "True"))
}

/// Returns where the objects of a definition are stored.
pub(crate) fn defines(definition: &Value) -> ResourceId {
    let spec = &definition["spec"];
    ResourceId::new(spec["group"].as_str().unwrap_or_default(), spec["names"]["plural"].as_str().unwrap_or_default())
}

/// Rebuilds the table of kinds from the established definitions; only what changed is read anew.
pub(crate) fn refresh_kinds(state: &mut State) {
    let mut kinds = Kinds::built_in();
    let mut before = std::mem::take(&mut state.defined);
    let definitions = state.objects(&ResourceId::new(GROUP, PLURAL));
    for definition in definitions.iter().filter(|definition| is_established(definition)) {
        let (uid, generation) = (&definition["metadata"]["uid"], &definition["metadata"]["generation"]);
        let known = before.remove(text(definition, "name")).filter(|known| (&known.0, &known.1) == (uid, generation));
        let known = known.unwrap_or_else(|| (uid.clone(), generation.clone(), resources(definition)));
        known.2.iter().cloned().for_each(|resource| kinds.add(resource));
        state.defined.insert(text(definition, "name").to_owned(), known);
    }
    state.kinds = kinds;
}

fn resources(definition: &Value) -> Vec<Resource> {
    let versions = definition["spec"]["versions"].as_array().into_iter().flatten();
    versions.filter(|version| version["served"] == true).map(|version| resource(definition, version)).collect()
}

fn resource(definition: &Value, version: &Value) -> Resource {
    let spec = &definition["spec"];
    let names = &spec["names"];
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let list = |value: &Value| value.as_array().into_iter().flatten().map(word).collect::<Vec<_>>();
    let (id, kind, version_name) = (defines(definition), word(&names["kind"]), word(&version["name"]));
    let subresources = &version["subresources"];
    let mut shown = Vec::new();
    let verbs = json!(["get", "patch", "update"]);
    if subresources["scale"].is_object() {
        let response = json!({ "group": "autoscaling", "version": "v1", "kind": "Scale" });
        shown.push(json!({ "subresource": "scale", "responseKind": response, "verbs": verbs }));
    }
    if subresources["status"].is_object() {
        let response = json!({ "group": id.group, "version": version_name, "kind": kind });
        shown.push(json!({ "subresource": "status", "responseKind": response, "verbs": verbs }));
    }
    let scale = subresources["scale"].is_object().then(|| ScalePaths {
        spec: word(&subresources["scale"]["specReplicasPath"]),
        status: word(&subresources["scale"]["statusReplicasPath"]),
        selector: subresources["scale"]["labelSelectorPath"].as_str().map(str::to_owned),
    });
    Resource {
        id,
        version: version_name,
        list_kind: names["listKind"].as_str().map_or_else(|| format!("{kind}List"), str::to_owned),
        singular: word(&names["singular"]),
        short_names: list(&names["shortNames"]),
        categories: list(&names["categories"]),
        namespaced: spec["scope"] == "Namespaced",
        verbs: VERBS.iter().map(|verb| (*verb).to_owned()).collect(),
        subresources: shown,
        schema: SchemaOf::Custom(Arc::new(Schema::from_crd(&version["schema"]["openAPIV3Schema"]))),
        custom: true,
        scale,
        kind,
    }
}

/// Returns the status of a definition whose names nobody else has.
pub(crate) fn established_status(definition: &Value, now: &str) -> Value {
    let condition = |kind: &str, reason: &str, message: &str| json!({ "type": kind, "status": "True", "reason": reason, "message": message, "lastTransitionTime": now });
    let versions = definition["spec"]["versions"].as_array().into_iter().flatten();
    let stored: Vec<&Value> = versions.filter(|version| version["storage"] == true).map(|version| &version["name"]).collect();
    json!({
        "acceptedNames": definition["spec"]["names"],
        "storedVersions": stored,
        "conditions": [
            condition("NamesAccepted", "NoConflicts", "no conflicts found"),
            condition("Established", "InitialNamesAccepted", "the initial names have been accepted"),
        ],
    })
}
