//! Kinds that nothing defines, and those of Flux that it does not know any more.

use std::collections::{BTreeMap, BTreeSet};

use flux::Tree;
use flux::check::{Finding, Rule};
use kube_engine::Cluster;
use kustomize::Object;
use serde_json::Value;

use crate::check::refusals::object_title;
use crate::check::rehearsal::Scene;
use crate::check::runtime_config;
use crate::failure::{Failure, chain};

/// What is served once everything that defines kinds is there.
pub struct Served(BTreeSet<String>);

impl Served {
    /// Asks a cluster.
    pub async fn by(cluster: &Cluster) -> Result<Self, Failure> {
        let served = cluster.api_versions().await.map_err(|error| Failure::bug(chain(&error)))?;
        Ok(Served(served.into_iter().collect()))
    }

    /// Returns the `apiVersion` and kind of an object that are not served; what has none is refused in other words.
    pub fn lacks(&self, object: &Value) -> Option<(String, String)> {
        let (api, kind) = (object["apiVersion"].as_str()?, object["kind"].as_str()?);
        (!self.0.contains(&format!("{api}/{kind}"))).then(|| (api.to_owned(), kind.to_owned()))
    }
}

/// Kinds that Flux itself defines, before any chart.
const FLUX: [&str; 3] = ["toolkit.fluxcd.io", "fluxcd.controlplane.io", "extensions.fluxcd.io"];

/// Objects by the `apiVersion` and kind that nothing serves.
pub type Unknown<'a> = BTreeMap<(String, String), Vec<&'a Object>>;

/// Says what is unknown. Unless everything that may define kinds is `complete`, another one may come from there.
pub fn unknown_kinds(scene: &Scene<'_>, unknown: &Unknown<'_>, complete: bool, findings: &mut Vec<Finding>, not_checked: &mut Vec<String>) {
    if unknown.is_empty() {
        return;
    }
    let defined = Flux::new(scene.tree);
    let mut open = Vec::new();
    for ((api, kind), objects) in unknown {
        if let Some(of_flux) = defined.of_group(api) {
            findings.extend(of_flux.faults(&defined, api, kind, objects));
            continue;
        }
        // A group without a dot is Kubernetes's own: nobody else will define it.
        if !complete && api.contains('.') && !is_of_kubernetes(api) {
            open.push(format!("{kind} ({api})"));
            continue;
        }
        let is_off = is_of_kubernetes(api) && runtime_config::is_off_by_default(api);
        if is_off && runtime_config::turns_on(&scene.subject.repository, api) {
            not_checked.push(format!("{kind} ({api}), which only an API server with --runtime-config={api}=true has"));
            continue;
        }
        for object in objects {
            let message = format!("{}: nothing defines {kind} in {api}", object_title(&object.value));
            let found = Finding::error(Rule::UnknownKind, &object.file, object.line, 1, message);
            findings.push(match is_off {
                true => found.hint(format!("API servers have it, if at all, with --runtime-config={api}=true only; use another version")),
                false => found.hint("correct apiVersion and kind, or add the definition or the chart that brings it".to_string()),
            });
        }
    }
    if !open.is_empty() {
        not_checked.push(format!("kinds whose definitions may be in what is not at hand: {}", open.join(", ")));
    }
}

/// What Flux defines: the definitions in the tree, else those in this program.
struct Flux {
    definitions: &'static [Value],
    /// Definitions by name that the tree holds itself.
    of_tree: BTreeMap<String, Value>,
    /// The minor version of the tree's Flux, where it is known.
    minor: Option<u32>,
}

