//! The charts at hand and what they render to.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZero;
use std::path::Path;
use std::sync::Arc;

use bootstrap::ModuleRef;
use charts::Fetched;
use flux::ReleaseSpec;
use flux::check::{Finding, Rule, Severity, position};
use futures::StreamExt;
use go_encoding::json::map_as_integers;
use helm::{Capabilities, Chart, KubeVersion, RenderError, RenderRequest};
use kustomize::Object;
use serde_json::{Value, json};

use crate::boot;
use crate::check::kinds;
use crate::check::rehearsal::Scene;
use crate::engine;
use crate::failure::{Failure, chain};
use crate::hints;
use crate::module_source::ModuleSource;
use crate::post_render;
use crate::values_files;

/// A HelmRelease whose chart is at hand, rendered.
pub struct Rendered {
    pub spec: ReleaseSpec,
    /// The definitions in its chart, under `crds/` and in its templates.
    pub definitions: Vec<Value>,
    /// What its templates render to, hooks included.
    pub objects: Vec<Value>,
    /// What its workloads will define at run time.
    pub effects: Vec<Value>,
    /// Whether its templates may define kinds and did not render.
    pub hides_definitions: bool,
}

/// The releases of a tree.
#[derive(Default)]
pub struct Renders {
    pub rendered: Vec<Rendered>,
    /// The titles of the charts that are not at hand.
    pub absent: Vec<String>,
    /// Whether a release or its chart cannot be read.
    pub is_unreadable: bool,
}

impl Renders {
    /// Returns whether everything that charts define is known.
    pub fn are_complete(&self) -> bool {
        self.absent.is_empty() && !self.is_unreadable && !self.rendered.iter().any(|release| release.hides_definitions)
    }
}

/// Renders the charts that are at hand.
pub async fn of_tree(scene: &Scene<'_>, findings: &mut Vec<Finding>, not_checked: &mut Vec<String>) -> Result<Renders, Failure> {
    let mut renders = Renders::default();
    let hands = charts_at_hand(scene, &mut renders, findings, not_checked).await;
    render_each(scene, &mut renders, hands, findings, not_checked).await?;
    Ok(renders)
}

/// A release, its chart, and what is known before it is rendered.
struct Hand {
    release: Rendered,
    fetched: Arc<Fetched>,
}

/// Returns the releases whose charts are at hand.
async fn charts_at_hand(scene: &Scene<'_>, renders: &mut Renders, findings: &mut Vec<Finding>, not_checked: &mut Vec<String>) -> Vec<Hand> {
    let (mut hands, mut absent, mut unfetched) = (Vec::new(), BTreeSet::new(), BTreeMap::new());
    for id in scene.tree.releases() {
        let spec = match scene.tree.release(&id.namespace, &id.name) {
            Ok(spec) => spec,
            Err(error) => {
                renders.is_unreadable = true;
                let own = format!("HelmRelease {}/{}", id.namespace, id.name);
                let is_of_it = |message: &str| message.strip_prefix(&own).is_some_and(|rest| rest.starts_with([':', ' ']));
                let is_told = |finding: &Finding| finding.severity == Severity::Error && is_of_it(&finding.message);
                if !findings.iter().any(is_told) {
                    not_checked.push(format!("what {own} ({}:{}) renders to: {}", id.file, id.line, chain(&error)));
                }
                continue;
            }
        };
        let fetched = scene.charts.at_hand(&scene.charts.of_release(&spec.chart)).await;
        if let Ok(Some(fetched)) = &fetched {
            findings.extend(version_fault(scene, &spec, fetched));
        }
        let packaged = fetched
            .and_then(|fetched| fetched.map(|fetched| values_files::merged(&fetched, &spec, &*scene.subject.repository)).transpose());
        match packaged {
            Ok(Some(fetched)) => {
                let definitions = fetched.chart.crds().iter().flat_map(|crd| documents(&String::from_utf8_lossy(&crd.data))).collect();
                let hides_definitions = may_define(&fetched.chart);
                let mut release = Rendered { definitions, objects: Vec::new(), effects: Vec::new(), spec, hides_definitions };
                if let Some(address) = helm::missing_schema(&fetched.chart).filter(|_| !release.spec.install.skip_schema_validation) {
                    release.spec.install.skip_schema_validation = true;
                    *unfetched.entry(address).or_insert(0) += 1;
                }
                hands.push(Hand { release, fetched });
            }
            Ok(None) => drop(absent.insert(spec.chart.to_string())),
            Err(message) => {
                renders.is_unreadable = true;
                findings.push(Finding::error(Rule::Chart, &spec.file, spec.line, 1, format!("{}: {message}", title(&spec))));
            }
        }
    }
    if !absent.is_empty() {
        let all: Vec<&str> = absent.iter().map(String::as_str).collect();
        not_checked.push(format!("charts that are not at hand (give --chart-dir): {}", all.join(", ")));
    }
    for (address, count) in unfetched {
        let releases = if count == 1 { "one release".to_owned() } else { format!("{count} releases") };
        not_checked.push(format!("the values of {releases} against a schema that is not fetched here: {address}"));
    }
    renders.absent = absent.into_iter().collect();
    hands
}

