//! Copies fields of one object into fields of others (`api/filters/replacement`).

use regex::Regex;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::error::Error;
use crate::kustomization::{Place, Placed, Target};
use crate::resource::Resource;
use crate::scalar::as_text;
use crate::selector::Selector;
use crate::transformers::Context;
use crate::{Files, path, read, scalar};

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

pub(crate) fn apply(context: &Context<'_>, entries: &[Placed<Value>], resources: &mut [Resource]) -> Result<(), Error> {
    for entry in entries {
        for replacement in read_entry(context.files, context.folder, entry)? {
            if context.is_incomplete && replacement.source.as_ref().is_some_and(|source| source.found(resources).is_empty()) {
                continue;
            }
            if replacement.targets.is_empty() {
                return Err(Error::at(&entry.place, "a replacement needs targets"));
            }
            one(&replacement, resources).map_err(|message| Error::at(&entry.place, message))?;
        }
    }
    Ok(())
}

fn read_entry(files: &dyn Files, folder: &str, entry: &Placed<Value>) -> Result<Vec<Replacement>, Error> {
    let parse = |value: Value, place: &Place| crate::folded::from_value(value).map_err(|error| Error::at(place, error.to_string()));
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
    if found.is_empty() {
        return Err(Error::path(&at, "there are no replacements in it"));
    }
    Ok(found)
}

fn one(replacement: &Replacement, resources: &mut [Resource]) -> Result<(), String> {
    let mut value = match (&replacement.source, &replacement.source_value) {
        (Some(source), None) => source.value(resources)?,
        (None, Some(value)) => scalar::untyped(value.as_str().ok_or("sourceValue must be text")?),
        _ => return Err("a replacement has either source or sourceValue".to_string()),
    };
    let source = replacement.source.as_ref().and_then(|source| source.is_of(resources));
    for target in &replacement.targets {
        let select = Selector::new(&target.select)?;
        let reject = target.reject.iter().map(|reject| Ok((Selector::new(reject)?, reject))).collect::<Result<Vec<_>, String>>()?;
        let name = vec!["metadata.name".to_string()];
        let paths = if target.field_paths.is_empty() { &name } else { &target.field_paths };
        for (at, resource) in resources.iter_mut().enumerate().filter(|(_, resource)| select.has_labels(resource)) {
            let by_labels = |(selector, target): &(Selector, &Target)| target.has_selectors() && selector.has_labels(resource);
            let by_id = |(selector, target): &(Selector, &Target)| target.has_identity() && selector.selects_an_id(resource);
            if !select.selects_an_id(resource) || reject.iter().any(|reject| by_labels(reject) || by_id(reject)) {
                continue;
            }
            let title = resource.title();
            let before = resource.shared();
            let own = source.as_ref().filter(|(of, _)| *of == at).map(|(_, path)| path.as_slice());
            for path in paths {
                copy(&mut resource.value, &mut value, path, &target.options, own)
                    .map_err(|message| format!("{title}: {path}: {message}"))?;
            }
            resource.follow(&before);
        }
    }
    Ok(())
}

/// Copies a value into the fields at a path. Where one of these is the field that the value is from, the next ones get what became of it.
fn copy(target: &mut Value, value: &mut Value, path: &str, options: &Options, source: Option<&[String]>) -> Result<(), String> {
    let parts = split(path);
    if in_structured_text(target, value, &parts, options.create) {
        return Ok(());
    }
    let source = source.and_then(|source| lookup(target, source)).map(std::ptr::from_ref);
    let mut found = 0;
    let created = options.create.then(|| blank(value));
    let mut act = |field: &mut Value| {
        found += 1;
        set(field, value, options)?;
        if source == Some(std::ptr::from_ref(field)) {
            value.clone_from(field);
        }
        Ok(())
    };
    visit(target, &parts, created, &mut act)?;
    if found == 0 { Err("there is no such field".to_string()) } else { Ok(()) }
}

