//! YAML files as kustomize reads them. It decodes with yaml.v3, where `yes`, `no`, `on` and `off` are text, unlike in the rest of
//! Kubernetes; numbers take the form they have after a trip through JSON.

use go_encoding::yaml::node::{self, Data, Node, Style};
use serde_json::{Map, Value};

use crate::Files;
use crate::error::Error;
use crate::kustomization::Place;

/// A document of a file.
#[derive(Debug, Clone, PartialEq)]
pub struct Manifest {
    /// Its content.
    pub value: Value,
    /// The line on which it starts, counted from 1.
    pub line: usize,
}

/// Reads the documents of YAML text; empty ones are left out. `path` is only for errors.
pub fn manifests(path: &str, text: &[u8]) -> Result<Vec<Manifest>, Error> {
    let mut found = Vec::new();
    for node in nodes(path, text)? {
        let value = value_of(&node).map_err(|message| Error::at(&Place::of(path, &node), message))?;
        if !value.is_null() {
            found.push(Manifest { value, line: node.line });
        }
    }
    Ok(found)
}

pub(crate) fn nodes(path: &str, text: &[u8]) -> Result<Vec<Node>, Error> {
    let text = std::str::from_utf8(text).map_err(|_| Error::path(path, "not UTF-8 text"))?;
    node::parse(text).map_err(|error| match error {
        go_encoding::yaml::Error::Syntax { line, at, message } => {
            let (line, column) = at.unwrap_or((line.unwrap_or(1), 1));
            Error::At { file: path.to_string(), line, column, message }
        }
        error => Error::path(path, error.to_string()),
    })
}

/// Returns the text of a file that must be there.
pub(crate) fn text(files: &dyn Files, path: &str) -> Result<Option<Vec<u8>>, Error> {
    files.read(path).map_err(|message| Error::path(path, message))
}

/// Returns a node as kustomize decodes it.
pub fn value_of(node: &Node) -> Result<Value, String> {
    match &node.data {
        Data::Scalar { text, style, value } => Ok(scalar(text, style, value)),
        Data::Sequence(items) => items.iter().map(value_of).collect::<Result<_, _>>().map(Value::Array),
        Data::Mapping(entries) => mapping(entries),
    }
}

fn mapping(entries: &[(Node, Node)]) -> Result<Value, String> {
    let mut map = Map::new();
    let mut merged = Map::new();
    for (key, node) in entries {
        let Data::Scalar { text, style, .. } = &key.data else {
            return Err(format!("line {}: a mapping key must be text", key.line));
        };
        let value = value_of(node)?;
        if text == "<<" && *style == Style::Plain {
            merge(&mut merged, value)?;
        } else if map.insert(text.clone(), value).is_some() {
            return Err(format!("mapping key {text:?} is defined twice, the second time on line {}", key.line));
        }
    }
    for (key, value) in merged {
        map.entry(key).or_insert(value);
    }
    Ok(Value::Object(map))
}

/// Of several merged mappings the first one has precedence.
fn merge(into: &mut Map<String, Value>, value: Value) -> Result<(), String> {
    match value {
        Value::Object(map) => map.into_iter().for_each(|(key, value)| {
            into.entry(key).or_insert(value);
        }),
        Value::Array(items) => items.into_iter().try_for_each(|item| merge(into, item))?,
        _ => return Err("map merge requires map or sequence of maps as the value".to_string()),
    }
    Ok(())
}

fn scalar(text: &str, style: &Style, value: &Value) -> Value {
    if *style != Style::Plain {
        return value.clone();
    }
    match value {
        Value::Bool(_) if !matches!(text, "true" | "True" | "TRUE" | "false" | "False" | "FALSE") => Value::String(text.to_string()),
        Value::Number(number) if number.is_f64() => {
            serde_json::from_str(&go_encoding::json::number(number)).unwrap_or_else(|_| value.clone())
        }
        Value::String(_) => octal(text).map_or_else(|| value.clone(), Value::from),
        value => value.clone(),
    }
}

/// Reads `0o17`, which only yaml.v3 takes for a number.
fn octal(text: &str) -> Option<i64> {
    i64::from_str_radix(text.strip_prefix("0o")?, 8).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn decodes_as_kustomize_does() {
        let text = b"a: yes\nb: true\nc: 0o17\nd: 1e3\ne: &x {p: 1, q: 2}\nf:\n  <<: *x\n  q: 3\n---\n---\n# nothing\n---\nz: 1\n";
        let found = manifests("f.yaml", text).unwrap();
        assert_eq!(found[0].value, json!({"a": "yes", "b": true, "c": 15, "d": 1000, "e": {"p": 1, "q": 2}, "f": {"p": 1, "q": 3}}));
        assert_eq!((found.len(), found[1].line), (2, 13));
        assert!(manifests("f.yaml", b"a: 1\na: 2\n").unwrap_err().to_string().contains("defined twice"));
    }
}
