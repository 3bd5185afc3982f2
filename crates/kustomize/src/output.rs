//! Prints objects in the order in which `kustomize build` does: its legacy order, by kind, so that what others need comes first
//! (`api/internal/builtins/SortOrderTransformer.go`), unless `sortOptions` of the outermost kustomization say something else.

use crate::Object;
use crate::kustomization::{LegacySort, SortOptions};
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

/// In which order a build is printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Order {
    /// As accumulated.
    Fifo,
    /// By kind, these first and those last.
    Legacy { first: Vec<String>, last: Vec<String> },
}

impl Default for Order {
    fn default() -> Order {
        let all = |names: &[&str]| names.iter().map(|name| (*name).to_string()).collect();
        Order::Legacy { first: all(&FIRST), last: all(&LAST) }
    }
}

impl Order {
    /// Returns the order that `sortOptions` asks for.
    pub(crate) fn of(options: Option<&SortOptions>) -> Result<Order, String> {
        match options.map(|options| (options.order.as_str(), options.legacy_sort_options.as_ref())) {
            None | Some(("legacy", None)) => Ok(Order::default()),
            Some(("fifo", None)) => Ok(Order::Fifo),
            Some(("legacy", Some(LegacySort { order_first, order_last }))) => {
                Ok(Order::Legacy { first: order_first.clone(), last: order_last.clone() })
            }
            Some(("fifo", Some(_))) => Err("sortOptions: legacySortOptions are for order: legacy only".to_string()),
            Some((other, _)) => Err(format!("sortOptions: order is legacy or fifo, not {other:?}")),
        }
    }
}

/// Returns where a kind comes in the order of `kyaml/resid/gvk.go`.
pub(crate) fn rank(kind: &str) -> usize {
    let last = LAST.iter().position(|name| *name == kind).map(|at| FIRST.len() + 1 + at);
    last.or_else(|| FIRST.iter().position(|name| *name == kind)).unwrap_or(FIRST.len())
}

/// Returns objects as `kustomize build` prints them.
pub(crate) fn to_yaml(objects: &[Object], order: &Order) -> String {
    let mut sorted: Vec<&Object> = objects.iter().collect();
    if let Order::Legacy { first, last } = order {
        sorted.sort_by_cached_key(|object| key(object, first, last));
    }
    sorted.iter().map(|object| go_encoding::yaml::to_string(&object.value)).collect::<Vec<_>>().join("---\n")
}

fn key(object: &Object, first: &[String], last: &[String]) -> (usize, String, String) {
    let text = |path: &str, none: &str| match object.value.pointer(path).and_then(serde_json::Value::as_str) {
        None | Some("") => none.to_string(),
        Some(text) => text.to_string(),
    };
    let (kind, api) = (text("/kind", "~K"), text("/apiVersion", "~V"));
    let version = api.rsplit_once('/').map_or(api.as_str(), |(_, version)| version);
    // Of a kind that is in both lists, the last one counts.
    let rank = match (last.iter().rposition(|name| *name == kind), first.iter().rposition(|name| *name == kind)) {
        (Some(at), _) => first.len() + 1 + at,
        (None, Some(at)) => at,
        (None, None) => first.len(),
    };
    let group = match group_of(&api) {
        // Among Namespaces, those of Kubernetes come before what others call so.
        "" if kind == "Namespace" && rank != first.len() => "",
        "" => "~G",
        group => group,
    };
    // Patches may leave a number for a namespace.
    let namespace = match object.value.pointer("/metadata/namespace") {
        Some(number) if number.is_number() => go_encoding::json::to_string(number),
        _ => text("/metadata/namespace", "~X"),
    };
    (rank, format!("{group}_{version}_{kind}"), format!("{namespace}|{}", text("/metadata/name", "~N")))
}