/// What a field is created as: of the kind of what it will hold.
fn blank(value: &Value) -> Value {
    match value {
        Value::Array(_) => Value::Array(Vec::new()),
        Value::Object(_) => Value::Object(Map::new()),
        // A scalar without a type yet: it gets that of its text.
        _ => scalar::untyped(""),
    }
}

/// Sets a field inside text that is JSON or YAML itself; returns whether there was such a text.
fn in_structured_text(target: &mut Value, value: &Value, parts: &[String], create: bool) -> bool {
    for at in 1..parts.len() {
        let Some(field) = lookup_mut(target, &parts[..at]) else { continue };
        if field.is_object() || field.is_array() {
            continue;
        }
        if scalar::is_written_null(field) && create {
            // kustomize sets the field below the null, where nobody sees it, and is content.
            return visit(&mut holder(&parts[at]), &parts[at..], Some(blank(value)), &mut |_| Ok(())).is_ok();
        }
        let text = as_text(field);
        let Ok(mut inner) = go_encoding::yaml::parse(&text) else { continue };
        let mut found = 0;
        let mut act = |field: &mut Value| {
            found += 1;
            set(field, value, &Options::default())
        };
        let visited = visit(&mut inner, &parts[at..], create.then(|| blank(value)), &mut act);
        if visited.is_err() || found == 0 || !(inner.is_object() || inner.is_array()) || scalar::misfit(&inner).is_some() {
            return false;
        }
        scalar::settle(&mut inner);
        let is_pretty = text.contains('\n') && text.contains("  ");
        let text = match text.trim_start().chars().next() {
            Some('{' | '[') if is_pretty => serde_json::to_string_pretty(&inner).unwrap_or_default(),
            Some('{' | '[') => go_encoding::json::to_string(&inner),
            _ => go_encoding::yaml::to_string(&inner).trim().to_string(),
        };
        *field = scalar::rewritten(field, &text);
        return true;
    }
    false
}

pub(crate) fn lookup<'a>(value: &'a Value, parts: &[String]) -> Option<&'a Value> {
    parts.iter().try_fold(value, |value, part| match value {
        Value::Array(items) => items.get(index_of(items, part)?),
        Value::Object(map) => map.get(part.as_str()),
        _ => None,
    })
}

fn lookup_mut<'a>(value: &'a mut Value, parts: &[String]) -> Option<&'a mut Value> {
    parts.iter().try_fold(value, |value, part| match value {
        Value::Array(items) => {
            let at = index_of(items, part)?;
            items.get_mut(at)
        }
        Value::Object(map) => map.get_mut(part.as_str()),
        _ => None,
    })
}

/// Finds an element as kyaml's `Lookup` does: by its place, `-` for the last one, or by a field that is equal.
pub(crate) fn index_of(items: &[Value], part: &str) -> Option<usize> {
    if part == "-" {
        return items.len().checked_sub(1);
    }
    if let Ok(at) = part.parse::<usize>() {
        return (at < items.len()).then_some(at);
    }
    let (key, wanted) = part.strip_prefix('[')?.strip_suffix(']')?.split_once('=')?;
    items.iter().position(|item| match key {
        "" => as_text(item) == wanted,
        key => item.get(key).is_some_and(|found| as_text(found) == wanted),
    })
}

