//! Charts: what is in an archive or a folder, sorted into metadata, templates, values, schema, subcharts and other files.
//!
//! Mirrors Helm's `pkg/chart/v2` and its loader (4.2). Nothing here reads a file system: archives come as bytes, folders as lists of
//! paths and bytes. Rendering does not change a chart; what dependencies and values do to it happens on a copy.

mod archive;
mod fields;
mod ignore;
mod load;
mod lock;
mod metadata;
mod version;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};

use bytes::Bytes;
use go_template::both::{self, Both};
use serde_json::{Map, Value};

pub use ignore::IgnoreRules;
pub(crate) use ignore::glob;
pub(crate) use load::values as values_documents;
pub use metadata::{Dependency, Maintainer, Metadata};
pub(crate) use version::is_compatible;

use archive::Early;

use crate::compat::HelmCompat;

/// Why a chart could not be read; it prints what Helm prints.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ChartError(pub(crate) String);

impl ChartError {
    pub(crate) fn new(text: impl Into<String>) -> ChartError {
        ChartError(text.into())
    }
}

/// One file of a chart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Its path in the chart, with forward slashes.
    pub name: String,
    /// Its bytes, without a byte order mark.
    pub data: Bytes,
    /// When it was changed last, as the archive says: seconds and nanoseconds of Unix time.
    pub modified: Option<(i64, u32)>,
}

/// A chart with its subcharts.
#[derive(Debug, Clone, PartialEq)]
pub struct Chart {
    /// What `Chart.yaml` (and `requirements.yaml`) says.
    pub metadata: Metadata,
    /// `Chart.lock` or `requirements.lock`, as far as the release record holds it.
    pub lock: Option<Value>,
    /// Everything under `templates/`, in the order of the archive.
    pub templates: Vec<File>,
    /// `values.schema.json`, if there is one.
    pub schema: Option<Bytes>,
    /// Schemas elsewhere that those of this chart and its dependencies refer to, by address, or why they are not at hand. No chart holds
    /// them: the caller fetches what [`missing_schema`](crate::missing_schema) names.
    pub foreign_schemas: BTreeMap<String, Result<Bytes, String>>,
    /// All other files that templates can read.
    pub files: Vec<File>,
    /// The charts under `charts/`, sorted by folder or archive name, which is one of the orders Helm's map iteration may give.
    pub dependencies: Vec<Chart>,
    /// When `Chart.yaml` and `values.schema.json` were changed last.
    pub modified: Option<(i64, u32)>,
    /// See [`Chart::modified`].
    pub schema_modified: Option<(i64, u32)>,
    values: Arc<[Map<String, Value>]>,
    /// The text of `values.yaml`.
    values_text: Option<Bytes>,
}

impl Chart {
    /// Reads a chart archive (`.tgz`); `name` is what Helm calls the file in messages.
    pub fn from_archive(name: &str, bytes: &[u8]) -> Result<Chart, ChartError> {
        Chart::from_archive_in(name, bytes, both::in_turn, &mut |_, _| ())
    }

