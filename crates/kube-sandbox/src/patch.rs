//! The patch types: JSON patch (RFC 6902), merge patch (RFC 7386), strategic merge patch.
//!
//! Strategic merge mirrors k8s.io/apimachinery v0.36 `pkg/util/strategicpatch/patch.go`.

use serde_json::{Map, Value, json};

use crate::failure::Failure;
use crate::kinds::Resource;
use crate::schema::{Schema, anything};

/// Copies double what they copy; a real server allows as much.
const MAX_COPIED: usize = 3 * 1024 * 1024;

/// Patches nest no deeper than objects may.
const MAX_DEPTH: usize = 100;

/// Returns what a patch makes of an object.
pub(crate) fn patched(resource: &Resource, content_type: &str, body: &[u8], live: &Value) -> Result<Value, Failure> {
    if content_type.starts_with("application/strategic-merge-patch+json") && !resource.custom {
        let patch = parse(body)?;
        let mut object = live.clone();
        strategic(&resource.schema, &mut object, &patch)?;
        return Ok(object);
    }
    plain(content_type, body, live)
}

/// Returns what a patch that needs no schema makes of an object.
pub(crate) fn plain(content_type: &str, body: &[u8], live: &Value) -> Result<Value, Failure> {
    let mut object = live.clone();
    if content_type.starts_with("application/json-patch+json") {
        json_patch(&mut object, &parse(body)?)?;
    } else if content_type.starts_with("application/merge-patch+json") {
        merge_patch(&mut object, &parse(body)?);
    } else {
        let message = format!(
            "the body of the request was in an unknown format - accepted media types include: application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml (got {content_type})"
        );
        return Err(Failure::new(415, "UnsupportedMediaType", message));
    }
    Ok(object)
}

fn parse(body: &[u8]) -> Result<Value, Failure> {
    serde_json::from_slice(body).map_err(|error| Failure::bad_request(format!("error decoding patch: {error}")))
}

/// Merges as RFC 7386 says: null removes. Recursion is bounded by the depth that the JSON parser admits.
fn merge_patch(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Some(map) = target.as_object_mut() else { return };
    for (key, value) in patch {
        if value.is_null() {
            map.remove(key);
        } else {
            merge_patch(map.entry(key.clone()).or_insert(Value::Null), value);
        }
    }
}

fn unprocessable(why: impl Into<String>) -> Failure {
    Failure::new(422, "Invalid", format!("the server rejected our request due to an error in our request: {}", why.into()))
}

fn json_patch(object: &mut Value, patch: &Value) -> Result<(), Failure> {
    let operations = patch.as_array().ok_or_else(|| Failure::bad_request("error decoding patch: a JSON patch is a list of operations"))?;
    if operations.len() > 10_000 {
        let message = format!("The allowed maximum operations in a JSON patch is 10000, got {}", operations.len());
        return Err(Failure::new(413, "RequestEntityTooLarge", message));
    }
    let mut copied_bytes = 0;
    for operation in operations {
        let path = operation["path"].as_str().ok_or_else(|| unprocessable("operation without path"))?;
        let from = || operation["from"].as_str().ok_or_else(|| unprocessable("operation without from"));
        let value = || operation.get("value").cloned().ok_or_else(|| unprocessable("operation without value"));
        match operation["op"].as_str().unwrap_or_default() {
            "add" => add(object, path, value()?)?,
            "replace" => {
                take(object, path)?;
                add(object, path, value()?)?;
            }
            "remove" => {
                take(object, path)?;
            }
            "move" => {
                let moved = take(object, from()?)?;
                add(object, path, moved)?;
            }
            "copy" => {
                let copied = object.pointer(from()?).cloned().ok_or_else(|| missing(path))?;
                copied_bytes += copied.to_string().len();
                if copied_bytes > MAX_COPIED {
                    let message = format!("the copies of a JSON patch may not exceed {MAX_COPIED} bytes");
                    return Err(Failure::new(413, "RequestEntityTooLarge", message));
                }
                add(object, path, copied)?;
            }
            "test" => {
                if object.pointer(path).unwrap_or(&Value::Null) != &value()? {
                    return Err(unprocessable(format!("testing path {path} failed")));
                }
            }
            other => return Err(unprocessable(format!("unexpected kind: {other}"))),
        }
    }
    Ok(())
}

fn missing(path: &str) -> Failure {
    unprocessable(format!("path {path} is missing"))
}

fn parent<'a>(object: &'a mut Value, path: &str) -> Result<(&'a mut Value, String), Failure> {
    let (parent, last) = path.rsplit_once('/').ok_or_else(|| missing(path))?;
    let found = object.pointer_mut(parent).ok_or_else(|| missing(path))?;
    Ok((found, last.replace("~1", "/").replace("~0", "~")))
}

fn add(object: &mut Value, path: &str, value: Value) -> Result<(), Failure> {
    if path.is_empty() {
        *object = value;
        return Ok(());
    }
    let (parent, key) = parent(object, path)?;
    match parent {
        Value::Object(map) => {
            map.insert(key, value);
        }
        Value::Array(items) if key == "-" => items.push(value),
        Value::Array(items) => {
            let at = key.parse::<usize>().ok().filter(|at| *at <= items.len()).ok_or_else(|| missing(path))?;
            items.insert(at, value);
        }
        _ => return Err(missing(path)),
    }
    Ok(())
}

fn take(object: &mut Value, path: &str) -> Result<Value, Failure> {
    if path.is_empty() {
        return Ok(std::mem::take(object));
    }
    let (parent, key) = parent(object, path)?;
    let taken = match parent {
        Value::Object(map) => map.remove(&key),
        Value::Array(items) => key.parse::<usize>().ok().filter(|at| *at < items.len()).map(|at| items.remove(at)),
        _ => None,
    };
    taken.ok_or_else(|| missing(path))
}