impl Source {
    /// Returns the objects that it names, of which there must be one.
    fn found<'a>(&self, resources: &'a [Resource]) -> Vec<&'a Resource> {
        let fits = |wanted: &Option<String>, is: &str| wanted.as_deref().is_none_or(|wanted| wanted.is_empty() || wanted == is);
        let is = |resource: &&Resource| {
            fits(&self.group, resource.group())
                && fits(&self.version, resource.version())
                && resource.ids().iter().any(|id| {
                    fits(&self.kind, &id.kind)
                        && fits(&self.name, &id.name)
                        && self.namespace.as_deref().is_none_or(|wanted| wanted.is_empty() || wanted == id.namespace)
                })
        };
        resources.iter().filter(is).collect()
    }

    fn field(&self) -> &str {
        self.field_path.as_deref().filter(|path| !path.is_empty()).unwrap_or("metadata.name")
    }

    fn delimiter(&self) -> Option<&str> {
        self.options.delimiter.as_deref().filter(|delimiter| !delimiter.is_empty())
    }

    /// Returns which object the value is a field of, and not a part of one, and the path to it.
    fn is_of(&self, resources: &[Resource]) -> Option<(usize, Vec<String>)> {
        let found = *self.found(resources).first()?;
        let at = resources.iter().position(|resource| std::ptr::eq(resource, found))?;
        self.delimiter().is_none().then(|| (at, split(self.field())))
    }

    fn value(&self, resources: &[Resource]) -> Result<Value, String> {
        let found = self.found(resources);
        let [one] = found.as_slice() else {
            return Err(format!("the source of a replacement must be one object, {} fit", found.len()));
        };
        let value = lookup(&one.value, &split(self.field())).cloned();
        let is_empty = |value: &Value| match value {
            Value::Object(map) => map.is_empty(),
            Value::Array(items) => items.is_empty(),
            value => scalar::is_null(value),
        };
        let value = value.filter(|value| !is_empty(value)).ok_or_else(|| format!("{} has no field {}", one.title(), self.field()))?;
        let Some(delimiter) = self.delimiter() else { return Ok(value) };
        if value.is_object() || value.is_array() {
            return Err("delimiter is for scalars only".to_string());
        }
        let text = as_text(&value);
        let part = usize::try_from(self.options.index).ok().and_then(|index| text.split(delimiter).nth(index));
        let part = part.ok_or_else(|| format!("{text:?} has no part {}", self.options.index))?;
        Ok(scalar::rewritten(&value, part))
    }
}

/// A scalar keeps its type: only its text is replaced.
fn set(field: &mut Value, value: &Value, options: &Options) -> Result<(), String> {
    let is_scalar = |value: &Value| !value.is_object() && !value.is_array();
    let mut value = value.clone();
    if let Some(delimiter) = options.delimiter.as_deref().filter(|delimiter| !delimiter.is_empty()) {
        if !is_scalar(field) {
            return Err("delimiter is for scalars only".to_string());
        }
        let present = as_text(field);
        let mut parts: Vec<String> = present.split(delimiter).map(str::to_string).collect();
        match usize::try_from(options.index) {
            Err(_) => parts.insert(0, as_text(&value)),
            Ok(index) if index < parts.len() => parts[index] = as_text(&value),
            Ok(_) => parts.push(as_text(&value)),
        }
        value = Value::from(parts.join(delimiter));
    }
    *field = if is_scalar(field) { scalar::rewritten(field, &as_text(&value)) } else { value };
    Ok(())
}

/// Splits at the dots, but for those behind `\` and in brackets; brackets around a plain name are taken away
/// (`kyaml/utils/pathsplitter.go`).
pub(crate) fn split(path: &str) -> Vec<String> {
    let mut plain: Vec<String> = Vec::new();
    let pieces: Vec<&str> = path.split('.').collect();
    let start = usize::from(pieces.len() > 1 && pieces[0].is_empty());
    for piece in &pieces[start..] {
        match plain.last_mut().filter(|last| last.ends_with('\\')) {
            Some(last) => {
                last.pop();
                last.push('.');
                last.push_str(piece);
            }
            None => plain.push((*piece).to_string()),
        }
    }
    let (mut parts, mut at) = (Vec::new(), 0);
    while at < plain.len() {
        let mut part = plain[at].clone();
        if part.starts_with('[') && !part.ends_with(']') {
            while at + 1 < plain.len() {
                at += 1;
                part = format!("{part}.{}", plain[at]);
                if plain[at].ends_with(']') {
                    break;
                }
            }
            if !part.contains('=') {
                part = part.trim_matches(['[', ']']).to_string();
            }
        }
        parts.push(part);
        at += 1;
    }
    parts
}

