//! `launchway verify`: what Flux did to releases that it found. It only reads: records, the fields' owners with their times, and what
//! helm-controller says itself.

use std::time::Duration;

use futures::{StreamExt, TryStreamExt};
use helm::release::Release;
use jiff::Timestamp;
use kube_engine::release::{self, ReleaseError, Stored};
use kube_engine::wait::{self, Condition, WaitError};
use kube_engine::{Cluster, ObjectRef, Selection};
use serde_json::{Value, json};

use crate::Surroundings;
use crate::boot;
use crate::failure::{Blame, Failure, chain};
use crate::options::{Verify, VerifyOutput};
use crate::report::{aligned, pending_text};

/// Field managers of Flux.
const FLUX: [&str; 3] = ["helm-controller", "kustomize-controller", "flux-operator"];
const HELM_RELEASE: &str = "helm.toolkit.fluxcd.io/v2";
/// Objects that are looked at at once.
const OVERLAP: usize = 8;

/// What became of one release.
struct Found {
    release: String,
    /// The revision that the bootstrap left; none for a release that Flux installed itself.
    revision: Option<i64>,
    objects: usize,
    rewritten: Vec<Rewritten>,
    added: usize,
    decision: String,
}

/// An object that Flux wrote to, or removed.
struct Rewritten {
    object: ObjectRef,
    manager: String,
    fields: Vec<String>,
}

/// Looks at the releases and tells.
pub async fn verify(options: Verify, around: &Surroundings) -> Result<(), Failure> {
    let cluster = boot::live(&options.connection, around).await?;
    let known = known(&cluster, &options.releases).await?;
    let seen = ready(&cluster, &known, Duration::from_secs(options.timeout)).await?;
    let mut found = Vec::new();
    for helm_release in &seen {
        found.push(inspect(&cluster, helm_release).await.map_err(|error| Failure::cluster(chain(&error)))?);
    }
    match options.output {
        VerifyOutput::Text => print!("{}", text(&found)),
        VerifyOutput::Json => println!("{}", json(&found)),
    }
    let is_zero = found.iter().all(|found| found.rewritten.is_empty() && found.added == 0);
    // What was found has been said.
    if is_zero { Ok(()) } else { Err(Failure::new(Blame::Cluster, "")) }
}

/// Returns the HelmReleases that are meant, as far as they are there.
async fn known(cluster: &Cluster, named: &[(String, String)]) -> Result<Vec<(ObjectRef, Option<Value>)>, Failure> {
    let failed = |error: kube_engine::Error| Failure::cluster(chain(&error));
    let reference = |namespace: &str, name: &str| ObjectRef {
        api_version: HELM_RELEASE.into(),
        kind: "HelmRelease".into(),
        namespace: Some(namespace.into()),
        name: name.into(),
    };
    if !named.is_empty() {
        let mut known = Vec::with_capacity(named.len());
        for reference in named.iter().map(|(namespace, name)| reference(namespace, name)) {
            let live = cluster.get(&reference).await.map_err(failed)?;
            known.push((reference, live));
        }
        return Ok(known);
    }
    let selection = Selection { api_version: HELM_RELEASE.into(), kind: "HelmRelease".into(), ..Selection::default() };
    let all = cluster.list(&selection).await.map_err(failed)?;
    if all.is_empty() {
        return Err(Failure::cluster("the cluster has no HelmReleases: Flux has not taken anything over yet"));
    }
    Ok(all.into_iter().filter_map(|live| Some((ObjectRef::of(&live)?, Some(live)))).collect())
}

