//! Ownership as a real API server recorded it after an apply by helm-controller, against what the sandbox records for the same apply.
//!
//! Each captured object is reduced to the fields of its Apply entry, applied to an empty sandbox, and the recorded fields are compared.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use flate2::read::GzDecoder;
use kube_sandbox::Sandbox;
use serde_json::{Map, Value, json};

fn read(path: &Path) -> Value {
    let mut text = String::new();
    GzDecoder::new(std::fs::File::open(path).unwrap()).read_to_string(&mut text).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// Takes the owned fields out of a value. What Go leaves out of an object (false, 0, "") is taken from the manifest.
fn owned(value: &Value, manifest: &Value, fields: &Map<String, Value>) -> Value {
    if fields.keys().all(|key| key == ".") {
        return if value.is_null() { manifest.clone() } else { value.clone() };
    }
    let shown = if value.is_null() { manifest } else { value };
    match shown {
        Value::Object(_) => {
            let part = |(key, below): (&String, &Value)| {
                let name = key.strip_prefix("f:")?;
                Some((name.to_owned(), owned(&value[name], &manifest[name], below.as_object()?)))
            };
            Value::Object(fields.iter().filter_map(part).collect())
        }
        Value::Array(items) => items.iter().filter_map(|item| owned_item(item, manifest, fields)).collect(),
        other => other.clone(),
    }
}

fn owned_item(item: &Value, manifest: &Value, fields: &Map<String, Value>) -> Option<Value> {
    for (key, below) in fields {
        let below = below.as_object()?;
        if let Some(identity) = key.strip_prefix("k:") {
            let identity: Map<String, Value> = serde_json::from_str(identity).unwrap();
            // A default that is part of the identity need not be in the manifest.
            let fits = |item: &Value, strict: bool| identity.iter().all(|(key, value)| item.get(key).map_or(!strict, |is| is == value));
            if fits(item, true) {
                let source = manifest.as_array().into_iter().flatten().find(|item| fits(item, false)).unwrap_or(&Value::Null);
                let only_itself = below.keys().all(|key| key == ".");
                return Some(if only_itself { Value::Object(identity) } else { owned(item, source, below) });
            }
        } else if let Some(value) = key.strip_prefix("v:")
            && serde_json::from_str::<Value>(value).unwrap() == *item
        {
            return Some(item.clone());
        }
    }
    None
}

fn config(object: &Value, manifest: &Value, entry: &Value) -> Value {
    let mut config = owned(object, manifest, entry["fieldsV1"].as_object().unwrap());
    for key in ["apiVersion", "kind"] {
        config[key] = object[key].clone();
    }
    for key in ["name", "namespace"] {
        if object["metadata"][key].is_string() {
            config["metadata"][key] = object["metadata"][key].clone();
        }
    }
    config
}

/// Reads the objects of a release's manifest and hooks.
fn manifest(release: &Value) -> Vec<Value> {
    let hooks = release["hooks"].as_array().into_iter().flatten().map(|hook| hook["manifest"].as_str().unwrap_or_default());
    let texts = std::iter::once(release["manifest"].as_str().unwrap_or_default()).chain(hooks);
    let documents = texts.flat_map(|text| text.split("\n---").map(str::to_owned).collect::<Vec<_>>());
    documents.filter_map(|text| yaml_serde::from_str(text.trim_start_matches("---")).ok()).collect()
}

fn applied(object: &Value) -> Option<&Value> {
    let entries = object["metadata"]["managedFields"].as_array()?;
    entries.iter().find(|entry| entry["operation"] == "Apply" && entry["manager"] == "helm-controller" && entry["subresource"].is_null())
}

async fn path_of(sandbox: &Sandbox, object: &Value) -> Option<String> {
    let api_version = object["apiVersion"].as_str()?;
    let root = if api_version.contains('/') { format!("/apis/{api_version}") } else { format!("/api/{api_version}") };
    let (_, list) = crate::support::get(sandbox, &root).await;
    let entry = list["resources"]
        .as_array()?
        .iter()
        .find(|entry| entry["kind"] == object["kind"] && !entry["name"].as_str().unwrap().contains('/'))?
        .clone();
    let (plural, name) = (entry["name"].as_str()?, object["metadata"]["name"].as_str()?);
    Some(match object["metadata"]["namespace"].as_str() {
        Some(namespace) => format!("{root}/namespaces/{namespace}/{plural}/{name}"),
        None => format!("{root}/{plural}/{name}"),
    })
}

#[tokio::test]
#[cfg_attr(not(has_shared), ignore = "skipped: ../shared is not here")]
async fn ownership_equals_what_a_real_server_recorded() {
    let shared = shared_data::folder(".");
    let (mut equal, mut total, mut undefined, mut wrong) = (0, 0, BTreeMap::new(), Vec::new());
    let mut folders: Vec<_> =
        std::fs::read_dir(shared.join("captured")).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()).collect();
    folders.sort();
    for release in folders
        .iter()
        .flat_map(|folder| std::fs::read_dir(folder).unwrap())
        .map(|entry| entry.unwrap().path())
        .filter(|release| release.join("objects.json.gz").is_file())
    {
        let objects = read(&release.join("objects.json.gz"));
        let sandbox = crate::support::sandbox();
        let manifest = manifest(&read(&release.join("release.json.gz")));
        let mut list: Vec<&Value> = objects.as_array().unwrap().iter().collect();
        list.sort_by_key(|object| object["kind"] != "CustomResourceDefinition");
        for object in list {
            let Some(entry) = applied(object) else { continue };
            if let Some(namespace) = object["metadata"]["namespace"].as_str() {
                crate::support::post(&sandbox, "/api/v1/namespaces", &json!({ "metadata": { "name": namespace } })).await;
            }
            let Some(path) = path_of(&sandbox, object).await else {
                *undefined.entry(object["kind"].as_str().unwrap().to_owned()).or_insert(0) += 1;
                continue;
            };
            let same = |other: &&Value| other["kind"] == object["kind"] && other["metadata"]["name"] == object["metadata"]["name"];
            let config = config(object, manifest.iter().find(same).unwrap_or(&Value::Null), entry);
            let query = "fieldManager=helm-controller&force=true";
            let (code, answer) = crate::support::apply(&sandbox, &path, query, &config).await;
            total += 1;
            let recorded = applied(&answer).map(|entry| &entry["fieldsV1"]);
            if recorded == Some(&entry["fieldsV1"]) {
                equal += 1;
                let (again, second) = crate::support::apply(&sandbox, &path, query, &config).await;
                let (_, live) = crate::support::get(&sandbox, &path).await;
                assert_eq!((again, &second["metadata"]["resourceVersion"]), (200, &live["metadata"]["resourceVersion"]), "{path}");
                assert_eq!(second["metadata"]["generation"], answer["metadata"]["generation"], "{path}: applying again is no change");
            } else {
                wrong.push(format!(
                    "{} {path}: {code} {}\n  recorded {}\n  captured {}",
                    release.display(),
                    answer["message"],
                    recorded.unwrap_or(&Value::Null),
                    entry["fieldsV1"]
                ));
            }
        }
    }
    println!("{equal} of {total} equal; not compared for want of their definitions: {undefined:?}");
    assert!(total > 300);
    assert!(wrong.is_empty(), "{equal} of {total} equal\n{}", wrong.iter().take(5).cloned().collect::<Vec<_>>().join("\n"));
}
