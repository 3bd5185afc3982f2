//! Shows everything a tree and its charts would apply to an API server in this process, as dry runs, and keeps what it refuses.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZero;
use std::path::Path;
use std::sync::Arc;

use bootstrap::ModuleRef;
use charts::Fetched;
use flux::check::{Finding, Rule, position};
use flux::{ReleaseSpec, Tree};
use futures::StreamExt;
use go_encoding::json::map_as_integers;
use helm::{Capabilities, Chart, HelmCompat, KubeVersion, RenderError, RenderRequest};
use kube_engine::{Apply, Cluster, Error};
use kube_sandbox::Sandbox;
use kustomize::Object;
use serde_json::{Value, json};

use crate::Surroundings;
use crate::boot;
use crate::chart_source::ChartSource;
use crate::check::{Subject, runtime_config, service_range, steps::Steps};
use crate::engine;
use crate::failure::{Failure, chain};
use crate::hints;
use crate::module_source::ModuleSource;
use crate::options;

/// What a rehearsal is about.
pub struct Scene<'a> {
    pub options: &'a options::Check,
    pub around: &'a Surroundings,
    pub subject: &'a Subject,
    pub tree: &'a Tree,
    pub charts: &'a ChartSource,
    pub compat: &'a HelmCompat,
}

/// A HelmRelease whose chart is at hand, rendered.
pub struct Rendered {
    pub spec: ReleaseSpec,
    /// The definitions in its chart, under `crds/` and in its templates.
    pub definitions: Vec<Value>,
    /// What its templates render to, hooks included.
    pub objects: Vec<Value>,
    /// What its workloads will define at run time.
    pub effects: Vec<Value>,
}

/// Everything that applies to the whole run.
struct Stage {
    cluster: Cluster,
    /// Whether service addresses can be judged.
    knows_range: bool,
    range: String,
    /// Whether an address was passed over.
    unjudged: Cell<bool>,
}

/// What is served once everything that defines kinds is there.
struct Served(BTreeSet<String>);

impl Served {
    async fn by(cluster: &Cluster) -> Result<Self, Failure> {
        let served = cluster.api_versions().await.map_err(|error| Failure::bug(chain(&error)))?;
        Ok(Served(served.into_iter().collect()))
    }

    /// Returns the `apiVersion` and kind of an object that are not served; what has none is refused in other words.
    fn lacks(&self, object: &Value) -> Option<(String, String)> {
        let (api, kind) = (object["apiVersion"].as_str()?, object["kind"].as_str()?);
        (!self.0.contains(&format!("{api}/{kind}"))).then(|| (api.to_owned(), kind.to_owned()))
    }
}

/// Kinds that Flux itself defines, before any chart.
const FLUX: [&str; 3] = ["toolkit.fluxcd.io", "fluxcd.controlplane.io", "extensions.fluxcd.io"];

/// Rehearses; the rendered releases are left in `steps`.
pub async fn run(scene: &Scene<'_>, steps: &mut Steps, findings: &mut Vec<Finding>, not_checked: &mut Vec<String>) -> Result<(), Failure> {
    let stage = stage(scene);
    let (hands, absent) = charts_at_hand(scene, findings, not_checked).await;
    let mut rendered = render_each(scene, &absent, hands, findings, not_checked).await?;
    declare_effects(scene, &mut rendered).await?;
    define(&stage, scene.tree, &rendered, findings).await?;
    let served = Served::by(&stage.cluster).await?;
    let mut unknown: BTreeMap<(String, String), Vec<&Object>> = BTreeMap::new();
    for object in scene.tree.known_objects().filter(|object| !is_definition(&object.value)) {
        if let Some(kind) = served.lacks(&object.value) {
            unknown.entry(kind).or_default().push(object);
        } else if let Err(error) = show(&stage, &object.value, "kustomize-controller").await {
            findings.extend(refusal(scene, &stage, object, &error));
        }
    }
    let complete = absent.is_empty() && scene.tree.elsewhere().is_empty() && scene.tree.absent().is_empty();
    unknown_kinds(scene, &unknown, complete, findings, not_checked);
    for release in &rendered {
        refused_renders(&stage, &served, release, complete, findings).await;
    }
    if stage.unjudged.get() {
        not_checked.push("addresses of services: no configuration in the repository says the range; give --service-cidr".to_owned());
    }
    steps.rendered = rendered;
    steps.absent_charts = absent;
    Ok(())
}

