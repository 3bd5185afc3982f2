//! Repairs fields that hold names of other objects after those were renamed or moved (`api/filters/nameref`).

use serde_json::Value;

use crate::config::{Config, NameReference};
use crate::fields::{self, FieldSpec};
use crate::resource::Resource;

/// A renamed object, as far as references need it.
struct Candidate {
    group: String,
    version: String,
    kinds: Vec<String>,
    names: Vec<String>,
    original_namespace: String,
    namespace: String,
    /// The namespace as written.
    written_namespace: String,
    is_cluster_scoped: bool,
    name: String,
    prefixes: Vec<String>,
    suffixes: Vec<String>,
}

pub(crate) fn fix(resources: &mut [Resource], config: &Config) {
    let candidates: Vec<Candidate> = resources.iter().filter(|resource| !resource.previous.is_empty()).map(candidate).collect();
    if candidates.is_empty() {
        return;
    }
    let table = [defaults(), config.name_reference.clone()].concat();
    for resource in resources {
        for reference in &table {
            let of_kind: Vec<&Candidate> = candidates.iter().filter(|candidate| is_selected(reference, candidate)).collect();
            for field in &reference.field_specs {
                if !of_kind.is_empty() && field.selects(resource) {
                    update(resource, field, &of_kind);
                }
            }
        }
    }
}

fn candidate(resource: &Resource) -> Candidate {
    Candidate {
        group: resource.group().to_string(),
        version: resource.version().to_string(),
        kinds: resource.previous.iter().map(|id| id.kind.clone()).collect(),
        names: resource.previous.iter().map(|id| id.name.clone()).collect(),
        original_namespace: resource.original().namespace,
        namespace: resource.id().namespace,
        written_namespace: resource.namespace().to_string(),
        is_cluster_scoped: resource.is_cluster_scoped(),
        name: resource.name().to_string(),
        prefixes: resource.prefixes.clone(),
        suffixes: resource.suffixes.clone(),
    }
}

fn is_selected(reference: &NameReference, candidate: &Candidate) -> bool {
    (reference.group.is_empty() || reference.group == candidate.group)
        && (reference.version.is_empty() || reference.version == candidate.version)
        && (reference.kind.is_empty() || candidate.kinds.contains(&reference.kind))
}

fn update(resource: &mut Resource, field: &FieldSpec, candidates: &[&Candidate]) {
    let mut value = resource.value.take();
    let role = |key: &str| value.get("roleRef").and_then(|role| role.get(key)).and_then(Value::as_str).unwrap_or("").to_string();
    let (role_group, role_kind) = (role("apiGroup"), role("kind"));
    let is_role = field.path.ends_with("roleRef/name");
    resource.value = std::mem::take(&mut value);
    let namespace = resource.id().namespace;
    let is_cluster_scoped = resource.is_cluster_scoped();
    let fitting: Vec<&Candidate> = candidates
        .iter()
        .copied()
        .filter(|candidate| !is_role || candidate.group == role_group && candidate.kinds.contains(&role_kind))
        .filter(|candidate| {
            let is_account = candidate.kinds.iter().any(|kind| kind == "ServiceAccount");
            is_cluster_scoped || candidate.is_cluster_scoped || is_account || candidate.namespace == namespace
        })
        .collect();
    let (prefixes, suffixes) = (resource.prefixes.clone(), resource.suffixes.clone());
    let choose = |name: &str, candidates: Vec<&&Candidate>| -> Option<(String, String)> {
        let mut named: Vec<&&Candidate> =
            candidates.into_iter().filter(|candidate| candidate.names.iter().any(|old| old == name)).collect();
        if named.len() > 1 {
            named.retain(|candidate| ends_alike(&candidate.prefixes, &prefixes, true) && ends_alike(&candidate.suffixes, &suffixes, true));
        }
        if named.len() > 1 {
            named
                .retain(|candidate| ends_alike(&candidate.prefixes, &prefixes, false) && ends_alike(&candidate.suffixes, &suffixes, false));
        }
        let first = named.first()?;
        named.iter().all(|other| other.name == first.name).then(|| (first.name.clone(), first.written_namespace.clone()))
    };
    fields::visit(&mut resource.value, &fields::split(&field.path), false, &mut |value| set(value, &fitting, &choose));
}

