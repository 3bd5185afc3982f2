//! Finds the line of a field in the file that an object was read from.

use go_encoding::yaml::node::{self, Data, Node};
use kustomize::{Files, Object};

/// One step on the way to a field.
#[derive(Debug, Clone, Copy)]
pub(crate) enum At<'a> {
    Key(&'a str),
    Item(usize),
}

/// Returns line and column of a JSON pointer into an object; where a patch or a transformer put the field there, the nearest place
/// around it.
pub fn position(files: &dyn Files, object: &Object, pointer: &str) -> (usize, usize) {
    let parts: Vec<String> = pointer.split('/').skip(1).map(|part| part.replace("~1", "/").replace("~0", "~")).collect();
    let steps: Vec<At<'_>> = parts.iter().map(|part| part.parse().map_or(At::Key(part), At::Item)).collect();
    of(files, object, &steps)
}

pub(crate) fn of(files: &dyn Files, object: &Object, steps: &[At<'_>]) -> (usize, usize) {
    let nothing = (object.line.max(1), 1);
    let Ok(Some(text)) = files.read(&object.file) else { return nothing };
    let Some(documents) = std::str::from_utf8(&text).ok().and_then(|text| node::parse(text).ok()) else { return nothing };
    let Some(document) = documents.iter().find(|document| document.line == object.line) else { return nothing };
    let found = walk(document, steps);
    (found.line, found.column)
}

fn walk<'a>(mut node: &'a Node, steps: &[At<'_>]) -> &'a Node {
    for step in steps {
        let next = match (step, &node.data) {
            (At::Key(key), Data::Mapping(_)) => node.get(key),
            (At::Item(at), Data::Sequence(items)) => items.get(*at),
            _ => None,
        };
        let Some(next) = next else { break };
        node = next;
    }
    node
}

/// Returns line and column of the first use of a variable from a line on.
pub(crate) fn variable(files: &dyn Files, file: &str, from: usize, name: &str) -> Option<(usize, usize)> {
    let text = files.read(file).ok()??;
    let text = String::from_utf8_lossy(&text);
    let (use_of, start) = (format!("${{{name}"), from.max(1) - 1);
    let at = |(index, line): (usize, &str)| Some((index + 1, line[..line.find(&use_of)?].chars().count() + 1));
    text.lines().enumerate().skip(start).find_map(at)
}

/// Returns the column of the first thing on a line of a list: behind the dash.
pub(crate) fn column_of(files: &dyn Files, file: &str, line: usize) -> usize {
    let Ok(Some(text)) = files.read(file) else { return 1 };
    let text = String::from_utf8_lossy(&text);
    let Some(line) = text.lines().nth(line.saturating_sub(1)) else { return 1 };
    let rest = line.trim_start();
    let indent = line.chars().count() - rest.chars().count();
    rest.strip_prefix("- ").map_or(indent + 1, |rest| indent + 3 + (rest.len() - rest.trim_start().len()))
}
