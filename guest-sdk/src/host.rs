//! Everything a module can ask for. In a component the host program answers, in a unit test [`crate::fake::FakeHost`].

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Result;

/// Names one Kubernetes object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ObjectRef {
    pub api_version: String,
    pub kind: String,
    pub namespace: Option<String>,
    pub name: String,
}

impl ObjectRef {
    /// Names an object of a namespaced kind.
    pub fn namespaced(api_version: &str, kind: &str, namespace: &str, name: &str) -> Self {
        ObjectRef { api_version: api_version.into(), kind: kind.into(), namespace: Some(namespace.into()), name: name.into() }
    }

    /// Names an object of a cluster-scoped kind.
    pub fn cluster(api_version: &str, kind: &str, name: &str) -> Self {
        ObjectRef { api_version: api_version.into(), kind: kind.into(), namespace: None, name: name.into() }
    }

    /// Names a CustomResourceDefinition.
    pub fn crd(name: &str) -> Self {
        ObjectRef::cluster("apiextensions.k8s.io/v1", "CustomResourceDefinition", name)
    }
}

impl std::fmt::Display for ObjectRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{} {namespace}/{}", self.kind, self.name),
            None => write!(f, "{} {}", self.kind, self.name),
        }
    }
}

/// A set of objects of one kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    pub api_version: String,
    pub kind: String,
    /// None: all namespaces.
    pub namespace: Option<String>,
    pub label_selector: Option<String>,
    pub field_selector: Option<String>,
}

/// What a write did to one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    pub object: ObjectRef,
    /// `created`, `configured`, `unchanged`, `deleted` or `absent`.
    pub action: String,
}

/// A server-side apply.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Apply {
    /// YAML documents, applied in order.
    pub manifests: String,
    pub default_namespace: Option<String>,
    /// Takes fields over from other field managers.
    pub force_conflicts: bool,
}

/// The ways to patch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PatchType {
    Merge,
    Json,
    Strategic,
}

impl PatchType {
    /// Returns the word of the contract.
    pub fn as_str(self) -> &'static str {
        match self {
            PatchType::Merge => "merge",
            PatchType::Json => "json",
            PatchType::Strategic => "strategic",
        }
    }
}

/// Conditions that are waited for together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wait {
    pub conditions: Vec<(ObjectRef, String)>,
    /// None: what is left of the step's time-out.
    pub timeout_ms: Option<u64>,
}

impl Wait {
    /// Waits for nothing yet.
    pub fn new() -> Self {
        Wait::default()
    }

    /// Adds a condition: `exists`, `absent`, `ready`, `completed`, `condition=TYPE[=STATUS]` or `jsonpath={.path}[=VALUE]`.
    #[must_use]
    pub fn until(mut self, object: ObjectRef, condition: &str) -> Self {
        self.conditions.push((object, condition.into()));
        self
    }

    /// Limits the wait.
    #[must_use]
    pub fn timeout_ms(mut self, ms: u64) -> Self {
        self.timeout_ms = Some(ms);
        self
    }
}

/// A file or folder of the repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub name: String,
    pub directory: bool,
    pub size: u64,
}

/// A release as the repository describes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleaseInfo {
    pub namespace: String,
    pub name: String,
    pub chart: String,
    pub version: String,
    /// The folder of the HelmRelease's file, relative to the repository.
    #[serde(default)]
    pub folder: Option<String>,
}

/// What `ensure` did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// `installed`, `upgraded` or `unchanged`.
    pub action: String,
    pub revision: u64,
    #[serde(default)]
    pub changes: Vec<Value>,
}

/// How loud a log line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    Debug,
    Info,
    Warn,
    Error,
}

/// Something shown as going on until it is dropped.
pub trait Activity {
    /// Shows what is being waited for now.
    fn note(&self, text: &str);
}

/// The capabilities of the host. A call outside the step's grant fails with code `denied`.
pub trait Host {
    /// Returns an object, or none if it does not exist.
    fn get(&self, object: &ObjectRef) -> Result<Option<Value>>;
    /// Returns the objects of a selection.
    fn list(&self, objects: &Selection) -> Result<Vec<Value>>;
    /// Returns the kinds of a group and version; none if the cluster does not know it.
    fn discover(&self, api_version: &str) -> Result<Vec<Value>>;
    /// Creates an object; it must not exist.
    fn create(&self, object: &Value) -> Result<Change>;
    /// Patches an object or one of its subresources.
    fn patch(&self, object: &ObjectRef, patch_type: PatchType, body: &Value, subresource: Option<&str>) -> Result<Change>;
    /// Deletes an object, in the background.
    fn delete(&self, object: &ObjectRef) -> Result<Change>;
    /// Applies manifests on the server's side.
    fn apply(&self, apply: &Apply) -> Result<Vec<Change>>;
    /// Waits for all conditions and returns the objects as last seen.
    fn wait(&self, wait: &Wait) -> Result<Vec<Value>>;

    /// Returns a file of the repository as text.
    fn read_text(&self, path: &str) -> Result<String>;
    /// Returns a file of the repository.
    fn read_bytes(&self, path: &str) -> Result<Vec<u8>>;
    /// Returns what is in a folder of the repository, sorted by name.
    fn list_folder(&self, path: &str) -> Result<Vec<Entry>>;
    /// Returns the paths of files that match, sorted.
    fn glob(&self, pattern: &str) -> Result<Vec<String>>;
    /// Returns what `kustomize build` prints for a folder.
    fn kustomize(&self, path: &str) -> Result<String>;

    /// Returns a file of a chart.
    fn read_chart(&self, reference: &str, version: Option<&str>, path: &str) -> Result<String>;

    /// Returns what the repository says of a release.
    fn release_info(&self, release: &crate::ReleaseName) -> Result<ReleaseInfo>;
    /// Returns the values of a release, without the chart's defaults.
    fn release_values(&self, release: &crate::ReleaseName) -> Result<Value>;
    /// Returns the values of a release as its templates see them, with the chart's defaults.
    fn release_computed_values(&self, release: &crate::ReleaseName) -> Result<Value>;
    /// Returns the objects of a release, in the order of installation.
    fn release_objects(&self, release: &crate::ReleaseName) -> Result<Vec<ObjectRef>>;
    /// Returns the manifest that would be installed.
    fn render(&self, release: &crate::ReleaseName) -> Result<String>;
    /// Returns the CustomResourceDefinitions of a release's chart, from `crds/` and from templates.
    fn release_crds(&self, release: &crate::ReleaseName) -> Result<String>;
    /// Installs, upgrades or does nothing.
    fn ensure(&self, release: &crate::ReleaseName) -> Result<Outcome>;
    /// Waits until the objects of a release are ready.
    fn wait_ready(&self, release: &crate::ReleaseName) -> Result<()>;
    /// Returns what helm-controller will decide for the release.
    fn handoff(&self, release: &crate::ReleaseName) -> Result<Value>;

    /// Writes a secret, which the module never sees, into a Kubernetes Secret.
    fn place_secret(&self, secret: &str, target: &ObjectRef, key: &str) -> Result<()>;

    /// Writes a line for the person who runs the step.
    fn log(&self, level: Level, message: &str);
    /// Shows something as going on.
    fn activity(&self, title: &str) -> Box<dyn Activity>;
}
