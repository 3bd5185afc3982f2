//! Hooks (`helm/helm` `pkg/action/hooks.go`): one after the other by weight and name, each waited for.

use helm::release::{LastRun, Release};

use super::run::{Clock, stamp_time};
use super::{Context, MANAGER, Progress, ReleaseError, Wanted, documents, storage};
use crate::cluster::{Apply, Propagation};
use crate::object::ObjectRef;
use crate::wait::{self, Pending, WaitError};

/// The hooks of one event.
pub(super) struct Hooks<'a> {
    pub(super) context: &'a Context<'a>,
    pub(super) wanted: &'a Wanted,
    pub(super) event: &'a str,
    pub(super) clock: Clock,
    /// Whether what is new is created and not applied.
    pub(super) creates: bool,
    /// Whether the stored record says which one runs.
    pub(super) is_recorded: bool,
}

impl Hooks<'_> {
    /// Runs them and notes in the record how each went.
    pub(super) async fn run(&self, release: &mut Release) -> Result<(), ReleaseError> {
        let (context, event) = (self.context, self.event);
        let mut order: Vec<usize> =
            (0..release.hooks.len()).filter(|index| release.hooks[*index].events.iter().any(|known| known == event)).collect();
        order.sort_by(|a, b| {
            let key = |index: &usize| (release.hooks[*index].weight, release.hooks[*index].name.clone());
            key(a).cmp(&key(b))
        });
        let mut done: Vec<usize> = Vec::new();
        for index in order {
            if release.hooks[index].delete_policies.is_empty() {
                release.hooks[index].delete_policies = vec!["before-hook-creation".into()];
            }
            if let Err(error) = self.run_one(release, index).await {
                release.hooks[index].last_run.phase = "Failed".into();
                release.hooks[index].last_run.completed_at = Some(stamp_time(context));
                for (hooks, policy) in [(&[index][..], "hook-failed"), (&done[..], "hook-succeeded")] {
                    // What failed first is what a person needs to know.
                    if let Err(left) = self.delete(release, hooks, policy).await {
                        (context.progress)(Progress::Warning(&format!("after the {event} hook failed: {left}")));
                    }
                }
                return Err(error);
            }
            release.hooks[index].last_run.phase = "Succeeded".into();
            release.hooks[index].last_run.completed_at = Some(stamp_time(context));
            done.push(index);
        }
        done.reverse();
        self.delete(release, &done, "hook-succeeded").await
    }

    async fn run_one(&self, release: &mut Release, index: usize) -> Result<(), ReleaseError> {
        let Hooks { context, wanted, event, .. } = *self;
        let hook = release.hooks[index].clone();
        self.delete(release, &[index], "before-hook-creation").await?;
        (context.progress)(Progress::Doing(&format!("{event} hook {}", hook.name)));
        release.hooks[index].last_run = LastRun { started_at: Some(stamp_time(context)), completed_at: None, phase: "Running".into() };
        if self.is_recorded {
            storage::update(context, wanted, release).await?;
        }
        for object in documents::parse([(hook.path.as_str(), hook.manifest.as_str())])? {
            let apply = Apply { manager: MANAGER, force: false, creates: self.creates, default_namespace: Some(&wanted.namespace) };
            let change = context.cluster.apply(&object, &apply).await?;
            (context.progress)(Progress::Changed(&change));
            self.finished(change.object).await?;
        }
        Ok(())
    }

    /// Waits for what a hook does. Kinds other than Job and Pod are done once they exist.
    async fn finished(&self, reference: ObjectRef) -> Result<(), ReleaseError> {
        // A pod is done when it succeeded; when it failed there is no use in waiting.
        let condition = match reference.kind.as_str() {
            "Job" => "ready",
            "Pod" => "completed",
            _ => return Ok(()),
        };
        let condition = condition.parse().map_err(|message| ReleaseError::Document { path: reference.to_string(), message })?;
        let progress = |pending: &[Pending]| (self.context.progress)(Progress::Waiting(pending));
        match wait::until(self.context.cluster, &[(reference.clone(), condition)], self.clock.left(), &progress).await {
            Ok(_) => Ok(()),
            Err(WaitError::Failed { pending, why }) => {
                let reason = pending.first().map(|pending| pending.reason.clone()).unwrap_or_default();
                Err(ReleaseError::Hook { event: self.event.into(), object: Box::new(reference), reason, why })
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Deletes the objects of the hooks that have a delete policy, and waits until they are gone. CRDs are never deleted.
    async fn delete(&self, release: &Release, hooks: &[usize], policy: &str) -> Result<(), ReleaseError> {
        let cluster = self.context.cluster;
        for hook in hooks.iter().map(|index| &release.hooks[*index]) {
            if hook.kind == "CustomResourceDefinition" || !hook.delete_policies.iter().any(|known| known == policy) {
                continue;
            }
            for object in documents::parse([(hook.path.as_str(), hook.manifest.as_str())])? {
                let reference = documents::reference(cluster, &object, &self.wanted.namespace).await?;
                if cluster.get(&reference).await?.is_none() {
                    continue;
                }
                cluster.delete(&reference, Propagation::Background).await?;
                let gone = "absent".parse().map_err(|message| ReleaseError::Document { path: hook.path.clone(), message })?;
                wait::until(cluster, &[(reference, gone)], self.clock.left(), &|_| {}).await?;
            }
        }
        Ok(())
    }
}
