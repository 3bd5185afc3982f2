//! Undoing an install or upgrade that failed, where that is wanted (`helm/helm` `pkg/action/upgrade.go` and `install.go`, failRelease;
//! `rollback.go`, `uninstall.go`).

use helm::release::Release;
use serde_json::Value;

use super::hooks::Hooks;
use super::run::{Clock, Run, Verb, references, stamp_time, until};
use super::{ActionOptions, Context, OnFailure, Progress, ReleaseError, UndoOptions, Wait, Wanted, documents, storage};
use crate::cluster::Propagation;
use crate::object::ObjectRef;

/// Does what is wanted about a failure, and returns the error with what was done. It has as much time as the failed run had.
pub(super) async fn after(run: &mut Run<'_>, failed: &Release, error: ReleaseError) -> ReleaseError {
    let verb = if run.verb == Verb::Install { "install" } else { "upgrade" };
    let undone = match (run.options.on_failure, last_good(run.history)) {
        (OnFailure::Leave, _) => return error,
        (OnFailure::RollBack, Some(good)) => {
            let how = format!("the {verb} failed and was rolled back to revision {}", good.version);
            roll_back(run, failed, good).await.map(|()| how)
        }
        (OnFailure::RollBack, None) => {
            (run.context.progress)(Progress::Warning("it was never deployed: there is no revision to roll back to"));
            return error;
        }
        (OnFailure::Uninstall, _) => uninstall(run, failed).await.map(|()| format!("the {verb} failed and was uninstalled")),
    };
    match undone {
        Ok(how) => ReleaseError::Undone { how, source: Box::new(error) },
        Err(left) => {
            (run.context.progress)(Progress::Warning(&format!("undoing the {verb} that failed: {left}")));
            error
        }
    }
}

/// Returns the newest revision that was deployed. Helm knows it by its status: what failed is not superseded.
fn last_good(history: &[Release]) -> Option<&Release> {
    history.iter().rev().find(|release| matches!(storage::status(release), "deployed" | "superseded"))
}

async fn roll_back(run: &mut Run<'_>, failed: &Release, good: &Release) -> Result<(), ReleaseError> {
    let (context, wanted) = (run.context, run.wanted);
    let UndoOptions { disable_hooks, wait, timeout, .. } = wanted.rollback;
    (context.progress)(Progress::Doing(&format!("rolling back to revision {}", good.version)));
    let history: Vec<Release> = run.history.iter().chain([failed]).cloned().collect();
    let mut back = Run {
        context,
        wanted,
        verb: Verb::Rollback,
        options: ActionOptions { disable_hooks, wait, timeout, take_ownership: true, cleanup_on_fail: false, ..run.options },
        history: &history,
        current: Some(failed),
        replaced: history.iter().filter(|release| storage::status(release) == "deployed").collect(),
        stale: None,
        began: None,
        changes: Vec::new(),
        seen: Vec::new(),
        clock: Clock::of(wanted.timeout, timeout),
    };
    let targets = back.targets(documents::of_manifest(&good.manifest)?).await?;
    let mut info = back.begun(format!("Rollback to {}", good.version));
    info.notes = good.info.as_ref().map(|info| info.notes.clone()).unwrap_or_default();
    let mut release = Release { version: failed.version + 1, info: Some(info), apply_method: failed.apply_method.clone(), ..good.clone() };
    storage::create(context, wanted, &release, &history).await?;
    let gone = back.go(&mut release, &targets).await;
    run.changes.append(&mut back.changes);
    gone
}

async fn uninstall(run: &mut Run<'_>, failed: &Release) -> Result<(), ReleaseError> {
    let (context, wanted) = (run.context, run.wanted);
    let UndoOptions { disable_hooks, wait, timeout, keep_history } = wanted.uninstall;
    let (clock, creates) = (Clock::of(wanted.timeout, timeout), run.is_client_side());
    let hooks = async |release: &mut Release, event| {
        if disable_hooks { Ok(()) } else { Hooks { context, wanted, event, clock, creates, is_recorded: true }.run(release).await }
    };
    (context.progress)(Progress::Doing("uninstalling"));
    let mut release = failed.clone();
    let info = release.info.get_or_insert_default();
    info.status = "uninstalling".into();
    info.deleted = Some(stamp_time(context));
    info.description = "Deletion in progress (or silently failed)".into();
    hooks(&mut release, "pre-delete").await?;
    storage::update(context, wanted, &release).await?;
    let deleted = delete(run, &release).await?;
    // What is deleted is gone, whatever becomes of the rest.
    let waited = if wait == Wait::Nothing { Ok(()) } else { until("absent", context, deleted, &[], clock.left()).await };
    let hooked = hooks(&mut release, "post-delete").await;
    let recorded = if keep_history { keep(run, release).await } else { purge(context, wanted, run.history, failed).await };
    waited.and(hooked).and(recorded)
}

/// Deletes the objects of a release, but for those that its manifest says are to be kept, and returns them.
async fn delete(run: &mut Run<'_>, release: &Release) -> Result<Vec<ObjectRef>, ReleaseError> {
    let (cluster, wanted) = (run.context.cluster, run.wanted);
    let mut objects = documents::of_manifest(&release.manifest)?;
    objects.retain(|object| !is_kept(object));
    let mut references = references(cluster, &objects, &wanted.namespace).await?;
    helm::manifest::sort_by_kind(&mut references, &helm::manifest::uninstall_order(&wanted.compat), |reference| &reference.kind);
    let mut failed = None;
    for reference in &references {
        match cluster.delete(reference, Propagation::Background).await {
            Ok(change) => run.changed(change),
            // The others go all the same.
            Err(error) => failed = failed.or(Some(error)),
        }
    }
    failed.map_or(Ok(references), |error| Err(error.into()))
}

/// Tells whether an object stays when its release goes (`pkg/action/resource_policy.go`).
fn is_kept(object: &Value) -> bool {
    let policy = object.pointer("/metadata/annotations/helm.sh~1resource-policy").and_then(Value::as_str);
    policy.is_some_and(|policy| policy.trim().eq_ignore_ascii_case("keep"))
}

async fn keep(run: &Run<'_>, mut release: Release) -> Result<(), ReleaseError> {
    let info = release.info.get_or_insert_default();
    (info.status, info.description) = ("uninstalled".into(), "Uninstallation complete".into());
    storage::update(run.context, run.wanted, &release).await?;
    for old in run.history.iter().filter(|release| storage::status(release) == "deployed") {
        storage::supersede(run.context, run.wanted, old).await?;
    }
    Ok(())
}

async fn purge(context: &Context<'_>, wanted: &Wanted, history: &[Release], failed: &Release) -> Result<(), ReleaseError> {
    for release in history.iter().chain([failed]) {
        storage::delete(context, wanted, release.version).await?;
    }
    Ok(())
}
