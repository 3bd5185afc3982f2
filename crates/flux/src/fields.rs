//! Fields of objects that are JSON.

use serde_json::{Map, Value};

/// Returns the value at a path of keys.
pub(crate) fn get<'a>(value: &'a Value, path: &[&str]) -> Option<&'a Value> {
    path.iter().try_fold(value, |value, key| value.get(key)).filter(|value| !value.is_null())
}

/// Returns the text at a path of keys, unless it is empty.
pub(crate) fn text<'a>(value: &'a Value, path: &[&str]) -> Option<&'a str> {
    get(value, path).and_then(Value::as_str).filter(|text| !text.is_empty())
}

/// Returns the flag at a path of keys; false where there is none.
pub(crate) fn flag(value: &Value, path: &[&str]) -> bool {
    get(value, path).and_then(Value::as_bool).unwrap_or(false)
}

/// Returns the list at a path of keys; empty where there is none.
pub(crate) fn items<'a>(value: &'a Value, path: &[&str]) -> &'a [Value] {
    get(value, path).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// Returns a value as a map, which it becomes if it is none.
pub(crate) fn object(value: &mut Value) -> &mut Map<String, Value> {
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    value.as_object_mut().expect("it has just been made one")
}

pub(crate) fn kind(value: &Value) -> &str {
    text(value, &["kind"]).unwrap_or("")
}

pub(crate) fn group(value: &Value) -> &str {
    text(value, &["apiVersion"]).and_then(|api| api.rsplit_once('/')).map_or("", |(group, _)| group)
}

pub(crate) fn name(value: &Value) -> &str {
    text(value, &["metadata", "name"]).unwrap_or("")
}

/// Returns the namespace an object is applied to.
pub(crate) fn namespace(value: &Value) -> &str {
    text(value, &["metadata", "namespace"]).unwrap_or("default")
}

/// Reads a duration as Go writes it, such as `1h30m` or `1.5s`.
pub(crate) fn duration(text: &str) -> Option<std::time::Duration> {
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    let mut nanoseconds = 0f64;
    if rest == "0" {
        return Some(std::time::Duration::ZERO);
    }
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let end = rest.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(rest.len());
        nanoseconds += number
            * match &rest[..end] {
                "ns" => 1.0,
                "us" | "µs" | "μs" => 1e3,
                "ms" => 1e6,
                "s" => 1e9,
                "m" => 60e9,
                "h" => 3600e9,
                _ => return None,
            };
        rest = &rest[end..];
    }
    // Go's durations are 64-bit numbers of nanoseconds.
    (nanoseconds < i64::MAX as f64).then(|| std::time::Duration::from_nanos(nanoseconds as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        let check = |text: &str, seconds: Option<u64>| assert_eq!(duration(text).map(|found| found.as_secs()), seconds, "{text}");
        check("5m", Some(300));
        check("1h30m", Some(5400));
        check("1.5s", Some(1));
        check("0", Some(0));
        check("5", None);
        check("", None);
        check("99999999999h", None);
        check("1d", None);
    }
}
