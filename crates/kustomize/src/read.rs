//! YAML files as kustomize reads them. It decodes with yaml.v3, where `yes`, `no`, `on` and `off` are text, unlike in the rest of
//! Kubernetes; numbers take the form they have after a trip through JSON.

use go_encoding::yaml::node::{self, Data, Node, Style};
use serde_json::{Map, Value};

use crate::Files;
use crate::error::Error;
use crate::keys::Key;
use crate::kustomization::Place;
use crate::scalar::{Source, is_null, keep_nulls, keep_spelling, marked, quote, settle, text_at};

/// A document of a file.
#[derive(Debug, Clone, PartialEq)]
pub struct Manifest {
    /// Its content.
    pub value: Value,
    /// The line on which it starts, counted from 1.
    pub line: usize,
}

/// A document that may become an object, with what only the end of a build makes errors.
#[derive(Debug, Clone)]
pub(crate) struct Document {
    /// Its content, unsettled.
    pub(crate) value: Value,
    /// The line on which it starts.
    pub(crate) line: usize,
    /// Keys that are no texts.
    pub(crate) keys: Vec<Key>,
}

impl Document {
    /// Returns what is in a list that kustomize writes as JSON and reads again.
    pub(crate) fn rewritten_items(self) -> Result<Vec<Document>, String> {
        if let Some(key) = self.keys.first() {
            return Err(key.message());
        }
        if !self.has_items() {
            return Err("the items of a kind that ends in List are a list, which kustomize takes apart".to_string());
        }
        let rewritten = |mut document: Document| {
            settle(&mut document.value);
            quote(&mut document.value);
            keep_spelling(&mut document.value);
            document
        };
        Ok(self.items().map(rewritten).collect())
    }

    /// Returns whether it holds a list of objects (`api/resource/factory.go`, inlineAnyEmbeddedLists).
    pub(crate) fn is_list(&self) -> bool {
        let kind = text_at(&self.value, &["kind"]);
        kind.ends_with("List") && self.value.get("items").is_some()
    }

    fn has_items(&self) -> bool {
        self.value.get("items").is_some_and(|items| items.is_array() || is_null(items))
    }

    /// Returns what is in a list.
    fn items(mut self) -> impl Iterator<Item = Document> {
        self.keys.iter_mut().for_each(Key::enter);
        let items = self.value.get_mut("items").and_then(Value::as_array_mut).map(std::mem::take).unwrap_or_default();
        let (line, keys) = (self.line, self.keys);
        items.into_iter().map(move |value| Document { value, line, keys: keys.clone() })
    }
}

/// Reads the documents of YAML text; empty ones are left out. `path` is only for errors.
pub fn manifests(path: &str, text: &[u8]) -> Result<Vec<Manifest>, Error> {
    let read = |node: Node| value_of(&node).map(|value| Manifest { value, line: node.line });
    let found = nodes(path, text)?.into_iter().map(read).collect::<Result<Vec<_>, _>>().map_err(|fault| fault.in_file(path))?;
    Ok(found.into_iter().filter(|manifest| !is_null(&manifest.value)).collect())
}

/// Reads the documents of YAML text that are objects.
pub(crate) fn objects(path: &str, text: &[u8]) -> Result<Vec<Document>, Error> {
    unsettled(path, text, false)
}

/// Reads the documents of YAML text that are patches.
pub(crate) fn patches(path: &str, text: &[u8]) -> Result<Vec<Document>, Error> {
    unsettled(path, text, true)
}

