//! The transformer that puts one value into several fields (`api/internal/builtins/ValueAddTransformer.go`).

use serde::Deserialize;
use serde_json::{Map, Value};

use super::settings::scalar;
use super::{at, settings};
use crate::error::Error;
use crate::kustomization::Target;
use crate::resource::Resource;
use crate::selector::Selector;
use crate::transform::{self, Namespace};
use crate::transformers::Context;
use crate::{origin, path, read, replacements, scalar};

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Settings {
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

pub(super) fn run(context: &Context<'_>, plugin: &Resource, resources: &mut [Resource]) -> Result<(), Error> {
    let mut settings: Settings = settings(plugin)?;
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
            let more: Settings = crate::folded::from_value(manifest.value).map_err(|error| Error::path(&file, error.to_string()))?;
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
            transform::put_namespace(&Namespace { name: value, ..Namespace::default() }, resource)?;
            continue;
        }
        let title = resource.title();
        let field = created(&mut resource.value, &parts).map_err(|message| format!("{title}: {}: {message}", target.field_path))?;
        let Some(field) = field else { continue };
        let text = match position.checked_sub(1) {
            Some(at) => with_part(&scalar::as_text(field), at, value),
            None => value.to_string(),
        };
        *field = scalar::replaced(field, &text);
    }
    Ok(())
}

/// Returns the scalar at a path, made where it is missing.
fn created<'a>(value: &'a mut Value, path: &[String]) -> Result<Option<&'a mut Value>, String> {
    let Some((first, rest)) = path.split_first() else {
        return if value.is_object() || value.is_array() { Err("this is no scalar".to_string()) } else { Ok(Some(value)) };
    };
    if let Value::Array(items) = value {
        let at = replacements::index_of(items, first).ok_or("there is no such element")?;
        return created(&mut items[at], rest);
    }
    // kyaml does not make a mapping of what is null already.
    if scalar::is_null(value) {
        return Ok(None);
    }
    let Value::Object(map) = value else { return Err("the path leads into a scalar".to_string()) };
    let new = if rest.is_empty() { scalar::untyped("") } else { Value::Object(Map::new()) };
    created(map.entry(first.clone()).or_insert(new), rest)
}

/// Puts a part into a path of files; a place behind the end is the end (`kyaml/filesys/util.go`, InsertPathPart).
fn with_part(path: &str, at: usize, part: &str) -> String {
    let is_absolute = path.starts_with('/');
    let mut parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    parts.insert(at.min(parts.len()), part);
    let joined = origin::join(&parts.join("/"), "");
    let cleaned = if joined.is_empty() { "." } else { &joined };
    format!("{}{cleaned}", if is_absolute { "/" } else { "" })
}

#[cfg(test)]
mod tests {
    use super::with_part;

    #[test]
    fn parts_of_paths() {
        let check = |path: &str, at: usize, expected: &str| assert_eq!(with_part(path, at, "P"), expected);
        check("", 0, "P");
        check("/", 3, "/P");
        check("/pie", 0, "/P/pie");
        check("raw", 1, "raw/P");
        check("a/nice/warm/pie", 3, "a/nice/warm/P/pie");
        check("..", 0, ".");
    }
}