type Act<'a> = dyn FnMut(&mut Value) -> Result<(), String> + 'a;

/// Returns what the next part of a path is looked for in.
fn holder(next: &str) -> Value {
    let is_of_list = next.starts_with('[') && next.ends_with(']') || next.parse::<usize>().is_ok();
    if is_of_list { Value::Array(Vec::new()) } else { Value::Object(Map::new()) }
}

/// Calls `act` with every field at a path (`kyaml/yaml/match.go`); with `create`, what is missing is made, the last field as that.
fn visit(value: &mut Value, path: &[String], create: Option<Value>, act: &mut Act<'_>) -> Result<(), String> {
    let Some((first, rest)) = path.split_first() else { return act(value) };
    let made = |create: &Value| rest.first().map_or_else(|| create.clone(), |next| holder(next));
    if let Ok(at) = first.parse::<usize>() {
        let Value::Array(items) = value else { return Err("an index is for lists only".to_string()) };
        if let (true, Some(create)) = (at == items.len(), &create) {
            items.push(made(create));
        }
        let count = items.len();
        let item = items.get_mut(at).ok_or_else(|| format!("index {at} of {count} elements"))?;
        return visit(item, rest, create, act);
    }
    if let Some(inner) = first.strip_prefix('[').and_then(|first| first.strip_suffix(']')) {
        let (key, pattern) = inner.split_once('=').ok_or("an element is named as [field=value]")?;
        return elements(value, key, pattern, rest, create, act);
    }
    if first == "*" {
        let Value::Array(items) = value else { return Err("* is for lists only".to_string()) };
        return items.iter_mut().try_for_each(|item| visit(item, rest, create.clone(), act));
    }
    let map = match value {
        Value::Object(map) => map,
        value if scalar::is_null(value) => return Ok(()),
        _ => return Err(format!("{first} is looked for in what is no mapping")),
    };
    if let (Some(create), false) = (&create, map.contains_key(first.as_str())) {
        map.insert(first.clone(), made(create));
    }
    let Some(next) = map.get_mut(first.as_str()) else { return Ok(()) };
    if !rest.is_empty() && !next.is_object() && !next.is_array() {
        // A path that leads into text was tried before. kustomize sets the field in a copy of the text and is content.
        let mut copy = go_encoding::yaml::parse(&as_text(next)).map_err(|error| error.to_string())?;
        return visit(&mut copy, rest, create, &mut |field| {
            let _ = act(field);
            Ok(())
        });
    }
    visit(next, rest, create, act)
}

/// Visits the elements of a list whose field fits a pattern, or that fit themselves.
fn elements(value: &mut Value, key: &str, pattern: &str, rest: &[String], create: Option<Value>, act: &mut Act<'_>) -> Result<(), String> {
    let Value::Array(items) = value else { return Err("an element is looked for in what is no list".to_string()) };
    let regex = Regex::new(pattern).map_err(|_| format!("{pattern:?} is no regular expression"))?;
    let is = |item: &Value| match key {
        "" => regex.is_match(as_text(item).trim()),
        key => item.get(key).is_some_and(|found| regex.is_match(as_text(found).trim())),
    };
    if create.is_some() && !items.iter().any(is) {
        items.push(match key {
            "" => scalar::untyped(pattern),
            key => Value::Object([(key.to_string(), scalar::untyped(pattern))].into_iter().collect()),
        });
    }
    let found = items.iter_mut().filter(|item| is(item));
    // What is behind an element of scalars is not looked for.
    if key.is_empty() {
        found.into_iter().try_for_each(act)
    } else {
        found.into_iter().try_for_each(|item| visit(item, rest, create.clone(), act))
    }
}
