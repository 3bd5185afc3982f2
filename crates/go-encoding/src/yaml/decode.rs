//! Decodes a document step by step as `parser.parse` and `decoder.unmarshal` of yaml.v2 2.4.3 (`decode.go`), `convertToJSONableObject`
//! of sigs yaml and `json.Marshal` do, each over the whole before the next: keys keep their types, and the first error is theirs.
//!
//! Slow, and only for documents in which [`construct`](super::construct) saw something that may be an error.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Map, Number, Value};

use super::Error;
use super::construct::{self, MAX_ALIAS_BYTES, MAX_DEPTH, excessive, is_merge};
use super::event::{Event, Events, Scalar};
use super::resolve::Resolved;
use super::shown::{Decoded, Key};

/// Reads the document that comes next in `events`.
pub(super) fn decode(events: &mut Events) -> Result<Value, Error> {
    let mut tree = Tree::default();
    let root = match events.next()?.0 {
        Event::DocumentStart => tree.read(events.next()?.0, events, 0)?,
        _ => return Ok(Value::Null),
    };
    let mut decoder =
        Decoder { tree: &tree, entered: vec![false; tree.nodes.len()], alias_depth: 0, steps: 0, alias_steps: 0, alias_bytes: 0 };
    let json = jsonable(decoder.node(root, 0)?)?;
    match first_non_number(&json) {
        Some(name) => Err(Error::Number(name)),
        None => Ok(to_value(json)),
    }
}

enum Node<'a> {
    Scalar(Scalar<'a>),
    Alias { name: &'a str, target: usize },
    Sequence(Vec<usize>),
    Mapping(Vec<(usize, usize)>),
}

/// The nodes of a document, which refer to each other by their number.
#[derive(Default)]
struct Tree<'a> {
    nodes: Vec<Node<'a>>,
    anchors: HashMap<&'a str, usize>,
}

impl<'a> Tree<'a> {
    fn read(&mut self, event: Event<'a>, events: &mut Events<'a>, depth: usize) -> Result<usize, Error> {
        let at = self.nodes.len();
        if depth > MAX_DEPTH {
            return Err(too_deep());
        }
        let (anchor, node) = match event {
            Event::Alias(name) => match self.anchors.get(name) {
                Some(&target) => (None, Node::Alias { name, target }),
                None => return Err(Error::plain(format!("unknown anchor '{name}' referenced"))),
            },
            Event::Scalar(scalar) => (scalar.anchor, Node::Scalar(scalar)),
            Event::SequenceStart(anchor) => (anchor, Node::Sequence(Vec::new())),
            Event::MappingStart(anchor) => (anchor, Node::Mapping(Vec::new())),
            _ => return Err(Error::plain("attempted to parse unknown event")),
        };
        // An anchor is known inside of what it names.
        anchor.and_then(|name| self.anchors.insert(name, at));
        let is_mapping = matches!(node, Node::Mapping(_));
        let is_leaf = matches!(node, Node::Scalar(_) | Node::Alias { .. });
        self.nodes.push(node);
        if !is_leaf {
            let children = self.children(events, depth)?;
            self.nodes[at] = if is_mapping { Node::Mapping(pairs(&children)) } else { Node::Sequence(children) };
        }
        Ok(at)
    }

    fn children(&mut self, events: &mut Events<'a>, depth: usize) -> Result<Vec<usize>, Error> {
        let mut children = Vec::new();
        loop {
            match events.next()?.0 {
                Event::SequenceEnd | Event::MappingEnd => return Ok(children),
                event => children.push(self.read(event, events, depth + 1)?),
            }
        }
    }
}

fn pairs(children: &[usize]) -> Vec<(usize, usize)> {
    children.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect()
}

fn too_deep() -> Error {
    Error::plain(format!("exceeded max depth of {MAX_DEPTH}"))
}

type Entries = BTreeMap<Key, Decoded>;

struct Decoder<'t, 'a> {
    tree: &'t Tree<'a>,
    /// Which aliases are being decoded.
    entered: Vec<bool>,
    alias_depth: usize,
    steps: usize,
    alias_steps: usize,
    alias_bytes: usize,
}

impl Decoder<'_, '_> {
    fn node(&mut self, at: usize, depth: usize) -> Result<Decoded, Error> {
        self.count(at, depth)?;
        match &self.tree.nodes[at] {
            Node::Scalar(scalar) => decoded(scalar),
            Node::Alias { target, .. } => self.through(at, |decoder| decoder.node(*target, depth + 1)),
            Node::Sequence(items) => Ok(Decoded::List(items.iter().map(|&item| self.node(item, depth + 1)).collect::<Result<_, _>>()?)),
            Node::Mapping(entries) => {
                let mut map = Entries::new();
                self.fill(&mut map, entries, depth)?;
                Ok(Decoded::Map(map))
            }
        }
    }

    /// Counts a node that is decoded, perhaps once more.
    fn count(&mut self, at: usize, depth: usize) -> Result<(), Error> {
        self.steps += 1;
        if self.alias_depth > 0 {
            self.alias_steps += 1;
            self.alias_bytes += 32 + if let Node::Scalar(scalar) = &self.tree.nodes[at] { scalar.value.len() } else { 0 };
        }
        if excessive(self.alias_steps, self.steps) || self.alias_bytes > MAX_ALIAS_BYTES {
            return Err(Error::plain("document contains excessive aliasing"));
        }
        if depth > MAX_DEPTH { Err(too_deep()) } else { Ok(()) }
    }

