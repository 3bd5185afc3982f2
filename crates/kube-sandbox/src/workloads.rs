//! The status that controllers and kubelets would set, and whether an object is ready.

use serde_json::{Value, json};

use crate::kinds::ResourceId;

/// What a status depends on besides the object.
pub(crate) struct Surroundings<'a> {
    /// Whether the workload is kept from becoming ready.
    pub(crate) held: bool,
    pub(crate) nodes: usize,
    pub(crate) now: &'a str,
}

/// Returns the status that an object of a played kind would have.
pub(crate) fn status(id: &ResourceId, object: &Value, around: &Surroundings<'_>) -> Option<Value> {
    match (id.group.as_str(), id.plural.as_str()) {
        ("apps", "deployments") => Some(deployment(object, around)),
        ("apps", "replicasets") => Some(replica_set(object, around)),
        ("apps", "statefulsets") => Some(stateful_set(object, around)),
        ("apps", "daemonsets") => Some(daemon_set(object, around)),
        ("batch", "jobs") => job(object, around),
        ("", "pods") => Some(pod(object, around)),
        ("", "persistentvolumeclaims") if !around.held => Some(claim(object)),
        ("", "services") => service(object, around),
        ("policy", "poddisruptionbudgets") => Some(budget(object)),
        ("apiregistration.k8s.io", "apiservices") => Some(api_service(object, around)),
        _ => None,
    }
}

/// A condition keeps its times while it stays as it is.
fn condition(object: &Value, around: &Surroundings<'_>, kind: &str, truth: bool, reason: &str, message: &str) -> Value {
    let status = if truth { "True" } else { "False" };
    let before = object["status"]["conditions"].as_array().into_iter().flatten().find(|c| c["type"] == kind);
    let same = before.filter(|c| c["status"] == status);
    let since = same.and_then(|c| c["lastTransitionTime"].as_str()).unwrap_or(around.now);
    json!({ "type": kind, "status": status, "reason": reason, "message": message, "lastTransitionTime": since })
}

fn updated(mut condition: Value, object: &Value, around: &Surroundings<'_>) -> Value {
    let before = object["status"]["conditions"].as_array().into_iter().flatten().find(|c| c["type"] == condition["type"]);
    let same = before.filter(|c| c["status"] == condition["status"] && c["reason"] == condition["reason"]);
    condition["lastUpdateTime"] = same.and_then(|c| c["lastUpdateTime"].as_str()).unwrap_or(around.now).into();
    condition
}

/// Adds counts; zero is not written, as in Go.
fn counts(mut status: Value, pairs: &[(&str, i64)]) -> Value {
    for (key, count) in pairs.iter().filter(|(_, count)| *count != 0) {
        status[*key] = (*count).into();
    }
    status
}

fn replicas(object: &Value) -> i64 {
    object["spec"]["replicas"].as_i64().unwrap_or(1)
}

fn name(object: &Value) -> &str {
    object["metadata"]["name"].as_str().unwrap_or_default()
}

fn deployment(object: &Value, around: &Surroundings<'_>) -> Value {
    let wanted = replicas(object);
    let ready = if around.held { 0 } else { wanted };
    let available = if ready == wanted {
        condition(object, around, "Available", true, "MinimumReplicasAvailable", "Deployment has minimum availability.")
    } else {
        condition(object, around, "Available", false, "MinimumReplicasUnavailable", "Deployment does not have minimum availability.")
    };
    let set = format!("ReplicaSet \"{}-{}\"", name(object), template_hash(object));
    let progressing = if ready == wanted {
        condition(object, around, "Progressing", true, "NewReplicaSetAvailable", &format!("{set} has successfully progressed."))
    } else {
        condition(object, around, "Progressing", true, "ReplicaSetUpdated", &format!("{set} is progressing."))
    };
    let status = json!({
        "observedGeneration": object["metadata"]["generation"],
        "conditions": [updated(available, object, around), updated(progressing, object, around)],
    });
    counts(
        status,
        &[
            ("replicas", wanted),
            ("updatedReplicas", wanted),
            ("readyReplicas", ready),
            ("availableReplicas", ready),
            ("unavailableReplicas", wanted - ready),
        ],
    )
}

