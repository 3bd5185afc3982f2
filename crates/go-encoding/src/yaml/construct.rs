//! Builds JSON values from the event stream: `decode.go` of yaml.v2 into untyped values, then the conversion of sigs yaml (keys become
//! strings, timestamps stay text). Merge keys act in document order and the last of equal keys wins, as there.
//!
//! All in one go. Where that meets something that may be an error, [`decode`](super::decode) reads the document once more.

use std::collections::HashMap;

use serde_json::{Map, Number, Value};

use super::chars::Readable;
use super::decode::decode;
use super::event::{Event, Events, Mark, Scalar};
use super::resolve::{self, Resolved};
use super::shown::{Decoded, Key, float_key};
use super::{Error, utf16};

/// How deep documents may nest, aliases replaced by what they stand for. go-yaml allows 10,000 without them; ours are read on
/// smaller stacks.
pub(crate) const MAX_DEPTH: usize = 256;

/// How many bytes of text all aliases of a document together may copy. go-yaml shares them, we do not.
pub(super) const MAX_ALIAS_BYTES: usize = 64 << 20;

/// One document of a stream.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// The 1-based line on which its content starts.
    pub line: usize,
    /// The content.
    pub value: Value,
}

/// Reads the first document of `text` as `yaml.Unmarshal` into untyped values does; empty text is null.
///
/// Integers stay integers where they fit 64 bits. Helm reads values through JSON, where every number is a float: callers that need
/// that convert.
pub fn parse(text: &str) -> Result<Value, Error> {
    first(Events::of(text))
}

/// Reads bytes as [`parse`] does, UTF-16 with its mark too; what is no text is an error where go-yaml comes to it.
pub fn parse_bytes(bytes: &[u8]) -> Result<Value, Error> {
    match utf16::decode(bytes) {
        Some((text, stops)) => {
            let text = Readable::of_text(&text);
            first(Events::of_readable(Readable { stops: text.stops.or(stops), ..text }))
        }
        None => first(Events::of_readable(Readable::of_bytes(bytes))),
    }
}

fn first(mut events: Events) -> Result<Value, Error> {
    Ok(Builder::default().document(&mut events)?.map(|document| document.value).unwrap_or_default())
}

/// Reads every document of a stream, in order. Documents without content are null.
pub fn documents(text: &str) -> Result<Vec<Document>, Error> {
    let mut events = Events::of(text);
    let mut found = Vec::new();
    while let Some(document) = Builder::default().document(&mut events)? {
        found.push(document);
    }
    Ok(found)
}

enum Anchor {
    /// Its node is still being read.
    Open,
    Done {
        value: Value,
        size: Size,
    },
}

/// What the decoding of a value cost go-yaml, how many bytes a copy of it holds, and how deep it is.
#[derive(Clone, Copy, Default)]
struct Size {
    steps: usize,
    bytes: usize,
    depth: usize,
}

impl Size {
    fn add(&mut self, part: Size) {
        self.steps += part.steps;
        self.bytes += part.bytes;
        self.depth = self.depth.max(part.depth + 1);
    }
}

struct Built {
    value: Value,
    size: Size,
    /// Tells a mapping apart from anything else for merge keys: an alias to one counts.
    is_merge: bool,
}

/// Reads the first document, but of its top level only the entries whose key is wanted: the others are checked and dropped.
///
/// What is no YAML, or cannot become JSON, is an error wherever it stands.
pub fn parse_top(text: &str, is_wanted: fn(&str) -> bool) -> Result<Value, Error> {
    let mut events = Events::of(text);
    let mut builder = Builder { is_wanted: Some(is_wanted), ..Builder::default() };
    let read = builder.document(&mut events);
    // What is dropped may be meant by an alias or merged.
    let needs_all = builder.needs_all || builder.may_be_wrong;
    if needs_all { parse(text) } else { Ok(read?.map(|document| document.value).unwrap_or_default()) }
}

#[derive(Default)]
struct Builder {
    /// Which entries of the top level are kept; all where nothing says so.
    is_wanted: Option<fn(&str) -> bool>,
    needs_all: bool,
    anchors: HashMap<String, Anchor>,
    /// Whether something was met that may be an error, once everything is read.
    may_be_wrong: bool,
    steps: usize,
    alias_steps: usize,
    alias_bytes: usize,
}

