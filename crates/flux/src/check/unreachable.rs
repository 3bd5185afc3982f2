//! Manifests that lie in the tree and that no kustomization lists.

use std::collections::{BTreeMap, BTreeSet};

use kustomize::{Files, KUSTOMIZATION_FILES};

use crate::check::finding::{Finding, Rule};
use crate::fields::{kind, name};
use crate::root;
use crate::tree::{Tree, is_kustomization};

/// How many folders are looked into.
const MAX_FOLDERS: usize = 50_000;

pub(crate) fn find(files: &dyn Files, tree: &Tree, read: &BTreeSet<String>) -> Vec<Finding> {
    let built: BTreeSet<&str> = read.iter().filter_map(|path| folder_of_kustomization(path)).collect();
    let Lying { manifests, kustomizations } = lying(files, tree, &built);
    let unread = manifests.iter().filter(|(path, _)| !read.contains(*path));
    let meant: Vec<Meant<'_>> = unread.filter_map(|(path, is_beside)| meant(files, path, *is_beside)).collect();
    if meant.is_empty() {
        return Vec::new();
    }
    let listed = listed(files, &kustomizations);
    meant.iter().filter_map(|meant| finding(meant, listed.get(meant.path).map(String::as_str), read)).collect()
}

/// Returns what kustomization files list, with one that does.
fn listed(files: &dyn Files, kustomizations: &BTreeSet<String>) -> BTreeMap<String, String> {
    let read = |path: &String| Some((path.clone(), files.read(path).ok()??));
    let of = |(path, text): (String, Vec<u8>)| root::listed(&path, &text).into_iter().map(move |entry| (entry, path.clone()));
    kustomizations.iter().filter_map(read).flat_map(of).collect()
}

/// The YAML files below the folders that Flux reads.
#[derive(Default)]
struct Lying {
    /// With whether a kustomization that is built lies beside each of them.
    manifests: BTreeMap<String, bool>,
    kustomizations: BTreeSet<String>,
}

fn folder_of_kustomization(path: &str) -> Option<&str> {
    let (folder, file) = path.rsplit_once('/').unwrap_or(("", path));
    KUSTOMIZATION_FILES.contains(&file).then_some(folder)
}

fn lying(files: &dyn Files, tree: &Tree, built: &BTreeSet<&str>) -> Lying {
    let mut found = Lying::default();
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
            } else if !entry.directory && folder_of_kustomization(&path).is_some() {
                found.kustomizations.insert(path);
            } else if !entry.directory && (path.ends_with(".yaml") || path.ends_with(".yml")) {
                found.manifests.insert(path, built.contains(folder.as_str()));
            }
        }
    }
    found
}

/// A file that is meant to be listed, by its first object.
struct Meant<'a> {
    path: &'a str,
    line: usize,
    title: String,
}

/// A Flux Kustomization is meant to be listed wherever it lies; anything else where a kustomization beside it does not list it.
fn meant<'a>(files: &dyn Files, path: &'a str, is_beside: bool) -> Option<Meant<'a>> {
    let text = files.read(path).ok()??;
    let holds = |needle: &[u8]| text.windows(needle.len()).any(|window| window == needle);
    if !is_beside && !holds(b"kustomize.toolkit.fluxcd.io/") || !holds(b"apiVersion") {
        return None;
    }
    let manifests = kustomize::manifests(path, &text).ok()?;
    let is_meant = |value: &serde_json::Value| !name(value).is_empty() && (is_beside && !kind(value).is_empty() || is_kustomization(value));
    let first = manifests.iter().find(|manifest| is_meant(&manifest.value))?;
    Some(Meant { path, line: first.line, title: format!("{} {}", kind(&first.value), name(&first.value)) })
}

fn finding(meant: &Meant<'_>, listed_by: Option<&str>, read: &BTreeSet<String>) -> Option<Finding> {
    let Meant { path, line, title } = meant;
    let (why, hint) = match listed_by {
        // Something there is wrong, which is said elsewhere.
        Some(by) if read.contains(by) => return None,
        Some(by) => (
            format!("only {by} lists this file, and Flux does not read that"),
            format!("list the folder of {by} in a kustomization.yaml that Flux reads, or remove it"),
        ),
        None => {
            ("no kustomization lists this file".to_string(), "list it under `resources:` of a kustomization.yaml, or remove it".to_string())
        }
    };
    Some(Finding::warning(Rule::Unreachable, path, *line, 1, format!("{title}: {why}, so Flux never sees it")).hint(hint))
}
