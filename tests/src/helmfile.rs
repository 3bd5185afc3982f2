//! helmfile, which people bootstrap with today: what ours is compared with.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use real_cluster::{Cluster, program};
use serde_json::{Value, json};

use crate::isolate;

/// A release for helmfile.
#[derive(Debug, Clone)]
pub struct Release {
    pub namespace: String,
    pub name: String,
    /// An archive.
    pub chart: PathBuf,
    pub values: Value,
    /// Whether helmfile waits until it is ready.
    pub waits: bool,
}

/// Returns helmfile, if it was built.
pub fn helmfile() -> Option<PathBuf> {
    std::env::var_os("LAUNCHWAY_HELMFILE").map(PathBuf::from)
}

/// Returns `.spec.values` of a HelmRelease: what helmfile is given where people read them with yq.
pub fn plain_values(helm_release: &Path) -> Result<Value> {
    let text = fs::read_to_string(helm_release).with_context(|| helm_release.display().to_string())?;
    Ok(go_encoding::yaml::parse(&text)?["spec"].get("values").cloned().unwrap_or_else(|| json!({})))
}

/// Returns helmfile, told to install releases one after the other.
pub fn sync(helmfile: &Path, cluster: &Cluster, releases: &[Release]) -> Result<Command> {
    let mut list: Vec<Value> = Vec::new();
    for release in releases {
        let before = list.last().map(|before| json!([format!("{}/{}", text(&before["namespace"]), text(&before["name"]))]));
        list.push(json!({
            "name": release.name, "namespace": release.namespace, "chart": release.chart, "values": [release.values],
            "wait": release.waits, "waitForJobs": release.waits, "needs": before.unwrap_or_else(|| json!([])),
        }));
    }
    let defaults = json!({ "cleanupOnFail": true, "forceConflicts": true, "createNamespace": true });
    let file = cluster.folder().join("data/helmfile.yaml");
    fs::write(&file, go_encoding::yaml::to_string(&json!({ "helmDefaults": defaults, "releases": list })))?;
    let mut sync = Command::new(helmfile);
    isolate(&mut sync, cluster.folder());
    sync.arg("--file").arg(file).arg("--helm-binary").arg(program("helm")?).args(["sync", "--skip-deps"]);
    sync.env("KUBECONFIG", cluster.kubeconfig()).env("HOME", cluster.folder().join("data"));
    Ok(sync)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
