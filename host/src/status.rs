//! `launchway status`: how far a bootstrap is. It only reads.

use std::sync::Arc;

use bootstrap::Step;
use helm::HelmCompat;
use kube_engine::release::{self, Context, ReleaseError, ReleaseState};
use kube_engine::status::{self as readiness, Status as Readiness};
use kube_engine::{Cluster, ObjectRef};

use crate::Surroundings;
use crate::boot;
use crate::chart_source::ChartSource;
use crate::disclosed::Disclosed;
use crate::failure::{Blame, Failure, chain};
use crate::options;
use crate::release_source::{OpenRelease, ReleaseSource};
use crate::report::aligned;
use crate::repository::Repository;

/// How one release stands.
struct Standing {
    state: ReleaseState,
    objects: usize,
    /// What is not ready, with the reason.
    missing: Vec<(ObjectRef, String)>,
    flux: String,
}

/// Looks at every release of the manifest and tells.
pub async fn status(options: options::Status, around: &Surroundings) -> Result<(), Failure> {
    let (bootstrap, _, folder) = boot::read_manifest(options.file.as_deref(), around)?;
    let root = bootstrap.repository.as_ref().map_or_else(|| Repository::around(&folder), |path| folder.join(path));
    let repository = Arc::new(Repository::open(&root)?);
    let charts = Arc::new(ChartSource::new(boot::registry(&options.charts, around), root));
    let disclosed = Disclosed::read(&options.secrets, around, true)?;
    let releases = ReleaseSource::new(repository, bootstrap.flux_path.clone(), charts, HelmCompat::newest(), [0; 32], Some(disclosed));
    let cluster = boot::live(&options.connection, around).await?;
    let mut lines = vec![["STEP", "RELEASE", "CHART", "STATE", "READY", "FLUX"].map(str::to_owned)];
    let mut missing = Vec::new();
    let mut is_done = true;
    for index in bootstrap::order(&bootstrap.steps) {
        let step: &Step = &bootstrap.steps[index];
        let Some(reference) = &step.release else { continue };
        let open = releases.open(reference).await?;
        let standing = look(&cluster, &open).await.map_err(|error| Failure::cluster(chain(&error)))?;
        is_done &= matches!(standing.state, ReleaseState::InSync { .. }) && standing.missing.is_empty();
        let ready = format!("{} of {}", standing.objects - standing.missing.len(), standing.objects);
        lines.push([step.name.clone(), reference.to_string(), open.chart_title(), state(&standing.state), ready, standing.flux]);
        missing.extend(standing.missing);
    }
    print!("{}", aligned(&lines));
    for (object, reason) in missing {
        println!("{object}: {reason}");
    }
    if let Some(holder) = cluster.lease_holder().await.map_err(|error| Failure::cluster(chain(&error)))? {
        println!("a run holds the cluster: {holder}");
    }
    // What is missing has been said.
    if is_done { Ok(()) } else { Err(Failure::new(Blame::Cluster, "")) }
}

async fn look(cluster: &Cluster, open: &OpenRelease) -> Result<Standing, ReleaseError> {
    let context = Context { cluster, now: &jiff::Timestamp::now, seed: open.seed, progress: &|_| {}, before_flux: &() };
    let state = release::state(&context, &open.wanted).await?;
    let mut standing = Standing { state, objects: 0, missing: Vec::new(), flux: flux(cluster, open).await? };
    if matches!(standing.state, ReleaseState::Absent) {
        return Ok(standing);
    }
    let objects = release::objects(&context, &open.wanted).await?;
    standing.objects = objects.len();
    for object in objects {
        let reason = match cluster.get(&object).await?.as_ref().map(readiness::of) {
            Some(Readiness::Current) => continue,
            Some(Readiness::InProgress(reason) | Readiness::Failed(reason)) => reason,
            Some(Readiness::Terminating) => "is being deleted".into(),
            None => "does not exist".into(),
        };
        standing.missing.push((object, reason));
    }
    Ok(standing)
}

fn state(state: &ReleaseState) -> String {
    match state {
        ReleaseState::Absent => "not installed".into(),
        ReleaseState::InSync { revision } => format!("in sync, revision {revision}"),
        ReleaseState::OutOfSync { revision, reason } => format!("revision {revision}: {reason}"),
        ReleaseState::Pending { status, since, .. } => format!("{status} since {since}"),
    }
}

/// Tells what Flux knows of a release.
async fn flux(cluster: &Cluster, open: &OpenRelease) -> Result<String, ReleaseError> {
    let Some(spec) = &open.spec else { return Ok("-".into()) };
    let reference = ObjectRef {
        api_version: "helm.toolkit.fluxcd.io/v2".into(),
        kind: "HelmRelease".into(),
        namespace: Some(spec.namespace.clone()),
        name: spec.name.clone(),
    };
    let Some(live) = cluster.get(&reference).await? else { return Ok("does not know it".into()) };
    // helm-controller notes this once it has looked at a release (`api/v2/helmrelease_types.go`, storageNamespace).
    let has_looked = live.pointer("/status/storageNamespace").is_some();
    let is_seeded = live.pointer("/status/history/0").is_some();
    Ok(match (has_looked, is_seeded, readiness::of(&live)) {
        (false, true, _) => "was told of it".into(),
        (false, false, _) => "has not looked at it".into(),
        (true, _, Readiness::Current) => "ready".into(),
        (true, _, Readiness::InProgress(reason) | Readiness::Failed(reason)) => reason,
        (true, _, Readiness::Terminating) => "is deleting it".into(),
    })
}
