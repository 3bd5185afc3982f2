//! Finds the patches of a kustomization, reads them and applies them to what they select.

use std::collections::VecDeque;
use std::sync::Arc;

use serde_json::Value;

use crate::error::Error;
use crate::kustomization::{PatchEntry, Placed};
use crate::read::{self, Document};
use crate::resource::{NO_NAMESPACE, Resource, effective, group_of};
use crate::scalar::text_at;
use crate::selector::Selector;
use crate::transformers::Context;
use crate::{Change, Files, json_patch, path, scalar, strategic};

/// Applies the entries of the old `patchesStrategicMerge`: files or patches themselves.
pub(crate) fn strategic_merge(context: &Context<'_>, entries: &[Placed<String>], resources: &mut Vec<Resource>) -> Result<(), Error> {
    for entry in entries {
        let is_inline = entry.value.contains('\n') || entry.value.contains(": ");
        let (path, patch) = if is_inline { (None, Some(entry.value.clone())) } else { (Some(entry.value.clone()), None) };
        let value = PatchEntry { path, patch, ..PatchEntry::default() };
        one_strategic_merge(context, &Placed { value, place: entry.place.clone() }, resources)?;
    }
    Ok(())
}

/// Applies an entry of the old `patchesStrategicMerge`.
pub(crate) fn one_strategic_merge(context: &Context<'_>, entry: &Placed<PatchEntry>, resources: &mut Vec<Resource>) -> Result<(), Error> {
    match patch(context.files, context.folder, entry)? {
        Patch::Merge(patches) => patches.iter().try_for_each(|patch| {
            apply_named(context, entry, patch, with_strings(&patch.value), resources)?;
            refuse_twice(entry, resources)
        }),
        Patch::Json(_) => Err(Error::at(&entry.place, "patchesStrategicMerge takes objects only")),
    }
}

fn refuse_twice(entry: &Placed<PatchEntry>, resources: &[Resource]) -> Result<(), Error> {
    let twice = crate::accumulate::duplicate(resources);
    twice.map_or(Ok(()), |twice| Err(Error::at(&entry.place, format!("there are two of {twice}"))))
}

/// Applies a patch to the one object that it names.
fn apply_named(
    context: &Context<'_>,
    entry: &Placed<PatchEntry>,
    patch: &Document,
    merged: Value,
    resources: &mut Vec<Resource>,
) -> Result<(), Error> {
    let fail = |message: String| Error::at(&entry.place, message);
    let selected = named(&patch.value, resources);
    if selected.is_empty() && context.is_incomplete {
        return Ok(());
    }
    if selected.len() != 1 {
        return Err(fail(format!("{} objects are {}, which the patch names", selected.len(), title(&patch.value))));
    }
    note(context.files, context.folder, entry, &patch.value, &selected, resources);
    merge(&Document { value: merged, ..patch.clone() }, &entry.value, &selected, resources).map_err(fail)
}

/// Applies an entry of the old `patchesJson6902`. kustomize does not note the names it changes.
pub(crate) fn json6902(files: &dyn Files, folder: &str, entry: &Placed<PatchEntry>, resources: &mut [Resource]) -> Result<(), Error> {
    let fail = |message: String| Error::at(&entry.place, message);
    let target = entry.value.target.clone().unwrap_or_default();
    if target.name.as_deref().is_none_or(str::is_empty) {
        return Err(fail("the target of a JSON patch needs a name here".to_string()));
    }
    let operations = match patch(files, folder, entry)? {
        Patch::Json(operations) if !operations.is_empty() => operations,
        _ => return Err(fail("patchesJson6902 takes lists of operations only".to_string())),
    };
    let target = Selector::new(&target).map_err(fail)?;
    for resource in resources.iter_mut().filter(|resource| target.selects(resource)) {
        change(&operations, resource).map_err(fail)?;
    }
    Ok(())
}

/// What an entry holds.
enum Patch {
    Merge(Vec<Document>),
    Json(Vec<Value>),
}