    /// Decodes what the alias `at` stands for.
    fn through<T>(&mut self, at: usize, decode: impl FnOnce(&mut Self) -> Result<T, Error>) -> Result<T, Error> {
        if let Node::Alias { name, .. } = &self.tree.nodes[at]
            && self.entered[at]
        {
            return Err(Error::plain(format!("anchor '{name}' value contains itself")));
        }
        self.entered[at] = true;
        self.alias_depth += 1;
        let found = decode(self);
        self.alias_depth -= 1;
        self.entered[at] = false;
        found
    }

    fn fill(&mut self, map: &mut Entries, entries: &[(usize, usize)], depth: usize) -> Result<(), Error> {
        for &(key, value) in entries {
            if matches!(&self.tree.nodes[key], Node::Scalar(scalar) if is_merge(scalar)) {
                self.merge(map, value, depth + 1)?;
                continue;
            }
            let mut key = Key::of(self.node(key, depth + 1)?)?;
            if let Key::Float(float, number) = &mut key
                && float.is_nan()
            {
                *number = map.len();
            }
            let value = self.node(value, depth + 1)?;
            // Of 0 and -0, which are equal, Go keeps the later one.
            map.remove(&key);
            map.insert(key, value);
        }
        Ok(())
    }

    fn merge(&mut self, map: &mut Entries, at: usize, depth: usize) -> Result<(), Error> {
        let tree = self.tree;
        match &tree.nodes[at] {
            // Earlier items take precedence.
            Node::Sequence(items) => items.iter().rev().try_for_each(|&item| self.merge_one(map, item, depth)),
            _ => self.merge_one(map, at, depth),
        }
    }

    fn merge_one(&mut self, map: &mut Entries, at: usize, depth: usize) -> Result<(), Error> {
        let tree = self.tree;
        let mapping = |at: usize| if let Node::Mapping(entries) = &tree.nodes[at] { Some(entries) } else { None };
        let (entries, target) = match &tree.nodes[at] {
            Node::Alias { target, .. } => (mapping(*target), Some(*target)),
            _ => (mapping(at), None),
        };
        let entries = entries.ok_or_else(construct::no_merge)?;
        self.count(at, depth)?;
        match target {
            None => self.fill(map, entries, depth),
            Some(target) => self.through(at, |decoder| {
                decoder.count(target, depth)?;
                decoder.fill(map, entries, depth)
            }),
        }
    }
}

fn decoded(scalar: &Scalar) -> Result<Decoded, Error> {
    Ok(match construct::meaning(scalar)? {
        Resolved::Null => Decoded::Null,
        Resolved::Bool(value) => Decoded::Bool(value),
        Resolved::Int(value) => Decoded::Int(value),
        Resolved::Uint(value) => Decoded::Uint(value),
        Resolved::Float(value) => Decoded::Float(value),
        Resolved::Str if construct::is_binary(scalar) => Decoded::Text(construct::binary(&scalar.value)?),
        Resolved::Str | Resolved::Timestamp => Decoded::Text(scalar.value.clone().into_owned()),
    })
}

/// What can be written as JSON, but for numbers that are none.
enum Json {
    Value(Value),
    Float(f64),
    List(Vec<Json>),
    Map(BTreeMap<String, Json>),
}

fn jsonable(decoded: Decoded) -> Result<Json, Error> {
    Ok(match decoded {
        Decoded::Null => Json::Value(Value::Null),
        Decoded::Bool(value) => Json::Value(value.into()),
        Decoded::Int(value) => Json::Value(value.into()),
        Decoded::Uint(value) => Json::Value(value.into()),
        Decoded::Float(value) => Json::Float(value),
        Decoded::Text(text) => Json::Value(text.into()),
        Decoded::List(items) => Json::List(items.into_iter().map(jsonable).collect::<Result<_, _>>()?),
        Decoded::Map(entries) => {
            let entry = |(key, value): (Key, Decoded)| Ok((key.in_json(&value)?, jsonable(value)?));
            Json::Map(entries.into_iter().map(entry).collect::<Result<_, Error>>()?)
        }
    })
}

/// Returns the first number that JSON cannot hold, in the order in which JSON is written.
fn first_non_number(json: &Json) -> Option<&'static str> {
    match json {
        Json::Float(value) if !value.is_finite() => Some(construct::no_number(*value)),
        Json::List(items) => items.iter().find_map(first_non_number),
        Json::Map(entries) => entries.values().find_map(first_non_number),
        Json::Value(_) | Json::Float(_) => None,
    }
}

fn to_value(json: Json) -> Value {
    match json {
        Json::Value(value) => value,
        Json::Float(value) => Number::from_f64(value).map_or(Value::Null, Value::Number),
        Json::List(items) => Value::Array(items.into_iter().map(to_value).collect()),
        Json::Map(entries) => Value::Object(entries.into_iter().map(|(key, value)| (key, to_value(value))).collect::<Map<_, _>>()),
    }
}
