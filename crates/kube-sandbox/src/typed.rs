//! Objects seen through their schema: which fields they have, how two differ, how one is laid over another.
//!
//! Mirrors sigs.k8s.io/structured-merge-diff v6 `typed` (tofieldset.go, compare.go, merge.go, remove.go).

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use crate::fields::{FieldSet, Step};
use crate::schema::{ListType, Schema, Shape, anything};

/// What a value is to ownership: owned as a whole, or by its parts.
#[derive(Clone, Copy, PartialEq)]
enum Form {
    Leaf,
    List,
    Map,
}

fn form(schema: &Schema, value: &Value) -> Form {
    let real = schema.resolved();
    let granular_list = !matches!(real.list, ListType::Atomic);
    match (real.shape, value) {
        (Shape::Object, Value::Object(_) | Value::Null) if !schema.is_atomic_map() => Form::Map,
        (Shape::Any, Value::Object(_)) if !schema.is_atomic_map() => Form::Map,
        (Shape::List, Value::Array(_) | Value::Null) if granular_list => Form::List,
        (Shape::Any, Value::Array(_)) if granular_list => Form::List,
        _ => Form::Leaf,
    }
}

fn member_or_any<'a>(schema: &'a Schema, name: &str) -> &'a Schema {
    schema.member(name).unwrap_or_else(|| anything())
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.is_empty(),
        _ => false,
    }
}

/// Equality as Kubernetes has it: numbers by value, however they are written.
pub(crate) fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(x), Value::Number(y)) => x == y || x.as_f64() == y.as_f64() && (x.is_f64() || y.is_f64()),
        (Value::Array(x), Value::Array(y)) => x.len() == y.len() && x.iter().zip(y).all(|(x, y)| same(x, y)),
        (Value::Object(x), Value::Object(y)) => x.len() == y.len() && x.iter().all(|(key, x)| y.get(key).is_some_and(|y| same(x, y))),
        _ => a == b,
    }
}

/// Returns the fields that an object has.
pub(crate) fn fields_of(schema: &Schema, value: &Value) -> FieldSet {
    let mut set = FieldSet::default();
    members_of(schema, value, &mut set);
    set
}

fn members_of(schema: &Schema, value: &Value, set: &mut FieldSet) {
    match (form(schema, value), value) {
        (Form::Map, Value::Object(map)) => {
            for (name, child) in map {
                let step = Step::field(name);
                let field = member_or_any(schema, name);
                let named = schema.resolved().fields.contains_key(name);
                let leaf = form(field, child) == Form::Leaf;
                if leaf || !named || child.is_null() || child.as_object().is_some_and(Map::is_empty) {
                    set.members.insert(step.clone());
                }
                descend(field, child, step, set);
            }
        }
        (Form::List, Value::Array(items)) => {
            let (mut once, mut twice) = (BTreeSet::new(), BTreeSet::new());
            for step in items.iter().filter_map(|item| Step::to_item(schema, item)) {
                if !once.insert(step.clone()) {
                    twice.insert(step);
                }
            }
            for item in items {
                let Some(step) = Step::to_item(schema, item) else { continue };
                set.members.insert(step.clone());
                if !twice.contains(&step) {
                    descend(schema.item(), item, step, set);
                }
            }
        }
        _ => {}
    }
}

fn descend(schema: &Schema, value: &Value, step: Step, set: &mut FieldSet) {
    let mut below = FieldSet::default();
    members_of(schema, value, &mut below);
    if !below.is_empty() {
        set.children.insert(step, below);
    }
}

/// How a second object differs from a first.
#[derive(Debug, Default)]
pub(crate) struct Comparison {
    pub(crate) added: FieldSet,
    pub(crate) modified: FieldSet,
    pub(crate) removed: FieldSet,
}

/// Compares two objects of one schema.
pub(crate) fn compare(schema: &Schema, before: &Value, after: &Value) -> Comparison {
    let mut comparison = Comparison::default();
    comparison.walk(schema, Some(before), Some(after), &mut Vec::new());
    comparison
}

impl Comparison {
    fn walk(&mut self, schema: &Schema, before: Option<&Value>, after: Option<&Value>, path: &mut Vec<Step>) {
        let shown = after.filter(|value| !value.is_null()).or(before).unwrap_or(&Value::Null);
        let other_form = before.filter(|value| !value.is_null()).is_some_and(|value| form(schema, value) != form(schema, shown));
        let both_empty = before.is_none_or(is_empty) && after.is_none_or(is_empty);
        let form = form(schema, shown);
        if form == Form::Leaf || other_form || both_empty {
            return self.leaf(before, after, path);
        }
        match form {
            Form::Map => self.map(schema, before, after, path),
            _ => self.list(schema, before, after, path),
        }
        match (before, after) {
            (None, _) => self.added.insert(path),
            (_, None) => self.removed.insert(path),
            _ => {}
        }
    }

