//! Hooks (`helm/helm` `pkg/action/hooks.go`): one after the other by weight and name, each waited for.

use helm::release::{LastRun, Release};
use serde_json::Value;

use super::run::stamp_time;
use super::{Context, MANAGER, Progress, ReleaseError, Wanted, documents, storage};
use crate::cluster::{Apply, Propagation};
use crate::explain::explain;
use crate::object::ObjectRef;
use crate::wait::{self, Pending, WaitError};

/// Runs the hooks of one event and notes in the record how each went.
pub(super) async fn run(context: &Context<'_>, wanted: &Wanted, release: &mut Release, event: &str) -> Result<(), ReleaseError> {
    let mut order: Vec<usize> =
        (0..release.hooks.len()).filter(|index| release.hooks[*index].events.iter().any(|known| known == event)).collect();
    order.sort_by(|a, b| {
        let key = |index: &usize| (release.hooks[*index].weight, release.hooks[*index].name.clone());
        key(a).cmp(&key(b))
    });
    if wanted.disable_hooks {
        return Ok(());
    }
    let mut done: Vec<usize> = Vec::new();
    for index in order {
        if release.hooks[index].delete_policies.is_empty() {
            release.hooks[index].delete_policies = vec!["before-hook-creation".into()];
        }
        if let Err(error) = run_one(context, wanted, release, index, event).await {
            release.hooks[index].last_run.phase = "Failed".into();
            release.hooks[index].last_run.completed_at = Some(stamp_time(context));
            delete(context, wanted, release, &[index], "hook-failed").await?;
            delete(context, wanted, release, &done, "hook-succeeded").await?;
            return Err(error);
        }
        release.hooks[index].last_run.phase = "Succeeded".into();
        release.hooks[index].last_run.completed_at = Some(stamp_time(context));
        done.push(index);
    }
    done.reverse();
    delete(context, wanted, release, &done, "hook-succeeded").await
}

async fn run_one(context: &Context<'_>, wanted: &Wanted, release: &mut Release, index: usize, event: &str) -> Result<(), ReleaseError> {
    let hook = release.hooks[index].clone();
    delete(context, wanted, release, &[index], "before-hook-creation").await?;
    (context.progress)(Progress::Doing(&format!("{event} hook {}", hook.name)));
    release.hooks[index].last_run = LastRun { started_at: Some(stamp_time(context)), completed_at: None, phase: "Running".into() };
    storage::update(context, wanted, release).await?;
    for object in documents::parse([(hook.path.as_str(), hook.manifest.as_str())])? {
        let apply = Apply { manager: MANAGER, force: false, default_namespace: Some(&wanted.namespace), dry_run: false };
        let change = context.cluster.apply(&object, &apply).await?;
        (context.progress)(Progress::Changed(&change));
        finished(context, wanted, event, &object, change.object).await?;
    }
    Ok(())
}

/// Waits for what a hook does. Kinds other than Job and Pod are done once they exist.
async fn finished(context: &Context<'_>, wanted: &Wanted, event: &str, object: &Value, reference: ObjectRef) -> Result<(), ReleaseError> {
    let condition = match reference.kind.as_str() {
        "Job" => "ready",
        "Pod" => "jsonpath={.status.phase}",
        _ => return Ok(()),
    };
    let parsed =
        |text: &str| text.parse::<wait::Condition>().map_err(|message| ReleaseError::Document { path: reference.to_string(), message });
    let failed = |pending: Vec<Pending>, why: Vec<String>| {
        let reason = pending.first().map(|pending| pending.reason.clone()).unwrap_or_default();
        ReleaseError::Hook { event: event.into(), object: Box::new(reference.clone()), reason, why }
    };
    let progress = |pending: &[Pending]| (context.progress)(Progress::Waiting(pending));
    if object.get("kind").and_then(Value::as_str) == Some("Pod") {
        // A pod is done when it succeeded; when it failed there is no use in waiting.
        let wanted_phase = [(reference.clone(), parsed("jsonpath={.status.phase}=Succeeded")?)];
        let failure = [(reference.clone(), parsed("jsonpath={.status.phase}=Failed")?)];
        return tokio::select! {
            done = wait::until(context.cluster, &wanted_phase, wanted.timeout, &progress) => match done {
                Ok(_) => Ok(()),
                Err(WaitError::Failed { pending, why }) => Err(failed(pending, why)),
                Err(error) => Err(error.into()),
            },
            broken = wait::until(context.cluster, &failure, wanted.timeout, &|_| {}) => match broken {
                Ok(_) => {
                    let failed = Pending { object: reference.clone(), condition: String::new(), reason: "its pod failed".into() };
                    let why = explain(context.cluster, std::slice::from_ref(&failed)).await;
                    Err(ReleaseError::Hook { event: event.into(), object: Box::new(reference.clone()), reason: failed.reason, why })
                }
                Err(error) => Err(error.into()),
            },
        };
    }
    match wait::until(context.cluster, &[(reference.clone(), parsed(condition)?)], wanted.timeout, &progress).await {
        Ok(_) => Ok(()),
        Err(WaitError::Failed { pending, why }) => Err(failed(pending, why)),
        Err(error) => Err(error.into()),
    }
}

/// Deletes the objects of the hooks that have a delete policy, and waits until they are gone. CRDs are never deleted.
async fn delete(context: &Context<'_>, wanted: &Wanted, release: &Release, hooks: &[usize], policy: &str) -> Result<(), ReleaseError> {
    for hook in hooks.iter().map(|index| &release.hooks[*index]) {
        if hook.kind == "CustomResourceDefinition" || !hook.delete_policies.iter().any(|known| known == policy) {
            continue;
        }
        for object in documents::parse([(hook.path.as_str(), hook.manifest.as_str())])? {
            let reference = documents::reference(context.cluster, &object, &wanted.namespace).await?;
            if context.cluster.get(&reference).await?.is_none() {
                continue;
            }
            context.cluster.delete(&reference, Propagation::Background).await?;
            let gone = "absent".parse().map_err(|message| ReleaseError::Document { path: hook.path.clone(), message })?;
            wait::until(context.cluster, &[(reference, gone)], wanted.timeout, &|_| {}).await?;
        }
    }
    Ok(())
}
