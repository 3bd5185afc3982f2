//! A tree of nodes that know where they were written, for file formats whose errors name a line and a column. Aliases are already
//! replaced by what they stand for; merge keys are not applied, so a reader can refuse them.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::Error;
use super::construct::{self, MAX_DEPTH};
pub use super::event::Style;
use super::event::{Event, Events, Mark, Scalar};

/// How many nodes aliases may add to a document.
const MAX_ALIAS_NODES: usize = 100_000;

/// A node with its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Its first line, counted from 1.
    pub line: usize,
    /// Its first column in characters, counted from 1.
    pub column: usize,
    /// What it is.
    pub data: Data,
}

/// What a node is.
#[derive(Debug, Clone, PartialEq)]
pub enum Data {
    /// A scalar.
    Scalar {
        /// Its text, quotes and escapes resolved.
        text: String,
        /// How it was written.
        style: Style,
        /// What it means.
        value: Value,
    },
    /// A list.
    Sequence(Vec<Node>),
    /// A mapping, in the order written, equal keys included.
    Mapping(Vec<(Node, Node)>),
}

impl Node {
    /// Returns the text of a scalar, whatever it means.
    pub fn text(&self) -> Option<&str> {
        match &self.data {
            Data::Scalar { text, .. } => Some(text),
            _ => None,
        }
    }

    /// Returns the node under a key of a mapping; the last one of equal keys.
    pub fn get(&self, key: &str) -> Option<&Node> {
        match &self.data {
            Data::Mapping(entries) => entries.iter().rev().find(|(name, _)| name.text() == Some(key)).map(|(_, value)| value),
            _ => None,
        }
    }

    /// Returns the node as data, merge keys applied, as [`parse`](super::parse) gives it.
    pub fn to_value(&self) -> Result<Value, Error> {
        Ok(match &self.data {
            Data::Scalar { value, .. } => value.clone(),
            Data::Sequence(items) => Value::Array(items.iter().map(Node::to_value).collect::<Result<_, _>>()?),
            Data::Mapping(entries) => {
                let mut map = Map::new();
                for (key, value) in entries {
                    let value = value.to_value()?;
                    if matches!(&key.data, Data::Scalar { text, style: Style::Plain, .. } if text == "<<") {
                        construct::merge(&mut map, value)?;
                    } else {
                        map.insert(construct::key_of(&key.to_value()?, &value)?, value);
                    }
                }
                Value::Object(map)
            }
        })
    }
}

/// Reads every document of a stream as a tree.
pub fn parse(text: &str) -> Result<Vec<Node>, Error> {
    let mut events = Events::of(text);
    let mut documents = Vec::new();
    while let (Event::DocumentStart, _) = events.next()? {
        let (event, mark) = events.next()?;
        let mut reader = Reader { anchors: HashMap::new(), copied: 0 };
        documents.push(reader.node(event, mark, &mut events, 0)?.0);
        if !matches!(events.next()?, (Event::DocumentEnd, _)) {
            return Err(Error::plain("expected end of document"));
        }
    }
    Ok(documents)
}

struct Reader {
    anchors: HashMap<String, Option<(Node, Size)>>,
    copied: usize,
}

/// How many nodes something is made of, and how deep they nest.
#[derive(Clone, Copy, Default)]
struct Size {
    nodes: usize,
    depth: usize,
}

impl Size {
    fn add(&mut self, part: Size) {
        self.nodes += part.nodes;
        self.depth = self.depth.max(part.depth + 1);
    }
}