impl Builder {
    fn document(&mut self, events: &mut Events) -> Result<Option<Document>, Error> {
        let mut again = events.clone();
        match events.next()? {
            (Event::DocumentStart, _) => {}
            _ => return Ok(None),
        }
        let (event, mark) = events.next()?;
        let mut value = self.node(event, mark, events, 0)?.value;
        match events.next()? {
            (Event::DocumentEnd, _) => {}
            _ => return Err(Error::plain("expected end of document")),
        }
        if self.may_be_wrong && self.is_wanted.is_none() {
            value = decode(&mut again)?;
        }
        Ok(Some(Document { line: mark.line, value }))
    }

    /// Goes on without a value where there may be none.
    fn or_null(&mut self, value: Result<Value, Error>) -> Value {
        self.may_be_wrong |= value.is_err();
        value.unwrap_or_default()
    }

    fn step(&mut self) {
        self.steps += 1;
    }

    fn node(&mut self, event: Event, mark: Mark, events: &mut Events, depth: usize) -> Result<Built, Error> {
        if depth > MAX_DEPTH {
            return Err(Error::Syntax {
                line: Some(mark.line),
                at: Some((mark.line, mark.column)),
                message: format!("exceeded max depth of {MAX_DEPTH}"),
            });
        }
        match event {
            Event::Alias(name) => self.alias(name, depth),
            Event::Scalar(scalar) => Ok(self.scalar(scalar)),
            Event::SequenceStart(anchor) => self.sequence(anchor, events, depth),
            Event::MappingStart(anchor) => self.mapping(anchor, events, depth),
            Event::StreamEnd | Event::DocumentStart | Event::DocumentEnd | Event::SequenceEnd | Event::MappingEnd => {
                Err(Error::plain("attempted to parse unknown event"))
            }
        }
    }

    fn open(&mut self, anchor: Option<&str>) {
        if let Some(name) = anchor {
            self.anchors.insert(name.to_owned(), Anchor::Open);
        }
    }

    /// Gives an anchor its value, unless something inside took the name over.
    fn close(&mut self, anchor: Option<&str>, built: &Built) {
        let Some(name) = anchor else { return };
        if let Some(open @ Anchor::Open) = self.anchors.get_mut(name) {
            *open = Anchor::Done { value: built.value.clone(), size: built.size };
        }
    }

    fn alias(&mut self, name: &str, depth: usize) -> Result<Built, Error> {
        let (value, size) = match self.anchors.get(name) {
            None => return Err(Error::plain(format!("unknown anchor '{name}' referenced"))),
            Some(Anchor::Done { value, size }) if self.is_affordable(*size, depth) => (value.clone(), *size),
            Some(_) => {
                self.may_be_wrong = true;
                (Value::Null, Size::default())
            }
        };
        self.steps += size.steps + 1;
        self.alias_steps += size.steps;
        self.alias_bytes += size.bytes;
        Ok(Built { value, size: Size { steps: size.steps + 1, ..size }, is_merge: false })
    }

    fn is_affordable(&self, size: Size, depth: usize) -> bool {
        let copied = self.alias_bytes.saturating_add(size.bytes);
        let expanded = self.steps.saturating_add(size.steps);
        let aliased = self.alias_steps.saturating_add(size.steps);
        !excessive(aliased, expanded) && copied <= MAX_ALIAS_BYTES && depth + size.depth < MAX_DEPTH
    }

    fn scalar(&mut self, scalar: Scalar) -> Built {
        self.step();
        let is_merge = is_merge(&scalar);
        let value = self.or_null(scalar_value(&scalar));
        let built = Built { value, size: Size { steps: 1, bytes: 32 + scalar.value.len(), depth: 0 }, is_merge };
        self.open(scalar.anchor);
        self.close(scalar.anchor, &built);
        built
    }

    /// Steps over a scalar key, whose value is of use to nobody but an alias to it.
    fn key(&mut self, scalar: Scalar) -> Built {
        if scalar.anchor.is_some() {
            return self.scalar(scalar);
        }
        self.step();
        let size = Size { steps: 1, bytes: 32 + scalar.value.len(), depth: 0 };
        Built { value: Value::Null, size, is_merge: is_merge(&scalar) }
    }