/// Waits until helm-controller has looked at all of them and they are ready, and returns them. It does not look at suspended ones.
async fn ready(cluster: &Cluster, known: &[(ObjectRef, Option<Value>)], timeout: Duration) -> Result<Vec<Value>, Failure> {
    let ready: Condition = "condition=Ready".parse().map_err(Failure::bug)?;
    let exists: Condition = "exists".parse().map_err(Failure::bug)?;
    // That it is ready may have been told to helm-controller; this it notes itself.
    let looked_at: Condition = "jsonpath={.status.storageNamespace}".parse().map_err(Failure::bug)?;
    let mut wanted = Vec::new();
    for (reference, live) in known {
        match live.as_ref().is_some_and(|live| live.pointer("/spec/suspend") == Some(&Value::Bool(true))) {
            true => wanted.push((reference.clone(), exists.clone())),
            false => wanted.extend([&ready, &looked_at].map(|condition| (reference.clone(), condition.clone()))),
        }
    }
    match wait::until(cluster, &wanted, timeout, &|_| {}).await {
        Ok(mut seen) => {
            seen.dedup();
            Ok(seen)
        }
        Err(WaitError::Cluster(error)) => Err(Failure::cluster(chain(&error))),
        Err(WaitError::Timeout { pending, why, .. } | WaitError::Failed { pending, why }) => {
            why.iter().for_each(|line| eprintln!("{line}"));
            let message = format!("not taken over: {}", pending_text(&pending));
            Err(Failure::cluster(message).hint("`kubectl describe` one of them, or give them more time with `--timeout SECONDS`"))
        }
    }
}

async fn inspect(cluster: &Cluster, helm_release: &Value) -> Result<Found, ReleaseError> {
    let text = |pointer: &str| helm_release.pointer(pointer).and_then(Value::as_str);
    let namespace = text("/metadata/namespace").unwrap_or_default();
    let title = format!("{namespace}/{}", text("/metadata/name").unwrap_or_default());
    let storage = text("/status/storageNamespace").or(text("/spec/storageNamespace")).unwrap_or(namespace);
    let name = text("/status/history/0/name").or(text("/spec/releaseName")).or(text("/metadata/name")).unwrap_or_default();
    let stored = release::stored_revisions(cluster, storage, name).await?;
    let known_since = text("/metadata/creationTimestamp").and_then(|time| time.parse().ok()).unwrap_or(Timestamp::MAX);
    let Some((index, left)) = left_behind(&stored, known_since, first_look(helm_release)) else {
        let decision = "installed by Flux".to_owned();
        return Ok(Found { release: title, revision: None, objects: 0, rewritten: Vec::new(), added: 0, decision });
    };
    let next = stored.get(index + 1);
    let since = Since::of(left, next);
    let objects = release::manifest_objects(cluster, &left.release).await?;
    let looks = objects.iter().map(|object| look(cluster, object, &since));
    let rewritten = futures::stream::iter(looks.collect::<Vec<_>>()).buffered(OVERLAP).try_collect::<Vec<_>>().await?;
    Ok(Found {
        release: title,
        revision: Some(left.release.version),
        objects: objects.len(),
        rewritten: rewritten.into_iter().flatten().collect(),
        added: stored.len() - index - 1,
        decision: next.map_or_else(|| "in sync".to_owned(), |next| decision(&left.release, &next.release)),
    })
}

/// Returns the newest revision that is older than the HelmRelease, or than helm-controller's first look at it: it makes none before.
fn left_behind(stored: &[Stored], known_since: Timestamp, first_look: Option<Timestamp>) -> Option<(usize, &Stored)> {
    let is_before = |begun: Timestamp| {
        begun.as_second() <= known_since.as_second() || first_look.is_some_and(|look| begun.as_second() < look.as_second())
    };
    stored.iter().enumerate().rev().find(|(_, stored)| begun(&stored.release).is_some_and(is_before))
}

/// Returns when helm-controller looked at a HelmRelease first: it puts its finalizer on it, and writes nothing else but the status.
fn first_look(helm_release: &Value) -> Option<Timestamp> {
    let entries = helm_release.pointer("/metadata/managedFields").and_then(Value::as_array)?;
    let held = entries.iter().find(|entry| {
        entry.get("manager").is_some_and(|manager| manager == "helm-controller")
            && entry.get("subresource").is_none()
            && entry.pointer("/fieldsV1/f:metadata/f:finalizers").is_some()
    });
    held?.get("time")?.as_str()?.parse().ok()
}

