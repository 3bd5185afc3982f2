//! Namespaces of releases.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use kube_engine::{Apply, Cluster, Error, ObjectRef};

use crate::release_source::ReleaseSource;
use crate::report::StepReporter;

/// Who owns namespaces that are made for a release: the controller that will take them over.
const MANAGER: Apply<'static> = Apply { manager: "kustomize-controller", force: false, creates: false, default_namespace: None };

/// The namespaces that a run has seen to.
pub struct Namespaces {
    cluster: Cluster,
    releases: Arc<ReleaseSource>,
    /// Whether the run made it, by name.
    there: Mutex<BTreeMap<String, bool>>,
}

impl Namespaces {
    pub fn new(cluster: Cluster, releases: Arc<ReleaseSource>) -> Self {
        Namespaces { cluster, releases, there: Mutex::default() }
    }

    /// Makes a namespace where it is missing: as the repository has it, so that Flux finds it as it would have made it. Tells whether this run made
    /// it.
    pub async fn ensure(&self, name: &str, reporter: &StepReporter) -> Result<bool, Error> {
        // Nothing could be written without it: the Lease is in it.
        if name == "kube-system" {
            return Ok(false);
        }
        if let Some(made) = self.there.lock().unwrap_or_else(PoisonError::into_inner).get(name) {
            return Ok(*made);
        }
        let reference = ObjectRef { api_version: "v1".into(), kind: "Namespace".into(), namespace: None, name: name.into() };
        let is_made = self.cluster.get(&reference).await?.is_none();
        if is_made {
            reporter.changed(&self.cluster.apply_known(&self.releases.namespace(name), &MANAGER, None).await?.change);
        }
        self.there.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), is_made);
        Ok(is_made)
    }
}
