//! Scalars on their way through a build. kustomize keeps for each its text, whether it has quotes, and a type that it may have forgotten;
//! where that matters, and a JSON value cannot say it, the value is a text with a mark in front, which no plain text has. At the end
//! [`settle`] makes of all of them what kustomize prints.

use go_encoding::yaml::node::{self, Data, Node, Style};
use serde_json::{Map, Value};

use crate::read;

/// A value that is nothing at all (`key:`). A patch removes it, where it leaves a written `null`; until a build is done the two are told
/// apart by this text, which no YAML can hold.
const NOTHING: &str = "\0";

/// The same between braces or brackets (`{key: }`), where kustomize prints an empty text in the end.
const NOTHING_IN_FLOW: &str = "\0\0";

/// What a null starts with that is written otherwise than `null`.
const NULL: &str = "\0~";

/// What a scalar starts with whose type is that of its text. Replacements and `images` make such ones; a strategic merge patch that goes over
/// them makes texts of them (`kyaml/yaml/fns.go`, FieldSetter).
const UNTYPED: &str = "\0=";

/// What a number, boolean or time starts with that is written otherwise than JSON writes it: kustomize copies and shows it as written.
const SPELT: &str = "\0#";

/// What a text starts with that has no quotes and would be something else by its looks: kustomize has noted that it is a text.
const TAGGED: &str = "\0'";

/// What a text starts with that has quotes and needs none: what takes its place has them too.
const QUOTED: &str = "\0\"";

/// What a number, boolean or time starts with that a patch put between quotes, before a letter for the type: it is printed as a text, as long
/// as it is not given another one.
const QUOTED_AS: &str = "\0&";

/// What a scalar starts with whose text does not fit its type, before a letter for the type. It is an error, unless something takes it away.
const MISFIT: &str = "\0!";

/// Up to where every integer is a floating-point number: 2^53.
const MAX_EXACT: f64 = 9_007_199_254_740_992.0;

/// Returns whether a value is null, written or not.
pub(crate) fn is_null(value: &Value) -> bool {
    is_written_null(value) || value.as_str().is_some_and(|text| text == NOTHING || text == NOTHING_IN_FLOW)
}

/// Returns whether a value is null and says so.
pub(crate) fn is_written_null(value: &Value) -> bool {
    value.is_null() || value.as_str().is_some_and(|text| text.starts_with(NULL))
}

/// Returns whether a scalar has the type of its text.
pub(crate) fn is_untyped(value: &Value) -> bool {
    value.as_str().is_some_and(|text| text.starts_with(UNTYPED))
}

/// Returns whether a scalar is no text, though it is kept as one.
pub(crate) fn is_spelt(value: &Value) -> bool {
    value.as_str().is_some_and(|text| text.starts_with(SPELT) || text.starts_with(QUOTED_AS))
}

/// Returns whether a text is in quotes or a block.
pub(crate) fn is_quoted(text: &str) -> bool {
    text.starts_with(QUOTED) || text.starts_with(QUOTED_AS) || !text.starts_with('\0') && needs_quotes(text)
}

/// Returns whether a text is something else without quotes, or nothing.
fn needs_quotes(text: &str) -> bool {
    !is_text(text) || cannot_be_plain(text)
}

/// Returns whether YAML has no way to write a text without quotes.
fn cannot_be_plain(text: &str) -> bool {
    let starts_so = text.starts_with(|c| ",[]{}#&*!|>'\"%@`".contains(c)) || ["- ", "? ", ": "].iter().any(|start| text.starts_with(start));
    let is_plain = !starts_so && !text.ends_with(':') && !text.contains(": ") && !text.contains(" #");
    text.trim() != text || text.is_empty() || !is_plain || text.contains(char::is_control)
}

/// Returns whether a plain scalar is a text.
pub(crate) fn is_text(text: &str) -> bool {
    if !may_be_other(text) {
        return true;
    }
    let unsigned = text.trim_start_matches(['+', '-']);
    let is_infinite = ["inf", "Inf", "INF", "nan", "NaN", "NAN"].iter().any(|name| unsigned.strip_prefix('.') == Some(name));
    !is_infinite && matches!(plain(text), Value::String(found) if found == text)
}

