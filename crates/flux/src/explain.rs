//! Says of everything that decides a release where it comes from: chart, names, policies and every value.

use std::collections::BTreeMap;

use go_encoding::json::{as_integers, map_as_integers};
use go_encoding::yaml::node::{self, Data};
use kustomize::{Files, Object};
use serde_json::Value;

use crate::error::Error;
use crate::fields::{get, items, kind, name, namespace, text};
use crate::masked::Secrets;
use crate::origin::{self, Origin};
use crate::release::ReleaseSpec;
use crate::sops::MASK;
use crate::tree::{Located, Tree};
use crate::values;

/// One thing and where it comes from.
#[derive(Debug, Clone, PartialEq)]
pub struct Explained {
    /// What it is, such as `chart.url` or `values.replicas`.
    pub path: String,
    /// Its value; [`MASK`](crate::MASK) for what comes from a Secret.
    pub value: Value,
    /// Where it was written; nothing for what nobody wrote.
    pub origin: Option<Origin>,
    /// What stands between the file and the value: a patch, a ConfigMap, a default.
    pub via: Option<String>,
}

impl Explained {
    /// Returns where it was written, in words.
    pub fn place(&self) -> String {
        let at = self.origin.as_ref().map(|origin| format!("{}:{}", origin.file, origin.line));
        match (at, &self.via) {
            (Some(at), Some(via)) => format!("{at}  ({via})"),
            (Some(at), None) => at,
            (None, via) => format!("({})", via.as_deref().unwrap_or_default()),
        }
    }
}

/// Explains a release of a tree.
pub fn explain(files: &dyn Files, tree: &Tree, inside: &str, wanted: &str) -> Result<Vec<Explained>, Error> {
    let spec = tree.release(inside, wanted)?;
    let Some(release) = tree.find("helm.toolkit.fluxcd.io", "HelmRelease", inside, wanted) else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    chart(files, tree, release, &mut found);
    let plain = |path: &str, value: &str, pointers: &[&str]| field(files, release, path, Value::from(value), pointers);
    found.push(plain("release.name", &spec.release_name, &["/spec/releaseName", "/metadata/name"]));
    found.push(plain("release.namespace", &spec.release_namespace, &["/spec/targetNamespace", "/metadata/namespace"]));
    found.push(plain("release.storageNamespace", &spec.storage_namespace, &["/spec/storageNamespace", "/metadata/namespace"]));
    for (path, pointer) in [
        ("install.crds", "/spec/install/crds"),
        ("upgrade.crds", "/spec/upgrade/crds"),
        ("timeout", "/spec/timeout"),
        ("postRenderers", "/spec/postRenderers"),
        ("commonMetadata", "/spec/commonMetadata"),
    ] {
        if let Some(value) = release.object.value.pointer(pointer) {
            found.push(field(files, release, path, value.clone(), &[pointer]));
        }
    }
    each_value(files, tree, release, &spec, &mut |_, explained| found.push(explained));
    Ok(found)
}

/// Returns where each value of a release stands that holds no others, by its keys.
pub fn places(files: &dyn Files, tree: &Tree, inside: &str, wanted: &str) -> Result<BTreeMap<Vec<String>, String>, Error> {
    let spec = tree.release(inside, wanted)?;
    let Some(release) = tree.find("helm.toolkit.fluxcd.io", "HelmRelease", inside, wanted) else { return Ok(BTreeMap::new()) };
    let mut found = BTreeMap::new();
    each_value(files, tree, release, &spec, &mut |pointer, explained| {
        let keys = pointer.split('/').skip(1).map(|key| key.replace("~1", "/").replace("~0", "~")).collect();
        found.insert(keys, explained.place());
    });
    Ok(found)
}

/// Calls `act` with the JSON pointer of every value that holds no others, explained.
fn each_value(files: &dyn Files, tree: &Tree, release: &Located, spec: &ReleaseSpec, act: &mut dyn FnMut(&str, Explained)) {
    let secrets = Secrets::of(tree, release);
    let mut explain = |pointer: &str, value: &Value| act(pointer, of_value(files, tree, release, &secrets, pointer, value));
    leaves(&map_as_integers(&spec.values), String::new(), &mut explain);
}

fn via_patch(origin: &Origin, title: &str) -> Option<String> {
    origin.is_patch.then(|| format!("a patch of {title}"))
}

fn title(value: &Value) -> String {
    format!("{} {}/{}", kind(value), namespace(value), name(value))
}

fn field(files: &dyn Files, located: &Located, path: &str, value: Value, pointers: &[&str]) -> Explained {
    let object = &located.object;
    let pointer = pointers.iter().find(|pointer| object.value.pointer(pointer).is_some());
    let origin = pointer.map(|pointer| origin::of(files, object, pointer));
    let via = match &origin {
        Some(origin) => via_patch(origin, &title(&object.value)),
        None => Some("a default".to_string()),
    };
    Explained { path: path.to_string(), value, origin, via }
}

