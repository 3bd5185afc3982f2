//! Finds the patches of a kustomization, reads them and applies them to what they select.

use serde_json::Value;

use crate::error::Error;
use crate::kustomization::{Kustomization, PatchEntry, Placed};
use crate::resource::{Resource, effective, group_of};
use crate::selector::Selector;
use crate::{Files, json_patch, path, read, strategic};

/// Applies the entries of the old `patchesStrategicMerge`: files or patches themselves.
pub(crate) fn strategic_merge(
    files: &dyn Files,
    folder: &str,
    kustomization: &Kustomization,
    resources: &mut Vec<Resource>,
) -> Result<(), Error> {
    for entry in &kustomization.strategic {
        let is_inline = entry.value.contains('\n') || entry.value.contains(": ");
        let (path, patch) = if is_inline { (None, Some(entry.value.clone())) } else { (Some(entry.value.clone()), None) };
        let value = PatchEntry { path, patch, ..PatchEntry::default() };
        one(files, folder, &Placed { value, place: entry.place.clone() }, resources)?;
    }
    Ok(())
}

pub(crate) fn apply(files: &dyn Files, folder: &str, entries: &[Placed<PatchEntry>], resources: &mut Vec<Resource>) -> Result<(), Error> {
    entries.iter().try_for_each(|entry| one(files, folder, entry, resources))
}

fn one(files: &dyn Files, folder: &str, entry: &Placed<PatchEntry>, resources: &mut Vec<Resource>) -> Result<(), Error> {
    let fail = |message: String| Error::at(&entry.place, message);
    let documents = documents(files, folder, entry)?;
    let target = entry.value.target.as_ref().map(Selector::new).transpose().map_err(fail)?;
    for document in documents {
        match (document, &target) {
            (Value::Array(operations), Some(target)) => {
                for resource in resources.iter_mut().filter(|resource| target.selects(resource)) {
                    resource.remember();
                    let title = resource.title();
                    json_patch::apply(&operations, &mut resource.value).map_err(|message| fail(format!("{title}: {message}")))?;
                }
            }
            (Value::Array(_), None) => return Err(fail("a JSON patch needs a target".to_string())),
            (patch, Some(target)) => {
                let selected: Vec<usize> = (0..resources.len()).filter(|at| target.selects(&resources[*at])).collect();
                merge(&patch, &entry.value, &selected, resources);
            }
            (patch, None) => {
                let selected = named(&patch, resources);
                if selected.is_empty() {
                    return Err(fail(format!("no object is {}, which the patch names", title(&patch))));
                }
                merge(&patch, &entry.value, &selected, resources);
            }
        }
    }
    Ok(())
}

fn documents(files: &dyn Files, folder: &str, entry: &Placed<PatchEntry>) -> Result<Vec<Value>, Error> {
    let fail = |message: String| Error::at(&entry.place, message);
    let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let manifests = match (given(&entry.value.path), given(&entry.value.patch)) {
        (Some(file), None) => {
            let at = path::join(folder, &file).ok_or_else(|| fail(format!("{file} leaves the repository")))?;
            let text = read::text(files, &at)?.ok_or_else(|| fail(format!("there is no file {at}")))?;
            read::manifests(&at, &text)?
        }
        (None, Some(text)) => read::manifests("patch", text.as_bytes()).map_err(|error| fail(error.to_string()))?,
        _ => return Err(fail("a patch has either path or patch".to_string())),
    };
    let values: Vec<Value> = manifests.into_iter().map(|manifest| manifest.value).collect();
    match values.iter().all(|value| value.is_array() || value.is_object()) {
        true => Ok(values),
        false => Err(fail("a patch is either an object or a list of operations".to_string())),
    }
}

fn text<'a>(value: &'a Value, path: &[&str]) -> &'a str {
    path.iter().try_fold(value, |value, key| value.get(key)).and_then(Value::as_str).unwrap_or("")
}

fn title(patch: &Value) -> String {
    format!("{} {}", text(patch, &["kind"]), text(patch, &["metadata", "name"]))
}

/// Returns which objects have or had the identity that a patch states.
fn named(patch: &Value, resources: &[Resource]) -> Vec<usize> {
    let api = text(patch, &["apiVersion"]);
    let version = api.rsplit_once('/').map_or(api, |(_, version)| version);
    let (kind, name) = (text(patch, &["kind"]), text(patch, &["metadata", "name"]));
    let namespace = effective(text(patch, &["metadata", "namespace"]));
    let is = |resource: &Resource| {
        resource.group() == group_of(api)
            && resource.version() == version
            && resource
                .ids()
                .iter()
                .any(|id| id.kind == kind && id.name == name && (resource.is_cluster_scoped() || effective(&id.namespace) == namespace))
    };
    (0..resources.len()).filter(|at| is(&resources[*at])).collect()
}

fn merge(patch: &Value, entry: &PatchEntry, selected: &[usize], resources: &mut Vec<Resource>) {
    let may = |option: &str| entry.options.get(option).copied().unwrap_or(false);
    let mut gone = Vec::new();
    for &at in selected {
        let resource = &mut resources[at];
        let (name, namespace, kind) = (resource.name().to_string(), resource.namespace().to_string(), resource.kind().to_string());
        let api = resource.value.get("apiVersion").cloned();
        if may("allowNameChange") || may("allowKindChange") {
            resource.remember();
        }
        let Some(merged) = strategic::merge(resource.value.take(), patch) else {
            gone.push(at);
            continue;
        };
        resource.value = merged;
        if !may("allowNameChange") {
            resource.set_name(&name);
        }
        if !may("allowKindChange") {
            crate::resource::object(&mut resource.value).insert("kind".to_string(), Value::from(kind));
            if let Some(api) = api {
                crate::resource::object(&mut resource.value).insert("apiVersion".to_string(), api);
            }
        }
        match namespace.as_str() {
            "" => drop(resource.value.get_mut("metadata").and_then(Value::as_object_mut).and_then(|metadata| metadata.remove("namespace"))),
            namespace => resource.set_namespace(namespace),
        }
    }
    for at in gone.into_iter().rev() {
        resources.remove(at);
    }
}
