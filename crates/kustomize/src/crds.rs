//! What the files under `crds` add to the fields that transformers touch: OpenAPI definitions in Go's naming, whose properties say that they
//! hold names, labels or annotations (`api/internal/accumulator/loadconfigfromcrds.go`).

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::config::{Config, NameReference};
use crate::fields::FieldSpec;

/// How deep properties may lie.
const MAX_DEPTH: usize = 64;
/// How many properties one file may have, those of types that are used several times counted as often.
const MAX_PROPERTIES: usize = 100_000;

/// A type; the capital is Go's.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Definition {
    #[serde(alias = "Schema")]
    schema: Schema,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Schema {
    properties: BTreeMap<String, Value>,
}

type Definitions = BTreeMap<String, Definition>;

/// Reads a file of definitions.
pub(crate) fn parse(text: &[u8]) -> Result<Config, String> {
    let text = std::str::from_utf8(text).map_err(|_| "not UTF-8 text")?;
    let value = match text.starts_with('{') {
        true => serde_json::from_str(text).map_err(|error| error.to_string())?,
        false => go_encoding::yaml::parse(text).map_err(|error| error.to_string())?,
    };
    let definitions: Definitions = match value {
        Value::Null => return Err("there are no OpenAPI definitions in it".to_string()),
        value => serde_json::from_value(value).map_err(|error| format!("these are no OpenAPI definitions by name: {error}"))?,
    };
    let mut walk = Walk { definitions: &definitions, config: Config::default(), left: MAX_PROPERTIES };
    for (name, definition) in &definitions {
        if ["kind", "apiVersion", "metadata"].iter().all(|field| definition.schema.properties.contains_key(*field)) {
            let kind = name.rsplit('.').next().unwrap_or(name);
            walk.of_type(kind, name, &mut Vec::new())?;
        }
    }
    Ok(walk.config)
}

struct Walk<'a> {
    definitions: &'a Definitions,
    config: Config,
    left: usize,
}

impl<'a> Walk<'a> {
    fn of_type(&mut self, kind: &str, name: &str, path: &mut Vec<&'a str>) -> Result<(), String> {
        let Some(definition) = self.definitions.get(name) else { return Ok(()) };
        if path.len() > MAX_DEPTH {
            return Err(format!("the type {name} holds itself: kustomize would never end"));
        }
        for (field, property) in &definition.schema.properties {
            self.left = self.left.checked_sub(1).ok_or_else(|| format!("the types have more than {MAX_PROPERTIES} properties"))?;
            path.push(field);
            self.property(kind, property, path)?;
            path.pop();
        }
        Ok(())
    }

    fn property(&mut self, kind: &str, property: &Value, path: &mut Vec<&'a str>) -> Result<(), String> {
        let text = |key: &str| property.get(key).and_then(Value::as_str);
        let field = || FieldSpec::new("", kind, &path.join("/"), false);
        let mut found = Config::default();
        if text("x-kubernetes-annotation").is_some() {
            found.common_annotations.push(field());
        }
        if text("x-kubernetes-label-selector").is_some() {
            found.common_labels.push(field());
        }
        if text("x-kubernetes-identity").is_some() {
            found.name_prefix.push(field());
        }
        if let (Some(version), Some(of_kind)) = (text("x-kubernetes-object-ref-api-version"), text("x-kubernetes-object-ref-kind")) {
            let key = text("x-kubernetes-object-ref-name-key").unwrap_or("name");
            let field = FieldSpec::new("", kind, &format!("{}/{key}", path.join("/")), false);
            let (version, kind) = (version.to_string(), of_kind.to_string());
            found.name_reference.push(NameReference { group: String::new(), version, kind, field_specs: vec![field] });
        }
        self.config.merge(found)?;
        match text("$ref") {
            Some(name) => self.of_type(kind, name, path),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_that_hold_themselves_are_refused() {
        let text = r#"{"x.T": {"Schema": {"properties": {"kind": {}, "apiVersion": {}, "metadata": {}, "t": {"$ref": "x.T"}}}}}"#;
        assert!(parse(text.as_bytes()).unwrap_err().contains("holds itself"));
        assert!(parse(b"").is_err() && parse(b"[]").is_err());
    }
}
