//! What decoding does to an object: unknown fields go, nulls go, types must fit, defaults of the schema appear.
//!
//! Built-in kinds are decoded into Go types by a real server; custom resources are pruned and defaulted by their structural schema. The
//! value rules of custom resources are checked in `validate_custom`.

use serde_json::{Map, Value};

use crate::failure::{Cause, Failure};
use crate::kinds::Resource;
use crate::request::{Caller, Strictness};
use crate::schema::{ListType, Schema, Shape, anything, object_meta};

/// Deeper objects are refused, so that no recursion here or later can exhaust the stack.
const MAX_DEPTH: usize = 100;

struct Decoding {
    custom: bool,
    unknown: Vec<String>,
    mismatch: Option<(String, &'static str, &'static str)>,
    too_deep: bool,
}

/// Cleans an object in place; unknown fields become an error or warnings, as the caller asked.
pub(crate) fn decode(resource: &Resource, object: &mut Value, caller: &mut Caller) -> Result<(), Failure> {
    let found = clean(resource, object)?;
    match caller.strictness {
        _ if found.is_empty() => {}
        Strictness::Ignore => {}
        Strictness::Warn => caller.warnings.extend(found),
        Strictness::Strict => {
            let message = format!(
                "{} in version \"{}\" cannot be handled as a {}: strict decoding error: {}",
                resource.kind,
                resource.version,
                resource.kind,
                found.join(", ")
            );
            return Err(Failure::bad_request(message));
        }
    }
    Ok(())
}

/// Cleans an object in place and returns what was unknown, in the words of the strict decoder.
pub(crate) fn clean(resource: &Resource, object: &mut Value) -> Result<Vec<String>, Failure> {
    let mut decoding = Decoding { custom: resource.custom, unknown: Vec::new(), mismatch: None, too_deep: false };
    decoding.walk(&resource.schema, object, "", 0);
    if decoding.too_deep {
        return Err(Failure::bad_request(format!("object is nested deeper than {MAX_DEPTH} levels")));
    }
    if let Some((path, is, wanted)) = decoding.mismatch {
        let kind = &resource.kind;
        let message = format!(
            "{kind} in version \"{}\" cannot be handled as a {kind}: json: cannot unmarshal {is} into Go struct field {kind}.{path} of type {wanted}",
            resource.version
        );
        return Err(Failure::bad_request(message));
    }
    set_defaults(&resource.schema, object, resource.custom);
    Ok(decoding.unknown.iter().map(|path| format!("unknown field \"{path}\"")).collect())
}

