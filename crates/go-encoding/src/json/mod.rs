//! JSON text as Go's `encoding/json` writes it: keys sorted bytewise, `<`, `>`, `&` and the two Unicode line separators escaped, floats
//! without exponent between 1e-6 and 1e21. [`read`] is the way back.

mod read;

pub use read::{ReadError, read, read_first};

use serde_json::{Map, Number, Value};

use crate::float;

/// Returns what `encoding/json` calls the type of a value in its errors.
pub fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// Returns `value` as `json.Marshal` writes it, HTML characters escaped.
pub fn to_string(value: &Value) -> String {
    write(value, Html::Escaped, None)
}

/// Returns `value` as an encoder with `SetEscapeHTML(false)` writes it, without the final newline.
pub fn to_string_raw(value: &Value) -> String {
    write(value, Html::Raw, None)
}

/// Appends bytes that should be text to `out` as a quoted JSON string: what belongs to no character is the escape `\\ufffd`.
pub fn push_bytes(out: &mut String, bytes: &[u8], escapes_html: bool) {
    let html = if escapes_html { Html::Escaped } else { Html::Raw };
    out.push('"');
    for chunk in bytes.utf8_chunks() {
        push_escaped(out, chunk.valid(), html);
        // Go steps over one byte at a time.
        (0..chunk.invalid().len()).for_each(|_| out.push_str("\\ufffd"));
    }
    out.push('"');
}

/// Returns `value` as `json.MarshalIndent(value, "", "  ")` writes it.
pub fn to_string_pretty(value: &Value) -> String {
    write(value, Html::Escaped, Some("  "))
}

/// Appends `text` to `out` as a quoted JSON string, HTML characters escaped.
pub fn push_string(out: &mut String, text: &str) {
    push_quoted(out, text, Html::Escaped);
}

/// Returns data as Go holds it that has been JSON text: every number a float.
pub fn as_floats(mut value: Value) -> Value {
    make_floats(&mut value);
    value
}