/// Merges a strategic merge patch into an object.
pub(crate) fn strategic(schema: &Schema, target: &mut Value, patch: &Value) -> Result<(), Failure> {
    merge_object(schema, target, patch, 0)
}

fn merge_object(schema: &Schema, target: &mut Value, patch: &Value, depth: usize) -> Result<(), Failure> {
    if depth > MAX_DEPTH {
        return Err(Failure::bad_request("patch is nested too deeply"));
    }
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return Ok(());
    };
    match patch.get("$patch").and_then(Value::as_str) {
        Some("replace") => {
            *target = without_directives(patch);
            return Ok(());
        }
        Some("delete") => {
            *target = json!({});
            return Ok(());
        }
        Some("merge") | None => {}
        Some(other) => return Err(Failure::bad_request(format!("unknown patch directive {other:?}"))),
    }
    if !target.is_object() {
        *target = json!({});
    }
    let Some(map) = target.as_object_mut() else { return Ok(()) };
    retain_keys(map, patch);
    for (key, value) in patch.iter().filter(|(key, _)| !key.starts_with('$')) {
        let field = schema.member(key).unwrap_or_else(|| anything());
        if value.is_null() {
            map.remove(key);
            continue;
        }
        let present = map.entry(key.clone()).or_insert(Value::Null);
        match value {
            Value::Object(_) => merge_object(field, present, value, depth + 1)?,
            Value::Array(items) if field.strategy.merge => merge_list(field, present, items, depth + 1)?,
            other => *present = other.clone(),
        }
        if let Some(order) = patch.get(&format!("$setElementOrder/{key}")).and_then(Value::as_array) {
            sort_like(field, present, order);
        }
    }
    delete_primitives(map, patch);
    Ok(())
}

fn without_directives(patch: &Map<String, Value>) -> Value {
    Value::Object(
        patch.iter().filter(|(key, value)| !key.starts_with('$') && !value.is_null()).map(|(k, v)| (k.clone(), v.clone())).collect(),
    )
}

fn retain_keys(map: &mut Map<String, Value>, patch: &Map<String, Value>) {
    if let Some(keys) = patch.get("$retainKeys").and_then(Value::as_array) {
        map.retain(|key, _| keys.iter().any(|kept| kept == key));
    }
}

fn delete_primitives(map: &mut Map<String, Value>, patch: &Map<String, Value>) {
    for (key, values) in patch {
        let Some(name) = key.strip_prefix("$deleteFromPrimitiveList/") else { continue };
        if let (Some(Value::Array(items)), Some(gone)) = (map.get_mut(name), values.as_array()) {
            items.retain(|item| !gone.contains(item));
        }
    }
}

fn merge_list(field: &Schema, target: &mut Value, patch: &[Value], depth: usize) -> Result<(), Failure> {
    if patch.iter().any(|item| item["$patch"] == "replace") {
        *target = patch.iter().filter(|item| item["$patch"] != "replace").cloned().collect();
        return Ok(());
    }
    if !target.is_array() {
        *target = json!([]);
    }
    let Some(items) = target.as_array_mut() else { return Ok(()) };
    let before = items.clone();
    for wanted in patch {
        let Some(key) = &field.strategy.key else {
            if !items.contains(wanted) {
                items.push(wanted.clone());
            }
            continue;
        };
        let Some(identity) = wanted.get(key) else {
            return Err(Failure::bad_request(format!("map: {wanted} does not contain declared merge key: {key}")));
        };
        let found = items.iter().position(|item| item.get(key) == Some(identity));
        match (found, wanted["$patch"] == "delete") {
            (Some(at), true) => {
                items.remove(at);
            }
            (None, true) => {}
            (Some(at), false) => merge_object(field.item(), &mut items[at], wanted, depth)?,
            (None, false) => {
                let mut item = json!({});
                merge_object(field.item(), &mut item, wanted, depth)?;
                items.push(item);
            }
        }
    }
    if let Some(key) = &field.strategy.key {
        *items = ordered(std::mem::take(items), patch, &before, key);
    }
    Ok(())
}

/// Orders a merged list as the API server does (`normalizeElementOrder`): what the patch names stands before what it does not, unless
/// both were there and in the other order.
fn ordered(items: Vec<Value>, patch: &[Value], before: &[Value], key: &str) -> Vec<Value> {
    let place = |list: &[Value], item: &Value| list.iter().position(|known| known.get(key) == item.get(key));
    let (mut named, others): (Vec<Value>, Vec<Value>) = items.into_iter().partition(|item| place(patch, item).is_some());
    named.sort_by_key(|item| place(patch, item));
    let mut ordered = Vec::with_capacity(named.len() + others.len());
    let (mut named, mut others) = (named.into_iter().peekable(), others.into_iter().peekable());
    while let (Some(one), Some(other)) = (named.peek(), others.peek()) {
        let stays = place(before, one).zip(place(before, other)).is_some_and(|(one, other)| other <= one);
        ordered.extend(if stays { others.next() } else { named.next() });
    }
    ordered.into_iter().chain(named).chain(others).collect()
}

/// Puts the items that the patch names into its order, the others keep their places behind.
fn sort_like(field: &Schema, list: &mut Value, order: &[Value]) {
    let Some(items) = list.as_array_mut() else { return };
    let identity = |item: &Value| field.strategy.key.as_ref().map_or_else(|| item.clone(), |key| item[key].clone());
    let wanted: Vec<Value> = order.iter().map(identity).collect();
    items.sort_by_key(|item| wanted.iter().position(|w| *w == identity(item)).unwrap_or(usize::MAX));
}