fn unsettled(path: &str, text: &[u8], is_patch: bool) -> Result<Vec<Document>, Error> {
    let separators = separators(path, text)?;
    let source = Source::new(std::str::from_utf8(text).unwrap_or(""));
    let mut found = Vec::new();
    let mut last_part = None;
    for node in nodes(path, text)? {
        // Of what stands between two separators only the first document counts.
        let part = separators.partition_point(|line| *line < node.line);
        if last_part.replace(part) == Some(part) {
            continue;
        }
        let mut value = value_of(&node).map_err(|fault| fault.in_file(path))?;
        value = marked(&node, value, &source);
        keep_spelling(&mut value);
        if !is_patch {
            keep_nulls(&node, &mut value);
        }
        let is_empty = value.as_object().is_some_and(Map::is_empty) || value.as_array().is_some_and(Vec::is_empty);
        if !is_null(&value) && !is_empty {
            found.push(Document { value, line: node.line, keys: Key::all(path, &node) });
        }
    }
    // The items of a list that is all there is in a file stay as they are written.
    let kind = |document: &Document| text_at(&document.value, &["kind"]).to_string();
    match (found.len(), separators.len(), found.pop()) {
        (1, 0, Some(list)) if matches!(kind(&list).as_str(), "List" | "ResourceList") && list.has_items() => Ok(list.items().collect()),
        (_, _, last) => {
            found.extend(last);
            Ok(found)
        }
    }
}

/// Returns the lines of the separators. kustomize takes documents apart before it reads them: what stands behind `---`, and directives, it does not understand
/// (`kyaml/kio/byteio_reader.go`, splitDocuments).
fn separators(path: &str, text: &[u8]) -> Result<Vec<usize>, Error> {
    let fail = |at: usize, message: &str| Err(Error::at(&Place { file: path.to_string(), line: at + 1, column: 1 }, message));
    let (mut is_start, mut found) = (true, Vec::new());
    for (at, whole) in text.split(|byte| *byte == b'\n').enumerate() {
        let line = whole.trim_ascii();
        // What is indented is part of a text.
        if let Some(behind) = whole.strip_prefix(b"---").filter(|_| at > 0) {
            if !matches!(behind.trim_ascii().first(), None | Some(b'#')) {
                return fail(at, "kustomize wants nothing but a comment behind ---");
            }
            found.push(at + 1);
        }
        if is_start && line.starts_with(b"%") {
            return fail(at, "kustomize does not understand directives such as %YAML");
        }
        is_start &= line.is_empty() || line.starts_with(b"#");
    }
    Ok(found)
}

pub(crate) fn nodes(path: &str, text: &[u8]) -> Result<Vec<Node>, Error> {
    let text = std::str::from_utf8(text).map_err(|_| Error::path(path, "not UTF-8 text"))?;
    node::parse(text).map_err(|error| match error {
        go_encoding::yaml::Error::Syntax { line, at, message } => {
            let (line, column) = at.unwrap_or((line.unwrap_or(1), 1));
            Error::At { file: path.to_string(), line, column, message }
        }
        error => Error::path(path, error.to_string()),
    })
}

/// Returns the text of a file that must be there.
pub(crate) fn text(files: &dyn Files, path: &str) -> Result<Option<Vec<u8>>, Error> {
    files.read(path).map_err(|message| Error::path(path, message))
}

/// Returns whether kustomize fetches a file from a network (`api/internal/loader/fileloader.go`, Load).
pub(crate) fn is_address(file: &str) -> bool {
    file.starts_with("https://") || file.starts_with("http://")
}

/// Returns the text of a file that may be encrypted.
pub(crate) fn private_text(files: &dyn Files, path: &str, name: &str) -> Result<Option<Vec<u8>>, Error> {
    files.read_private(path, name).map_err(|message| Error::path(path, message))
}

/// What is wrong with a node, and where.
#[derive(Debug)]
pub(crate) struct Fault {
    line: usize,
    column: usize,
    message: String,
}

impl Fault {
    fn at(node: &Node, message: impl Into<String>) -> Fault {
        Fault { line: node.line, column: node.column, message: message.into() }
    }

    fn in_file(self, path: &str) -> Error {
        let Fault { line, column, message } = self;
        Error::At { file: path.to_string(), line, column, message }
    }
}

