//! Kustomizations and HelmReleases that wait for each other: by `dependsOn`, or because one waits for what it applies.

use std::collections::{BTreeMap, BTreeSet};

use kustomize::Files;

use crate::check::finding::{Finding, Rule};
use crate::check::locate::{self, At};
use crate::fields::{flag, items, kind, name, namespace, text};
use crate::tree::{Located, Tree, is_kustomization, is_release};

type Id = (String, String);

pub(crate) fn find(files: &dyn Files, tree: &Tree) -> Vec<Finding> {
    let of = |is: fn(&serde_json::Value) -> bool| cycle_findings(files, &graph(tree, is));
    let mut found = of(is_kustomization);
    found.extend(of(is_release));
    found
}

struct Node<'a> {
    located: &'a Located,
    /// What it waits for; whether that is said by dependsOn.
    waits: Vec<(Id, bool)>,
}

fn graph(tree: &Tree, is: fn(&serde_json::Value) -> bool) -> BTreeMap<Id, Node<'_>> {
    let mut nodes = BTreeMap::new();
    for located in tree.located().filter(|located| is(&located.object.value)) {
        let value = &located.object.value;
        let inside = namespace(value);
        let waits = items(value, &["spec", "dependsOn"]).iter().map(|needed| {
            let id = (text(needed, &["namespace"]).unwrap_or(inside).to_string(), text(needed, &["name"]).unwrap_or("").to_string());
            (id, true)
        });
        nodes.entry((inside.to_string(), name(value).to_string())).or_insert(Node { located, waits: waits.collect() });
    }
    // A Kustomization with `wait` is ready when the Kustomizations that it applies are.
    let applied: Vec<(Id, Id)> = nodes.iter().filter_map(|(id, node)| Some((node.located.kustomization.clone()?, id.clone()))).collect();
    for (parent, child) in applied.into_iter().filter(|(parent, child)| parent != child) {
        if let Some(node) = nodes.get_mut(&parent).filter(|node| flag(&node.located.object.value, &["spec", "wait"])) {
            node.waits.push((child, false));
        }
    }
    nodes
}

fn cycle_findings(files: &dyn Files, nodes: &BTreeMap<Id, Node<'_>>) -> Vec<Finding> {
    let mut finished = BTreeSet::new();
    let mut found = Vec::new();
    for start in nodes.keys() {
        if let Some(cycle) = from(start, nodes, &mut finished) {
            found.push(finding(files, nodes, &cycle));
        }
    }
    found
}

/// Walks depth first; everything it leaves is finished, so every node is visited once.
fn from<'a>(start: &'a Id, nodes: &'a BTreeMap<Id, Node<'_>>, finished: &mut BTreeSet<&'a Id>) -> Option<Vec<&'a Id>> {
    let mut path: Vec<(&Id, usize)> = vec![(start, 0)];
    let mut cycle = None;
    while let Some((id, at)) = path.last_mut() {
        let next = nodes.get(*id).filter(|_| !finished.contains(*id)).and_then(|node| node.waits.get(*at));
        *at += 1;
        let Some((next, _)) = next else {
            let (left, _) = path.pop()?;
            finished.insert(left);
            if path.is_empty() { break } else { continue }
        };
        match path.iter().position(|(open, _)| *open == next) {
            Some(first) if cycle.is_none() => cycle = Some(path[first..].iter().map(|(id, _)| *id).collect()),
            Some(_) => {}
            None => {
                if let Some((known, _)) = nodes.get_key_value(next).filter(|(known, _)| !finished.contains(*known)) {
                    path.push((known, 0));
                }
            }
        }
    }
    cycle
}

fn finding(files: &dyn Files, nodes: &BTreeMap<Id, Node<'_>>, cycle: &[&Id]) -> Finding {
    let first = &nodes[cycle[0]];
    let next = cycle.get(1).copied().unwrap_or(cycle[0]);
    let at = first.waits.iter().position(|(id, _)| id == next).unwrap_or(0);
    let (line, column) = locate::of(files, &first.located.object, &[At::Key("spec"), At::Key("dependsOn"), At::Item(at)]);
    let mut chain = String::new();
    for (index, id) in cycle.iter().enumerate() {
        let after = cycle.get(index + 1).copied().unwrap_or(cycle[0]);
        let by_field = nodes[*id].waits.iter().any(|(wanted, by_field)| wanted == after && *by_field);
        let how = if by_field { "depends on" } else { "waits for what it applies," };
        chain.push_str(&format!("{}/{} {how} ", id.0, id.1));
    }
    let of_kind = kind(&first.located.object.value);
    let message = format!("{of_kind}s wait for each other: {chain}{}/{}", cycle[0].0, cycle[0].1);
    Finding::error(Rule::Cycle, &first.located.object.file, line, column, message)
        .hint("remove one of these dependencies; until then none of them becomes ready")
}