/// A short name for a pod template, as controllers put into the names of what they make (FNV-1a).
fn template_hash(object: &Value) -> String {
    const LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
    let text = object["spec"]["template"].to_string();
    let mut hash = text.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    let mut out = String::new();
    for _ in 0..9 {
        out.push(char::from(LETTERS[hash as usize % LETTERS.len()]));
        hash = hash.rotate_right(5).wrapping_mul(0x0100_0193);
    }
    out
}

fn replica_set(object: &Value, around: &Surroundings<'_>) -> Value {
    let wanted = replicas(object);
    let ready = if around.held { 0 } else { wanted };
    let status = json!({ "observedGeneration": object["metadata"]["generation"], "replicas": wanted });
    counts(status, &[("fullyLabeledReplicas", wanted), ("readyReplicas", ready), ("availableReplicas", ready)])
}

fn stateful_set(object: &Value, around: &Surroundings<'_>) -> Value {
    let wanted = replicas(object);
    let ready = if around.held { 0 } else { wanted };
    let revision = format!("{}-{}", name(object), template_hash(object));
    let status = json!({
        "observedGeneration": object["metadata"]["generation"], "replicas": wanted, "availableReplicas": ready, "collisionCount": 0,
        "currentRevision": revision, "updateRevision": revision,
    });
    counts(status, &[("currentReplicas", wanted), ("updatedReplicas", wanted), ("readyReplicas", ready)])
}

fn daemon_set(object: &Value, around: &Surroundings<'_>) -> Value {
    let wanted = i64::try_from(around.nodes).unwrap_or(i64::MAX);
    let ready = if around.held { 0 } else { wanted };
    let status = json!({
        "observedGeneration": object["metadata"]["generation"], "currentNumberScheduled": wanted, "desiredNumberScheduled": wanted,
        "numberMisscheduled": 0, "numberReady": ready,
    });
    counts(status, &[("updatedNumberScheduled", wanted), ("numberAvailable", ready), ("numberUnavailable", wanted - ready)])
}

fn job(object: &Value, around: &Surroundings<'_>) -> Option<Value> {
    let spec = &object["spec"];
    let has = |kind: &str| {
        object["status"]["conditions"].as_array().is_some_and(|list| list.iter().any(|c| c["type"] == kind && c["status"] == "True"))
    };
    if spec["suspend"] == true || has("Complete") || has("Failed") {
        return None;
    }
    let started = object["status"]["startTime"].as_str().unwrap_or(around.now);
    let parallel = spec["parallelism"].as_i64().unwrap_or(1);
    let pods = json!({});
    if around.held {
        return Some(json!({ "startTime": started, "active": parallel, "ready": 0, "terminating": 0, "uncountedTerminatedPods": pods }));
    }
    let done = spec["completions"].as_i64().unwrap_or(1);
    let message = "Reached expected number of succeeded pods";
    let conditions: Vec<Value> = ["SuccessCriteriaMet", "Complete"]
        .iter()
        .map(|kind| {
            let mut condition = condition(object, around, kind, true, "CompletionsReached", message);
            condition["lastProbeTime"] = around.now.into();
            condition
        })
        .collect();
    Some(json!({
        "startTime": started, "completionTime": around.now, "succeeded": done, "ready": 0, "terminating": 0, "uncountedTerminatedPods": pods,
        "conditions": conditions,
    }))
}

fn pod(object: &Value, around: &Surroundings<'_>) -> Value {
    let owners = object["metadata"]["ownerReferences"].as_array();
    let of_job = owners.is_some_and(|owners| owners.iter().any(|owner| owner["kind"] == "Job"));
    let once = of_job && object["spec"]["restartPolicy"] != "Always";
    let (phase, ready) = if around.held {
        ("Pending", false)
    } else if once {
        ("Succeeded", false)
    } else {
        ("Running", true)
    };
    let reason = if once && !around.held {
        "PodCompleted"
    } else if ready {
        ""
    } else {
        "ContainersNotReady"
    };
    let conditions: Vec<Value> = ["PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled"]
        .iter()
        .map(|kind| {
            let truth = ready || matches!(*kind, "Initialized" | "PodScheduled");
            let mut condition = condition(object, around, kind, truth, if truth { "" } else { reason }, "");
            if let Some(map) = condition.as_object_mut() {
                map.retain(|_, value| value != "");
            }
            condition
        })
        .collect();
    let since = object["status"]["startTime"].as_str().unwrap_or(around.now);
    let containers: Vec<Value> = object["spec"]["containers"].as_array().into_iter().flatten().map(|container| {
        let state = match phase {
            "Running" => json!({ "running": { "startedAt": since } }),
            "Succeeded" => json!({ "terminated": { "exitCode": 0, "reason": "Completed", "startedAt": since, "finishedAt": since } }),
            _ => json!({ "waiting": { "reason": "ContainerCreating" } }),
        };
        json!({
            "name": container["name"], "image": container["image"], "imageID": "", "ready": ready, "started": ready, "restartCount": 0, "state": state,
        })
    }).collect();
    json!({
        "phase": phase, "conditions": conditions, "containerStatuses": containers, "startTime": since, "hostIP": "192.0.2.10",
        "podIP": "198.51.100.1", "podIPs": [{ "ip": "198.51.100.1" }], "observedGeneration": object["metadata"]["generation"], "qosClass": "BestEffort",
    })
}

