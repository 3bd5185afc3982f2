//! Strategic merge patches, as kyaml merges them (`kyaml/yaml/merge2`, `kyaml/yaml/walk` of kustomize 5.8.1): maps merge, null removes,
//! `$patch` directives replace or delete, and the lists that the schema of a built-in kind says so of merge by key.
//!
//! kyaml walks the whole object, not only what the patch mentions. A value that is nothing at all (`key:`) is gone afterwards, a written
//! `null` stays.

use serde_json::{Map, Value};

use crate::merge_keys::Schema;
use crate::openapi::OpenApi;
use crate::scalar::{self, as_text as text, is_null, is_written_null};

/// Merges a patch into an object; nothing remains where the patch deletes the object.
pub(crate) fn merge(target: Value, patch: &Value, openapi: &OpenApi) -> Result<Option<Value>, String> {
    walk(Some(target), Some(patch.clone()), Schema::Unknown(openapi))
}

#[derive(PartialEq, Clone, Copy)]
enum Directive {
    Merge,
    Replace,
    Delete,
}

#[derive(PartialEq, Clone, Copy)]
enum Kind {
    Map,
    List,
    Scalar,
    Nothing,
}

fn kind_of(value: &Value) -> Kind {
    match value {
        value if is_null(value) => Kind::Nothing,
        Value::Object(_) => Kind::Map,
        Value::Array(_) => Kind::List,
        _ => Kind::Scalar,
    }
}

fn is_missing(value: Option<&Value>) -> bool {
    value.is_none_or(is_null)
}

fn walk(dest: Option<Value>, patch: Option<Value>, schema: Schema<'_>) -> Result<Option<Value>, String> {
    let schema = schema.or_of(dest.as_ref()).or_of(patch.as_ref());
    let kinds = [&dest, &patch].map(|value| value.as_ref().map_or(Kind::Nothing, kind_of));
    let kind = kinds.into_iter().find(|kind| *kind != Kind::Nothing).unwrap_or(Kind::Nothing);
    if kinds.iter().any(|other| *other != Kind::Nothing && *other != kind) {
        return Err("the patch has another kind of value (mapping, list or scalar) than the object".to_string());
    }
    match kind {
        Kind::Map | Kind::Nothing => map(dest, patch, schema),
        Kind::Scalar => Ok(patch.or(dest).filter(|value| !is_null(value))),
        Kind::List => match schema.merge_keys() {
            Some(keys) => associative(dest, patch, &keys, schema.element()),
            None => Ok(patch.or(dest).filter(|value| !is_null(value))),
        },
    }
}

fn map(dest: Option<Value>, mut patch: Option<Value>, schema: Schema<'_>) -> Result<Option<Value>, String> {
    let dest = if is_missing(dest.as_ref()) {
        let deletes = patch.as_mut().filter(|patch| !is_null(patch)).map(map_directive).transpose()?;
        match (&patch, &dest) {
            _ if deletes == Some(Directive::Delete) => return Ok(None),
            (None, Some(written)) if is_written_null(written) => return Ok(dest),
            _ => patch.clone(),
        }
    } else {
        match patch.as_mut() {
            Some(patch) if is_null(patch) => return Ok(None),
            Some(found) => match map_directive(found)? {
                Directive::Delete => return Ok(None),
                Directive::Replace => patch.clone(),
                Directive::Merge => dest,
            },
            None => dest,
        }
    };
    let Some(Value::Object(mut fields)) = dest else { return Ok(None) };
    let mut changes = match patch {
        Some(Value::Object(changes)) => changes,
        _ => Map::new(),
    };
    let names: std::collections::BTreeSet<String> = fields.keys().chain(changes.keys()).cloned().collect();
    for name in names {
        let (before, change) = (fields.remove(&name), changes.remove(&name));
        let has_quotes = before.as_ref().filter(|_| change.is_some()).map(|before| before.as_str().is_some_and(scalar::is_quoted));
        if let Some(merged) = walk(before, change, schema.field(&name))? {
            fields.insert(name, scalar::merged(merged, has_quotes));
        }
    }
    Ok(Some(Value::Object(fields)))
}

