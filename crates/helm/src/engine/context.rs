//! What the dot of a template holds: `.Values`, `.Chart`, `.Release`, `.Capabilities`, `.Files`, `.Subcharts`.

use std::collections::HashMap;

use go_template::{Entries, Map, MapKind, Str, Value};

use super::files::Files;
use super::natives;
use super::{Item, Job, as_values};
use crate::chart::{Chart, Dependency, Maintainer, Metadata};

/// Adds the templates of a chart and all its subcharts, each with its context.
pub(super) fn collect(chart: &Chart, job: &Job<'_>, items: &mut HashMap<String, Item>) {
    let values: Map = job.values.iter().map(|(key, value)| (Str::from(key.as_str()), Value::from_json_int64(value))).collect();
    let shared = Shared { release: Value::Map(job.release.clone()), capabilities: natives::capabilities(job) };
    let kind = natives::values_kind(job.compat);
    one(chart, chart.name().to_owned(), true, &values, &shared, kind, items);
}

struct Shared {
    release: Value,
    capabilities: Value,
}

fn one(chart: &Chart, path: String, is_root: bool, values: &Map, shared: &Shared, kind: MapKind, items: &mut HashMap<String, Item>) -> Map {
    let subcharts = Map::new();
    let context = Map::new();
    context.set("Chart", metadata(&chart.metadata, is_root));
    context.set("Files", Value::native(Files::of(chart)));
    context.set("Release", shared.release.clone());
    context.set("Capabilities", shared.capabilities.clone());
    context.set("Values", as_values(values, kind));
    context.set("Subcharts", Value::Map(subcharts.clone()));
    for dependency in &chart.dependencies {
        let name = dependency.name();
        let inner = match values.get(name.as_bytes()) {
            Some(Value::Map(inner)) => inner,
            _ => Map::new(),
        };
        let inner = one(dependency, format!("{path}/charts/{name}"), false, &inner, shared, kind, items);
        subcharts.set(name, Value::Map(inner));
    }
    for file in &chart.templates {
        // A library only lends its partials.
        if chart.is_library() && !file.name.rsplit('/').next().is_some_and(|base| base.starts_with('_')) {
            continue;
        }
        let item = Item { text: file.data.clone(), context: context.clone(), base_path: format!("{path}/templates") };
        items.insert(format!("{path}/{}", file.name), item);
    }
    context
}

/// Returns the metadata under the names of the Go fields, every one of them present.
fn metadata(metadata: &Metadata, is_root: bool) -> Value {
    let text = |text: &str| Value::str(text);
    let texts = |items: &[String]| Value::list(items.iter().map(|item| Value::str(item.as_str())).collect());
    let annotations = match &metadata.annotations {
        None => Map::nil(MapKind::Strings),
        Some(map) => {
            Map::of(MapKind::Strings, map.iter().map(|(key, value)| (Str::from(key.as_str()), Value::str(value.as_str()))).collect())
        }
    };
    map([
        ("Name", text(&metadata.name)),
        ("Home", text(&metadata.home)),
        ("Sources", texts(&metadata.sources)),
        ("Version", text(&metadata.version)),
        ("Description", text(&metadata.description)),
        ("Keywords", texts(&metadata.keywords)),
        ("Maintainers", Value::list(metadata.maintainers.iter().map(maintainer).collect())),
        ("Icon", text(&metadata.icon)),
        ("APIVersion", text(&metadata.api_version)),
        ("Condition", text(&metadata.condition)),
        ("Tags", text(&metadata.tags)),
        ("AppVersion", text(&metadata.app_version)),
        ("Deprecated", Value::Bool(metadata.deprecated)),
        ("Annotations", Value::Map(annotations)),
        ("KubeVersion", text(&metadata.kube_version)),
        ("Dependencies", Value::list(metadata.dependencies.iter().flatten().map(dependency).collect())),
        ("Type", text(&metadata.kind)),
        ("IsRoot", Value::Bool(is_root)),
    ])
}

fn maintainer(maintainer: &Maintainer) -> Value {
    map([
        ("Name", Value::str(maintainer.name.as_str())),
        ("Email", Value::str(maintainer.email.as_str())),
        ("URL", Value::str(maintainer.url.as_str())),
    ])
}

fn dependency(dependency: &Dependency) -> Value {
    let text = |text: &str| Value::str(text);
    map([
        ("Name", text(&dependency.name)),
        ("Version", text(&dependency.version)),
        ("Repository", text(&dependency.repository)),
        ("Condition", text(&dependency.condition)),
        ("Tags", Value::list(dependency.tags.iter().map(|tag| text(tag)).collect())),
        ("Enabled", Value::Bool(dependency.enabled)),
        ("ImportValues", Value::list(dependency.import_values.iter().map(Value::from_json).collect())),
        ("Alias", text(&dependency.alias)),
    ])
}

fn map<const N: usize>(entries: [(&str, Value); N]) -> Value {
    let entries: Entries = entries.into_iter().map(|(key, value)| (Str::from(key), value)).collect();
    Value::Map(Map::of(MapKind::Any, entries))
}