/// Returns whether a template of a chart may be a definition.
fn may_define(chart: &Chart) -> bool {
    const KIND: &[u8] = b"CustomResourceDefinition";
    chart.templates.iter().any(|file| file.data.windows(KIND.len()).any(|window| window == KIND))
        || chart.dependencies.iter().any(may_define)
}

/// Returns kind, namespace and name of a release, for people.
pub fn title(spec: &ReleaseSpec) -> String {
    format!("HelmRelease {}/{}", spec.namespace, spec.name)
}

/// helm-controller refuses a chart whose version is not the tag it came under (`mutateChartWithSourceRevision`).
fn version_fault(scene: &Scene<'_>, spec: &ReleaseSpec, fetched: &Fetched) -> Option<Finding> {
    let flux::ChartRef::Oci { tag: Some(tag), semver: None, digest: None, .. } = &spec.chart else { return None };
    let tag = tag.replace('_', "+");
    let is_version =
        tag.trim_start_matches('v').split('.').count() >= 3 && tag.trim_start_matches('v').starts_with(|c: char| c.is_ascii_digit());
    if !is_version || tag == fetched.version || scene.tree.release_uses_helm_chart(spec) {
        return None;
    }
    let message =
        format!("{}: the chart under the tag {tag} says that its version is {}, which Flux refuses", title(spec), fetched.version);
    Some(Finding::error(Rule::NotAdoptable, &spec.file, spec.line, 1, message).hint("name the tag of that version, or another chart"))
}

/// Renders the charts. Those whose templates define kinds go first: others ask whether they are there.
async fn render_each(
    scene: &Scene<'_>,
    renders: &mut Renders,
    mut hands: Vec<Hand>,
    findings: &mut Vec<Finding>,
    not_checked: &mut Vec<String>,
) -> Result<(), Failure> {
    declare_effects(scene, &mut hands).await?;
    let defining: Vec<usize> = (0..hands.len()).filter(|at| hands[*at].release.hides_definitions).collect();
    let mut settled = BTreeSet::new();
    let first = capabilities(scene, &hands);
    for (at, result) in render_all(scene, &hands, &defining, &first).await? {
        // One that fails may itself ask for what another one defines.
        if let Some(Ok(objects)) = result {
            hands[at].release.take(objects);
            settled.insert(at);
        }
    }
    // So may any of several; a single one has only its own to ask for.
    if settled.len() > 1 {
        settled.clear();
    }
    let capabilities = if defining.is_empty() { first } else { capabilities(scene, &hands) };
    let chosen: Vec<usize> = (0..hands.len()).filter(|at| !settled.contains(at)).collect();
    for (at, result) in render_all(scene, &hands, &chosen, &capabilities).await? {
        let Hand { release, fetched } = &mut hands[at];
        match result {
            Some(Ok(objects)) => release.take(objects),
            Some(Err(error)) => findings.push(render_fault(scene, &release.spec, &fetched.chart, &renders.absent, &error)),
            None => {
                let spec = &release.spec;
                let unknown = spec.unknown.first().map(String::as_str).unwrap_or_default();
                not_checked.push(format!("what {} ({}:{}) renders to: {unknown}", title(spec), spec.file, spec.line));
            }
        }
    }
    renders.rendered = hands.into_iter().map(|hand| hand.release).collect();
    Ok(())
}