impl Reader {
    /// Returns the node and its size.
    fn node(&mut self, event: Event, mark: Mark, events: &mut Events, depth: usize) -> Result<(Node, Size), Error> {
        if depth > MAX_DEPTH {
            return Err(too_deep(mark));
        }
        match event {
            Event::Alias(name) => self.alias(name, mark, depth),
            Event::Scalar(scalar) => self.scalar(scalar, mark),
            Event::SequenceStart(anchor) => {
                self.open(anchor);
                let mut items = Vec::new();
                let mut size = Size { nodes: 1, depth: 0 };
                loop {
                    let (event, mark) = events.next()?;
                    if matches!(event, Event::SequenceEnd) {
                        break;
                    }
                    let (item, part) = self.node(event, mark, events, depth + 1)?;
                    size.add(part);
                    items.push(item);
                }
                Ok(self.close(anchor, Data::Sequence(items), mark, size))
            }
            Event::MappingStart(anchor) => {
                self.open(anchor);
                let mut entries = Vec::new();
                let mut size = Size { nodes: 1, depth: 0 };
                loop {
                    let (event, mark) = events.next()?;
                    if matches!(event, Event::MappingEnd) {
                        break;
                    }
                    let (key, part) = self.node(event, mark, events, depth + 1)?;
                    size.add(part);
                    let (event, mark) = events.next()?;
                    let (value, part) = self.node(event, mark, events, depth + 1)?;
                    size.add(part);
                    entries.push((key, value));
                }
                Ok(self.close(anchor, Data::Mapping(entries), mark, size))
            }
            _ => Err(at(mark, "attempted to parse unknown event")),
        }
    }

    fn scalar(&mut self, scalar: Scalar, mark: Mark) -> Result<(Node, Size), Error> {
        let value = construct::scalar_value(&scalar).map_err(|error| match error {
            Error::Syntax { message, .. } => at(mark, message),
            other => at(mark, other.to_string()),
        })?;
        let data = Data::Scalar { text: scalar.value.into_owned(), style: scalar.style, value };
        self.open(scalar.anchor);
        Ok(self.close(scalar.anchor, data, mark, Size { nodes: 1, depth: 0 }))
    }

    fn alias(&mut self, name: &str, mark: Mark, depth: usize) -> Result<(Node, Size), Error> {
        match self.anchors.get(name) {
            None => Err(at(mark, format!("unknown anchor '{name}' referenced"))),
            Some(None) => Err(at(mark, format!("anchor '{name}' value contains itself"))),
            Some(Some((_, size))) if depth + size.depth > MAX_DEPTH => Err(too_deep(mark)),
            Some(Some((node, size))) => {
                self.copied += size.nodes;
                if self.copied > MAX_ALIAS_NODES {
                    return Err(at(mark, "document contains excessive aliasing"));
                }
                Ok((node.clone(), *size))
            }
        }
    }

    fn open(&mut self, anchor: Option<&str>) {
        if let Some(name) = anchor {
            self.anchors.insert(name.to_owned(), None);
        }
    }

    fn close(&mut self, anchor: Option<&str>, data: Data, mark: Mark, size: Size) -> (Node, Size) {
        let node = Node { line: mark.line, column: mark.column, data };
        // Something inside may have taken the name over.
        if let Some(open @ None) = anchor.and_then(|name| self.anchors.get_mut(name)) {
            *open = Some((node.clone(), size));
        }
        (node, size)
    }
}

fn too_deep(mark: Mark) -> Error {
    at(mark, format!("exceeded max depth of {MAX_DEPTH}"))
}

fn at(mark: Mark, message: impl Into<String>) -> Error {
    Error::Syntax { line: Some(mark.line), at: Some((mark.line, mark.column)), message: message.into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn knows_places() {
        let text = "a: 1\nb:\n  - x\n  - {c: 'd'}\n";
        let tree = parse(text).expect("reads").remove(0);
        let list = tree.get("b").expect("there");
        let Data::Sequence(items) = &list.data else { panic!("a list") };
        assert_eq!((items[0].line, items[0].column), (3, 5));
        let inner = items[1].get("c").expect("there");
        assert_eq!((inner.line, inner.column, inner.text()), (4, 9, Some("d")));
        assert_eq!(tree.to_value(), Ok(json!({"a": 1, "b": ["x", {"c": "d"}]})));
    }

    #[test]
    fn resolves_aliases_and_merges() {
        let tree = parse("x: &x {a: 1}\nw: {<<: *x, b: *x}\n").expect("reads").remove(0);
        assert_eq!(tree.to_value(), Ok(json!({"x": {"a": 1}, "w": {"a": 1, "b": {"a": 1}}})));
        assert_eq!(parse("a: *b\n").map_err(|error| error.to_string()), Err("yaml: line 1: unknown anchor 'b' referenced".to_owned()));
    }
}
