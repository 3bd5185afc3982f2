//! Which kinds a cluster serves, read from aggregated discovery (`apidiscovery.k8s.io/v2`).

use std::collections::BTreeMap;

use serde_json::Value;

/// A kind and where it is served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resource {
    /// Empty for the core group.
    pub group: String,
    pub version: String,
    pub kind: String,
    pub plural: String,
    pub namespaced: bool,
    pub verbs: Vec<String>,
}

impl Resource {
    /// Returns `group/version`.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.clone() } else { format!("{}/{}", self.group, self.version) }
    }

    /// Returns the path of a collection, in a namespace or over all of them.
    pub fn collection(&self, namespace: Option<&str>) -> String {
        let root = if self.group.is_empty() { format!("/api/{}", self.version) } else { format!("/apis/{}/{}", self.group, self.version) };
        match namespace.filter(|_| self.namespaced) {
            Some(namespace) => format!("{root}/namespaces/{namespace}/{}", self.plural),
            None => format!("{root}/{}", self.plural),
        }
    }
}

/// Everything a cluster serves, subresources left out.
#[derive(Debug, Default)]
pub(crate) struct Discovery {
    kinds: BTreeMap<(String, String), Resource>,
}

impl Discovery {
    /// Reads the answers of `/api` and `/apis`.
    pub(crate) fn of(answers: &[Value]) -> Self {
        let list = |value: &Value, key: &str| value.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
        let text = |value: &Value, pointer: &str| value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        let mut kinds = BTreeMap::new();
        for group in answers.iter().flat_map(|answer| list(answer, "items")) {
            for version in list(&group, "versions") {
                for resource in list(&version, "resources") {
                    let resource = Resource {
                        group: text(&group, "/metadata/name"),
                        version: text(&version, "/version"),
                        kind: text(&resource, "/responseKind/kind"),
                        plural: text(&resource, "/resource"),
                        namespaced: resource.get("scope").and_then(Value::as_str) == Some("Namespaced"),
                        verbs: list(&resource, "verbs").iter().filter_map(Value::as_str).map(str::to_owned).collect(),
                    };
                    // Some kinds are answers of several resources; the one that can be read is meant.
                    let key = (resource.api_version(), resource.kind.clone());
                    let known: Option<&Resource> = kinds.get(&key);
                    if known.is_none_or(|known| !known.verbs.iter().any(|verb| verb == "get")) {
                        kinds.insert(key, resource);
                    }
                }
            }
        }
        Discovery { kinds }
    }

    pub(crate) fn get(&self, api_version: &str, kind: &str) -> Option<&Resource> {
        self.kinds.get(&(api_version.to_owned(), kind.to_owned()))
    }

    /// Returns the kinds of one group and version.
    pub(crate) fn kinds(&self, api_version: &str) -> Vec<Resource> {
        self.kinds.values().filter(|resource| resource.api_version() == api_version).cloned().collect()
    }

    /// Returns `group/version` and `group/version/Kind` of everything (Helm `pkg/action/action.go`, GetVersionSet).
    pub(crate) fn api_versions(&self) -> Vec<String> {
        let mut versions: Vec<String> =
            self.kinds.keys().flat_map(|(version, kind)| [version.clone(), format!("{version}/{kind}")]).collect();
        versions.sort();
        versions.dedup();
        versions
    }
}