/// The kinds of one group of Flux.
struct Group(Vec<&'static Value>);

impl Flux {
    fn new(tree: &Tree) -> Flux {
        let of_tree = tree.objects().map(|object| &object.value).filter(|value| value["kind"] == "CustomResourceDefinition");
        let named = of_tree.filter_map(|value| Some((value["metadata"]["name"].as_str()?.to_owned(), value.clone())));
        Flux { definitions: flux::definitions(), of_tree: named.collect(), minor: tree.flux_minor() }
    }

    /// Returns the kinds of the group of an `apiVersion`, if it is one of Flux.
    fn of_group(&self, api: &str) -> Option<Group> {
        let (group, _) = api.split_once('/')?;
        let found: Vec<&'static Value> = self.definitions.iter().filter(|found| found["spec"]["group"] == group).collect();
        (!found.is_empty()).then_some(Group(found))
    }

    /// Returns whether the Flux of the tree is another one than that of the definitions in this program, and older.
    fn is_older(&self) -> bool {
        self.minor.zip(embedded_minor()).is_some_and(|(minor, embedded)| minor < embedded)
    }
}

impl Group {
    fn faults(&self, flux: &Flux, api: &str, kind: &str, objects: &[&Object]) -> Vec<Finding> {
        let names = |found: &&&'static Value| found["spec"]["names"]["kind"].as_str() == Some(kind);
        let Some(known) = self.0.iter().find(names) else {
            let all: Vec<&str> = self.0.iter().filter_map(|found| found["spec"]["names"]["kind"].as_str()).collect();
            let hint = format!("kinds of that group are {}", all.join(", "));
            let error = |object: &&Object| {
                let message = format!("{}: Flux has no kind {kind} in {api}", object_title(&object.value));
                Finding::error(Rule::UnknownKind, &object.file, object.line, 1, message).hint(hint.clone())
            };
            return objects.iter().map(error).collect();
        };
        let own = known["metadata"]["name"].as_str().and_then(|name| flux.of_tree.get(name));
        if own.is_none() && flux.is_older() {
            return Vec::new();
        }
        let served = served_versions(own.unwrap_or(known));
        let (by, is_sure) = match (own, flux.minor) {
            (Some(_), _) => ("the definition in the tree".to_owned(), true),
            (None, minor) => (format!("Flux {}", flux::DEFINITIONS_OF), minor.is_some()),
        };
        let message = |object: &Object| format!("{}: {by} does not serve {kind} in {api}", object_title(&object.value));
        let hint = format!("write {}", served.join(" or "));
        if is_sure {
            let error =
                |object: &&Object| Finding::error(Rule::UnknownKind, &object.file, object.line, 1, message(object)).hint(hint.clone());
            return objects.iter().map(error).collect();
        }
        // A repository that is older than this program has many of them.
        let Some((first, others)) = objects.split_first() else { return Vec::new() };
        let too = if others.is_empty() { String::new() } else { format!("; the same is true of {} more", others.len()) };
        vec![
            Finding::warning(Rule::UnknownKind, &first.file, first.line, 1, message(first))
                .hint(format!("an older Flux may; else {hint}{too}")),
        ]
    }
}

/// Returns what a definition serves, as `apiVersion`.
fn served_versions(definition: &Value) -> Vec<String> {
    let group = definition["spec"]["group"].as_str().unwrap_or_default();
    let versions = definition["spec"]["versions"].as_array().into_iter().flatten();
    let served = versions.filter(|version| version["served"] == true).filter_map(|version| version["name"].as_str());
    served.map(|version| format!("{group}/{version}")).collect()
}

/// Returns what definitions make known: their `apiVersion`s, and those with the kind.
pub fn api_versions<'a>(definitions: impl IntoIterator<Item = &'a Value>) -> BTreeSet<String> {
    let all = definitions.into_iter().flat_map(|definition| {
        let kind = definition["spec"]["names"]["kind"].as_str().unwrap_or_default();
        served_versions(definition).into_iter().flat_map(move |api| [format!("{api}/{kind}"), api])
    });
    all.collect()
}

fn embedded_minor() -> Option<u32> {
    flux::DEFINITIONS_OF.split('.').nth(1)?.parse().ok()
}

/// Returns whether an `apiVersion` is one of Flux.
pub fn is_of_flux(api: &str) -> bool {
    FLUX.iter().any(|group| api.split('/').next().is_some_and(|found| found.ends_with(group)))
}

/// Returns whether an `apiVersion` is of a group of Kubernetes itself with a dot in its name.
fn is_of_kubernetes(api: &str) -> bool {
    let group = api.split('/').next().unwrap_or_default();
    group.contains('.') && kustomize::is_built_in_group(group)
}