/// Returns whether a text could be anything else without quotes.
fn may_be_other(text: &str) -> bool {
    let starts_so = text.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c)) && !text.contains('\n');
    starts_so || matches!(text, "~" | "null" | "Null" | "NULL" | "true" | "True" | "TRUE" | "false" | "False" | "FALSE")
}

/// Returns what a scalar means that is written without quotes where YAML can.
pub(crate) fn plain(text: &str) -> Value {
    let node = may_be_other(text).then(|| node::parse(text).ok()).flatten().and_then(|nodes| nodes.into_iter().next());
    match node.map(|node| node.data) {
        Some(Data::Scalar { text: found, style: Style::Plain, value }) if found == text => read::scalar(text, &Style::Plain, &value),
        _ => Value::from(text),
    }
}

/// Returns a scalar that has the type of its text until a strategic merge patch goes over it.
pub(crate) fn untyped(text: &str) -> Value {
    Value::String(format!("{UNTYPED}{text}"))
}

/// Returns a text that has no quotes.
pub(crate) fn tagged(text: &str) -> Value {
    if is_text(text) { Value::from(text) } else { Value::String(format!("{TAGGED}{text}")) }
}

/// Returns a text of a generated object, which has no quotes where it is empty.
pub(crate) fn generated(text: &str) -> Value {
    Value::from(if text.is_empty() { TAGGED } else { text })
}

/// Returns a text in quotes.
fn quoted(text: &str) -> Value {
    if needs_quotes(text) { Value::from(text) } else { Value::String(format!("{QUOTED}{text}")) }
}

/// Returns a text that takes the place of a scalar, with quotes as that has them.
pub(crate) fn text_as(before: &Value, text: &str) -> Value {
    if before.as_str().is_some_and(is_quoted) { quoted(text) } else { tagged(text) }
}

/// Sets a field to a text as kustomize sets names: with the quotes that were there.
pub(crate) fn set_field(map: &mut Map<String, Value>, key: &str, text: &str) {
    let value = map.get(key).map_or_else(|| merged(untyped(text), None), |before| replaced(before, text));
    map.insert(key.to_string(), value);
}

/// Puts all texts into quotes, as JSON has them.
pub(crate) fn quote(value: &mut Value) {
    match value {
        Value::String(text) => *value = quoted(text),
        Value::Array(items) => items.iter_mut().for_each(quote),
        Value::Object(map) => map.values_mut().for_each(quote),
        _ => {}
    }
}

/// Returns what a strategic merge patch makes of a scalar. If it takes the place of one, it is in quotes where that was; else it gets
/// them where YAML 1.1 takes it for something else than a text (`kyaml/yaml/fns.go`, FieldSetter).
pub(crate) fn merged(value: Value, before_is_quoted: Option<bool>) -> Value {
    let is_scalar = !value.is_object() && !value.is_array() && !is_null(&value);
    let is_string = is_scalar && value.is_string() && !is_spelt(&value) && misfit(&value).is_none();
    match (before_is_quoted, &value) {
        (Some(true), Value::String(text)) if is_string => quoted(written(text)),
        (Some(true), value) if is_scalar && misfit(value).is_none() => {
            let text = as_text(value);
            Value::String(format!("{QUOTED_AS}{}{text}", class_as_plain(&text)))
        }
        (Some(false), Value::String(text)) if is_quoted(text) => tagged(written(text)),
        (None, Value::String(text)) if is_string && !is_quoted(text) && is_other_in_yaml_1_1(written(text)) => quoted(written(text)),
        _ => value,
    }
}

/// Returns whether a text without quotes is a number or boolean in YAML 1.1.
fn is_other_in_yaml_1_1(text: &str) -> bool {
    let words = ["y", "yes", "on", "n", "no", "off"];
    (may_be_other(text) || words.iter().any(|word| word.eq_ignore_ascii_case(text)))
        && matches!(go_encoding::yaml::parse(text), Ok(Value::Bool(_) | Value::Number(_)))
}

/// Returns a text that kustomize puts in the place of a scalar: it has the type that it looks like, unless what was there had quotes
/// (`kyaml/yaml/fns.go`, FieldSetter).
pub(crate) fn replaced(before: &Value, text: &str) -> Value {
    if before.as_str().is_some_and(is_quoted) { quoted(text) } else { untyped(text) }
}

