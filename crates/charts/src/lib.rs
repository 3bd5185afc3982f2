//! Fetches charts: directory, OCI registry, HTTP repository.
//!
//! A [`Reference`] says which chart, [`Source`] gets it, from the first place that has it, and checks what it got against every digest
//! that is known. Rendering is somebody else's; so is the choice of the reference. Nothing here reads the environment, except what the
//! HTTP and TLS libraries read themselves (`HTTPS_PROXY`, `NO_PROXY`, `SSL_CERT_FILE`, `SSL_CERT_DIR`).

mod error;
mod local;
#[cfg(test)]
mod packing;
mod reference;
mod version;

use std::path::{Path, PathBuf};

pub use error::{Error, Report};
pub use reference::Reference;

use error::{Kind, Problem};
use reference::Digest;

/// Where charts may come from.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Directories with archives, looked at first: `<name>-<version>.tgz` stands in for any reference with that last path segment and
    /// version.
    pub directories: Vec<PathBuf>,
    /// A folder for what was downloaded, by digest.
    pub cache: Option<PathBuf>,
    /// Docker's `config.json` with credentials; nothing happens if it is not there.
    pub docker_config: Option<PathBuf>,
    /// Hosts, with their port if any, for which plain HTTP is allowed; loopback too only if it is named.
    pub plain_http: Vec<String>,
}

/// Fetches charts.
#[derive(Debug)]
pub struct Source {
    options: Options,
}

/// A chart that was fetched.
#[derive(Debug, Clone)]
pub struct Fetched {
    /// The chart.
    pub chart: helm::Chart,
    /// Its version, as its `Chart.yaml` says.
    pub version: String,
    /// The digest of the OCI manifest, else of the archive; a folder has none.
    pub digest: Option<String>,
    /// Where it was taken from, for people.
    pub origin: String,
}

impl Source {
    /// Makes a source; nothing is read or connected to yet.
    pub fn new(options: Options) -> Source {
        Source { options }
    }

    /// Fetches a chart: from the directories, else from where the reference points to.
    pub async fn fetch(&self, reference: &Reference) -> Result<Fetched, Error> {
        if let Reference::Path(path) = reference {
            let path = path.clone();
            let found = blocking(move || local::read(&path)).await;
            return found.map(|found| from_local(found, "")).map_err(|problem| problem.at(reference.to_string(), Vec::new()));
        }
        let mut tried = Vec::new();
        for directory in &self.options.directories {
            let (folder, wanted) = (directory.clone(), reference.clone());
            match blocking(move || local::find_in(&folder, &wanted)).await {
                Ok(Some(found)) => return Ok(from_local(found, &stands_in(reference))),
                Ok(None) => tried.push(directory_tried(directory)),
                Err(problem) => {
                    tried.push(directory_tried(directory));
                    return Err(problem.at(reference.to_string(), tried));
                }
            }
        }
        Err(Problem::new(Kind::Missing, "no directory holds it").hint(put_into(reference)).at(reference.to_string(), tried))
    }

    /// Fetches the first layer of an OCI artifact, `oci://host/path[:tag][@digest]`.
    pub async fn artifact(&self, reference: &str) -> Result<Vec<u8>, Error> {
        let parsed = Reference::parse(reference, None)?;
        Err(Problem::new(Kind::Unavailable, "registries are not connected to yet").at(parsed.to_string(), Vec::new()))
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Problem> + Send + 'static) -> Result<T, Problem> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(Problem::new(Kind::Unreadable, error.to_string())))
}

fn from_local(found: local::Found, note: &str) -> Fetched {
    let digest = found.archive.map(|bytes| Digest::of(&bytes).to_string());
    let version = found.chart.metadata.version.clone();
    Fetched { chart: found.chart, version, digest, origin: format!("{}{note}", found.path.display()) }
}

fn stands_in(reference: &Reference) -> String {
    match reference {
        Reference::Oci { digest: Some(_), .. } => format!(" in place of {reference}, whose digest an archive cannot prove"),
        _ => format!(" in place of {reference}"),
    }
}

fn directory_tried(directory: &Path) -> String {
    format!("directory {}{}", directory.display(), if directory.is_dir() { "" } else { " (which is not there)" })
}

fn put_into(reference: &Reference) -> String {
    let name = reference.archive_name().unwrap_or("<name>");
    let version = match reference {
        Reference::Oci { tag: Some(tag), .. } => tag,
        Reference::Repository { version, .. } if version::is_exact(version) => version,
        _ => "<version>",
    };
    format!("or put {name}-{version}.tgz into a --chart-dir")
}
