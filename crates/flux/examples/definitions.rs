//! Reduces the definitions of Flux and flux-operator to what an API server checks objects by: `definitions FILE... > definitions.json.gz`, over the
//! manifests of a Flux release and the definitions in flux-operator's chart.

use std::io::Write as _;

use serde_json::{Map, Value, json};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut found = Vec::new();
    for path in std::env::args().skip(1) {
        for document in go_encoding::yaml::documents(&std::fs::read_to_string(path)?)? {
            if document.value["kind"] == "CustomResourceDefinition" {
                found.push(reduced(&document.value));
            }
        }
    }
    let mut packed = flate2::write::GzEncoder::new(std::io::stdout(), flate2::Compression::best());
    packed.write_all(Value::Array(found).to_string().as_bytes())?;
    packed.finish()?;
    Ok(())
}

fn reduced(definition: &Value) -> Value {
    let spec = &definition["spec"];
    let version = |version: &Value| {
        let schema = json!({ "openAPIV3Schema": without_descriptions(&version["schema"]["openAPIV3Schema"]) });
        json!({ "name": version["name"], "served": version["served"], "storage": version["storage"], "subresources": version["subresources"], "schema": schema })
    };
    let versions: Vec<Value> = spec["versions"].as_array().into_iter().flatten().map(version).collect();
    json!({
        "apiVersion": definition["apiVersion"], "kind": definition["kind"], "metadata": { "name": definition["metadata"]["name"] },
        "spec": { "group": spec["group"], "names": spec["names"], "scope": spec["scope"], "versions": versions },
    })
}

/// A description is a text; a property of that name is a schema. Which kinds a field may name grows with every version: it is left out.
fn without_descriptions(schema: &Value) -> Value {
    match schema {
        Value::Object(map) => {
            let kept = map.iter().filter(|(key, value)| !(*key == "description" && value.is_string()));
            let reduced = |(key, value): (&String, &Value)| {
                let mut value = without_descriptions(value);
                if let Some(field) = value.as_object_mut().filter(|_| key == "kind") {
                    field.remove("enum");
                }
                (key.clone(), value)
            };
            Value::Object(kept.map(reduced).collect::<Map<_, _>>())
        }
        Value::Array(items) => items.iter().map(without_descriptions).collect(),
        other => other.clone(),
    }
}
