//! Builds JSON values from the event stream: `decode.go` of yaml.v2 into untyped values, then the conversion of sigs yaml (keys become
//! strings, timestamps stay text). Merge keys act in document order and the last of equal keys wins, as there.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Map, Number, Value};

use super::chars::Readable;
use super::event::{Event, Events, Mark, Scalar};
use super::resolve::{self, Resolved};
use super::shown::Shown;
use super::{Error, utf16};

/// How deep documents may nest. go-yaml allows 10,000; ours are read on smaller stacks.
pub(crate) const MAX_DEPTH: usize = 256;

/// How many bytes of text all aliases of a document together may copy. go-yaml shares them, we do not.
const MAX_ALIAS_BYTES: usize = 64 << 20;

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
    Ok(Builder::new().document(&mut events)?.map(|document| document.value).unwrap_or_default())
}

/// Reads every document of a stream, in order. Documents without content are null.
pub fn documents(text: &str) -> Result<Vec<Document>, Error> {
    let mut events = Events::of(text);
    let mut found = Vec::new();
    while let Some(document) = Builder::new().document(&mut events)? {
        found.push(document);
    }
    Ok(found)
}

enum Anchor {
    /// Its node is still being read.
    Open,
    Done {
        value: Value,
        steps: usize,
        bytes: usize,
    },
}

/// A value with what its decoding cost go-yaml, and how many bytes a copy of it holds.
struct Built {
    value: Value,
    steps: usize,
    bytes: usize,
    /// Tells a mapping apart from anything else for merge keys: an alias to one counts.
    is_merge: bool,
}

/// Reads the first document, but of its top level only the entries whose key is wanted: the others are checked and dropped.
///
/// What is no YAML, or cannot become JSON, is an error wherever it stands.
pub fn parse_top(text: &str, is_wanted: fn(&str) -> bool) -> Result<Value, Error> {
    let mut events = Events::of(text);
    let mut builder = Builder { is_wanted: Some(is_wanted), ..Builder::new() };
    let read = builder.document(&mut events);
    // What is dropped may be meant by an alias or merged.
    if builder.needs_all { parse(text) } else { Ok(read?.map(|document| document.value).unwrap_or_default()) }
}

struct Builder {
    /// Which entries of the top level are kept; all where nothing says so.
    is_wanted: Option<fn(&str) -> bool>,
    needs_all: bool,
    anchors: HashMap<String, Anchor>,
    /// The first fault of the content; go-yaml reports it only after the whole document has been read.
    fault: Option<Error>,
    steps: usize,
    alias_steps: usize,
    alias_bytes: usize,
}

impl Builder {
    fn new() -> Builder {
        Builder { is_wanted: None, needs_all: false, anchors: HashMap::new(), fault: None, steps: 0, alias_steps: 0, alias_bytes: 0 }
    }

    fn document(&mut self, events: &mut Events) -> Result<Option<Document>, Error> {
        match events.next()? {
            (Event::DocumentStart, _) => {}
            _ => return Ok(None),
        }
        let (event, mark) = events.next()?;
        let built = self.node(event, mark, events, 0)?;
        match events.next()? {
            (Event::DocumentEnd, _) => {}
            _ => return Err(Error::plain("expected end of document")),
        }
        match self.fault.take() {
            Some(fault) => Err(fault),
            None => Ok(Some(Document { line: mark.line, value: built.value })),
        }
    }

