//! `Chart.yaml`: its fields, how YAML of other types is bent into strings, and what Helm refuses (`pkg/chart/v2/metadata.go`).

use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

use go_template::quote::quote_text;

use super::fields::{self, At};
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

impl Metadata {
    /// Reads `Chart.yaml`.
    pub(super) fn parse(data: &[u8]) -> Result<Metadata, ChartError> {
        let mut metadata = Metadata::default();
        metadata.merge(data)?;
        if metadata.api_version.is_empty() {
            metadata.api_version = "v1".to_owned();
        }
        Ok(metadata)
    }

    /// Takes over what a file says, as `Chart.yaml` is read and `requirements.yaml` over it.
    pub(super) fn merge(&mut self, data: &[u8]) -> Result<(), ChartError> {
        let value = fields::yaml(data)?;
        let root = At::root("Metadata");
        for (name, value) in fields::object(&value, FIELDS, &root)? {
            let at = root.field(name);
            match name {
                "name" => fields::text(&mut self.name, value, &at)?,
                "home" => fields::text(&mut self.home, value, &at)?,
                "sources" => self.sources = fields::texts(value, &at)?,
                "version" => fields::text(&mut self.version, value, &at)?,
                "description" => fields::text(&mut self.description, value, &at)?,
                "keywords" => self.keywords = fields::texts(value, &at)?,
                "maintainers" => {
                    let maintainers = fields::list(value, &at, "[]*v2.Maintainer", Maintainer::decode)?;
                    self.nulls.maintainers = maintainers.iter().any(Option::is_none);
                    self.maintainers = maintainers.into_iter().flatten().collect();
                }
                "icon" => fields::text(&mut self.icon, value, &at)?,
                "apiVersion" => fields::text(&mut self.api_version, value, &at)?,
                "condition" => fields::text(&mut self.condition, value, &at)?,
                "tags" => fields::text(&mut self.tags, value, &at)?,
                "appVersion" => fields::text(&mut self.app_version, value, &at)?,
                "deprecated" => fields::flag(&mut self.deprecated, value, &at)?,
                "annotations" => self.annotations = annotations(value, &at)?,
                "kubeVersion" => fields::text(&mut self.kube_version, value, &at)?,
                "dependencies" => {
                    let dependencies = fields::list(value, &at, DEPENDENCIES, Dependency::decode)?;
                    self.nulls.dependencies = dependencies.iter().any(Option::is_none);
                    self.dependencies = (!value.is_null()).then(|| dependencies.into_iter().flatten().collect());
                }
                _ => fields::text(&mut self.kind, value, &at)?,
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

const FIELDS: &[&str] = &[
    "name",
    "home",
    "sources",
    "version",
    "description",
    "keywords",
    "maintainers",
    "icon",
    "apiVersion",
    "condition",
    "tags",
    "appVersion",
    "deprecated",
    "annotations",
    "kubeVersion",
    "dependencies",
    "type",
];

/// The Go type of a list of dependencies.
pub(super) const DEPENDENCIES: &str = "[]*v2.Dependency";

impl Maintainer {
    fn decode(value: &Value, at: &At) -> Result<Maintainer, ChartError> {
        let mut maintainer = Maintainer::default();
        let at = at.inside("Maintainer");
        for (name, value) in fields::object(value, &["name", "email", "url"], &at)? {
            let at = at.field(name);
            match name {
                "name" => fields::text(&mut maintainer.name, value, &at)?,
                "email" => fields::text(&mut maintainer.email, value, &at)?,
                _ => fields::text(&mut maintainer.url, value, &at)?,
            }
        }
        Ok(maintainer)
    }
}

impl Dependency {
    pub(super) fn decode(value: &Value, at: &At) -> Result<Dependency, ChartError> {
        let mut dependency = Dependency::default();
        let at = at.inside("Dependency");
        let names = &["name", "version", "repository", "condition", "tags", "enabled", "import-values", "alias"];
        for (name, value) in fields::object(value, names, &at)? {
            let at = at.field(name);
            match name {
                "name" => fields::text(&mut dependency.name, value, &at)?,
                "version" => fields::text(&mut dependency.version, value, &at)?,
                "repository" => fields::text(&mut dependency.repository, value, &at)?,
                "condition" => fields::text(&mut dependency.condition, value, &at)?,
                "tags" => dependency.tags = fields::texts(value, &at)?,
                "enabled" => fields::flag(&mut dependency.enabled, value, &at)?,
                "import-values" => dependency.import_values = fields::values(value, &at)?,
                _ => fields::text(&mut dependency.alias, value, &at)?,
            }
        }
        Ok(dependency)
    }
}

fn annotations(value: &Value, at: &At) -> Result<Option<BTreeMap<String, String>>, ChartError> {
    let map = match value {
        Value::Null => return Ok(None),
        Value::Object(map) => map,
        other => return Err(fields::mismatch(other, at, "map[string]string")),
    };
    let mut annotations = BTreeMap::new();
    for (key, value) in map {
        fields::text(annotations.entry(key.clone()).or_default(), value, at)?;
    }
    Ok(Some(annotations))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bends_scalars_into_text() {
        let metadata = Metadata::parse(
            b"apiVersion: v2\nname: c\nversion: 1.0\nappVersion: 1.20\ndescription: 012\nannotations: {a: 1.10, b: yes}\nDeprecated: true\n",
        )
        .expect("reads");
        assert_eq!((metadata.version.as_str(), metadata.app_version.as_str(), metadata.description.as_str()), ("1", "1.2", "10"));
        let annotations = metadata.annotations.expect("there");
        assert_eq!((annotations["a"].as_str(), annotations["b"].as_str()), ("1.1", "true"));
        assert!(metadata.deprecated);
    }

    #[test]
    fn refuses_wrong_types() {
        let error = Metadata::parse(b"keywords: x\n").expect_err("a list is wanted");
        assert_eq!(
            error.0,
            "error unmarshaling JSON: while decoding JSON: json: cannot unmarshal string into Go struct field Metadata.keywords of type []string"
        );
    }

    #[test]
    fn validates() {
        let check = |yaml: &str, expect: &str| {
            let found = Metadata::parse(yaml.as_bytes()).and_then(|mut metadata| metadata.validate()).map_err(|error| error.0);
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