/// Returns a scalar with another text and the type that it has.
pub(crate) fn rewritten(field: &Value, text: &str) -> Value {
    if is_untyped(field) {
        return untyped(text);
    }
    if let Some(class) = field.as_str().and_then(|held| held.strip_prefix(QUOTED_AS)?.chars().next()) {
        return match (class, class_as_plain(text)) {
            (wanted, found) if wanted == found => Value::String(format!("{QUOTED_AS}{class}{text}")),
            ('f', 'i') => plain(text),
            _ => Value::String(format!("{MISFIT}{class}{text}")),
        };
    }
    let class = match field {
        Value::String(held) if held.starts_with(MISFIT) => held[MISFIT.len()..].chars().next().unwrap_or('n'),
        Value::String(held) if held.starts_with(SPELT) => class_as_plain(written(held)),
        Value::String(held) if is_quoted(held) => 'q',
        field => class_of(field),
    };
    match (class, class_as_plain(text)) {
        ('n', _) if text.is_empty() => Value::Null,
        ('n', 'n') => null(text),
        ('s', _) => tagged(text),
        ('q', _) => quoted(text),
        ('f', 'i' | 'f') => plain(text),
        (wanted, found) if wanted == found => plain(text),
        _ => Value::String(format!("{MISFIT}{class}{text}")),
    }
}

/// Returns a null that is written in a way.
fn null(text: &str) -> Value {
    if text == "null" { Value::Null } else { Value::String(format!("{NULL}{text}")) }
}

/// Returns the class of a text without quotes; a time is one of its own.
fn class_as_plain(text: &str) -> char {
    match plain(text) {
        Value::String(found) if found != text => 't',
        Value::Number(_) if !text.contains(['x', 'X']) && text.contains(['.', 'e', 'E']) => 'f',
        value => class_of(&value),
    }
}

fn class_of(value: &Value) -> char {
    match value {
        value if is_null(value) => 'n',
        Value::Bool(_) => 'b',
        Value::Number(number) if number.is_f64() => 'f',
        Value::Number(_) => 'i',
        _ => 's',
    }
}

/// Returns the text of a scalar that does not fit its type.
pub(crate) fn misfit(value: &Value) -> Option<&str> {
    match value {
        Value::String(text) => text.strip_prefix(MISFIT).map(|text| text.get(1..).unwrap_or("")),
        Value::Array(items) => items.iter().find_map(misfit),
        Value::Object(map) => map.values().find_map(misfit),
        _ => None,
    }
}

/// Returns whether kustomize writes a text into a block that YAML does not read. What cannot stand in a block it puts into quotes.
pub(crate) fn cannot_be_read_again(text: &str) -> bool {
    let is_in_block =
        !text.ends_with(' ') && !text.contains(" \n") && !text.contains(|c: char| c.is_control() && !matches!(c, '\t' | '\n'));
    text.starts_with('\t') && text.contains('\n') && is_in_block
}

/// Returns the text at a path of keys; none is empty, and so is what is no text.
pub(crate) fn text_at<'a>(value: &'a Value, path: &[&str]) -> &'a str {
    let found = path.iter().try_fold(value, |value, key| value.get(key));
    found.filter(|value| !is_null(value)).and_then(Value::as_str).map_or("", written)
}

/// Returns a text as it is written.
pub(crate) fn written(text: &str) -> &str {
    if let Some(inner) = text.strip_prefix(QUOTED_AS).or_else(|| text.strip_prefix(MISFIT)) {
        return inner.get(1..).unwrap_or("");
    }
    [UNTYPED, SPELT, TAGGED, QUOTED, NULL].iter().find_map(|mark| text.strip_prefix(mark)).unwrap_or(text)
}

/// Returns the text of a scalar, as kustomize reads labels and annotations (`kyaml/yaml/rnode.go`, getMapFromMeta).
pub(crate) fn as_text(value: &Value) -> String {
    match value {
        Value::Object(_) | Value::Array(_) => String::new(),
        value if !is_written_null(value) && is_null(value) => String::new(),
        Value::String(text) => written(text).to_string(),
        value => go_encoding::json::to_string(value),
    }
}

