//! Waiting for several conditions at once, by watching: one list and one watch for each kind and namespace, and no list of what was just
//! applied. Nothing is polled.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use futures::AsyncBufReadExt;
use serde_json::Value;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use crate::cluster::Cluster;
pub use crate::condition::Condition;
use crate::condition::Verdict;
use crate::error::Error;
use crate::explain::explain;
use crate::object::{ObjectRef, Selection};
use crate::status::{self, Status};

/// Something that is still waited for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending {
    pub object: ObjectRef,
    pub condition: String,
    /// What was last seen, in a person's words.
    pub reason: String,
}

/// Why a wait ended without its conditions.
#[derive(Debug, thiserror::Error)]
pub enum WaitError {
    #[error("waited {waited:?} for {}", text(.pending))]
    Timeout {
        pending: Vec<Pending>,
        waited: Duration,
        /// What the cluster says of them, a line each: for a person, not for a module, which may not be allowed to read it.
        why: Vec<String>,
    },
    /// These will not come true by waiting.
    #[error("{}", text(.pending))]
    Failed { pending: Vec<Pending>, why: Vec<String> },
    #[error(transparent)]
    Cluster(#[from] Error),
}

fn text(pending: &[Pending]) -> String {
    pending.iter().map(|pending| format!("{} ({}): {}", pending.object, pending.condition, pending.reason)).collect::<Vec<_>>().join("; ")
}

/// What one watch found out.
enum News {
    /// Everything of the group, anew.
    Listed(usize, Vec<Value>),
    /// Whatever changes in the group from now on is heard of.
    Watched(usize),
    /// The cluster does not serve the kind yet.
    NoKind(usize),
    Changed(usize, Value),
    Deleted(usize, Value),
    Broke(Error),
}

/// What is known of one kind in one namespace.
struct Group {
    /// None: not listed yet, or the kind is not served.
    objects: Option<BTreeMap<String, Value>>,
    /// Whether a Job that is done stays so when Kubernetes deletes it. Where its absence is waited for, it does not.
    keeps_done: bool,
}

/// How long a watch rests before it is opened again, so that a server that drops it at once is not flooded.
pub(crate) const REOPEN: Duration = Duration::from_millis(250);

/// How long nothing may be heard of a watch. Servers send a bookmark about every minute.
const SILENCE: Duration = Duration::from_secs(100);

/// Waits until all conditions hold at the same time, and returns the objects as last seen, in the order given; absent ones are null.
///
/// `progress` hears what is pending whenever that changes. A kind that the cluster does not serve counts as an object that does not exist.
pub async fn until(
    cluster: &Cluster,
    wanted: &[(ObjectRef, Condition)],
    timeout: Duration,
    progress: &(dyn Fn(&[Pending]) + Send + Sync),
) -> Result<Vec<Value>, WaitError> {
    until_since(cluster, wanted, &[], timeout, progress).await
}

/// Waits as [`until`] does, from what was `seen` a moment ago on, such as the answers to applies: where all objects of a kind in a namespace
/// were seen, they are watched from there on and not listed first.
pub async fn until_since(
    cluster: &Cluster,
    wanted: &[(ObjectRef, Condition)],
    seen: &[(ObjectRef, Value)],
    timeout: Duration,
    progress: &(dyn Fn(&[Pending]) + Send + Sync),
) -> Result<Vec<Value>, WaitError> {
    let started = Instant::now();
    let (groups, of) = group(cluster, wanted).await?;
    let (sender, mut news) = mpsc::channel(256);
    let mut known: Vec<Group> = groups.iter().map(|_| Group { objects: None, keeps_done: true }).collect();
    for ((_, condition), group) in wanted.iter().zip(&of) {
        known[*group].keeps_done &= !condition.is_of_absence();
    }
    // What an API server in this process answered is out of date already.
    let seen = if cluster.known.lags { seen } else { &[] };
    let since = remember(wanted, &of, seen, &mut known);
    // Where all is well at first sight nothing needs to be watched.
    let (begin, begun) = watch::channel(false);
    let mut watches = JoinSet::new();
    for (index, (selection, since)) in groups.iter().zip(since).enumerate() {
        watches.spawn(follow(cluster.clone(), index, selection.clone(), since, sender.clone(), begun.clone()));
    }
    drop(sender);
    let mut heard = vec![false; groups.len()];
    let mut shown: Option<Vec<Pending>> = None;
    loop {
        if heard.iter().all(|heard| *heard) {
            match judge(wanted, &of, &known) {
                Ok(seen) => {
                    // What is waited for may have come into being just now, by whomever.
                    for (object, _) in wanted.iter().filter(|(object, _)| object.kind == "CustomResourceDefinition") {
                        cluster.known.forget_kinds_of(&object.name);
                    }
                    return Ok(seen);
                }
                Err((pending, true)) => {
                    let why = explain(cluster, &pending).await;
                    return Err(WaitError::Failed { pending, why });
                }
                Err((pending, false)) => {
                    begin.send_replace(true);
                    if shown.as_ref() != Some(&pending) {
                        progress(&pending);
                        shown = Some(pending);
                    }
                }
            }
        }
        let left = timeout.saturating_sub(started.elapsed());
        match tokio::time::timeout(left, news.recv()).await {
            Ok(Some(news)) => heard[learn(news, &mut known)?] = true,
            Ok(None) => return Err(WaitError::Cluster(Error::Strange { what: "wait".into(), message: "all watches ended".into() })),
            Err(_) => {
                let pending = judge(wanted, &of, &known).err().map(|(pending, _)| pending).unwrap_or_default();
                let waited = started.elapsed();
                let why = explain(cluster, &pending).await;
                return Err(WaitError::Timeout { pending, waited, why });
            }
        }
    }
}

/// Returns the selections to watch, and for each wanted object which of them it is in.
async fn group(cluster: &Cluster, wanted: &[(ObjectRef, Condition)]) -> Result<(Vec<Selection>, Vec<usize>), Error> {
    let mut groups: BTreeMap<(String, String, Option<String>), Vec<usize>> = BTreeMap::new();
    for (index, (object, _)) in wanted.iter().enumerate() {
        groups.entry((object.api_version.clone(), object.kind.clone(), object.namespace.clone())).or_default().push(index);
    }
    let mut of = vec![0; wanted.len()];
    let mut selections = Vec::new();
    for ((api_version, kind, namespace), members) in groups {
        // A single object is watched alone: other objects of its kind may be many.
        let first = &wanted[members[0]].0;
        let single = members.iter().all(|index| wanted[*index].0 == *first);
        let field_selector = single.then(|| format!("metadata.name={}", first.name));
        for index in members {
            of[index] = selections.len();
        }
        let namespaced = cluster.resource(&api_version, &kind).await?.is_none_or(|resource| resource.namespaced);
        let namespace = namespace.filter(|_| namespaced);
        selections.push(Selection { api_version, kind, namespace, label_selector: None, field_selector });
    }
    Ok((selections, of))
}

/// Takes what was seen into what is known, and returns the resourceVersions from which groups can be watched. Where nothing is pending,
/// what was seen may not be so any more: everything is looked at anew.
fn remember(wanted: &[(ObjectRef, Condition)], of: &[usize], seen: &[(ObjectRef, Value)], known: &mut [Group]) -> Vec<Option<String>> {
    let seen: BTreeMap<&ObjectRef, &Value> = seen.iter().map(|(object, value)| (object, value)).collect();
    let mut since: Vec<Option<u64>> = vec![Some(u64::MAX); known.len()];
    for ((object, _), group) in wanted.iter().zip(of) {
        let found = seen.get(object).and_then(|value| Some((*value, version(value)?)));
        since[*group] = since[*group].zip(found).map(|(oldest, (_, version))| oldest.min(version));
        if let Some((value, _)) = found {
            known[*group].objects.get_or_insert_default().insert(object.name.clone(), value.clone());
        }
    }
    if judge(wanted, of, known).is_ok() {
        since.fill(None);
    }
    for (group, _) in known.iter_mut().zip(&since).filter(|(_, since)| since.is_none()) {
        group.objects = None;
    }
    since.into_iter().map(|version| version.map(|version| version.to_string())).collect()
}

/// Returns what was seen, or what is pending and whether some of it never comes true.
fn judge(wanted: &[(ObjectRef, Condition)], of: &[usize], known: &[Group]) -> Result<Vec<Value>, (Vec<Pending>, bool)> {
    let mut seen = Vec::with_capacity(wanted.len());
    let mut pending = Vec::new();
    let mut failed = Vec::new();
    for ((object, condition), group) in wanted.iter().zip(of) {
        let objects = known[*group].objects.as_ref();
        let found = objects.and_then(|objects| objects.get(&object.name));
        let line = |reason: String| Pending { object: object.clone(), condition: condition.to_string(), reason };
        match condition.judge(found) {
            Verdict::Holds => seen.push(found.cloned().unwrap_or_default()),
            Verdict::Not(_) if objects.is_none() => {
                pending.push(line(format!("the cluster has no kind {} in {} yet", object.kind, object.api_version)))
            }
            Verdict::Not(reason) => pending.push(line(reason)),
            Verdict::Never(reason) => failed.push(line(reason)),
        }
    }
    match (pending.is_empty(), failed.is_empty()) {
        (true, true) => Ok(seen),
        (_, false) => Err((failed, true)),
        (false, true) => Err((pending, false)),
    }
}

/// Takes news into what is known and returns the group it was about.
fn learn(news: News, known: &mut [Group]) -> Result<usize, Error> {
    let name = |object: &Value| object.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default().to_owned();
    match news {
        News::Listed(group, objects) => {
            let mut listed: BTreeMap<String, Value> = objects.into_iter().map(|object| (name(&object), object)).collect();
            let before = known[group].objects.take().filter(|_| known[group].keeps_done);
            for (name, done) in before.into_iter().flatten().filter(|(_, object)| is_cleaned_up(object)) {
                listed.entry(name).or_insert(done);
            }
            known[group].objects = Some(listed);
            Ok(group)
        }
        News::Watched(group) => Ok(group),
        News::NoKind(group) => {
            known[group].objects = None;
            Ok(group)
        }
        News::Changed(group, object) | News::Deleted(group, object) if is_outdated(&object, &known[group]) => Ok(group),
        News::Changed(group, object) => {
            known[group].objects.get_or_insert_default().insert(name(&object), object);
            Ok(group)
        }
        News::Deleted(group, mut object) => {
            if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
                metadata.remove("deletionTimestamp");
            }
            let keeps = known[group].keeps_done && is_cleaned_up(&object);
            let objects = known[group].objects.get_or_insert_default();
            match keeps {
                true => drop(objects.insert(name(&object), object)),
                false => drop(objects.remove(&name(&object))),
            }
            Ok(group)
        }
        News::Broke(error) => Err(error),
    }
}

