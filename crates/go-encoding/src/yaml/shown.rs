//! Values as Go's `%#v` prints them, in errors about keys. Keys still have their types there.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;
use unicode_general_category::{GeneralCategory, get_general_category};

use super::construct;
use super::event::Scalar;
use super::resolve::Resolved;

/// A decoded value; the order is that in which keys are printed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Shown {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    /// A float, as printed.
    Float(String),
    Text(String),
    List(Vec<Shown>),
    Map(BTreeMap<Shown, Shown>),
}

impl Shown {
    pub fn scalar(scalar: &Scalar) -> Shown {
        match construct::meaning(scalar) {
            Ok(Resolved::Null) => Shown::Null,
            Ok(Resolved::Bool(value)) => Shown::Bool(value),
            Ok(Resolved::Int(value)) => Shown::Int(value),
            Ok(Resolved::Uint(value)) => Shown::Uint(value),
            Ok(Resolved::Float(value)) => Shown::Float(crate::float::general(value)),
            Ok(Resolved::Str) if scalar.tag.as_deref() == Some("tag:yaml.org,2002:binary") => {
                Shown::Text(construct::binary(&scalar.value).unwrap_or_default())
            }
            Ok(Resolved::Str | Resolved::Timestamp) | Err(_) => Shown::Text(scalar.value.clone().into_owned()),
        }
    }
}

impl From<&Value> for Shown {
    fn from(value: &Value) -> Shown {
        match value {
            Value::Null => Shown::Null,
            Value::Bool(value) => Shown::Bool(*value),
            Value::Number(number) => match (number.as_i64(), number.as_u64()) {
                (Some(value), _) => Shown::Int(value),
                (None, Some(value)) => Shown::Uint(value),
                (None, None) => Shown::Float(crate::float::general(number.as_f64().unwrap_or_default())),
            },
            Value::String(text) => Shown::Text(text.clone()),
            Value::Array(items) => Shown::List(items.iter().map(Shown::from).collect()),
            Value::Object(map) => Shown::Map(map.iter().map(|(key, value)| (Shown::Text(key.clone()), Shown::from(value))).collect()),
        }
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Shown::Null => f.write_str("interface {}(nil)"),
            Shown::Bool(value) => write!(f, "{value}"),
            Shown::Int(value) => write!(f, "{value}"),
            Shown::Uint(value) => write!(f, "{value:#x}"),
            Shown::Float(text) => f.write_str(text),
            Shown::Text(text) => quoted(f, text),
            Shown::List(items) => {
                f.write_str("[]interface {}{")?;
                for (position, item) in items.iter().enumerate() {
                    write!(f, "{}{item}", if position > 0 { ", " } else { "" })?;
                }
                f.write_str("}")
            }
            Shown::Map(entries) => {
                f.write_str("map[interface {}]interface {}{")?;
                for (position, (key, value)) in entries.iter().enumerate() {
                    write!(f, "{}{key}:{value}", if position > 0 { ", " } else { "" })?;
                }
                f.write_str("}")
            }
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
