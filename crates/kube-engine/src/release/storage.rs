//! Release records in Secrets (`helm/helm` `pkg/storage/driver/secrets.go`, `pkg/storage/storage.go`).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use helm::release::Release;
use serde_json::{Value, json};

use super::{Context, MANAGER, ReleaseError, Wanted};
use crate::cluster::{Cluster, Propagation};
use crate::object::{ObjectRef, Selection};

/// A stored revision.
#[derive(Debug, Clone, PartialEq)]
pub struct Stored {
    pub release: Release,
    /// When its record was written last, in seconds of Unix.
    pub written: i64,
}

/// Returns all stored revisions of a release, oldest first.
pub async fn stored_revisions(cluster: &Cluster, namespace: &str, name: &str) -> Result<Vec<Stored>, ReleaseError> {
    let selection = Selection {
        api_version: "v1".into(),
        kind: "Secret".into(),
        namespace: Some(namespace.into()),
        label_selector: Some(format!("owner=helm,name={name}")),
        field_selector: None,
    };
    let label = |secret: &Value, key: &str| secret.pointer(&format!("/metadata/labels/{key}"))?.as_str()?.parse().ok();
    let stored = |secret: &Value| {
        let written = label(secret, "modifiedAt").or_else(|| label(secret, "createdAt")).unwrap_or(0);
        Ok(Stored { release: decode(secret)?, written })
    };
    let mut found = cluster.list(&selection).await?.iter().map(stored).collect::<Result<Vec<_>, ReleaseError>>()?;
    found.sort_by_key(|stored| stored.release.version);
    Ok(found)
}

/// Returns all stored revisions of the wanted release, oldest first.
pub(super) async fn history(context: &Context<'_>, wanted: &Wanted) -> Result<Vec<Release>, ReleaseError> {
    let found = stored_revisions(context.cluster, &wanted.storage_namespace, &wanted.name).await?;
    Ok(found.into_iter().map(|stored| stored.release).collect())
}

fn decode(secret: &Value) -> Result<Release, ReleaseError> {
    let name = secret.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default().to_owned();
    let data = secret.pointer("/data/release").and_then(Value::as_str).unwrap_or_default();
    let wrong = |source| ReleaseError::Record { secret: name.clone(), source };
    let bytes = STANDARD.decode(data).map_err(|error| wrong(helm::release::RecordError::Base64(error)))?;
    Release::decode(&bytes).map_err(wrong)
}

/// Stores a new revision, which must not exist. Older ones go first, so that no more than the history limit remain.
pub(super) async fn create(context: &Context<'_>, wanted: &Wanted, release: &Release, history: &[Release]) -> Result<(), ReleaseError> {
    forget(context, wanted, history).await?;
    let now = (context.now)().as_second();
    context.cluster.create(&secret(wanted, release, ("createdAt", now)), MANAGER).await?;
    Ok(())
}

/// Stores a revision over itself.
pub(super) async fn update(context: &Context<'_>, wanted: &Wanted, release: &Release) -> Result<(), ReleaseError> {
    let now = (context.now)().as_second();
    context.cluster.replace(&secret(wanted, release, ("modifiedAt", now)), MANAGER).await?;
    Ok(())
}

async fn forget(context: &Context<'_>, wanted: &Wanted, history: &[Release]) -> Result<(), ReleaseError> {
    if wanted.max_history == 0 {
        return Ok(());
    }
    let too_many = (history.len() + 1).saturating_sub(wanted.max_history);
    let deployed = history.iter().rev().find(|release| status(release) == "deployed").map(|release| release.version);
    for release in history.iter().filter(|release| Some(release.version) != deployed).take(too_many) {
        context.cluster.delete(&reference(wanted, release.version), Propagation::Background).await?;
    }
    Ok(())
}

/// Returns the status of a revision.
pub(super) fn status(release: &Release) -> &str {
    release.info.as_ref().map(|info| info.status.as_str()).unwrap_or_default()
}

fn reference(wanted: &Wanted, revision: i64) -> ObjectRef {
    ObjectRef {
        api_version: "v1".into(),
        kind: "Secret".into(),
        namespace: Some(wanted.storage_namespace.clone()),
        name: format!("sh.helm.release.v1.{}.v{revision}", wanted.name),
    }
}

fn secret(wanted: &Wanted, release: &Release, (stamp, seconds): (&str, i64)) -> Value {
    let reference = reference(wanted, release.version);
    json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "helm.sh/release.v1",
        "metadata": {
            "name": reference.name,
            "namespace": reference.namespace,
            "labels": {
                "name": wanted.name, "owner": "helm", "status": status(release), "version": release.version.to_string(), stamp: seconds.to_string(),
            },
        },
        "data": { "release": STANDARD.encode(release.encode()) },
    })
}