/// Applies an entry of `patches`.
pub(crate) fn one(context: &Context<'_>, entry: &Placed<PatchEntry>, resources: &mut Vec<Resource>) -> Result<(), Error> {
    let (files, folder) = (context.files, context.folder);
    let fail = |message: String| Error::at(&entry.place, message);
    let target = entry.value.target.as_ref().map(Selector::new).transpose().map_err(fail)?;
    match (patch(files, folder, entry)?, target) {
        (Patch::Json(operations), Some(target)) => {
            let selected: Vec<usize> = (0..resources.len()).filter(|at| target.selects(&resources[*at])).collect();
            note(files, folder, entry, &Value::Array(operations.clone()), &selected, resources);
            for at in selected {
                let resource = &mut resources[at];
                resource.remember();
                change(&operations, resource).map_err(fail)?;
            }
        }
        (Patch::Json(_), None) => return Err(fail("a JSON patch needs a target".to_string())),
        (Patch::Merge(patches), Some(_)) if patches.len() > 1 => {
            return Err(fail("a patch with a target is one document only".to_string()));
        }
        (Patch::Merge(patches), Some(target)) => {
            for patch in &patches {
                let selected: Vec<usize> = (0..resources.len()).filter(|at| target.selects(&resources[*at])).collect();
                note(files, folder, entry, &patch.value, &selected, resources);
                let patch = Document { value: with_strings(&patch.value), ..patch.clone() };
                merge(&patch, &entry.value, &selected, resources).map_err(fail)?;
            }
            refuse_twice(entry, resources)?;
        }
        (Patch::Merge(patches), None) => {
            patches.iter().try_for_each(|patch| apply_named(context, entry, patch, patch.value.clone(), resources))?;
        }
    }
    Ok(())
}

/// Notes on objects which patch they are about to get.
fn note(files: &dyn Files, folder: &str, entry: &Placed<PatchEntry>, patch: &Value, selected: &[usize], resources: &mut [Resource]) {
    let mut content = patch.clone();
    scalar::settle(&mut content);
    let content = Arc::new(content);
    let change = match (&entry.value.path, &entry.value.origin) {
        (Some(path), _) => {
            let file = path::join(folder, path).unwrap_or_default();
            let text = read::text(files, &file).ok().flatten().unwrap_or_default();
            let documents = read::patches(&file, &text).unwrap_or_default();
            let line = documents.iter().find(|document| document.value == *patch).map_or(1, |document| document.line);
            Change { file, line, text: None, content }
        }
        (None, origin) => {
            let (file, line) = origin.clone().unwrap_or((entry.place.file.clone(), entry.place.line));
            let text = entry.value.patch.as_deref().map(Arc::from);
            Change { file, line, text, content }
        }
    };
    selected.iter().for_each(|at| resources[*at].changes.push(change.clone()));
}

/// kustomize copies labels and annotations of a patch with a target as texts, null and all, and leaves empty ones out
/// (`CopyMergeMetaDataFieldsFrom`).
fn with_strings(patch: &Value) -> Value {
    let mut patch = patch.clone();
    ["labels", "annotations"].iter().for_each(|field| make_strings(&mut patch, field));
    patch
}

fn make_strings(patch: &mut Value, field: &str) {
    let Some(metadata) = patch.get_mut("metadata").and_then(Value::as_object_mut) else { return };
    let Some(pairs) = metadata.get_mut(field) else { return };
    let Some(map) = pairs.as_object_mut().filter(|map| !map.is_empty()) else {
        metadata.remove(field);
        return;
    };
    map.values_mut().for_each(|value| *value = Value::from(scalar::as_text(value)));
}

/// kustomize prints the object for it. Its notes are among the annotations, so that operations on these find them, and it writes them anew
/// afterwards.
fn change(operations: &[Value], resource: &mut Resource) -> Result<(), String> {
    let title = resource.title();
    if let Some((_, message)) = resource.unprintable() {
        return Err(format!("{title}: {message}"));
    }
    scalar::settle(&mut resource.value);
    resource.mark();
    json_patch::apply(operations, &mut resource.value).map_err(|message| format!("{title}: {message}"))?;
    scalar::as_from_json(&mut resource.value);
    scalar::keep_spelling_of_floats(&mut resource.value);
    if resource.kind().is_empty() || resource.name().is_empty() {
        return Err(format!("{title}: the patch leaves no kind or no metadata.name"));
    }
    resource.take_mark();
    resource.shares.clear();
    resource.keys.clear();
    Ok(())
}

/// Reads a patch: objects with kind and name, else a list of operations.
fn patch(files: &dyn Files, folder: &str, entry: &Placed<PatchEntry>) -> Result<Patch, Error> {
    let fail = |message: String| Error::at(&entry.place, message);
    let given = |text: &Option<String>| text.as_deref().map(str::trim).filter(|text| !text.is_empty()).map(str::to_string);
    let (at, text) = match (given(&entry.value.path), given(&entry.value.patch)) {
        (Some(file), None) => {
            if read::is_address(&file) {
                return Err(fail(format!("{file} is fetched from a network, which is not supported; put it into the repository")));
            }
            let at = path::join(folder, &file).ok_or_else(|| fail(format!("{file} leaves the repository")))?;
            let text = read::private_text(files, &at, &at)?.ok_or_else(|| fail(format!("there is no file {at}")))?;
            (at, text)
        }
        (None, Some(text)) => ("patch".to_string(), text.into_bytes()),
        _ => return Err(fail("a patch has either path or patch".to_string())),
    };
    let is_inline = entry.value.path.is_none();
    let shown = |error: Error| if is_inline { fail(error.to_string()) } else { error };
    let documents = match read::patches(&at, &text) {
        Ok(documents) => documents,
        Err(error) => return operations(&text).map_err(|_| shown(error)),
    };
    let mut merges = Vec::new();
    let mut open: VecDeque<Document> = documents.into();
    while let Some(document) = open.pop_front() {
        let value = &document.value;
        if document.is_list() {
            open.extend(document.rewritten_items().map_err(fail)?);
        } else if value.is_object() && !text_at(value, &["kind"]).is_empty() && !text_at(value, &["metadata", "name"]).is_empty() {
            merges.push(document);
        } else {
            return operations(&text).map_err(fail);
        }
    }
    Ok(Patch::Merge(merges))
}

