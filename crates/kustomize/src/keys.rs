//! Keys of mappings that are no texts, such as `8080:` and `true:`. kustomize reads and patches them, but cannot print them
//! (`kyaml/yaml/rnode.go`, MarshalJSON): an object that still has one when it is printed is an error.

use go_encoding::yaml::node::{Data, Node, Style};
use serde_json::Value;

use crate::kustomization::Place;
use crate::{fields, scalar};

/// A key that is no text.
#[derive(Debug, Clone)]
pub(crate) struct Key {
    /// The keys on the way to it and itself; lists are no part of it.
    path: Vec<String>,
    /// Where it is written.
    pub(crate) place: Place,
}

impl Key {
    /// Returns all below a node. Those of the object itself are taken for texts.
    pub(crate) fn all(file: &str, node: &Node) -> Vec<Key> {
        let mut found = Vec::new();
        collect(file, node, &mut Vec::new(), &mut found);
        found
    }

    /// Returns one that a transformer or generator sets, if it is no text.
    pub(crate) fn set(path: &[&str], key: &str, place: &Place) -> Option<Key> {
        let path = path.iter().chain([&key]).map(|part| (*part).to_string()).collect();
        (!scalar::is_text(key)).then(|| Key { path, place: place.clone() })
    }

    /// Counts it from an element of a list.
    pub(crate) fn enter(&mut self) {
        self.path.drain(..self.path.len().min(1));
    }

    /// Returns whether an object still has it.
    pub(crate) fn is_in(&self, value: &Value) -> bool {
        is_there(value, &self.path)
    }

    /// Returns whether the mapping at the path of a field still has it.
    pub(crate) fn is_of(&self, value: &Value, field: &str) -> bool {
        let field = fields::split(field);
        let names = field.iter().map(|name| name.strip_suffix("[]").unwrap_or(name));
        let holder = self.path.split_last().map_or(&[][..], |(_, holder)| holder);
        names.eq(holder.iter().map(String::as_str)) && self.is_in(value)
    }

    /// Returns what is wrong with it.
    pub(crate) fn message(&self) -> String {
        let key = self.path.last().map_or("", String::as_str);
        format!("the key {} is no text, which kustomize cannot print; put {key:?} in quotes", self.path.join("."))
    }
}

fn is_there(value: &Value, path: &[String]) -> bool {
    match (value, path.split_first()) {
        (_, None) => true,
        (Value::Array(items), _) => items.iter().any(|item| is_there(item, path)),
        (Value::Object(map), Some((first, rest))) => map.get(first).is_some_and(|value| is_there(value, rest)),
        _ => false,
    }
}

fn collect<'a>(file: &str, node: &'a Node, path: &mut Vec<&'a str>, found: &mut Vec<Key>) {
    match &node.data {
        Data::Scalar { .. } => {}
        Data::Sequence(items) => items.iter().for_each(|item| collect(file, item, path, found)),
        Data::Mapping(entries) => {
            for (key, value) in entries {
                let Data::Scalar { text, style, .. } = &key.data else { continue };
                let is_merge = text == "<<";
                if !path.is_empty() && *style == Style::Plain && !scalar::is_text(text) {
                    let path = path.iter().chain([&text.as_str()]).map(|part| (*part).to_string()).collect();
                    found.push(Key { path, place: Place::of(file, key) });
                }
                if !is_merge {
                    path.push(text);
                }
                collect(file, value, path, found);
                if !is_merge {
                    path.pop();
                }
            }
        }
    }
}