    fn leaf(&mut self, before: Option<&Value>, after: Option<&Value>, path: &[Step]) {
        match (before, after) {
            (None, _) => self.added.insert(path),
            (_, None) => self.removed.insert(path),
            (Some(before), Some(after)) if !same(before, after) => self.modified.insert(path),
            _ => {}
        }
    }

    fn map(&mut self, schema: &Schema, before: Option<&Value>, after: Option<&Value>, path: &mut Vec<Step>) {
        let (before, after) = (entries_of(before), entries_of(after));
        let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
        for name in names {
            path.push(Step::field(name));
            self.walk(member_or_any(schema, name), before.get(name), after.get(name), path);
            path.pop();
        }
    }

    fn list(&mut self, schema: &Schema, before: Option<&Value>, after: Option<&Value>, path: &mut Vec<Step>) {
        let (left, right) = (grouped(schema, before), grouped(schema, after));
        let steps: BTreeSet<&Step> = left.keys().chain(right.keys()).collect();
        for step in steps {
            let old = left.get(step).map_or(&[][..], Vec::as_slice);
            let new = right.get(step).map_or(&[][..], Vec::as_slice);
            path.push(step.clone());
            match (old.len(), new.len()) {
                (0 | 1, 0 | 1) => self.walk(schema.item(), old.first().copied(), new.first().copied(), path),
                (2.., 2..) if old != new => self.modified.insert(path),
                (2.., 2..) => {}
                (2.., _) => {
                    if let Some(item) = new.first() {
                        self.walk(schema.item(), None, Some(item), path);
                    }
                    self.removed.insert(path);
                }
                _ => {
                    if let Some(item) = old.first() {
                        self.walk(schema.item(), Some(item), None, path);
                    }
                    self.added.insert(path);
                }
            }
            path.pop();
        }
    }
}

fn items_of(value: Option<&Value>) -> &[Value] {
    value.and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn entries_of(value: Option<&Value>) -> &Map<String, Value> {
    static EMPTY: std::sync::LazyLock<Map<String, Value>> = std::sync::LazyLock::new(Map::new);
    value.and_then(Value::as_object).unwrap_or(&EMPTY)
}

fn grouped<'a>(schema: &Schema, list: Option<&'a Value>) -> BTreeMap<Step, Vec<&'a Value>> {
    let mut groups: BTreeMap<Step, Vec<&Value>> = BTreeMap::new();
    for item in items_of(list) {
        if let Some(step) = Step::to_item(schema, item) {
            groups.entry(step).or_default().push(item);
        }
    }
    groups
}

/// What is wrong with an applied configuration.
pub(crate) type MergeProblem = String;

/// Checks that a configuration can be applied: known fields, items with an identity, no item twice.
pub(crate) fn check_applied(schema: &Schema, value: &Value, path: &str, problems: &mut Vec<MergeProblem>) {
    match (form(schema, value), value) {
        (Form::Map, Value::Object(map)) => {
            for (name, child) in map {
                let at = format!("{path}.{name}");
                match schema.member(name) {
                    Some(field) => check_applied(field, child, &at, problems),
                    None if schema.is_open() || schema.resolved().embedded => {}
                    None => problems.push(format!("{at}: field not declared in schema")),
                }
            }
        }
        (Form::List, Value::Array(items)) => {
            let mut seen = BTreeSet::new();
            for (at, item) in items.iter().enumerate() {
                match Step::to_item(schema, item) {
                    None => problems.push(format!(
                        "{path}: element {at}: associative list with keys has an element that omits key field {:?}",
                        first_key(schema)
                    )),
                    Some(step) if !seen.insert(step.clone()) => problems.push(format!("{path}: duplicate entries for key {step}")),
                    Some(step) => check_applied(schema.item(), item, &format!("{path}{step}"), problems),
                }
            }
        }
        (Form::Leaf, _) => check_leaf(schema, value, path, problems),
        _ => {}
    }
}

fn first_key(schema: &Schema) -> String {
    match &schema.resolved().list {
        ListType::Map(keys) => keys.first().cloned().unwrap_or_default(),
        _ => String::new(),
    }
}

fn check_leaf(schema: &Schema, value: &Value, path: &str, problems: &mut Vec<MergeProblem>) {
    let expected = match (schema.resolved().shape, value) {
        (_, Value::Null) => return,
        (Shape::Object, other) if !other.is_object() => "map",
        (Shape::List, other) if !other.is_array() => "list",
        (Shape::Boolean, other) if !other.is_boolean() => "boolean",
        (Shape::Integer | Shape::Number, other) if !other.is_number() => "numeric (int or float)",
        (Shape::String, other) if !other.is_string() => "string",
        _ => return,
    };
    let is = match value {
        Value::Bool(_) => "boolean",
        Value::Number(_) => "numeric",
        Value::String(_) => "string",
        Value::Array(_) => "list",
        _ => "map",
    };
    problems.push(format!("{path}: expected {expected}, got {is}"));
}

