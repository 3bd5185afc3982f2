//! The value tree that `toYamlPretty` writes.

use go_template::Value;
use serde_json::Value as Json;

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