fn stage(scene: &Scene<'_>) -> Stage {
    let range = match &scene.options.service_cidr {
        Some(cidr) => Some((cidr.clone(), format!("--service-cidr {cidr}"))),
        None => service_range::find(&scene.subject.repository).map(|range| (range.cidr.clone(), format!("{}, {}", range.cidr, range.file))),
    };
    let sandbox = Sandbox::new(kube_sandbox::Options {
        kube_version: scene.options.kube_version.clone(),
        service_cidr: range.as_ref().map_or_else(|| "10.96.0.0/12".to_owned(), |(cidr, _)| cidr.clone()),
        actors: false,
        ..kube_sandbox::Options::default()
    });
    let knows_range = range.is_some();
    Stage {
        cluster: Cluster::over(sandbox),
        knows_range,
        range: range.map(|(_, title)| title).unwrap_or_default(),
        unjudged: Cell::new(false),
    }
}

/// Returns the releases whose charts are at hand, and the titles of the charts that are not.
async fn charts_at_hand(
    scene: &Scene<'_>,
    findings: &mut Vec<Finding>,
    not_checked: &mut Vec<String>,
) -> (Vec<(ReleaseSpec, Arc<Fetched>)>, Vec<String>) {
    let (mut hands, mut absent) = (Vec::new(), BTreeSet::new());
    for id in scene.tree.releases() {
        // A release that cannot be read has been told of by the tree.
        let Ok(spec) = scene.tree.release(&id.namespace, &id.name) else { continue };
        match scene.charts.at_hand(&scene.charts.of_release(&spec.chart)).await {
            Ok(Some(fetched)) => {
                findings.extend(version_fault(scene, &spec, &fetched));
                hands.push((spec, fetched));
            }
            Ok(None) => drop(absent.insert(spec.chart.to_string())),
            Err(message) => findings.push(Finding::error(Rule::Chart, &spec.file, spec.line, 1, format!("{}: {message}", title(&spec)))),
        }
    }
    if !absent.is_empty() {
        let all: Vec<&str> = absent.iter().map(String::as_str).collect();
        not_checked.push(format!("charts that are not at hand (give --chart-dir): {}", all.join(", ")));
    }
    (hands, absent.into_iter().collect())
}

