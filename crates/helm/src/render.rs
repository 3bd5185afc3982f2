//! Renders a chart as `helm install` and `helm template` do: dependencies, values, schema, templates, documents, notes
//! (`pkg/action/install.go`, `pkg/action/action.go`, `pkg/cmd/template.go`).

use std::collections::BTreeMap;
use std::sync::Arc;

use go_template::both::{self, Both};
use go_template::{Map as TemplateMap, TemplateSet, Value as TemplateValue};
use serde_json::{Map, Value};

use crate::capabilities::Capabilities;
use crate::chart::{Chart, Crd, is_compatible};
use crate::compat::HelmCompat;
use crate::engine::{self, Failure, Job, Limits, Lookup, Parsed};
use crate::manifest::{self, Document, Hook};
use crate::post_render::PostRender;
use crate::schema::Schemas;
use crate::values::ValuesError;
use crate::{post_render, schema, values};

/// What to render a chart for.
#[derive(Clone)]
pub struct RenderRequest {
    /// The name of the release.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// Its revision.
    pub revision: i64,
    /// Whether this is an upgrade instead of an install.
    pub is_upgrade: bool,
    /// The user's values, merged. Numbers are floats, as [`values::from_yaml`] reads them, unless they come from `--set`; use
    /// [`values::as_floats`] on data that did not pass through it.
    pub values: Map<String, Value>,
    /// What the cluster can do.
    pub capabilities: Capabilities,
    /// Which Helm to be.
    pub compat: HelmCompat,
    /// Whether `values.schema.json` is ignored.
    pub skip_schema_validation: bool,
    /// Whose notes to take.
    pub notes: NotesScope,
    /// The cluster behind the function `lookup`; without one it finds nothing.
    pub lookup: Option<Arc<dyn Lookup>>,
    /// Time and randomness; without one it is 1970 and nothing is secret.
    pub environment: Option<sprig::Environment>,
    /// What changes the documents before they are sorted.
    pub post_render: Option<PostRender>,
    /// Called now and then while templates execute; returning true stops the render.
    pub interrupt: Option<Arc<dyn Fn() -> bool + Send + Sync>>,
    /// Bounds on the work.
    pub limits: Limits,
    /// Runs two halves of the work, at the same time where there are threads.
    pub both: Both,
}

/// Whose NOTES.txt become the notes of a release.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum NotesScope {
    /// The root chart's.
    #[default]
    Root,
    /// Those of all charts, one after the other.
    All,
}

impl RenderRequest {
    /// Returns a request for a first install without a cluster, as the newest Helm.
    pub fn new(name: impl Into<String>, namespace: impl Into<String>) -> RenderRequest {
        let compat = HelmCompat::newest();
        RenderRequest {
            name: name.into(),
            namespace: namespace.into(),
            revision: 1,
            is_upgrade: false,
            values: Map::new(),
            capabilities: Capabilities::offline(&compat),
            compat,
            skip_schema_validation: false,
            notes: NotesScope::Root,
            lookup: None,
            environment: None,
            post_render: None,
            interrupt: None,
            limits: Limits::default(),
            both: both::in_turn,
        }
    }
}

/// Why a chart does not render; it prints what Helm prints after `Error: `.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    /// Charts of this type are not rendered on their own.
    #[error("{kind} charts are not installable")]
    NotInstallable {
        /// The chart's type.
        kind: String,
    },
    /// Declared dependencies are not in the chart.
    #[error("{what}: found in Chart.yaml, but missing in charts/ directory: {names}")]
    MissingDependencies {
        /// What Helm says of it, which differs between its versions.
        what: &'static str,
        /// Their names.
        names: String,
    },
    /// The values do not fit the chart's structure.
    #[error("{0}")]
    Values(String),
    /// The values do not fit a schema.
    #[error("values don't meet the specifications of the schema(s) in the following chart(s):\n{0}")]
    Schema(String),
    /// The chart does not support the cluster's version.
    #[error("chart requires kubeVersion: {wanted} which is incompatible with Kubernetes {found}")]
    KubeVersion {
        /// The chart's constraint.
        wanted: String,
        /// The cluster's version.
        found: String,
    },
    /// A template does not parse or fails.
    #[error("{0}")]
    Template(String),
    /// A template asks for more work or output than allowed, or the render was interrupted.
    #[error("{0}")]
    Budget(String),
    /// A rendered document is not YAML.
    #[error("{message}")]
    Document {
        /// What is wrong with it.
        message: String,
        /// Every file as it was rendered, by path: what `--debug` prints.
        files: BTreeMap<String, String>,
    },
    /// The post-renderer refuses the documents.
    #[error("{0}")]
    PostRender(String),
    /// A template was asked for that gave no document.
    #[error("could not find template {0} in chart")]
    NoTemplate(String),
}