/// Lays a configuration over an object.
pub(crate) fn merge(schema: &Schema, live: Option<&Value>, config: Option<&Value>) -> Option<Value> {
    let shown = config.filter(|value| !value.is_null()).or(live)?;
    let both_empty = live.is_none_or(is_empty) && config.is_none_or(is_empty);
    let form = form(schema, shown);
    let fits = |value: Option<&Value>| value.is_none_or(|value| value.is_null() || self::form(schema, value) == form);
    if form == Form::Leaf || both_empty || !fits(live) || !fits(config) || config.is_some_and(Value::is_null) {
        return config.or(live).cloned();
    }
    match form {
        Form::Map => Some(merge_maps(schema, live, config)),
        _ => Some(merge_lists(schema, items_of(live), items_of(config))),
    }
}

fn merge_maps(schema: &Schema, live: Option<&Value>, config: Option<&Value>) -> Value {
    let (live, config) = (entries_of(live), entries_of(config));
    let names: BTreeSet<&String> = live.keys().chain(config.keys()).collect();
    let merged = names.into_iter().filter_map(|name| {
        let child = merge(member_or_any(schema, name), live.get(name), config.get(name))?;
        Some((name.clone(), child))
    });
    Value::Object(merged.collect())
}

/// Keeps the order of the configuration for shared items and the place of the others (merge.go `visitListItems`).
fn merge_lists(schema: &Schema, live: &[Value], config: &[Value]) -> Value {
    let steps = |items: &[Value]| items.iter().map(|item| Step::to_item(schema, item)).collect::<Vec<_>>();
    let (left, right) = (steps(live), steps(config));
    let in_right: BTreeMap<&Step, &Value> = right.iter().flatten().zip(config).collect();
    let mut in_left: BTreeMap<&Step, Option<&Value>> = BTreeMap::new();
    for (step, item) in left.iter().zip(live) {
        if let Some(step) = step {
            // An item that is there twice is not merged into.
            in_left.entry(step).and_modify(|found| *found = None).or_insert(Some(item));
        }
    }
    let combined = |step: &Step| merge(schema.item(), in_left.get(step).copied().flatten(), in_right.get(step).copied());
    let mut shared = right.iter().flatten().filter(|step| in_left.contains_key(step));
    let mut next_shared = shared.next();
    let (mut out, mut merged): (Vec<Value>, BTreeSet<&Step>) = (Vec::new(), BTreeSet::new());
    let (mut l, mut r) = (0, 0);
    while l < left.len() || r < right.len() {
        let mine = left.get(l).and_then(Option::as_ref);
        let theirs = right.get(r).and_then(Option::as_ref);
        if l < left.len() && r < right.len() {
            if let (Some(mine), Some(theirs)) = (mine, theirs)
                && mine == theirs
            {
                merged.insert(mine);
                out.extend(combined(mine));
                (l, r, next_shared) = (l + 1, r + 1, shared.next());
                continue;
            }
            if mine.is_some_and(|mine| in_right.contains_key(mine)) && next_shared.is_some() && next_shared != mine {
                l += 1;
                continue;
            }
        }
        if l < left.len() {
            match mine {
                Some(mine) if in_right.contains_key(mine) => {
                    if merged.contains(mine) {
                        l += 1;
                    }
                }
                _ => {
                    out.push(live[l].clone());
                    l += 1;
                    continue;
                }
            }
        }
        if r < right.len() {
            if let Some(theirs) = theirs {
                merged.insert(theirs);
                out.extend(combined(theirs));
                if next_shared == Some(theirs) {
                    next_shared = shared.next();
                }
            }
            r += 1;
        }
    }
    Value::Array(out)
}

/// Takes fields out of an object; what is empty afterwards becomes null.
pub(crate) fn remove_fields(schema: &Schema, value: &Value, fields: &FieldSet) -> Value {
    match (form(schema, value), value) {
        (Form::Map, Value::Object(map)) => {
            let mut kept = Map::new();
            for (name, child) in map {
                let step = Step::field(name);
                if fields.has(&step) {
                    continue;
                }
                let child = match fields.below(&step) {
                    Some(below) => remove_fields(member_or_any(schema, name), child, below),
                    None => child.clone(),
                };
                kept.insert(name.clone(), child);
            }
            if kept.is_empty() { Value::Null } else { Value::Object(kept) }
        }
        (Form::List, Value::Array(items)) => {
            let kept: Vec<Value> = items.iter().filter_map(|item| remaining_item(schema, item, fields)).collect();
            if kept.is_empty() { Value::Null } else { Value::Array(kept) }
        }
        (Form::Leaf, Value::Array(_) | Value::Object(_)) => value.clone(),
        _ => value.clone(),
    }
}

fn remaining_item(list: &Schema, item: &Value, fields: &FieldSet) -> Option<Value> {
    let Some(step) = Step::to_item(list, item) else { return Some(item.clone()) };
    if fields.has(&step) {
        return None;
    }
    match fields.below(&step) {
        Some(below) => Some(remove_fields(list.item(), item, below)),
        None => Some(item.clone()),
    }
}
