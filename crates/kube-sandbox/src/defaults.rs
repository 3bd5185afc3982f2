//! The defaults that Kubernetes computes in Go, for the kinds that matter to a bootstrap.
//!
//! Mirrors `pkg/apis/{core,apps,batch}/v1/defaults.go` of Kubernetes v1.36.3. Admission plugins (limits, priorities) are not played.

use serde_json::{Map, Value, json};

use crate::kinds::Resource;

/// Sets a member unless it is there.
fn put(object: &mut Value, key: &str, value: impl Into<Value>) {
    if let Some(map) = object.as_object_mut()
        && map.get(key).is_none_or(|present| present.is_null() || *present == "")
    {
        map.insert(key.to_owned(), value.into());
    }
}

/// Calls back for each item of a list.
fn each(object: &mut Value, key: &str, mut call: impl FnMut(&mut Value)) {
    if let Some(items) = object.get_mut(key).and_then(Value::as_array_mut) {
        items.iter_mut().for_each(&mut call);
    }
}

/// Calls back for a member that is an object.
fn within(object: &mut Value, key: &str, call: impl FnOnce(&mut Value)) {
    if let Some(member) = object.get_mut(key).filter(|member| member.is_object()) {
        call(member);
    }
}

/// Applies the defaults of an object's kind.
pub(crate) fn apply(resource: &Resource, object: &mut Value) {
    if resource.custom {
        return;
    }
    match (resource.group(), resource.plural()) {
        ("", "pods") => within(object, "spec", pod_spec),
        ("", "services") => within(object, "spec", service),
        ("", "secrets") => secret(object),
        ("", "namespaces") => namespace(object),
        ("batch", "jobs") => within(object, "spec", job_spec),
        ("", "persistentvolumeclaims") => within(object, "spec", |spec| put(spec, "volumeMode", "Filesystem")),
        ("", "persistentvolumes") => within(object, "spec", |spec| {
            put(spec, "volumeMode", "Filesystem");
            put(spec, "persistentVolumeReclaimPolicy", "Retain");
        }),
        ("apps", "deployments") => within(object, "spec", deployment),
        ("apps", "statefulsets") => within(object, "spec", stateful_set),
        ("apps", "daemonsets") => within(object, "spec", daemon_set),
        ("apps", "replicasets") => within(object, "spec", |spec| {
            put(spec, "replicas", 1);
            template(spec);
        }),
        ("batch", "cronjobs") => within(object, "spec", cron_job),
        ("networking.k8s.io", "networkpolicies") => within(object, "spec", network_policy),
        ("autoscaling", "horizontalpodautoscalers") => within(object, "spec", |spec| put(spec, "minReplicas", 1)),
        ("storage.k8s.io", "storageclasses") => {
            put(object, "reclaimPolicy", "Delete");
            put(object, "volumeBindingMode", "Immediate");
        }
        ("rbac.authorization.k8s.io", "rolebindings" | "clusterrolebindings") => role_binding(object),
        ("admissionregistration.k8s.io", "validatingwebhookconfigurations") => each(object, "webhooks", webhook),
        ("admissionregistration.k8s.io", "mutatingwebhookconfigurations") => each(object, "webhooks", |hook| {
            webhook(hook);
            put(hook, "reinvocationPolicy", "Never");
        }),
        ("apiregistration.k8s.io", "apiservices") => {
            within(object, "spec", |spec| within(spec, "service", |service| put(service, "port", 443)))
        }
        (crate::crd::GROUP, crate::crd::PLURAL) => crate::crd::defaults(object),
        _ => {}
    }
}

fn secret(object: &mut Value) {
    put(object, "type", "Opaque");
    let Some(map) = object.as_object_mut() else { return };
    if let Some(Value::Object(plain)) = map.remove("stringData") {
        let data = map.entry("data").or_insert_with(|| json!({}));
        for (key, value) in plain {
            data[&key] = base64(value.as_str().unwrap_or_default().as_bytes()).into();
        }
    }
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let bits = chunk.iter().enumerate().fold(0u32, |bits, (at, byte)| bits | u32::from(*byte) << (16 - 8 * at));
        for at in 0..4 {
            let letter = LETTERS[(bits >> (18 - 6 * at) & 63) as usize];
            out.push(if at <= chunk.len() { char::from(letter) } else { '=' });
        }
    }
    out
}

fn namespace(object: &mut Value) {
    let name = object["metadata"]["name"].clone();
    if !object["metadata"]["labels"].is_object() {
        object["metadata"]["labels"] = json!({});
    }
    object["metadata"]["labels"]["kubernetes.io/metadata.name"] = name;
}

/// Does what the registry does to a new object after its fields have got their owners.
pub(crate) fn prepare_new(resource: &Resource, object: &mut Value) {
    if resource.is("", "namespaces") {
        put(&mut object["spec"], "finalizers", json!(["kubernetes"]));
        object["status"] = json!({ "phase": "Active" });
    } else if resource.is("batch", "jobs") {
        job_selector(object);
    } else if resource.is("", "persistentvolumeclaims") || resource.is("", "pods") {
        object["status"] = json!({ "phase": "Pending" });
    }
}

