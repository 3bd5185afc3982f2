//! `Chart.yaml`: its fields, how YAML of other types is bent into strings, and what Helm refuses (`pkg/chart/v2/metadata.go`).

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

use go_template::quote::quote_text;

use super::{ChartError, version};

/// What `Chart.yaml` says. Field order and omission follow Go's struct, because the release record holds it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Metadata {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub home: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub version: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub keywords: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub maintainers: Vec<Maintainer>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub icon: String,
    #[serde(rename = "apiVersion", skip_serializing_if = "String::is_empty")]
    pub api_version: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub condition: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub tags: String,
    #[serde(rename = "appVersion", skip_serializing_if = "String::is_empty")]
    pub app_version: String,
    #[serde(skip_serializing_if = "is_false")]
    pub deprecated: bool,
    #[serde(skip_serializing_if = "no_annotations")]
    pub annotations: Option<BTreeMap<String, String>>,
    #[serde(rename = "kubeVersion", skip_serializing_if = "String::is_empty")]
    pub kube_version: String,
    /// Nothing where the chart declares no dependencies, which is not the same as an empty list.
    #[serde(skip_serializing_if = "no_dependencies")]
    pub dependencies: Option<Vec<Dependency>>,
    /// `application`, `library` or nothing.
    #[serde(rename = "type", skip_serializing_if = "String::is_empty")]
    pub kind: String,
    /// Which lists hold null, which Helm refuses once the rest is found to be right.
    #[serde(skip)]
    nulls: Nulls,
}

#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Nulls {
    maintainers: bool,
    dependencies: bool,
}

/// A maintainer of a chart.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Maintainer {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub email: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub url: String,
}

/// A declared dependency.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Dependency {
    pub name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub version: String,
    pub repository: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub condition: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    #[serde(skip_serializing_if = "is_false")]
    pub enabled: bool,
    #[serde(rename = "import-values", skip_serializing_if = "Vec::is_empty")]
    pub import_values: Vec<Value>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub alias: String,
}

fn is_false(flag: &bool) -> bool {
    !flag
}

fn no_annotations(annotations: &Option<BTreeMap<String, String>>) -> bool {
    annotations.as_ref().is_none_or(BTreeMap::is_empty)
}

fn no_dependencies(dependencies: &Option<Vec<Dependency>>) -> bool {
    dependencies.as_ref().is_none_or(Vec::is_empty)
}

/// Reads one struct of `Chart.yaml` field by field, with the coercions of sigs yaml and the words of `encoding/json`.
struct Fields<'a> {
    kind: &'static str,
    map: &'a Map<String, Value>,
}

impl<'a> Fields<'a> {
    fn of(kind: &'static str, field: &str, value: &'a Value) -> Result<Fields<'a>, ChartError> {
        match value {
            Value::Object(map) => Ok(Fields { kind, map }),
            other => Err(mismatch(other, field, &format!("v2.{kind}"))),
        }
    }

    fn get(&self, name: &str) -> Option<&'a Value> {
        // Go reads the entries in the order of their keys; each that fits overrides the one before, but a null changes nothing.
        let mut fitting: Vec<_> = self.map.iter().filter(|(key, value)| key.eq_ignore_ascii_case(name) && !value.is_null()).collect();
        fitting.sort_by_key(|(key, _)| *key);
        fitting.last().map(|(_, value)| *value)
    }

    fn path(&self, name: &str) -> String {
        format!("{}.{name}", self.kind)
    }

    fn text(&self, name: &str) -> Result<String, ChartError> {
        self.get(name).map_or(Ok(String::new()), |value| text(value, &self.path(name)))
    }

    fn flag(&self, name: &str) -> Result<bool, ChartError> {
        match self.get(name) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(other) => Err(mismatch(other, &self.path(name), "bool")),
        }
    }

    fn list(&self, name: &str, kind: &str) -> Result<Option<&'a [Value]>, ChartError> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::Array(items)) => Ok(Some(items)),
            Some(other) => Err(mismatch(other, &self.path(name), kind)),
        }
    }

    fn holds_null(&self, name: &str) -> bool {
        self.get(name).and_then(Value::as_array).is_some_and(|items| items.iter().any(Value::is_null))
    }

    fn texts(&self, name: &str) -> Result<Vec<String>, ChartError> {
        let items = self.list(name, "[]string")?.unwrap_or_default();
        items.iter().map(|item| if item.is_null() { Ok(String::new()) } else { text(item, &self.path(name)) }).collect()
    }
}