/// Tells whether something later is known of an object: a watch may begin before it.
fn is_outdated(object: &Value, group: &Group) -> bool {
    let name = object.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
    let known = group.objects.as_ref().and_then(|objects| objects.get(name));
    known.and_then(version).zip(version(object)).is_some_and(|(known, version)| version < known)
}

/// Returns the resourceVersion of an object. Those of one kind are numbers that grow (KEP-5504); where they are none, none is compared.
pub(crate) fn version(object: &Value) -> Option<u64> {
    object.pointer("/metadata/resourceVersion")?.as_str()?.parse().ok()
}

/// Tells whether an object has done its work and is one that Kubernetes deletes then.
fn is_cleaned_up(object: &Value) -> bool {
    status::ends_in_nothing(object) && status::of(object) == Status::Current
}

/// Lists and watches until nobody listens any more; with a resourceVersion to begin with, it watches first.
async fn follow(
    cluster: Cluster,
    group: usize,
    selection: Selection,
    mut since: Option<String>,
    news: mpsc::Sender<News>,
    mut begun: watch::Receiver<bool>,
) {
    loop {
        let found = match since.take() {
            Some(version) => Ok(Some((None, version))),
            None => cluster.list_at(&selection).await.map(|found| found.map(|(objects, version)| (Some(objects), version))),
        };
        let listed = match found {
            Ok(Some((None, version))) => watch_from(&cluster, group, &selection, version, &news).await,
            Ok(Some((Some(objects), version))) => {
                if news.send(News::Listed(group, objects)).await.is_err() || begun.wait_for(|begun| *begun).await.is_err() {
                    return;
                }
                watch_from(&cluster, group, &selection, version, &news).await
            }
            Ok(None) => {
                if news.send(News::NoKind(group)).await.is_err() {
                    return;
                }
                served(&cluster, &selection).await
            }
            Err(error) => Err(error),
        };
        if let Err(error) = listed.or_else(|error| if error.retryable() { Ok(()) } else { Err(error) }) {
            // The receiver may be gone: then nobody is interested in the error either.
            let _ = news.send(News::Broke(error)).await;
            return;
        }
        if news.is_closed() {
            return;
        }
        tokio::time::sleep(REOPEN).await;
    }
}

