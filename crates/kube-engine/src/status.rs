//! Whether an object is ready, by the rules of kstatus (`fluxcd/cli-utils` `pkg/kstatus/status/{status,generic,core}.go`), with Jobs
//! ready only when complete, as Helm's `--wait-for-jobs` and Flux see them. Reads an object, nothing else.

use serde_json::Value;

/// How far an object is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    Current,
    /// With what is still missing, in a person's words.
    InProgress(String),
    /// It will not become ready by waiting.
    Failed(String),
    Terminating,
}

/// Returns how far an object is.
pub fn of(object: &Value) -> Status {
    if object.pointer("/metadata/deletionTimestamp").is_some() {
        return Status::Terminating;
    }
    let generation = number(object, "/metadata/generation");
    let observed = object.pointer("/status/observedGeneration").and_then(Value::as_i64);
    if observed.is_some_and(|observed| observed != generation) {
        return progress("its latest generation is not observed yet");
    }
    if let Some(condition) = condition(object, "Reconciling").filter(|found| found.status == "True") {
        return progress(condition.text("Reconciling"));
    }
    if let Some(condition) = condition(object, "Stalled").filter(|found| found.status == "True") {
        return Status::Failed(condition.text("Stalled"));
    }
    match group_and_kind(object) {
        ("apps", "Deployment") => deployment(object),
        ("apps", "DaemonSet") => daemon_set(object),
        ("apps", "StatefulSet") => stateful_set(object),
        ("apps", "ReplicaSet") => replica_set(object),
        ("", "Pod") => pod(object),
        ("batch", "Job") => job(object),
        ("", "PersistentVolumeClaim") => match text(object, "/status/phase") {
            "Bound" => Status::Current,
            phase => progress(format!("is {}, not Bound", or(phase, "Pending"))),
        },
        ("", "Service") => service(object),
        ("", "Namespace") => match text(object, "/status/phase") {
            "Active" | "" => Status::Current,
            phase => progress(format!("is {phase}")),
        },
        ("apiextensions.k8s.io", "CustomResourceDefinition") => definition(object),
        ("policy", "PodDisruptionBudget") | ("batch", "CronJob") | ("", "ConfigMap" | "Secret") => Status::Current,
        _ => custom(object),
    }
}

/// Tells whether an object, as it is applied, is ready as soon as it is there, so that nobody need look at it again.
pub fn is_ready_once_there(object: &Value) -> bool {
    match group_and_kind(object) {
        ("", "ConfigMap" | "Secret" | "ServiceAccount" | "LimitRange" | "ResourceQuota" | "Namespace") => true,
        ("", "Service") => text(object, "/spec/type") != "LoadBalancer",
        ("batch", "CronJob") | ("policy", "PodDisruptionBudget") | ("networking.k8s.io", "NetworkPolicy" | "IngressClass") => true,
        ("rbac.authorization.k8s.io" | "scheduling.k8s.io" | "storage.k8s.io", _) => true,
        ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration" | "MutatingWebhookConfiguration") => true,
        _ => false,
    }
}

/// Tells whether an object is deleted by Kubernetes once it has done its work.
pub(crate) fn ends_in_nothing(object: &Value) -> bool {
    group_and_kind(object) == ("batch", "Job") && object.pointer("/spec/ttlSecondsAfterFinished").is_some_and(Value::is_number)
}

/// Returns how far an object is that is to come to an end: a Pod has succeeded then. Others are as [`of`] says.
pub(crate) fn completed(object: &Value) -> Status {
    match (group_and_kind(object), text(object, "/status/phase")) {
        (("", "Pod"), "Succeeded") => Status::Current,
        (("", "Pod"), "Failed") => Status::Failed("its pod failed".into()),
        (("", "Pod"), phase) => match of(object) {
            Status::Current => progress(format!("is {}", or(phase, "Pending"))),
            other => other,
        },
        _ => of(object),
    }
}

fn group_and_kind(object: &Value) -> (&str, &str) {
    let group = text(object, "/apiVersion").split_once('/').map_or("", |(group, _)| group);
    (group, text(object, "/kind"))
}

/// A condition of an object's status.
pub(crate) struct Condition<'a> {
    pub(crate) status: &'a str,
    reason: &'a str,
    message: &'a str,
}

impl Condition<'_> {
    /// Returns `Type is Status: Reason: message`.
    pub(crate) fn text(&self, name: &str) -> String {
        let mut text = format!("condition {name} is {}", self.status);
        for part in [self.reason, self.message].iter().filter(|part| !part.is_empty()) {
            text.push_str(": ");
            text.push_str(part);
        }
        text
    }
}

/// Returns a condition by its type.
pub(crate) fn condition<'a>(object: &'a Value, name: &str) -> Option<Condition<'a>> {
    let conditions = object.pointer("/status/conditions")?.as_array()?;
    let found = conditions.iter().find(|condition| condition.get("type").and_then(Value::as_str) == Some(name))?;
    let text = |key: &str| found.get(key).and_then(Value::as_str).unwrap_or_default();
    Some(Condition { status: text("status"), reason: text("reason"), message: text("message") })
}

fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn number(object: &Value, pointer: &str) -> i64 {
    object.pointer(pointer).and_then(Value::as_i64).unwrap_or(0)
}

fn or<'a>(text: &'a str, other: &'a str) -> &'a str {
    if text.is_empty() { other } else { text }
}

fn progress(message: impl Into<String>) -> Status {
    Status::InProgress(message.into())
}

fn observed(object: &Value) -> bool {
    object.pointer("/status/observedGeneration").is_some()
}

/// Returns what is missing when fewer than `wanted` are counted.
fn short(count: i64, wanted: i64, what: &str) -> Option<Status> {
    (count < wanted).then(|| progress(format!("{count} of {wanted} replicas {what}")))
}

fn deployment(object: &Value) -> Status {
    let deadline = object.pointer("/spec/progressDeadlineSeconds").is_some();
    let progressing = condition(object, "Progressing");
    if let Some(found) = progressing.as_ref().filter(|found| found.reason == "ProgressDeadlineExceeded") {
        return Status::Failed(found.text("Progressing"));
    }
    if !observed(object) {
        return progress("is not observed yet");
    }
    let wanted = object.pointer("/spec/replicas").and_then(Value::as_i64).unwrap_or(1);
    let count = |key: &str| number(object, &format!("/status/{key}"));
    if let Some(missing) = short(count("replicas"), wanted, "created").or_else(|| short(count("updatedReplicas"), wanted, "updated")) {
        return missing;
    }
    if count("replicas") > wanted {
        return progress(format!("{} old replicas to go", count("replicas") - wanted));
    }
    if let Some(missing) =
        short(count("availableReplicas"), count("updatedReplicas"), "available").or_else(|| short(count("readyReplicas"), wanted, "ready"))
    {
        return missing;
    }
    let rolled_out = progressing.as_ref().is_some_and(|found| found.status == "True" && found.reason == "NewReplicaSetAvailable");
    if deadline && !rolled_out {
        return progress("its ReplicaSet is not available yet");
    }
    match condition(object, "Available") {
        Some(found) if found.status == "True" => Status::Current,
        Some(found) => progress(found.text("Available")),
        None => progress("is not available yet"),
    }
}

fn daemon_set(object: &Value) -> Status {
    if !observed(object) {
        return progress("is not observed yet");
    }
    let count = |key: &str| number(object, &format!("/status/{key}"));
    let wanted = count("desiredNumberScheduled");
    short(count("currentNumberScheduled"), wanted, "scheduled")
        .or_else(|| short(count("updatedNumberScheduled"), wanted, "updated"))
        .or_else(|| short(count("numberAvailable"), wanted, "available"))
        .or_else(|| short(count("numberReady"), wanted, "ready"))
        .unwrap_or(Status::Current)
}

fn stateful_set(object: &Value) -> Status {
    if text(object, "/spec/updateStrategy/type") == "OnDelete" {
        return Status::Current;
    }
    if !observed(object) {
        return progress("is not observed yet");
    }
    let wanted = object.pointer("/spec/replicas").and_then(Value::as_i64).unwrap_or(1);
    let count = |key: &str| number(object, &format!("/status/{key}"));
    if let Some(missing) = short(count("replicas"), wanted, "created").or_else(|| short(count("readyReplicas"), wanted, "ready")) {
        return missing;
    }
    if count("replicas") > wanted {
        return progress(format!("{} old replicas to go", count("replicas") - wanted));
    }
    let partition = number(object, "/spec/updateStrategy/rollingUpdate/partition");
    if partition > 0 {
        return short(count("updatedReplicas"), wanted - partition, "updated").unwrap_or(Status::Current);
    }
    if let Some(missing) = short(count("currentReplicas"), wanted, "current") {
        return missing;
    }
    match text(object, "/status/currentRevision") == text(object, "/status/updateRevision") {
        true => Status::Current,
        false => progress("its update is not rolled out yet"),
    }
}

fn replica_set(object: &Value) -> Status {
    if let Some(found) = condition(object, "ReplicaFailure").filter(|found| found.status == "True") {
        return progress(found.text("ReplicaFailure"));
    }
    let wanted = object.pointer("/spec/replicas").and_then(Value::as_i64).unwrap_or(1);
    let count = |key: &str| number(object, &format!("/status/{key}"));
    short(count("fullyLabeledReplicas"), wanted, "labelled")
        .or_else(|| short(count("availableReplicas"), wanted, "available"))
        .or_else(|| short(count("readyReplicas"), wanted, "ready"))
        .unwrap_or(Status::Current)
}