/// Makes written nulls of all others, and gives scalars the type of their text.
pub(crate) fn settle(value: &mut Value) {
    match value {
        Value::String(text) if text == NOTHING || text.starts_with(NULL) => *value = Value::Null,
        Value::String(text) if text == NOTHING_IN_FLOW => *value = Value::from(""),
        Value::String(text) if text.starts_with(UNTYPED) || text.starts_with(SPELT) => *value = plain(written(text)),
        Value::String(text) if [TAGGED, QUOTED, QUOTED_AS].iter().any(|mark| text.starts_with(mark)) => *value = Value::from(written(text)),
        Value::Array(items) => items.iter_mut().for_each(settle),
        Value::Object(map) => map.values_mut().for_each(settle),
        _ => {}
    }
}

/// Gives numbers the form that they have after JSON: all of them were floating point.
pub(crate) fn as_from_json(value: &mut Value) {
    match value {
        Value::Number(number) => {
            let float = number.as_f64().filter(|float| number.is_f64() || float.abs() >= MAX_EXACT);
            if let Some(exact) = float.and_then(serde_json::Number::from_f64) {
                *value = serde_json::from_str(&go_encoding::json::number(&exact)).unwrap_or_else(|_| value.clone());
            }
        }
        Value::Array(items) => items.iter_mut().for_each(as_from_json),
        Value::Object(map) => map.values_mut().for_each(as_from_json),
        _ => {}
    }
}

/// The text of a file, to look up what stands at a place.
pub(crate) struct Source<'a> {
    text: &'a str,
    lines: Vec<usize>,
}

