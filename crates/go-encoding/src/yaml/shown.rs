//! Values as Go's `%#v` prints them, in errors about keys. Keys still have their types there.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;
use unicode_general_category::{GeneralCategory, get_general_category};

use super::Error;

/// A decoded value.
#[derive(Debug, Clone)]
pub(super) enum Decoded {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Float(f64),
    Text(String),
    List(Vec<Decoded>),
    Map(BTreeMap<Key, Decoded>),
}

/// A key of a decoded mapping. Their order is that in which Go prints them: types lie in a Helm binary in this order.
#[derive(Debug, Clone)]
pub(super) enum Key {
    Null,
    Text(String),
    Uint(u64),
    Int(i64),
    /// The number tells those apart that equal nothing.
    Float(f64, usize),
    Bool(bool),
}

impl Key {
    /// Makes a key of what can be one.
    pub fn of(key: Decoded) -> Result<Key, Error> {
        Ok(match key {
            Decoded::Null => Key::Null,
            Decoded::Bool(value) => Key::Bool(value),
            Decoded::Int(value) => Key::Int(value),
            Decoded::Uint(value) => Key::Uint(value),
            Decoded::Float(value) => Key::Float(value, 0),
            Decoded::Text(text) => Key::Text(text),
            Decoded::List(_) | Decoded::Map(_) => return Err(Error::plain(format!("invalid map key: {key}"))),
        })
    }

    fn rank(&self) -> usize {
        match self {
            Key::Null => 0,
            Key::Text(_) => 1,
            Key::Uint(_) => 2,
            Key::Int(_) => 3,
            Key::Float(..) => 4,
            Key::Bool(_) => 5,
        }
    }

    /// Returns the key in JSON (`convertToJSONableObject` of sigs yaml); an error shows the value under it.
    pub fn in_json(&self, value: &Decoded) -> Result<String, Error> {
        let wrong = |kind, key: String| {
            let value = if matches!(value, Decoded::Null) { "<nil>".to_owned() } else { value.to_string() };
            Err(Error::Key { kind, key, value })
        };
        match self {
            Key::Text(text) => Ok(text.clone()),
            Key::Int(value) => Ok(value.to_string()),
            Key::Float(value, _) => Ok(float_key(*value)),
            Key::Bool(value) => Ok(value.to_string()),
            Key::Null => wrong("%!s(<nil>)", "<nil>".to_owned()),
            Key::Uint(value) => wrong("uint64", format!("{value:#x}")),
        }
    }
}

/// Returns the JSON key that a float becomes.
pub(super) fn float_key(value: f64) -> String {
    match crate::float::general_32(value).as_str() {
        "+Inf" => ".inf".to_owned(),
        "-Inf" => "-.inf".to_owned(),
        "NaN" => ".nan".to_owned(),
        finite => finite.to_owned(),
    }
}

impl Ord for Key {
    fn cmp(&self, other: &Key) -> Ordering {
        match (self, other) {
            (Key::Text(left), Key::Text(right)) => left.cmp(right),
            (Key::Uint(left), Key::Uint(right)) => left.cmp(right),
            (Key::Int(left), Key::Int(right)) => left.cmp(right),
            (Key::Bool(left), Key::Bool(right)) => left.cmp(right),
            // Not-a-numbers come first; the two zeros are equal.
            (Key::Float(left, number), Key::Float(right, other)) => left.partial_cmp(right).unwrap_or_else(|| {
                let by_kind = right.is_nan().cmp(&left.is_nan());
                by_kind.then(number.cmp(other))
            }),
            _ => self.rank().cmp(&other.rank()),
        }
    }
}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Key) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Key) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Key {}

impl From<&Value> for Decoded {
    fn from(value: &Value) -> Decoded {
        match value {
            Value::Null => Decoded::Null,
            Value::Bool(value) => Decoded::Bool(*value),
            Value::Number(number) => match (number.as_i64(), number.as_u64()) {
                (Some(value), _) => Decoded::Int(value),
                (None, Some(value)) => Decoded::Uint(value),
                (None, None) => Decoded::Float(number.as_f64().unwrap_or_default()),
            },
            Value::String(text) => Decoded::Text(text.clone()),
            Value::Array(items) => Decoded::List(items.iter().map(Decoded::from).collect()),
            Value::Object(map) => Decoded::Map(map.iter().map(|(key, value)| (Key::Text(key.clone()), Decoded::from(value))).collect()),
        }
    }
}

impl fmt::Display for Decoded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Decoded::Null => f.write_str("interface {}(nil)"),
            Decoded::Bool(value) => write!(f, "{value}"),
            Decoded::Int(value) => write!(f, "{value}"),
            Decoded::Uint(value) => write!(f, "{value:#x}"),
            Decoded::Float(value) => f.write_str(&crate::float::general(*value)),
            Decoded::Text(text) => quoted(f, text),
            Decoded::List(items) => {
                f.write_str("[]interface {}{")?;
                for (position, item) in items.iter().enumerate() {
                    write!(f, "{}{item}", if position > 0 { ", " } else { "" })?;
                }
                f.write_str("}")
            }
            Decoded::Map(entries) => {
                f.write_str("map[interface {}]interface {}{")?;
                for (position, (key, value)) in entries.iter().enumerate() {
                    write!(f, "{}{key}:{value}", if position > 0 { ", " } else { "" })?;
                }
                f.write_str("}")
            }
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Key::Null => f.write_str("interface {}(nil)"),
            Key::Text(text) => quoted(f, text),
            Key::Uint(value) => write!(f, "{value:#x}"),
            Key::Int(value) => write!(f, "{value}"),
            Key::Float(value, _) => f.write_str(&crate::float::general(*value)),
            Key::Bool(value) => write!(f, "{value}"),
        }
    }
}

/// Quotes as `strconv.Quote`.
fn quoted(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    use GeneralCategory as G;
    f.write_str("\"")?;
    for c in text.chars() {
        let category = get_general_category(c);
        let hidden = [G::Control, G::Format, G::PrivateUse, G::Unassigned, G::LineSeparator, G::ParagraphSeparator, G::SpaceSeparator];
        match c {
            '"' | '\\' => write!(f, "\\{c}")?,
            '\x07' => f.write_str("\\a")?,
            '\x08' => f.write_str("\\b")?,
            '\x0b' => f.write_str("\\v")?,
            '\x0c' => f.write_str("\\f")?,
            '\n' => f.write_str("\\n")?,
            '\r' => f.write_str("\\r")?,
            '\t' => f.write_str("\\t")?,
            ' ' => f.write_str(" ")?,
            c if !hidden.contains(&category) => write!(f, "{c}")?,
            c if c.is_ascii() => write!(f, "\\x{:02x}", u32::from(c))?,
            c if u32::from(c) < 0x10000 => write!(f, "\\u{:04x}", u32::from(c))?,
            c => write!(f, "\\U{:08x}", u32::from(c))?,
        }
    }
    f.write_str("\"")
}