/// Returns a node as kustomize decodes it.
pub(crate) fn value_of(node: &Node) -> Result<Value, Fault> {
    match &node.data {
        Data::Scalar { text, style, value } => Ok(scalar(text, style, value)),
        Data::Sequence(items) => items.iter().map(value_of).collect::<Result<_, _>>().map(Value::Array),
        Data::Mapping(entries) => mapping(entries),
    }
}

fn mapping(entries: &[(Node, Node)]) -> Result<Value, Fault> {
    let mut map = Map::new();
    let mut merged = Map::new();
    let mut has_merged = false;
    for (key, node) in entries {
        let Data::Scalar { text, style, .. } = &key.data else {
            return Err(Fault::at(key, "a mapping key must be text"));
        };
        let value = value_of(node)?;
        if text == "<<" && *style == Style::Plain {
            if std::mem::replace(&mut has_merged, true) {
                return Err(Fault::at(key, "there are two merge keys (<<); merge a list instead"));
            }
            merge(&mut merged, value).map_err(|message| Fault::at(node, message))?;
        } else if map.insert(text.clone(), value).is_some() {
            let is_it = |(key, _): &&(Node, Node)| matches!(&key.data, Data::Scalar { text: other, .. } if other == text);
            let first = entries.iter().find(is_it).map_or(key.line, |(key, _)| key.line);
            return Err(Fault::at(key, format!("mapping key {text:?} is defined twice, the first time on line {first}")));
        }
    }
    for (key, value) in merged {
        map.entry(key).or_insert(value);
    }
    Ok(Value::Object(map))
}

/// Of several merged mappings the first one has precedence.
fn merge(into: &mut Map<String, Value>, value: Value) -> Result<(), String> {
    match value {
        Value::Object(map) => map.into_iter().for_each(|(key, value)| {
            into.entry(key).or_insert(value);
        }),
        Value::Array(items) => items.into_iter().try_for_each(|item| merge(into, item))?,
        _ => return Err("map merge requires map or sequence of maps as the value".to_string()),
    }
    Ok(())
}

/// Returns what a scalar means, as kustomize decodes it.
pub(crate) fn scalar(text: &str, style: &Style, value: &Value) -> Value {
    if *style == Style::Folded {
        return Value::from(refolded(text));
    }
    if *style != Style::Plain {
        return value.clone();
    }
    match value {
        Value::Bool(_) if !matches!(text, "true" | "True" | "TRUE" | "false" | "False" | "FALSE") => Value::String(text.to_string()),
        Value::Number(number) if number.is_f64() => {
            serde_json::from_str(&go_encoding::json::number(number)).unwrap_or_else(|_| value.clone())
        }
        Value::String(_) => octal(text).map(Value::from).or_else(|| timestamp(text).map(Value::from)).unwrap_or_else(|| value.clone()),
        value => value.clone(),
    }
}

/// Returns what is left of a folded scalar after yaml.v3 wrote it and read it again, which kustomize does with every object: a line that
/// is indented more than the one before it gets an empty line in front (`emitterc.go` looks at the start of the text, not ahead).
fn refolded(text: &str) -> String {
    let first = text.trim_start_matches('\n').chars().next();
    if first.is_none_or(|c| c == ' ' || c == '\t') {
        return text.to_string();
    }
    let mut out = String::with_capacity(text.len());
    let mut is_indented = true;
    let mut lines = text.split_inclusive('\n').peekable();
    while let Some(line) = lines.next() {
        let is_empty = line == "\n";
        if !is_empty {
            is_indented = line.starts_with([' ', '\t']);
        }
        out.push_str(line);
        let mut after = lines.clone().skip_while(|next| *next == "\n");
        if !is_empty && !is_indented && after.next().is_some_and(|next| next.starts_with([' ', '\t'])) {
            out.push('\n');
        }
    }
    out
}

