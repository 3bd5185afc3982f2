//! What most modules do with a release.

use serde_json::{Value, json};

use crate::{Apply, Change, Failure, Host, Params, ReleaseName, Result};

/// Installs the step's release and waits until its objects are ready.
pub fn install(host: &impl Host, params: &Params) -> Result<Value> {
    let release = params.release()?;
    let outcome = host.ensure(release)?;
    // What was installed or upgraded was waited for.
    if outcome.action == "unchanged" {
        let activity = host.activity(&format!("{release} ready"));
        activity.note("waiting for its objects");
        host.wait_ready(release)?;
    }
    Ok(json!({ "action": outcome.action, "revision": outcome.revision }))
}

/// Applies manifests of the repository in order: files, folders of files, or folders with a `kustomization.yaml`.
///
/// Paths are relative to the folder of the release's HelmRelease (or to the repository where there is no release); with a
/// leading `/` they are relative to the repository. Objects that name no namespace go to `namespace`.
pub fn apply_manifests(host: &impl Host, release: Option<&ReleaseName>, namespace: Option<&str>, paths: &[String]) -> Result<Vec<Change>> {
    let folder = match release {
        Some(release) => host.release_info(release)?.folder.unwrap_or_default(),
        None => String::new(),
    };
    let mut changes = Vec::new();
    for path in paths {
        let path = resolve(&folder, path)?;
        let manifests = read_manifests(host, &path)?;
        let apply = Apply { manifests, default_namespace: namespace.map(str::to_owned), force_conflicts: true };
        changes.extend(host.apply(&apply).map_err(|failure| failure.within(&path))?);
    }
    Ok(changes)
}

/// Returns the manifests behind a path of the repository: a file, a kustomize folder, or all YAML files of a folder.
pub fn read_manifests(host: &impl Host, path: &str) -> Result<String> {
    if path.ends_with(".yaml") || path.ends_with(".yml") || path.ends_with(".json") {
        return host.read_text(path);
    }
    let entries = host.list_folder(path)?;
    if entries.iter().any(|entry| matches!(entry.name.as_str(), "kustomization.yaml" | "kustomization.yml" | "Kustomization")) {
        return host.kustomize(path);
    }
    let mut documents = Vec::new();
    for entry in entries.iter().filter(|entry| !entry.directory && (entry.name.ends_with(".yaml") || entry.name.ends_with(".yml"))) {
        documents.push(host.read_text(&format!("{path}/{}", entry.name))?);
    }
    if documents.is_empty() {
        return Err(Failure::new("not-found", format!("{path}: no YAML file and no kustomization.yaml in this folder")));
    }
    Ok(documents.join("\n---\n"))
}

/// Joins a folder and a path as a shell would, without leaving the repository.
pub fn resolve(folder: &str, path: &str) -> Result<String> {
    let joined = match path.strip_prefix('/') {
        Some(absolute) => absolute.to_owned(),
        None => format!("{folder}/{path}"),
    };
    let mut parts: Vec<&str> = Vec::new();
    for part in joined.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop().ok_or_else(|| Failure::invalid(format!("{path}: leads out of the repository")))?;
            }
            part => parts.push(part),
        }
    }
    Ok(parts.join("/"))
}

/// Returns changes as the outcome of a phase.
pub fn outcome(changes: &[Change]) -> Value {
    let lines: Vec<String> = changes.iter().map(|change| format!("{} {}", change.object, change.action)).collect();
    json!({ "changes": lines })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_join_and_stay_inside() {
        assert_eq!(resolve("apps/cilium/app", "networking.yaml").unwrap(), "apps/cilium/app/networking.yaml");
        assert_eq!(resolve("apps/cilium/app", "../config").unwrap(), "apps/cilium/config");
        assert_eq!(resolve("apps/cilium/app", "/bootstrap/x.yaml").unwrap(), "bootstrap/x.yaml");
        assert!(resolve("apps", "../../x").unwrap_err().message.contains("leads out"));
    }
}