/// What a release renders to; nothing where its values are not known.
type Outcome = Option<Result<Vec<Value>, RenderError>>;

/// Renders some of the releases, as many at a time as there are processors.
async fn render_all(
    scene: &Scene<'_>,
    hands: &[Hand],
    chosen: &[usize],
    capabilities: &Capabilities,
) -> Result<Vec<(usize, Outcome)>, Failure> {
    let processors = std::thread::available_parallelism().map_or(1, NonZero::get);
    let work = chosen.iter().map(|at| {
        let spec = &hands[*at].release.spec;
        let request = spec.unknown.is_empty().then(|| request(scene, spec, capabilities));
        let fetched = Arc::clone(&hands[*at].fetched);
        tokio::task::spawn_blocking(move || request.map(|request| objects_of(&fetched.chart, &request?)))
    });
    // Each is started once there is room for it.
    let results: Vec<_> = futures::stream::iter(work).buffered(processors).collect().await;
    let settled = chosen.iter().zip(results).map(|(at, result)| {
        let outcome =
            result.map_err(|error| Failure::bug(format!("{}: rendering ended early: {error}", title(&hands[*at].release.spec))))?;
        Ok((*at, outcome))
    });
    settled.collect()
}

impl Rendered {
    /// Takes what the templates render to, once more where they did before.
    fn take(&mut self, objects: Vec<Value>) {
        let (mut definitions, objects): (Vec<Value>, Vec<Value>) = objects.into_iter().partition(is_definition);
        definitions.retain(|definition| !self.definitions.contains(definition));
        self.definitions.extend(definitions);
        self.objects = objects;
        self.hides_definitions = false;
    }
}

/// Returns everything that a chart renders to, its hooks last.
fn objects_of(chart: &Chart, request: &RenderRequest) -> Result<Vec<Value>, RenderError> {
    let rendered = helm::render(chart, request)?;
    let hooks = rendered.hooks.iter().map(|hook| &hook.document);
    Ok(rendered.documents.iter().chain(hooks).flat_map(|document| documents(&document.text)).collect())
}

fn documents(text: &str) -> Vec<Value> {
    let all = go_encoding::yaml::documents(text).unwrap_or_default().into_iter().map(|document| document.value);
    let flat = all.flat_map(|value| match value.get("items").and_then(Value::as_array) {
        Some(items) if value["kind"].as_str().is_some_and(|kind| kind.ends_with("List")) => items.clone(),
        _ => vec![value],
    });
    flat.filter(|value| value.get("kind").is_some()).collect()
}

fn request(scene: &Scene<'_>, spec: &ReleaseSpec, capabilities: &Capabilities) -> Result<RenderRequest, RenderError> {
    let mut request = RenderRequest::new(&spec.release_name, &spec.release_namespace);
    request.compat = scene.compat.clone();
    request.skip_schema_validation = spec.install.skip_schema_validation;
    request.values = spec.values.clone();
    request.capabilities = capabilities.clone();
    request.post_render = Some(post_render::of(scene.tree, spec).map_err(RenderError::PostRender)?);
    Ok(request)
}

/// The kinds of the tree and those that definitions make count as served: in the end they are.
fn capabilities(scene: &Scene<'_>, hands: &[Hand]) -> Capabilities {
    let used = scene.tree.objects().filter_map(|object| {
        let (api, kind) = (object.value["apiVersion"].as_str()?, object.value["kind"].as_str()?);
        api.contains('.').then(|| [api.to_owned(), format!("{api}/{kind}")])
    });
    let mut kinds: BTreeSet<String> = used.flatten().collect();
    kinds.extend(kinds::api_versions(scene.tree.objects().map(|object| &object.value).filter(|value| is_definition(value))));
    kinds.extend(kinds::api_versions(hands.iter().flat_map(|hand| hand.release.definitions.iter().chain(&hand.release.effects))));
    kinds.extend(kinds::api_versions(flux::definitions()));
    let capabilities = Capabilities::offline(scene.compat).with_api_versions(kinds);
    match KubeVersion::parse(&scene.options.kube_version, scene.compat) {
        Ok(version) => capabilities.with_kube_version(version),
        Err(_) => capabilities,
    }
}