/// A scalar as text: integers decimal, floats as Go prints them with 32 bits, which loses digits, and words for bools.
fn text(value: &Value, field: &str) -> Result<String, ChartError> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Bool(flag) => Ok(flag.to_string()),
        Value::Number(number) => Ok(match number.as_f64() {
            Some(float) if number.is_f64() => go_encoding::float::general_32(float),
            _ => number.to_string(),
        }),
        other => Err(mismatch(other, field, "string")),
    }
}

fn mismatch(value: &Value, field: &str, kind: &str) -> ChartError {
    let found = match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let place = if field.contains('.') { format!("struct field {field}") } else { "value".to_owned() };
    ChartError(format!("error unmarshaling JSON: while decoding JSON: json: cannot unmarshal {found} into Go {place} of type {kind}"))
}

impl Metadata {
    /// Reads `Chart.yaml`.
    pub(super) fn parse(text: &str) -> Result<Metadata, ChartError> {
        let value = go_encoding::yaml::parse(text).map_err(|error| ChartError(format!("error converting YAML to JSON: {error}")))?;
        if value.is_null() {
            return Ok(Metadata { api_version: "v1".to_owned(), ..Metadata::default() });
        }
        let fields = Fields::of("Metadata", "", &value)?;
        let api_version = fields.text("apiVersion")?;
        Ok(Metadata {
            name: fields.text("name")?,
            home: fields.text("home")?,
            sources: fields.texts("sources")?,
            version: fields.text("version")?,
            description: fields.text("description")?,
            keywords: fields.texts("keywords")?,
            maintainers: maintainers(&fields)?,
            icon: fields.text("icon")?,
            api_version: if api_version.is_empty() { "v1".to_owned() } else { api_version },
            condition: fields.text("condition")?,
            tags: fields.text("tags")?,
            app_version: fields.text("appVersion")?,
            deprecated: fields.flag("deprecated")?,
            annotations: annotations(&fields)?,
            kube_version: fields.text("kubeVersion")?,
            dependencies: dependencies(&fields)?,
            kind: fields.text("type")?,
            nulls: Nulls { maintainers: fields.holds_null("maintainers"), dependencies: fields.holds_null("dependencies") },
        })
    }

    /// Takes over the dependencies of a `requirements.yaml`.
    pub(super) fn merge_requirements(&mut self, text: &str) -> Result<(), ChartError> {
        let value = go_encoding::yaml::parse(text).map_err(|error| ChartError(format!("error converting YAML to JSON: {error}")))?;
        if !value.is_null() {
            let fields = Fields::of("Metadata", "", &value)?;
            if let Some(found) = dependencies(&fields)? {
                self.dependencies = Some(found);
                self.nulls.dependencies = fields.holds_null("dependencies");
            }
        }
        Ok(())
    }

    /// Cleans the text fields and checks them as Helm does on loading.
    pub(super) fn validate(&mut self) -> Result<(), ChartError> {
        for field in [
            &mut self.name,
            &mut self.description,
            &mut self.home,
            &mut self.icon,
            &mut self.condition,
            &mut self.tags,
            &mut self.app_version,
            &mut self.kube_version,
        ] {
            sanitize(field);
        }
        self.sources.iter_mut().chain(&mut self.keywords).for_each(sanitize);
        if self.api_version.is_empty() {
            return Err(invalid("chart.metadata.apiVersion is required"));
        }
        if self.name.is_empty() {
            return Err(invalid("chart.metadata.name is required"));
        }
        if matches!(self.name.as_str(), "." | "..") {
            return Err(invalid(&format!("chart.metadata.name {} is not allowed", quote_text(&self.name))));
        }
        if self.name.contains('/') {
            return Err(invalid(&format!("chart.metadata.name {} is invalid", quote_text(&self.name))));
        }
        if self.version.is_empty() {
            return Err(invalid("chart.metadata.version is required"));
        }
        if !version::is_version(&self.version) {
            return Err(invalid(&format!("chart.metadata.version {} is invalid", quote_text(&self.version))));
        }
        if !matches!(self.kind.as_str(), "" | "application" | "library") {
            return Err(invalid("chart.metadata.type must be application or library"));
        }
        if self.nulls.maintainers {
            return Err(invalid("maintainers must not contain empty or null nodes"));
        }
        for maintainer in &mut self.maintainers {
            [&mut maintainer.name, &mut maintainer.email, &mut maintainer.url].into_iter().for_each(sanitize);
        }
        self.validate_dependencies()
    }

