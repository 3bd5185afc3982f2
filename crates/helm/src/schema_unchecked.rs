//! Stands in for schema validation on WebAssembly, where its library does not build: a chart with a schema is refused rather than
//! rendered unchecked, unless the request skips validation.

use serde_json::{Map, Value};

use crate::chart::Chart;
use crate::compat::HelmCompat;

/// No schema is read here.
#[derive(Default)]
pub(crate) struct Schemas;

/// Returns that no schema is missing: none is read here.
pub fn missing_schema(_chart: &Chart) -> Option<String> {
    None
}

/// Refuses every chart that has a schema.
pub(crate) fn validate(chart: &Chart, values: &Map<String, Value>, known: &mut Schemas, compat: &HelmCompat) -> Result<(), String> {
    if chart.schema.is_some() {
        return Err(format!("{}:\nschemas cannot be checked in a WebAssembly build; skip schema validation\n", chart.name()));
    }
    let inner = |dependency: &Chart| values.get(dependency.name()).and_then(Value::as_object).cloned().unwrap_or_default();
    chart.dependencies.iter().try_for_each(|dependency| validate(dependency, &inner(dependency), known, compat))
}
