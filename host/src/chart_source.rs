//! Charts by reference, each fetched once a run.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use charts::{Fetched, Reference, Source};
use tokio::sync::Mutex;

use crate::failure::chain;

/// The charts of a run.
pub struct ChartSource {
    source: Source,
    repository: PathBuf,
    fetched: Mutex<BTreeMap<Reference, Arc<Fetched>>>,
}

impl ChartSource {
    /// Returns charts from a source; paths in references are relative to `repository`.
    pub fn new(source: Source, repository: PathBuf) -> Self {
        ChartSource { source, repository, fetched: Mutex::default() }
    }

    /// Returns where they come from: step modules are fetched through the same connections.
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// Returns a chart. The message of a failure names the reference, what was tried and the way out.
    pub async fn fetch(&self, reference: &Reference) -> Result<Arc<Fetched>, String> {
        let mut fetched = self.fetched.lock().await;
        if let Some(known) = fetched.get(reference) {
            return Ok(known.clone());
        }
        let found = Arc::new(self.source.fetch(reference).await.map_err(|error| chain(&error))?);
        fetched.insert(reference.clone(), found.clone());
        Ok(found)
    }

    /// Returns a chart with the schemas elsewhere that its own refer to.
    pub async fn with_schemas(&self, fetched: Arc<Fetched>) -> Arc<Fetched> {
        if helm::missing_schema(&fetched.chart).is_none() {
            return fetched;
        }
        let mut completed = (*fetched).clone();
        self.source.complete_schemas(&mut completed.chart).await;
        Arc::new(completed)
    }

    /// Returns a chart if it is there without a connection being opened.
    pub async fn at_hand(&self, reference: &Reference) -> Result<Option<Arc<Fetched>>, String> {
        match self.source.fetch(reference).await {
            Ok(found) => Ok(Some(Arc::new(found))),
            Err(charts::Error::Offline(_)) => Ok(None),
            Err(error) => Err(chain(&error)),
        }
    }

    /// Returns the reference behind what a HelmRelease names.
    pub fn of_release(&self, chart: &flux::ChartRef) -> Reference {
        match chart.clone() {
            flux::ChartRef::Oci { url, tag, semver, filter, digest, insecure } => {
                Reference::Oci { repository: url, tag, semver, filter, digest, insecure }
            }
            flux::ChartRef::Repository { url, name, version } => Reference::Repository { url, name, version },
            flux::ChartRef::Path { path } => Reference::Path(self.repository.join(path)),
        }
    }

    /// Returns where in the repository a reference leads, if it does.
    pub fn inside(&self, reference: &Reference) -> Option<String> {
        let Reference::Path(path) = reference else { return None };
        path.strip_prefix(&self.repository).ok()?.to_str().map(str::to_owned)
    }

    /// Returns the reference behind what a module names.
    pub fn of_text(&self, text: &str, version: Option<&str>) -> Result<Reference, String> {
        match Reference::parse(text, version).map_err(|error| chain(&error))? {
            Reference::Path(path) if path.is_absolute() => Err(format!("{text}: a chart's path is relative to the repository")),
            Reference::Path(path) => {
                let inside =
                    crate::grant::join("", &path.to_string_lossy()).ok_or_else(|| format!("{text}: leads out of the repository"))?;
                Ok(Reference::Path(self.repository.join(inside)))
            }
            reference => Ok(reference),
        }
    }
}
