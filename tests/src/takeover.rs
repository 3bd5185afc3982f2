//! A GitOps repository that real Flux can take over on loopback: its charts and itself in a registry.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use flate2::Compression;
use flate2::write::GzEncoder;
use real_cluster::{Registry, program};
use tempfile::TempDir;

use crate::{copy_into, root, temporary};

/// What may be different about the repository.
#[derive(Debug, Clone, Copy)]
pub struct Variant {
    /// `seed` or `match`.
    pub handoff: &'static str,
    /// The feature gates of helm-controller.
    pub gates: &'static str,
    pub instance: Instance,
}

/// Where the FluxInstance comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Instance {
    /// A HelmRelease makes it.
    Release,
    /// It is a manifest of the repository.
    Manifest,
}

/// helm-controller leaves versions of charts as they are.
pub const PLAIN_VERSIONS: &str = "DisableChartDigestTracking=true";
/// helm-controller puts the digest of a chart into its version, as it does by default.
pub const TRACKED_VERSIONS: &str = "AdditiveCELDependencyCheck=true";
/// helm-controller does as it did with Helm 3: it applies on the client's side, and post-renders no hooks.
pub const HELM_3: &str = "UseHelm3Defaults=true,DisableChartDigestTracking=true";

/// A repository in a folder, and the registry that Flux reads it from.
pub struct Repository {
    pub folder: TempDir,
    pub registry: Registry,
}

impl Repository {
    /// Makes the repository of `tests/takeover` for a registry of its own, and pushes everything that Flux will fetch.
    pub fn make(variant: Variant) -> Result<Repository> {
        let folder = temporary()?;
        copy_into(&root().join("tests/takeover/repository"), folder.path())?;
        if variant.instance == Instance::Manifest {
            copy_into(&root().join("tests/takeover/plain-instance"), folder.path())?;
        }
        let registry = Registry::start()?;
        fill(folder.path(), &registry, variant)?;
        push_own_charts(&registry)?;
        push_flux(&registry, folder.path())?;
        Ok(Repository { folder, registry })
    }
}

/// Pushes the manifests of Flux, and the repository.
pub(crate) fn push_flux(registry: &Registry, folder: &Path) -> Result<()> {
    let programs = program("flux")?.canonicalize()?.parent().map(Path::to_owned).context("flux is in a folder")?;
    registry.push_artifact("flux-operator-manifests", "latest", &archive(&programs, &["flux", "flux-images"])?)?;
    registry.push_artifact("home", "latest", &archive(folder, &["kubernetes"])?)
}

/// Replaces the words that stand for this run.
fn fill(folder: &Path, registry: &Registry, variant: Variant) -> Result<()> {
    for file in crate::files(folder)? {
        let text = fs::read_to_string(&file)?;
        let text = text.replace("REGISTRY", registry.address()).replace("GATES", variant.gates).replace("HANDOFF", variant.handoff);
        fs::write(&file, text)?;
    }
    Ok(())
}

/// Pushes the charts of `tests/takeover/charts`; that of the operator has its real CRDs.
fn push_own_charts(registry: &Registry) -> Result<()> {
    let charts = temporary()?;
    copy_into(&root().join("tests/takeover/charts"), charts.path())?;
    let crds: Vec<String> =
        crate::files(&program("flux-operator-crds")?)?.iter().map(fs::read_to_string).collect::<std::io::Result<_>>()?;
    fs::write(charts.path().join("flux-operator/crds.txt"), crds.join("\n---\n"))?;
    push_charts(registry, charts.path())
}

/// Packs and pushes every chart in a folder.
pub fn push_charts(registry: &Registry, charts: &Path) -> Result<()> {
    let packed = temporary()?;
    for chart in fs::read_dir(charts)? {
        let chart = chart?.path();
        let output = Command::new(program("helm")?).arg("package").arg(&chart).current_dir(packed.path()).output()?;
        if !output.status.success() {
            bail!("helm package {}: {}", chart.display(), String::from_utf8_lossy(&output.stderr));
        }
    }
    for archive in crate::files(packed.path())?.iter().filter(|file| file.extension().is_some_and(|end| end == "tgz")) {
        registry.push_chart(archive)?;
    }
    Ok(())
}

/// Packs some folders of a folder, as an artifact of Flux has them.
pub fn archive(folder: &Path, names: &[&str]) -> Result<Vec<u8>> {
    let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for name in names {
        let from: PathBuf = folder.join(name).canonicalize()?;
        tar.append_dir_all(name, from)?;
    }
    Ok(tar.into_inner()?.finish()?)
}
