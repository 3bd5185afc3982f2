//! Values: reading and merging what the user gives, `--set` and its kin, coalescing with chart defaults, dependencies.
//!
//! Values are JSON data. Helm reads YAML through JSON, where every number is a float64; templates can tell (`1000000` prints as
//! `1e+06`), so numbers that come from text must be floats here, and only those of `--set` are integers.

mod coalesce;
mod dependencies;
mod strvals;

pub use go_encoding::json::as_floats;
use go_encoding::yaml;
use serde_json::{Map, Value};

pub use coalesce::{coalesce_values, merge_tables, merge_values};
pub use dependencies::process_dependencies;
pub(crate) use dependencies::{choose_dependencies, import_values};
pub use strvals::{set, set_file, set_json, set_literal, set_string};

use crate::chart::ChartError;

/// Why values could not be read or used; it prints what Helm prints.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ValuesError(pub(crate) String);

impl From<ChartError> for ValuesError {
    fn from(error: ChartError) -> ValuesError {
        ValuesError(error.0)
    }
}

/// Reads a values file as `-f` does: documents merged in order, every number a float.
pub fn from_yaml(text: &str) -> Result<Map<String, Value>, ValuesError> {
    from_yaml_bytes(text.as_bytes())
}

/// Reads a values file that need not be text; what is none is an error in Helm's words.
pub fn from_yaml_bytes(data: &[u8]) -> Result<Map<String, Value>, ValuesError> {
    let mut values = Map::new();
    for document in crate::chart::values_documents(data)? {
        merge_maps(&mut values, document);
    }
    Ok(values)
}

/// Merges `from` over `into`: maps recursively, everything else replaced (`loader.MergeMaps`).
pub fn merge_maps(into: &mut Map<String, Value>, from: Map<String, Value>) {
    for (key, value) in from {
        match (into.get_mut(&key), value) {
            (Some(Value::Object(old)), Value::Object(new)) => merge_maps(old, new),
            (_, value) => {
                into.insert(key, value);
            }
        }
    }
}

/// Returns the values as YAML, as `helm get values` and `.Values.YAML` print them.
pub fn to_yaml(values: &Map<String, Value>) -> String {
    yaml::to_string(&Value::Object(values.clone()))
}

/// Returns a table by its dotted path (`Values.Table`).
pub(crate) fn table<'a>(values: &'a Map<String, Value>, path: &str) -> Option<&'a Map<String, Value>> {
    path.split('.').try_fold(values, |table, key| table.get(key)?.as_object())
}

/// Returns what is not a table by its dotted path (`Values.PathValue`).
pub(crate) fn path_value<'a>(values: &'a Map<String, Value>, path: &str) -> Option<&'a Value> {
    let (parent, key) = match path.rsplit_once('.') {
        Some((parent, key)) => (table(values, parent)?, key),
        None => (values, path),
    };
    parent.get(key).filter(|value| !value.is_object())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn reads_files_as_floats() {
        let values = from_yaml("a: 1\nb: [2, x]\n---\nc: {d: 3}\n").expect("reads");
        assert_eq!(Value::Object(values), json!({"a": 1.0, "b": [2.0, "x"], "c": {"d": 3.0}}));
    }

    #[test]
    fn finds_by_path() {
        let values = json!({"a": {"b": 1, "c": {}}});
        let values = values.as_object().expect("a map");
        assert_eq!(path_value(values, "a.b"), Some(&json!(1)));
        assert_eq!(path_value(values, "a.c"), None);
        assert!(table(values, "a.c").is_some());
        assert!(table(values, "a.b").is_none());
    }
}
