//! Reading JSON with Go's error texts, and the value tree that `toYamlPretty` writes.

use go_template::Value;
use serde_json::Value as Json;

/// Parses one JSON value; the error is Go's for the common mistakes.
pub(crate) fn parse(text: &str) -> Result<Json, String> {
    if text.trim_matches([' ', '\t', '\r', '\n']).is_empty() {
        return Err("unexpected end of JSON input".to_owned());
    }
    serde_json::from_str(text).map_err(|error| describe(text, &error))
}

fn describe(text: &str, error: &serde_json::Error) -> String {
    if error.is_eof() {
        return "unexpected end of JSON input".to_owned();
    }
    let line = text.split('\n').nth(error.line().saturating_sub(1)).unwrap_or_default();
    let column = error.column().saturating_sub(1);
    let c = line.get(column..).and_then(|rest| rest.chars().next());
    let c = c.map_or_else(|| "'\\n'".to_owned(), |c| go_template::quote::quote_rune(i64::from(u32::from(c)), false));
    let before: String = text.chars().take_while(|c| c.is_whitespace()).collect();
    let at_start = error.line() == 1 && column == before.len();
    let message = error.to_string();
    let context = if at_start {
        "looking for beginning of value"
    } else if message.starts_with("key must be a string") {
        "looking for beginning of object key string"
    } else if message.starts_with("expected `:`") {
        "after object key"
    } else if message.starts_with("expected `,` or `}`") {
        "after object key:value pair"
    } else if message.starts_with("expected `,` or `]`") {
        "after array element"
    } else if message.starts_with("trailing characters") {
        "after top-level value"
    } else if message.starts_with("control character") {
        "in string literal"
    } else if message.starts_with("invalid escape") {
        "in string escape code"
    } else {
        "looking for beginning of value"
    };
    if let Some(literal) = in_literal(line, column) {
        return format!("invalid character {c} {literal}");
    }
    format!("invalid character {c} {context}")
}

/// Describes a misspelt `null`, `true` or `false`.
fn in_literal(line: &str, column: usize) -> Option<String> {
    let before = line.get(..column)?;
    let start = before.rfind(|c: char| !c.is_ascii_alphabetic()).map_or(0, |i| i + 1);
    let written = &before[start..];
    let literal = ["null", "true", "false"].into_iter().find(|literal| !written.is_empty() && literal.starts_with(written))?;
    let expected = literal.chars().nth(written.len())?;
    Some(format!("in literal {literal} (expecting '{expected}')"))
}

/// Converts for an encoder that sees Go's own values: a float stays a float even if it is integral.
pub(crate) fn keep_floats(value: &Value) -> Result<Json, String> {
    convert(value, 0)
}

fn convert(value: &Value, depth: usize) -> Result<Json, String> {
    if depth > 500 {
        return Err("nested too deep".to_owned());
    }
    Ok(match value {
        Value::Float(f) => serde_json::Number::from_f64(*f).map_or(Json::Null, Json::Number),
        Value::List(list) if list.to_bytes().is_none() && !list.is_nil() => {
            Json::Array(list.items().iter().map(|item| convert(item, depth + 1)).collect::<Result<_, _>>()?)
        }
        Value::Map(map) if !map.is_nil() => {
            let entries = map.snapshot();
            let pair = |(key, value): &(go_template::Str, Value)| Ok((key.to_text().into_owned(), convert(value, depth + 1)?));
            Json::Object(entries.iter().map(pair).collect::<Result<_, String>>()?)
        }
        Value::Map(_) => Json::Object(serde_json::Map::new()),
        Value::List(list) if list.is_nil() => Json::Array(Vec::new()),
        other => other.to_json()?,
    })
}
