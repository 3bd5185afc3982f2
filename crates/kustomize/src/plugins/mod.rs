//! The built-in plugins as objects, under `generators`, `transformers` and `validators` (`api/internal/builtins`). What is another program
//! or a container is an error that names the object.

mod generate;
mod settings;
mod value_add;

use serde::de::DeserializeOwned;
use serde_json::Value;

use self::settings::{Affixes, ImageTag, NamespaceSettings, Patch, Replacements, ReplicaCount, StrategicMerge, Strings};
use crate::error::Error;
use crate::kustomization::{PatchEntry, Place, Placed};
use crate::resource::{Resource, group_of};
use crate::transform::{self, Namespace, Subjects};
use crate::transformers::Context;
use crate::{origin, patches, replacements, scalar};

pub(crate) use self::generate::generate;

const WAY_OUT: &str = "build that part beforehand and list its output under resources";

fn place(plugin: &Resource) -> Place {
    Place { file: plugin.file.clone(), line: plugin.line, column: 1 }
}

fn at<T>(plugin: &Resource, result: Result<T, String>) -> Result<T, Error> {
    result.map_err(|message| Error::at(&place(plugin), format!("{}: {message}", plugin.title())))
}

/// Reads the settings of a plugin; what it does not know it does not look at.
fn settings<T: DeserializeOwned>(plugin: &Resource) -> Result<T, Error> {
    let mut value = plugin.value.clone();
    scalar::settle(&mut value);
    at(plugin, crate::folded::from_value(value).map_err(|error| error.to_string()))
}

fn placed<T>(plugin: &Resource, value: T) -> Placed<T> {
    Placed { value, place: place(plugin) }
}

/// Returns the kind of a built-in plugin.
fn built_in(plugin: &Resource) -> Result<String, Error> {
    let api_version = scalar::text_at(&plugin.value, &["apiVersion"]);
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
            at(plugin, transform::set_strings(&labels, &field_specs, resources))?;
        }
        "AnnotationsTransformer" => {
            let Strings { annotations, field_specs, .. } = settings(plugin)?;
            at(plugin, transform::set_strings(&annotations, &field_specs, resources))?;
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
            replacements::apply(context, &entries, resources)?;
        }
        "HashTransformer" => crate::generate::add_hashes(resources),
        "ValueAddTransformer" => value_add::run(context, plugin, resources)?,
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
        at(plugin, transform::prefix(&prefix, &fields, resources))?;
    }
    if kind != "PrefixTransformer" {
        at(plugin, transform::suffix(&suffix, &fields, resources))?;
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
        false => patches::one(context, &entry, resources),
    }
}

fn strategic_merge(context: &Context<'_>, plugin: &Resource, resources: &mut Vec<Resource>) -> Result<(), Error> {
    let StrategicMerge { paths, patches } = settings(plugin)?;
    if paths.is_empty() && patches.is_empty() {
        return at(plugin, Err("a PatchStrategicMergeTransformer needs paths or patches".to_string()));
    }
    let entries: Vec<Placed<String>> = paths.into_iter().map(|path| placed(plugin, path)).collect();
    patches::strategic_merge(context, &entries, resources)?;
    if patches.is_empty() {
        return Ok(());
    }
    let origin = Some((plugin.file.clone(), plugin.line));
    let entry = placed(plugin, PatchEntry { patch: Some(patches), origin, ..PatchEntry::default() });
    patches::one_strategic_merge(context, &entry, resources)
}
