//! Shows everything a tree and its charts would apply to an API server in this process, as dry runs, and keeps what it refuses.

use std::cell::Cell;
use std::collections::BTreeSet;

use flux::Tree;
use flux::check::{Finding, Rule};
use helm::HelmCompat;
use kube_engine::{Apply, Cluster, Error};
use kube_sandbox::Sandbox;
use serde_json::{Value, json};

use crate::Surroundings;
use crate::chart_source::ChartSource;
use crate::check::kinds::{self, Served, Unknown};
use crate::check::renders::{self, Rendered, is_definition, title};
use crate::check::{Subject, namespaces, refusals, service_range, steps::Steps};
use crate::failure::{Failure, chain};
use crate::options;

/// What a rehearsal is about.
pub struct Scene<'a> {
    pub options: &'a options::Check,
    pub around: &'a Surroundings,
    pub subject: &'a Subject,
    pub tree: &'a Tree,
    pub charts: &'a ChartSource,
    pub compat: &'a HelmCompat,
}

/// Everything that applies to the whole run.
pub struct Stage {
    cluster: Cluster,
    /// Whether service addresses can be judged.
    pub knows_range: bool,
    pub range: String,
    /// Whether an address was passed over.
    pub unjudged: Cell<bool>,
}

/// Rehearses; the rendered releases are left in `steps`.
pub async fn run(scene: &Scene<'_>, steps: &mut Steps, findings: &mut Vec<Finding>, not_checked: &mut Vec<String>) -> Result<(), Failure> {
    let stage = stage(scene);
    let renders = renders::of_tree(scene, findings, not_checked).await?;
    define(&stage, scene.tree, &renders.rendered, findings).await?;
    let complete_charts = renders.are_complete();
    steps.rendered = renders.rendered;
    steps.absent_charts = renders.absent;
    let strict = steps.places(scene);
    let served = Served::by(&stage.cluster).await?;
    let mut unknown = Unknown::new();
    for object in scene.tree.known_objects().filter(|object| !is_definition(&object.value)) {
        match served.lacks(&object.value) {
            Some(kind) => unknown.entry(kind).or_default().push(object),
            None if strict.contains(&format!("{}:{}:", object.file, object.line)) => {
                findings.extend(refusals::strict_faults(scene, &stage, object).await);
            }
            None => findings.extend(refusals::faults(scene, &stage, object).await),
        }
    }
    let tree = scene.tree;
    let complete_tree = tree.elsewhere().is_empty() && tree.absent().is_empty() && tree.failures().is_empty();
    let complete = complete_charts && complete_tree;
    kinds::unknown_kinds(scene, &unknown, complete, findings, not_checked);
    let is_read = complete_tree && !tree.makes_unknown_objects();
    let (absent, open) = namespaces::absent(scene, &steps.rendered, &steps.namespaces(scene), is_read);
    findings.extend(absent);
    not_checked.extend(open);
    for release in &steps.rendered {
        refusals::of_chart(&stage, &served, release, complete, findings).await;
    }
    if stage.unjudged.get() {
        not_checked.push("addresses of services: no configuration in the repository says the range; give --service-cidr".to_owned());
    }
    Ok(())
}

fn stage(scene: &Scene<'_>) -> Stage {
    let range = match &scene.options.service_cidr {
        Some(cidr) => Some((cidr.clone(), format!("--service-cidr {cidr}"))),
        None => service_range::find(&scene.subject.repository).map(|range| (range.cidr.clone(), format!("{}, {}", range.cidr, range.file))),
    };
    let sandbox = Sandbox::new(kube_sandbox::Options {
        kube_version: scene.options.kube_version.clone(),
        service_cidr: range.as_ref().map_or_else(|| "10.96.0.0/12".to_owned(), |(cidr, _)| cidr.clone()),
        actors: false,
        ..kube_sandbox::Options::default()
    });
    let knows_range = range.is_some();
    Stage {
        cluster: Cluster::over(sandbox),
        knows_range,
        range: range.map(|(_, title)| title).unwrap_or_default(),
        unjudged: Cell::new(false),
    }
}

/// Creates the namespaces and definitions that everything else needs.
async fn define(stage: &Stage, tree: &Tree, rendered: &[Rendered], findings: &mut Vec<Finding>) -> Result<(), Failure> {
    let of_tree = tree.objects().filter_map(|object| object.value.pointer("/metadata/namespace")?.as_str());
    let of_releases = rendered.iter().flat_map(|release| {
        let inside = release.objects.iter().filter_map(|object| object.pointer("/metadata/namespace")?.as_str());
        inside.chain([release.spec.release_namespace.as_str()])
    });
    for namespace in of_tree.chain(of_releases).collect::<BTreeSet<_>>() {
        let object = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": namespace } });
        // A name that is none is found where the object that has it is shown.
        let _ = stage.cluster.create(&object, "launchway").await;
    }
    let definitions = tree.objects().filter(|object| is_definition(&object.value));
    for object in definitions {
        if let Err(error) = apply(stage, &object.value).await {
            findings.push(Finding::error(Rule::InvalidObject, &object.file, object.line, 1, chain(&error)));
        }
    }
    for definition in of_flux(tree, rendered) {
        // Another one of the same kind may come from a chart below.
        let _ = apply(stage, &definition).await;
    }
    for release in rendered {
        for definition in release.definitions.iter().chain(&release.effects) {
            if let Err(error) = apply(stage, definition).await {
                let message = format!("{}: its chart defines what an API server refuses: {}", title(&release.spec), chain(&error));
                findings.push(Finding::error(Rule::InvalidObject, &release.spec.file, release.spec.line, 1, message));
            }
        }
    }
    Ok(())
}

/// Returns the definitions of Flux whose kinds are used and that the tree does not hold itself.
fn of_flux(tree: &Tree, rendered: &[Rendered]) -> Vec<Value> {
    let objects = || tree.objects().map(|object| &object.value).chain(rendered.iter().flat_map(|release| &release.objects));
    let is_used = |definition: &Value| {
        let is_of = |object: &Value| {
            let group = object["apiVersion"].as_str().and_then(|api| api.split_once('/')).map_or("", |(group, _)| group);
            object["kind"] == definition["spec"]["names"]["kind"] && definition["spec"]["group"] == group
        };
        objects().any(is_of)
    };
    let made = || objects().chain(rendered.iter().flat_map(|release| &release.definitions)).filter(|object| is_definition(object));
    let is_here = |definition: &Value| made().any(|object| object["metadata"]["name"] == definition["metadata"]["name"]);
    flux::definitions().iter().filter(|definition| is_used(definition) && !is_here(definition)).cloned().collect()
}

async fn apply(stage: &Stage, object: &Value) -> Result<(), Error> {
    let options = Apply { manager: "kustomize-controller", force: true, creates: false, default_namespace: None };
    stage.cluster.apply_known(object, &options, None).await.map(drop)
}

/// Applies an object as a dry run.
pub async fn show(stage: &Stage, object: &Value, manager: &str) -> Result<(), Error> {
    let options = Apply { manager, force: true, creates: false, default_namespace: None };
    stage.cluster.rehearse(object, &options).await
}
