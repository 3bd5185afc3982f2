//! Fields named by paths such as `spec/template/spec/containers[]/image`, and which kinds have them.

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::resource::Resource;

/// A field of some kinds; empty group, version or kind match every one.
#[derive(Debug, Clone, Default, Deserialize, PartialEq)]
#[serde(default)]
pub(crate) struct FieldSpec {
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) kind: String,
    pub(crate) path: String,
    pub(crate) create: bool,
}

impl FieldSpec {
    pub(crate) fn new(group: &str, kind: &str, path: &str, create: bool) -> FieldSpec {
        FieldSpec { group: group.to_string(), version: String::new(), kind: kind.to_string(), path: path.to_string(), create }
    }

    pub(crate) fn selects(&self, resource: &Resource) -> bool {
        (self.group.is_empty() || self.group == resource.group())
            && (self.version.is_empty() || self.version == resource.version())
            && (self.kind.is_empty() || self.kind == resource.kind())
    }

    /// Calls `act` with every value of the field, if the resource is of a kind that has it.
    pub(crate) fn visit(&self, resource: &mut Resource, act: &mut dyn FnMut(&mut Value)) -> Result<(), String> {
        if !self.selects(resource) {
            return Ok(());
        }
        visit(&mut resource.value, &split(&self.path), self.create, act).map_err(|message| self.blocked(resource, &message))
    }

    /// Returns the pointers of all values of the field, made where they are missing if it says so.
    pub(crate) fn places(&self, resource: &mut Resource) -> Result<Vec<String>, String> {
        if !self.selects(resource) {
            return Ok(Vec::new());
        }
        let path = split(&self.path);
        visit(&mut resource.value, &path, self.create, &mut |_| {}).map_err(|message| self.blocked(resource, &message))?;
        let mut found = Vec::new();
        collect(&resource.value, &path, String::new(), &mut found);
        Ok(found)
    }

    fn blocked(&self, resource: &Resource, message: &str) -> String {
        format!("{}: {}: {message}", resource.title(), self.path)
    }
}

/// Splits a path at its slashes; `\/` is a slash in a name.
pub(crate) fn split(path: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut chars = path.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' if chars.peek() == Some(&'/') => {
                chars.next();
                parts.last_mut().expect("it starts with one").push('/');
            }
            '/' => parts.push(String::new()),
            c => parts.last_mut().expect("it starts with one").push(c),
        }
    }
    parts.retain(|part| !part.is_empty());
    parts
}

/// Calls `act` with every value at `path`; lists on the way are walked through. With `create`, missing mappings and the last field are
/// made, the latter as null. A scalar on the way is an error (`api/filters/fieldspec/fieldspec.go`).
pub(crate) fn visit(value: &mut Value, path: &[String], create: bool, act: &mut dyn FnMut(&mut Value)) -> Result<(), String> {
    let Some((first, rest)) = path.split_first() else {
        act(value);
        return Ok(());
    };
    if let Value::Array(items) = value {
        return items.iter_mut().try_for_each(|item| visit(item, path, create, act));
    }
    if crate::scalar::is_null(value) {
        return Ok(());
    }
    let name = first.strip_suffix("[]").unwrap_or(first);
    let Value::Object(map) = value else { return Err(format!("there is no {name} in what is no mapping or list")) };
    if create && first == name && !map.contains_key(name) {
        map.insert(name.to_string(), Value::Null);
    }
    let Some(next) = map.get_mut(name) else { return Ok(()) };
    // What is nothing becomes what the path says that it is.
    match (crate::scalar::is_null(next), first == name) {
        (true, false) => *next = Value::Array(Vec::new()),
        (true, true) if create && !rest.is_empty() => *next = Value::Object(Map::new()),
        (true, true) if !create && !rest.is_empty() => return Ok(()),
        _ => {}
    }
    visit(next, rest, create, act)
}

fn collect(value: &Value, path: &[String], at: String, found: &mut Vec<String>) {
    let Some((first, rest)) = path.split_first() else {
        found.push(at);
        return;
    };
    match value {
        Value::Array(items) => items.iter().enumerate().for_each(|(index, item)| collect(item, path, format!("{at}/{index}"), found)),
        Value::Object(map) => {
            let name = first.strip_suffix("[]").unwrap_or(first);
            if let Some(next) = map.get(name) {
                collect(next, rest, format!("{at}/{}", name.replace('~', "~0").replace('/', "~1")), found);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn walks_lists_and_creates_mappings() {
        let mut value = json!({"spec": {"c": [{"image": "a"}, {"image": "b"}, {}]}});
        let mut seen = Vec::new();
        visit(&mut value, &split("spec/c[]/image"), false, &mut |image| seen.push(image.clone())).unwrap();
        assert_eq!(seen, [json!("a"), json!("b")]);
        visit(&mut value, &split("metadata/annotations/a.b\\/c"), true, &mut |found| *found = json!("x")).unwrap();
        assert_eq!(value["metadata"], json!({"annotations": {"a.b/c": "x"}}));
        assert!(visit(&mut json!({"spec": {"c": 1}}), &split("spec/c/d"), true, &mut |_| {}).is_err());
    }
}