/// Takes the directive out of a patch.
fn map_directive(patch: &mut Value) -> Result<Directive, String> {
    let Value::Object(fields) = patch else { return Ok(Directive::Merge) };
    let Some(found) = fields.get("$patch").filter(|value| !value.is_object() && !value.is_array()) else { return Ok(Directive::Merge) };
    let directive = directive(&text(found))?;
    fields.remove("$patch");
    Ok(directive)
}

fn directive(text: &str) -> Result<Directive, String> {
    match text {
        "merge" => Ok(Directive::Merge),
        "replace" => Ok(Directive::Replace),
        "delete" => Ok(Directive::Delete),
        other => Err(format!("$patch is merge, replace or delete, not {other:?}")),
    }
}

/// The directive of a list is an element that has nothing else.
fn list_directive(items: &mut Vec<Value>) -> Result<Directive, String> {
    let Some(Value::Object(found)) = items.iter().find(|item| item.get("$patch").is_some()) else { return Ok(Directive::Merge) };
    if found.len() > 1 {
        return Ok(Directive::Merge);
    }
    let name = text(&found["$patch"]);
    let directive = directive(&name)?;
    set_element(items, None, &["$patch"], std::slice::from_ref(&name))?;
    Ok(directive)
}

fn associative(dest: Option<Value>, patch: Option<Value>, keys: &[&str], element: Schema<'_>) -> Result<Option<Value>, String> {
    let mut patch = match patch {
        Some(Value::Array(items)) => Some(items),
        Some(null) if !is_missing(dest.as_ref()) && is_null(&null) => return Ok(None),
        _ => None,
    };
    let dest = match dest {
        Some(Value::Array(items)) => match patch.as_mut().map(list_directive).transpose()? {
            Some(Directive::Delete) => return Ok(None),
            Some(Directive::Replace) => patch.clone(),
            _ => Some(items),
        },
        _ => patch.clone(),
    };
    let Some(dest) = dest else { return Ok(None) };
    let values = key_values(patch.as_deref(), &dest, keys);
    let merged = match values.is_empty() && keys.is_empty() {
        true => {
            let values = primitive_values(patch.iter().flatten().chain(&dest));
            elements(dest, patch, values, &[""], element)?
        }
        false => elements(dest, patch, values, keys, element)?,
    };
    Ok(Some(Value::Array(merged)))
}

fn primitive_values<'a>(items: impl Iterator<Item = &'a Value>) -> Vec<Vec<String>> {
    let mut found: Vec<Vec<String>> = Vec::new();
    for item in items {
        let value = vec![text(item)];
        if !found.contains(&value) {
            found.push(value);
        }
    }
    found
}

/// Returns the values of the keys of all elements, those of the patch first.
fn key_values(patch: Option<&[Value]>, dest: &[Value], keys: &[&str]) -> Vec<Vec<String>> {
    let mut found: Vec<Vec<String>> = Vec::new();
    for item in patch.into_iter().flatten().chain(dest) {
        let values: Vec<String> = keys.iter().map(|key| item.get(*key).map(text).unwrap_or_default()).collect();
        if !values.is_empty() && !found.contains(&values) {
            found.push(values);
        }
    }
    found
}

/// Lists with several keys: what lacks one of them takes it from what has it and is the same otherwise.
fn complete(values: &mut [Vec<String>]) {
    for i in 0..values.len() {
        for j in 0..values.len() {
            if let Some(both) = joined(&values[i], &values[j]) {
                values[i] = both.clone();
                values[j] = both;
            }
        }
    }
}

fn joined(one: &[String], other: &[String]) -> Option<Vec<String>> {
    let mut has_same = false;
    let mut all = Vec::new();
    for (one, other) in one.iter().zip(other) {
        has_same |= one == other;
        match (one.is_empty(), other.is_empty()) {
            _ if one == other => all.push(one.clone()),
            (false, false) => return None,
            (false, true) => all.push(one.clone()),
            _ => all.push(other.clone()),
        }
    }
    has_same.then_some(all)
}