    /// Does the same in both of two threads. As long as one unpacks, the other has templates parsed: `parse` is given those that are
    /// there already, with their paths.
    pub fn from_archive_in(
        name: &str,
        bytes: &[u8],
        both: Both,
        parse: &mut (dyn FnMut(String, Bytes) + Send),
    ) -> Result<Chart, ChartError> {
        archive::check_type(name, bytes)?;
        let (send, pieces) = mpsc::channel();
        let (mut send, pieces) = (Some(send), Mutex::new(pieces));
        let is_unpacked = AtomicBool::new(false);
        let read_ahead = |parse: &mut dyn FnMut(String, Bytes)| {
            let mut values = Vec::new();
            while let Some(piece) = pieces.lock().ok().and_then(|pieces| pieces.recv().ok()) {
                match piece {
                    Early::Values(text) => values.push(load::Ahead::of(text)),
                    // What is left is parsed with the rest, by both.
                    Early::Template(..) if is_unpacked.load(Ordering::Relaxed) => {}
                    Early::Template(path, text) => parse(path, text),
                }
            }
            values
        };
        let (mut files, mut ahead, mut more) = (Ok(Vec::new()), Vec::new(), Vec::new());
        both(
            &mut || {
                // With its end goes the last that may come.
                if let Some(send) = send.take() {
                    files = archive::unpack(bytes, &mut |piece| drop(send.send(piece)));
                }
                is_unpacked.store(true, Ordering::Relaxed);
                ahead = read_ahead(&mut |_, _| ());
            },
            &mut || more = read_ahead(parse),
        );
        ahead.append(&mut more);
        files.and_then(|files| load::top(files, ahead)).map_err(|error| match error.0.ends_with(archive::BAD_HEADER) {
            true => ChartError(format!("file '{name}' does not appear to be a valid chart file (details: {error})")),
            false => error,
        })
    }

    /// Reads a chart from the files of a folder, with paths relative to it; the rules of its `.helmignore` are applied.
    pub fn from_files(files: impl IntoIterator<Item = (String, Vec<u8>)>) -> Result<Chart, ChartError> {
        load::top(load::directory(files.into_iter().collect())?, Vec::new())
    }

    /// Returns the name, which is the alias where a parent chart gave one.
    pub fn name(&self) -> &str {
        &self.metadata.name
    }

    /// Returns the default values as this generation of Helm reads `values.yaml`: all documents merged, or only the first (v3).
    pub fn values(&self, compat: &HelmCompat) -> Map<String, Value> {
        self.default_values(compat).into_owned()
    }

    /// Returns the same, without a copy where one document is all there is.
    pub(crate) fn default_values(&self, compat: &HelmCompat) -> Cow<'_, Map<String, Value>> {
        let Some((first, others)) = self.values.split_first() else { return Cow::Owned(Map::new()) };
        if others.is_empty() || !compat.merges_values_documents() {
            return Cow::Borrowed(first);
        }
        let mut values = first.clone();
        others.iter().for_each(|document| crate::values::merge_maps(&mut values, document.clone()));
        Cow::Owned(values)
    }

    /// Returns the text of `values.yaml`, where the default values are those in it.
    pub(crate) fn values_text(&self) -> Option<Cow<'_, str>> {
        self.values_text.as_deref().map(String::from_utf8_lossy)
    }

    /// Replaces the default values.
    pub fn set_values(&mut self, values: Map<String, Value>) {
        self.values = Arc::from([values]);
        self.values_text = None;
    }

    /// Returns the files under `crds/` that hold custom resource definitions, own ones first, then those of the subcharts.
    pub fn crds(&self) -> Vec<Crd> {
        let mut found = Vec::new();
        self.collect_crds(self.name(), &mut found);
        found
    }

    fn collect_crds(&self, path: &str, found: &mut Vec<Crd>) {
        for file in &self.files {
            let extension = file.name.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase());
            let is_manifest = matches!(extension.as_deref(), Some("yaml" | "yml" | "json"));
            if file.name.starts_with("crds/") && is_manifest {
                found.push(Crd { path: format!("{path}/{}", file.name), chart: self.name().to_owned(), data: file.data.clone() });
            }
        }
        for dependency in &self.dependencies {
            dependency.collect_crds(&format!("{path}/charts/{}", dependency.name()), found);
        }
    }

    /// Tells whether the chart is a library, which renders nothing of its own.
    pub fn is_library(&self) -> bool {
        self.metadata.kind.eq_ignore_ascii_case("library")
    }
}

/// A file under `crds/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Crd {
    /// Its path below the root chart's name, e.g. `app/charts/sub/crds/x.yaml`.
    pub path: String,
    /// The chart that owns it.
    pub chart: String,
    /// Its bytes; never a template.
    pub data: Bytes,
}
