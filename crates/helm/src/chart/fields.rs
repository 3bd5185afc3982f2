//! Fields of Go structs out of YAML: the coercions of sigs yaml, and the words of `encoding/json` (Go 1.26) where something does not fit.

use serde_json::Value;

use super::ChartError;

/// Where a value goes: the struct, and the path to its field from the outermost struct.
pub(super) struct At {
    kind: &'static str,
    /// The struct that holds this one.
    outer: &'static str,
    path: String,
}

impl At {
    pub fn root(kind: &'static str) -> At {
        At { kind, outer: kind, path: String::new() }
    }

    pub fn field(&self, name: &str) -> At {
        let path = if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) };
        At { kind: self.kind, outer: self.outer, path }
    }

    /// Enters a struct that is the field.
    pub fn inside(&self, kind: &'static str) -> Self {
        At { kind, outer: self.kind, path: self.path.clone() }
    }
}

/// Reads a file.
pub(super) fn yaml(data: &[u8]) -> Result<Value, ChartError> {
    go_encoding::yaml::parse_bytes(data).map_err(|error| ChartError(format!("error converting YAML to JSON: {error}")))
}

/// Returns the entries that have a field, in the order in which Go meets them; a name matches in any case where none matches exactly.
pub(super) fn object<'v>(value: &'v Value, names: &[&'static str], at: &At) -> Result<Vec<(&'static str, &'v Value)>, ChartError> {
    let map = match value {
        Value::Null => return Ok(Vec::new()),
        Value::Object(map) => map,
        other => return Err(mismatch(other, &At { kind: at.outer, outer: at.outer, path: at.path.clone() }, &format!("v2.{}", at.kind))),
    };
    let field =
        |key: &str| names.iter().find(|name| **name == key).or_else(|| names.iter().find(|name| name.eq_ignore_ascii_case(key))).copied();
    Ok(map.iter().filter_map(|(key, value)| Some((field(key)?, value))).collect())
}

/// Sets a text: integers decimal, floats as Go prints them with 32 bits, which loses digits, and words for bools. Null changes nothing.
pub(super) fn text(into: &mut String, value: &Value, at: &At) -> Result<(), ChartError> {
    *into = match value {
        Value::Null => return Ok(()),
        Value::String(text) => text.clone(),
        Value::Bool(flag) => flag.to_string(),
        Value::Number(number) => match number.as_f64() {
            Some(float) if number.is_f64() => go_encoding::float::general_32(float),
            _ => number.to_string(),
        },
        other => return Err(mismatch(other, at, "string")),
    };
    Ok(())
}

/// Sets a flag. Null changes nothing.
pub(super) fn flag(into: &mut bool, value: &Value, at: &At) -> Result<(), ChartError> {
    match value {
        Value::Null => {}
        Value::Bool(flag) => *into = *flag,
        other => return Err(mismatch(other, at, "bool")),
    }
    Ok(())
}

fn array<'v>(value: &'v Value, at: &At, kind: &str) -> Result<&'v [Value], ChartError> {
    match value {
        Value::Null => Ok(&[]),
        Value::Array(items) => Ok(items),
        other => Err(mismatch(other, at, kind)),
    }
}

/// Returns a list of texts.
pub(super) fn texts(value: &Value, at: &At) -> Result<Vec<String>, ChartError> {
    let mut texts = Vec::new();
    for item in array(value, at, "[]string")? {
        let mut read = String::new();
        text(&mut read, item, at)?;
        texts.push(read);
    }
    Ok(texts)
}

/// Returns a list of anything.
pub(super) fn values(value: &Value, at: &At) -> Result<Vec<Value>, ChartError> {
    Ok(array(value, at, "[]interface {}")?.to_vec())
}

/// Returns a list of structs, of which some may be null.
pub(super) fn list<T>(
    value: &Value,
    at: &At,
    kind: &str,
    decode: fn(&Value, &At) -> Result<T, ChartError>,
) -> Result<Vec<Option<T>>, ChartError> {
    array(value, at, kind)?.iter().map(|item| (!item.is_null()).then(|| decode(item, at)).transpose()).collect()
}

/// Words a mismatch of types.
pub(super) fn mismatch(value: &Value, at: &At, kind: &str) -> ChartError {
    let found = go_encoding::json::type_name(value);
    let place = match at.path.as_str() {
        "" => "value".to_owned(),
        path => format!("struct field {}.{path}", at.kind),
    };
    ChartError(format!("error unmarshaling JSON: while decoding JSON: json: cannot unmarshal {found} into Go {place} of type {kind}"))
}
