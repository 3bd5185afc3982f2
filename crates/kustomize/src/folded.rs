//! Reads structs as Go's `encoding/json` does, for which upper and lower case are one in the names of fields.

use serde::Deserializer;
use serde::de::value::{MapDeserializer, SeqDeserializer};
use serde::de::{DeserializeOwned, IntoDeserializer, Visitor};
use serde::forward_to_deserialize_any;
use serde_json::{Error, Map, Value};

/// Reads a value.
pub(crate) fn from_value<T: DeserializeOwned>(value: Value) -> Result<T, Error> {
    T::deserialize(Folded(value))
}

struct Folded(Value);

impl<'de> IntoDeserializer<'de, Error> for Folded {
    type Deserializer = Folded;

    fn into_deserializer(self) -> Folded {
        self
    }
}

/// Gives fields the names that are asked for; of several that are one, the last one counts. Null is as good as nothing.
fn renamed(map: Map<String, Value>, fields: &[&str]) -> Map<String, Value> {
    let name = |key: String| match fields.iter().find(|field| field.eq_ignore_ascii_case(&key)) {
        Some(field) => (*field).to_string(),
        None => key,
    };
    let named = map.into_iter().map(|(key, value)| (name(key), value));
    named.filter(|(key, value)| !value.is_null() || !fields.contains(&key.as_str())).collect()
}

impl<'de> Deserializer<'de> for Folded {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            Value::Object(map) => visitor.visit_map(MapDeserializer::new(map.into_iter().map(|(key, value)| (key, Folded(value))))),
            Value::Array(items) => visitor.visit_seq(SeqDeserializer::new(items.into_iter().map(Folded))),
            value => value.deserialize_any(visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.0.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_struct<V: Visitor<'de>>(self, _: &'static str, fields: &'static [&'static str], visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            Value::Object(map) => Folded(Value::Object(renamed(map, fields))).deserialize_any(visitor),
            value => value.deserialize_any(visitor),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.0.is_null() { visitor.visit_str("") } else { self.deserialize_any(visitor) }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str bytes byte_buf unit unit_struct newtype_struct seq tuple
        tuple_struct map enum identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;
    use serde_json::json;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields, rename_all = "camelCase")]
    struct Field {
        field_path: Option<String>,
        #[serde(default)]
        inner: Vec<Field>,
    }

    #[test]
    fn names_of_fields_are_found_whatever_their_case() {
        let found: Field = from_value(json!({"fieldpath": "a", "INNER": [{"FieldPath": null}]})).unwrap();
        assert_eq!(found, Field { field_path: Some("a".to_string()), inner: vec![Field { field_path: None, inner: Vec::new() }] });
        assert!(from_value::<Field>(json!({"fieldPath": "a", "inner": null})).is_ok());
        assert!(from_value::<Field>(json!({"other": null})).is_err());
        let texts: std::collections::BTreeMap<String, String> = from_value(json!({"a": null, "b": "c"})).unwrap();
        assert_eq!((texts["a"].as_str(), texts["b"].as_str()), ("", "c"));
    }
}
