//! Finds the folder that Flux synchronises: what a FluxInstance, the chart that makes one, or `gotk-sync.yaml` says, else a Kustomization
//! that synchronises the folder it lies in.

use std::collections::BTreeSet;

use kustomize::{Files, KUSTOMIZATION_FILES, Manifest};
use serde_json::Value;

use crate::error::{Error, Place};
use crate::fields::{group, items, kind, name, text};

/// How many files are looked at.
const MAX_FILES: usize = 50_000;

/// Returns the folder that Flux synchronises, from the root of the repository.
pub fn find(files: &dyn Files) -> Result<String, Error> {
    let found = all(files)?;
    let Some((first, _)) = found.first() else { return Err(Error::NoRoot) };
    if found.iter().any(|(folder, _)| folder != first) {
        return Err(Error::AmbiguousRoot(found.into_iter().map(|(_, place)| place).collect()));
    }
    Ok(first.clone())
}

/// Returns every folder that Flux synchronises somewhere, sorted: a repository may be for several clusters.
pub fn find_each(files: &dyn Files) -> Result<Vec<String>, Error> {
    let folders: BTreeSet<String> = all(files)?.into_iter().map(|(folder, _)| folder).collect();
    Ok(folders.into_iter().collect())
}

/// What names a folder that Flux synchronises.
pub(crate) struct Naming {
    pub(crate) file: String,
    pub(crate) line: usize,
    /// Whether Flux takes the folder from something that may have been made of another one: not from a Git repository.
    pub(crate) is_of_artifact: bool,
}

/// Returns what names a folder that Flux synchronises, if anything does.
pub(crate) fn naming(files: &dyn Files, folder: &str) -> Option<Naming> {
    const KINDS: [&[&str]; 4] = [
        &["spec", "sync", "kind"],
        &["spec", "values", "instance", "sync", "kind"],
        &["instance", "sync", "kind"],
        &["spec", "sourceRef", "kind"],
    ];
    let (_, Place { file, line, .. }) = all(files).ok()?.into_iter().find(|(named, _)| named == folder)?;
    let manifests = kustomize::manifests(&file, &files.read(&file).ok()??).unwrap_or_default();
    let named = manifests.iter().find(|manifest| manifest.line == line);
    let kind = named.and_then(|manifest| KINDS.iter().find_map(|path| text(&manifest.value, path)));
    Some(Naming { is_of_artifact: kind.is_some_and(|kind| kind != "GitRepository"), file, line })
}

/// Folders and what names them.
type Named = Vec<(String, Place)>;

/// What names the folder, the surest first.
#[derive(Default)]
struct Candidates {
    /// A FluxInstance, or `gotk-sync.yaml` in the folder that it synchronises.
    sure: Named,
    /// `gotk-sync.yaml` elsewhere.
    sync: Named,
    /// A file with a Git repository and a Kustomization of it whose folder the file is in.
    own: Named,
    /// The same with another kind of source, which more often holds what somebody else publishes.
    published: Named,
    /// The folder of a cluster under `clusters`, as `flux bootstrap` has them.
    clusters: Named,
}

/// Returns the folders and what names them.
fn all(files: &dyn Files) -> Result<Named, Error> {
    let mut found = Candidates::default();
    let mut of_others = BTreeSet::new();
    for path in yaml_files(files)? {
        let text = files.read(&path).map_err(|message| Error::Read { path: path.clone(), message })?.unwrap_or_default();
        // Most files are none of ours, and some are no YAML: only those that may name the folder are parsed.
        let Ok(content) = std::str::from_utf8(&text) else { continue };
        if let Some(folder) = of_cluster(&path).filter(|_| content.contains("kustomize.toolkit.fluxcd.io/")) {
            let place = Place { title: format!("{folder} with Kustomizations of Flux"), file: path.clone(), line: 1 };
            if found.clusters.last().is_none_or(|(last, _)| last != folder) {
                found.clusters.push((folder.to_string(), place));
            }
        }
        if let Some(folder) = of_cluster(&path) {
            of_others.extend(listed(&path, &text).into_iter().filter(|listed| !is_inside(listed, folder)));
        }
        let holds = |words: &[&str]| words.iter().all(|word| content.contains(word));
        let may_name = holds(&["FluxInstance"]) || holds(&["flux-instance"]) || holds(&["instance:", "sync:"]);
        let may_synchronise = holds(&["kustomize.toolkit.fluxcd.io/", "source.toolkit.fluxcd.io/"]) || path.ends_with("gotk-sync.yaml");
        if may_name || may_synchronise {
            let Ok(manifests) = kustomize::manifests(&path, &text) else { continue };
            found.add(&path, &manifests);
        }
    }
    let Candidates { sure, sync, own, published, mut clusters } = found;
    // What the kustomization of another cluster lists is a part of that one.
    let is_base = |(folder, _): &(String, Place)| of_others.iter().any(|path| is_inside(path, folder));
    if !clusters.iter().all(is_base) {
        clusters.retain(|named| !is_base(named));
    }
    Ok([sure, sync, own, published, clusters].into_iter().find(|named| !named.is_empty()).unwrap_or_default())
}

