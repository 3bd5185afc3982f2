//! What makes a built-in object invalid: names, required fields, fields that may not change.
//!
//! A selection of `pkg/apis/*/validation` of Kubernetes v1.36.3: what charts get wrong. Quotas, volumes in detail and security are not checked.

use serde_json::Value;

use crate::crd;
use crate::failure::Cause;
use crate::kinds::Resource;
use crate::objects::text;
use crate::selectors::LabelSelector;

const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const LABEL: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";

/// Returns what is wrong with an object, or with its change.
pub(crate) fn check(resource: &Resource, old: Option<&Value>, object: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    check_meta(resource, object, &mut causes);
    match (resource.group(), resource.plural()) {
        _ if resource.custom => {}
        ("", "pods") => check_pod(&object["spec"], "spec", &mut causes),
        ("", "services") => check_service(&object["spec"], &mut causes),
        ("", "configmaps" | "secrets") => check_data(old, object, &mut causes),
        ("apps", "deployments" | "daemonsets" | "statefulsets" | "replicasets") => check_workload(resource, old, object, &mut causes),
        ("batch", "jobs") => check_job(old, object, &mut causes),
        ("batch", "cronjobs") => {
            require(&object["spec"], "schedule", "spec", &mut causes);
            check_pod(&object["spec"]["jobTemplate"]["spec"]["template"]["spec"], "spec.jobTemplate.spec.template.spec", &mut causes);
        }
        ("rbac.authorization.k8s.io", "rolebindings" | "clusterrolebindings") => check_binding(old, object, &mut causes),
        (crd::GROUP, crd::PLURAL) => causes.extend(crd::check(object)),
        _ => {}
    }
    causes
}

fn is_label(text: &str, allow_dots: bool) -> bool {
    let edge = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let parts: Vec<&str> = if allow_dots { text.split('.').collect() } else { vec![text] };
    parts.iter().all(|part| part.starts_with(edge) && part.ends_with(edge) && part.chars().all(|c| edge(c) || c == '-'))
}

fn check_meta(resource: &Resource, object: &Value, causes: &mut Vec<Cause>) {
    let name = text(object, "name");
    if name.is_empty() {
        causes.push(Cause::required("metadata.name", "name or generateName is required"));
        return;
    }
    let path_names = resource.group() == "rbac.authorization.k8s.io";
    let labels_only = matches!((resource.group(), resource.plural()), ("", "namespaces" | "services"));
    let value = Value::from(name);
    if path_names {
        if name.contains(['/', '%']) || name == "." || name == ".." {
            causes.push(Cause::invalid("metadata.name", &value, "may not contain '/' or '%'"));
        }
    } else if labels_only && name.len() > 63 {
        causes.push(Cause::invalid("metadata.name", &value, "must be no more than 63 characters"));
    } else if name.len() > 253 {
        causes.push(Cause::invalid("metadata.name", &value, "must be no more than 253 characters"));
    } else if !is_label(name, !labels_only) {
        causes.push(Cause::invalid("metadata.name", &value, if labels_only { LABEL } else { SUBDOMAIN }));
    }
    check_labels(&object["metadata"]["labels"], "metadata.labels", causes);
    for key in object["metadata"]["annotations"].as_object().into_iter().flatten().map(|(key, _)| key) {
        if !is_qualified(&key.to_lowercase()) {
            causes.push(Cause::invalid("metadata.annotations", &key.as_str().into(), QUALIFIED));
        }
    }
}

const QUALIFIED: &str = "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const LABEL_VALUE: &str = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";

fn is_word(text: &str) -> bool {
    let edge = |c: char| c.is_ascii_alphanumeric();
    text.len() <= 63 && text.starts_with(edge) && text.ends_with(edge) && text.chars().all(|c| edge(c) || "-_.".contains(c))
}

fn is_qualified(key: &str) -> bool {
    match key.split_once('/') {
        Some((prefix, name)) => prefix.len() <= 253 && is_label(prefix, true) && is_word(name),
        None => is_word(key),
    }
}

fn check_labels(labels: &Value, path: &str, causes: &mut Vec<Cause>) {
    for (key, value) in labels.as_object().into_iter().flatten() {
        if !is_qualified(key) {
            causes.push(Cause::invalid(path, &key.as_str().into(), QUALIFIED));
        }
        let text = value.as_str().unwrap_or_default();
        if text.len() > 63 {
            causes.push(Cause::invalid(path, value, "must be no more than 63 bytes"));
        } else if !text.is_empty() && !is_word(text) {
            causes.push(Cause::invalid(path, value, LABEL_VALUE));
        }
    }
}