    fn fail(&mut self, fault: Error) {
        // Keys are looked at once all of the YAML is decoded, and numbers once all of the keys are.
        let stage = |fault: &Error| match fault {
            Error::Syntax { .. } => 0,
            Error::Key { .. } => 1,
            Error::Number(_) => 2,
        };
        if self.fault.as_ref().is_none_or(|first| stage(&fault) < stage(first)) {
            self.fault = Some(fault);
        }
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
            Event::Alias(name) => self.alias(name),
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

    fn close(&mut self, anchor: Option<&str>, built: &Built) {
        if let Some(name) = anchor {
            let done = Anchor::Done { value: built.value.clone(), steps: built.steps, bytes: built.bytes };
            self.anchors.insert(name.to_owned(), done);
        }
    }

    fn alias(&mut self, name: &str) -> Result<Built, Error> {
        let (value, steps, bytes) = match self.anchors.get(name) {
            None => return Err(Error::plain(format!("unknown anchor '{name}' referenced"))),
            Some(Anchor::Open) => {
                self.fail(Error::plain(format!("anchor '{name}' value contains itself")));
                (Value::Null, 1, 0)
            }
            Some(Anchor::Done { value, steps, bytes }) => {
                let copied = self.alias_bytes.saturating_add(*bytes);
                let expanded = self.steps.saturating_add(*steps);
                let aliased = self.alias_steps.saturating_add(*steps);
                if excessive(aliased, expanded) || copied > MAX_ALIAS_BYTES {
                    return Err(Error::plain("document contains excessive aliasing"));
                }
                (value.clone(), *steps, *bytes)
            }
        };
        self.steps += steps + 1;
        self.alias_steps += steps;
        self.alias_bytes += bytes;
        Ok(Built { value, steps: steps + 1, bytes, is_merge: false })
    }

    fn scalar(&mut self, scalar: Scalar) -> Built {
        self.step();
        let is_merge = is_merge(&scalar);
        let value = match scalar_value(&scalar) {
            Ok(value) => value,
            Err(fault) => {
                self.fail(fault);
                Value::Null
            }
        };
        let bytes = 32 + scalar.value.len();
        let built = Built { value, steps: 1, bytes, is_merge };
        self.close(scalar.anchor, &built);
        built
    }

    /// Steps over a scalar key, whose value is of use to nobody but an alias to it.
    fn key(&mut self, scalar: Scalar) -> Built {
        if scalar.anchor.is_some() {
            return self.scalar(scalar);
        }
        self.step();
        Built { value: Value::Null, steps: 1, bytes: 32 + scalar.value.len(), is_merge: is_merge(&scalar) }
    }

    fn sequence(&mut self, anchor: Option<&str>, events: &mut Events, depth: usize) -> Result<Built, Error> {
        self.step();
        self.open(anchor);
        let mut items = Vec::new();
        let (mut steps, mut bytes) = (1, 32);
        loop {
            let (event, mark) = events.next()?;
            if matches!(event, Event::SequenceEnd) {
                break;
            }
            let item = self.node(event, mark, events, depth + 1)?;
            steps += item.steps;
            bytes += item.bytes;
            items.push(item.value);
        }
        let built = Built { value: Value::Array(items), steps, bytes, is_merge: false };
        self.close(anchor, &built);
        Ok(built)
    }

    fn mapping(&mut self, anchor: Option<&str>, events: &mut Events, depth: usize) -> Result<Built, Error> {
        self.step();
        self.open(anchor);
        let mut map = Map::new();
        let mut is_own_fault = false;
        let (mut steps, mut bytes) = (1, 32);
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
                    (Some(name), self.key(scalar))
                }
                alias @ Event::Alias(_) => (None, self.node(alias, mark, events, depth + 1)?),
                // No collection can be a key: it is read for what the error prints.
                collection => {
                    let key = self.shown(collection, mark, events, depth + 1)?;
                    self.fail(Error::plain(format!("invalid map key: {key}")));
                    let (event, mark) = events.next()?;
                    self.node(event, mark, events, depth + 1)?;
                    continue;
                }
            };
            let (event, mark) = events.next()?;
            if let Some(Err(fault)) = name {
                // The key is converted before the value.
                let earlier = self.fault.take();
                let value = self.shown(event, mark, events, depth + 1)?;
                let inner = std::mem::replace(&mut self.fault, earlier);
                // Of equal keys only the last one is left.
                is_own_fault |= self.fault.is_none();
                if is_own_fault {
                    self.fault = None;
                }
                self.fail(fault.with_value(value));
                inner.into_iter().for_each(|fault| self.fail(fault));
                continue;
            }
            if depth == 0
                && let Some(is_wanted) = self.is_wanted
                && let Some(Ok(name)) = &name
                && !key.is_merge
                && !is_wanted(name)
            {
                events.drop_quoted(true);
                self.skim(event, mark, events, depth + 1)?;
                events.drop_quoted(false);
                continue;
            }
            if key.is_merge && matches!(event, Event::Scalar(_)) {
                // What it means is not looked at.
                self.fail(no_merge());
            }
            let value = self.node(event, mark, events, depth + 1)?;
            steps += key.steps + value.steps;
            bytes += key.bytes + value.bytes;
            if key.is_merge {
                if let Err(fault) = merge(&mut map, value.value) {
                    self.fail(fault);
                }
                continue;
            }
            match name.unwrap_or_else(|| value_key(&key.value)) {
                Ok(name) => {
                    map.insert(name, value.value);
                }
                Err(fault) => self.fail(fault.with_value(&value.value)),
            }
        }
        let built = Built { value: Value::Object(map), steps, bytes, is_merge: false };
        self.close(anchor, &built);
        Ok(built)
    }
}

