//! Why something is not ready, as a person would look it up: conditions that do not hold, the pods behind it, what their containers say,
//! and the last warnings. It only reads, and what cannot be read is left out: it explains a failure, and must not become one.

use std::time::Duration;

use serde_json::Value;

use crate::cluster::Cluster;
use crate::object::{ObjectRef, Selection};
use crate::wait::Pending;

/// Of more objects or pods the first ones tell enough.
const MOST: usize = 3;
const MOST_WARNINGS: usize = 3;
const LOG_LINES: usize = 5;
const PATIENCE: Duration = Duration::from_secs(8);
/// Events come a moment after what they tell of.
const EVENTS: Duration = Duration::from_millis(500);
/// A node that is away does not answer for its logs.
const LOG_PATIENCE: Duration = Duration::from_secs(3);

/// Conditions whose being true is the trouble.
const TROUBLES: [&str; 5] = ["ReplicaFailure", "Failed", "FailureTarget", "Stalled", "Degraded"];

/// Returns what the cluster says of objects that are not ready, a line each.
pub(crate) async fn explain(cluster: &Cluster, pending: &[Pending]) -> Vec<String> {
    let mut lines = Vec::new();
    let look = async {
        tokio::time::sleep(EVENTS).await;
        for pending in pending.iter().take(MOST) {
            of_object(cluster, &pending.object, &mut lines).await;
        }
    };
    // What was found in time is told.
    let _ = tokio::time::timeout(PATIENCE, look).await;
    // Others wrote this, and it goes to a terminal.
    lines.iter().map(|line| line.replace(char::is_control, " ")).collect()
}

async fn of_object(cluster: &Cluster, object: &ObjectRef, lines: &mut Vec<String>) {
    let Ok(Some(live)) = cluster.get(object).await else { return warnings(cluster, object, lines).await };
    lines.extend(troubles(&live).map(|trouble| format!("{object}: {trouble}")));
    if object.kind == "Pod" {
        return of_pod(cluster, &live, lines).await;
    }
    warnings(cluster, object, lines).await;
    let Some(selector) = selector(&live) else { return };
    let select = |api_version: &str, kind: &str| Selection {
        api_version: api_version.into(),
        kind: kind.into(),
        namespace: object.namespace.clone(),
        label_selector: Some(selector.clone()),
        ..Selection::default()
    };
    let pods = cluster.list(&select("v1", "Pod")).await.unwrap_or_default();
    for pod in pods.iter().filter(|pod| !is_ready(pod)).take(MOST) {
        of_pod(cluster, pod, lines).await;
    }
    if pods.is_empty() && object.kind == "Deployment" {
        // Whoever could not make them says so on the ReplicaSet.
        for set in cluster.list(&select("apps/v1", "ReplicaSet")).await.unwrap_or_default().iter().filter_map(ObjectRef::of).take(MOST) {
            warnings(cluster, &set, lines).await;
        }
    }
}

async fn of_pod(cluster: &Cluster, pod: &Value, lines: &mut Vec<String>) {
    let Some(reference) = ObjectRef::of(pod) else { return };
    let containers: Vec<Container> = containers(pod).filter(|container| !container.is_fine).collect();
    match containers.is_empty() {
        true => lines.push(format!("{reference}: {}", placement(pod))),
        false => lines.extend(containers.iter().map(|container| format!("{reference}: container {}: {}", container.name, container.state))),
    }
    warnings(cluster, &reference, lines).await;
    for container in containers.iter().filter(|container| container.has_run) {
        let log = last_lines(cluster, &reference, container).await;
        lines.extend(log.iter().map(|line| format!("{reference}: {} said: {line}", container.name)));
    }
}

/// A container as its pod tells of it.
struct Container {
    name: String,
    state: String,
    is_fine: bool,
    has_run: bool,
    /// What it said is of the run before.
    is_restarting: bool,
}

fn containers(pod: &Value) -> impl Iterator<Item = Container> {
    let of = |key: &str| pod.pointer(&format!("/status/{key}")).and_then(Value::as_array).into_iter().flatten();
    of("initContainerStatuses").chain(of("containerStatuses")).map(container)
}

fn container(status: &Value) -> Container {
    let text = |pointer: &str| status.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let ended = |state: &str| {
        let code = status.pointer(&format!("/{state}/terminated/exitCode")).and_then(Value::as_i64)?;
        let why = [text(&format!("/{state}/terminated/reason")), text(&format!("/{state}/terminated/message"))];
        Some((code, joined(&format!("ended with code {code}"), &why)))
    };
    let restarts = status.get("restartCount").and_then(Value::as_i64).unwrap_or(0);
    let is_waiting = status.pointer("/state/waiting").is_some();
    let (state, is_fine) = if is_waiting {
        let before = ended("lastState").map(|(_, text)| format!(" (before: {text})")).unwrap_or_default();
        let waits = joined("waits", &[text("/state/waiting/reason"), text("/state/waiting/message")]);
        (format!("{waits}{before}"), false)
    } else if let Some((code, text)) = ended("state") {
        (text, code == 0)
    } else {
        ("runs, and is not ready".to_owned(), status.get("ready").and_then(Value::as_bool).unwrap_or(false))
    };
    Container { name: text("/name").into(), state, is_fine, has_run: !is_waiting || restarts > 0, is_restarting: is_waiting }
}

