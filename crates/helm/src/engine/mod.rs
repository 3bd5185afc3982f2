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
mod run;

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use go_template::both::{First, Second};
use go_template::{Ahead, Fault, Functions, Map, MapKind, Render, TemplateSet, Value};

pub use go_template::Limits;
pub(crate) use run::execute;

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
    /// Makes `.Release`.
    pub release: &'a (dyn Fn() -> Map + Sync),
    pub values: &'a serde_json::Map<String, serde_json::Value>,
    pub lookup: Option<Arc<dyn Lookup>>,
    pub limits: Limits,
    /// Gives a render the state that is the caller's.
    pub prepare: &'a (dyn Fn(Render) -> Render + Sync),
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
    set: Option<Arc<TemplateSet>>,
    version: String,
    ahead: Option<Ahead>,
}

impl Parsed {
    /// Begins with templates that are not known to be needed yet; they serve only renders as this generation of Helm.
    pub fn ahead(compat: &HelmCompat) -> Parsed {
        let ahead = Ahead::new(Arc::new(function_table(compat)));
        Parsed { ahead: Some(ahead), version: compat.version().to_owned(), ..Parsed::default() }
    }

    /// Parses a template that may be needed. Whether it can be parsed is only of interest if it is.
    pub fn parse(&mut self, path: String, text: Bytes) {
        if let Some(ahead) = &mut self.ahead {
            ahead.parse(path, text);
        }
    }

    /// Returns the paths of all templates of the newest set, in the order in which they are executed.
    pub(crate) fn names(&self) -> &[String] {
        &self.names
    }
}

fn failure(fault: &Fault, compat: &HelmCompat) -> Failure {
    match fault {
        Fault::Budget { .. } => Failure::Budget(fault.to_string()),
        fault => Failure::Template(errors::execution(fault, compat)),
    }
}

/// Returns the texts of the templates of a chart and its subcharts, by path.
pub(crate) fn templates(chart: &Chart) -> HashMap<String, Bytes> {
    let mut texts = HashMap::new();
    context::texts(chart, chart.name(), &mut texts);
    texts
}

/// Deepest files first, then by name backwards.
fn order<T>(items: &HashMap<String, T>) -> Vec<String> {
    let mut names: Vec<String> = items.keys().cloned().collect();
    names.sort_unstable_by(|left, right| right.cmp(left));
    names.sort_by_cached_key(|name| Reverse(name.matches('/').count()));
    names
}

impl Parsed {
    /// Returns the set of a chart's templates: the one at hand where it fits, a new one otherwise. `both` is what parses it.
    pub(crate) fn set(
        &mut self,
        mut texts: HashMap<String, Bytes>,
        compat: &HelmCompat,
        both: &mut dyn FnMut(First<'_>, Second<'_>),
    ) -> Result<Arc<TemplateSet>, Failure> {
        let names = order(&texts);
        if let Some(set) = &self.set
            && self.names == names
            && self.version == compat.version()
        {
            return Ok(set.clone());
        }
        let ahead = self.ahead.take().filter(|_| self.version == compat.version());
        let ahead = ahead.unwrap_or_else(|| Ahead::new(Arc::new(function_table(compat))));
        let mut set = TemplateSet::new("gotpl", ahead.functions().clone());
        let files: Vec<(String, Bytes)> = names.iter().filter_map(|name| texts.remove_entry(name)).collect();
        set.parse_in(&files, ahead, both).map_err(|error| Failure::Template(errors::parse(&error.file, &error.to_string())))?;
        let set = Arc::new(set);
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