fn is_missing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.is_empty(),
        _ => false,
    }
}

fn require(object: &Value, key: &str, path: &str, causes: &mut Vec<Cause>) {
    if is_missing(&object[key]) {
        causes.push(Cause::required(format!("{path}.{key}"), ""));
    }
}

fn keep(old: Option<&Value>, object: &Value, pointer: &str, causes: &mut Vec<Cause>) {
    let Some(old) = old else { return };
    let (was, is) = (old.pointer(pointer).unwrap_or(&Value::Null), object.pointer(pointer).unwrap_or(&Value::Null));
    if was != is {
        causes.push(Cause::invalid(pointer.trim_start_matches('/').replace('/', "."), is, "field is immutable"));
    }
}

fn check_workload(resource: &Resource, old: Option<&Value>, object: &Value, causes: &mut Vec<Cause>) {
    let spec = &object["spec"];
    let (selector, labels) = (&spec["selector"], &spec["template"]["metadata"]["labels"]);
    let no_selector = is_missing(&selector["matchLabels"]) && is_missing(&selector["matchExpressions"]);
    if selector.is_null() {
        causes.push(Cause::required("spec.selector", ""));
    } else if no_selector {
        causes.push(Cause::invalid("spec.selector", selector, format!("empty selector is invalid for {}", resource.kind.to_lowercase())));
    }
    // Without a selector nothing matches; an empty one is not compared.
    if selector.is_null() || !no_selector && !LabelSelector::object_matches(selector, labels) {
        causes.push(Cause::invalid("spec.template.metadata.labels", labels, "`selector` does not match template `labels`"));
    }
    keep(old, object, "/spec/selector", causes);
    if resource.plural() == "statefulsets" {
        check_stateful_change(old, object, causes);
    }
    check_labels(labels, "spec.template.metadata.labels", causes);
    if spec["replicas"].as_i64().is_some_and(|replicas| replicas < 0) {
        causes.push(Cause::invalid("spec.replicas", &spec["replicas"], "must be greater than or equal to 0"));
    }
    check_pod(&spec["template"]["spec"], "spec.template.spec", causes);
    let policy = &spec["template"]["spec"]["restartPolicy"];
    if *policy != "Always" && !policy.is_null() {
        causes.push(Cause::unsupported("spec.template.spec.restartPolicy", policy, &["\"Always\"".into()]));
    }
}

fn check_stateful_change(old: Option<&Value>, object: &Value, causes: &mut Vec<Cause>) {
    const MUTABLE: [&str; 8] = [
        "replicas",
        "ordinals",
        "template",
        "updateStrategy",
        "revisionHistoryLimit",
        "persistentVolumeClaimRetentionPolicy",
        "minReadySeconds",
        "selector",
    ];
    let Some(old) = old else { return };
    let rest = |value: &Value| {
        let mut spec = value["spec"].as_object().cloned().unwrap_or_default();
        spec.retain(|key, _| !MUTABLE.contains(&key.as_str()));
        spec
    };
    if rest(old) != rest(object) {
        causes.push(Cause::forbidden("spec", "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden"));
    }
}

fn check_job(old: Option<&Value>, object: &Value, causes: &mut Vec<Cause>) {
    let template = "spec.template.spec";
    check_pod(&object["spec"]["template"]["spec"], template, causes);
    let policy = &object["spec"]["template"]["spec"]["restartPolicy"];
    if !matches!(policy.as_str(), Some("Never" | "OnFailure")) {
        causes.push(Cause::unsupported(format!("{template}.restartPolicy"), policy, &["\"OnFailure\"".into(), "\"Never\"".into()]));
    }
    if old.is_some_and(|old| old["spec"]["suspend"] != true) {
        keep(old, object, "/spec/template", causes);
    }
    for field in ["/spec/selector", "/spec/completions", "/spec/completionMode"] {
        keep(old, object, field, causes);
    }
}

