//! Reads a helmfile bootstrap: its releases, what they need, and the hooks of the common kinds. Templates are not evaluated, but for the name
//! and namespace of the release.

use std::collections::{BTreeMap, BTreeSet};

use flux::Tree;
use serde_json::Value;

use super::hooks;
use super::templates::Masked;
use super::{Plan, Proposal, module_of};
use crate::repository::Repository;

/// Returns the files that have releases and are for helmfile: of a bootstrap rather than of anything else, and of several those that are
/// nearest to the folder that Flux synchronises.
pub fn find(repository: &Repository, root: &str) -> Vec<String> {
    let is_bootstrap = |path: &&String| path.split('/').any(|part| part == "bootstrap");
    let has_releases = |path: &String| match read(repository, path) {
        Ok(documents) => documents.iter().any(|document| document.get("releases").is_some_and(Value::is_array)),
        Err(_) => lists_releases(repository, path),
    };
    let is_meant = |path: &String| path.contains("helmfile") || path.contains("bootstrap/apps/");
    let mut found: Vec<String> = repository.yaml_files().into_iter().filter(|path| is_meant(path) && has_releases(path)).collect();
    if found.iter().any(|path| is_bootstrap(&path)) {
        found.retain(|path| is_bootstrap(&path));
    }
    let nearness = |path: &String| path.split('/').zip(root.split('/')).take_while(|(one, other)| one == other).count();
    let nearest = found.iter().map(nearness).max();
    found.retain(|path| Some(nearness(path)) == nearest);
    // The definitions come first, whatever their file is called.
    found.sort_by_key(|path| !read(repository, path).is_ok_and(|documents| documents.iter().any(is_for_crds)));
    found
}

/// Reads the documents of a helmfile. The error names file and line.
fn read(repository: &Repository, path: &str) -> Result<Vec<Value>, String> {
    let Ok(Some(bytes)) = repository.bytes(path) else { return Ok(Vec::new()) };
    let parse = |bytes: &[u8]| kustomize::manifests(path, bytes).map(|all| all.into_iter().map(|manifest| manifest.value).collect());
    parse(&bytes).or_else(|_: kustomize::Error| {
        let masked = Masked::of(&String::from_utf8_lossy(&bytes));
        let mut documents: Vec<Value> = parse(masked.text.as_bytes()).map_err(|error| error.to_string())?;
        documents.iter_mut().for_each(|document| masked.restore(document));
        Ok(documents)
    })
}

/// Returns whether a file that cannot be read looks like one with releases.
fn lists_releases(repository: &Repository, path: &str) -> bool {
    let text = repository.bytes(path).ok().flatten().unwrap_or_default();
    String::from_utf8_lossy(&text).lines().any(|line| line.trim_end() == "releases:")
}

/// A stage that only renders definitions, to be applied by something else.
fn is_for_crds(document: &Value) -> bool {
    let args = document.pointer("/helmDefaults/args").and_then(Value::as_array);
    args.into_iter().flatten().any(|arg| arg == "--include-crds")
}

pub(super) fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// Converts helmfiles into steps.
pub fn convert(repository: &Repository, files: &[String], tree: &Tree) -> Plan {
    let mut plan = Plan::default();
    let mut names: BTreeMap<(String, String), String> = BTreeMap::new();
    let mut releases = Vec::new();
    for file in files {
        let documents = read(repository, file).unwrap_or_else(|why| {
            plan.comments.push(format!("the releases of {file} are left out, as it cannot be read: {}", one_line(&why)));
            Vec::new()
        });
        for document in documents {
            let listed = document.get("releases").and_then(Value::as_array).cloned().unwrap_or_default();
            match is_for_crds(&document) {
                true => definitions(file, &listed, tree, &mut plan),
                false => releases.extend(listed.into_iter().map(|release| (file.clone(), release))),
            }
        }
    }
    let crds: Vec<String> = plan.steps.iter().map(|step| step.name.clone()).collect();
    for (file, release) in &releases {
        let id = (text(release, "namespace").to_owned(), text(release, "name").to_owned());
        match tree.release(&id.0, &id.1) {
            Ok(_) => {
                let taken = names.values().any(|name| *name == id.1) || crds.contains(&id.1);
                names.insert(id.clone(), if taken { format!("{}-{}", id.0, id.1) } else { id.1.clone() });
            }
            Err(error) => plan.comments.push(format!("release {}/{} of {file} is left out: {}", id.0, id.1, one_line(&error.to_string()))),
        }
    }
    for (file, release) in &releases {
        let id = (text(release, "namespace").to_owned(), text(release, "name").to_owned());
        if let (Some(name), Ok(spec)) = (names.get(&id), tree.release(&id.0, &id.1)) {
            let mut step = Proposal { name: name.clone(), module: module_of(spec.chart.name()), release: Some(id), ..Proposal::default() };
            needs(release, &releases, &names, &mut step);
            if step.needs.is_empty() {
                step.needs.extend(crds.iter().cloned());
            }
            for hook in release.get("hooks").and_then(Value::as_array).into_iter().flatten() {
                hooks::convert(repository, file, release, hook, &spec.folder, &mut step);
            }
            plan.steps.push(step);
        }
    }
    plan
}

pub(super) fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn definitions(file: &str, releases: &[Value], tree: &Tree, plan: &mut Plan) {
    let mut step = Proposal { name: "crds".into(), module: "crds".into(), ..Proposal::default() };
    for release in releases {
        let (namespace, name) = (text(release, "namespace"), text(release, "name"));
        match tree.release(namespace, name) {
            Ok(_) => step.with.entry("releases").or_default().push(format!("{namespace}/{name}")),
            Err(error) => plan.comments.push(format!("release {namespace}/{name} of {file} is left out: {}", one_line(&error.to_string()))),
        }
    }
    if !step.with.is_empty() {
        plan.steps.push(step);
    }
}

/// Adds what a release needs. What a release that is left out needs is needed in its place, so that the order stays.
fn needs(release: &Value, releases: &[(String, Value)], names: &BTreeMap<(String, String), String>, step: &mut Proposal) {
    let mut open: Vec<(&Value, &str)> = needs_of(release).collect();
    let mut seen = BTreeSet::new();
    while let Some((of, need)) = open.pop() {
        // A need may name the context of the cluster first.
        let (rest, name) = need.rsplit_once('/').unwrap_or((text(of, "namespace"), need));
        let namespace = rest.rsplit('/').next().unwrap_or(rest);
        if !seen.insert((namespace, name)) {
            continue;
        }
        if let Some(name) = names.get(&(namespace.to_owned(), name.to_owned())) {
            step.needs.push(name.clone());
            continue;
        }
        step.comments.push(format!("needs {need}, which is no release here"));
        let is_it = |(_, other): &&(String, Value)| text(other, "namespace") == namespace && text(other, "name") == name;
        open.extend(releases.iter().find(is_it).into_iter().flat_map(|(_, left_out)| needs_of(left_out)));
    }
}

/// Returns what a release names under `needs`, last first, with the release.
fn needs_of(release: &Value) -> impl Iterator<Item = (&Value, &str)> {
    let listed = release.get("needs").and_then(Value::as_array).into_iter().flatten().rev();
    listed.filter_map(move |need| Some((release, need.as_str()?)))
}
