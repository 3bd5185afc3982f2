//! Which resources are served: the built-in table, and what custom resource definitions add.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use serde_json::{Value, json};

use crate::schema::{Schema, anything, built_in, table};

/// A group and the plural name of a resource: where objects are stored, whatever the version.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ResourceId {
    pub(crate) group: String,
    pub(crate) plural: String,
}

impl ResourceId {
    pub(crate) fn new(group: &str, plural: &str) -> ResourceId {
        ResourceId { group: group.to_owned(), plural: plural.to_owned() }
    }
}

/// A schema that is either compiled in or came with a definition.
#[derive(Debug, Clone)]
pub(crate) enum SchemaOf {
    BuiltIn(&'static Schema),
    Custom(Arc<Schema>),
}

impl std::ops::Deref for SchemaOf {
    type Target = Schema;

    fn deref(&self) -> &Schema {
        match self {
            SchemaOf::BuiltIn(schema) => schema,
            SchemaOf::Custom(schema) => schema,
        }
    }
}

/// Where a custom resource keeps what its scale subresource shows.
#[derive(Debug, Clone)]
pub(crate) struct ScalePaths {
    pub(crate) spec: String,
    pub(crate) status: String,
    pub(crate) selector: Option<String>,
}

/// One resource in one version.
#[derive(Debug, Clone)]
pub(crate) struct Resource {
    pub(crate) id: ResourceId,
    pub(crate) version: String,
    pub(crate) kind: String,
    pub(crate) list_kind: String,
    pub(crate) singular: String,
    pub(crate) short_names: Vec<String>,
    pub(crate) categories: Vec<String>,
    pub(crate) namespaced: bool,
    pub(crate) verbs: Vec<String>,
    pub(crate) subresources: Vec<Value>,
    pub(crate) schema: SchemaOf,
    pub(crate) custom: bool,
    pub(crate) scale: Option<ScalePaths>,
}

impl Resource {
    pub(crate) fn group(&self) -> &str {
        &self.id.group
    }

    pub(crate) fn plural(&self) -> &str {
        &self.id.plural
    }

    pub(crate) fn api_version(&self) -> String {
        api_version(&self.id.group, &self.version)
    }

    pub(crate) fn has_subresource(&self, name: &str) -> bool {
        self.subresources.iter().any(|sub| sub["subresource"] == name)
    }

    /// Tells whether `status` is kept apart from the rest on ordinary writes.
    pub(crate) fn has_status(&self) -> bool {
        self.has_subresource("status")
    }

    /// Tells whether the object counts generations (pkg/registry of Kubernetes v1.36.3, the strategies that set it to 1).
    pub(crate) fn has_generation(&self) -> bool {
        const COUNTED: [&str; 27] = [
            "customresourcedefinitions",
            "cronjobs",
            "daemonsets",
            "deployments",
            "deviceclasses",
            "endpointslices",
            "flowschemas",
            "ingressclasses",
            "ingresses",
            "jobs",
            "mutatingadmissionpolicies",
            "mutatingadmissionpolicybindings",
            "mutatingwebhookconfigurations",
            "networkpolicies",
            "poddisruptionbudgets",
            "pods",
            "podtemplates",
            "priorityclasses",
            "prioritylevelconfigurations",
            "replicasets",
            "replicationcontrollers",
            "resourceslices",
            "devicetaintrules",
            "statefulsets",
            "validatingadmissionpolicies",
            "validatingadmissionpolicybindings",
            "validatingwebhookconfigurations",
        ];
        self.custom || COUNTED.contains(&self.plural())
    }

    pub(crate) fn is(&self, group: &str, plural: &str) -> bool {
        self.id.group == group && self.id.plural == plural
    }

    /// Returns the resource as the aggregated discovery (`apidiscovery.k8s.io/v2`) lists it.
    pub(crate) fn discovery(&self) -> Value {
        let gvk = json!({ "group": self.group(), "version": self.version, "kind": self.kind });
        let mut entry = json!({
            "resource": self.plural(), "responseKind": gvk, "singularResource": self.singular, "verbs": self.verbs,
            "scope": if self.namespaced { "Namespaced" } else { "Cluster" },
        });
        for (key, list) in [("shortNames", &self.short_names), ("categories", &self.categories)] {
            if !list.is_empty() {
                entry[key] = json!(list);
            }
        }
        if !self.subresources.is_empty() {
            entry["subresources"] = json!(self.subresources);
        }
        entry
    }
}

pub(crate) fn api_version(group: &str, version: &str) -> String {
    if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") }
}

/// Splits `apps/v1` into group and version.
pub(crate) fn split_api_version(api_version: &str) -> (&str, &str) {
    api_version.split_once('/').unwrap_or(("", api_version))
}

/// The resources of a server at one moment.
#[derive(Debug, Clone, Default)]
pub(crate) struct Kinds {
    /// Groups and versions in order of preference.
    order: Vec<(String, Vec<String>)>,
    resources: BTreeMap<(String, String, String), Arc<Resource>>,
}

impl Kinds {
    /// Returns the built-in kinds.
    pub(crate) fn built_in() -> Kinds {
        static KINDS: OnceLock<Kinds> = OnceLock::new();
        KINDS.get_or_init(read_built_in).clone()
    }