fn render_fault(scene: &Scene<'_>, spec: &ReleaseSpec, chart: &Chart, absent: &[String], error: &RenderError) -> Finding {
    let object = Object { value: Value::Null, file: spec.file.clone(), line: spec.line, changes: Vec::new() };
    let at = if matches!(error, RenderError::PostRender(_)) { "/spec/postRenderers" } else { "/spec/values" };
    let (line, column) = position(&*scene.subject.repository, &object, at);
    let (rule, message, hint) = match error {
        RenderError::Schema(text) => {
            let message = format!("the chart's schema refuses the values: {}", one_line(text));
            (Rule::RefusedValues, message, "correct the values; Flux would refuse them too")
        }
        RenderError::PostRender(text) => {
            let message = format!("the post-renderers fail: {}", one_line(text));
            (Rule::Chart, message, "correct the patch; Flux would fail in the same way")
        }
        error => {
            let message = format!("the chart does not render: {}", one_line(&error.to_string()));
            let hint = match absent {
                [] => "correct the values; Flux would fail in the same way",
                _ => "correct the values; if it asks for kinds that other charts define, put those into --chart-dir",
            };
            (Rule::Chart, message, hint)
        }
    };
    let mut hints = hints::of_release(error, chart, &*scene.subject.repository, scene.tree, spec);
    hints.push(hint.to_owned());
    Finding::error(rule, &spec.file, line, column, format!("{}: {message}", title(spec))).hint(hints.join("; "))
}

fn one_line(text: &str) -> String {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("; ")
}

/// What the workloads of known charts define at run time is what the stock module of that chart says.
async fn declare_effects(scene: &Scene<'_>, hands: &mut [Hand]) -> Result<(), Failure> {
    let stock = ModuleSource::stock();
    let of_chart = |release: &Rendered| release.spec.chart.name().to_owned();
    if !hands.iter().any(|hand| stock.contains(&of_chart(&hand.release).as_str())) {
        return Ok(());
    }
    let bug = |error: anyhow::Error| Failure::bug(format!("{error:#}"));
    let engine = engine::engine(boot::private(scene.around.cache.as_deref(), engine::COMPILED).as_deref()).map_err(bug)?;
    let linker = engine::linker(&engine).map_err(bug)?;
    let mut modules = ModuleSource::new(engine, linker, &scene.options.modules.replaced);
    for hand in hands {
        let release = &mut hand.release;
        let name = of_chart(release);
        if !stock.contains(&name.as_str()) {
            continue;
        }
        let module = modules.load(&ModuleRef::Stock(name.clone()), Path::new(""), scene.charts.source()).await?;
        let params = json!({ "step": name, "release": { "namespace": release.spec.namespace, "name": release.spec.name }, "timeoutMs": 0, "with": null });
        // A module that cannot say it without its parameters says nothing.
        if let Ok(effects) = module.effects(&params, &map_as_integers(&release.spec.values)).await {
            collect_definitions(&effects, &mut release.effects);
        }
    }
    Ok(())
}

fn collect_definitions(effects: &Value, found: &mut Vec<Value>) {
    match effects {
        Value::Object(_) if is_definition(effects) => found.push(effects.clone()),
        Value::Object(map) => map.values().for_each(|value| collect_definitions(value, found)),
        Value::Array(items) => items.iter().for_each(|value| collect_definitions(value, found)),
        _ => {}
    }
}

/// Returns whether an object defines a kind.
pub fn is_definition(value: &Value) -> bool {
    value["kind"] == "CustomResourceDefinition" && value.get("spec").is_some()
}
