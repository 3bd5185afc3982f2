//! YAML as `go.yaml.in/yaml/v3` writes it with an indent of two, which only `toYamlPretty` uses: sequences inside mappings are
//! indented, nothing is folded, floats print as Go's `%g` because no JSON lies between.

use serde_json::Value;

use super::emit;

/// Returns `value` as an encoder of yaml.v3 with `SetIndent(2)` writes it, final newline included.
pub fn to_string(value: &Value) -> String {
    emit::to_string(value, emit::Dialect::V3)
}
