//! Charts as Flux packages them: with several files merged in place of `values.yaml` (source-controller 1.9
//! `internal/helm/chart/builder_{local,remote}.go`, `helmchart_controller.go`).

use std::sync::Arc;

use charts::Fetched;
use flux::{ChartRef, ReleaseSpec};
use go_encoding::json::as_floats;
use helm::HelmCompat;
use kustomize::Files;
use serde_json::{Map, Value};

/// What comes after the version: the generation of the HelmChart, which is new.
const GENERATION: &str = "1";

/// Returns the chart of a release with the values of the files that the release names.
pub fn merged(fetched: &Arc<Fetched>, spec: &ReleaseSpec, files: &dyn Files) -> Result<Arc<Fetched>, String> {
    let mut values = Map::new();
    for path in &spec.values_files.paths {
        match values_of(fetched, spec, files, path)? {
            Some(found) => helm::values::merge_maps(&mut values, found),
            None if spec.values_files.ignore_missing => {}
            None => return Err(format!("valuesFiles: {path}: there is no such file")),
        }
    }
    if spec.values_files.paths.is_empty() {
        return Ok(fetched.clone());
    }
    let mut packaged = (**fetched).clone();
    if !values.is_empty() {
        packaged.chart.set_values(values);
    }
    packaged.version = with_generation(&packaged.version);
    packaged.chart.metadata.version.clone_from(&packaged.version);
    Ok(Arc::new(packaged))
}

/// Returns the values in a file: of the repository if the chart is in that, else of the chart.
fn values_of(fetched: &Fetched, spec: &ReleaseSpec, files: &dyn Files, path: &str) -> Result<Option<Map<String, Value>>, String> {
    let said = |message: String| format!("valuesFiles: {path}: {message}");
    let bytes = match &spec.chart {
        ChartRef::Path { .. } => {
            let inside =
                kustomize::join_path("", path.trim_start_matches('/')).ok_or_else(|| said("leads out of the repository".to_owned()))?;
            files.read(&inside).map_err(said)?
        }
        _ if path == "values.yaml" => return Ok(Some(fetched.chart.values(&HelmCompat::newest()))),
        _ => fetched.chart.files.iter().find(|file| file.name == path).map(|file| file.data.to_vec()),
    };
    let Some(bytes) = bytes else { return Ok(None) };
    let parsed = go_encoding::yaml::parse(&String::from_utf8_lossy(&bytes)).map_err(|error| said(error.to_string()))?;
    match as_floats(parsed) {
        Value::Object(values) => Ok(Some(values)),
        Value::Null => Ok(Some(Map::new())),
        _ => Err(said("values must be a mapping".to_owned())),
    }
}

/// Replaces the build metadata of a version; Masterminds' semver prints it without `v`.
fn with_generation(version: &str) -> String {
    let bare = version.strip_prefix('v').unwrap_or(version);
    let bare = bare.split_once('+').map_or(bare, |(bare, _)| bare);
    format!("{bare}+{GENERATION}")
}
