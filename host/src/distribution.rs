//! The manifests that flux-operator will make Flux of: the CRDs that must exist before Flux runs, and which helm-controller will come.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use serde_json::Value;
use sprig::semver::{Constraint, Version};

use crate::bounded;
use crate::chart_source::ChartSource;
use crate::failure::chain;

/// Manifests of Flux are far smaller, unpacked.
const MOST: u64 = 256 * 1024 * 1024;
/// The controllers whose CRDs a HelmRelease and its source need.
const CONTROLLERS: [&str; 2] = ["source-controller", "helm-controller"];

/// One version of Flux.
#[derive(Debug, Clone, PartialEq)]
pub struct Distribution {
    /// Of sources and HelmReleases.
    pub crds: Vec<Value>,
    /// The version of helm-controller, as its image is tagged.
    pub helm_controller: String,
}

/// Returns the version of Flux that a FluxInstance asks for, from a file, or from the artifact that it names.
pub async fn fetch(instance: &Value, file: Option<&Path>, charts: &ChartSource) -> Result<Distribution, String> {
    let text = |pointer: &str| instance.pointer(pointer).and_then(Value::as_str).filter(|text| !text.is_empty());
    let archive = match (file, text("/spec/distribution/artifact")) {
        (Some(file), _) => bounded::any(file, bounded::CHART).map_err(|error| format!("--flux-manifests {}: {error}", file.display()))?,
        (None, Some(artifact)) => {
            charts.source().artifact(artifact).await.map_err(|error| format!("spec.distribution.artifact {artifact}: {}", chain(&error)))?
        }
        (None, None) => return Err("the FluxInstance names no spec.distribution.artifact".into()),
    };
    choose(&unpack(&archive)?, text("/spec/distribution/version").unwrap_or("*"))
}

/// Reads the manifests of Flux in an archive, by their path from `flux/` on.
fn unpack(archive: &[u8]) -> Result<BTreeMap<PathBuf, String>, String> {
    let broken = |error: std::io::Error| format!("the manifests of Flux are no tar.gz: {error}");
    let mut files = BTreeMap::new();
    let mut tar = tar::Archive::new(GzDecoder::new(archive).take(MOST));
    for entry in tar.entries().map_err(broken)? {
        let mut entry = entry.map_err(broken)?;
        let path = entry.path().map_err(broken)?.into_owned();
        let path = path.strip_prefix(".").unwrap_or(&path).to_owned();
        if path.starts_with("flux") && entry.header().entry_type().is_file() {
            let mut text = String::new();
            entry.read_to_string(&mut text).map_err(broken)?;
            files.insert(path, text);
        }
    }
    Ok(files)
}

/// Chooses the highest version in range, as flux-operator does (`internal/builder`, MatchVersion).
fn choose(files: &BTreeMap<PathBuf, String>, range: &str) -> Result<Distribution, String> {
    let range_of = Constraint::parse(range).map_err(|error| format!("spec.distribution.version {range}: {error}"))?;
    let folder = |path: &PathBuf| path.iter().nth(1).map(|name| name.to_string_lossy().into_owned());
    let mut versions: Vec<(Version, String)> =
        files.keys().filter_map(folder).filter_map(|name| Some((Version::parse(&name).ok()?, name))).collect();
    versions.retain(|(version, _)| range_of.check(version));
    versions.sort_by(|(a, _), (b, _)| a.compare(b));
    let (_, name) = versions.pop().ok_or_else(|| format!("the manifests of Flux hold no version {range}"))?;
    let mut found = Distribution { crds: Vec::new(), helm_controller: String::new() };
    for controller in CONTROLLERS {
        let path = Path::new("flux").join(&name).join(format!("{controller}.yaml"));
        let text = files.get(&path).ok_or_else(|| format!("the manifests of Flux lack {}", path.display()))?;
        for document in go_encoding::yaml::documents(text).map_err(|error| format!("{}: {error}", path.display()))? {
            match document.value.get("kind").and_then(Value::as_str) {
                Some("CustomResourceDefinition") => found.crds.push(document.value),
                Some("Deployment") if controller == "helm-controller" => found.helm_controller = tag(&document.value),
                _ => {}
            }
        }
    }
    Ok(found)
}

fn tag(deployment: &Value) -> String {
    let image = deployment.pointer("/spec/template/spec/containers/0/image").and_then(Value::as_str).unwrap_or_default();
    image.rsplit_once(':').map_or("", |(_, tag)| tag).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files() -> BTreeMap<PathBuf, String> {
        let mut files = BTreeMap::new();
        for version in ["v2.8.8", "v2.9.4", "v2.10.0"] {
            let crd = format!("kind: CustomResourceDefinition\nmetadata: {{ name: {version} }}\n");
            let deployment =
                "kind: Deployment\nspec: { template: { spec: { containers: [{ image: 'fluxcd/helm-controller:v1.6.3' }] } } }\n";
            files.insert(Path::new("flux").join(version).join("source-controller.yaml"), crd);
            files.insert(Path::new("flux").join(version).join("helm-controller.yaml"), deployment.to_owned());
        }
        files
    }

    #[test]
    fn the_highest_version_in_range_is_chosen() {
        for (range, expected) in [("2.9.x", "v2.9.4"), ("2.x", "v2.10.0"), ("*", "v2.10.0"), ("=2.8.8", "v2.8.8")] {
            let found = choose(&files(), range).expect("a version");
            assert_eq!((found.crds[0]["metadata"]["name"].as_str(), found.helm_controller.as_str()), (Some(expected), "v1.6.3"), "{range}");
        }
        assert_eq!(choose(&files(), "3.x").expect_err("none"), "the manifests of Flux hold no version 3.x");
    }

    #[test]
    fn what_is_no_archive_is_said() {
        assert!(unpack(b"no gzip").expect_err("no archive").starts_with("the manifests of Flux are no tar.gz"));
    }
}
