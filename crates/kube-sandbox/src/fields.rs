//! Sets of field paths, as `metadata.managedFields` writes them (`FieldsV1`).
//!
//! Mirrors sigs.k8s.io/structured-merge-diff v6 `fieldpath`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::{Map, Value};

use crate::schema::{ListType, Schema};

/// One step of a path. Keys and values are kept as canonical JSON.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Step {
    Field(String),
    Key(String),
    Value(String),
    Index(u64),
}

impl Step {
    pub(crate) fn field(name: &str) -> Step {
        Step::Field(name.to_owned())
    }

    fn parse(text: &str) -> Option<Step> {
        let canonical = |rest: &str| serde_json::from_str::<Value>(rest).ok().map(|value| canonical(&value));
        match text.split_at_checked(2)? {
            ("f:", rest) => Some(Step::field(rest)),
            ("k:", rest) => canonical(rest).map(Step::Key),
            ("v:", rest) => canonical(rest).map(Step::Value),
            ("i:", rest) => rest.parse().ok().map(Step::Index),
            _ => None,
        }
    }

    fn written(&self) -> String {
        match self {
            Step::Field(name) => format!("f:{name}"),
            Step::Key(json) => format!("k:{}", escape(json)),
            Step::Value(json) => format!("v:{}", escape(json)),
            Step::Index(at) => format!("i:{at}"),
        }
    }

    /// Returns the step to an item of an associative list; nothing if the item has no identity.
    pub(crate) fn to_item(list: &Schema, item: &Value) -> Option<Step> {
        match &list.resolved().list {
            ListType::Atomic => None,
            ListType::Set => Some(Step::Value(canonical(item))),
            ListType::Map(keys) => {
                let named = |key: &String| {
                    let default = || list.item().member(key).and_then(|field| field.default.clone());
                    let value = item.get(key).cloned().or_else(default)?;
                    Some((key.clone(), value))
                };
                let identity: Map<String, Value> = if item.is_object() { keys.iter().filter_map(named).collect() } else { Map::new() };
                (!identity.is_empty()).then(|| Step::Key(canonical(&Value::Object(identity))))
            }
        }
    }
}

/// JSON with sorted keys, whole floats as integers.
fn canonical(value: &Value) -> String {
    match value {
        Value::Number(number) if number.is_f64() => match number.as_f64() {
            Some(float) if float.fract() == 0.0 && float.abs() < 9e15 => (float as i64).to_string(),
            _ => value.to_string(),
        },
        _ => value.to_string(),
    }
}

/// Go's JSON escapes what HTML could mistake.
fn escape(json: &str) -> String {
    json.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026")
}

impl fmt::Display for Step {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::Field(name) => write!(out, ".{name}"),
            Step::Value(json) => write!(out, "[={json}]"),
            Step::Index(at) => write!(out, "[{at}]"),
            Step::Key(json) => {
                let pairs: Map<String, Value> = serde_json::from_str(json).unwrap_or_default();
                let pairs: Vec<String> = pairs.iter().map(|(key, value)| format!("{key}={value}")).collect();
                write!(out, "[{}]", pairs.join(","))
            }
        }
    }
}

/// A set of paths: which steps are members themselves, and what lies below each.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct FieldSet {
    pub(crate) members: BTreeSet<Step>,
    pub(crate) children: BTreeMap<Step, FieldSet>,
}

impl FieldSet {
    pub(crate) fn is_empty(&self) -> bool {
        self.members.is_empty() && self.children.values().all(FieldSet::is_empty)
    }

    pub(crate) fn has(&self, step: &Step) -> bool {
        self.members.contains(step)
    }

    /// Returns what lies below a step, if anything does.
    pub(crate) fn below(&self, step: &Step) -> Option<&FieldSet> {
        self.children.get(step).filter(|set| !set.is_empty())
    }

