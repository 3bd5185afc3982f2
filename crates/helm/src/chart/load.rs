//! Sorts files into a chart (`pkg/chart/v2/loader/load.go`).

use std::borrow::Cow;
use std::collections::BTreeMap;

use bytes::Bytes;
use go_encoding::yaml;
use serde_json::{Map, Value};

use super::archive::{self, MAX_FILE};
use super::fields::{self, At};
use super::{Chart, ChartError, File, IgnoreRules, Metadata, lock};

/// Returns the files of a folder that belong to the chart, in the order of a lexical walk.
pub(super) fn directory(mut files: Vec<(String, Vec<u8>)>) -> Result<Vec<File>, ChartError> {
    let rules = files.iter().find(|(name, _)| name == ".helmignore").map(|(_, data)| String::from_utf8_lossy(data).into_owned());
    let rules = IgnoreRules::parse(&rules.unwrap_or_default())?;
    files.retain(|(name, _)| !rules.ignores_file(name));
    files.sort_by(|(left, _), (right, _)| left.split('/').cmp(right.split('/')));
    files
        .into_iter()
        .map(|(name, data)| {
            if data.len() as u64 > MAX_FILE {
                return Err(ChartError(format!("chart file {name:?} is larger than the maximum file size {MAX_FILE}")));
            }
            Ok(File { name, data: archive::without_mark(data.into()), modified: None })
        })
        .collect()
}

/// What was read of a `values.yaml` before the rest of the chart.
pub(super) struct Ahead {
    text: Bytes,
    values: Result<Vec<Map<String, Value>>, ChartError>,
}

impl Ahead {
    pub(super) fn of(text: Bytes) -> Ahead {
        Ahead { values: values(&text), text }
    }
}

/// Loads a chart that is nobody's subchart: its generation must be known.
pub(super) fn top(files: Vec<File>, mut ahead: Vec<Ahead>) -> Result<Chart, ChartError> {
    let chart = chart(files, &mut ahead)?;
    match chart.metadata.api_version.as_str() {
        "v1" | "v2" => Ok(chart),
        _ => Err(ChartError::new("unsupported chart version")),
    }
}

fn chart(files: Vec<File>, ahead: &mut Vec<Ahead>) -> Result<Chart, ChartError> {
    let mut metadata = None;
    let mut modified = None;
    for file in files.iter().filter(|file| file.name == "Chart.yaml") {
        metadata = Some(Metadata::parse(&file.data).map_err(|error| ChartError(format!("cannot load Chart.yaml: {error}")))?);
        modified = file.modified;
    }
    let has_metadata = metadata.is_some();
    let mut chart = Chart {
        metadata: metadata.unwrap_or_default(),
        lock: None,
        templates: Vec::new(),
        schema: None,
        foreign_schemas: BTreeMap::new(),
        files: Vec::new(),
        dependencies: Vec::new(),
        modified,
        schema_modified: None,
        values: [].into(),
        values_text: None,
    };
    let mut buckets: BTreeMap<String, Vec<File>> = BTreeMap::new();
    for file in files {
        sort_in(&mut chart, file, &mut buckets, ahead)?;
    }
    if !has_metadata {
        return Err(ChartError::new("Chart.yaml file is missing"));
    }
    chart.metadata.validate()?;
    for (name, files) in buckets {
        if let Some(dependency) = subchart(&name, files, ahead).map_err(|error| {
            ChartError(match error.0.strip_prefix('!') {
                Some(whole) => whole.to_owned(),
                None => format!("error unpacking subchart {name} in {}: {error}", chart.metadata.name),
            })
        })? {
            chart.dependencies.push(dependency);
        }
    }
    Ok(chart)
}

