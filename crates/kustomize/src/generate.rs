//! ConfigMaps and Secrets made from literals, files and env files, and the hash of their content in their names
//! (`api/internal/generators`, `api/hasher`).

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::error::Error;
use crate::keys::Key;
use crate::kustomization::{Generator, GeneratorOptions, Kustomization, Place, Placed};
use crate::resource::{Resource, object};
use crate::transformers::Context;
use crate::{Files, origin, path, read, scalar};

/// A generated object and what it does to one that is there already.
pub(crate) struct Generated {
    resource: Resource,
    behavior: Behavior,
    place: Place,
}

#[derive(PartialEq)]
enum Behavior {
    Create,
    Merge,
    Replace,
}

impl Generated {
    /// Something that is new.
    pub(crate) fn plain(resource: Resource, place: Place) -> Generated {
        Generated { resource, behavior: Behavior::Create, place }
    }

    pub(crate) fn set_origin(&mut self, origin: &str) {
        origin::set(&mut self.resource, origin);
    }
}

pub(crate) fn all(context: &Context<'_>, kustomization: &Kustomization) -> Result<Vec<Generated>, Error> {
    let maps = kustomization.config_maps.iter().map(|entry| ("ConfigMap", entry));
    let secrets = kustomization.secrets.iter().map(|entry| ("Secret", entry));
    let made = |(kind, entry): (&str, &Placed<Generator>)| {
        let mut made = generated(context, &kustomization.generator_options, kind, entry)?;
        if let Some(origin) = context.origin(&format!("{kind}Generator")) {
            made.set_origin(&origin);
        }
        Ok(made)
    };
    maps.chain(secrets).filter(|(_, entry)| remote_files(&entry.value).next().is_none()).map(made).collect()
}

/// Returns the addresses of files that an object is made of and kustomize fetches from a network.
pub(crate) fn remote_files(generator: &Generator) -> impl Iterator<Item = &str> {
    let files =
        generator.files.iter().map(|file| file.split_once('=').filter(|_| !read::is_address(file)).map_or(file.as_str(), |(_, file)| file));
    files.chain(generator.envs.iter().chain(&generator.env).map(String::as_str)).filter(|file| read::is_address(file))
}

pub(crate) fn generated(
    context: &Context<'_>,
    global: &GeneratorOptions,
    kind: &str,
    entry: &Placed<Generator>,
) -> Result<Generated, Error> {
    let generator = &entry.value;
    if generator.name.is_empty() {
        return Err(Error::at(&entry.place, "a generator needs a name"));
    }
    let behavior = match generator.behavior.as_deref() {
        Some("merge") => Behavior::Merge,
        Some("replace") => Behavior::Replace,
        // kustomize takes what it does not know for nothing (`api/types/generationbehavior.go`).
        _ => Behavior::Create,
    };
    let mut value = json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": generator.name}});
    if let Some(namespace) = generator.namespace.as_deref().filter(|namespace| !namespace.is_empty()) {
        value["metadata"]["namespace"] = json!(namespace);
    }
    put_data(&mut value, kind, pairs(context.files, context.folder, kind, entry)?);
    if kind == "Secret" {
        value["type"] = json!(generator.secret_type.as_deref().filter(|kind| !kind.is_empty()).unwrap_or("Opaque"));
    }
    let local = generator.options.clone().unwrap_or_default();
    for (field, global, local) in [("labels", &global.labels, &local.labels), ("annotations", &global.annotations, &local.annotations)] {
        let mut merged = global.clone();
        merged.extend(local.clone());
        if !merged.is_empty() {
            value["metadata"][field] = json!(merged);
        }
    }
    if global.immutable == Some(true) || local.immutable == Some(true) {
        value["immutable"] = json!(true);
    }
    let mut resource = Resource::new(value, &entry.place.file, entry.place.line, context.openapi);
    resource.keys = printed_plain(&resource.value, &entry.place);
    resource.needs_hash = global.disable_name_suffix_hash != Some(true) && local.disable_name_suffix_hash != Some(true);
    Ok(Generated { resource, behavior, place: entry.place.clone() })
}

