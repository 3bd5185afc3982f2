//! Conversion from and to `serde_json::Value`, with Go's number rules.

use base64::Engine as _;
use serde_json::{Number, Value as Json};

use crate::float::format_float;
use crate::stack::{MAX_VALUE_DEPTH, grow};
use crate::value::{Map, Str, Value};

impl Value {
    /// Converts JSON as Go's decoder does for `interface {}`: every number becomes a `float64`.
    pub fn from_json(json: &Json) -> Value {
        convert(json, &|number| Value::Float(number.as_f64().unwrap_or_default()))
    }

    /// Converts JSON as the Kubernetes decoder does: integers become `int64`.
    pub fn from_json_int64(json: &Json) -> Value {
        convert(json, &|number| match number.as_i64() {
            Some(n) => Value::int64(n),
            None => Value::Float(number.as_f64().unwrap_or_default()),
        })
    }

    /// Converts to JSON as Go's `json.Marshal`: bytes become base64, nil slices and maps null, infinite numbers an error.
    ///
    /// Integral floats become integers where 64 bits hold them; others stay floats and their text is the encoder's business.
    pub fn to_json(&self) -> Result<Json, String> {
        marshal(self, 0)
    }
}

impl From<&Json> for Value {
    fn from(json: &Json) -> Self {
        Value::from_json(json)
    }
}

fn convert(json: &Json, number: &impl Fn(&Number) -> Value) -> Value {
    match json {
        Json::Null => Value::Nil,
        Json::Bool(b) => Value::Bool(*b),
        Json::Number(n) => number(n),
        Json::String(text) => Value::str(text.as_str()),
        Json::Array(items) => Value::list(items.iter().map(|item| grow(|| convert(item, number))).collect()),
        Json::Object(entries) => {
            let entry = |(key, value): (&String, &Json)| (Str::from(key.as_str()), grow(|| convert(value, number)));
            Value::Map(entries.iter().map(entry).collect::<Map>())
        }
    }
}

fn marshal(value: &Value, depth: usize) -> Result<Json, String> {
    if depth > MAX_VALUE_DEPTH {
        return Err("json: unsupported value: nested too deep".to_owned());
    }
    // Go looks for cycles from here on.
    if depth == MAX_VALUE_DEPTH && contains_itself(value) {
        let kind = if matches!(value, Value::List(_)) { "[]" } else { "map[string]" };
        return Err(format!("json: unsupported value: encountered a cycle via {kind}interface {{}}"));
    }
    Ok(match value {
        Value::Nil => Json::Null,
        Value::Bool(b) => Json::Bool(*b),
        Value::Int(n, _) => Json::from(*n),
        Value::Uint(n, _) => Json::from(*n),
        Value::Float(f) => float(*f)?,
        Value::Str(text) => Json::String(utf8(text)),
        Value::List(list) if list.is_nil() => Json::Null,
        Value::List(list) => match list.to_bytes() {
            Some(bytes) => Json::String(base64::engine::general_purpose::STANDARD.encode(bytes)),
            None => {
                let items = list.items().iter().map(|item| grow(|| marshal(item, depth + 1)));
                Json::Array(items.collect::<Result<_, _>>()?)
            }
        },
        Value::Map(map) => match map.entries() {
            None => Json::Null,
            Some(entries) => {
                let pair = |(key, value): (&Str, &Value)| Ok((utf8(key), grow(|| marshal(value, depth + 1))?));
                Json::Object(entries.iter().map(pair).collect::<Result<_, String>>()?)
            }
        },
        Value::Native(native) => native.to_json()?,
    })
}

/// Tells whether a map is met twice on the way into a value. Only maps can be changed to hold what they are in.
fn contains_itself(value: &Value) -> bool {
    let (mut seen, mut open): (Vec<Map>, Vec<Value>) = (Vec::new(), vec![value.clone()]);
    while let Some(value) = open.pop() {
        match value {
            Value::Map(map) if seen.iter().any(|earlier| earlier.is_same(&map)) => return true,
            Value::Map(map) => {
                open.extend(map.snapshot().into_iter().map(|(_, inner)| inner));
                seen.push(map);
            }
            Value::List(list) => open.extend(list.items().iter().cloned()),
            _ => {}
        }
    }
    false
}

fn float(f: f64) -> Result<Json, String> {
    if !f.is_finite() {
        return Err(format!("json: unsupported value: {}", format_float(f, b'g', -1, 64)));
    }
    let negative_zero = f == 0.0 && f.is_sign_negative();
    if f.trunc() == f && f.abs() < 1e21 && !negative_zero {
        // Go writes the shortest digits padded with zeros, which is not always the exact value.
        let text = format_float(f, b'f', -1, 64);
        if let Ok(n) = text.parse::<i64>() {
            return Ok(Json::from(n));
        }
        if let Ok(n) = text.parse::<u64>() {
            return Ok(Json::from(n));
        }
    }
    Ok(Number::from_f64(f).map_or(Json::Null, Json::Number))
}

/// Makes text of bytes as Go's encoder does: each invalid byte becomes one U+FFFD.
fn utf8(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => crate::quote::chars(bytes).map(|(c, _)| c.unwrap_or('\u{fffd}')).collect(),
    }
}