impl<'a> Source<'a> {
    pub(crate) fn new(text: &'a str) -> Source<'a> {
        let ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
        Source { text, lines: std::iter::once(0).chain(ends).collect() }
    }

    /// Returns whether an empty scalar is followed by what ends an entry between braces or brackets.
    fn is_in_flow(&self, node: &Node) -> bool {
        let line = self.lines.get(node.line.saturating_sub(1)).and_then(|start| self.text.get(*start..)).unwrap_or("");
        let mut behind = line.chars().skip(node.column.saturating_sub(1)).skip_while(|c| c.is_whitespace() || *c == ':');
        matches!(behind.next(), Some(',' | '}' | ']'))
    }
}

/// Returns a node with the nulls that are nothing told apart, and scalars that JSON writes otherwise as they are written.
pub(crate) fn marked(node: &Node, value: Value, source: &Source<'_>) -> Value {
    match (&node.data, value) {
        (Data::Scalar { text, style: Style::Plain, .. }, Value::Null) if text.is_empty() => {
            Value::from(if source.is_in_flow(node) { NOTHING_IN_FLOW } else { NOTHING })
        }
        (Data::Scalar { text, style: Style::Plain, .. }, Value::Null) => null(text),
        (Data::Scalar { text, style: Style::Plain, .. }, value) if !value.is_null() && !is_as_json(text, &value) => {
            Value::from(format!("{SPELT}{text}"))
        }
        // A text may start with what marks stand for.
        (Data::Scalar { .. }, Value::String(text)) if text.starts_with('\0') => Value::from(format!("{TAGGED}{text}")),
        (Data::Scalar { style, .. }, Value::String(text)) if *style != Style::Plain => quoted(&text),
        (Data::Sequence(nodes), Value::Array(items)) => {
            Value::Array(nodes.iter().zip(items).map(|(node, item)| marked(node, item, source)).collect())
        }
        (Data::Mapping(entries), Value::Object(mut map)) => {
            for (key, node) in entries {
                if let Some(name) = key.text().filter(|name| *name != "<<")
                    && let Some(value) = map.remove(name)
                {
                    map.insert(name.to_string(), marked(node, value, source));
                }
            }
            Value::Object(map)
        }
        (_, value) => value,
    }
}

/// Returns whether JSON writes a plain scalar the way it is written.
fn is_as_json(text: &str, value: &Value) -> bool {
    match value {
        Value::String(found) => found == text,
        Value::Bool(is) => text == if *is { "true" } else { "false" },
        Value::Number(_)
            if text.len() < 16 && text.starts_with(|c| matches!(c, '1'..='9')) && text.bytes().all(|byte| byte.is_ascii_digit()) =>
        {
            true
        }
        value => go_encoding::json::to_string(value) == text,
    }
}

/// Keeps name, labels and annotations as they are written where they are no texts: kustomize takes them for such.
pub(crate) fn keep_spelling(value: &mut Value) {
    spell_metadata(value, &go_encoding::json::to_string);
}

/// Does so after a JSON patch, which makes floating-point numbers of all numbers; those that Go writes otherwise than JSON keep that too.
pub(crate) fn keep_spelling_of_floats(value: &mut Value) {
    spell_metadata(value, &|value| value.as_f64().map_or_else(|| go_encoding::json::to_string(value), shortest));
    spell_floats(value);
}

fn spell_floats(value: &mut Value) {
    match value {
        Value::Number(number) => {
            let text = number.as_f64().map(shortest).unwrap_or_default();
            if text != go_encoding::json::number(number) {
                *value = Value::from(format!("{SPELT}{text}"));
            }
        }
        Value::String(text) if is_other_in_yaml_1_1(text) => *value = quoted(text),
        Value::Array(items) => items.iter_mut().for_each(spell_floats),
        Value::Object(map) => map.values_mut().for_each(spell_floats),
        _ => {}
    }
}

/// Returns a number as Go's `%g` prints it by itself (`strconv.FormatFloat` with the precision -1).
fn shortest(float: f64) -> String {
    let text = format!("{float:e}");
    let Some((digits, exponent)) = text.split_once('e').and_then(|(digits, exponent)| Some((digits, exponent.parse::<i32>().ok()?))) else {
        return text;
    };
    if (-4..6).contains(&exponent) {
        return float.to_string();
    }
    format!("{digits}e{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.abs())
}

fn spell_metadata(value: &mut Value, shown: &dyn Fn(&Value) -> String) {
    let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut) else { return };
    let spell = |value: &mut Value| {
        if value.is_number() || value.is_boolean() {
            *value = Value::from(format!("{SPELT}{}", shown(value)));
        }
    };
    let pairs = |(key, value): (&String, &mut Value)| match key.as_str() {
        "name" | "namespace" => spell(value),
        "labels" | "annotations" => value.as_object_mut().into_iter().flat_map(Map::values_mut).for_each(spell),
        _ => {}
    };
    metadata.iter_mut().for_each(pairs);
}

/// Keeps nulls of labels and annotations as they are written. In a patch they remove something.
pub(crate) fn keep_nulls(node: &Node, value: &mut Value) {
    for field in ["labels", "annotations"] {
        let nodes = node.get("metadata").and_then(|metadata| metadata.get(field));
        let pairs = value.pointer_mut(&format!("/metadata/{field}")).and_then(Value::as_object_mut);
        for (key, value) in pairs.into_iter().flatten().filter(|(_, value)| is_written_null(value)) {
            let text = nodes.and_then(|nodes| nodes.get(key)?.text()).unwrap_or("null");
            *value = Value::from(format!("{SPELT}{text}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn texts_keep_and_forget_their_type() {
        let set = |field: &Value, text: &str| {
            let mut value = rewritten(field, text);
            let misfit = misfit(&value).map(str::to_string);
            settle(&mut value);
            misfit.map_or(Ok(value), Err)
        };
        assert_eq!(set(&json!("a"), "1"), Ok(json!("1")));
        assert_eq!(set(&untyped("a"), "1"), Ok(json!(1)));
        assert_eq!(set(&untyped("a"), "a: b"), Ok(json!("a: b")));
        assert_eq!(set(&json!(1), "2"), Ok(json!(2)));
        assert_eq!(set(&json!(1), "b"), Err("b".to_string()));
        assert_eq!(set(&rewritten(&json!(1), "b"), "3"), Ok(json!(3)));
        assert_eq!((replaced(&json!("e2"), "1e2"), replaced(&json!("2"), "12")), (untyped("1e2"), json!("12")));
    }

    #[test]
    fn numbers_as_go_prints_them() {
        let check = |float: f64, expected: &str| assert_eq!(shortest(float), expected);
        check(100_000.0, "100000");
        check(1_234_567.0, "1.234567e+06");
        check(0.0001, "0.0001");
        check(0.00001, "1e-05");
        check(-1.5e100, "-1.5e+100");
    }

    #[test]
    fn a_text_that_starts_with_a_mark_stays_one() {
        for text in [r"\0", r"\0=1", r"\0!", r"\0#1"] {
            let node = node::parse(&format!("a: \"{text}\"")).unwrap().remove(0);
            let value = read::value_of(&node).unwrap();
            let mut marked = marked(&node, value.clone(), &Source::new(""));
            assert!(!is_null(&marked["a"]) && misfit(&marked).is_none());
            settle(&mut marked);
            assert_eq!(marked, value);
        }
    }
}