/// Returns words with reasons behind colons, those that are empty left out.
fn joined(words: &str, reasons: &[&str]) -> String {
    reasons.iter().filter(|reason| !reason.is_empty()).fold(words.to_owned(), |text, reason| format!("{text}: {}", reason.trim()))
}

/// Tells where a pod is that has no container in trouble.
fn placement(pod: &Value) -> String {
    let phase = pod.pointer("/status/phase").and_then(Value::as_str).unwrap_or("Pending");
    troubles(pod).next().unwrap_or_else(|| format!("is {phase}"))
}

fn is_ready(pod: &Value) -> bool {
    match pod.pointer("/status/phase").and_then(Value::as_str) {
        Some("Succeeded") => true,
        Some("Failed") => false,
        _ => crate::status::condition(pod, "Ready").is_some_and(|ready| ready.status == "True"),
    }
}

/// Returns the conditions of an object that are not as they should be.
fn troubles(object: &Value) -> impl Iterator<Item = String> {
    let conditions = object.pointer("/status/conditions").and_then(Value::as_array).into_iter().flatten();
    let names = conditions.filter_map(|condition| condition.get("type").and_then(Value::as_str));
    names.filter_map(|name| {
        let found = crate::status::condition(object, name)?;
        let is_wrong = found.status == if TROUBLES.contains(&name) { "True" } else { "False" };
        is_wrong.then(|| found.text(name))
    })
}

/// Returns the labels of the pods of a workload.
fn selector(object: &Value) -> Option<String> {
    let labels = object.pointer("/spec/selector/matchLabels")?.as_object()?;
    let pairs = labels.iter().map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()));
    Some(pairs.collect::<Vec<_>>().join(",")).filter(|selector| !selector.is_empty())
}

/// Adds the last warnings about an object.
async fn warnings(cluster: &Cluster, object: &ObjectRef, lines: &mut Vec<String>) {
    let about = format!("involvedObject.kind={},involvedObject.name={},type=Warning", object.kind, object.name);
    let selection = Selection {
        api_version: "v1".into(),
        kind: "Event".into(),
        namespace: Some(object.namespace.clone().unwrap_or_else(|| "default".into())),
        field_selector: Some(about),
        ..Selection::default()
    };
    let mut events = cluster.list(&selection).await.unwrap_or_default();
    events.sort_by_key(when);
    let text = |event: &Value, key: &str| event.get(key).and_then(Value::as_str).unwrap_or_default().trim().to_owned();
    let last = events.iter().skip(events.len().saturating_sub(MOST_WARNINGS));
    lines.extend(last.map(|event| format!("{object}: event {}: {}", text(event, "reason"), text(event, "message"))));
}

fn when(event: &Value) -> String {
    let times = ["/series/lastObservedTime", "/lastTimestamp", "/eventTime", "/metadata/creationTimestamp"];
    times.iter().find_map(|time| event.pointer(time)?.as_str()).unwrap_or_default().to_owned()
}

async fn last_lines(cluster: &Cluster, pod: &ObjectRef, container: &Container) -> Vec<String> {
    let namespace = pod.namespace.as_deref().unwrap_or("default");
    let path = format!("/api/v1/namespaces/{namespace}/pods/{}/log", pod.name);
    let mut query = vec![("container", container.name.clone()), ("tailLines", LOG_LINES.to_string())];
    if container.is_restarting {
        query.push(("previous", "true".into()));
    }
    let text = tokio::time::timeout(LOG_PATIENCE, cluster.get_text(&format!("logs of {pod}"), &path, query)).await;
    text.ok().and_then(Result::ok).unwrap_or_default().lines().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(status: Value, state: &str, is_fine: bool) {
        let found = container(&status);
        assert_eq!((found.state.as_str(), found.is_fine), (state, is_fine), "{status}");
    }

    #[test]
    fn containers_say_what_is_wrong() {
        check(
            json!({ "state": { "waiting": { "reason": "ErrImagePull", "message": "not found " } } }),
            "waits: ErrImagePull: not found",
            false,
        );
        let before = json!({ "terminated": { "exitCode": 3, "reason": "Error" } });
        let crashing = json!({ "restartCount": 2, "state": { "waiting": { "reason": "CrashLoopBackOff" } }, "lastState": before });
        check(crashing, "waits: CrashLoopBackOff (before: ended with code 3: Error)", false);
        check(json!({ "state": { "terminated": { "exitCode": 0, "reason": "Completed" } } }), "ended with code 0: Completed", true);
        check(json!({ "state": { "running": {} }, "ready": false }), "runs, and is not ready", false);
    }

    #[test]
    fn conditions_in_trouble() {
        let conditions = json!([
            { "type": "Available", "status": "False", "reason": "MinimumReplicasUnavailable" },
            { "type": "ReplicaFailure", "status": "True", "message": "quota" },
            { "type": "Progressing", "status": "True" },
        ]);
        let found: Vec<String> = troubles(&json!({ "status": { "conditions": conditions } })).collect();
        assert_eq!(found, ["condition Available is False: MinimumReplicasUnavailable", "condition ReplicaFailure is True: quota"]);
    }

    #[test]
    fn pods_that_cannot_be_placed_say_why() {
        let scheduled =
            json!({ "type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/2 nodes are available" });
        let pod = json!({ "status": { "phase": "Pending", "conditions": [scheduled] } });
        assert_eq!(placement(&pod), "condition PodScheduled is False: Unschedulable: 0/2 nodes are available");
    }
}