    pub(crate) fn find(&self, group: &str, version: &str, plural: &str) -> Option<Arc<Resource>> {
        self.resources.get(&(group.to_owned(), version.to_owned(), plural.to_owned())).cloned()
    }

    /// Finds a resource by what an object says of itself.
    pub(crate) fn by_kind(&self, api_version: &str, kind: &str) -> Option<Arc<Resource>> {
        let (group, version) = split_api_version(api_version);
        self.of_group(group, version).find(|resource| resource.kind == kind).cloned()
    }

    pub(crate) fn of_group<'a>(&'a self, group: &str, version: &str) -> impl Iterator<Item = &'a Arc<Resource>> {
        let from = (group.to_owned(), version.to_owned(), String::new());
        let key = (group.to_owned(), version.to_owned());
        self.resources.range(from..).take_while(move |((g, v, _), _)| (g, v) == (&key.0, &key.1)).map(|(_, resource)| resource)
    }

    /// Returns the resource in its preferred version.
    pub(crate) fn preferred(&self, id: &ResourceId) -> Option<Arc<Resource>> {
        let (group, versions) = self.order.iter().find(|(group, _)| *group == id.group)?;
        versions.iter().find_map(|version| self.find(group, version, &id.plural))
    }

    /// Returns every resource once, in its preferred version.
    pub(crate) fn all_preferred(&self) -> Vec<Arc<Resource>> {
        let mut seen = std::collections::BTreeSet::new();
        let ids: Vec<ResourceId> = self.resources.values().map(|r| r.id.clone()).filter(|id| seen.insert(id.clone())).collect();
        ids.iter().filter_map(|id| self.preferred(id)).collect()
    }

    pub(crate) fn groups(&self) -> &[(String, Vec<String>)] {
        &self.order
    }

    pub(crate) fn add(&mut self, resource: Resource) {
        let (group, version) = (resource.id.group.clone(), resource.version.clone());
        let at = self.order.iter().position(|(name, _)| *name == group).unwrap_or_else(|| {
            self.order.push((group.clone(), Vec::new()));
            self.order.len() - 1
        });
        let versions = &mut self.order[at].1;
        if !versions.contains(&version) {
            versions.push(version.clone());
            if resource.custom {
                versions.sort_by_key(|v| std::cmp::Reverse(version_priority(v)));
            }
        }
        self.resources.insert((group, version, resource.id.plural.clone()), Arc::new(resource));
    }
}

/// Orders versions as Kubernetes does: v2 over v1 over v1beta2 over v1alpha1 over anything else.
pub(crate) fn version_priority(version: &str) -> (u8, u64, u64) {
    let parse = || {
        let rest = version.strip_prefix('v')?;
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let major: u64 = rest[..digits].parse().ok()?;
        let (stage, minor) = match &rest[digits..] {
            "" => (3, 0),
            tail if tail.starts_with("beta") => (2, tail[4..].parse().ok()?),
            tail if tail.starts_with("alpha") => (1, tail[5..].parse().ok()?),
            _ => return None,
        };
        Some((stage, major, minor))
    };
    parse().unwrap_or((0, 0, 0))
}

fn read_built_in() -> Kinds {
    let mut kinds = Kinds::default();
    for group in &table().groups {
        let name = group["metadata"]["name"].as_str().unwrap_or_default();
        for version in group["versions"].as_array().into_iter().flatten() {
            for entry in version["resources"].as_array().into_iter().flatten() {
                kinds.add(read_resource(name, version["version"].as_str().unwrap_or_default(), entry));
            }
        }
    }
    kinds
}

fn read_resource(group: &str, version: &str, entry: &Value) -> Resource {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let list = |value: &Value| value.as_array().into_iter().flatten().map(text).collect::<Vec<_>>();
    let kind = text(&entry["responseKind"]["kind"]);
    let own = |sub: &str| entry["subresources"].as_array().is_some_and(|s| s.iter().any(|s| s["subresource"] == sub));
    let scale = own("scale").then(|| ScalePaths { spec: ".spec.replicas".into(), status: ".status.replicas".into(), selector: None });
    Resource {
        id: ResourceId { group: group.to_owned(), plural: text(&entry["resource"]) },
        version: version.to_owned(),
        list_kind: format!("{kind}List"),
        singular: text(&entry["singularResource"]),
        short_names: list(&entry["shortNames"]),
        categories: list(&entry["categories"]),
        namespaced: entry["scope"] == "Namespaced",
        verbs: list(&entry["verbs"]),
        subresources: entry["subresources"].as_array().cloned().unwrap_or_default(),
        schema: SchemaOf::BuiltIn(built_in(group, version, &kind).unwrap_or_else(|| anything())),
        kind,
        custom: false,
        scale,
    }
}
