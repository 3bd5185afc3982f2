//! `Chart.lock` and `requirements.lock`: nothing depends on them but that they can be read (`pkg/chart/v2/dependency.go`).

use serde_json::Value;

use super::ChartError;
use super::fields::{self, At};
use super::metadata::{DEPENDENCIES, Dependency};

/// Reads a lock as the release record prints it.
pub(super) fn parse(data: &[u8]) -> Result<Option<Value>, ChartError> {
    let value = fields::yaml(data)?;
    let root = At::root("Lock");
    let mut digest = String::new();
    for (name, value) in fields::object(&value, &["generated", "digest", "dependencies"], &root)? {
        let at = root.field(name);
        match name {
            "generated" => check_time(value)?,
            "digest" => fields::text(&mut digest, value, &at)?,
            _ => drop(fields::list(value, &at, DEPENDENCIES, Dependency::decode)?),
        }
    }
    Ok(value.is_object().then_some(value))
}

fn check_time(value: &Value) -> Result<(), ChartError> {
    let problem = match value {
        Value::Null => return Ok(()),
        Value::String(text) => match sprig::check_time("2006-01-02T15:04:05Z07:00", text.as_bytes()) {
            Ok(()) => return Ok(()),
            Err(problem) => problem,
        },
        _ => "Time.UnmarshalJSON: input is not a JSON string".to_owned(),
    };
    Err(ChartError(format!("error unmarshaling JSON: while decoding JSON: {problem}")))
}