impl Candidates {
    fn add(&mut self, path: &str, manifests: &[Manifest]) {
        for Manifest { value, line } in manifests {
            let is_sync = kind(value) == "Kustomization" && group(value) == "kustomize.toolkit.fluxcd.io";
            let folder = if is_sync { text(value, &["spec", "path"]) } else { named_by(value) };
            let Some(folder) = folder.and_then(|folder| kustomize::join_path("", folder.trim_start_matches('/'))) else { continue };
            let by = if kind(value).is_empty() { "values".to_string() } else { format!("{} {}", kind(value), name(value)) };
            let title = format!("{} by {by}", if folder.is_empty() { "." } else { &folder });
            let is_inside = folder.is_empty() || path.strip_prefix(&folder).is_some_and(|rest| rest.starts_with('/'));
            let is_gotk = path.ends_with("gotk-sync.yaml");
            let list = match (is_sync, is_gotk, is_inside) {
                (false, ..) | (true, true, true) => &mut self.sure,
                (true, true, false) => &mut self.sync,
                (true, false, true) => match source_of(value, manifests) {
                    Some("GitRepository") => &mut self.own,
                    Some(_) => &mut self.published,
                    None => continue,
                },
                (true, false, false) => continue,
            };
            list.push((folder, Place { title, file: path.to_string(), line: *line }));
        }
    }
}

/// Returns the kind of a Kustomization's source, if that is among the objects beside it.
fn source_of<'a>(kustomization: &'a Value, manifests: &[Manifest]) -> Option<&'a str> {
    let wanted = |field: &str| text(kustomization, &["spec", "sourceRef", field]);
    let is_it = |Manifest { value, .. }: &Manifest| {
        group(value) == "source.toolkit.fluxcd.io" && Some(kind(value)) == wanted("kind") && Some(name(value)) == wanted("name")
    };
    wanted("kind").filter(|_| manifests.iter().any(is_it))
}

fn is_inside(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Returns the paths that a kustomization file lists.
pub(crate) fn listed(path: &str, text: &[u8]) -> Vec<String> {
    let (folder, file) = path.rsplit_once('/').unwrap_or(("", path));
    if !KUSTOMIZATION_FILES.contains(&file) {
        return Vec::new();
    }
    let manifests = kustomize::manifests(path, text).unwrap_or_default();
    let fields = ["resources", "bases", "components"];
    let all = manifests.iter().flat_map(|manifest| fields.iter().flat_map(|field| items(&manifest.value, &[field])));
    all.filter_map(|entry| kustomize::join_path(folder, entry.as_str()?)).collect()
}

/// Returns the folder of a cluster that a file is in: `clusters/NAME`, at any depth.
fn of_cluster(path: &str) -> Option<&str> {
    let start = if path.starts_with("clusters/") { 0 } else { path.find("/clusters/")? + 1 };
    let name = start + "clusters/".len();
    Some(&path[..name + path[name..].find('/')?])
}

fn named_by(value: &Value) -> Option<&str> {
    match (group(value), kind(value)) {
        ("fluxcd.controlplane.io", "FluxInstance") => {
            Some(text(value, &["spec", "sync", "path"]).unwrap_or("")).filter(|_| value.pointer("/spec/sync").is_some())
        }
        ("helm.toolkit.fluxcd.io", "HelmRelease") if makes_instance(value) => text(value, &["spec", "values", "instance", "sync", "path"]),
        // The values of that chart in a file of their own.
        ("", "") => text(value, &["instance", "sync", "path"]),
        _ => None,
    }
}

/// Returns kind, namespace and name of the source that flux-operator makes of a FluxInstance, or of the HelmRelease that makes one.
pub(crate) fn source_of_instance(instance: &Value) -> (&str, &str, &str) {
    let at = |path: &[&str]| -> Option<&str> {
        let below: Vec<&str> = match kind(instance) {
            "FluxInstance" => [&["spec"], path].concat(),
            _ => [&["spec", "values", "instance"], path].concat(),
        };
        text(instance, &below)
    };
    let inside = text(instance, &["spec", "targetNamespace"]).unwrap_or(crate::fields::namespace(instance));
    (at(&["sync", "kind"]).unwrap_or("GitRepository"), inside, at(&["sync", "name"]).unwrap_or(inside))
}

/// Returns whether a HelmRelease is of the chart that makes a FluxInstance.
pub(crate) fn makes_instance(release: &Value) -> bool {
    const CHART: &str = "flux-instance";
    text(release, &["spec", "chartRef", "name"]) == Some(CHART)
        || text(release, &["spec", "chart", "spec", "chart"]) == Some(CHART)
        || name(release) == CHART
        || release.pointer("/spec/values/instance/sync").is_some()
}

/// Lists the YAML files of a repository; hidden folders are left out.
fn yaml_files(files: &dyn Files) -> Result<Vec<String>, Error> {
    let (mut found, mut open) = (Vec::new(), vec![String::new()]);
    while let Some(folder) = open.pop() {
        let entries = files.list(&folder).map_err(|message| Error::Read { path: folder.clone(), message })?;
        for entry in entries.unwrap_or_default() {
            let path = if folder.is_empty() { entry.name.clone() } else { format!("{folder}/{}", entry.name) };
            if entry.link {
                // Flux does not see what it leads to.
                continue;
            }
            if entry.directory && !entry.name.starts_with('.') {
                open.push(path);
            } else if !entry.directory && (path.ends_with(".yaml") || path.ends_with(".yml")) {
                found.push(path);
            }
            if found.len() > MAX_FILES {
                return Err(Error::Read {
                    path: folder,
                    message: format!("more than {MAX_FILES} YAML files; name the folder that Flux synchronises"),
                });
            }
        }
    }
    found.sort();
    Ok(found)
}