/// What a chart renders to.
#[derive(Debug, Clone, PartialEq)]
pub struct Rendered {
    /// The chart as rendered: dependencies chosen and named, values imported.
    pub chart: Chart,
    /// The values the templates saw.
    pub values: Map<String, Value>,
    /// Every file with its text before splitting, by path.
    pub files: BTreeMap<String, String>,
    /// The documents of the manifest, in install order.
    pub documents: Vec<Document>,
    /// The hooks, in install order; weights are for who runs them.
    pub hooks: Vec<Hook>,
    /// The files under `crds/` of the enabled charts.
    pub crds: Vec<Crd>,
    /// The notes; empty where the chart has none.
    pub notes: String,
    compat: HelmCompat,
}

/// What `helm template` prints beside the manifest.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TemplateOutput {
    /// Whether CRDs come first.
    pub include_crds: bool,
    /// Whether hooks are left out.
    pub no_hooks: bool,
    /// Whether test hooks are left out.
    pub skip_tests: bool,
    /// The templates to print, relative to the chart; all if empty.
    pub show_only: Vec<String>,
}

/// Renders a chart.
pub fn render(chart: &Chart, request: &RenderRequest) -> Result<Rendered, RenderError> {
    render_parsed(chart, request, &mut Parsed::default())
}

/// Checks everything about a chart and the user's values that no cluster decides: that the chart is whole and installable, and that its
/// schema and those of its dependencies take the values. [`render`] begins with the same checks, in this order.
pub fn check_values(
    chart: &Chart,
    values: &Map<String, Value>,
    skip_schema_validation: bool,
    compat: &HelmCompat,
) -> Result<(), RenderError> {
    let mut chart = choose(chart, values, compat)?;
    let values = complete(&mut chart, values, compat)?;
    if skip_schema_validation {
        return Ok(());
    }
    schema::validate(&chart, &values, &mut Schemas::default(), compat).map_err(RenderError::Schema)
}

/// Returns the chart with its dependencies chosen: its templates are known.
fn choose(chart: &Chart, values: &Map<String, Value>, compat: &HelmCompat) -> Result<Chart, RenderError> {
    check_installable(chart, compat)?;
    let mut chart = chart.clone();
    values::choose_dependencies(&mut chart, values, compat).map_err(unprocessed)?;
    Ok(chart)
}

/// Completes the chart's own values and returns those that its templates see. Schemas are not asked yet.
fn complete(chart: &mut Chart, values: &Map<String, Value>, compat: &HelmCompat) -> Result<Map<String, Value>, RenderError> {
    values::import_values(chart, compat).map_err(unprocessed)?;
    values::coalesce_values(chart, values, compat).map_err(|error| RenderError::Values(error.0))
}

fn unprocessed(error: ValuesError) -> RenderError {
    RenderError::Values(format!("chart dependencies processing failed: {error}"))
}

/// Renders a chart with templates that an earlier render of the same chart has left in `parsed`; only values, name and cluster may
/// differ.
pub fn render_parsed(chart: &Chart, request: &RenderRequest, parsed: &mut Parsed) -> Result<Rendered, RenderError> {
    let compat = &request.compat;
    let mut chart = choose(chart, &request.values, compat)?;
    let (values, set) = read(&mut chart, request, parsed)?;
    let job = Job {
        compat,
        capabilities: &request.capabilities,
        release: &|| release(request),
        values: &values,
        lookup: request.lookup.clone(),
        limits: request.limits,
        prepare: &|render| prepare(render, request),
    };
    // Who executes a template reads its documents too, unless they are going to be changed.
    let reads_documents = request.post_render.is_none();
    let outputs =
        engine::execute(&chart, &job, &set, parsed.names(), request.both, |path, bytes| Output::of(path, bytes, reads_documents, compat));
    let (mut files, mut broken, mut documents) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    for (path, output) in outputs.map_err(stopped)? {
        output.broken.and_then(|bytes| broken.insert(path.clone(), bytes));
        output.documents.and_then(|found| documents.insert(path.clone(), found));
        files.insert(path, output.text);
    }
    let notes = take_notes(&chart, &mut files, request.notes);
    if let Some(post_render) = &request.post_render {
        files = post_render::run(post_render, files, compat).map_err(RenderError::PostRender)?;
    }
    let sorted = match manifest::sort_rendered(&files, &broken, documents, compat) {
        Ok(sorted) => sorted,
        Err(message) => return Err(RenderError::Document { message, files }),
    };
    let crds = chart.crds();
    Ok(Rendered { chart, values, files, documents: sorted.documents, hooks: sorted.hooks, crds, notes, compat: compat.clone() })
}