impl Builder {
    /// Reads a node for what an error says of it; the document is refused in any case.
    fn shown(&mut self, event: Event, mark: Mark, events: &mut Events, depth: usize) -> Result<Shown, Error> {
        match event {
            Event::SequenceStart(anchor) if depth <= MAX_DEPTH => {
                self.open(anchor);
                let mut items = Vec::new();
                loop {
                    match events.next()? {
                        (Event::SequenceEnd, _) => break,
                        (event, mark) => items.push(self.shown(event, mark, events, depth + 1)?),
                    }
                }
                self.close(anchor, &Built { value: Value::Null, steps: 1, bytes: 0, is_merge: false });
                Ok(Shown::List(items))
            }
            Event::MappingStart(anchor) if depth <= MAX_DEPTH => {
                self.open(anchor);
                let mut entries = BTreeMap::new();
                loop {
                    let (key, mark) = match events.next()? {
                        (Event::MappingEnd, _) => break,
                        key => key,
                    };
                    let is_merge = matches!(&key, Event::Scalar(scalar) if is_merge(scalar));
                    let key = self.shown(key, mark, events, depth + 1)?;
                    let (event, mark) = events.next()?;
                    match (self.shown(event, mark, events, depth + 1)?, key) {
                        (Shown::Map(merged), _) if is_merge => entries.extend(merged),
                        (Shown::List(all), _) if is_merge && all.iter().all(|item| matches!(item, Shown::Map(_))) => {
                            // Backwards, because earlier items win.
                            let maps = all.into_iter().rev().filter_map(|item| if let Shown::Map(map) = item { Some(map) } else { None });
                            maps.for_each(|map| entries.extend(map));
                        }
                        _ if is_merge => self.fail(no_merge()),
                        (_, key @ (Shown::List(_) | Shown::Map(_))) => self.fail(Error::plain(format!("invalid map key: {key}"))),
                        (value, key) => drop(entries.insert(key, value)),
                    }
                }
                self.close(anchor, &Built { value: Value::Null, steps: 1, bytes: 0, is_merge: false });
                Ok(Shown::Map(entries))
            }
            Event::Scalar(scalar) => {
                let shown = Shown::scalar(&scalar);
                self.scalar(scalar);
                Ok(shown)
            }
            other => self.node(other, mark, events, depth).map(|built| Shown::from(&built.value)),
        }
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
                if may_be_wrong && let Err(fault) = scalar_value(&scalar) {
                    self.fail(fault);
                }
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
        // An error about a key tells the value as well, which is not at hand.
        let is_wrong = !is_text && key_name(scalar).is_err();
        self.needs_all |= scalar.anchor.is_some() || is_merge(scalar) || is_wrong;
    }
}