fn sort_in(chart: &mut Chart, file: File, buckets: &mut BTreeMap<String, Vec<File>>, ahead: &mut Vec<Ahead>) -> Result<(), ChartError> {
    let wrap = |what: &'static str| move |error: ChartError| ChartError(format!("cannot load {what}: {error}"));
    let is_v1 = chart.metadata.api_version == "v1";
    match file.name.as_str() {
        "Chart.yaml" => {}
        "Chart.lock" => chart.lock = lock::parse(&file.data).map_err(wrap("Chart.lock"))?,
        "values.yaml" => {
            let known = ahead.iter().position(|ahead| ahead.text == file.data).map(|at| ahead.swap_remove(at).values);
            chart.values = known.unwrap_or_else(|| values(&file.data)).map_err(wrap("values.yaml"))?.into();
            chart.values_text = Some(file.data);
        }
        "values.schema.json" => {
            chart.schema = Some(file.data);
            chart.schema_modified = file.modified;
        }
        "requirements.yaml" => {
            chart.metadata.merge(&file.data).map_err(wrap("requirements.yaml"))?;
            if is_v1 {
                chart.files.push(file);
            }
        }
        "requirements.lock" => {
            chart.lock = lock::parse(&file.data).map_err(wrap("requirements.lock"))?;
            if is_v1 {
                chart.files.push(file);
            }
        }
        name if name.starts_with("templates/") => chart.templates.push(file),
        name if name.starts_with("charts/") => {
            if name.ends_with(".prov") {
                chart.files.push(file);
                return Ok(());
            }
            let inner = name["charts/".len()..].to_owned();
            let bucket = inner.split('/').next().unwrap_or_default().to_owned();
            buckets.entry(bucket).or_default().push(File { name: inner, ..file });
        }
        _ => chart.files.push(file),
    }
    Ok(())
}

/// A message that starts with `!` is not to be wrapped again.
fn subchart(name: &str, files: Vec<File>, ahead: &mut Vec<Ahead>) -> Result<Option<Chart>, ChartError> {
    if name.starts_with(['_', '.']) {
        return Ok(None);
    }
    if name.ends_with(".tgz") {
        let Some(file) = files.first() else { return Ok(None) };
        if file.name != name {
            return Err(ChartError(format!("!error unpacking subchart tar in {name}: expected {name}, got {}", file.name)));
        }
        return chart(archive::unpack(&file.data, &mut |_| ())?, ahead).map(Some);
    }
    let inner = files
        .into_iter()
        .filter_map(|file| {
            let (_, rest) = file.name.split_once('/')?;
            Some(File { name: rest.to_owned(), ..file })
        })
        .collect();
    chart(inner, ahead).map(Some)
}

/// Reads `values.yaml`, document by document, as apimachinery's reader splits it; every number is a float from here on.
pub(crate) fn values(data: &[u8]) -> Result<Vec<Map<String, Value>>, ChartError> {
    let mut documents = Vec::new();
    let mut reader = DocumentReader::of(data);
    while let Some(document) = reader.next()? {
        let value = yaml::parse_bytes(&document)
            .map_err(|error| ChartError(format!("cannot unmarshal yaml document: error converting YAML to JSON: {error}")))?;
        match crate::values::as_floats(value) {
            Value::Object(map) => documents.push(map),
            Value::Null => documents.push(Map::new()),
            other => {
                let error = fields::mismatch(&other, &At::root(""), "map[string]interface {}");
                return Err(ChartError(format!("cannot unmarshal yaml document: {error}")));
            }
        }
    }
    Ok(documents)
}

/// Splits as `YAMLReader` of apimachinery 0.36: a line that starts with `---` ends a document, and nothing but a comment may follow it.
/// Every line ends with a line feed alone; a separator that has no document before it is part of the next one.
struct DocumentReader<'a> {
    rest: &'a [u8],
}

