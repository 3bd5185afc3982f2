//! Fetches charts: directory, OCI registry, HTTP repository.
//!
//! A [`Reference`] says which chart, [`Source`] gets it, from the first place that has it, and checks what it got against every digest
//! that is known. Rendering is somebody else's; so is the choice of the reference. Nothing here reads the environment, except what the
//! HTTP and TLS libraries read themselves (`HTTPS_PROXY`, `NO_PROXY`, `SSL_CERT_FILE`, `SSL_CERT_DIR`).

mod cache;
mod credentials;
mod error;
#[cfg(test)]
mod flows;
mod local;
mod network;
mod oci;
#[cfg(test)]
mod packing;
mod reference;
mod repository;
#[cfg(test)]
mod served;
mod transport;
mod version;

use std::fmt;
use std::path::{Path, PathBuf};

use helm::both::Both;

pub use error::{Error, Report};
pub use reference::Reference;

use cache::Cache;
use credentials::Credentials;
use error::{Kind, Problem};
use network::Network;
use oci::Layer;
use reference::Digest;
use repository::Indexes;
use transport::{Request, Transport};

/// Schemas are split into files by topic at most.
const MOST_SCHEMAS: usize = 256;
const SCHEMA_LIMIT: u64 = 8 << 20;

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
    /// Hosts, with or without a port, to which plain HTTP is spoken; loopback too only if it is named.
    pub plain_http: Vec<String>,
    /// Only what is in the directories and in the cache; no connection is opened.
    pub offline: bool,
}

/// Fetches charts. What it learns on the way (tokens, indexes of repositories) it keeps, so one should serve a whole run.
pub struct Source {
    directories: Vec<PathBuf>,
    network: Network,
    indexes: Indexes,
}

/// Prints the directories: the rest may hold tokens.
impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source").field("directories", &self.directories).finish_non_exhaustive()
    }
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
    /// Whether an archive from a directory stands in for the reference: the digest is not what the reference points to.
    pub stands_in: bool,
}

impl Source {
    /// Makes a source; nothing is read or connected to yet.
    pub fn new(options: Options) -> Source {
        let transport = Transport::new(options.plain_http).offline(options.offline);
        let network = Network::new(transport, Credentials::new(options.docker_config), Cache::new(options.cache));
        Source { directories: options.directories, network, indexes: Indexes::default() }
    }