/// go-yaml's guard against documents whose size is mostly made of aliases (`decode.go`).
fn excessive(aliased: usize, steps: usize) -> bool {
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

pub(crate) fn is_merge(scalar: &Scalar) -> bool {
    scalar.value == "<<" && (scalar.implicit || scalar.tag.as_deref() == Some("tag:yaml.org,2002:merge"))
}

fn no_merge() -> Error {
    Error::plain("map merge requires map or sequence of maps as the value")
}

/// Applies a merge: what comes later in the document overrides it, what came before is overridden.
pub(crate) fn merge(map: &mut Map<String, Value>, value: Value) -> Result<(), Error> {
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
        Resolved::Str if scalar.tag.as_deref() == Some("tag:yaml.org,2002:binary") => Value::String(binary(&scalar.value)?),
        Resolved::Str => Value::String(scalar.value.clone().into_owned()),
    })
}

fn no_number(value: f64) -> &'static str {
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

/// Returns the JSON key of a scalar key (`convertToJSONableObject` of sigs yaml).
pub(crate) fn key_name(scalar: &Scalar) -> Result<String, Error> {
    let wrong = |kind, key: String| Err(Error::Key { kind, key, value: String::new() });
    match meaning(scalar)? {
        Resolved::Str if scalar.tag.as_deref() == Some("tag:yaml.org,2002:binary") => binary(&scalar.value),
        Resolved::Str => Ok(scalar.value.clone().into_owned()),
        Resolved::Int(value) => Ok(value.to_string()),
        Resolved::Float(value) => Ok(float_key(value)),
        Resolved::Bool(value) => Ok(value.to_string()),
        Resolved::Null => wrong("%!s(<nil>)", "<nil>".to_owned()),
        Resolved::Uint(value) => wrong("uint64", format!("{value:#x}")),
        // Only untyped values keep their text; sigs yaml sees a string here too.
        Resolved::Timestamp => Ok(scalar.value.clone().into_owned()),
    }
}

/// Returns the JSON key of a key that was an alias or a collection.
pub(crate) fn value_key(key: &Value) -> Result<String, Error> {
    match key {
        Value::String(text) => Ok(text.clone()),
        Value::Bool(value) => Ok(value.to_string()),
        Value::Number(number) => Ok(match (number.as_i64(), number.as_f64()) {
            (Some(integer), _) => integer.to_string(),
            (None, Some(float)) => float_key(float),
            (None, None) => number.to_string(),
        }),
        Value::Null => Err(Error::Key { kind: "%!s(<nil>)", key: "<nil>".to_owned(), value: String::new() }),
        Value::Array(_) | Value::Object(_) => Err(Error::plain(format!("invalid map key: {}", Shown::from(key)))),
    }
}

fn float_key(value: f64) -> String {
    if value.is_nan() {
        ".nan".to_owned()
    } else if value.is_infinite() {
        if value > 0.0 { ".inf" } else { "-.inf" }.to_owned()
    } else {
        crate::float::general_32(value)
    }
}

impl Error {
    /// Fills in the value of a key error, as `%+#v` prints it.
    pub(super) fn with_value(self, value: impl Into<Shown>) -> Error {
        match self {
            Error::Key { kind, key, .. } => {
                let value = value.into();
                let value = if value == Shown::Null { "<nil>".to_owned() } else { value.to_string() };
                Error::Key { kind, key, value }
            }
            other => other,
        }
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
    fn reads_the_top_of_documents() {
        let is_wanted: fn(&str) -> bool = |key| key == "kind";
        let top = |text: &str| parse_top(text, is_wanted).map_err(|error| error.to_string());
        assert_eq!(top("kind: A\nspec: {kind: B, x: [1, {y: .5}]}\n"), Ok(json!({"kind": "A"})));
        assert_eq!(top("spec: \"a\\n\"\n\"kind\": \"A\\t\"\nx: 'it''s'\n"), Ok(json!({"kind": "A\t"})));
        assert_eq!(top("spec:\n  - \"a\"\n\"kind\": A\n").map(|top| top["kind"].clone()), Ok(json!("A")));
        assert_eq!(top("spec: &x {a: 1}\nkind: *x\n"), Ok(json!({"spec": {"a": 1}, "kind": {"a": 1}})));
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