fn chart(files: &dyn Files, tree: &Tree, release: &Located, found: &mut Vec<Explained>) {
    let value = &release.object.value;
    let reference = get(value, &["spec", "chartRef"]).or(get(value, &["spec", "chart", "spec", "sourceRef"]));
    for (path, pointer) in [("chart.name", "/spec/chart/spec/chart"), ("chart.version", "/spec/chart/spec/version")] {
        if let Some(value) = value.pointer(pointer) {
            found.push(field(files, release, path, value.clone(), &[pointer]));
        }
    }
    let Some(reference) = reference else { return };
    let of_kind = text(reference, &["kind"]).unwrap_or("OCIRepository");
    let inside = text(reference, &["namespace"]).unwrap_or(namespace(value));
    let Some(source) = tree.find("source.toolkit.fluxcd.io", of_kind, inside, text(reference, &["name"]).unwrap_or("")) else { return };
    for (path, pointer) in [
        ("chart.url", "/spec/url"),
        ("chart.tag", "/spec/ref/tag"),
        ("chart.semver", "/spec/ref/semver"),
        ("chart.digest", "/spec/ref/digest"),
        ("chart.name", "/spec/chart"),
        ("chart.version", "/spec/version"),
    ] {
        if let Some(value) = source.object.value.pointer(pointer) {
            found.push(field(files, source, path, value.clone(), &[pointer]));
        }
    }
}

/// Calls `act` with every value that holds no others, and its JSON pointer.
pub(crate) fn leaves(value: &Value, pointer: String, act: &mut dyn FnMut(&str, &Value)) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (key, value) in map {
                leaves(value, format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1")), act);
            }
        }
        Value::Array(list) if !list.is_empty() => {
            for (index, value) in list.iter().enumerate() {
                leaves(value, format!("{pointer}/{index}"), act);
            }
        }
        Value::Object(_) if pointer.is_empty() => {}
        value => act(&pointer, value),
    }
}

fn of_value(files: &dyn Files, tree: &Tree, release: &Located, secrets: &Secrets<'_>, pointer: &str, value: &Value) -> Explained {
    let path = format!("values{}", pointer.replace('.', "\\.").replace('/', "."));
    let shown = if secrets.holds(pointer, value) { Value::from(MASK) } else { value.clone() };
    let inline = format!("/spec/values{pointer}");
    if release.object.value.pointer(&inline).is_some_and(|written| as_integers(written) == *value) {
        return Explained { path, ..field(files, release, "", shown, &[&inline]) };
    }
    let references = items(&release.object.value, &["spec", "valuesFrom"]);
    for reference in references.iter().rev() {
        if let Some((origin, via)) = of_reference(files, tree, release, reference, pointer, value) {
            return Explained { path, value: shown, origin: Some(origin), via: Some(via) };
        }
    }
    Explained { path, ..field(files, release, "", shown, &["/spec/valuesFrom", "/spec/values"]) }
}

fn of_reference(
    files: &dyn Files,
    tree: &Tree,
    release: &Located,
    reference: &Value,
    pointer: &str,
    value: &Value,
) -> Option<(Origin, String)> {
    let (of_kind, wanted) = (text(reference, &["kind"])?, text(reference, &["name"])?);
    let key = text(reference, &["valuesKey"]).unwrap_or("values.yaml");
    let source = tree.content(of_kind, namespace(&release.object.value), wanted)?;
    let content = values::entries(&source.object.value).into_iter().find(|(name, _)| name == key)?.1;
    let via = format!("{}, key {key}", title(&source.object.value));
    if let Some(target) = text(reference, &["targetPath"]) {
        let wanted = format!("/{}", target.replace('.', "/"));
        return (pointer == wanted).then(|| (origin_of_key(files, &source.object, key, ""), format!("{via}, as {target}")));
    }
    let parsed = go_encoding::yaml::parse(&content).ok()?;
    parsed
        .pointer(pointer)
        .is_some_and(|written| as_integers(written) == *value)
        .then(|| (origin_of_key(files, &source.object, key, pointer), via))
}

/// Returns the place of a value inside the text of a key: in the file that a generator took it from, or in the object itself.
fn origin_of_key(files: &dyn Files, object: &Object, key: &str, pointer: &str) -> Origin {
    if let Some(file) = generated_from(files, object, key) {
        let text = files.read(&file).ok().flatten().and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default();
        let line = node::parse(&text).ok().and_then(|documents| documents.first().map(|document| origin::line_of(document, pointer)));
        return Origin { file, line: line.unwrap_or(1), is_patch: false };
    }
    origin::of(files, object, &format!("/data/{}", key.replace('~', "~0").replace('/', "~1")))
}

/// Returns the file behind a key of a generated object: its place is the entry of the generator.
fn generated_from(files: &dyn Files, object: &Object, key: &str) -> Option<String> {
    let (folder, file) = object.file.rsplit_once('/').unwrap_or(("", &object.file));
    if !kustomize::KUSTOMIZATION_FILES.contains(&file) {
        return None;
    }
    let text = String::from_utf8(files.read(&object.file).ok()??).ok()?;
    let documents = node::parse(&text).ok()?;
    let generators = ["configMapGenerator", "secretGenerator"].iter().filter_map(|field| documents.first()?.get(field));
    let entries = generators.flat_map(|list| if let Data::Sequence(items) = &list.data { items.as_slice() } else { &[] });
    let entry = { entries }.find(|entry| entry.line == object.line)?;
    let Data::Sequence(listed) = &entry.get("files")?.data else { return None };
    listed.iter().filter_map(|item| item.text()).find_map(|item| {
        let (name, path) = item.split_once('=').unwrap_or((item.rsplit('/').next().unwrap_or(item), item));
        (name == key).then(|| kustomize::join_path(folder, path))?
    })
}
