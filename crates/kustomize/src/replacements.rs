//! Copies fields of one object into fields of others (`api/filters/replacement`).

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::error::Error;
use crate::kustomization::{Kustomization, Place, Placed, Target};
use crate::resource::{Resource, effective, object};
use crate::selector::Selector;
use crate::{Files, path, read};

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
struct Options {
    delimiter: Option<String>,
    index: i64,
    create: bool,
    encoding: Option<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
struct Source {
    group: Option<String>,
    version: Option<String>,
    kind: Option<String>,
    name: Option<String>,
    namespace: Option<String>,
    field_path: Option<String>,
    options: Options,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Destination {
    select: Target,
    #[serde(default)]
    reject: Vec<Target>,
    #[serde(default)]
    field_paths: Vec<String>,
    #[serde(default)]
    options: Options,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Replacement {
    source: Option<Source>,
    source_value: Option<Value>,
    targets: Vec<Destination>,
}

pub(crate) fn apply(files: &dyn Files, folder: &str, kustomization: &Kustomization, resources: &mut [Resource]) -> Result<(), Error> {
    for entry in &kustomization.replacements {
        for replacement in read_entry(files, folder, entry)? {
            one(&replacement, resources).map_err(|message| Error::at(&entry.place, message))?;
        }
    }
    Ok(())
}

fn read_entry(files: &dyn Files, folder: &str, entry: &Placed<Value>) -> Result<Vec<Replacement>, Error> {
    let parse = |value: Value, place: &Place| serde_json::from_value(value).map_err(|error| Error::at(place, error.to_string()));
    let Some(file) = entry.value.get("path").and_then(Value::as_str) else { return Ok(vec![parse(entry.value.clone(), &entry.place)?]) };
    let at = path::join(folder, file).ok_or_else(|| Error::at(&entry.place, format!("{file} leaves the repository")))?;
    let text = read::text(files, &at)?.ok_or_else(|| Error::at(&entry.place, format!("there is no file {at}")))?;
    let mut found = Vec::new();
    for manifest in read::manifests(&at, &text)? {
        let place = Place { file: at.clone(), line: manifest.line, column: 1 };
        match manifest.value {
            Value::Array(items) => items.into_iter().try_for_each(|item| parse(item, &place).map(|item| found.push(item)))?,
            value => found.push(parse(value, &place)?),
        }
    }
    Ok(found)
}

fn one(replacement: &Replacement, resources: &mut [Resource]) -> Result<(), String> {
    let value = match (&replacement.source, &replacement.source_value) {
        (Some(source), None) => source_value(source, resources)?,
        (None, Some(value)) => value.clone(),
        _ => return Err("a replacement has either source or sourceValue".to_string()),
    };
    for target in &replacement.targets {
        if target.options.encoding.is_some() {
            return Err("options.encoding is not supported".to_string());
        }
        let select = Selector::new(&target.select)?;
        let reject = target.reject.iter().map(Selector::new).collect::<Result<Vec<_>, _>>()?;
        let name = vec!["metadata.name".to_string()];
        let paths = if target.field_paths.is_empty() { &name } else { &target.field_paths };
        for resource in resources.iter_mut().filter(|resource| select.selects(resource)) {
            if reject.iter().any(|reject| reject.selects(resource)) {
                continue;
            }
            resource.remember();
            let title = resource.title();
            for path in paths {
                let mut found = 0;
                let mut act = |field: &mut Value| {
                    found += 1;
                    set(field, &value, &target.options)
                };
                visit(&mut resource.value, &split(path), target.options.create, &mut act)?;
                if found == 0 {
                    return Err(format!("{title} has no field {path}"));
                }
            }
        }
    }
    Ok(())
}

fn source_value(source: &Source, resources: &[Resource]) -> Result<Value, String> {
    let fits = |wanted: &Option<String>, is: &str| wanted.as_deref().is_none_or(|wanted| wanted.is_empty() || wanted == is);
    let is = |resource: &&Resource| {
        fits(&source.group, resource.group())
            && fits(&source.version, resource.version())
            && resource.ids().iter().any(|id| {
                fits(&source.kind, &id.kind)
                    && fits(&source.name, &id.name)
                    && source.namespace.as_deref().is_none_or(|wanted| effective(wanted) == effective(&id.namespace))
            })
    };
    let found: Vec<&Resource> = resources.iter().filter(is).collect();
    let [one] = found.as_slice() else {
        return Err(format!("the source of a replacement must be one object, {} fit", found.len()));
    };
    let field = source.field_path.as_deref().unwrap_or("metadata.name");
    let mut value = None;
    visit(&mut one.value.clone(), &split(field), false, &mut |field| {
        value.get_or_insert(field.clone());
        Ok(())
    })?;
    let value = value.ok_or_else(|| format!("{} has no field {field}", one.title()))?;
    let Some(delimiter) = source.options.delimiter.as_deref().filter(|delimiter| !delimiter.is_empty()) else { return Ok(value) };
    let text = text_of(&value);
    let part = usize::try_from(source.options.index).ok().and_then(|index| text.split(delimiter).nth(index));
    part.map(Value::from).ok_or_else(|| format!("{text:?} has no part {}", source.options.index))
}

fn text_of(value: &Value) -> String {
    value.as_str().map_or_else(|| go_encoding::json::to_string(value), str::to_string)
}

/// A scalar keeps its type: only its text is replaced.
fn set(field: &mut Value, value: &Value, options: &Options) -> Result<(), String> {
    if let Some(delimiter) = options.delimiter.as_deref().filter(|delimiter| !delimiter.is_empty()) {
        let present = text_of(field);
        let mut parts: Vec<String> = present.split(delimiter).map(str::to_string).collect();
        match usize::try_from(options.index) {
            Err(_) => parts.insert(0, text_of(value)),
            Ok(index) if index < parts.len() => parts[index] = text_of(value),
            Ok(_) => parts.push(text_of(value)),
        }
        *field = Value::from(parts.join(delimiter));
        return Ok(());
    }
    *field = match field {
        Value::String(_) if !value.is_object() && !value.is_array() => Value::from(text_of(value)),
        Value::Number(_) | Value::Bool(_) if value.is_string() => {
            go_encoding::yaml::parse(&text_of(value)).unwrap_or_else(|_| value.clone())
        }
        _ => value.clone(),
    };
    Ok(())
}

/// Splits at the dots outside brackets; `\.` is a dot in a name.
fn split(path: &str) -> Vec<String> {
    let (mut parts, mut part, mut depth, mut chars) = (Vec::new(), String::new(), 0usize, path.chars());
    while let Some(c) = chars.next() {
        match c {
            '\\' => part.extend(chars.next()),
            '.' if depth == 0 => parts.push(std::mem::take(&mut part)),
            c => {
                depth = match c {
                    '[' => depth + 1,
                    ']' => depth.saturating_sub(1),
                    _ => depth,
                };
                part.push(c);
            }
        }
    }
    parts.push(part);
    parts.retain(|part| !part.is_empty());
    parts
}

type Act<'a> = dyn FnMut(&mut Value) -> Result<(), String> + 'a;

fn visit(value: &mut Value, path: &[String], create: bool, act: &mut Act<'_>) -> Result<(), String> {
    let Some((first, rest)) = path.split_first() else { return act(value) };
    let inner = first.strip_prefix('[').and_then(|first| first.strip_suffix(']'));
    if first == "*" {
        return match value {
            Value::Array(items) => items.iter_mut().try_for_each(|item| visit(item, rest, create, act)),
            Value::Object(map) => map.values_mut().try_for_each(|item| visit(item, rest, create, act)),
            _ => Ok(()),
        };
    }
    if let Some((key, wanted)) = inner.and_then(|inner| inner.split_once('=')) {
        return element(value, (key, wanted), rest, create, act);
    }
    let name = inner.unwrap_or(first);
    if let Value::Array(items) = value {
        let at = name.parse::<usize>().map_err(|_| format!("{name:?} is no index of a list"))?;
        return items.get_mut(at).map_or(Ok(()), |item| visit(item, rest, create, act));
    }
    if value.is_null() && create {
        *value = Value::Object(Map::new());
    }
    let Value::Object(map) = value else { return Ok(()) };
    if create && !map.contains_key(name) {
        map.insert(name.to_string(), Value::Null);
    }
    map.get_mut(name).map_or(Ok(()), |next| visit(next, rest, create, act))
}

/// Visits the elements of a list that have a field with a value.
fn element(value: &mut Value, (key, wanted): (&str, &str), rest: &[String], create: bool, act: &mut Act<'_>) -> Result<(), String> {
    if value.is_null() && create {
        *value = Value::Array(Vec::new());
    }
    let Value::Array(items) = value else { return Ok(()) };
    let is = |item: &Value| item.get(key).is_some_and(|found| text_of(found) == wanted);
    if create && !items.iter().any(is) {
        let mut item = Value::Null;
        object(&mut item).insert(key.to_string(), Value::from(wanted));
        items.push(item);
    }
    items.iter_mut().filter(|item| is(item)).try_for_each(|item| visit(item, rest, create, act))
}