fn title(spec: &ReleaseSpec) -> String {
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

/// Renders the charts, as many at a time as there are processors.
async fn render_each(
    scene: &Scene<'_>,
    absent: &[String],
    hands: Vec<(ReleaseSpec, Arc<Fetched>)>,
    findings: &mut Vec<Finding>,
    not_checked: &mut Vec<String>,
) -> Result<Vec<Rendered>, Failure> {
    let processors = std::thread::available_parallelism().map_or(1, NonZero::get);
    let capabilities = capabilities(scene);
    let work = hands.iter().map(|(spec, fetched)| {
        let request = spec.unknown.is_empty().then(|| request(scene, spec, &capabilities));
        let fetched = Arc::clone(fetched);
        tokio::task::spawn_blocking(move || request.map(|request| objects_of(&fetched.chart, &request)))
    });
    // Each is started once there is room for it.
    let results: Vec<_> = futures::stream::iter(work).buffered(processors).collect().await;
    let mut rendered = Vec::with_capacity(hands.len());
    for ((spec, fetched), result) in hands.into_iter().zip(results) {
        let result = result.map_err(|error| Failure::bug(format!("{}: rendering ended early: {error}", title(&spec))))?;
        let definitions = fetched.chart.crds().iter().flat_map(|crd| documents(&String::from_utf8_lossy(&crd.data))).collect();
        let mut found = Rendered { definitions, objects: Vec::new(), effects: Vec::new(), spec };
        match result {
            Some(Ok(objects)) => {
                let (definitions, objects): (Vec<Value>, Vec<Value>) = objects.into_iter().partition(is_definition);
                found.definitions.extend(definitions);
                found.objects = objects;
            }
            Some(Err(error)) => findings.push(render_fault(scene, &found.spec, &fetched.chart, absent, &error)),
            None => {
                let spec = &found.spec;
                let unknown = spec.unknown.first().map(String::as_str).unwrap_or_default();
                not_checked.push(format!("what {} ({}:{}) renders to: {unknown}", title(spec), spec.file, spec.line));
            }
        }
        rendered.push(found);
    }
    Ok(rendered)
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

fn request(scene: &Scene<'_>, spec: &ReleaseSpec, capabilities: &Capabilities) -> RenderRequest {
    let mut request = RenderRequest::new(&spec.release_name, &spec.release_namespace);
    request.compat = scene.compat.clone();
    request.skip_schema_validation = spec.skip_schema_validation;
    request.values = spec.values.clone();
    request.capabilities = capabilities.clone();
    request
}

/// The kinds of the tree count as served: in the end they are.
fn capabilities(scene: &Scene<'_>) -> Capabilities {
    let kinds = scene.tree.objects().filter_map(|object| {
        let (api, kind) = (object.value["apiVersion"].as_str()?, object.value["kind"].as_str()?);
        api.contains('.').then(|| [api.to_owned(), format!("{api}/{kind}")])
    });
    let kinds: BTreeSet<String> = kinds.flatten().collect();
    let capabilities = Capabilities::offline(scene.compat).with_api_versions(kinds);
    match KubeVersion::parse(&scene.options.kube_version, scene.compat) {
        Some(version) => capabilities.with_kube_version(version),
        None => capabilities,
    }
}

fn render_fault(scene: &Scene<'_>, spec: &ReleaseSpec, chart: &Chart, absent: &[String], error: &RenderError) -> Finding {
    let object = Object { value: Value::Null, file: spec.file.clone(), line: spec.line, changes: Vec::new() };
    let (line, column) = position(&*scene.subject.repository, &object, "/spec/values");
    let (rule, message, hint) = match error {
        RenderError::Schema(text) => {
            let message = format!("the chart's schema refuses the values: {}", one_line(text));
            (Rule::RefusedValues, message, "correct the values; Flux would refuse them too")
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
async fn declare_effects(scene: &Scene<'_>, rendered: &mut [Rendered]) -> Result<(), Failure> {
    let stock = ModuleSource::stock();
    let of_chart = |release: &Rendered| release.spec.chart.name().to_owned();
    if !rendered.iter().any(|release| stock.contains(&of_chart(release).as_str())) {
        return Ok(());
    }
    let bug = |error: anyhow::Error| Failure::bug(format!("{error:#}"));
    let engine = engine::engine(boot::private(scene.around.cache.as_deref(), engine::COMPILED).as_deref()).map_err(bug)?;
    let linker = engine::linker(&engine).map_err(bug)?;
    let mut modules = ModuleSource::new(engine, linker, &scene.options.modules.replaced);
    for release in rendered.iter_mut() {
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

pub fn is_definition(value: &Value) -> bool {
    value["kind"] == "CustomResourceDefinition" && value.get("spec").is_some()
}

/// Creates the namespaces and definitions that everything else needs.
async fn define(stage: &Stage, tree: &Tree, rendered: &[Rendered], findings: &mut Vec<Finding>) -> Result<(), Failure> {
    let of_tree = tree.objects().filter_map(|object| object.value.pointer("/metadata/namespace")?.as_str());
    let of_releases = rendered.iter().flat_map(|release| {
        let inside = release.objects.iter().filter_map(|object| object.pointer("/metadata/namespace")?.as_str());
        inside.chain([release.spec.release_namespace.as_str()])
    });
    for namespace in of_tree.chain(of_releases).collect::<BTreeSet<_>>() {
        let object = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": namespace } });
        // A name that is none is found where the object that has it is shown.
        let _ = stage.cluster.create(&object, "launchway").await;
    }
    let definitions = tree.objects().filter(|object| is_definition(&object.value));
    for object in definitions {
        if let Err(error) = apply(stage, &object.value, false).await {
            findings.push(Finding::error(Rule::InvalidObject, &object.file, object.line, 1, chain(&error)));
        }
    }
    for definition in of_flux(tree, rendered) {
        // Another one of the same kind may come from a chart below.
        let _ = apply(stage, &definition, false).await;
    }
    for release in rendered {
        for definition in release.definitions.iter().chain(&release.effects) {
            if let Err(error) = apply(stage, definition, false).await {
                let message = format!("{}: its chart defines what an API server refuses: {}", title(&release.spec), chain(&error));
                findings.push(Finding::error(Rule::InvalidObject, &release.spec.file, release.spec.line, 1, message));
            }
        }
    }
    Ok(())
}

/// Returns the definitions of Flux whose kinds are used and that the tree does not hold itself.
fn of_flux(tree: &Tree, rendered: &[Rendered]) -> Vec<Value> {
    let objects = || tree.objects().map(|object| &object.value).chain(rendered.iter().flat_map(|release| &release.objects));
    let is_used = |definition: &Value| {
        let is_of = |object: &Value| {
            let group = object["apiVersion"].as_str().and_then(|api| api.split_once('/')).map_or("", |(group, _)| group);
            object["kind"] == definition["spec"]["names"]["kind"] && definition["spec"]["group"] == group
        };
        objects().any(is_of)
    };
    let made = || objects().chain(rendered.iter().flat_map(|release| &release.definitions)).filter(|object| is_definition(object));
    let is_here = |definition: &Value| made().any(|object| object["metadata"]["name"] == definition["metadata"]["name"]);
    flux::definitions().into_iter().filter(|definition| is_used(definition) && !is_here(definition)).collect()
}

async fn apply(stage: &Stage, object: &Value, dry_run: bool) -> Result<(), Error> {
    let options = Apply { manager: "kustomize-controller", force: true, default_namespace: None, dry_run };
    stage.cluster.apply(object, &options).await.map(drop)
}

async fn show(stage: &Stage, object: &Value, manager: &str) -> Result<(), Error> {
    let options = Apply { manager, force: true, default_namespace: None, dry_run: true };
    stage.cluster.apply(object, &options).await.map(drop)
}

/// Returns what to say of a refusal, a finding for each cause at its field.
fn refusal(scene: &Scene<'_>, stage: &Stage, object: &Object, error: &Error) -> Vec<Finding> {
    let title = object_title(&object.value);
    causes(error)
        .into_iter()
        .filter_map(|(field, message)| {
            let rule = rule_of(stage, &message)?;
            let pointer = pointer_of(&object.value, &field);
            let (line, column) = position(&*scene.subject.repository, object, &pointer);
            let text = if field.is_empty() || message.contains(&field) { message } else { format!("{field}: {message}") };
            let found = Finding::error(rule, &object.file, line, column, format!("{title}: {text}"));
            Some(match rule {
                Rule::ServiceAddress => found.hint(format!("the range is {}", stage.range)),
                _ if is_of_flux(text_of(&object.value, "apiVersion")) => {
                    found.hint(format!("Flux {} defines it so; put other definitions into the tree", flux::DEFINITIONS_OF))
                }
                _ => found,
            })
        })
        .collect()
}

/// Nothing is said of addresses where the range is not known.
fn rule_of(stage: &Stage, message: &str) -> Option<Rule> {
    let is_address = message.contains("does not match the current range");
    match (is_address, stage.knows_range) {
        (true, true) => Some(Rule::ServiceAddress),
        (true, false) => {
            stage.unjudged.set(true);
            None
        }
        (false, _) => Some(Rule::InvalidObject),
    }
}

fn causes(error: &Error) -> Vec<(String, String)> {
    let details = error.details();
    let all = details.as_ref().and_then(|status| status.pointer("/details/causes")).and_then(Value::as_array);
    let text = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let found: Vec<(String, String)> = all.into_iter().flatten().map(|cause| (text(cause, "field"), text(cause, "message"))).collect();
    if !found.is_empty() {
        return found;
    }
    let message = message_of(error, details.as_ref());
    let fields = typed_causes(&message);
    if fields.is_empty() { vec![(String::new(), message)] } else { fields }
}

/// Takes apart what server-side apply says of an object that does not fit its schema: `.spec.x: field not declared in schema`.
fn typed_causes(message: &str) -> Vec<(String, String)> {
    let Some((_, rest)) = message.strip_prefix("failed to create typed patch object").and_then(|rest| rest.split_once("): ")) else {
        return Vec::new();
    };
    let lines = rest.strip_prefix("errors:").unwrap_or(rest).lines().map(str::trim).filter(|line| !line.is_empty());
    lines
        .filter_map(|line| line.strip_prefix('.')?.split_once(": "))
        .map(|(field, message)| (field.to_owned(), message.to_owned()))
        .collect()
}

/// Returns the pointer of a field as the API server writes it: `spec.containers[0].image`, `spec.containers[name="web"].image`.
fn pointer_of(object: &Value, field: &str) -> String {
    let (mut value, mut pointer) = (object, String::new());
    let mut rest = field;
    while !rest.is_empty() {
        let (token, after) = match rest.strip_prefix('[') {
            Some(inner) => match inner.split_once(']') {
                Some((selector, after)) => (place_of(value, selector), after),
                None => break,
            },
            None => {
                let end = rest.find(['.', '[']).unwrap_or(rest.len());
                (rest[..end].replace('~', "~0").replace('/', "~1"), &rest[end..])
            }
        };
        pointer = format!("{pointer}/{token}");
        value = value.pointer(&format!("/{token}")).unwrap_or(&Value::Null);
        rest = after.strip_prefix('.').unwrap_or(after);
    }
    pointer
}

/// Returns which element of a list is meant by its place or by its keys.
fn place_of(list: &Value, selector: &str) -> String {
    if selector.bytes().all(|byte| byte.is_ascii_digit()) {
        return selector.to_owned();
    }
    let keys: Vec<(&str, &str)> = selector.split(',').filter_map(|pair| pair.split_once('=')).collect();
    let is = |item: &Value| keys.iter().all(|(key, wanted)| item.get(*key).is_some_and(|found| found.to_string().as_str() == *wanted));
    list.as_array().and_then(|items| items.iter().position(is)).map_or_else(|| selector.to_owned(), |at| at.to_string())
}

fn message_of(error: &Error, status: Option<&Value>) -> String {
    match status.and_then(|status| status.get("message")).and_then(Value::as_str) {
        Some(message) => message.to_owned(),
        None => chain(error),
    }
}

fn object_title(value: &Value) -> String {
    let text = |pointer: &str| value.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    match text("/metadata/namespace") {
        "" => format!("{} {}", text("/kind"), text("/metadata/name")),
        namespace => format!("{} {namespace}/{}", text("/kind"), text("/metadata/name")),
    }
}

fn unknown_kinds(
    scene: &Scene<'_>,
    unknown: &BTreeMap<(String, String), Vec<&Object>>,
    complete: bool,
    findings: &mut Vec<Finding>,
    not_checked: &mut Vec<String>,
) {
    let foreign = |api: &str| !is_of_flux(api);
    let mut open = Vec::new();
    for ((api, kind), objects) in unknown.iter().filter(|((api, _), _)| foreign(api)) {
        // A group without a dot is Kubernetes's own: nobody else will define it.
        if !complete && api.contains('.') && !is_of_kubernetes(api) {
            open.push(format!("{kind} ({api})"));
            continue;
        }
        let is_off = is_of_kubernetes(api) && runtime_config::is_off_by_default(api);
        if is_off && runtime_config::turns_on(&scene.subject.repository, api) {
            not_checked.push(format!("{kind} ({api}), which only an API server with --runtime-config={api}=true has"));
            continue;
        }
        for object in objects {
            let message = format!("{}: nothing defines {kind} in {api}", object_title(&object.value));
            let found = Finding::error(Rule::UnknownKind, &object.file, object.line, 1, message);
            findings.push(match is_off {
                true => found.hint(format!("API servers have it, if at all, with --runtime-config={api}=true only; use another version")),
                false => found.hint("correct apiVersion and kind, or add the definition or the chart that brings it".to_string()),
            });
        }
    }
    if !open.is_empty() {
        not_checked.push(format!("kinds whose definitions may be in what is not at hand: {}", open.join(", ")));
    }
}

fn is_of_flux(api: &str) -> bool {
    FLUX.iter().any(|group| api.split('/').next().is_some_and(|found| found.ends_with(group)))
}

fn text_of<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

fn is_of_kubernetes(api: &str) -> bool {
    const GROUPS: [&str; 12] = [
        "admissionregistration.k8s.io",
        "apiextensions.k8s.io",
        "apiregistration.k8s.io",
        "certificates.k8s.io",
        "coordination.k8s.io",
        "discovery.k8s.io",
        "flowcontrol.apiserver.k8s.io",
        "networking.k8s.io",
        "node.k8s.io",
        "rbac.authorization.k8s.io",
        "scheduling.k8s.io",
        "storage.k8s.io",
    ];
    api.split('/').next().is_some_and(|group| GROUPS.contains(&group))
}

/// What the chart of a release renders to and an API server refuses.
async fn refused_renders(stage: &Stage, served: &Served, release: &Rendered, complete: bool, findings: &mut Vec<Finding>) {
    let spec = &release.spec;
    for object in &release.objects {
        let mut object = object.clone();
        if object.pointer("/metadata/namespace").is_none() && object["metadata"].is_object() {
            object["metadata"]["namespace"] = spec.release_namespace.as_str().into();
        }
        let found = |rule, message: String| Finding::error(rule, &spec.file, spec.line, 1, format!("{}: its {message}", title(spec)));
        if let Some((api_version, kind)) = served.lacks(&object) {
            if complete {
                let message = format!("{}: nothing defines {kind} in {api_version}", object_title(&object));
                findings.push(found(Rule::UnknownKind, message).hint("add the definition, or the chart that brings it"));
            }
            continue;
        }
        let Err(error) = show(stage, &object, "helm-controller").await else { continue };
        for (field, message) in causes(&error) {
            let Some(rule) = rule_of(stage, &message) else { continue };
            let text = if field.is_empty() || message.contains(&field) { message } else { format!("{field}: {message}") };
            let one = found(rule, format!("{}: {text}", object_title(&object)));
            findings.push(if rule == Rule::ServiceAddress { one.hint(format!("the range is {}", stage.range)) } else { one });
        }
    }
}
