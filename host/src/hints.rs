//! What helps with an error of rendering a release: the line of the template, and which file and line sets the values.

use flux::{ReleaseSpec, Tree};
use helm::{Chart, Given, RenderError};
use kustomize::Files;

/// Returns what helps with an error of rendering a release of the repository.
pub fn of_release(error: &RenderError, chart: &Chart, files: &dyn Files, tree: &Tree, spec: &ReleaseSpec) -> Vec<String> {
    let places = flux::places(files, tree, &spec.namespace, &spec.name).unwrap_or_default();
    let whole = format!("{}:{}", spec.file, spec.line);
    helm::hints(error, chart, &[Given::Composed { values: spec.values.clone(), places, whole }])
}