fn pairs(files: &dyn Files, folder: &str, kind: &str, entry: &Placed<Generator>) -> Result<BTreeMap<String, Vec<u8>>, Error> {
    let fail = |message: String| Error::at(&entry.place, message);
    let load = |file: &str, key: &str| -> Result<Vec<u8>, Error> {
        let at = path::join(folder, file).ok_or_else(|| fail(format!("{file} leaves the repository")))?;
        let read = if kind == "Secret" { read::private_text(files, &at, key) } else { read::text(files, &at) };
        read?.ok_or_else(|| fail(format!("there is no file {at}")))
    };
    let mut found = Vec::new();
    for file in entry.value.envs.iter().chain(&entry.value.env) {
        found.extend(env_file(&load(file, ".env")?).map_err(|message| fail(format!("{file}: {message}")))?);
    }
    for literal in &entry.value.literals {
        let (key, value) =
            literal.split_once('=').filter(|(key, _)| !key.is_empty()).ok_or_else(|| fail(format!("{literal:?} is not KEY=VALUE")))?;
        found.push((key.to_string(), unquoted(value).as_bytes().to_vec()));
    }
    for file in &entry.value.files {
        let (key, file) = match file.split_once('=') {
            Some((key, file)) if !key.is_empty() && !file.is_empty() && !file.contains('=') => (key, file),
            Some(_) => return Err(fail(format!("{file:?} is not [KEY=]FILE"))),
            None => (path::name(file), file.as_str()),
        };
        found.push((key.to_string(), load(file, key)?));
    }
    let mut pairs = BTreeMap::new();
    for (key, value) in found {
        if kind == "ConfigMap" && std::str::from_utf8(&value).is_ok_and(scalar::cannot_be_read_again) {
            return Err(fail(format!("the text of {key} starts with a tab, which kustomize writes into a block and cannot read again")));
        }
        if pairs.insert(key.clone(), value).is_some() {
            return Err(fail(format!("the key {key} is there twice")));
        }
    }
    Ok(pairs)
}

/// Returns the keys that are no texts, as kustomize writes all keys of what it generates without quotes.
fn printed_plain(value: &Value, place: &Place) -> Vec<Key> {
    let of = |path: &'static [&'static str]| {
        let map = path.iter().try_fold(value, |value, key| value.get(key)).and_then(Value::as_object);
        map.into_iter().flat_map(Map::keys).filter_map(|key| Key::set(path, key, place))
    };
    of(&["data"]).chain(of(&["binaryData"])).chain(of(&["metadata", "labels"])).collect()
}

/// Takes one pair of quotes away.
fn unquoted(value: &str) -> &str {
    let inner = |quote: char| value.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
    inner('"').or_else(|| inner('\'')).unwrap_or(value)
}

fn env_file(text: &[u8]) -> Result<Vec<(String, Vec<u8>)>, String> {
    let text = std::str::from_utf8(text).map_err(|_| "not UTF-8 text")?;
    let mut found = Vec::new();
    for line in text.strip_prefix('\u{feff}').unwrap_or(text).split('\n') {
        let line = line.strip_suffix('\r').unwrap_or(line).trim_start();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (key, value) = line.split_once('=').unwrap_or((line, ""));
        if key.is_empty() {
            continue;
        }
        found.push((key.to_string(), value.as_bytes().to_vec()));
    }
    Ok(found)
}

fn put_data(value: &mut Value, kind: &str, pairs: BTreeMap<String, Vec<u8>>) {
    for (key, bytes) in pairs {
        let (field, text) = match String::from_utf8(bytes) {
            Ok(text) if kind == "ConfigMap" => ("data", text),
            Ok(text) => ("data", base64(text.as_bytes())),
            Err(error) if kind == "ConfigMap" => ("binaryData", base64(error.as_bytes())),
            Err(error) => ("data", base64(error.as_bytes())),
        };
        object(object(value).entry(field).or_insert(Value::Null)).insert(key, scalar::generated(&text));
    }
}

/// kustomize breaks long base64 into lines of 70 characters.
fn base64(bytes: &[u8]) -> String {
    let text = STANDARD.encode(bytes);
    if text.len() < 70 {
        return text;
    }
    let lines = text.as_bytes().chunks(70).map(|line| format!("{}\n", String::from_utf8_lossy(line)));
    lines.collect()
}