/// Returns the next event of a watch; nothing once it has ended, or has been silent for so long that its connection may be dead.
pub(crate) async fn next_line(lines: &mut (impl futures::Stream<Item = std::io::Result<String>> + Unpin)) -> Option<String> {
    tokio::time::timeout(SILENCE, futures::StreamExt::next(lines)).await.ok()??.ok()
}

/// Passes events on until the watch ends, for whatever reason: the caller lists anew.
async fn watch_from(
    cluster: &Cluster,
    group: usize,
    selection: &Selection,
    mut version: String,
    news: &mpsc::Sender<News>,
) -> Result<(), Error> {
    loop {
        let stream = match cluster.watch(selection, &version).await {
            Ok(stream) => stream,
            Err(Error::Refused { code: 410, .. }) => return Ok(()),
            Err(error) => return Err(error),
        };
        if news.send(News::Watched(group)).await.is_err() {
            return Ok(());
        }
        let mut lines = stream.lines();
        let before = version.clone();
        while let Some(line) = next_line(&mut lines).await {
            let Ok(mut event) = serde_json::from_str::<Value>(&line) else { return Ok(()) };
            let object = event.get_mut("object").map(Value::take).unwrap_or_default();
            if let Some(seen) = object.pointer("/metadata/resourceVersion").and_then(Value::as_str) {
                version = seen.to_owned();
            }
            let message = match event.get("type").and_then(Value::as_str) {
                Some("ADDED" | "MODIFIED") => News::Changed(group, object),
                Some("DELETED") => News::Deleted(group, object),
                Some("BOOKMARK") => continue,
                // Too old, or anything else: list anew.
                _ => return Ok(()),
            };
            if news.send(message).await.is_err() {
                return Ok(());
            }
        }
        if before == version {
            tokio::time::sleep(REOPEN).await;
        }
    }
}

