//! Writes `src/kubernetes.json.gz`, the table of kinds and types that the sandbox serves.
//!
//! Reads what a real API server says of itself (aggregated discovery and OpenAPI v3) and keeps the facts: no descriptions.
//! `cargo run -p kube-sandbox --example generate -- <folder with discovery-*.json.gz and openapi-v3/>`

use std::error::Error;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use flate2::{Compression, read::GzDecoder, write::GzEncoder};
use serde_json::{Map, Value, json};

fn main() -> Result<(), Box<dyn Error>> {
    let from = std::env::args().nth(1).map(PathBuf::from).ok_or("usage: generate <folder>")?;
    let mut groups = Vec::new();
    for file in ["discovery-api.json.gz", "discovery-apis.json.gz"] {
        let list = read(&from.join(file))?;
        groups.extend(list["items"].as_array().cloned().unwrap_or_default());
    }
    groups.iter_mut().for_each(only_convertible);
    let table = json!({ "groups": groups, "types": types(&from.join("openapi-v3"))? });
    let out = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/kubernetes.json.gz");
    let mut writer = GzEncoder::new(std::fs::File::create(&out)?, Compression::best());
    serde_json::to_writer(&mut writer, &table)?;
    writer.flush()?;
    writer.finish()?;
    Ok(())
}

/// The sandbox does not convert between versions, so only the preferred version of a built-in kind is kept.
fn only_convertible(group: &mut Value) {
    let mut seen = Vec::new();
    let Some(versions) = group["versions"].as_array_mut() else { return };
    for version in versions {
        let Some(resources) = version["resources"].as_array_mut() else { continue };
        resources.retain(|resource| {
            let name = resource["resource"].clone();
            let first = !seen.contains(&name);
            seen.push(name);
            first
        });
    }
}

fn read(path: &Path) -> Result<Value, Box<dyn Error>> {
    let mut text = String::new();
    GzDecoder::new(std::fs::File::open(path)?).read_to_string(&mut text)?;
    Ok(serde_json::from_str(&text)?)
}

fn types(folder: &Path) -> Result<Map<String, Value>, Box<dyn Error>> {
    let mut types = Map::new();
    for entry in std::fs::read_dir(folder)? {
        let document = read(&entry?.path())?;
        let Some(schemas) = document["components"]["schemas"].as_object() else { continue };
        for (name, schema) in schemas {
            types.insert(name.clone(), facts(schema, false));
        }
    }
    Ok(types)
}

/// Drops prose and shortens references. An empty default is kept: it marks what is a Go struct, present in every object.
fn facts(schema: &Value, names: bool) -> Value {
    match schema {
        Value::Object(map) => {
            let kept = map.iter().filter(|(key, _)| names || key.as_str() != "description");
            Value::Object(kept.map(|(k, v)| (k.clone(), facts(v, !names && k == "properties"))).collect())
        }
        Value::Array(list) => Value::Array(list.iter().map(|v| facts(v, false)).collect()),
        Value::String(text) => Value::String(text.replace("#/components/schemas/", "")),
        other => other.clone(),
    }
}