    pub(crate) fn insert(&mut self, path: &[Step]) {
        match path {
            [] => {}
            [last] => {
                self.members.insert(last.clone());
            }
            [first, rest @ ..] => self.children.entry(first.clone()).or_default().insert(rest),
        }
    }

    pub(crate) fn of_fields(paths: &[&[&str]]) -> FieldSet {
        let mut set = FieldSet::default();
        for path in paths {
            set.insert(&path.iter().map(|name| Step::field(name)).collect::<Vec<_>>());
        }
        set
    }

    pub(crate) fn union(&self, other: &FieldSet) -> FieldSet {
        let mut all = self.clone();
        all.members.extend(other.members.iter().cloned());
        for (step, below) in &other.children {
            let merged = all.children.get(step).map_or_else(|| below.clone(), |mine| mine.union(below));
            all.children.insert(step.clone(), merged);
        }
        all
    }

    pub(crate) fn difference(&self, other: &FieldSet) -> FieldSet {
        let members = self.members.difference(&other.members).cloned().collect();
        let below = |(step, set): (&Step, &FieldSet)| {
            let rest = other.children.get(step).map_or_else(|| set.clone(), |theirs| set.difference(theirs));
            (!rest.is_empty()).then(|| (step.clone(), rest))
        };
        FieldSet { members, children: self.children.iter().filter_map(below).collect() }
    }

    pub(crate) fn intersection(&self, other: &FieldSet) -> FieldSet {
        let members = self.members.intersection(&other.members).cloned().collect();
        let below = |(step, set): (&Step, &FieldSet)| {
            let both = set.intersection(other.children.get(step)?);
            (!both.is_empty()).then(|| (step.clone(), both))
        };
        FieldSet { members, children: self.children.iter().filter_map(below).collect() }
    }

    /// Adds the named fields that lead to members: `a.b.c` also owns `a` where `a` is a field, not a key of a map.
    pub(crate) fn with_named_fields(&self, schema: &Schema) -> FieldSet {
        let mut all = FieldSet { members: self.members.clone(), children: BTreeMap::new() };
        for (step, set) in &self.children {
            let below = match step {
                Step::Field(name) => {
                    if schema.resolved().fields.contains_key(name) {
                        all.members.insert(step.clone());
                    }
                    schema.member(name).unwrap_or_else(|| crate::schema::anything())
                }
                _ => schema.item(),
            };
            all.children.insert(step.clone(), set.with_named_fields(below));
        }
        all
    }

    /// Calls back for each member with its path.
    pub(crate) fn each(&self, path: &mut Vec<Step>, call: &mut impl FnMut(&[Step])) {
        for step in &self.members {
            path.push(step.clone());
            call(path);
            path.pop();
        }
        for (step, below) in &self.children {
            path.push(step.clone());
            below.each(path, call);
            path.pop();
        }
    }

    /// Reads `FieldsV1`; steps that are not understood are left out.
    pub(crate) fn from_json(json: &Value) -> FieldSet {
        let mut set = FieldSet::default();
        for (key, below) in json.as_object().into_iter().flatten() {
            let Some(step) = Step::parse(key) else { continue };
            let below_map = below.as_object();
            if below_map.is_none_or(|map| map.is_empty() || map.contains_key(".")) {
                set.members.insert(step.clone());
            }
            let children = FieldSet::from_json(below);
            if !children.is_empty() {
                set.children.insert(step, children);
            }
        }
        set
    }

    /// Writes `FieldsV1`.
    pub(crate) fn to_json(&self) -> Value {
        let mut map = Map::new();
        for step in &self.members {
            map.insert(step.written(), Value::Object(Map::new()));
        }
        for (step, below) in self.children.iter().filter(|(_, below)| !below.is_empty()) {
            let mut inner = below.to_json();
            if self.members.contains(step) {
                inner["."] = Value::Object(Map::new());
            }
            map.insert(step.written(), inner);
        }
        Value::Object(map)
    }
}