/// Reads `0o17`, which only yaml.v3 takes for a number.
fn octal(text: &str) -> Option<i64> {
    i64::from_str_radix(text.strip_prefix("0o")?, 8).ok()
}

/// Returns a timestamp as Go prints one in JSON. yaml.v3 decodes plain ones, from `2001-2-3` to `2001-02-03T04:05:06.7+01:00`.
fn timestamp(text: &str) -> Option<String> {
    let number = |text: &str, most: usize| -> Option<u32> {
        (!text.is_empty() && text.len() <= most && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
    };
    let (year, rest) = text.split_once('-').filter(|(year, _)| year.len() == 4)?;
    let (month, rest) = rest.split_once('-')?;
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let (day, rest) = rest.split_at(end);
    let (year, month, day) = (number(year, 4)?, number(month, 2)?, number(day, 2)?);
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        2 => 28 + u32::from(is_leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    if !(1..=12).contains(&month) || !(1..=days).contains(&day) {
        return None;
    }
    let date = format!("{year:04}-{month:02}-{day:02}");
    if rest.is_empty() {
        return Some(format!("{date}T00:00:00Z"));
    }
    let is_spaced = rest.starts_with(' ');
    let rest = rest.strip_prefix(['T', 't', ' '])?;
    let mut parts = rest.splitn(3, ':');
    let (hour, minute, rest) = (number(parts.next()?, 2)?, number(parts.next()?, 2)?, parts.next()?);
    let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
    let (seconds, zone) = rest.split_at(end);
    let (second, fraction) = seconds.split_once('.').unwrap_or((seconds, ""));
    let second = number(second, 2)?;
    let is_zone = match zone {
        "" => is_spaced,
        "Z" => !is_spaced,
        zone => {
            !is_spaced
                && zone.len() == 6
                && zone.starts_with(['+', '-'])
                && zone.as_bytes()[3] == b':'
                && zone.bytes().filter(u8::is_ascii_digit).count() == 4
        }
    };
    if hour > 23 || minute > 59 || second > 59 || !is_zone || fraction.contains('.') {
        return None;
    }
    let fraction = fraction[..fraction.len().min(9)].trim_end_matches('0');
    let point = if fraction.is_empty() { "" } else { "." };
    let zone = if matches!(zone, "" | "+00:00") { "Z" } else { zone };
    Some(format!("{date}T{hour:02}:{minute:02}:{second:02}{point}{fraction}{zone}"))
}

#[cfg(test)]
mod tests {
    #[test]
    fn timestamps() {
        let check = |text: &str, expected: Option<&str>| assert_eq!(super::timestamp(text).as_deref(), expected, "{text}");
        check("2024-1-2", Some("2024-01-02T00:00:00Z"));
        check("2024-02-30", None);
        check("2024-01-02T03:04:05.120Z", Some("2024-01-02T03:04:05.12Z"));
        check("2024-01-02 3:4:5", Some("2024-01-02T03:04:05Z"));
        check("2024-01-02t03:04:05+01:30", Some("2024-01-02T03:04:05+01:30"));
        check("2024-01-02T03:04:05", None);
        check("1.2.3-4", None);
    }

    use super::*;
    use serde_json::json;

    #[test]
    fn decodes_as_kustomize_does() {
        let text = b"a: yes\nb: true\nc: 0o17\nd: 1e3\ne: &x {p: 1, q: 2}\nf:\n  <<: *x\n  q: 3\n---\n---\n# nothing\n---\nz: 1\n";
        let found = manifests("f.yaml", text).unwrap();
        assert_eq!(found[0].value, json!({"a": "yes", "b": true, "c": 15, "d": 1000, "e": {"p": 1, "q": 2}, "f": {"p": 1, "q": 3}}));
        assert_eq!((found.len(), found[1].line), (2, 13));
        assert!(manifests("f.yaml", b"a: 1\na: 2\n").unwrap_err().to_string().contains("defined twice"));
    }
}