/// Returns when the cluster may serve a kind that it does not serve now: some CRD changed.
async fn served(cluster: &Cluster, selection: &Selection) -> Result<(), Error> {
    let definitions =
        Selection { api_version: "apiextensions.k8s.io/v1".into(), kind: "CustomResourceDefinition".into(), ..Selection::default() };
    let Some((_, version)) = cluster.list_at(&definitions).await? else { return Ok(()) };
    // Between the look-up and this list it may have come.
    if cluster.resource(&selection.api_version, &selection.kind).await?.is_some() {
        return Ok(());
    }
    let stream = match cluster.watch(&definitions, &version).await {
        Ok(stream) => stream,
        Err(Error::Refused { code: 410, .. }) => return Ok(()),
        Err(error) => return Err(error),
    };
    let mut lines = stream.lines();
    while next_line(&mut lines).await.is_some() {
        if cluster.resource(&selection.api_version, &selection.kind).await?.is_some() {
            return Ok(());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use kube_sandbox::Sandbox;
    use serde_json::json;
    use tower::ServiceExt as _;

    use super::*;
    use crate::cluster::Apply;
    use crate::discovery::Known;

    /// Returns a cluster that is taken for one elsewhere, and the number of lists it was asked for.
    fn cluster(sandbox: &Sandbox) -> (Cluster, Arc<AtomicUsize>) {
        let lists = Arc::new(AtomicUsize::new(0));
        let counter = lists.clone();
        let counted = sandbox.clone().map_request(move |request: http::Request<kube::client::Body>| {
            let query = request.uri().query().unwrap_or_default();
            counter.fetch_add(usize::from(query.contains("limit=")), Ordering::SeqCst);
            request
        });
        (Cluster { known: Arc::new(Known::of_live()), ..Cluster::over(counted) }, lists)
    }

    fn deployment(name: &str) -> Value {
        json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": name }, "spec": {
            "selector": { "matchLabels": { "app": name } },
            "template": { "metadata": { "labels": { "app": name } }, "spec": { "containers": [{ "name": "c", "image": "i" }] } } } })
    }

    #[tokio::test]
    async fn what_was_seen_is_watched_and_not_listed() {
        let sandbox = Sandbox::default();
        sandbox.hold("Deployment", "default", "one");
        let (cluster, lists) = cluster(&sandbox);
        let options = Apply { manager: "tester", force: false, creates: false, default_namespace: Some("default") };
        let (mut wanted, mut seen) = (Vec::new(), Vec::new());
        for name in ["one", "other"] {
            let applied = cluster.apply_known(&deployment(name), &options, None).await.unwrap();
            wanted.push((applied.change.object.clone(), "ready".parse().unwrap()));
            seen.push((applied.change.object, applied.object));
        }
        let later = async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            sandbox.release("Deployment", "default", "one");
        };
        let (ready, ()) = tokio::join!(until_since(&cluster, &wanted, &seen, Duration::from_secs(20), &|_| {}), later);
        assert!(ready.unwrap().iter().all(|object| status::of(object) == Status::Current));
        assert_eq!(lists.load(Ordering::SeqCst), 0);
        // All of it is ready now, which may not be so any more: it is looked at.
        for (object, value) in &mut seen {
            *value = cluster.get(object).await.unwrap().unwrap();
        }
        until_since(&cluster, &wanted, &seen, Duration::from_secs(20), &|_| {}).await.unwrap();
        assert_eq!(lists.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn what_happened_before_is_not_learnt() {
        let object = |version: &str, color: &str| json!({ "metadata": { "name": "x", "resourceVersion": version }, "color": color });
        let mut known = [Group { objects: Some([("x".to_owned(), object("12", "new"))].into()), keeps_done: true }];
        let mut color = |news: News| {
            learn(news, &mut known).unwrap();
            known[0].objects.as_ref().and_then(|objects| Some(objects.get("x")?["color"].as_str()?.to_owned()))
        };
        assert_eq!(color(News::Changed(0, object("9", "old"))).as_deref(), Some("new"));
        assert_eq!(color(News::Deleted(0, object("11", "old"))).as_deref(), Some("new"));
        assert_eq!(color(News::Changed(0, object("13", "newer"))).as_deref(), Some("newer"));
        assert_eq!(color(News::Deleted(0, object("14", "newer"))), None);
    }
}
