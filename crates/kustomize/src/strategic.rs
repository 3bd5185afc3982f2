//! Strategic merge patches: maps merge, null removes, `$patch` directives replace or delete, and lists of built-in kinds merge by key as
//! their schema says. Lists of custom resources are replaced.

use serde_json::{Map, Value};

use crate::kinds;
use crate::resource::{group_of, object};

/// Merges a patch into an object; nothing remains where the patch deletes the object.
pub(crate) fn merge(target: Value, patch: &Value) -> Option<Value> {
    let text = |key: &str| target.get(key).and_then(Value::as_str).unwrap_or("");
    let merges_lists = kinds::is_built_in_group(group_of(text("apiVersion")));
    let is_account = text("kind") == "ServiceAccount";
    map(target, patch, &Context { merges_lists, is_account, field: "" })
}

#[derive(Clone, Copy)]
struct Context<'a> {
    merges_lists: bool,
    /// The pull secrets of a service account are one value, those of a pod merge.
    is_account: bool,
    field: &'a str,
}

/// The keys by which lists merge: the field, another field its elements need to have to be that list, the keys.
const MERGE_KEYS: &[(&str, &[&str])] = &[
    ("conditions", &["type"]),
    ("containers", &["name"]),
    ("env", &["name"]),
    ("ephemeralContainers", &["name"]),
    ("hostAliases", &["ip"]),
    ("imagePullSecrets", &["name"]),
    ("initContainers", &["name"]),
    ("matchConditions", &["name"]),
    ("ownerReferences", &["uid"]),
    ("resourceClaims", &["name"]),
    ("secrets", &["name"]),
    ("topologySpreadConstraints", &["topologyKey", "whenUnsatisfiable"]),
    ("volumeDevices", &["devicePath"]),
    ("volumeMounts", &["mountPath"]),
    ("volumes", &["name"]),
    ("webhooks", &["name"]),
];

/// Ports of containers are told apart by another key than those of services.
fn keys(field: &str, items: &[Value], patch: &[Value]) -> Option<&'static [&'static str]> {
    if field == "ports" {
        let has = |key: &str| items.iter().chain(patch).any(|item| item.get(key).is_some());
        return if has("containerPort") {
            Some(&["containerPort", "protocol"])
        } else if has("port") {
            Some(&["port", "protocol"])
        } else {
            None
        };
    }
    MERGE_KEYS.iter().find(|(name, _)| *name == field).map(|(_, keys)| *keys)
}

fn directive(patch: &Value) -> Option<&str> {
    patch.get("$patch").and_then(Value::as_str)
}

fn map(target: Value, patch: &Value, context: &Context) -> Option<Value> {
    let Value::Object(changes) = patch else { return Some(clean(patch)) };
    match directive(patch) {
        Some("delete") => return None,
        Some("replace") => return Some(clean(patch)),
        _ => {}
    }
    let mut target = target;
    let fields = object(&mut target);
    for (key, change) in changes.iter().filter(|(key, _)| !key.starts_with('$')) {
        let inner = Context { field: key, ..*context };
        if change.is_null() {
            fields.remove(key);
            continue;
        }
        let merged = match (fields.remove(key), change) {
            (Some(Value::Array(items)), Value::Array(patch)) => Some(list(items, patch, &inner)),
            (Some(present @ Value::Object(_)), Value::Object(_)) => map(present, change, &inner),
            (_, Value::Object(_)) => map(Value::Object(Map::new()), change, &inner),
            (_, Value::Array(patch)) => Some(list(Vec::new(), patch, &inner)),
            (_, change) => Some(change.clone()),
        };
        if let Some(merged) = merged {
            fields.insert(key.clone(), merged);
        }
    }
    Some(target)
}

fn list(items: Vec<Value>, patch: &[Value], context: &Context) -> Value {
    let is_set = context.field == "finalizers";
    if is_set {
        let mut merged: Vec<Value> = patch.to_vec();
        merged.retain(|item| !items.contains(item));
        return Value::Array(items.into_iter().chain(merged).collect());
    }
    let replaces = |item: &Value| directive(item) == Some("replace") && item.as_object().is_some_and(|item| item.len() == 1);
    if patch.iter().any(replaces) {
        return Value::Array(patch.iter().filter(|item| directive(item).is_none()).map(clean).collect());
    }
    let merges = context.merges_lists && !(context.is_account && context.field == "imagePullSecrets");
    match keys(context.field, &items, patch).filter(|_| merges) {
        Some(keys) => keyed(items, patch, keys, context),
        None => Value::Array(patch.iter().filter(|item| directive(item) != Some("delete")).map(clean).collect()),
    }
}

/// The elements of the patch come first, in its order, as kustomize asks kyaml to do.
fn keyed(mut items: Vec<Value>, patch: &[Value], keys: &[&str], context: &Context) -> Value {
    let mut first = Vec::new();
    for change in patch {
        // Only the keys that the patch gives are compared: a port without protocol is the same port.
        let given: Vec<&&str> = keys.iter().filter(|key| change.get(**key).is_some()).collect();
        let same = |item: &Value| !given.is_empty() && given.iter().all(|key| item.get(**key) == change.get(**key));
        match items.iter().position(same).map(|at| items.remove(at)) {
            Some(item) if directive(change) == Some("replace") => first.push(item),
            Some(item) => first.extend(map(item, change, context)),
            None if directive(change) == Some("delete") => {}
            None => first.push(clean(change)),
        }
    }
    first.extend(items);
    Value::Array(first)
}

/// Returns a patch as content: without directives and nulls.
fn clean(patch: &Value) -> Value {
    match patch {
        Value::Object(map) => Value::Object(
            map.iter()
                .filter(|(key, value)| !key.starts_with("$patch") && !value.is_null() && directive(value) != Some("delete"))
                .map(|(key, value)| (key.clone(), clean(value)))
                .collect(),
        ),
        Value::Array(items) => Value::Array(items.iter().map(clean).collect()),
        value => value.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn deployment(containers: Value) -> Value {
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "spec": {"template": {"spec": {"containers": containers}}}})
    }

    #[test]
    fn lists_of_built_in_kinds_merge_by_key() {
        let target = deployment(json!([{"name": "a", "image": "x", "env": [{"name": "E", "value": "1"}]}, {"name": "b"}]));
        let patch =
            deployment(json!([{"name": "a", "env": [{"name": "F", "value": "2"}]}, {"name": "c"}, {"name": "b", "$patch": "delete"}]));
        let env = json!([{"name": "F", "value": "2"}, {"name": "E", "value": "1"}]);
        assert_eq!(merge(target, &patch), Some(deployment(json!([{"name": "a", "image": "x", "env": env}, {"name": "c"}]))));
    }

    #[test]
    fn custom_lists_are_replaced_and_nulls_remove() {
        let target = json!({"apiVersion": "x.io/v1", "kind": "X", "spec": {"containers": [{"name": "a"}], "gone": 1, "map": {"k": 1}}});
        let patch = json!({"spec": {"containers": [{"name": "b"}], "gone": null, "map": {"$patch": "replace", "j": 2}}});
        let expected = json!({"apiVersion": "x.io/v1", "kind": "X", "spec": {"containers": [{"name": "b"}], "map": {"j": 2}}});
        assert_eq!(merge(target, &patch), Some(expected));
        assert_eq!(merge(json!({"kind": "X"}), &json!({"$patch": "delete"})), None);
    }
}