/// Leaves out keys that no element has.
fn valid<'a>(all: &[Vec<String>], values: &[String], keys: &[&'a str]) -> (Vec<&'a str>, Vec<String>) {
    let is_used = |at: usize| all.iter().any(|values| values.get(at).is_some_and(|value| !value.is_empty()));
    let used: Vec<usize> = (0..keys.len()).filter(|at| is_used(*at)).collect();
    if used.is_empty() {
        return (keys.to_vec(), values.to_vec());
    }
    let kept = values.iter().enumerate().filter(|(at, value)| !value.is_empty() || used.contains(at));
    (used.iter().map(|at| keys[*at]).collect(), kept.map(|(_, value)| value.clone()).collect())
}

fn elements(
    mut dest: Vec<Value>,
    patch: Option<Vec<Value>>,
    mut all: Vec<Vec<String>>,
    keys: &[&str],
    schema: Schema<'_>,
) -> Result<Vec<Value>, String> {
    let is_of_patch = patch.as_ref() == Some(&dest);
    if keys.len() > 1 {
        complete(&mut all);
    }
    let mut added = Vec::new();
    let mut valid_keys = keys.to_vec();
    for values in &all {
        let (used, wanted) = valid(&all, values, keys);
        valid_keys = used;
        let (narrow_keys, narrow_values) = valid(std::slice::from_ref(&wanted), &wanted, &valid_keys);
        let at = position(&dest, &narrow_keys, &narrow_values);
        let change = patch.as_ref().and_then(|patch| position(patch, &narrow_keys, &narrow_values).map(|at| patch[at].clone()));
        let replaces = change.as_ref().and_then(|change| change.get("$patch")).is_some_and(|value| text(value) == "replace");
        let merged = walk(at.map(|at| dest[at].clone()), change, schema)?;
        // Where the list is that of the patch, so is the element, whose directive is gone now.
        if let (Some(Value::Object(fields)), true) = (at.map(|at| &mut dest[at]), is_of_patch) {
            fields.remove("$patch");
        }
        let Some(mut merged) = merged.filter(|value| !value.as_object().is_some_and(Map::is_empty)) else {
            set_element(&mut dest, None, &valid_keys, &wanted)?;
            continue;
        };
        if let Value::Object(fields) = &mut merged {
            for (key, value) in valid_keys.iter().zip(&wanted).filter(|(key, value)| !key.is_empty() && !value.is_empty()) {
                fields.entry((*key).to_string()).or_insert_with(|| scalar::plain(value));
            }
        } else if valid_keys == [""] && merged.as_str().is_some_and(|text| !scalar::is_quoted(text)) {
            // kyaml sets the key of a scalar too, which is the scalar itself.
            merged = scalar::untyped(&text(&merged));
        }
        // What replaces an element is another one in kyaml too, so that the old one comes back below.
        if let Some(at) = at.filter(|_| !replaces) {
            dest[at] = merged.clone();
        }
        set_element(&mut added, Some(merged), &valid_keys, &wanted)?;
    }
    if all.is_empty() {
        return Ok(dest);
    }
    append(&mut added, dest, &valid_keys)?;
    Ok(added)
}

/// Puts the elements that were there behind those that are new, or in their places.
fn append(into: &mut Vec<Value>, items: Vec<Value>, keys: &[&str]) -> Result<(), String> {
    for item in items {
        if keys.first().is_none_or(|key| key.is_empty()) {
            let value = text(&item);
            set_element(into, Some(item), &[""], &[value])?;
            continue;
        }
        let mut values = Vec::new();
        for key in keys {
            match item.get(*key) {
                Some(value) => values.push(text(value)),
                None => into.push(item.clone()),
            }
        }
        if keys.len() > 1 {
            set_element(into, None, keys, &values)?;
        }
        set_element(into, Some(item), keys, &values)?;
    }
    Ok(())
}