fn check_pod(spec: &Value, path: &str, causes: &mut Vec<Cause>) {
    require(spec, "containers", path, causes);
    let mut seen = Vec::new();
    for list in ["initContainers", "containers"] {
        for (at, container) in spec[list].as_array().into_iter().flatten().enumerate() {
            let at = format!("{path}.{list}[{at}]");
            require(container, "name", &at, causes);
            require(container, "image", &at, causes);
            let name = container["name"].as_str().unwrap_or_default();
            if !name.is_empty() && (!is_label(name, false) || name.len() > 63) {
                causes.push(Cause::invalid(format!("{at}.name"), &name.into(), LABEL));
            } else if !name.is_empty() && seen.contains(&name) {
                causes.push(Cause::duplicate(format!("{at}.name"), &name.into()));
            }
            seen.push(name);
            check_mounts(spec, container, &at, causes);
            for (index, port) in container["ports"].as_array().into_iter().flatten().enumerate() {
                check_port(&port["containerPort"], &format!("{at}.ports[{index}].containerPort"), causes);
            }
        }
    }
}

fn check_mounts(spec: &Value, container: &Value, path: &str, causes: &mut Vec<Cause>) {
    let named = |name: &Value| spec["volumes"].as_array().is_some_and(|volumes| volumes.iter().any(|volume| volume["name"] == *name));
    for (at, mount) in container["volumeMounts"].as_array().into_iter().flatten().enumerate() {
        let at = format!("{path}.volumeMounts[{at}]");
        require(mount, "mountPath", &at, causes);
        // A StatefulSet's claims are volumes of its pods; they are not in the template.
        if !named(&mount["name"]) && !path.starts_with("spec.template.spec") {
            causes.push(Cause {
                reason: "FieldValueNotFound",
                message: format!("Not found: {}", mount["name"]),
                field: format!("{at}.name"),
            });
        }
    }
}

fn check_port(port: &Value, path: &str, causes: &mut Vec<Cause>) {
    match port.as_i64() {
        None => causes.push(Cause::required(path, "")),
        Some(1..=65535) => {}
        Some(_) => causes.push(Cause::invalid(path, port, "must be between 1 and 65535, inclusive")),
    }
}

fn check_service(spec: &Value, causes: &mut Vec<Cause>) {
    let kind = spec["type"].as_str().unwrap_or_default();
    const KINDS: [&str; 4] = ["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"];
    if !KINDS.contains(&kind) {
        causes.push(Cause::unsupported("spec.type", &spec["type"], &KINDS.map(|kind| format!("{kind:?}"))));
    }
    let ports = spec["ports"].as_array().map_or(&[][..], Vec::as_slice);
    if ports.is_empty() && spec["clusterIP"] != "None" && kind != "ExternalName" {
        causes.push(Cause::required("spec.ports", ""));
    }
    if kind == "ExternalName" {
        require(spec, "externalName", "spec", causes);
    }
    for (at, port) in ports.iter().enumerate() {
        check_port(&port["port"], &format!("spec.ports[{at}].port"), causes);
        if ports.len() > 1 {
            require(port, "name", &format!("spec.ports[{at}]"), causes);
        }
        let identity = |port: &Value| (port["port"].clone(), port["protocol"].clone());
        if ports[..at].iter().any(|other| identity(other) == identity(port)) {
            causes.push(Cause::duplicate(format!("spec.ports[{at}]"), port));
        }
    }
}

fn check_data(old: Option<&Value>, object: &Value, causes: &mut Vec<Cause>) {
    for key in object["data"].as_object().into_iter().flatten().map(|(key, _)| key) {
        let fine = !key.is_empty()
            && key.len() <= 253
            && key.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
            && key != "."
            && key != "..";
        if !fine {
            let why = "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')";
            causes.push(Cause::invalid(format!("data[{key}]"), &key.as_str().into(), why));
        }
    }
    let Some(old) = old else { return };
    keep(Some(old), object, "/type", causes);
    if old["immutable"] == true {
        for key in ["data", "binaryData", "immutable"].iter().filter(|key| old[**key] != object[**key]) {
            causes.push(Cause::forbidden(*key, "field is immutable when `immutable` is set"));
        }
    }
}

fn check_binding(old: Option<&Value>, object: &Value, causes: &mut Vec<Cause>) {
    require(&object["roleRef"], "name", "roleRef", causes);
    if old.is_some_and(|old| old["roleRef"] != object["roleRef"]) {
        causes.push(Cause::invalid("roleRef", &object["roleRef"], "cannot change roleRef"));
    }
}
