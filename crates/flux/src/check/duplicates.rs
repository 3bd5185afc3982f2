//! Objects that two Kustomizations apply: each takes the object over from the other, and pruning one deletes it.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::check::finding::{Finding, Rule, Severity};
use crate::fields::{group, kind, name, namespace, text};
use crate::tree::{Located, Tree};

type Key<'a> = (&'a str, &'a str, &'a str, &'a str);

pub(crate) fn find(tree: &Tree) -> Vec<Finding> {
    let mut known: BTreeMap<Key<'_>, &Located> = BTreeMap::new();
    let mut found = Vec::new();
    let is_named = |located: &&Located| !located.is_open(name(&located.object.value)) && !located.is_open(namespace(&located.object.value));
    for located in tree.located().filter(|located| !is_left_alone(located)).filter(is_named) {
        let Some(first) = known.get(&key(located)) else {
            known.insert(key(located), located);
            continue;
        };
        found.push(finding(first, located));
    }
    found
}

fn key(located: &Located) -> Key<'_> {
    let value = &located.object.value;
    let inside = if kustomize::is_cluster_scoped(group(value), kind(value)) { "" } else { namespace(value) };
    (group(value), kind(value), inside, name(value))
}

/// kustomize-controller passes over what asks for it, and creates some things only once.
fn is_left_alone(located: &Located) -> bool {
    let value = &located.object.value;
    let says = |key: &str| {
        let of = |field: &str| text(value, &["metadata", field, &format!("kustomize.toolkit.fluxcd.io/{key}")]).map(str::to_lowercase);
        of("annotations").or_else(|| of("labels"))
    };
    says("reconcile").as_deref() == Some("disabled") || matches!(says("ssa").as_deref(), Some("ifnotpresent" | "ignore" | "merge"))
}

fn finding(first: &Located, second: &Located) -> Finding {
    let (_, kind, inside, name) = key(second);
    let title = if inside.is_empty() { format!("{kind} {name}") } else { format!("{kind} {inside}/{name}") };
    let by = |located: &Located| {
        let by = located.kustomization.as_ref().map(|(inside, name)| format!(" by Kustomization {inside}/{name}"));
        format!("{}:{}{}", located.object.file, located.object.line, by.unwrap_or_default())
    };
    let message = format!("{title} is applied twice: {} and {}", by(first), by(second));
    let found = Finding::error(Rule::DuplicateObject, &second.object.file, second.object.line, 1, message);
    let hint = match (first.kustomization == second.kustomization, is_same(&first.object.value, &second.object.value)) {
        (true, true) => return Finding { severity: Severity::Warning, ..found }.hint("remove one of them, or give it another name"),
        (true, false) => "remove one of them, or give it another name: each overwrites the other",
        // Only labels and annotations go back and forth.
        (false, true) => {
            return Finding { severity: Severity::Warning, ..found }
                .hint("keep one of them: when either is pruned, the object goes until the other is applied again");
        }
        (false, false) => "keep one of them: each Kustomization takes the object over from the other, and pruning one deletes it",
    };
    found.hint(hint)
}

/// Returns whether two objects are the same but for their labels and annotations.
fn is_same(one: &Value, other: &Value) -> bool {
    let plain = |value: &Value| {
        let mut value = value.clone();
        if let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.remove("labels");
            metadata.remove("annotations");
        }
        value
    };
    plain(one) == plain(other)
}
