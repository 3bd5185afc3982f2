//! Manifests that lie in the tree and that no kustomization lists.

use std::collections::{BTreeMap, BTreeSet};

use kustomize::{Files, KUSTOMIZATION_FILES};

use crate::check::finding::{Finding, Rule};
use crate::fields::{kind, name};
use crate::tree::{Tree, is_kustomization};

/// How many folders are looked into.
const MAX_FOLDERS: usize = 50_000;

pub(crate) fn find(files: &dyn Files, tree: &Tree, read: &BTreeSet<String>) -> Vec<Finding> {
    let built: BTreeSet<&str> = read.iter().filter_map(|path| folder_of_kustomization(path)).collect();
    let mut found = Vec::new();
    for (path, is_beside) in candidates(files, tree, &built) {
        if !read.contains(&path) {
            found.extend(finding(files, &path, is_beside));
        }
    }
    found
}

fn folder_of_kustomization(path: &str) -> Option<&str> {
    let (folder, file) = path.rsplit_once('/').unwrap_or(("", path));
    KUSTOMIZATION_FILES.contains(&file).then_some(folder)
}

/// Returns the YAML files below the folders that Flux reads, and whether a kustomization that is built lies beside each of them.
fn candidates(files: &dyn Files, tree: &Tree, built: &BTreeSet<&str>) -> BTreeMap<String, bool> {
    let mut found = BTreeMap::new();
    let mut open: Vec<String> = tree.folders().map(str::to_string).collect();
    let mut seen: BTreeSet<String> = BTreeSet::new();
    while let Some(folder) = open.pop() {
        if !seen.insert(folder.clone()) || seen.len() > MAX_FOLDERS {
            continue;
        }
        for entry in files.list(&folder).ok().flatten().unwrap_or_default() {
            let path = if folder.is_empty() { entry.name.clone() } else { format!("{folder}/{}", entry.name) };
            if entry.link {
                continue;
            }
            if entry.directory && !entry.name.starts_with('.') {
                open.push(path);
            } else if !entry.directory && (path.ends_with(".yaml") || path.ends_with(".yml")) && folder_of_kustomization(&path).is_none() {
                found.insert(path, built.contains(folder.as_str()));
            }
        }
    }
    found
}

/// A Flux Kustomization is meant to be listed wherever it lies; anything else where a kustomization beside it does not list it.
fn finding(files: &dyn Files, path: &str, is_beside: bool) -> Option<Finding> {
    let text = files.read(path).ok()??;
    let holds = |needle: &[u8]| text.windows(needle.len()).any(|window| window == needle);
    if !is_beside && !holds(b"kustomize.toolkit.fluxcd.io/") || !holds(b"apiVersion") {
        return None;
    }
    let manifests = kustomize::manifests(path, &text).ok()?;
    let is_meant = |value: &serde_json::Value| !name(value).is_empty() && (is_beside && !kind(value).is_empty() || is_kustomization(value));
    let first = manifests.iter().find(|manifest| is_meant(&manifest.value))?;
    let title = format!("{} {}", kind(&first.value), name(&first.value));
    let found = Finding::warning(
        Rule::Unreachable,
        path,
        first.line,
        1,
        format!("{title}: no kustomization lists this file, so Flux never sees it"),
    );
    Some(found.hint("list it under `resources:` of a kustomization.yaml, or remove it"))
}