fn claim(object: &Value) -> Value {
    json!({ "phase": "Bound", "accessModes": object["spec"]["accessModes"], "capacity": object["spec"]["resources"]["requests"] })
}

fn service(object: &Value, around: &Surroundings<'_>) -> Option<Value> {
    let waiting = object["spec"]["type"] == "LoadBalancer" && object["spec"]["loadBalancerClass"].is_null() && !around.held;
    let asked = object["spec"]["loadBalancerIP"].as_str();
    let address = object["status"]["loadBalancer"]["ingress"][0]["ip"].as_str().or(asked).unwrap_or("192.0.2.100");
    waiting.then(|| json!({ "loadBalancer": { "ingress": [{ "ip": address, "ipMode": "VIP" }] } }))
}

fn budget(object: &Value) -> Value {
    let enough = json!([{
        "type": "DisruptionAllowed", "status": "True", "reason": "SufficientPods", "message": "", "observedGeneration": object["metadata"]["generation"],
        "lastTransitionTime": object["metadata"]["creationTimestamp"],
    }]);
    json!({
        "observedGeneration": object["metadata"]["generation"], "currentHealthy": 1, "desiredHealthy": 0, "disruptionsAllowed": 1, "expectedPods": 1,
        "conditions": enough,
    })
}

fn api_service(object: &Value, around: &Surroundings<'_>) -> Value {
    let available = if around.held {
        condition(object, around, "Available", false, "MissingEndpoints", "the service has no endpoints")
    } else {
        condition(object, around, "Available", true, "Passed", "all checks passed")
    };
    json!({ "conditions": [available] })
}

/// Returns the status of a condition, if the object has it.
pub(crate) fn condition_status<'a>(object: &'a Value, kind: &str) -> Option<&'a str> {
    object["status"]["conditions"].as_array()?.iter().find(|c| c["type"] == kind)?["status"].as_str()
}

/// Tells whether an object is ready, as kstatus (sigs.k8s.io/cli-utils) decides.
pub(crate) fn is_ready(object: &Value) -> bool {
    let (status, spec) = (&object["status"], &object["spec"]);
    let observed = status["observedGeneration"].as_i64();
    if object["metadata"]["deletionTimestamp"].is_string()
        || observed.is_some_and(|seen| Some(seen) != object["metadata"]["generation"].as_i64())
    {
        return false;
    }
    let count = |key: &str| status[key].as_i64().unwrap_or(0);
    let is = |kind: &str| condition_status(object, kind) == Some("True");
    match object["kind"].as_str().unwrap_or_default() {
        "Deployment" => {
            observed.is_some()
                && count("updatedReplicas") >= replicas(object)
                && count("availableReplicas") >= replicas(object)
                && is("Available")
        }
        "StatefulSet" => observed.is_some() && count("readyReplicas") >= replicas(object),
        "ReplicaSet" => count("availableReplicas") >= replicas(object),
        "DaemonSet" => observed.is_some() && count("numberAvailable") >= count("desiredNumberScheduled"),
        "Job" => is("Complete"),
        "Pod" => is("Ready") || status["phase"] == "Succeeded",
        "PersistentVolumeClaim" => status["phase"] == "Bound",
        "CustomResourceDefinition" => is("Established"),
        "Service" if spec["type"] == "LoadBalancer" => status["loadBalancer"]["ingress"].is_array(),
        _ => condition_status(object, "Ready").is_none_or(|ready| ready == "True") && !is("Stalled") && !is("Reconciling"),
    }
}