fn pod(object: &Value) -> Status {
    let waiting = object.pointer("/status/containerStatuses").and_then(Value::as_array).into_iter().flatten();
    let reasons = waiting.filter_map(|container| container.pointer("/state/waiting/reason").and_then(Value::as_str));
    let reason: Vec<&str> = reasons.collect();
    match text(object, "/status/phase") {
        "Succeeded" | "Failed" => Status::Current,
        "Running" => match condition(object, "Ready") {
            Some(found) if found.status == "True" => Status::Current,
            _ if reason.contains(&"CrashLoopBackOff") => Status::Failed("a container is in CrashLoopBackOff".into()),
            Some(found) => progress(found.text("Ready")),
            None => progress("is not Ready yet"),
        },
        phase => match condition(object, "PodScheduled").filter(|found| found.status == "False") {
            Some(found) => progress(found.text("PodScheduled")),
            None => {
                progress(format!("is {}{}", or(phase, "Pending"), reason.first().map(|reason| format!(" ({reason})")).unwrap_or_default()))
            }
        },
    }
}

fn job(object: &Value) -> Status {
    if let Some(found) = condition(object, "Failed").filter(|found| found.status == "True") {
        return Status::Failed(found.text("Failed"));
    }
    match condition(object, "Complete") {
        Some(found) if found.status == "True" => Status::Current,
        _ => progress("is not complete yet"),
    }
}

fn service(object: &Value) -> Status {
    let needs_address = text(object, "/spec/type") == "LoadBalancer";
    if needs_address && text(object, "/spec/clusterIP").is_empty() { progress("has no cluster address yet") } else { Status::Current }
}

fn definition(object: &Value) -> Status {
    if let Some(found) = condition(object, "NamesAccepted").filter(|found| found.status == "False") {
        return Status::Failed(found.text("NamesAccepted"));
    }
    match condition(object, "Established") {
        Some(found) if found.status == "True" => Status::Current,
        Some(found) => progress(found.text("Established")),
        None => progress("is not Established yet"),
    }
}

/// A kind that kstatus does not know is ready by its condition Ready, or without any conditions.
fn custom(object: &Value) -> Status {
    match condition(object, "Ready") {
        Some(found) if found.status == "True" => Status::Current,
        Some(found) => progress(found.text("Ready")),
        None => Status::Current,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(object: Value, expected: &str) {
        let found = match of(&object) {
            Status::Current => "current".to_owned(),
            Status::InProgress(text) => format!("in progress: {text}"),
            Status::Failed(text) => format!("failed: {text}"),
            Status::Terminating => "terminating".to_owned(),
        };
        assert_eq!(found, expected, "{object}");
    }

    fn conditions(list: &[(&str, &str, &str)]) -> Value {
        list.iter().map(|(name, status, reason)| json!({ "type": name, "status": status, "reason": reason })).collect()
    }

    #[test]
    fn deployments() {
        let object = |ready: i64, available: &str| {
            json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "generation": 2 }, "spec": { "replicas": 2, "progressDeadlineSeconds": 600 },
                "status": { "observedGeneration": 2, "replicas": 2, "updatedReplicas": 2, "availableReplicas": ready, "readyReplicas": ready,
                    "conditions": conditions(&[("Available", available, ""), ("Progressing", "True", "NewReplicaSetAvailable")]) } })
        };
        check(object(2, "True"), "current");
        check(object(1, "True"), "in progress: 1 of 2 replicas available");
        check(object(2, "False"), "in progress: condition Available is False");
        let late = json!({ "apiVersion": "apps/v1", "kind": "Deployment", "status": { "observedGeneration": 0,
            "conditions": conditions(&[("Progressing", "False", "ProgressDeadlineExceeded")]) } });
        check(late, "failed: condition Progressing is False: ProgressDeadlineExceeded");
    }

    #[test]
    fn generations_come_first() {
        check(
            json!({ "kind": "Any", "apiVersion": "a/v1", "metadata": { "generation": 3 }, "status": { "observedGeneration": 2 } }),
            "in progress: its latest generation is not observed yet",
        );
        check(json!({ "kind": "Any", "apiVersion": "a/v1", "metadata": { "deletionTimestamp": "x" } }), "terminating");
    }

    #[test]
    fn other_kinds() {
        check(json!({ "apiVersion": "a/v1", "kind": "Thing" }), "current");
        check(
            json!({ "apiVersion": "a/v1", "kind": "Thing", "status": { "conditions": conditions(&[("Ready", "False", "SyncFailed")]) } }),
            "in progress: condition Ready is False: SyncFailed",
        );
        check(
            json!({ "apiVersion": "batch/v1", "kind": "Job", "status": { "conditions": conditions(&[("Failed", "True", "BackoffLimitExceeded")]) } }),
            "failed: condition Failed is True: BackoffLimitExceeded",
        );
        check(json!({ "apiVersion": "v1", "kind": "PersistentVolumeClaim" }), "in progress: is Pending, not Bound");
        check(
            json!({ "apiVersion": "v1", "kind": "Service", "spec": { "type": "LoadBalancer" } }),
            "in progress: has no cluster address yet",
        );
        check(
            json!({ "apiVersion": "apps/v1", "kind": "DaemonSet", "status": { "observedGeneration": 0, "desiredNumberScheduled": 3,
            "currentNumberScheduled": 3, "updatedNumberScheduled": 3, "numberAvailable": 2, "numberReady": 2 } }),
            "in progress: 2 of 3 replicas available",
        );
    }
}