/// Completes the values, asks the schemas and parses the templates, which need neither.
fn read(chart: &mut Chart, request: &RenderRequest, parsed: &mut Parsed) -> Result<(Map<String, Value>, Arc<TemplateSet>), RenderError> {
    let mut schemas = std::mem::take(&mut parsed.schemas);
    let templates = engine::templates(chart);
    let mut completed = None;
    let mut complete = || {
        let values = complete(chart, &request.values, &request.compat)?;
        if !request.skip_schema_validation {
            schema::validate(chart, &values, &mut schemas, &request.compat).map_err(RenderError::Schema)?;
        }
        check_kube_version(chart, &request.capabilities)?;
        Ok(values)
    };
    let set = parsed.set(templates, &request.compat, &mut |first, second| {
        let mut first = || {
            completed = Some(complete());
            first();
        };
        (request.both)(&mut first, second);
    });
    // Templates that are parsed already leave nothing to do beside it.
    let completed = completed.unwrap_or_else(complete);
    parsed.schemas = schemas;
    Ok((completed?, set.map_err(stopped)?))
}

/// What a template gave.
struct Output {
    text: String,
    /// Its bytes, where they are no UTF-8.
    broken: Option<Vec<u8>>,
    /// The documents in it, where they were read.
    documents: Option<Result<Vec<Document>, String>>,
}

impl Output {
    fn of(path: &str, bytes: Vec<u8>, reads_documents: bool, compat: &HelmCompat) -> Output {
        let broken = std::str::from_utf8(&bytes).is_err().then(|| bytes.clone());
        let text = text(bytes);
        let documents = (reads_documents && broken.is_none()).then(|| manifest::documents(path, &text, None, compat));
        Output { text, broken, documents }
    }
}

fn stopped(failure: Failure) -> RenderError {
    match failure {
        Failure::Template(text) => RenderError::Template(text),
        Failure::Budget(text) => RenderError::Budget(text),
    }
}

fn prepare(mut render: go_template::Render, request: &RenderRequest) -> go_template::Render {
    if let Some(environment) = request.environment.clone() {
        render = render.with_state(environment);
    }
    if let Some(interrupt) = request.interrupt.clone() {
        render = render.interrupt(move || interrupt());
    }
    render
}

/// Makes text of bytes as Go's JSON encoder does: each byte that belongs to no character becomes U+FFFD.
fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes)
        .unwrap_or_else(|error| go_template::quote::chars(error.as_bytes()).map(|(c, _)| c.unwrap_or('\u{fffd}')).collect())
}

fn check_installable(chart: &Chart, compat: &HelmCompat) -> Result<(), RenderError> {
    let metadata = &chart.metadata;
    if !matches!(metadata.kind.as_str(), "" | "application") {
        return Err(RenderError::NotInstallable { kind: metadata.kind.clone() });
    }
    let declared = metadata.dependencies.iter().flatten();
    let missing = declared.filter(|wanted| !chart.dependencies.iter().any(|found| found.name() == wanted.name));
    let names: Vec<&str> = missing.map(|wanted| wanted.name.as_str()).collect();
    if names.is_empty() {
        return Ok(());
    }
    Err(RenderError::MissingDependencies { what: compat.missing_dependencies(), names: names.join(", ") })
}

fn check_kube_version(chart: &Chart, capabilities: &Capabilities) -> Result<(), RenderError> {
    let wanted = &chart.metadata.kube_version;
    if wanted.is_empty() || is_compatible(wanted, capabilities.kube_version.text()) {
        return Ok(());
    }
    Err(RenderError::KubeVersion { wanted: wanted.clone(), found: capabilities.kube_version.version.clone() })
}