fn role_binding(object: &mut Value) {
    within(object, "roleRef", |role| put(role, "apiGroup", "rbac.authorization.k8s.io"));
    each(object, "subjects", |subject| {
        if matches!(subject["kind"].as_str(), Some("User" | "Group")) {
            put(subject, "apiGroup", "rbac.authorization.k8s.io");
        }
    });
}

fn webhook(hook: &mut Value) {
    put(hook, "failurePolicy", "Fail");
    put(hook, "matchPolicy", "Equivalent");
    put(hook, "namespaceSelector", json!({}));
    put(hook, "objectSelector", json!({}));
    put(hook, "timeoutSeconds", 10);
    within(hook, "clientConfig", |config| within(config, "service", |service| put(service, "port", 443)));
    each(hook, "rules", |rule| put(rule, "scope", "*"));
}

fn network_policy(spec: &mut Value) {
    let egress = spec["egress"].as_array().is_some_and(|rules| !rules.is_empty());
    put(spec, "policyTypes", if egress { json!(["Ingress", "Egress"]) } else { json!(["Ingress"]) });
    let ports = |rule: &mut Value| each(rule, "ports", |port| put(port, "protocol", "TCP"));
    each(spec, "ingress", ports);
    each(spec, "egress", ports);
}

fn service(spec: &mut Value) {
    put(spec, "type", "ClusterIP");
    put(spec, "sessionAffinity", "None");
    if spec["sessionAffinity"] == "ClientIP" && spec["sessionAffinityConfig"].is_null() {
        spec["sessionAffinityConfig"] = json!({ "clientIP": { "timeoutSeconds": 10800 } });
    }
    each(spec, "ports", |port| {
        put(port, "protocol", "TCP");
        let number = port["port"].clone();
        put(port, "targetPort", number);
    });
    let kind = spec["type"].as_str().unwrap_or_default().to_owned();
    if kind != "ExternalName" {
        put(spec, "internalTrafficPolicy", "Cluster");
    }
    if matches!(kind.as_str(), "NodePort" | "LoadBalancer") {
        put(spec, "externalTrafficPolicy", "Cluster");
    }
    if kind == "LoadBalancer" {
        put(spec, "allocateLoadBalancerNodePorts", true);
    }
}

fn deployment(spec: &mut Value) {
    put(spec, "replicas", 1);
    put(spec, "revisionHistoryLimit", 10);
    put(spec, "progressDeadlineSeconds", 600);
    rolling(spec, "strategy", json!({ "maxSurge": "25%", "maxUnavailable": "25%" }));
    template(spec);
}

fn daemon_set(spec: &mut Value) {
    put(spec, "revisionHistoryLimit", 10);
    rolling(spec, "updateStrategy", json!({ "maxSurge": 0, "maxUnavailable": 1 }));
    template(spec);
}

fn stateful_set(spec: &mut Value) {
    put(spec, "replicas", 1);
    put(spec, "revisionHistoryLimit", 10);
    put(spec, "podManagementPolicy", "OrderedReady");
    rolling(spec, "updateStrategy", json!({ "partition": 0 }));
    put(spec, "persistentVolumeClaimRetentionPolicy", json!({ "whenDeleted": "Retain", "whenScaled": "Retain" }));
    each(spec, "volumeClaimTemplates", |claim| {
        put(claim, "apiVersion", "v1");
        put(claim, "kind", "PersistentVolumeClaim");
        within(claim, "spec", |spec| put(spec, "volumeMode", "Filesystem"));
        if !claim["status"].is_object() {
            claim["status"] = json!({});
        }
        put(&mut claim["status"], "phase", "Pending");
    });
    template(spec);
}

fn rolling(spec: &mut Value, key: &str, defaults: Value) {
    if !spec[key].is_object() {
        spec[key] = json!({});
    }
    put(&mut spec[key], "type", "RollingUpdate");
    if spec[key]["type"] == "RollingUpdate" {
        put(&mut spec[key], "rollingUpdate", json!({}));
        for (name, default) in defaults.as_object().cloned().unwrap_or_default() {
            put(&mut spec[key]["rollingUpdate"], &name, default);
        }
    }
}

/// A Job finds its pods by its uid (pkg/registry/batch/job/strategy.go, `generateSelector`).
fn job_selector(object: &mut Value) {
    let (uid, name) = (object["metadata"]["uid"].clone(), object["metadata"]["name"].clone());
    within(object, "spec", |spec| {
        if spec["manualSelector"] == true || !spec["selector"].is_null() {
            return;
        }
        let key = "batch.kubernetes.io/controller-uid";
        spec["selector"] = json!({ "matchLabels": { key: uid } });
        let labels = labels_of_template(spec);
        for (key, value) in [(key, &uid), ("controller-uid", &uid), ("batch.kubernetes.io/job-name", &name), ("job-name", &name)] {
            labels.insert(key.into(), value.clone());
        }
    });
}

