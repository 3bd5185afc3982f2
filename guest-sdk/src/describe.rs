//! What a module says of itself: the document behind `describe`.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A module's name, parameters and requested capabilities.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Description {
    /// The shape of this document.
    pub schema: u32,
    pub name: String,
    pub version: String,
    /// One sentence.
    pub summary: String,
    /// The step must name a release.
    #[serde(default)]
    pub release: bool,
    /// JSON Schema (2020-12) of `with:`.
    pub parameters: Value,
    /// What the module will ask the host for. The operator grants it, or the run does not start.
    pub capabilities: Capabilities,
}

impl Description {
    /// Returns the description of a module without parameters that asks for nothing.
    pub fn new(name: &str, version: &str, summary: &str) -> Self {
        Description {
            schema: 1,
            name: name.into(),
            version: version.into(),
            summary: summary.into(),
            release: false,
            parameters: serde_json::json!({ "type": "object", "additionalProperties": false }),
            capabilities: Capabilities::default(),
        }
    }

    /// Makes the module one that installs a release: the step must name it, and it is requested.
    #[must_use]
    pub fn with_release(mut self) -> Self {
        self.release = true;
        self.capabilities.releases.push("$release".into());
        self
    }

    /// Sets the properties of `with:`. Others are refused.
    #[must_use]
    pub fn with_parameters(mut self, properties: Value, required: &[&str]) -> Self {
        self.parameters =
            serde_json::json!({ "type": "object", "additionalProperties": false, "properties": properties, "required": required });
        self
    }

    /// Requests Kubernetes verbs.
    #[must_use]
    pub fn with_kubernetes(mut self, rule: Rule) -> Self {
        self.capabilities.kubernetes.push(rule);
        self
    }

    /// Requests files by glob, relative to the repository.
    #[must_use]
    pub fn with_files(mut self, pattern: &str) -> Self {
        self.capabilities.files.push(pattern.into());
        self
    }

    /// Requests releases, as `NAMESPACE/NAME`.
    #[must_use]
    pub fn with_releases(mut self, pattern: &str) -> Self {
        self.capabilities.releases.push(pattern.into());
        self
    }

    /// Requests charts by reference, `*` at the end standing for anything.
    #[must_use]
    pub fn with_charts(mut self, pattern: &str) -> Self {
        self.capabilities.charts.push(pattern.into());
        self
    }

    /// Requests a secret of the manifest, to place it.
    #[must_use]
    pub fn with_secrets(mut self, name: &str) -> Self {
        self.capabilities.secrets.push(name.into());
        self
    }
}

/// Requested or granted capabilities.
///
/// In a request, `$release`, `$release.namespace` and `$with.KEY` stand for what the step says, item by item where that is a list.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Capabilities {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub kubernetes: Vec<Rule>,
    /// Globs of files in the repository. A folder includes all below it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<String>,
    /// Chart references.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub charts: Vec<String>,
    /// Releases as `NAMESPACE/NAME`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub releases: Vec<String>,
    /// Names of secrets.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<String>,
}

/// A rule in the words of Kubernetes RBAC. A server-side apply needs `patch`, a wait needs `watch`. `*` stands for all.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Rule {
    pub verbs: Vec<String>,
    pub api_groups: Vec<String>,
    pub resources: Vec<String>,
    /// Empty: all, and cluster-scoped objects.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub namespaces: Vec<String>,
    /// Empty: all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub resource_names: Vec<String>,
}

impl Rule {
    /// Returns a rule for some verbs on some resources of one API group, in all namespaces.
    pub fn new(verbs: &[&str], group: &str, resources: &[&str]) -> Self {
        let owned = |items: &[&str]| items.iter().map(|item| (*item).to_owned()).collect();
        Rule { verbs: owned(verbs), api_groups: vec![group.into()], resources: owned(resources), ..Rule::default() }
    }

    /// Returns the rule for one namespace (or `$release.namespace`).
    #[must_use]
    pub fn in_namespace(mut self, namespace: &str) -> Self {
        self.namespaces.push(namespace.into());
        self
    }

    /// Returns the rule for objects of this name only.
    #[must_use]
    pub fn named(mut self, name: &str) -> Self {
        self.resource_names.push(name.into());
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_capability_can_be_requested() {
        let rule = Rule::new(&["patch"], "", &["secrets"]).in_namespace("flux-system").named("sops-age");
        let description = Description::new("m", "1.0.0", "Places a key.")
            .with_kubernetes(rule)
            .with_files("apps/**")
            .with_charts("oci://registry.example.com/charts/*")
            .with_releases("apps/web")
            .with_secrets("age-key");
        let expected = serde_json::json!({
            "kubernetes": [{ "verbs": ["patch"], "apiGroups": [""], "resources": ["secrets"], "namespaces": ["flux-system"],
                "resourceNames": ["sops-age"] }],
            "files": ["apps/**"], "charts": ["oci://registry.example.com/charts/*"], "releases": ["apps/web"], "secrets": ["age-key"],
        });
        assert_eq!(serde_json::to_value(description.capabilities).expect("JSON"), expected);
    }
}