/// Adds a generated object to those that are there.
pub(crate) fn add(resources: &mut Vec<Resource>, generated: Generated) -> Result<(), Error> {
    let Generated { resource, behavior, place } = generated;
    let id = resource.id();
    let mut present: Vec<&mut Resource> =
        { resources.iter_mut() }.filter(|other| other.group().is_empty() && other.ids().contains(&id)).collect();
    if let [one, other, ..] = present.as_slice() {
        let message = format!("{} may be any of {} and {}", resource.title(), one.title(), other.title());
        return Err(Error::at(&place, message));
    }
    let (present, mut resource) = match (present.pop(), behavior) {
        (None, Behavior::Create) => {
            resources.push(resource);
            return Ok(());
        }
        (None, _) => return Err(Error::at(&place, format!("there is no {} to merge with or to replace", resource.title()))),
        (Some(other), Behavior::Create) => {
            return Err(Error::at(&place, format!("{} is also in {}:{}", resource.title(), other.file, other.line)));
        }
        (Some(other), Behavior::Replace) => (other, resource),
        (Some(other), Behavior::Merge) => {
            let mut merged = resource;
            if let Some((_, origin)) = other.strings("annotations").find(|(key, _)| *key == origin::ORIGIN) {
                origin::replace(&mut merged, origin);
            }
            for field in ["data", "binaryData"] {
                let mut pairs: Map<String, Value> = other.value.get(field).and_then(Value::as_object).cloned().unwrap_or_default();
                pairs.values_mut().for_each(|value| *value = data_text(value));
                pairs.extend(merged.value.get(field).and_then(Value::as_object).cloned().unwrap_or_default());
                if !pairs.is_empty() {
                    object(&mut merged.value).insert(field.to_string(), Value::Object(pairs));
                }
            }
            (other, merged)
        }
    };
    for field in ["labels", "annotations"] {
        let mut pairs: Map<String, Value> =
            json!(present.strings(field).collect::<BTreeMap<_, _>>()).as_object().cloned().unwrap_or_default();
        pairs.extend(resource.value["metadata"].get(field).and_then(Value::as_object).cloned().unwrap_or_default());
        if !pairs.is_empty() {
            resource.value["metadata"][field] = Value::Object(pairs);
        }
    }
    resource.set_name(present.name());
    if !present.namespace().is_empty() {
        resource.set_namespace(present.namespace());
    }
    present.value = resource.value;
    present.keys = printed_plain(&present.value, &place);
    present.needs_hash &= resource.needs_hash;
    Ok(())
}

/// What is merged with is read as texts; null is none.
fn data_text(value: &Value) -> Value {
    if scalar::is_null(value) { scalar::generated("") } else { scalar::generated(&scalar::as_text(value)) }
}

/// Appends the hash of its content to the name of everything generated.
pub(crate) fn add_hashes(resources: &mut [Resource]) {
    for resource in resources.iter_mut().filter(|resource| resource.needs_hash) {
        let name = format!("{}-{}", resource.name(), hash(resource));
        resource.remember();
        resource.set_name(&name);
    }
}

fn hash(resource: &Resource) -> String {
    let mut settled = resource.value.clone();
    scalar::settle(&mut settled);
    let field = |key: &str| settled.get(key).cloned();
    // kustomize looks for the name under a key of the name "metadata/name", which nothing has.
    let mut content = json!({"kind": resource.kind(), "name": "", "data": field("data").unwrap_or_else(|| json!(""))});
    match resource.kind() {
        "Secret" => {
            content["type"] = field("type").unwrap_or_else(|| json!(""));
            if let Some(data) = field("stringData") {
                content["stringData"] = data;
            }
        }
        _ => {
            if let Some(data) = field("binaryData") {
                content["binaryData"] = data;
            }
        }
    }
    let sum = Sha256::digest(go_encoding::json::to_string(&content).as_bytes());
    let hex: String = sum.iter().map(|byte| format!("{byte:02x}")).collect();
    hex.chars().take(10).map(readable).collect()
}

/// Vowels and what looks like them are avoided in names.
fn readable(digit: char) -> char {
    match digit {
        '0' => 'g',
        '1' => 'h',
        '3' => 'k',
        'a' => 'm',
        'e' => 't',
        digit => digit,
    }
}