impl<'a> DocumentReader<'a> {
    fn of(data: &'a [u8]) -> DocumentReader<'a> {
        DocumentReader { rest: data }
    }

    fn line(&mut self) -> Option<&'a [u8]> {
        if self.rest.is_empty() {
            return None;
        }
        let end = self.rest.iter().position(|byte| *byte == b'\n');
        let (line, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest.get(1..).unwrap_or_default();
        // Only before a line feed is a carriage return part of the line's end.
        Some(if end.is_some() { line.strip_suffix(b"\r").unwrap_or(line) } else { line })
    }

    fn next(&mut self) -> Result<Option<Cow<'a, [u8]>>, ChartError> {
        // Mostly it is one document whose lines end as they should.
        let is_one = |text: &[u8]| !text.starts_with(b"---") && memchr::memmem::find(text, b"\n---").is_none();
        if self.rest.ends_with(b"\n") && memchr::memchr(b'\r', self.rest).is_none() && is_one(self.rest) {
            return Ok(Some(Cow::Borrowed(std::mem::take(&mut self.rest))));
        }
        let mut document = Vec::new();
        while let Some(line) = self.line() {
            if let Some(after) = line.strip_prefix(b"---") {
                let after = String::from_utf8_lossy(after);
                let after = after.trim();
                if !after.is_empty() && !after.starts_with('#') {
                    return Err(ChartError(format!("error reading yaml document: invalid Yaml document separator: {after}")));
                }
                if !document.is_empty() {
                    return Ok(Some(document.into()));
                }
            }
            document.extend_from_slice(line);
            document.push(b'\n');
        }
        Ok((!document.is_empty()).then(|| document.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compat::HelmCompat;
    use serde_json::json;

    fn load(files: &[(&str, &str)]) -> Result<Chart, String> {
        let files = files.iter().map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec()));
        Chart::from_files(files).map_err(|error| error.0)
    }

    const META: (&str, &str) = ("Chart.yaml", "{apiVersion: v2, name: c, version: 1.0.0}");

    #[test]
    fn sorts_files() {
        let chart = load(&[
            META,
            ("values.yaml", "a: 1\n"),
            ("README.md", "hi"),
            ("crds/x.yaml", "kind: X"),
            ("templates/a.yaml", "x"),
            ("templates/.b.yaml", "x"),
            ("charts/s/Chart.yaml", "{apiVersion: v2, name: s, version: 1.0.0}"),
            ("charts/_t/Chart.yaml", "nonsense"),
        ])
        .expect("loads");
        let names = |files: &[File]| files.iter().map(|file| file.name.clone()).collect::<Vec<_>>();
        assert_eq!(names(&chart.templates), ["templates/a.yaml"]);
        assert_eq!(names(&chart.files), ["README.md", "crds/x.yaml"]);
        assert_eq!(chart.dependencies.len(), 1);
        assert_eq!(chart.crds()[0].path, "c/crds/x.yaml");
    }

    #[test]
    fn merges_documents_of_values() {
        let chart = load(&[META, ("values.yaml", "a: {b: 1, c: 2}\n--- # more\na: {b: null, d: 3}")]).expect("loads");
        assert_eq!(Value::Object(chart.values(&HelmCompat::newest())), json!({"a": {"b": null, "c": 2.0, "d": 3.0}}));
        assert_eq!(Value::Object(chart.values(&HelmCompat::of("v3.19.2"))), json!({"a": {"b": 1.0, "c": 2.0}}));
        let wrong = load(&[META, ("values.yaml", "a: 1\n--- {b: 2}\n")]);
        assert_eq!(
            wrong.err().as_deref(),
            Some("cannot load values.yaml: error reading yaml document: invalid Yaml document separator: {b: 2}")
        );
    }

    #[test]
    fn refuses_broken_charts() {
        assert_eq!(load(&[("a", "")]).err().as_deref(), Some("Chart.yaml file is missing"));
        assert_eq!(
            load(&[META, ("charts/README.md", "hi")]).err().as_deref(),
            Some("error unpacking subchart README.md in c: Chart.yaml file is missing")
        );
        assert_eq!(
            load(&[("Chart.yaml", "{apiVersion: v9, name: c, version: 1.0.0}")]).err().as_deref(),
            Some("unsupported chart version")
        );
    }
}
