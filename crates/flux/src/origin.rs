//! Says which file, line and patch a field of an object comes from.

use go_encoding::yaml::node::{self, Data, Node};
use kustomize::{Change, Files, Object};
use serde_json::Value;

/// Where a field was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The file.
    pub file: String,
    /// The line, counted from 1.
    pub line: usize,
    /// Whether a patch put it there.
    pub is_patch: bool,
}

/// Returns where the field at a JSON pointer comes from: the last patch that says it, else the object's own file.
pub(crate) fn of(files: &dyn Files, object: &Object, pointer: &str) -> Origin {
    let is_scalar = |value: &Value| !value.is_object() && !value.is_array();
    // A patch names what it is for; that is no change.
    let is_identity = ["/apiVersion", "/kind", "/metadata/name", "/metadata/namespace"].contains(&pointer);
    for change in object.changes.iter().rev().filter(|_| !is_identity) {
        // What a patch says and the object has not was changed again, or taken back: most patches cannot rename.
        let (said, is) = (change.content.pointer(pointer), object.value.pointer(pointer));
        if said.zip(is).is_some_and(|(said, is)| is_scalar(said) && said != is) {
            continue;
        }
        if let Some(line) = in_change(files, change, pointer) {
            return Origin { file: change.file.clone(), line, is_patch: true };
        }
    }
    let (line, _) = crate::check::position(files, object, pointer);
    Origin { file: object.file.clone(), line, is_patch: false }
}

/// Returns the line at which a patch sets a field, if it does.
fn in_change(files: &dyn Files, change: &Change, pointer: &str) -> Option<usize> {
    let inner = match change.content.as_ref() {
        Value::Array(operations) => {
            let sets = |operation: &Value| {
                let text = |key: &str| operation.get(key).and_then(Value::as_str);
                let path = text("path").filter(|_| matches!(text("op"), Some("add" | "replace" | "copy" | "move")))?;
                (pointer == path || pointer.starts_with(&format!("{path}/"))).then_some(())
            };
            let at = operations.iter().rposition(|operation| sets(operation).is_some())?;
            format!("/{at}")
        }
        content => {
            // Lists of patches merge in their own way: what is inside one is said by the list.
            let mut known = String::new();
            for token in pointer.split('/').skip(1) {
                let next = format!("{known}/{token}");
                match content.pointer(&next) {
                    Some(_) => known = next,
                    None if content.pointer(&known).is_some_and(Value::is_array) => break,
                    None => return None,
                }
            }
            known
        }
    };
    let text = match &change.text {
        Some(text) => text.to_string(),
        None => String::from_utf8(files.read(&change.file).ok()??).ok()?,
    };
    let documents = node::parse(&text).ok()?;
    let document = match &change.text {
        Some(_) => documents.first(),
        None => documents.iter().find(|document| document.line == change.line),
    };
    let line = document.map_or(1, |document| line_of(document, &inner));
    Some(if change.text.is_some() { change.line + line } else { line })
}

/// Returns the line of a field in a document, or the nearest line around it.
pub(crate) fn line_of(document: &Node, pointer: &str) -> usize {
    let mut node = document;
    for token in pointer.split('/').skip(1) {
        let token = token.replace("~1", "/").replace("~0", "~");
        let next = match &node.data {
            Data::Sequence(items) => token.parse::<usize>().ok().and_then(|at| items.get(at)),
            _ => node.get(&token),
        };
        match next {
            Some(next) => node = next,
            None => break,
        }
    }
    node.line
}