    fn sequence(&mut self, anchor: Option<&str>, events: &mut Events, depth: usize) -> Result<Built, Error> {
        self.step();
        self.open(anchor);
        let mut items = Vec::new();
        let mut size = Size { steps: 1, bytes: 32, depth: 0 };
        loop {
            let (event, mark) = events.next()?;
            if matches!(event, Event::SequenceEnd) {
                break;
            }
            let item = self.node(event, mark, events, depth + 1)?;
            size.add(item.size);
            items.push(item.value);
        }
        let built = Built { value: Value::Array(items), size, is_merge: false };
        self.close(anchor, &built);
        Ok(built)
    }

    fn mapping(&mut self, anchor: Option<&str>, events: &mut Events, depth: usize) -> Result<Built, Error> {
        self.step();
        self.open(anchor);
        let mut map = Map::new();
        let mut size = Size { steps: 1, bytes: 32, depth: 0 };
        loop {
            let (event, mark) = events.next()?;
            if matches!(event, Event::MappingEnd) {
                break;
            }
            let (name, key) = match event {
                Event::Scalar(scalar) => {
                    // The key after an entry that was skimmed is read ahead with it.
                    self.needs_all |= scalar.dropped;
                    let name = key_name(&scalar);
                    (name, self.key(scalar))
                }
                other => {
                    let key = self.node(other, mark, events, depth + 1)?;
                    (value_key(&key.value), key)
                }
            };
            let (event, mark) = events.next()?;
            if depth == 0
                && let Some(is_wanted) = self.is_wanted
                && let Some(name) = &name
                && !key.is_merge
                && !is_wanted(name)
            {
                events.drop_scalars(true);
                self.skim(event, mark, events, depth + 1)?;
                events.drop_scalars(false);
                continue;
            }
            let is_alias = matches!(event, Event::Alias(_));
            let value = self.node(event, mark, events, depth + 1)?;
            size.add(key.size);
            size.add(value.size);
            if key.is_merge {
                // A list of mappings cannot be merged through an alias.
                self.may_be_wrong |= is_alias && value.value.is_array();
                self.may_be_wrong |= merge(&mut map, value.value).is_err();
                continue;
            }
            match name {
                Some(name) => drop(map.insert(name, value.value)),
                None => self.may_be_wrong = true,
            }
        }
        let built = Built { value: Value::Object(map), size, is_merge: false };
        self.close(anchor, &built);
        Ok(built)
    }

    /// Steps over a node that nobody wants, looking only for faults.
    fn skim(&mut self, event: Event, mark: Mark, events: &mut Events, depth: usize) -> Result<(), Error> {
        if depth > MAX_DEPTH {
            return self.node(event, mark, events, depth).map(|_| ());
        }
        self.step();
        match event {
            Event::Alias(_) => self.needs_all = true,
            Event::Scalar(scalar) => {
                self.needs_all |= scalar.anchor.is_some() || scalar.tag.is_some() && scalar.dropped;
                // Only numbers that are none and tags that do not fit can be wrong.
                let may_be_wrong = scalar.tag.is_some() || scalar.implicit && scalar.value.starts_with(['.', '+', '-']);
                self.may_be_wrong |= may_be_wrong && scalar_value(&scalar).is_err();
            }
            Event::SequenceStart(anchor) => {
                self.needs_all |= anchor.is_some();
                loop {
                    let (event, mark) = events.next()?;
                    if matches!(event, Event::SequenceEnd) {
                        return Ok(());
                    }
                    self.skim(event, mark, events, depth + 1)?;
                }
            }
            Event::MappingStart(anchor) => {
                self.needs_all |= anchor.is_some();
                loop {
                    let (event, mark) = events.next()?;
                    match event {
                        Event::MappingEnd => return Ok(()),
                        Event::Scalar(scalar) => self.skim_key(&scalar),
                        // What is wrong with such a key depends on its content.
                        other => {
                            self.needs_all = true;
                            self.skim(other, mark, events, depth + 1)?;
                        }
                    }
                    let (event, mark) = events.next()?;
                    self.skim(event, mark, events, depth + 1)?;
                }
            }
            other => return self.node(other, mark, events, depth).map(|_| ()),
        }
        Ok(())
    }

