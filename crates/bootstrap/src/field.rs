//! Reading mappings strictly: what is not taken is an unknown key.

use std::collections::BTreeSet;

use go_encoding::yaml::node::{Data, Node};
use serde_json::Value;

use crate::problem::{Place, Problems};

/// The fields of a mapping that are not taken yet.
pub(crate) struct Fields<'a> {
    what: String,
    place: Place,
    left: Vec<(String, &'a Node, Place)>,
    known: BTreeSet<String>,
}

impl<'a> Fields<'a> {
    /// Returns the fields of a mapping. Anything else, and a key written twice, is a problem.
    pub(crate) fn of(node: &'a Node, what: &str, problems: &mut Problems) -> Option<Self> {
        let Data::Mapping(pairs) = &node.data else {
            problems.add(Place::of(node), format!("{what}: expected a mapping"), None);
            return None;
        };
        let mut left: Vec<(String, &Node, Place)> = Vec::new();
        for (key, value) in pairs {
            let name = key.text().unwrap_or_default().to_owned();
            if left.iter().any(|(known, ..)| *known == name) {
                problems.add(Place::of(key), format!("{what}: {name} is written twice"), Some("keep one of them".into()));
            } else {
                left.push((name, value, Place::of(key)));
            }
        }
        Some(Fields { what: what.into(), place: Place::of(node), left, known: BTreeSet::new() })
    }

    /// Takes a field. An explicit null counts as absent.
    pub(crate) fn take(&mut self, key: &str) -> Option<&'a Node> {
        self.known.insert(key.into());
        let index = self.left.iter().position(|(name, ..)| name == key)?;
        let (_, node, _) = self.left.remove(index);
        (!is_null(node)).then_some(node)
    }

    /// Takes a field that must be there.
    pub(crate) fn required(&mut self, key: &str, problems: &mut Problems) -> Option<&'a Node> {
        let found = self.take(key);
        if found.is_none() {
            problems.add(self.place, format!("{}: {key} is missing", self.what), Some(format!("add `{key}:`")));
        }
        found
    }

    /// Takes a text field.
    pub(crate) fn text(&mut self, key: &str, problems: &mut Problems) -> Option<(String, Place)> {
        let node = self.take(key)?;
        text(node, &format!("{}: {key}", self.what), problems)
    }

    /// Takes a text field that must be there.
    pub(crate) fn required_text(&mut self, key: &str, problems: &mut Problems) -> Option<(String, Place)> {
        let node = self.required(key, problems)?;
        text(node, &format!("{}: {key}", self.what), problems)
    }

    /// Takes a field that is true or false.
    pub(crate) fn flag(&mut self, key: &str, problems: &mut Problems) -> Option<bool> {
        let node = self.take(key)?;
        let value = node.to_value().ok().and_then(|value| value.as_bool());
        if value.is_none() {
            let message = format!("{}: {key}: expected true or false", self.what);
            problems.add(Place::of(node), message, Some(format!("write `{key}: true`")));
        }
        value
    }

    /// Takes a list of texts.
    pub(crate) fn texts(&mut self, key: &str, problems: &mut Problems) -> Vec<(String, Place)> {
        let Some(node) = self.take(key) else { return Vec::new() };
        let what = format!("{}: {key}", self.what);
        items(node, &what, problems).iter().filter_map(|item| text(item, &what, problems)).collect()
    }

    /// Reports what nobody took, with the nearest known key as the way out.
    pub(crate) fn finish(self, problems: &mut Problems) {
        for (name, _, place) in &self.left {
            let nearest = self.known.iter().min_by_key(|known| distance(known, name)).filter(|known| distance(known, name) <= 2);
            let hint = match nearest {
                Some(known) => format!("did you mean {known}?"),
                None => format!("known keys: {}", self.known.iter().cloned().collect::<Vec<_>>().join(", ")),
            };
            problems.add(*place, format!("{}: unknown key {name}", self.what), Some(hint));
        }
    }
}

/// Returns the entries of a mapping with free keys.
pub(crate) fn entries<'a>(node: &'a Node, what: &str, problems: &mut Problems) -> Vec<(String, &'a Node)> {
    Fields::of(node, what, problems).map(|fields| fields.left.into_iter().map(|(name, node, _)| (name, node)).collect()).unwrap_or_default()
}

/// Returns the items of a list.
pub(crate) fn items<'a>(node: &'a Node, what: &str, problems: &mut Problems) -> &'a [Node] {
    match &node.data {
        Data::Sequence(items) => items,
        _ => {
            problems.add(Place::of(node), format!("{what}: expected a list"), None);
            &[]
        }
    }
}

/// Returns a scalar that means a text, and is not empty.
pub(crate) fn text(node: &Node, what: &str, problems: &mut Problems) -> Option<(String, Place)> {
    match &node.data {
        Data::Scalar { value: Value::String(text), .. } if !text.is_empty() => Some((text.clone(), Place::of(node))),
        Data::Scalar { value: Value::String(_), .. } => {
            problems.add(Place::of(node), format!("{what}: is empty"), None);
            None
        }
        Data::Scalar { text, .. } => {
            problems.add(Place::of(node), format!("{what}: expected a text, found {text}"), Some(format!("quote it: \"{text}\"")));
            None
        }
        _ => {
            problems.add(Place::of(node), format!("{what}: expected a text"), None);
            None
        }
    }
}

fn is_null(node: &Node) -> bool {
    matches!(&node.data, Data::Scalar { value: Value::Null, .. })
}

/// Returns how many edits make one word the other.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (index, a) in one.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = index + 1;
        for (column, b) in other.iter().enumerate() {
            let next = (diagonal + usize::from(a != *b)).min(row[column] + 1).min(row[column + 1] + 1);
            diagonal = std::mem::replace(&mut row[column + 1], next);
        }
    }
    row[other.len()]
}