fn begun(release: &Release) -> Option<Timestamp> {
    release.info.as_ref()?.last_deployed.as_deref()?.parse().ok()
}

/// From when on what is written to an object is written by Flux.
enum Since {
    /// When the next revision was begun: the record left behind has been written to since.
    From(i64),
    /// After the record left behind was finished.
    After(i64),
}

impl Since {
    fn of(left: &Stored, next: Option<&Stored>) -> Since {
        let next = next.and_then(|next| begun(&next.release));
        next.map_or(Since::After(left.written), |begun| Since::From(begun.as_second()))
    }

    fn holds(&self, time: i64) -> bool {
        match self {
            Since::From(begun) => time >= *begun,
            Since::After(finished) => time > *finished,
        }
    }
}

async fn look(cluster: &Cluster, object: &ObjectRef, since: &Since) -> Result<Option<Rewritten>, ReleaseError> {
    let Some(live) = cluster.get(object).await? else {
        return Ok(Some(Rewritten { object: object.clone(), manager: "nobody: it is gone".into(), fields: Vec::new() }));
    };
    Ok(writer(&live, since).map(|(manager, fields)| Rewritten { object: object.clone(), manager, fields }))
}

/// Returns who of Flux wrote to an object since, and the fields that this one owns.
///
/// A finalizer alone is no such write: with it flux-operator holds on to its FluxInstance, whoever made that.
fn writer(live: &Value, since: &Since) -> Option<(String, Vec<String>)> {
    let entries = live.pointer("/metadata/managedFields").and_then(Value::as_array)?;
    let by_flux = |entry: &&Value| {
        let time = entry.get("time").and_then(Value::as_str).and_then(|time| time.parse::<Timestamp>().ok());
        entry.get("subresource").is_none()
            && entry.get("manager").and_then(Value::as_str).is_some_and(|manager| FLUX.contains(&manager))
            && time.is_some_and(|time| since.holds(time.as_second()))
    };
    entries.iter().filter(by_flux).find_map(|entry| {
        let mut fields = Vec::new();
        paths(entry.get("fieldsV1").unwrap_or(&Value::Null), String::new(), &mut fields);
        let is_holding_on = fields.iter().all(|field| field.starts_with(".metadata.finalizers"));
        (!is_holding_on).then(|| (entry.get("manager").and_then(Value::as_str).unwrap_or_default().to_owned(), fields))
    })
}

/// Lists the paths of a set of fields (`FieldsV1`).
fn paths(fields: &Value, at: String, all: &mut Vec<String>) {
    let inner: Vec<_> = fields.as_object().into_iter().flatten().filter(|(key, _)| *key != ".").collect();
    if inner.is_empty() && !at.is_empty() {
        all.push(at);
        return;
    }
    for (key, fields) in inner {
        let name = key.strip_prefix("f:").map_or_else(|| format!("[{key}]"), |name| format!(".{name}"));
        paths(fields, format!("{at}{name}"), all);
    }
}

/// Tells why a revision was added, as far as the two records show it.
fn decision(left: &Release, next: &Release) -> String {
    let chart = |release: &Release| {
        let metadata = release.chart.as_ref().and_then(|chart| chart.metadata.clone()).unwrap_or_default();
        format!("{} {}", metadata.name, metadata.version)
    };
    if chart(left) != chart(next) {
        return format!("upgrade: the chart was {} and became {}", chart(left), chart(next));
    }
    if left.config != next.config {
        return "upgrade: the values differ".into();
    }
    if left.manifest != next.manifest {
        return "upgrade: it was not made known to Flux, and Flux renders it differently".into();
    }
    "upgrade: it was not made known to Flux".into()
}