    fn skim_key(&mut self, scalar: &Scalar) {
        self.step();
        self.needs_all |= scalar.tag.is_some() && scalar.dropped;
        let is_text = scalar.tag.is_none() && (!scalar.implicit || matches!(resolve::plain(&scalar.value), Resolved::Str));
        let is_wrong = !is_text && key_name(scalar).is_none();
        self.needs_all |= scalar.anchor.is_some() || is_merge(scalar) || is_wrong;
    }
}

/// go-yaml's guard against documents whose size is mostly made of aliases (`decode.go`).
pub(super) fn excessive(aliased: usize, steps: usize) -> bool {
    const LOW: f64 = 400_000.0;
    const HIGH: f64 = 4_000_000.0;
    let total = steps as f64;
    let allowed = if total <= LOW {
        0.99
    } else if total >= HIGH {
        0.10
    } else {
        0.99 - 0.89 * ((total - LOW) / (HIGH - LOW))
    };
    aliased > 100 && steps > 1000 && aliased as f64 / total > allowed
}

pub(super) fn is_merge(scalar: &Scalar) -> bool {
    scalar.value == "<<" && (scalar.implicit || scalar.tag.as_deref() == Some("tag:yaml.org,2002:merge"))
}

pub(super) fn no_merge() -> Error {
    Error::plain("map merge requires map or sequence of maps as the value")
}

/// Applies a merge: what comes later in the document overrides it, what came before is overridden.
pub(super) fn merge(map: &mut Map<String, Value>, value: Value) -> Result<(), Error> {
    let wrong = no_merge;
    match value {
        Value::Object(from) => map.extend(from),
        Value::Array(items) => {
            // Backwards, because earlier items win.
            for item in items.into_iter().rev() {
                match item {
                    Value::Object(from) => map.extend(from),
                    _ => return Err(wrong()),
                }
            }
        }
        _ => return Err(wrong()),
    }
    Ok(())
}

/// What a scalar of a document means.
pub(super) fn meaning(scalar: &Scalar) -> Result<Resolved, Error> {
    const PREFIX: &str = "tag:yaml.org,2002:";
    let Some(tag) = scalar.tag.as_deref() else {
        return Ok(if scalar.implicit { resolve::plain(&scalar.value) } else { Resolved::Str });
    };
    let kind = match tag.strip_prefix(PREFIX) {
        Some(kind @ ("bool" | "int" | "float" | "null" | "timestamp")) => kind,
        _ => return Ok(Resolved::Str),
    };
    let found = resolve::resolve(&scalar.value, kind == "timestamp");
    match (kind, found) {
        ("bool", Resolved::Bool(_))
        | ("int", Resolved::Int(_) | Resolved::Uint(_))
        | ("float", Resolved::Float(_))
        | ("null", Resolved::Null)
        | ("timestamp", Resolved::Timestamp) => Ok(found),
        ("float", Resolved::Int(integer)) => Ok(Resolved::Float(integer as f64)),
        _ => Err(Error::plain(format!("cannot decode {} `{}` as a !!{kind}", short_tag(found), scalar.value))),
    }
}

fn short_tag(resolved: Resolved) -> &'static str {
    match resolved {
        Resolved::Null => "!!null",
        Resolved::Bool(_) => "!!bool",
        Resolved::Int(_) | Resolved::Uint(_) => "!!int",
        Resolved::Float(_) => "!!float",
        Resolved::Timestamp => "!!timestamp",
        Resolved::Str => "!!str",
    }
}

/// Returns the JSON value of a scalar.
pub(crate) fn scalar_value(scalar: &Scalar) -> Result<Value, Error> {
    Ok(match meaning(scalar)? {
        Resolved::Null => Value::Null,
        Resolved::Bool(value) => Value::Bool(value),
        Resolved::Int(value) => Value::Number(value.into()),
        Resolved::Uint(value) => Value::Number(value.into()),
        Resolved::Float(value) => Value::Number(Number::from_f64(value).ok_or(Error::Number(no_number(value)))?),
        Resolved::Timestamp => Value::String(scalar.value.clone().into_owned()),
        Resolved::Str if is_binary(scalar) => Value::String(binary(&scalar.value)?),
        Resolved::Str => Value::String(scalar.value.clone().into_owned()),
    })
}