    /// Fetches a chart: from the directories, else from where the reference points to.
    pub async fn fetch(&self, reference: &Reference) -> Result<Fetched, Error> {
        if let Reference::Path(path) = reference {
            let folder = path.clone();
            let found = blocking(move || local::read(&folder)).await;
            return found.map(|found| from_local(found, "")).map_err(|problem| at_path(problem, path));
        }
        let mut tried = Vec::new();
        for directory in &self.directories {
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
        self.download(reference).await.map_err(|mut problem| {
            // What is wrong with a reference stays wrong in a directory.
            if problem.kind != Kind::Invalid {
                let way_out = put_into(reference);
                problem.hint = Some(problem.hint.map_or_else(|| way_out.clone(), |hint| format!("{hint}; or {way_out}")));
            }
            problem.at(reference.to_string(), tried)
        })
    }

    /// Fetches a file from an HTTP server, such as values for a chart.
    pub async fn file(&self, url: &str) -> Result<Vec<u8>, Error> {
        repository::file(&self.network, url).await.map_err(|problem| problem.at(url, Vec::new()))
    }

    /// Fetches the archive of a chart from an HTTP server.
    pub async fn fetch_archive(&self, url: &str) -> Result<Fetched, Error> {
        let bytes = self.file(url).await?;
        let (name, digest) = (url.rsplit('/').next().unwrap_or(url).to_owned(), Digest::of(&bytes));
        let chart = blocking(move || local::parse(&name, &bytes)).await.map_err(|problem| problem.at(url, Vec::new()))?;
        Ok(fetched(chart, digest, url.to_owned()))
    }

    async fn download(&self, reference: &Reference) -> Result<Fetched, Problem> {
        match reference {
            Reference::Repository { url, name, version } => self.repository_chart(url, name, version).await,
            _ => self.registry_chart(reference).await,
        }
    }

    async fn registry_chart(&self, reference: &Reference) -> Result<Fetched, Problem> {
        let pulled = oci::pull(&self.network, reference, Layer::Chart).await?;
        let name = reference.archive_name().unwrap_or_default().to_owned();
        let chart = blocking(move || local::parse(&name, &pulled.bytes)).await?;
        let origin = match (reference, pulled.tag) {
            (Reference::Oci { repository, .. }, Some(tag)) => format!("{repository}:{tag}"),
            _ => reference.to_string(),
        };
        Ok(fetched(chart, pulled.digest, origin))
    }

    async fn repository_chart(&self, url: &str, name: &str, version: &str) -> Result<Fetched, Problem> {
        let entry = self.indexes.find(&self.network, url, name, version).await?;
        if entry.address.starts_with("oci://") {
            let reference = Reference::parse(&entry.address, None).map_err(|error| Problem::new(Kind::Corrupt, error.to_string()))?;
            return self.registry_chart(&reference).await;
        }
        let pulled = repository::pull(&self.network, url, &entry).await?;
        let digest = Digest::of(&pulled.bytes);
        let file = format!("{name}-{}.tgz", entry.version);
        let chart = blocking(move || local::parse(&file, &pulled.bytes)).await?;
        Ok(fetched(chart, digest, pulled.origin))
    }

    /// Fetches the first layer of an OCI artifact, `oci://host/path[:tag][@digest]`; without tag and digest the tag is `latest`.
    pub async fn artifact(&self, reference: &str) -> Result<Vec<u8>, Error> {
        let mut parsed = Reference::parse(reference, None)?;
        // Only charts have versions to choose the highest of.
        if let Reference::Oci { semver, .. } = &mut parsed {
            *semver = None;
        }
        let pulled = oci::pull(&self.network, &parsed, Layer::First).await;
        pulled.map(|pulled| pulled.bytes).map_err(|problem| problem.at(parsed.to_string(), Vec::new()))
    }

    /// Fetches the schemas elsewhere that those of a chart refer to, as Helm does when it checks values. What cannot be fetched is kept as that.
    pub async fn complete_schemas(&self, chart: &mut helm::Chart) {
        while let Some(address) = helm::missing_schema(chart).filter(|_| chart.foreign_schemas.len() < MOST_SCHEMAS) {
            let fetched = self.schema(&address).await.map(Into::into).map_err(|problem| problem.reason);
            chart.foreign_schemas.insert(address, fetched);
        }
    }

    async fn schema(&self, address: &str) -> Result<Vec<u8>, Problem> {
        let url = reqwest::Url::parse(address).map_err(|error| Problem::new(Kind::Invalid, error.to_string()))?;
        let answer = self.network.transport.send(Request::get(url, "*/*", SCHEMA_LIMIT)).await?;
        match answer.status.as_u16() {
            200 => Ok(answer.body),
            // As in Helm (`pkg/chart/common/util/jsonschema.go`).
            status => {
                let reason = answer.status.canonical_reason().unwrap_or_default();
                Err(Problem::new(Kind::Unavailable, format!("HTTP request to {address} returned status {status} ({reason})")))
            }
        }
    }
}

/// Reads a chart from a folder or an archive on this machine, in both of two threads if those are given, and parses templates of an archive
/// meanwhile. It blocks.
pub fn read(path: &Path, both: Both, parsed: &mut helm::Parsed) -> Result<helm::Chart, Error> {
    local::read_in(path, both, parsed).map(|found| found.chart).map_err(|problem| at_path(problem, path))
}

fn at_path(problem: Problem, path: &Path) -> Error {
    problem.at(Reference::Path(path.to_owned()).to_string(), Vec::new())
}

fn fetched(chart: helm::Chart, digest: Digest, origin: String) -> Fetched {
    Fetched { version: chart.metadata.version.clone(), chart, digest: Some(digest.to_string()), origin, stands_in: false }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Problem> + Send + 'static) -> Result<T, Problem> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(Problem::new(Kind::Unreadable, error.to_string())))
}

fn from_local(found: local::Found, note: &str) -> Fetched {
    let digest = found.archive.map(|bytes| Digest::of(&bytes).to_string());
    let version = found.chart.metadata.version.clone();
    Fetched { chart: found.chart, version, digest, origin: format!("{}{note}", found.path.display()), stands_in: !note.is_empty() }
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
    format!("put {name}-{version}.tgz into a --chart-dir")
}
