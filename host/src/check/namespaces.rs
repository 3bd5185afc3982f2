//! Namespaces that nothing in the run makes: an API server refuses what is to be in one until it is there.

use std::collections::{BTreeMap, BTreeSet};

use bootstrap::{Bootstrap, ModuleRef};
use flux::check::{Finding, Rule, position};
use flux::is_release;
use kustomize::Object;
use serde_json::Value;

use crate::check::kinds::is_of_flux;
use crate::check::refusals::object_title;
use crate::check::rehearsal::Scene;
use crate::check::renders::{Rendered, is_definition};
use crate::shown::plural;

/// Those that every cluster has.
const BUILT_IN: [&str; 4] = ["default", "kube-node-lease", "kube-public", "kube-system"];

/// Says which namespaces nothing makes. Where a part of what Flux applies is not known, one may come from there.
pub fn absent(scene: &Scene<'_>, rendered: &[Rendered], made_by_steps: &BTreeSet<String>, complete: bool) -> (Vec<Finding>, Vec<String>) {
    let mut made = made_by_steps.clone();
    made.extend(scene.tree.objects().flat_map(|object| made_by(&object.value)));
    made.extend(rendered.iter().flat_map(|release| release.objects.iter().flat_map(made_by)));
    let is_absent =
        |inside: &str| !BUILT_IN.contains(&inside) && !made.contains(inside) && !scene.tree.is_of_flux(inside) && !inside.contains("${");
    let mut used: BTreeMap<&str, Vec<&Object>> = BTreeMap::new();
    let definitions = Definitions::of(scene, rendered);
    for object in scene.tree.objects().filter(|object| definitions.are_namespaced(&object.value)) {
        for inside in namespaces_of(&object.value).into_iter().filter(|inside| is_absent(inside)) {
            used.entry(inside).or_default().push(object);
        }
    }
    if used.is_empty() {
        return (Vec::new(), Vec::new());
    }
    if !complete {
        let names: Vec<&str> = used.into_keys().collect();
        return (Vec::new(), vec![format!("namespaces that may be made by what is not at hand: {}", names.join(", "))]);
    }
    (used.into_iter().filter_map(|(inside, objects)| finding(scene, inside, &objects)).collect(), Vec::new())
}

fn finding(scene: &Scene<'_>, inside: &str, objects: &[&Object]) -> Option<Finding> {
    let first = objects.iter().min_by_key(|object| (&object.file, object.line))?;
    let field = if first.value["metadata"]["namespace"] == inside { "/metadata/namespace" } else { "/spec/targetNamespace" };
    let (line, column) = position(&*scene.subject.repository, first, field);
    let too = match objects.len() - 1 {
        0 => String::new(),
        more => format!(" and {} more", plural(more, "object")),
    };
    let message = format!("{}: nothing makes the namespace {inside}, which it{too} cannot do without", object_title(&first.value));
    let creates = |object: &&&Object| is_release(&object.value) && object.value["spec"]["install"]["createNamespace"] == true;
    let hint = match objects.iter().any(|object| creates(&object)) {
        true => "list a Namespace of that name in a kustomization: createNamespace comes too late for the HelmRelease itself",
        false => "list a Namespace of that name in a kustomization; until somebody makes it, Flux fails",
    };
    Some(Finding::warning(Rule::AbsentNamespace, &first.file, line, column, message).hint(hint))
}

/// Returns the namespaces that must be there for an object.
fn namespaces_of(value: &Value) -> BTreeSet<&str> {
    let own = value["metadata"]["namespace"].as_str();
    let target = value["spec"]["targetNamespace"].as_str().filter(|_| is_release(value));
    own.into_iter().chain(target).filter(|name| !name.is_empty()).collect()
}

/// Returns the namespaces that an object makes: a Namespace, a release that is told to create the one it goes to, and what holds one
/// that a controller will apply.
fn made_by(value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    if is_release(value) && value["spec"]["install"]["createNamespace"] == true {
        // Its own must be there before the HelmRelease is.
        found.extend(value["spec"]["targetNamespace"].as_str().map(str::to_owned));
    }
    inside(value, &mut found);
    found
}

fn inside(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            // A subnamespace of the hierarchical namespace controller is called like its anchor.
            if fields.get("kind").is_some_and(|kind| kind == "Namespace" || kind == "SubnamespaceAnchor") {
                found.extend(value["metadata"]["name"].as_str().map(str::to_owned));
            }
            fields.values().for_each(|field| inside(field, found));
        }
        Value::Array(items) => items.iter().for_each(|item| inside(item, found)),
        _ => {}
    }
}

/// Custom kinds that are known to live in namespaces, by group and name.
struct Definitions(BTreeSet<(String, String)>);

impl Definitions {
    fn of(scene: &Scene<'_>, rendered: &[Rendered]) -> Definitions {
        let of_tree = scene.tree.objects().map(|object| &object.value).filter(|value| is_definition(value));
        let of_charts = rendered.iter().flat_map(|release| release.definitions.iter().chain(&release.effects));
        let names = of_tree.chain(of_charts).filter(|definition| definition["spec"]["scope"] == "Namespaced").filter_map(|definition| {
            let spec = &definition["spec"];
            Some((spec["group"].as_str()?.to_owned(), spec["names"]["kind"].as_str()?.to_owned()))
        });
        Definitions(names.collect())
    }

    /// Returns whether an object is of a kind that lives in namespaces. Those that nothing is known of do not count: kustomize puts a
    /// namespace on them anyway.
    fn are_namespaced(&self, value: &Value) -> bool {
        let (Some(api), Some(kind)) = (value["apiVersion"].as_str(), value["kind"].as_str()) else { return false };
        let group = api.split_once('/').map_or("", |(group, _)| group);
        if kustomize::is_built_in_group(group) {
            return !kustomize::is_cluster_scoped(group, kind);
        }
        is_of_flux(api) || self.0.contains(&(group.to_owned(), kind.to_owned()))
    }
}

/// Returns the namespaces that the steps of a manifest make, in which the objects of `manifests` are what each step applies.
pub fn of_steps<'a>(bootstrap: &Bootstrap, rendered: &[Rendered], manifests: impl IntoIterator<Item = &'a Value>) -> BTreeSet<String> {
    let mut made: BTreeSet<String> = manifests.into_iter().flat_map(made_by).collect();
    for step in &bootstrap.steps {
        if step.module == ModuleRef::Stock("namespaces".into()) {
            let names = step.with.get("names").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
            made.extend(names.map(str::to_owned));
        }
        // A release is installed with the namespace that it goes to.
        let Some(name) = &step.release else { continue };
        made.insert(name.namespace.clone());
        let own = rendered.iter().find(|release| release.spec.namespace == name.namespace && release.spec.name == name.name);
        made.extend(own.map(|release| release.spec.release_namespace.clone()));
    }
    made
}