/// Applies the defaults that the schema itself carries.
pub(crate) fn set_defaults(schema: &Schema, value: &mut Value, custom: bool) {
    match value {
        Value::Object(map) => {
            for (name, field) in &schema.resolved().fields {
                if let Some(default) = &field.default
                    && (custom || !is_zero(default))
                    && !map.contains_key(name)
                {
                    map.insert(name.clone(), default.clone());
                }
            }
            for (name, child) in map.iter_mut() {
                if let Some(field) = schema.member(name) {
                    set_defaults(field, child, custom);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| set_defaults(schema.item(), item, custom)),
        _ => {}
    }
}

/// The zero of a Go scalar, which OpenAPI gives as the default of every field that is no pointer.
fn is_zero(default: &Value) -> bool {
    *default == "" || *default == 0 || *default == false
}

fn joined(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

fn json_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

impl Decoding {
    fn walk(&mut self, schema: &Schema, value: &mut Value, path: &str, depth: usize) {
        if depth > MAX_DEPTH {
            self.too_deep = true;
            return;
        }
        self.check_type(schema.resolved(), value, path);
        match value {
            Value::Object(map) => self.walk_map(schema, map, path, depth),
            Value::Array(items) => {
                for (at, item) in items.iter_mut().enumerate() {
                    self.walk(schema.item(), item, &format!("{path}[{at}]"), depth + 1);
                }
            }
            _ => {}
        }
    }

    fn walk_map(&mut self, schema: &Schema, map: &mut Map<String, Value>, path: &str, depth: usize) {
        let drop_nulls = !self.custom && !schema.is_open();
        if drop_nulls {
            map.retain(|_, value| !value.is_null());
        }
        let embedded = schema.resolved().embedded;
        let (mut unknown, mut nulls) = (Vec::new(), Vec::new());
        for (name, child) in map.iter_mut() {
            let at = joined(path, name);
            match schema.member(name) {
                Some(field) if child.is_null() && self.custom && !field.nullable && schema.resolved().fields.contains_key(name) => {
                    nulls.push(name.clone());
                }
                Some(field) => self.walk(field, child, &at, depth + 1),
                None if embedded && matches!(name.as_str(), "apiVersion" | "kind") => {}
                None if embedded && name == "metadata" => self.walk(&object_meta(), child, &at, depth + 1),
                None if schema.is_open() => self.walk(anything(), child, &at, depth + 1),
                None => unknown.push(name.clone()),
            }
        }
        for name in nulls {
            map.remove(&name);
        }
        for name in unknown {
            map.remove(&name);
            self.unknown.push(joined(path, &name));
        }
    }

    fn check_type(&mut self, schema: &Schema, value: &Value, path: &str) {
        // A custom resource's types are checked by its validation, which reports all of them.
        let metadata = path == "metadata" || path.starts_with("metadata.");
        if self.custom && !metadata || value.is_null() || self.mismatch.is_some() {
            return;
        }
        let wanted = match (schema.shape, value) {
            (Shape::Object, Value::Object(_)) | (Shape::List, Value::Array(_)) | (Shape::Any, _) => return,
            (Shape::String, Value::String(_)) | (Shape::Boolean, Value::Bool(_)) | (Shape::Number, Value::Number(_)) => return,
            (Shape::Mixed, Value::String(_) | Value::Number(_)) => return,
            (Shape::Integer, Value::Number(number)) if number.is_i64() || number.is_u64() || is_whole(number) => return,
            (Shape::Object, _) => "map[string]interface {}",
            (Shape::List, _) => "[]interface {}",
            (Shape::String | Shape::Mixed, _) => "string",
            (Shape::Boolean, _) => "bool",
            (Shape::Integer, _) if schema.format.as_deref() == Some("int64") => "int64",
            (Shape::Integer, _) => "int32",
            (Shape::Number, _) => "float64",
        };
        self.mismatch = Some((path.to_owned(), json_type(value), wanted));
    }
}

fn is_whole(number: &serde_json::Number) -> bool {
    number.as_f64().is_some_and(|float| float.fract() == 0.0)
}

/// Checks a custom resource against its structural schema.
pub(crate) fn validate_custom(schema: &Schema, value: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    check(schema, value, "", &mut causes);
    causes
}

fn check(schema: &Schema, value: &Value, path: &str, causes: &mut Vec<Cause>) {
    if path == "metadata" || value.is_null() && schema.nullable {
        return;
    }
    let schema = schema.resolved();
    if !fits(schema, value) {
        let (wanted, is) = (shape_name(schema.shape), custom_type(value));
        let shown = if value.is_null() { Value::from("null") } else { is.into() };
        causes.push(Cause::wrong_type(path, &shown, &format!("{path} in body must be of type {wanted}: \"{is}\"")));
        return;
    }
    check_rules(schema, value, path, causes);
    match value {
        Value::Object(map) => {
            for name in schema.required.iter().filter(|name| !map.contains_key(*name)) {
                causes.push(Cause::required(joined(path, name), ""));
            }
            for (name, child) in map {
                if let Some(field) = schema.member(name) {
                    let at = if schema.fields.contains_key(name) { joined(path, name) } else { format!("{path}[{name}]") };
                    check(field, child, &at, causes);
                }
            }
        }
        Value::Array(items) => {
            check_list(schema, items, path, causes);
            for (at, item) in items.iter().enumerate() {
                check(schema.item(), item, &format!("{path}[{at}]"), causes);
            }
        }
        _ => {}
    }
}

fn check_list(schema: &Schema, items: &[Value], path: &str, causes: &mut Vec<Cause>) {
    let keys = match &schema.list {
        ListType::Atomic => return,
        ListType::Set => None,
        ListType::Map(keys) => Some(keys),
    };
    let identity = |item: &Value| match keys {
        None => item.clone(),
        Some(keys) => keys.iter().map(|key| (key.clone(), item[key].clone())).collect(),
    };
    let mut seen = std::collections::HashSet::new();
    for (at, item) in items.iter().enumerate() {
        let identity = identity(item);
        if !seen.insert(identity.to_string()) {
            causes.push(Cause::duplicate(format!("{path}[{at}]"), &identity));
        }
    }
}

fn fits(schema: &Schema, value: &Value) -> bool {
    match (schema.shape, value) {
        (Shape::Any, _) | (Shape::Object, Value::Object(_)) | (Shape::List, Value::Array(_)) => true,
        (Shape::String, Value::String(_)) | (Shape::Boolean, Value::Bool(_)) | (Shape::Number, Value::Number(_)) => true,
        (Shape::Integer, Value::Number(number)) => is_whole(number),
        (Shape::Mixed, Value::String(_)) => true,
        (Shape::Mixed, Value::Number(number)) => is_whole(number),
        _ => false,
    }
}

fn shape_name(shape: Shape) -> &'static str {
    match shape {
        Shape::Any => "any",
        Shape::Object => "object",
        Shape::List => "array",
        Shape::String => "string",
        Shape::Integer => "integer",
        Shape::Number => "number",
        Shape::Boolean => "boolean",
        Shape::Mixed => "integer,string",
    }
}

fn custom_type(value: &Value) -> &'static str {
    match value {
        Value::Bool(_) => "boolean",
        Value::Number(number) if is_whole(number) => "integer",
        other => json_type(other),
    }
}

fn check_rules(schema: &Schema, value: &Value, path: &str, causes: &mut Vec<Cause>) {
    let Some(rules) = &schema.rules else { return };
    let mut wrong = |why: String| causes.push(Cause::invalid(path, value, format!("{path} in body {why}")));
    match value {
        Value::Number(number) => {
            let number = number.as_f64().unwrap_or_default();
            if let Some(bound) = rules.minimum.filter(|b| number < *b || rules.exclusive_minimum && number == *b) {
                let words = if rules.exclusive_minimum { "greater than" } else { "greater than or equal to" };
                wrong(format!("should be {words} {bound}"));
            }
            if let Some(bound) = rules.maximum.filter(|b| number > *b || rules.exclusive_maximum && number == *b) {
                let words = if rules.exclusive_maximum { "less than" } else { "less than or equal to" };
                wrong(format!("should be {words} {bound}"));
            }
            if let Some(factor) = rules.multiple_of.filter(|f| *f != 0.0 && (number / f).fract() != 0.0) {
                wrong(format!("should be a multiple of {factor}"));
            }
        }
        Value::String(text) => {
            let length = text.chars().count() as u64;
            if let Some(bound) = rules.min_length.filter(|b| length < *b) {
                wrong(format!("should be at least {bound} chars long"));
            }
            if let Some(bound) = rules.max_length.filter(|b| length > *b) {
                wrong(format!("may not be more than {bound} bytes"));
            }
            if let Some(pattern) = rules.pattern.as_ref().filter(|pattern| !pattern.matches(text)) {
                wrong(format!("should match '{}'", pattern.source));
            }
        }
        Value::Array(items) => {
            if let Some(bound) = rules.min_items.filter(|b| (items.len() as u64) < *b) {
                wrong(format!("should have at least {bound} items"));
            }
            if let Some(bound) = rules.max_items.filter(|b| items.len() as u64 > *b) {
                wrong(format!("should have at most {bound} items"));
            }
            let distinct = || items.iter().map(Value::to_string).collect::<std::collections::HashSet<_>>().len();
            if rules.unique_items && distinct() < items.len() {
                wrong("shouldn't contain duplicates".into());
            }
        }
        Value::Object(map) => {
            if let Some(bound) = rules.min_properties.filter(|b| (map.len() as u64) < *b) {
                wrong(format!("should have at least {bound} properties"));
            }
            if let Some(bound) = rules.max_properties.filter(|b| map.len() as u64 > *b) {
                wrong(format!("should have at most {bound} properties"));
            }
        }
        _ => {}
    }
    if !rules.choices.is_empty() && !rules.choices.contains(value) {
        let choices: Vec<String> = rules.choices.iter().map(Value::to_string).collect();
        causes.push(Cause::unsupported(path, value, &choices));
    }
}

/// Refuses what is nested too deeply for the recursions of this crate.
pub(crate) fn require_depth(value: &Value) -> Result<(), Failure> {
    fn deep(value: &Value, left: usize) -> bool {
        match value {
            Value::Array(items) => left == 0 || items.iter().any(|item| deep(item, left - 1)),
            Value::Object(map) => left == 0 || map.values().any(|item| deep(item, left - 1)),
            _ => false,
        }
    }
    if deep(value, MAX_DEPTH) {
        return Err(Failure::bad_request(format!("object is nested deeper than {MAX_DEPTH} levels")));
    }
    Ok(())
}