fn labels_of_template(spec: &mut Value) -> &mut Map<String, Value> {
    fn object_at<'a>(parent: &'a mut Value, key: &str) -> &'a mut Value {
        if !parent[key].is_object() {
            parent[key] = json!({});
        }
        &mut parent[key]
    }
    let labels = object_at(object_at(object_at(spec, "template"), "metadata"), "labels");
    labels.as_object_mut().expect("object_at makes an object")
}

fn job_spec(spec: &mut Value) {
    if spec["completions"].is_null() && spec["parallelism"].is_null() {
        put(spec, "completions", 1);
    }
    put(spec, "parallelism", 1);
    put(spec, "backoffLimit", 6);
    put(spec, "completionMode", "NonIndexed");
    put(spec, "suspend", false);
    put(spec, "podReplacementPolicy", if spec["podFailurePolicy"].is_object() { "Failed" } else { "TerminatingOrFailed" });
    template(spec);
}

fn cron_job(spec: &mut Value) {
    put(spec, "concurrencyPolicy", "Allow");
    put(spec, "suspend", false);
    put(spec, "successfulJobsHistoryLimit", 3);
    put(spec, "failedJobsHistoryLimit", 1);
    within(spec, "jobTemplate", |job| within(job, "spec", template));
}

fn template(spec: &mut Value) {
    within(spec, "template", |template| within(template, "spec", pod_spec));
}

fn pod_spec(spec: &mut Value) {
    put(spec, "dnsPolicy", "ClusterFirst");
    put(spec, "restartPolicy", "Always");
    put(spec, "terminationGracePeriodSeconds", 30);
    put(spec, "schedulerName", "default-scheduler");
    put(spec, "securityContext", json!({}));
    if let Some(account) = spec.get("serviceAccountName").cloned() {
        put(spec, "serviceAccount", account);
    } else if let Some(account) = spec.get("serviceAccount").cloned() {
        put(spec, "serviceAccountName", account);
    }
    let host_network = spec["hostNetwork"] == true;
    for key in ["initContainers", "containers"] {
        each(spec, key, |item| container(item, host_network));
    }
    each(spec, "volumes", volume);
    each(spec, "tolerations", |_| {});
}

fn container(container: &mut Value, host_network: bool) {
    let image = container["image"].as_str().unwrap_or_default();
    let tagless = !image.contains('@') && !image.rsplit('/').next().unwrap_or_default().contains(':');
    let latest = tagless && !image.is_empty() || image.ends_with(":latest");
    put(container, "imagePullPolicy", if latest { "Always" } else { "IfNotPresent" });
    put(container, "terminationMessagePath", "/dev/termination-log");
    put(container, "terminationMessagePolicy", "File");
    put(container, "resources", json!({}));
    each(container, "ports", |port| {
        put(port, "protocol", "TCP");
        let number = port["containerPort"].clone();
        if host_network {
            put(port, "hostPort", number);
        }
    });
    each(container, "env", |variable| {
        within(variable, "valueFrom", |source| within(source, "fieldRef", |field| put(field, "apiVersion", "v1")));
    });
    for key in ["livenessProbe", "readinessProbe", "startupProbe"] {
        within(container, key, probe);
    }
    within(container, "lifecycle", |lifecycle| {
        for key in ["postStart", "preStop"] {
            within(lifecycle, key, handler);
        }
    });
    copy_limits(container);
}

/// Requests that are not set follow the limits.
fn copy_limits(container: &mut Value) {
    let Some(limits) = container["resources"]["limits"].as_object().cloned() else { return };
    within(container, "resources", |resources| {
        put(resources, "requests", json!({}));
        for (name, limit) in limits {
            put(&mut resources["requests"], &name, limit);
        }
    });
}

fn probe(probe: &mut Value) {
    put(probe, "timeoutSeconds", 1);
    put(probe, "periodSeconds", 10);
    put(probe, "successThreshold", 1);
    put(probe, "failureThreshold", 3);
    handler(probe);
}

fn handler(handler: &mut Value) {
    within(handler, "httpGet", |get| {
        put(get, "path", "/");
        put(get, "scheme", "HTTP");
    });
    within(handler, "grpc", |grpc| {
        if grpc["service"].is_null() {
            grpc["service"] = "".into();
        }
    });
}

fn volume(volume: &mut Value) {
    for key in ["secret", "configMap", "downwardAPI", "projected"] {
        within(volume, key, |source| put(source, "defaultMode", 420));
    }
    within(volume, "hostPath", |path| {
        if path["type"].is_null() {
            path["type"] = "".into();
        }
    });
    let downward = |source: &mut Value| {
        each(source, "items", |item| within(item, "fieldRef", |field| put(field, "apiVersion", "v1")));
    };
    within(volume, "downwardAPI", downward);
    within(volume, "projected", |projected| {
        each(projected, "sources", |source| {
            within(source, "serviceAccountToken", |token| put(token, "expirationSeconds", 3600));
            within(source, "downwardAPI", downward);
        });
    });
    let sources = volume.as_object().map_or(0, |map| map.len());
    if sources == 1 && volume["name"].is_string() {
        volume["emptyDir"] = json!({});
    }
}
