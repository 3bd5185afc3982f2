//! The built-in plugins as objects, under `generators`, `transformers` and `validators` (`api/internal/builtins`). What is another program
//! or a container is an error that names the object.

use std::collections::BTreeMap;

use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value, json};

use crate::error::Error;
use crate::fields::FieldSpec;
use crate::generate::{self, Generated};
use crate::kustomization::{Generator, GeneratorOptions, Image, PatchEntry, Place, Placed, Replica, Target};
use crate::resource::{Resource, group_of};
use crate::selector::Selector;
use crate::transform::{self, Namespace, Subjects};
use crate::transformers::Context;
use crate::{merge_keys, origin, patches, path, read, replacements};

const WAY_OUT: &str = "build that part beforehand and list its output under resources";

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct NamespaceSettings {
    metadata: Metadata,
    field_specs: Vec<FieldSpec>,
    unset_only: bool,
    set_role_binding_subjects: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Metadata {
    name: String,
    namespace: String,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Affixes {
    #[serde(deserialize_with = "scalar")]
    prefix: String,
    #[serde(deserialize_with = "scalar")]
    suffix: String,
    field_specs: Option<Vec<FieldSpec>>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Strings {
    #[serde(deserialize_with = "scalars")]
    labels: BTreeMap<String, String>,
    #[serde(deserialize_with = "scalars")]
    annotations: BTreeMap<String, String>,
    field_specs: Vec<FieldSpec>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ImageTag {
    #[serde(deserialize_with = "image")]
    image_tag: Image,
    field_specs: Vec<FieldSpec>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ReplicaCount {
    replica: Replica,
    #[serde(default)]
    field_specs: Vec<FieldSpec>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Patch {
    path: Option<String>,
    patch: Option<String>,
    json_op: Option<String>,
    target: Option<Target>,
    options: BTreeMap<String, bool>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct StrategicMerge {
    paths: Vec<String>,
    patches: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Replacements {
    replacements: Vec<Value>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ValueAdd {
    #[serde(deserialize_with = "scalar")]
    value: String,
    targets: Vec<ValueTarget>,
    target_file_path: String,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ValueTarget {
    selector: Option<Target>,
    field_path: String,
    file_path_position: i64,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct IamPolicy {
    cloud: String,
    kubernetes_service: Metadata,
    service_account: GoogleAccount,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct GoogleAccount {
    name: String,
    project_id: String,
}

/// Numbers and booleans are texts where a text is wanted, as `sigs.k8s.io/yaml` reads them.
fn scalar<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    match Value::deserialize(from)? {
        Value::Null => Ok(String::new()),
        Value::String(text) => Ok(text),
        value if value.is_number() || value.is_boolean() => Ok(go_encoding::json::to_string(&value)),
        _ => Err(D::Error::custom("a text is wanted, not a mapping or list")),
    }
}

fn scalars<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeMap<String, String>, D::Error> {
    let fields = Option::<BTreeMap<String, Value>>::deserialize(from)?.unwrap_or_default();
    fields.into_iter().map(|(key, value)| Ok((key, scalar(value).map_err(D::Error::custom)?))).collect()
}

fn image<'de, D: Deserializer<'de>>(from: D) -> Result<Image, D::Error> {
    let fields: Map<String, Value> = scalars(from)?.into_iter().map(|(key, text)| (key, Value::from(text))).collect();
    serde_json::from_value(Value::Object(fields)).map_err(D::Error::custom)
}

fn place(plugin: &Resource) -> Place {
    Place { file: plugin.file.clone(), line: plugin.line, column: 1 }
}

fn at<T>(plugin: &Resource, result: Result<T, String>) -> Result<T, Error> {
    result.map_err(|message| Error::at(&place(plugin), format!("{}: {message}", plugin.title())))
}

/// Reads the settings of a plugin; what it does not know it does not look at.
fn settings<T: DeserializeOwned>(plugin: &Resource) -> Result<T, Error> {
    let mut value = plugin.value.clone();
    read::settle(&mut value);
    at(plugin, serde_json::from_value(value).map_err(|error| error.to_string()))
}

fn placed<T>(plugin: &Resource, value: T) -> Placed<T> {
    Placed { value, place: place(plugin) }
}

/// Returns the kind of a built-in plugin.
fn built_in(plugin: &Resource) -> Result<String, Error> {
    let api_version = plugin.value.get("apiVersion").and_then(Value::as_str).unwrap_or("");
    let message = match (plugin.kind(), group_of(api_version).is_empty() && plugin.version() == "builtin") {
        ("HelmChartInflationGenerator", _) => format!("charts are not inflated; {WAY_OUT}, or use a HelmRelease"),
        (kind, true) => return Ok(kind.to_string()),
        (_, false) => format!("plug-ins that are programs or containers are not run; {WAY_OUT}"),
    };
    at(plugin, Err(message))
}

/// Runs a transformer over objects.
pub(crate) fn transform(context: &Context<'_>, plugin: &Resource, resources: &mut Vec<Resource>) -> Result<(), Error> {
    let kind = built_in(plugin)?;
    match kind.as_str() {
        "NamespaceTransformer" => namespace(plugin, resources)?,
        "PrefixTransformer" | "SuffixTransformer" | "PrefixSuffixTransformer" => affixes(plugin, &kind, resources)?,
        "LabelTransformer" => {
            let Strings { labels, field_specs, .. } = settings(plugin)?;
            transform::set_strings(&labels, &field_specs, resources);
        }
        "AnnotationsTransformer" => {
            let Strings { annotations, field_specs, .. } = settings(plugin)?;
            transform::set_strings(&annotations, &field_specs, resources);
        }
        "ImageTagTransformer" => {
            let ImageTag { image_tag, field_specs } = settings(plugin)?;
            at(plugin, transform::images(&image_tag, &field_specs, resources))?;
        }
        "ReplicaCountTransformer" => {
            let ReplicaCount { replica, field_specs } = settings(plugin)?;
            at(plugin, transform::replicas(&replica, &field_specs, resources))?;
        }
        "PatchTransformer" | "PatchJson6902Transformer" => patch(context, plugin, &kind, resources)?,
        "PatchStrategicMergeTransformer" => strategic_merge(context, plugin, resources)?,
        "ReplacementTransformer" => {
            let Replacements { replacements } = settings(plugin)?;
            let entries: Vec<Placed<Value>> = replacements.into_iter().map(|value| placed(plugin, value)).collect();
            replacements::apply(context.files, context.folder, &entries, resources)?;
        }
        "HashTransformer" => generate::add_hashes(resources),
        "ValueAddTransformer" => value_add(context, plugin, resources)?,
        _ => return at(plugin, Err("this is no transformer that kustomize has built in".to_string())),
    }
    if let Some(path) = origin::path_of(plugin) {
        origin::transformed(resources, &origin::of_plugin(&path, &plugin.value));
    }
    Ok(())
}

fn namespace(plugin: &Resource, resources: &mut [Resource]) -> Result<(), Error> {
    let settings: NamespaceSettings = settings(plugin)?;
    let subjects = match settings.set_role_binding_subjects.as_str() {
        "" | "defaultOnly" => Subjects::Default,
        "allServiceAccounts" => Subjects::ServiceAccounts,
        "none" => Subjects::None,
        other => {
            let message = format!("setRoleBindingSubjects is defaultOnly, allServiceAccounts or none, not {other:?}");
            return at(plugin, Err(message));
        }
    };
    if settings.metadata.namespace.is_empty() {
        return Ok(());
    }
    let namespace =
        Namespace { name: &settings.metadata.namespace, fields: &settings.field_specs, subjects, unset_only: settings.unset_only };
    at(plugin, transform::namespace(&namespace, resources))
}

fn affixes(plugin: &Resource, kind: &str, resources: &mut [Resource]) -> Result<(), Error> {
    let Affixes { prefix, suffix, field_specs } = settings(plugin)?;
    let fields = at(plugin, field_specs.ok_or_else(|| format!("a {kind} needs fieldSpecs")))?;
    if kind != "SuffixTransformer" {
        transform::prefix(&prefix, &fields, resources);
    }
    if kind != "PrefixTransformer" {
        transform::suffix(&suffix, &fields, resources);
    }
    Ok(())
}

fn patch(context: &Context<'_>, plugin: &Resource, kind: &str, resources: &mut Vec<Resource>) -> Result<(), Error> {
    let Patch { path, patch, json_op, target, options } = settings(plugin)?;
    let is_json = kind == "PatchJson6902Transformer";
    let origin = Some((plugin.file.clone(), plugin.line));
    let entry = placed(plugin, PatchEntry { path, patch: if is_json { json_op } else { patch }, target, options, origin });
    match is_json {
        true => patches::json6902(context.files, context.folder, &entry, resources),
        false => patches::one(context.files, context.folder, &entry, resources),
    }
}

fn strategic_merge(context: &Context<'_>, plugin: &Resource, resources: &mut Vec<Resource>) -> Result<(), Error> {
    let StrategicMerge { paths, patches } = settings(plugin)?;
    if paths.is_empty() && patches.is_empty() {
        return at(plugin, Err("a PatchStrategicMergeTransformer needs paths or patches".to_string()));
    }
    let entries: Vec<Placed<String>> = paths.into_iter().map(|path| placed(plugin, path)).collect();
    patches::strategic_merge(context.files, context.folder, &entries, resources)?;
    if patches.is_empty() {
        return Ok(());
    }
    let origin = Some((plugin.file.clone(), plugin.line));
    let entry = placed(plugin, PatchEntry { patch: Some(patches), origin, ..PatchEntry::default() });
    patches::one(context.files, context.folder, &entry, resources)
}

fn value_add(context: &Context<'_>, plugin: &Resource, resources: &mut [Resource]) -> Result<(), Error> {
    let mut settings: ValueAdd = settings(plugin)?;
    let value = match settings.value.trim() {
        "" if context.folder.is_empty() => return at(plugin, Err("value is missing, and the root has no name to take for it".to_string())),
        "" => path::name(context.folder).to_string(),
        value => value.to_string(),
    };
    if !settings.target_file_path.is_empty() {
        let file = path::join(context.folder, &settings.target_file_path).unwrap_or_default();
        let text = read::text(context.files, &file)?;
        let text = at(plugin, text.ok_or_else(|| format!("there is no file {file}")))?;
        for manifest in read::manifests(&file, &text)?.into_iter().take(1) {
            let more: ValueAdd = serde_json::from_value(manifest.value).map_err(|error| Error::path(&file, error.to_string()))?;
            settings.targets.extend(more.targets);
        }
    }
    if settings.targets.is_empty() {
        return at(plugin, Err("a ValueAddTransformer needs targets".to_string()));
    }
    settings.targets.iter().try_for_each(|target| at(plugin, add_value(&value, target, resources)))
}

fn add_value(value: &str, target: &ValueTarget, resources: &mut [Resource]) -> Result<(), String> {
    let position = usize::try_from(target.file_path_position).map_err(|_| "filePathPosition must not be negative")?;
    let parts: Vec<String> = match target.field_path.as_str() {
        "" => return Err("a target needs a fieldPath".to_string()),
        path => crate::fields::split(path),
    };
    let selector = target.selector.as_ref().map(Selector::new).transpose()?;
    for resource in resources.iter_mut().filter(|resource| selector.as_ref().is_none_or(|selector| selector.selects(resource))) {
        if target.field_path == "metadata/namespace" {
            transform::put_namespace(&Namespace { name: value, ..Namespace::default() }, resource);
            continue;
        }
        let title = resource.title();
        let field = created(&mut resource.value, &parts).map_err(|message| format!("{title}: {}: {message}", target.field_path))?;
        let text = match (position, field.as_str().filter(|_| !read::is_null(field))) {
            (0, _) | (_, None) => value.to_string(),
            (position, Some(present)) => with_part(present, position - 1, value),
        };
        *field = merge_keys::plain(&text);
    }
    Ok(())
}

/// Returns the scalar at a path, made where it is missing.
fn created<'a>(value: &'a mut Value, path: &[String]) -> Result<&'a mut Value, String> {
    let Some((first, rest)) = path.split_first() else {
        return if value.is_object() || value.is_array() { Err("this is no scalar".to_string()) } else { Ok(value) };
    };
    if let Value::Array(items) = value {
        let at = replacements::index_of(items, first).ok_or("there is no such element")?;
        return created(&mut items[at], rest);
    }
    if read::is_null(value) {
        *value = Value::Object(Map::new());
    }
    let Value::Object(map) = value else { return Err("the path leads into a scalar".to_string()) };
    created(map.entry(first.clone()).or_insert(Value::Null), rest)
}

/// Puts a part into a path of files; a place behind the end is the end (`kyaml/filesys/util.go`, InsertPathPart).
fn with_part(path: &str, at: usize, part: &str) -> String {
    let is_absolute = path.starts_with('/');
    let mut parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    parts.insert(at.min(parts.len()), part);
    format!("{}{}", if is_absolute { "/" } else { "" }, parts.join("/"))
}

/// Runs a generator.
pub(crate) fn generate(context: &Context<'_>, plugin: &Resource) -> Result<Generated, Error> {
    let mut made = match built_in(plugin)?.as_str() {
        "ConfigMapGenerator" => from_settings(context, plugin, "ConfigMap")?,
        "SecretGenerator" => from_settings(context, plugin, "Secret")?,
        "IAMPolicyGenerator" => {
            let settings: IamPolicy = settings(plugin)?;
            let value = at(plugin, iam_policy(&settings))?;
            Generated::plain(Resource::new(value, &plugin.file, plugin.line, context.openapi), place(plugin))
        }
        _ => return at(plugin, Err("this is no generator that kustomize has built in".to_string())),
    };
    if let Some(path) = origin::path_of(plugin) {
        made.set_origin(&origin::of_plugin(&path, &plugin.value));
    }
    Ok(made)
}

const GENERATOR_FIELDS: [&str; 9] = ["name", "namespace", "behavior", "literals", "files", "envs", "env", "options", "type"];

/// Name and namespace are those of the plugin where none are given.
fn from_settings(context: &Context<'_>, plugin: &Resource, kind: &str) -> Result<Generated, Error> {
    let mut value: Map<String, Value> = settings(plugin)?;
    value.retain(|key, _| GENERATOR_FIELDS.contains(&key.as_str()) && (key != "type" || kind == "Secret"));
    let mut generator: Generator = at(plugin, serde_json::from_value(Value::Object(value)).map_err(|error| error.to_string()))?;
    if generator.name.is_empty() {
        generator.name = plugin.name().to_string();
    }
    if generator.namespace.as_deref().is_none_or(str::is_empty) {
        generator.namespace = Some(plugin.namespace().to_string());
    }
    generate::generated(context, &GeneratorOptions::default(), kind, &placed(plugin, generator))
}

/// A service account for workload identity on GKE (`api/filters/iampolicygenerator`).
fn iam_policy(settings: &IamPolicy) -> Result<Value, String> {
    if settings.cloud != "gke" {
        return Err(format!("the cloud of an IAMPolicyGenerator is gke, not {:?}", settings.cloud));
    }
    let account = format!("{}@{}.iam.gserviceaccount.com", settings.service_account.name, settings.service_account.project_id);
    let mut value = json!({
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": settings.kubernetes_service.name, "annotations": {"iam.gke.io/gcp-service-account": account}},
    });
    if !settings.kubernetes_service.namespace.is_empty() {
        value["metadata"]["namespace"] = json!(settings.kubernetes_service.namespace);
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_paths() {
        let check = |path: &str, at: usize, expected: &str| assert_eq!(with_part(path, at, "P"), expected);
        check("", 0, "P");
        check("/", 3, "/P");
        check("/pie", 0, "/P/pie");
        check("raw", 1, "raw/P");
        check("a/nice/warm/pie", 3, "a/nice/warm/P/pie");
    }
}
