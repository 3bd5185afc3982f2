//! What a step is told by the manifest.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Failure, Result};

/// The namespace and name of a HelmRelease.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleaseName {
    pub namespace: String,
    pub name: String,
}

impl std::fmt::Display for ReleaseName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// The step as the manifest has it: already checked against the module's own schema.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Params {
    /// The name of the step.
    pub step: String,
    #[serde(default)]
    pub release: Option<ReleaseName>,
    /// What is left for the step, in milliseconds.
    #[serde(rename = "timeoutMs")]
    pub timeout_ms: u64,
    /// The step's `with:`.
    #[serde(default)]
    pub with: Value,
}

impl Params {
    /// Returns parameters as a unit test needs them.
    pub fn for_test(release: &str, with: Value) -> Self {
        let release = release.split_once('/').map(|(namespace, name)| ReleaseName { namespace: namespace.into(), name: name.into() });
        Params { step: "test".into(), release, timeout_ms: 60_000, with }
    }

    /// Returns `with:` as the module's own type. No `with:` at all counts as an empty one.
    pub fn with<T: DeserializeOwned>(&self) -> Result<T> {
        let with = if self.with.is_null() { Value::Object(Default::default()) } else { self.with.clone() };
        serde_json::from_value(with).map_err(|error| Failure::invalid(format!("with: {error}")))
    }

    /// Returns the release of the step, or says that it needs one.
    pub fn release(&self) -> Result<&ReleaseName> {
        self.release.as_ref().ok_or_else(|| Failure::invalid("the step names no release: add `release: NAMESPACE/NAME`"))
    }
}
