//! Release records in Secrets (`helm/helm` `pkg/storage/driver/secrets.go`, `pkg/storage/storage.go`).

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use helm::release::Release;
use serde_json::{Value, json};

use super::run::Clock;
use super::{Context, MANAGER, Progress, ReleaseError, Wanted};
use crate::cluster::{Cluster, Propagation};
use crate::object::{ObjectRef, Selection};

/// A stored revision.
#[derive(Debug, Clone, PartialEq)]
pub struct Stored {
    pub release: Release,
    /// When its record was written last, in seconds of Unix.
    pub written: i64,
    /// Whether a run of ours was working on it. Two of them never do at once: the Lease keeps them apart.
    is_ours: bool,
}

/// On records of ours that are under way, so that one which a dead run left is told from one that Helm or Flux works on.
const BEGUN_BY: (&str, &str) = ("launchway.dev/begun-by", "launchway");
/// Labels that Helm gives each record itself (`pkg/storage/driver/util.go`, systemLabels).
const OF_HELM: [&str; 6] = ["name", "owner", "status", "version", "createdAt", "modifiedAt"];
/// After this time without a word, whoever works on a release counts as dead. It is the time that Helm and Flux wait for one, by default.
const ALIVE: i64 = 300;
const LOOK_AGAIN: Duration = Duration::from_secs(2);

impl Stored {
    /// Returns a revision that nobody of ours works on.
    pub fn new(release: Release, written: i64) -> Stored {
        Stored { release, written, is_ours: false }
    }

    /// Returns whether somebody else works on the release: that is under way, and was written to not long ago.
    pub(super) fn is_busy(&self, now: i64) -> bool {
        is_under_way(&self.release) && !self.is_ours && now - self.written < ALIVE
    }
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
        let begun_by = secret.pointer("/metadata/annotations").and_then(|annotations| annotations.get(BEGUN_BY.0));
        Ok(Stored { is_ours: begun_by.is_some_and(|by| by == BEGUN_BY.1), ..Stored::new(decode(secret)?, written) })
    };
    let mut found = cluster.list(&selection).await?.iter().map(stored).collect::<Result<Vec<_>, ReleaseError>>()?;
    found.sort_by_key(|stored| stored.release.version);
    Ok(found)
}

/// Returns all stored revisions of the wanted release, oldest first.
pub(super) async fn history(context: &Context<'_>, wanted: &Wanted) -> Result<Vec<Release>, ReleaseError> {
    Ok(releases(stored_revisions(context.cluster, &wanted.storage_namespace, &wanted.name).await?))
}

/// Returns the same once nobody else works on the release. An error says who does and does not come to an end.
pub(super) async fn history_at_rest(context: &Context<'_>, wanted: &Wanted, clock: Clock) -> Result<Vec<Release>, ReleaseError> {
    loop {
        let found = stored_revisions(context.cluster, &wanted.storage_namespace, &wanted.name).await?;
        let Some(busy) = found.last().filter(|last| last.is_busy((context.now)().as_second())) else { return Ok(releases(found)) };
        if clock.is_over() {
            let revision = u64::try_from(busy.release.version).unwrap_or(0);
            return Err(ReleaseError::Busy { revision, status: status(&busy.release).to_owned() });
        }
        let what = format!("waiting for somebody else: revision {} is {}", busy.release.version, status(&busy.release));
        (context.progress)(Progress::Doing(&what));
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

fn releases(stored: Vec<Stored>) -> Vec<Release> {
    stored.into_iter().map(|stored| stored.release).collect()
}

fn decode(secret: &Value) -> Result<Release, ReleaseError> {
    let name = secret.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default().to_owned();
    let data = secret.pointer("/data/release").and_then(Value::as_str).unwrap_or_default();
    let wrong = |source| ReleaseError::Record { secret: name.clone(), source };
    let bytes = STANDARD.decode(data).map_err(|error| wrong(helm::release::RecordError::Base64(error)))?;
    let labels = secret.pointer("/metadata/labels").and_then(Value::as_object).into_iter().flatten();
    let own = labels.filter(|(key, _)| !OF_HELM.contains(&key.as_str()));
    let labels = own.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect();
    Ok(Release { labels, ..Release::decode(&bytes).map_err(wrong)? })
}

/// Stores a new revision, which must not exist, and returns it. Older ones go first, so that no more than the history limit remain.
pub(super) async fn create(context: &Context<'_>, wanted: &Wanted, release: &Release, history: &[Release]) -> Result<Value, ReleaseError> {
    forget(context, wanted, history).await?;
    let now = (context.now)().as_second();
    Ok(context.cluster.create_in(None, &secret(wanted, release, ("createdAt", now)), MANAGER).await?.object)
}

/// Stores a revision over itself.
pub(super) async fn update(context: &Context<'_>, wanted: &Wanted, release: &Release) -> Result<(), ReleaseError> {
    let now = (context.now)().as_second();
    context.cluster.replace(&secret(wanted, release, ("modifiedAt", now)), MANAGER).await?;
    Ok(())
}

/// Records that a revision is no longer the deployed one.
pub(super) async fn supersede(context: &Context<'_>, wanted: &Wanted, release: &Release) -> Result<(), ReleaseError> {
    let mut old = release.clone();
    old.info.get_or_insert_default().status = "superseded".into();
    update(context, wanted, &old).await
}

/// Deletes the record of a revision.
pub(super) async fn delete(context: &Context<'_>, wanted: &Wanted, revision: i64) -> Result<(), ReleaseError> {
    context.cluster.delete(&reference(wanted, revision), Propagation::Background).await?;
    Ok(())
}

async fn forget(context: &Context<'_>, wanted: &Wanted, history: &[Release]) -> Result<(), ReleaseError> {
    if wanted.max_history == 0 {
        return Ok(());
    }
    let too_many = (history.len() + 1).saturating_sub(wanted.max_history);
    let deployed = history.iter().rev().find(|release| status(release) == "deployed").map(|release| release.version);
    for release in history.iter().filter(|release| Some(release.version) != deployed).take(too_many) {
        delete(context, wanted, release.version).await?;
    }
    Ok(())
}

/// Returns the status of a revision.
pub(super) fn status(release: &Release) -> &str {
    release.info.as_ref().map(|info| info.status.as_str()).unwrap_or_default()
}

/// Tells whether somebody began to do something to a revision and did not finish.
pub(super) fn is_under_way(release: &Release) -> bool {
    let status = status(release);
    status.starts_with("pending-") || status == "uninstalling"
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
    let mut labels = json!(release.labels);
    for (key, value) in [("name", wanted.name.as_str()), ("owner", "helm"), ("status", status(release))] {
        labels[key] = value.into();
    }
    labels["version"] = release.version.to_string().into();
    labels[stamp] = seconds.to_string().into();
    let mut secret = json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "helm.sh/release.v1",
        "metadata": {
            "name": reference.name,
            "namespace": reference.namespace,
            "labels": labels,
        },
        "data": { "release": STANDARD.encode(release.encode()) },
    });
    if is_under_way(release) {
        secret["metadata"]["annotations"] = json!({ BEGUN_BY.0: BEGUN_BY.1 });
    }
    secret
}
