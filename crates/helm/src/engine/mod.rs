//! Executes the templates of a chart and its subcharts (`pkg/engine/engine.go`).
//!
//! Parsing is separate from executing: [`Parsed`] holds the templates of one set of enabled charts and can be executed again with
//! other values.

mod context;
mod errors;
mod files;
mod functions;
mod metadata;
mod natives;

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use go_template::both::{First, Second};
use go_template::{Fault, Functions, Map, MapKind, MissingKey, Render, TemplateSet, Value};

pub use go_template::Limits;

use crate::capabilities::Capabilities;
use crate::chart::Chart;
use crate::compat::HelmCompat;
use crate::schema::Schemas;

/// Looks objects up in a cluster for the template function `lookup`.
pub trait Lookup: Send + Sync {
    /// Returns an object, or a list of all objects where `name` is empty, as JSON; nothing where there is none.
    fn lookup(&self, api_version: &str, kind: &str, namespace: &str, name: &str) -> Result<Option<serde_json::Value>, String>;
}

/// Everything that an execution needs beside the templates.
pub(crate) struct Job<'a> {
    pub compat: &'a HelmCompat,
    pub capabilities: &'a Capabilities,
    pub release: Map,
    pub values: &'a serde_json::Map<String, serde_json::Value>,
    pub lookup: Option<Arc<dyn Lookup>>,
    pub limits: Limits,
}

/// What happened to stop a render, already worded.
#[derive(Debug)]
pub(crate) enum Failure {
    Template(String),
    Budget(String),
}

/// What was read of a chart once and serves every render: its templates, for one choice of enabled subcharts, and its schemas.
#[derive(Default)]
pub struct Parsed {
    pub(crate) schemas: Schemas,
    names: Vec<String>,
    set: Option<Rc<TemplateSet>>,
    version: String,
}

/// What one template file is executed in.
struct Item {
    context: Map,
    base_path: String,
}

/// Executes every template and hands out each one's output with its path; partials are left out.
pub(crate) fn execute(
    chart: &Chart,
    job: &Job<'_>,
    set: &Rc<TemplateSet>,
    build: impl Fn(Render) -> Render,
    done: &mut dyn FnMut(String, Vec<u8>),
) -> Result<(), Failure> {
    let mut items = HashMap::new();
    context::collect(chart, job, &mut items);
    let session = functions::Session::new(job.lookup.clone(), job.compat);
    let mut render = build(Render::new().missing_key(MissingKey::Zero).limits(job.limits)).with_state(session);
    let values_kind = natives::values_kind(job.compat);
    for name in order(&items) {
        if name.rsplit('/').next().is_some_and(|base| base.starts_with('_')) {
            continue;
        }
        let Some(item) = items.get(&name) else { continue };
        let template = Map::of(values_kind, Default::default());
        template.set("Name", Value::str(name.as_str()));
        template.set("BasePath", Value::str(item.base_path.as_str()));
        item.context.set("Template", Value::Map(template));
        let data = Value::Map(item.context.with_kind(values_kind));
        let output = render.execute(set, &name, &data).map_err(|fault| failure(&fault, job.compat))?;
        done(name, functions::without_no_value(output));
    }
    for item in items.values() {
        // Contexts hold their own subcharts' contexts and templates can put a map into itself: break such cycles.
        for (key, _) in item.context.snapshot() {
            item.context.remove(&key);
        }
    }
    Ok(())
}

fn failure(fault: &Fault, compat: &HelmCompat) -> Failure {
    match fault {
        Fault::Budget { .. } => Failure::Budget(fault.to_string()),
        fault => Failure::Template(errors::execution(fault, compat)),
    }
}

/// Deepest files first, then by name backwards.
fn order<T>(items: &HashMap<String, T>) -> Vec<String> {
    let mut names: Vec<String> = items.keys().cloned().collect();
    let depth = |name: &str| name.matches('/').count();
    names.sort_by(|left, right| depth(right).cmp(&depth(left)).then_with(|| right.cmp(left)));
    names
}

impl Parsed {
    /// Returns the set of the chart's templates: the one at hand where it fits, a new one otherwise. `both` is what parses it.
    pub(crate) fn set(
        &mut self,
        chart: &Chart,
        compat: &HelmCompat,
        both: &mut dyn FnMut(First<'_>, Second<'_>),
    ) -> Result<Rc<TemplateSet>, Failure> {
        let mut texts = HashMap::new();
        context::texts(chart, chart.name(), &mut texts);
        let names = order(&texts);
        if let Some(set) = &self.set
            && self.names == names
            && self.version == compat.version()
        {
            return Ok(set.clone());
        }
        let mut set = TemplateSet::new("gotpl", Rc::new(function_table(compat)));
        let files: Vec<(String, Bytes)> = names.iter().filter_map(|name| texts.remove_entry(name)).collect();
        set.parse_in(&files, both).map_err(|error| Failure::Template(errors::parse(&error.file, &error.to_string())))?;
        let set = Rc::new(set);
        self.names = names;
        self.set = Some(set.clone());
        self.version = compat.version().to_owned();
        Ok(set)
    }
}

/// Returns the names of all functions that templates of this generation may call, sorted.
pub fn function_names(compat: &HelmCompat) -> Vec<&'static str> {
    let mut names: Vec<_> = function_table(compat).names().collect();
    names.sort_unstable();
    names
}

fn function_table(compat: &HelmCompat) -> Functions {
    let mut table = Functions::new();
    table.add(&sprig::FUNCS).add(functions::FUNCS);
    if !compat.has_must_to_yaml() {
        table.remove("mustToYaml").remove("mustToToml");
    }
    table
}

/// Returns a map of the Go type that `.Values` has.
fn as_values(map: &Map, kind: MapKind) -> Value {
    Value::Map(map.with_kind(kind))
}