fn json(found: &[Found]) -> Value {
    let line = |found: &Found| {
        let rewritten = |one: &Rewritten| json!({ "object": one.object.to_string(), "manager": one.manager, "fields": one.fields });
        json!({
            "release": found.release, "revision": found.revision, "objects": found.objects, "revisionsAdded": found.added,
            "decision": found.decision, "rewritten": found.rewritten.iter().map(rewritten).collect::<Vec<_>>(),
        })
    };
    json!({ "releases": found.iter().map(line).collect::<Vec<_>>() })
}

fn text(found: &[Found]) -> String {
    let mut lines = vec![["RELEASE", "REVISION", "OBJECTS", "REWRITTEN", "REVISIONS ADDED", "DECISION"].map(str::to_owned)];
    lines.extend(found.iter().map(|found| {
        let revision = found.revision.map_or_else(|| "-".into(), |revision| revision.to_string());
        let count = |number: usize| number.to_string();
        [found.release.clone(), revision, count(found.objects), count(found.rewritten.len()), count(found.added), found.decision.clone()]
    }));
    let mut text = aligned(&lines);
    for one in found.iter().flat_map(|found| &found.rewritten) {
        let shown = one.fields.iter().take(5).map(String::as_str).collect::<Vec<_>>().join(", ");
        let more = one.fields.len().saturating_sub(5);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        text.push_str(&format!("{} was rewritten by {}: {shown}{more}\n", one.object, one.manager));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(version: i64, begun: &str, written: i64) -> Stored {
        let info = helm::release::Info { last_deployed: Some(begun.into()), ..helm::release::Info::default() };
        Stored::new(Release { version, info: Some(info), ..Release::default() }, written)
    }

    #[test]
    fn what_is_older_than_the_helm_release_was_left_behind() {
        let all = [stored(1, "2026-01-02T00:00:00.5Z", 0), stored(2, "2026-01-02T00:01:00Z", 0)];
        let left = |time: &str| left_behind(&all, time.parse().expect("a time"), None).map(|(index, _)| index);
        assert_eq!(left("2026-01-02T00:00:00Z"), Some(0), "times of Kubernetes have no fraction");
        assert_eq!((left("2026-01-02T00:05:00Z"), left("2026-01-01T00:00:00Z")), (Some(1), None));
        let entry = |time: &str| {
            let entry = json!({ "manager": "helm-controller", "time": time, "fieldsV1": { "f:metadata": { "f:finalizers": {} } } });
            json!({ "metadata": { "managedFields": [entry] } })
        };
        let looked = |time: &str| {
            left_behind(&all, "2026-01-02T00:00:00Z".parse().expect("a time"), first_look(&entry(time))).map(|(index, _)| index)
        };
        assert_eq!(looked("2026-01-02T00:02:00Z"), Some(1), "a second run upgraded it before Flux came");
        assert_eq!(looked("2026-01-02T00:01:00Z"), Some(0), "Flux upgraded it as soon as it looked");
    }

    #[test]
    fn only_flux_counts_and_only_since() {
        let entry =
            |manager: &str, time: &str| json!({ "manager": manager, "time": time, "fieldsV1": { "f:data": { ".": {}, "f:a": {} } } });
        let object = |entries: &[Value]| json!({ "metadata": { "managedFields": entries } });
        let at = "1970-01-01T00:01:40Z";
        assert_eq!(writer(&object(&[entry("helm-controller", at)]), &Since::After(100)), None);
        let fields = vec![".data.a".to_owned()];
        assert_eq!(writer(&object(&[entry("helm-controller", at)]), &Since::From(100)), Some(("helm-controller".into(), fields)));
        assert_eq!(writer(&object(&[entry("kubectl", at)]), &Since::From(0)), None);
        let mut held = entry("flux-operator", at);
        held["fieldsV1"] = json!({ "f:metadata": { "f:finalizers": { ".": {}, "v:\"finalizers.fluxcd.io\"": {} } } });
        assert_eq!(writer(&object(&[held]), &Since::From(0)), None);
        let mut status = entry("helm-controller", at);
        status["subresource"] = "status".into();
        assert_eq!(writer(&object(&[status]), &Since::From(0)), None);
    }
}
