//! Prints objects in the order in which `kustomize build` does: its legacy order, by kind, so that what others need comes first
//! (`api/internal/builtins/SortOrderTransformer.go`). It knows nothing of `sortOptions`.

use crate::Object;
use crate::resource::group_of;

const FIRST: [&str; 22] = [
    "Namespace",
    "ResourceQuota",
    "StorageClass",
    "CustomResourceDefinition",
    "ServiceAccount",
    "PodSecurityPolicy",
    "Role",
    "ClusterRole",
    "RoleBinding",
    "ClusterRoleBinding",
    "ConfigMap",
    "Secret",
    "Endpoints",
    "Service",
    "LimitRange",
    "PriorityClass",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "Deployment",
    "StatefulSet",
    "CronJob",
    "PodDisruptionBudget",
];

const LAST: [&str; 2] = ["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"];

/// Returns objects as `kustomize build` prints them.
pub fn to_yaml(objects: &[Object]) -> String {
    let mut sorted: Vec<&Object> = objects.iter().collect();
    sorted.sort_by_cached_key(|object| key(object));
    sorted.iter().map(|object| go_encoding::yaml::to_string(&object.value)).collect::<Vec<_>>().join("---\n")
}

fn key(object: &Object) -> (usize, String, String) {
    let text = |path: &str, none: &str| match object.value.pointer(path).and_then(serde_json::Value::as_str) {
        None | Some("") => none.to_string(),
        Some(text) => text.to_string(),
    };
    let (kind, api) = (text("/kind", "~K"), text("/apiVersion", "~V"));
    let version = api.rsplit_once('/').map_or(api.as_str(), |(_, version)| version);
    let group = if group_of(&api).is_empty() { "~G" } else { group_of(&api) };
    let rank = match FIRST.iter().position(|first| *first == kind) {
        Some(at) => at,
        None => FIRST.len() + LAST.iter().position(|last| *last == kind).map_or(0, |at| at + 1),
    };
    (rank, format!("{group}_{version}_{kind}"), format!("{}|{}", text("/metadata/namespace", "~X"), text("/metadata/name", "~N")))
}