fn release(request: &RenderRequest) -> TemplateMap {
    let release = TemplateMap::new();
    release.set("Name", TemplateValue::str(request.name.as_str()));
    release.set("Namespace", TemplateValue::str(request.namespace.as_str()));
    release.set("IsUpgrade", TemplateValue::Bool(request.is_upgrade));
    release.set("IsInstall", TemplateValue::Bool(!request.is_upgrade));
    release.set("Revision", TemplateValue::int(request.revision));
    release.set("Service", TemplateValue::str("Helm"));
    release
}

/// Takes every NOTES.txt out of the files, and returns the ones that count.
fn take_notes(chart: &Chart, files: &mut BTreeMap<String, String>, scope: NotesScope) -> String {
    let own = format!("{}/templates/NOTES.txt", chart.name());
    let mut notes = String::new();
    files.retain(|path, text| {
        if !path.ends_with("NOTES.txt") {
            return true;
        }
        if scope == NotesScope::All || *path == own {
            if !notes.is_empty() {
                notes.push('\n');
            }
            notes.push_str(text);
        }
        false
    });
    notes
}

impl Rendered {
    /// Returns the manifest of the release, as the release record holds it.
    pub fn manifest(&self) -> String {
        manifest::assemble(self.documents.iter().map(|document| (document.path.as_str(), document.text.as_str())))
    }

    /// Returns the bytes that `helm template` prints.
    pub fn template_output(&self, options: &TemplateOutput) -> Result<String, RenderError> {
        let mut text = String::new();
        self.write_template_output(options, &mut |piece| text.push_str(piece))?;
        Ok(text)
    }

    /// Hands out the bytes that `helm template` prints, piece by piece.
    pub fn write_template_output(&self, options: &TemplateOutput, write: &mut dyn FnMut(&str)) -> Result<(), RenderError> {
        if !options.show_only.is_empty() {
            let everything = TemplateOutput { show_only: Vec::new(), ..options.clone() };
            write(&show_only(&self.template_output(&everything)?, &options.show_only, &self.compat)?);
            return Ok(());
        }
        let crds = self.crds.iter().filter(|_| options.include_crds);
        let crds: Vec<_> = crds.map(|crd| (crd.path.as_str(), String::from_utf8_lossy(&crd.data))).collect();
        let documents = self.documents.iter().map(|document| (document.path.as_str(), document.text.as_str()));
        let mut pieces: Vec<&str> = manifest::pieces(crds.iter().map(|(path, text)| (*path, text.as_ref())).chain(documents)).collect();
        while let Some(last) = pieces.pop() {
            let kept = last.trim_end();
            if !kept.is_empty() {
                pieces.push(kept);
                break;
            }
        }
        pieces.into_iter().for_each(&mut *write);
        write("\n");
        let hooks = self.hooks.iter().filter(|hook| !(options.no_hooks || options.skip_tests && hook.is_test()));
        manifest::pieces(hooks.map(|hook| (hook.document.path.as_str(), hook.document.text.as_str()))).for_each(write);
        Ok(())
    }
}

/// Returns what `helm template --debug` prints of files that were rendered and of which one is no YAML; sorted, where Helm has no order.
pub fn broken_output(files: &BTreeMap<String, String>, options: &TemplateOutput, compat: &HelmCompat) -> Result<String, RenderError> {
    let files = files.iter().filter(|(_, text)| !text.trim().is_empty());
    let text = manifest::assemble(files.map(|(path, text)| (path.as_str(), text.as_str())));
    let text = format!("{}\n", text.trim());
    if options.show_only.is_empty() { Ok(text) } else { show_only(&text, &options.show_only, compat) }
}

fn show_only(text: &str, patterns: &[String], compat: &HelmCompat) -> Result<String, RenderError> {
    let documents = manifest::split(text, compat);
    let path_of = |document: &str| {
        let (_, rest) = document.split_once("# Source: ")?;
        let line = rest.lines().next().unwrap_or_default();
        line.split_once('/').map(|(_, path)| path.to_owned())
    };
    let mut shown = String::new();
    for pattern in patterns {
        let pattern = pattern.replace('\\', "/");
        let found: Vec<&String> =
            documents.iter().filter(|document| path_of(document).is_some_and(|path| crate::chart::glob(&pattern, &path))).collect();
        if found.is_empty() {
            return Err(RenderError::NoTemplate(pattern));
        }
        for document in found {
            shown.push_str(&format!("---\n{document}\n"));
        }
    }
    Ok(shown)
}