/// Compares lists of affixes; with `or_empty`, none on one side fits everything.
fn ends_alike(left: &[String], right: &[String], or_empty: bool) -> bool {
    or_empty && (left.is_empty() || right.is_empty()) || left == right
}

type Choose<'a> = dyn Fn(&str, Vec<&&Candidate>) -> Option<(String, String)> + 'a;

fn set(value: &mut Value, candidates: &[&Candidate], choose: &Choose<'_>) {
    match value {
        Value::String(name) => {
            if let Some((new, _)) = choose(name, candidates.iter().collect()) {
                *name = new;
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| set(item, candidates, choose)),
        Value::Object(map) => {
            let Some(name) = map.get("name").and_then(Value::as_str) else { return };
            let wanted = map.get("namespace").and_then(Value::as_str);
            let by = |of: fn(&Candidate) -> &str| -> Vec<&&Candidate> {
                candidates.iter().filter(|candidate| wanted.is_none_or(|wanted| of(candidate) == wanted)).collect()
            };
            let originals = by(|candidate| &candidate.original_namespace);
            let found = choose(name, if originals.is_empty() { by(|candidate| &candidate.namespace) } else { originals });
            if let Some((name, namespace)) = found {
                map.insert("name".to_string(), Value::from(name));
                if !namespace.is_empty() {
                    map.insert("namespace".to_string(), Value::from(namespace));
                }
            }
        }
        _ => {}
    }
}

/// Kinds with a pod specification and where it is.
const PODS: &[(&str, &str)] = &[
    ("Pod", "spec"),
    ("PodTemplate", "template/spec"),
    ("Deployment", "spec/template/spec"),
    ("ReplicaSet", "spec/template/spec"),
    ("ReplicationController", "spec/template/spec"),
    ("DaemonSet", "spec/template/spec"),
    ("StatefulSet", "spec/template/spec"),
    ("Job", "spec/template/spec"),
    ("CronJob", "spec/jobTemplate/spec/template/spec"),
];

const POD_FIELDS: &[(&str, &str, &[&str])] = &[
    (
        "",
        "ConfigMap",
        &[
            "volumes/configMap/name",
            "containers/env/valueFrom/configMapKeyRef/name",
            "initContainers/env/valueFrom/configMapKeyRef/name",
            "containers/envFrom/configMapRef/name",
            "initContainers/envFrom/configMapRef/name",
            "volumes/projected/sources/configMap/name",
        ],
    ),
    (
        "",
        "Secret",
        &[
            "volumes/secret/secretName",
            "containers/env/valueFrom/secretKeyRef/name",
            "initContainers/env/valueFrom/secretKeyRef/name",
            "containers/envFrom/secretRef/name",
            "initContainers/envFrom/secretRef/name",
            "imagePullSecrets/name",
            "volumes/projected/sources/secret/name",
        ],
    ),
    ("", "ServiceAccount", &["serviceAccountName"]),
    ("", "PersistentVolumeClaim", &["volumes/persistentVolumeClaim/claimName"]),
    ("scheduling.k8s.io", "PriorityClass", &["priorityClassName"]),
];

/// Kind referred to (group and kind), then kind that refers and its field.
const OTHER_FIELDS: &[(&str, &str, &str, &str)] = &[
    ("", "Deployment", "HorizontalPodAutoscaler", "spec/scaleTargetRef/name"),
    ("", "ReplicationController", "HorizontalPodAutoscaler", "spec/scaleTargetRef/name"),
    ("", "ReplicaSet", "HorizontalPodAutoscaler", "spec/scaleTargetRef/name"),
    ("", "StatefulSet", "HorizontalPodAutoscaler", "spec/scaleTargetRef/name"),
    ("", "ConfigMap", "Node", "spec/configSource/configMap"),
    ("", "ConfigMap", "Role", "rules/resourceNames"),
    ("", "ConfigMap", "ClusterRole", "rules/resourceNames"),
    ("", "ConfigMap", "Ingress", "metadata/annotations/nginx.ingress.kubernetes.io\\/fastcgi-params-configmap"),
    ("", "Secret", "Ingress", "spec/tls/secretName"),
    ("", "Secret", "Ingress", "metadata/annotations/ingress.kubernetes.io\\/auth-secret"),
    ("", "Secret", "Ingress", "metadata/annotations/nginx.ingress.kubernetes.io\\/auth-secret"),
    ("", "Secret", "Ingress", "metadata/annotations/nginx.ingress.kubernetes.io\\/auth-tls-secret"),
    ("", "Secret", "ServiceAccount", "imagePullSecrets/name"),
    ("", "Secret", "StorageClass", "parameters/secretName"),
    ("", "Secret", "StorageClass", "parameters/adminSecretName"),
    ("", "Secret", "StorageClass", "parameters/userSecretName"),
    ("", "Secret", "StorageClass", "parameters/secretRef"),
    ("", "Secret", "Role", "rules/resourceNames"),
    ("", "Secret", "ClusterRole", "rules/resourceNames"),
    ("", "Secret", "PersistentVolume", "spec/azureFile/secretName"),
    ("", "Service", "StatefulSet", "spec/serviceName"),
    ("", "Service", "Ingress", "spec/rules/http/paths/backend/serviceName"),
    ("", "Service", "Ingress", "spec/backend/serviceName"),
    ("", "Service", "Ingress", "spec/rules/http/paths/backend/service/name"),
    ("", "Service", "Ingress", "spec/defaultBackend/service/name"),
    ("", "Service", "APIService", "spec/service/name"),
    ("", "Service", "ValidatingWebhookConfiguration", "webhooks/clientConfig/service"),
    ("", "Service", "MutatingWebhookConfiguration", "webhooks/clientConfig/service"),
    ("rbac.authorization.k8s.io", "Role", "RoleBinding", "roleRef/name"),
    ("rbac.authorization.k8s.io", "ClusterRole", "RoleBinding", "roleRef/name"),
    ("rbac.authorization.k8s.io", "ClusterRole", "ClusterRoleBinding", "roleRef/name"),
    ("", "ServiceAccount", "RoleBinding", "subjects"),
    ("", "ServiceAccount", "ClusterRoleBinding", "subjects"),
    ("", "PersistentVolume", "PersistentVolumeClaim", "spec/volumeName"),
    ("", "PersistentVolume", "ClusterRole", "rules/resourceNames"),
    ("storage.k8s.io", "StorageClass", "PersistentVolume", "spec/storageClassName"),
    ("storage.k8s.io", "StorageClass", "PersistentVolumeClaim", "spec/storageClassName"),
    ("storage.k8s.io", "StorageClass", "StatefulSet", "spec/volumeClaimTemplates/spec/storageClassName"),
    ("admissionregistration.k8s.io", "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding", "spec/policyName"),
];

fn defaults() -> Vec<NameReference> {
    let reference = |group: &str, kind: &str, field_specs: Vec<FieldSpec>| NameReference {
        group: group.to_string(),
        version: String::new(),
        kind: kind.to_string(),
        field_specs,
    };
    let of_pods = POD_FIELDS.iter().map(|(group, kind, paths)| {
        let fields =
            PODS.iter().flat_map(|(pod, spec)| paths.iter().map(move |path| FieldSpec::new("", pod, &format!("{spec}/{path}"), false)));
        reference(group, kind, fields.collect())
    });
    let others =
        OTHER_FIELDS.iter().map(|(group, kind, referrer, path)| reference(group, kind, vec![FieldSpec::new("", referrer, path, false)]));
    of_pods.chain(others).collect()
}
