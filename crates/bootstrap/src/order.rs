//! The order of steps: a directed graph without cycles.

use std::collections::{BTreeMap, BTreeSet};

use crate::problem::Problems;
use crate::step::Step;

/// Returns the indices of the steps in an order that respects all needs; where they are free, the order written.
pub fn order(steps: &[Step]) -> Vec<usize> {
    let mut done: BTreeSet<&str> = BTreeSet::new();
    let mut order = Vec::with_capacity(steps.len());
    while let Some(next) = (0..steps.len()).find(|index| {
        let step = &steps[*index];
        !order.contains(index) && step.needs.iter().all(|need| done.contains(need.as_str()))
    }) {
        done.insert(&steps[next].name);
        order.push(next);
    }
    order
}

/// Reports duplicate names, needs that name nothing, and cycles.
pub(crate) fn check(steps: &[Step], problems: &mut Problems) {
    let mut first: BTreeMap<&str, &Step> = BTreeMap::new();
    for step in steps {
        if let Some(other) = first.get(step.name.as_str()) {
            let message = format!("step {}: the name is taken by the step on line {}", step.name, other.place.line);
            problems.add(step.place, message, Some("give every step a name of its own".into()));
        } else {
            first.insert(&step.name, step);
        }
    }
    for step in steps {
        for (index, need) in step.needs.iter().enumerate().filter(|(_, need)| !first.contains_key(need.as_str())) {
            let names: Vec<&str> = first.keys().copied().filter(|name| *name != step.name).collect();
            let hint = format!("steps are {}", names.join(", "));
            problems.add(step.need_place(index), format!("step {}: needs {need}, which is no step", step.name), Some(hint));
        }
    }
    if let Some(cycle) = cycle(&first) {
        let step = first[cycle[0]];
        let path = cycle.iter().chain([&cycle[0]]).copied().collect::<Vec<_>>().join(" needs ");
        problems.add(step.place, format!("the steps wait for each other: {path}"), Some("remove one of these needs".into()));
    }
}

/// Returns the names of a cycle, the first in the alphabet first.
fn cycle<'a>(steps: &BTreeMap<&'a str, &'a Step>) -> Option<Vec<&'a str>> {
    let mut finished: BTreeSet<&str> = BTreeSet::new();
    for start in steps.keys() {
        let mut path: Vec<&str> = vec![start];
        let mut pending: Vec<Vec<&str>> = vec![needs(steps, start)];
        while let Some(next) = pending.last_mut() {
            match next.pop() {
                Some(need) if finished.contains(need) => {}
                Some(need) => match path.iter().position(|name| *name == need) {
                    Some(at) => return Some(path.split_off(at)),
                    None => {
                        path.push(need);
                        pending.push(needs(steps, need));
                    }
                },
                None => {
                    pending.pop();
                    finished.extend(path.pop());
                }
            }
        }
    }
    None
}

fn needs<'a>(steps: &BTreeMap<&'a str, &'a Step>, name: &str) -> Vec<&'a str> {
    let known = |need: &&'a String| steps.contains_key(need.as_str());
    steps.get(name).map(|step| step.needs.iter().filter(known).map(String::as_str).collect()).unwrap_or_default()
}