fn make_floats(value: &mut Value) {
    match value {
        Value::Number(number) => {
            if let Some(float) = number.as_f64().and_then(Number::from_f64) {
                *number = float;
            }
        }
        Value::Array(items) => items.iter_mut().for_each(make_floats),
        Value::Object(map) => map.values_mut().for_each(make_floats),
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}

/// Returns a map as [`as_integers`] does.
pub fn map_as_integers(map: &Map<String, Value>) -> Value {
    map.iter().map(|(key, value)| (key.clone(), as_integers(value))).collect()
}

/// Returns data with an integer for each float without a fraction, with all the digits that the float stands for
/// (`sigs.k8s.io/yaml` `JSONObjectToYAMLObject`).
pub fn as_integers(value: &Value) -> Value {
    match value {
        Value::Array(items) => items.iter().map(as_integers).collect(),
        Value::Object(map) => map_as_integers(map),
        Value::Number(number) if number.is_f64() => number.as_f64().and_then(integer).unwrap_or_else(|| value.clone()),
        value => value.clone(),
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "only floats in the range of the integer are converted")]
fn integer(float: f64) -> Option<Value> {
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    if float.fract() != 0.0 {
        return None;
    }
    match float {
        _ if (-LIMIT..LIMIT).contains(&float) => Some(Value::from(float as i64)),
        _ if (LIMIT..2.0 * LIMIT).contains(&float) => Some(Value::from(float as u64)),
        _ => None,
    }
}

/// Returns a number as `encoding/json` writes it.
pub fn number(number: &Number) -> String {
    if let Some(integer) = number.as_i64() {
        integer.to_string()
    } else if let Some(integer) = number.as_u64() {
        integer.to_string()
    } else {
        number.as_f64().and_then(float::json).unwrap_or_else(|| number.to_string())
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Html {
    Escaped,
    Raw,
}

fn write(value: &Value, html: Html, indent: Option<&str>) -> String {
    let mut out = String::new();
    push(&mut out, value, html, indent, 0);
    out
}

fn push(out: &mut String, value: &Value, html: Html, indent: Option<&str>, depth: usize) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(true) => out.push_str("true"),
        Value::Bool(false) => out.push_str("false"),
        Value::Number(n) => out.push_str(&number(n)),
        Value::String(text) => push_quoted(out, text, html),
        Value::Array(items) => push_array(out, items, html, indent, depth),
        Value::Object(map) => push_object(out, map, html, indent, depth),
    }
}

fn push_array(out: &mut String, items: &[Value], html: Html, indent: Option<&str>, depth: usize) {
    if items.is_empty() {
        out.push_str("[]");
        return;
    }
    out.push('[');
    for (position, item) in items.iter().enumerate() {
        if position > 0 {
            out.push(',');
        }
        push_break(out, indent, depth + 1);
        push(out, item, html, indent, depth + 1);
    }
    push_break(out, indent, depth);
    out.push(']');
}

fn push_object(out: &mut String, map: &Map<String, Value>, html: Html, indent: Option<&str>, depth: usize) {
    if map.is_empty() {
        out.push_str("{}");
        return;
    }
    // The map is sorted bytewise already: serde_json is built without preserve_order.
    out.push('{');
    for (position, (key, value)) in map.iter().enumerate() {
        if position > 0 {
            out.push(',');
        }
        push_break(out, indent, depth + 1);
        push_quoted(out, key, html);
        out.push_str(if indent.is_some() { ": " } else { ":" });
        push(out, value, html, indent, depth + 1);
    }
    push_break(out, indent, depth);
    out.push('}');
}

fn push_break(out: &mut String, indent: Option<&str>, depth: usize) {
    if let Some(indent) = indent {
        out.push('\n');
        for _ in 0..depth {
            out.push_str(indent);
        }
    }
}

/// Which bytes may stand for something that is escaped.
const SUSPECT: [bool; 256] = {
    let mut suspect = [false; 256];
    let mut byte = 0;
    while byte < 0x20 {
        suspect[byte] = true;
        byte += 1;
    }
    let mut marks: &[u8] = b"\"\\<>&\xe2";
    while let [mark, rest @ ..] = marks {
        suspect[*mark as usize] = true;
        marks = rest;
    }
    suspect
};

fn push_quoted(out: &mut String, text: &str, html: Html) {
    // Some room for escapes: text that has any has many.
    out.reserve(text.len() + text.len() / 8 + 2);
    out.push('"');
    push_escaped(out, text, html);
    out.push('"');
}

fn push_escaped(out: &mut String, text: &str, html: Html) {
    let bytes = text.as_bytes();
    let (mut start, mut at) = (0, 0);
    while let Some(found) = bytes[at..].iter().position(|byte| SUSPECT[*byte as usize]) {
        at += found;
        let (escape, length) = match bytes[at] {
            b'"' => ("\\\"", 1),
            b'\\' => ("\\\\", 1),
            8 => ("\\b", 1),
            12 => ("\\f", 1),
            b'\n' => ("\\n", 1),
            b'\r' => ("\\r", 1),
            b'\t' => ("\\t", 1),
            b'<' if html == Html::Escaped => ("\\u003c", 1),
            b'>' if html == Html::Escaped => ("\\u003e", 1),
            b'&' if html == Html::Escaped => ("\\u0026", 1),
            0xe2 if bytes[at..].starts_with(b"\xe2\x80\xa8") => ("\\u2028", 3),
            0xe2 if bytes[at..].starts_with(b"\xe2\x80\xa9") => ("\\u2029", 3),
            0..0x20 => ("", 1),
            _ => {
                at += 1;
                continue;
            }
        };
        out.push_str(&text[start..at]);
        if escape.is_empty() {
            const HEX: &[u8; 16] = b"0123456789abcdef";
            out.push_str("\\u00");
            out.push(char::from(HEX[usize::from(bytes[at] >> 4)]));
            out.push(char::from(HEX[usize::from(bytes[at] & 15)]));
        } else {
            out.push_str(escape);
        }
        at += length;
        start = at;
    }
    out.push_str(&text[start..]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn writes_as_go_does() {
        let value = json!({"b": [1, 2.5, 1e6, 1e21, null], "a<": "x&y\u{2028}\u{1}\u{8}\n\u{7f}", "e": {}, "l": []});
        assert_eq!(
            to_string(&value),
            "{\"a\\u003c\":\"x\\u0026y\\u2028\\u0001\\b\\n\u{7f}\",\"b\":[1,2.5,1000000,1e+21,null],\"e\":{},\"l\":[]}"
        );
        assert_eq!(to_string_raw(&json!("<&>")), "\"<&>\"");
        assert_eq!(to_string_pretty(&json!({"a": [1], "e": {}, "l": []})), "{\n  \"a\": [\n    1\n  ],\n  \"e\": {},\n  \"l\": []\n}");
    }
}