fn position(items: &[Value], keys: &[&str], values: &[String]) -> Option<usize> {
    if keys.first().is_none_or(|key| key.is_empty()) {
        let wanted = values.first().map_or("", String::as_str);
        return items.iter().position(|item| text(item) == wanted);
    }
    let is = |item: &Value| {
        item.is_object()
            && keys.len() == values.len()
            && keys.iter().zip(values).all(|(key, value)| item.get(*key).is_some_and(|found| text(found) == *value))
    };
    items.iter().position(is)
}

/// Replaces, removes or appends an element, as kyaml's `ElementSetter` does, which drops empty elements on the way.
fn set_element(items: &mut Vec<Value>, element: Option<Value>, keys: &[&str], values: &[String]) -> Result<(), String> {
    let is_mapping_setter = keys.first().is_some_and(|key| !key.is_empty()) && values.first().is_some_and(|value| !value.is_empty());
    let mut has_found = false;
    let mut kept = Vec::with_capacity(items.len() + 1);
    for item in items.drain(..) {
        if is_null(&item) || item.as_object().is_some_and(Map::is_empty) {
            continue;
        }
        if is_mapping_setter && !item.is_object() {
            kept.push(item);
            continue;
        }
        match matches(&item, keys, values)? {
            false if values.is_empty() => {}
            false => kept.push(item),
            true => {
                has_found = true;
                kept.extend(element.clone());
            }
        }
    }
    *items = kept;
    if let (Some(element), false) = (element, has_found) {
        items.push(element);
    }
    Ok(())
}

fn matches(item: &Value, keys: &[&str], values: &[String]) -> Result<bool, String> {
    let mut is_last_found = false;
    for (at, key) in keys.iter().enumerate() {
        if let Some(value) = values.get(at) {
            is_last_found = match key.is_empty() {
                true if item.is_object() || item.is_array() => {
                    return Err("an element of a list that merges without a key is a mapping or a list".to_string());
                }
                true => text(item) == *value,
                false => item.get(*key).is_some_and(|found| value.is_empty() || text(found) == *value),
            };
        }
        if !is_last_found {
            return Ok(false);
        }
    }
    Ok(!keys.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn merge(target: Value, patch: &Value) -> Result<Option<Value>, String> {
        super::merge(target, patch, &OpenApi::default())
    }

    fn deployment(containers: Value) -> Value {
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "spec": {"template": {"spec": {"containers": containers}}}})
    }

    #[test]
    fn lists_of_built_in_kinds_merge_by_key() {
        let target = deployment(json!([{"name": "a", "image": "x", "env": [{"name": "E", "value": "1"}]}, {"name": "b"}]));
        let patch =
            deployment(json!([{"name": "a", "env": [{"name": "F", "value": "2"}]}, {"name": "c"}, {"name": "b", "$patch": "delete"}]));
        let env = json!([{"name": "F", "value": "2"}, {"name": "E", "value": "1"}]);
        assert_eq!(merge(target, &patch), Ok(Some(deployment(json!([{"name": "a", "image": "x", "env": env}, {"name": "c"}])))));
    }

    #[test]
    fn custom_lists_are_replaced_and_nulls_remove() {
        let target = json!({"apiVersion": "x.io/v1", "kind": "X", "spec": {"containers": [{"name": "a"}], "gone": 1, "map": {"k": 1}}});
        let patch = json!({"spec": {"containers": [{"name": "b"}], "gone": null, "map": {"$patch": "replace", "j": 2}}});
        let expected = json!({"apiVersion": "x.io/v1", "kind": "X", "spec": {"containers": [{"name": "b"}], "map": {"j": 2}}});
        assert_eq!(merge(target, &patch), Ok(Some(expected)));
        assert_eq!(merge(json!({"kind": "X"}), &json!({"$patch": "delete"})), Ok(None));
        assert!(merge(json!({"kind": "X", "spec": {}}), &json!({"spec": []})).is_err());
    }
}