/// Tells whether the scalar is base64.
pub(super) fn is_binary(scalar: &Scalar) -> bool {
    scalar.tag.as_deref() == Some("tag:yaml.org,2002:binary")
}

pub(super) fn no_number(value: f64) -> &'static str {
    if value.is_nan() {
        "NaN"
    } else if value > 0.0 {
        "+Inf"
    } else {
        "-Inf"
    }
}

/// Standard base64 with padding; line breaks are skipped, as Go does.
pub(super) fn binary(text: &str) -> Result<String, Error> {
    let wrong = || Error::plain("!!binary value contains invalid base64 data");
    let digits: Vec<u8> = text.bytes().filter(|byte| !matches!(byte, b'\r' | b'\n')).collect();
    if !digits.len().is_multiple_of(4) {
        return Err(wrong());
    }
    let padding = digits.iter().rev().take_while(|byte| **byte == b'=').count();
    if padding > 2 {
        return Err(wrong());
    }
    let mut bytes = Vec::with_capacity(digits.len() / 4 * 3);
    for group in digits[..digits.len() - padding].chunks(4) {
        let mut bits = 0u32;
        for position in 0..4 {
            let digit = match group.get(position) {
                None => 0,
                Some(byte @ b'A'..=b'Z') => byte - b'A',
                Some(byte @ b'a'..=b'z') => byte - b'a' + 26,
                Some(byte @ b'0'..=b'9') => byte - b'0' + 52,
                Some(b'+') => 62,
                Some(b'/') => 63,
                Some(_) => return Err(wrong()),
            };
            bits = bits << 6 | u32::from(digit);
        }
        bytes.extend(&bits.to_be_bytes()[1..group.len()]);
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Returns the JSON key of a scalar key, if it has one.
fn key_name(scalar: &Scalar) -> Option<String> {
    match meaning(scalar).ok()? {
        Resolved::Str if is_binary(scalar) => binary(&scalar.value).ok(),
        // Only untyped values keep their text; sigs yaml sees a string here too.
        Resolved::Str | Resolved::Timestamp => Some(scalar.value.clone().into_owned()),
        Resolved::Int(value) => Some(value.to_string()),
        Resolved::Float(value) => Some(float_key(value)),
        Resolved::Bool(value) => Some(value.to_string()),
        Resolved::Null | Resolved::Uint(_) => None,
    }
}

/// Returns the JSON key of a key that was an alias or a collection, if it has one.
fn value_key(key: &Value) -> Option<String> {
    match key {
        Value::String(text) => Some(text.clone()),
        Value::Bool(value) => Some(value.to_string()),
        Value::Number(number) if number.is_f64() => number.as_f64().map(float_key),
        Value::Number(number) => number.as_i64().map(|integer| integer.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// Returns the JSON key of any key; an error shows the value under it.
pub(super) fn key_of(key: &Value, value: &Value) -> Result<String, Error> {
    match value_key(key) {
        Some(name) => Ok(name),
        None => Key::of(Decoded::from(key))?.in_json(&Decoded::from(value)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(text: &str, expect: Value) {
        assert_eq!(parse(text).map_err(|error| error.to_string()), Ok(expect), "{text}");
    }

    fn fails(text: &str, expect: &str) {
        assert_eq!(parse(text).map_err(|error| error.to_string()), Err(expect.to_owned()), "{text}");
    }

    #[test]
    fn reads_the_first_document() {
        check("", Value::Null);
        check("# only a comment\n", Value::Null);
        check("a: 1\n---\nb: 2\n", json!({"a": 1}));
        check("- 1\n- 2.5\n- yes\n- 'yes'\n- ~\n- 2020-01-01\n", json!([1, 2.5, true, "yes", null, "2020-01-01"]));
    }

    #[test]
    fn ends_block_scalars_without_a_line_break() {
        check("a: |\n  x", json!({"a": "x"}));
        check("a: |\n  x\n", json!({"a": "x\n"}));
        check("a: |\n  x\n  ", json!({"a": "x\n"}));
        check("a: |+\n  x\n\n", json!({"a": "x\n\n"}));
        check("a: >-\n  x\n  w", json!({"a": "x w"}));
        check("a: |", json!({"a": ""}));
        check("a: |-", json!({"a": ""}));
        check("a: |\n", json!({"a": ""}));
    }

    #[test]
    fn survives_malformed_tags() {
        for text in [
            "!<",
            "!<%",
            "! !",
            "!%ff x",
            "!<tag:%c0%80> x",
            "%TAG ! x\n---\n",
            "%",
            "%YAML",
            "!e!",
            "&",
            "*",
            "? |",
            ">",
            "\"\\xZZ\"",
            "\"\\ud800\"",
            "'",
            "- |9",
        ] {
            let _ = parse(text);
        }
    }

    #[test]
    fn makes_keys_strings() {
        check("1: a\n0x10: b\n1.5: c\ny: d\n123456789.5: e\n", json!({"1": "a", "16": "b", "1.5": "c", "true": "d", "1.2345679e+08": "e"}));
        check("a: 1\na: 2\n", json!({"a": 2}));
        fails("~: 1\n", "unsupported map key of type: %!s(<nil>), key: <nil>, value: 1");
    }

    #[test]
    fn merges_in_document_order() {
        let base = "x: &x {a: 1, b: 2}\nw: &w {a: 3, c: 4}\n";
        check(&format!("{base}z: {{a: 9, <<: *x}}\n"), json!({"x": {"a": 1, "b": 2}, "w": {"a": 3, "c": 4}, "z": {"a": 1, "b": 2}}));
        check(&format!("{base}z: {{<<: *x, a: 9}}\n"), json!({"x": {"a": 1, "b": 2}, "w": {"a": 3, "c": 4}, "z": {"a": 9, "b": 2}}));
        check(
            &format!("{base}z: {{<<: [*x, *w]}}\n"),
            json!({"x": {"a": 1, "b": 2}, "w": {"a": 3, "c": 4}, "z": {"a": 1, "b": 2, "c": 4}}),
        );
        check("? .inf\n", json!({".inf": null}));
        fails("<<: 1\n", "yaml: map merge requires map or sequence of maps as the value");
    }

    #[test]
    fn honours_tags() {
        check("!!int \"3\"", json!(3));
        check("!foo bar", json!("bar"));
        check("!!str 1", json!("1"));
        check("!!binary aGk=", json!("hi"));
        check("!!float 3", json!(3.0));
        fails("!!int x", "yaml: cannot decode !!str `x` as a !!int");
    }

    #[test]
    fn words_errors_as_go_yaml_does() {
        fails("a: [1\nb: 2\n", "yaml: line 1: did not find expected ',' or ']'");
        fails("a: b: c", "yaml: mapping values are not allowed in this context");
        fails("a:\n\tb: 2\n", "yaml: line 2: found character that cannot start any token");
        fails("*x", "yaml: unknown anchor 'x' referenced");
        fails("&a [*a]", "yaml: anchor 'a' value contains itself");
        assert_eq!(parse("x: &x [&x]\nk: *x").unwrap(), json!({"x": [null], "k": null}));
        fails("a: .inf", "json: unsupported value: +Inf");
        fails("%YAML 1.2\n---\na: 1\n", "yaml: found incompatible YAML document");
        fails("\"\\/\"", "yaml: found unknown escape character");
        fails("[a?b]", "yaml: did not find expected ',' or ']'");
        // go-yaml forgets that an empty flow collection may be a key, and ends the document after it.
        check("[]: x", json!([]));
        fails("[a]: x", "yaml: invalid map key: []interface {}{\"a\"}");
        fails("?", "unsupported map key of type: %!s(<nil>), key: <nil>, value: <nil>");
    }

    #[test]
    fn refuses_bombs() {
        let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..12 {
            let previous = format!("*a{}", level - 1);
            text.push_str(&format!("a{level}: &a{level} [{}]\n", [previous.as_str(); 10].join(", ")));
        }
        fails(&text, "yaml: document contains excessive aliasing");
        assert!(parse(&"[".repeat(100_000)).is_err());
        assert!(parse(&"- ".repeat(100_000)).is_err());
    }

    #[test]
    fn bounds_what_aliases_nest() {
        let level = |at: usize| {
            let inner = if at == 0 { "1".to_owned() } else { format!("*a{}", at - 1) };
            format!("a{at}: &a{at} {}{inner}{}\n", "[".repeat(200), "]".repeat(200))
        };
        assert!(parse(&level(0)).is_ok());
        let text: String = (0..100).map(level).collect();
        fails(&text, "yaml: exceeded max depth of 256");
    }

    /// Helm 4.2.3 said so.
    #[test]
    fn shows_keys_with_their_types() {
        fails(
            "? {1: a, x: b, true: c, 1.5: d, ~: e, 18446744073709551615: f, .nan: g, false: i, -1: j}\n: x",
            "yaml: invalid map key: map[interface {}]interface {}{interface {}(nil):\"e\", \"x\":\"b\", 0xffffffffffffffff:\"f\", -1:\"j\", \
             1:\"a\", NaN:\"g\", 1.5:\"d\", false:\"i\", true:\"c\"}",
        );
        fails(
            "x: &x {1: [a], ~: b}\n? *x\n",
            "yaml: invalid map key: map[interface {}]interface {}{interface {}(nil):\"b\", 1:[]interface {}{\"a\"}}",
        );
        fails("~: 1\na: !!binary x", "yaml: !!binary value contains invalid base64 data");
        fails("<<: !!binary x", "yaml: map merge requires map or sequence of maps as the value");
        fails("x: &x [{a: 1}]\ny: {<<: *x}", "yaml: map merge requires map or sequence of maps as the value");
        fails("&x 18446744073709551615: 1\n*x : 2", "unsupported map key of type: uint64, key: 0xffffffffffffffff, value: 2");
        check("a: .nan\na: {~: 1}\na: 1e300\n1e300: 1", json!({"a": 1e300, ".inf": 1}));
    }

    #[test]
    fn reads_the_top_of_documents() {
        let is_wanted: fn(&str) -> bool = |key| key == "kind";
        let top = |text: &str| parse_top(text, is_wanted).map_err(|error| error.to_string());
        assert_eq!(top("kind: A\nspec: {kind: B, x: [1, {y: .5}]}\n"), Ok(json!({"kind": "A"})));
        assert_eq!(top("spec: \"a\\n\"\n\"kind\": \"A\\t\"\nx: 'it''s'\n"), Ok(json!({"kind": "A\t"})));
        assert_eq!(top("spec: |+\n  a\n\n  b\n\nx: >-\n   c\n  # d\nkind: |\n  A\n").map(|top| top["kind"].clone()), Ok(json!("A\n")));
        assert_eq!(top("spec: {a: 1}\nx:\n- !!int |-\n  5\nkind: A\n").map(|top| top["kind"].clone()), Ok(json!("A")));
        assert_eq!(top("spec:\n  - \"a\"\n\"kind\": A\n").map(|top| top["kind"].clone()), Ok(json!("A")));
        assert_eq!(top("spec: &x {a: 1}\nkind: *x\n"), Ok(json!({"spec": {"a": 1}, "kind": {"a": 1}})));
        assert_eq!(top("spec: .inf\nspec: {a: .nan}\nspec: 1\nkind: A").map(|top| top["kind"].clone()), Ok(json!("A")));
        for text in [
            "spec: {a: .inf}",
            "spec: [!!int x]",
            "spec: {~: 1}",
            "spec: {a: *b}",
            "spec: {<<: 1}",
            "spec: {{a: b}: c}",
            "spec: {a: [}",
            "spec:\n\t- a",
            "- 1\n- .nan",
            "a: 1\nb: 2\n? [x]\n: y",
            "a: !!int \"x\"",
            "a: \"\\q\"",
            "a: |\n\tb",
            "a: !!int |\n  b",
            "spec: {? {1: x, a: y} : z}",
            "spec: &x {<<: *x}",
        ] {
            assert_eq!(top(text), parse(text).map_err(|error| error.to_string()), "{text}");
            assert!(top(text).is_err(), "{text}");
        }
    }

    #[test]
    fn splits_streams() {
        let found = documents("a: 1\n---\n# nothing\n---\nb: 2\n").expect("reads");
        let values: Vec<(usize, Value)> = found.into_iter().map(|document| (document.line, document.value)).collect();
        assert_eq!(values[0], (1, json!({"a": 1})));
        assert_eq!(values[2], (5, json!({"b": 2})));
    }
}