/// Operations are read as Kubernetes reads YAML, where `yes` is true; what starts with a bracket must be JSON
/// (`api/filters/patchjson6902`).
fn operations(text: &[u8]) -> Result<Patch, String> {
    let wrong = || "a patch is either an object with kind and metadata.name, or a list of operations".to_string();
    let text = std::str::from_utf8(text).map_err(|_| wrong())?;
    let value = match text.starts_with('[') {
        true => serde_json::from_str(text)
            .map_err(|error| format!("a patch that starts with a bracket must be JSON, with every name and text in quotes: {error}"))?,
        false => {
            let documents = go_encoding::yaml::documents(text).map_err(|_| wrong())?;
            documents.into_iter().next().ok_or_else(wrong)?.value
        }
    };
    match value {
        Value::Array(items) if items.iter().all(Value::is_object) => Ok(Patch::Json(items)),
        _ => Err(wrong()),
    }
}

fn title(patch: &Value) -> String {
    format!("{} {}", text_at(patch, &["kind"]), text_at(patch, &["metadata", "name"]))
}

/// Returns which objects have or had the identity that a patch states.
fn named(patch: &Value, resources: &[Resource]) -> Vec<usize> {
    let api = text_at(patch, &["apiVersion"]);
    let version = api.rsplit_once('/').map_or(api, |(_, version)| version);
    let (kind, name) = (text_at(patch, &["kind"]), text_at(patch, &["metadata", "name"]));
    let namespace = text_at(patch, &["metadata", "namespace"]);
    let is = |resource: &Resource| {
        let namespace = if resource.openapi.is_outside(api, kind) { NO_NAMESPACE } else { effective(namespace) };
        resource.group() == group_of(api)
            && resource.version() == version
            && resource.ids().iter().any(|id| id.kind == kind && id.name == name && id.namespace == namespace)
    };
    (0..resources.len()).filter(|at| is(&resources[*at])).collect()
}

fn merge(document: &Document, entry: &PatchEntry, selected: &[usize], resources: &mut Vec<Resource>) -> Result<(), String> {
    let may = |option: &str| entry.options.get(option).copied().unwrap_or(false);
    let mut gone = Vec::new();
    for &at in selected {
        let resource = &mut resources[at];
        let (name, namespace, kind) = (resource.name().to_string(), resource.namespace().to_string(), resource.kind().to_string());
        let api = resource.value.get("apiVersion").cloned();
        if resource.value.is_null() {
            continue;
        }
        if may("allowNameChange") || may("allowKindChange") {
            resource.remember();
        }
        let title = resource.title();
        resource.mark();
        let before = resource.shared();
        // The version is that of the object; the kind is not (`resmap/reswrangler.go`, ApplySmPatch).
        let mut patch = document.value.clone();
        // kustomize notes what a patch may change among the patch's own annotations, which it writes anew.
        if may("allowNameChange") || may("allowKindChange") {
            make_strings(&mut patch, "annotations");
        }
        if let (Some(api), Some(fields)) = (&api, patch.as_object_mut()) {
            fields.insert("apiVersion".to_string(), api.clone());
        }
        let merged = strategic::merge(resource.value.take(), &patch, &resource.openapi).map_err(|message| format!("{title}: {message}"))?;
        let Some(merged) = merged else {
            gone.push(at);
            continue;
        };
        resource.value = merged;
        resource.unmark();
        resource.follow(&before);
        resource.keys.extend(document.keys.iter().cloned());
        if !may("allowNameChange") {
            resource.set_name(&name);
        }
        if !may("allowKindChange") {
            crate::resource::object(&mut resource.value).insert("kind".to_string(), Value::from(kind));
        }
        if let Some(api) = api {
            crate::resource::object(&mut resource.value).insert("apiVersion".to_string(), api);
        }
        match namespace.as_str() {
            "" => drop(resource.value.get_mut("metadata").and_then(Value::as_object_mut).and_then(|metadata| metadata.remove("namespace"))),
            namespace => resource.set_namespace(namespace),
        }
    }
    for at in gone.into_iter().rev() {
        resources.remove(at);
    }
    Ok(())
}
