//! What the dot of a template holds: `.Values`, `.Chart`, `.Release`, `.Capabilities`, `.Files`, `.Subcharts`.

use std::collections::HashMap;

use bytes::Bytes;
use go_template::{Map, Str, Value};

use super::files::Files;
use super::run::Item;
use super::{Job, as_values, metadata, natives};
use crate::chart::{Chart, File};
use crate::compat::HelmCompat;

/// Adds the texts of the templates of a chart and all its subcharts, by name.
pub(super) fn texts(chart: &Chart, path: &str, found: &mut HashMap<String, Bytes>) {
    for dependency in &chart.dependencies {
        texts(dependency, &format!("{path}/charts/{}", dependency.name()), found);
    }
    found.extend(templates(chart).map(|file| (format!("{path}/{}", file.name), file.data.clone())));
}

/// Returns the templates that a chart brings; a library only lends its partials.
fn templates(chart: &Chart) -> impl Iterator<Item = &File> {
    chart.templates.iter().filter(move |file| !chart.is_library() || is_partial(&file.name))
}

/// Tells whether a template gives no output of its own, which its path says.
pub(super) fn is_partial(path: &str) -> bool {
    path.rsplit('/').next().is_some_and(|base| base.starts_with('_'))
}

/// Returns the templates of a chart and all its subcharts, each with its context.
pub(super) fn collect(chart: &Chart, job: &Job<'_>) -> HashMap<String, Item> {
    let values: Map = job.values.iter().map(|(key, value)| (Str::from(key.as_str()), Value::from_json_int64(value))).collect();
    let shared = Shared { release: Value::Map((job.release)()), capabilities: natives::capabilities(job), compat: job.compat };
    let mut items = HashMap::new();
    one(chart, chart.name().to_owned(), true, &values, &shared, &mut items);
    items
}

struct Shared<'j> {
    release: Value,
    capabilities: Value,
    compat: &'j HelmCompat,
}

fn one(chart: &Chart, path: String, is_root: bool, values: &Map, shared: &Shared<'_>, items: &mut HashMap<String, Item>) -> Map {
    let subcharts = Map::new();
    let context = Map::new();
    context.set("Chart", metadata::value(&chart.metadata, is_root, shared.compat));
    context.set("Files", Value::native(Files::of(chart)));
    context.set("Release", shared.release.clone());
    context.set("Capabilities", shared.capabilities.clone());
    context.set("Values", as_values(values, natives::values_kind(shared.compat)));
    context.set("Subcharts", Value::Map(subcharts.clone()));
    for dependency in &chart.dependencies {
        let name = dependency.name();
        let inner = match values.get(name.as_bytes()) {
            Some(Value::Map(inner)) => inner,
            _ => Map::new(),
        };
        let inner = one(dependency, format!("{path}/charts/{name}"), false, &inner, shared, items);
        subcharts.set(name, Value::Map(inner));
    }
    for file in templates(chart) {
        let item = Item { context: context.clone(), base_path: format!("{path}/templates") };
        items.insert(format!("{path}/{}", file.name), item);
    }
    context
}