    fn validate_dependencies(&mut self) -> Result<(), ChartError> {
        if self.nulls.dependencies {
            return Err(invalid("dependencies must not contain empty or null nodes"));
        }
        let mut seen: Vec<String> = Vec::new();
        for dependency in self.dependencies.iter_mut().flatten() {
            for field in [&mut dependency.name, &mut dependency.version, &mut dependency.repository, &mut dependency.condition] {
                sanitize(field);
            }
            dependency.tags.iter_mut().for_each(sanitize);
            let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
            if !dependency.alias.chars().all(plain) {
                return Err(invalid(&format!("dependency {} has disallowed characters in the alias", quote_text(&dependency.name))));
            }
            let key = if dependency.alias.is_empty() { &dependency.name } else { &dependency.alias };
            if seen.contains(key) {
                return Err(invalid(&format!("more than one dependency with name or alias {}", quote_text(key))));
            }
            seen.push(key.clone());
        }
        Ok(())
    }
}

fn invalid(text: &str) -> ChartError {
    ChartError(format!("validation: {text}"))
}

/// Spaces of any kind become one ASCII space each, what cannot be printed goes.
fn sanitize(text: &mut String) {
    if text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        return;
    }
    let invisible = |c: &char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e000}'..='\u{f8ff}')
    };
    *text = text.chars().map(|c| if c.is_whitespace() { ' ' } else { c }).filter(|c| !invisible(c)).collect();
}

fn maintainers(fields: &Fields) -> Result<Vec<Maintainer>, ChartError> {
    let items = fields.list("maintainers", "[]*v2.Maintainer")?.unwrap_or_default();
    items
        .iter()
        .filter(|item| !item.is_null())
        .map(|item| {
            let fields = Fields::of("Maintainer", "Metadata.maintainers", item)?;
            Ok(Maintainer { name: fields.text("name")?, email: fields.text("email")?, url: fields.text("url")? })
        })
        .collect()
}

fn annotations(fields: &Fields) -> Result<Option<BTreeMap<String, String>>, ChartError> {
    match fields.get("annotations") {
        None => Ok(None),
        Some(Value::Object(map)) => map
            .iter()
            .map(|(key, value)| match value {
                Value::Null => Ok((key.clone(), String::new())),
                value => text(value, "Metadata.annotations").map(|text| (key.clone(), text)),
            })
            .collect::<Result<_, _>>()
            .map(Some),
        Some(other) => Err(mismatch(other, "Metadata.annotations", "map[string]string")),
    }
}

fn dependencies(fields: &Fields) -> Result<Option<Vec<Dependency>>, ChartError> {
    let Some(items) = fields.list("dependencies", "[]*v2.Dependency")? else {
        return Ok(None);
    };
    items
        .iter()
        .filter(|item| !item.is_null())
        .map(|item| {
            let fields = Fields::of("Dependency", "Metadata.dependencies", item)?;
            Ok(Dependency {
                name: fields.text("name")?,
                version: fields.text("version")?,
                repository: fields.text("repository")?,
                condition: fields.text("condition")?,
                tags: fields.texts("tags")?,
                enabled: fields.flag("enabled")?,
                import_values: fields.list("import-values", "[]interface {}")?.unwrap_or_default().to_vec(),
                alias: fields.text("alias")?,
            })
        })
        .collect::<Result<_, _>>()
        .map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bends_scalars_into_text() {
        let metadata = Metadata::parse(
            "apiVersion: v2\nname: c\nversion: 1.0\nappVersion: 1.20\ndescription: 012\nannotations: {a: 1.10, b: yes}\nDeprecated: true\n",
        )
        .expect("reads");
        assert_eq!((metadata.version.as_str(), metadata.app_version.as_str(), metadata.description.as_str()), ("1", "1.2", "10"));
        let annotations = metadata.annotations.expect("there");
        assert_eq!((annotations["a"].as_str(), annotations["b"].as_str()), ("1.1", "true"));
        assert!(metadata.deprecated);
    }

    #[test]
    fn refuses_wrong_types() {
        let error = Metadata::parse("keywords: x\n").expect_err("a list is wanted");
        assert_eq!(
            error.0,
            "error unmarshaling JSON: while decoding JSON: json: cannot unmarshal string into Go struct field Metadata.keywords of type []string"
        );
    }

    #[test]
    fn validates() {
        let check = |yaml: &str, expect: &str| {
            let found = Metadata::parse(yaml).and_then(|mut metadata| metadata.validate()).map_err(|error| error.0);
            assert_eq!(found, Err(format!("validation: {expect}")), "{yaml}");
        };
        check("version: 1.0.0", "chart.metadata.name is required");
        check("name: a/b", "chart.metadata.name \"a/b\" is invalid");
        check("name: a", "chart.metadata.version is required");
        check("{name: a, version: x}", "chart.metadata.version \"x\" is invalid");
        check("{name: a, version: 1.0.0, type: x}", "chart.metadata.type must be application or library");
        check("{name: a, version: 1.0.0, dependencies: [{name: b}, {name: b}]}", "more than one dependency with name or alias \"b\"");
    }
}
