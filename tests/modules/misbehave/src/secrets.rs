//! Reaching for secrets that are to be placed and not read.

use guest_sdk::export::bindings::launchway::bootstrap::{charts, releases};
use guest_sdk::{Failure, Host, Level, ObjectRef, PatchType, Result, Value, json};

const KEY: &str = "token";

fn target(namespaces: &[String]) -> ObjectRef {
    ObjectRef::namespaced("v1", "Secret", namespaces.first().map_or("default", String::as_str), "placed")
}

/// Places secrets as it is meant to be.
pub fn place(host: &impl Host, names: &[String], namespaces: &[String]) -> Result<Value> {
    names.iter().try_for_each(|secret| host.place_secret(secret, &target(namespaces), KEY))?;
    Ok(json!("placed"))
}

/// Places a secret, then moves it to where the server checks what it finds, and returns what the server says of it.
pub fn read_placed(host: &impl Host, names: &[String], namespaces: &[String]) -> Result<Value> {
    place(host, names, namespaces)?;
    let placed = target(namespaces);
    let operations = |operations: Value| (PatchType::Json, operations);
    let copy = |path: &str| operations(json!([{ "op": "copy", "from": format!("/data/{KEY}"), "path": path }]));
    let mut tries: Vec<(PatchType, Value)> =
        ["/type", "/kind", "/apiVersion", "/metadata/name", "/metadata/namespace", "/metadata/uid", "/immutable", "/data"]
            .into_iter()
            .map(copy)
            .collect();
    let into = |field: &str| {
        operations(json!([
            { "op": "add", "path": format!("/metadata/{field}"), "value": {} },
            { "op": "move", "from": format!("/data/{KEY}"), "path": format!("/metadata/{field}/x") },
        ]))
    };
    tries.extend(["labels", "annotations", "finalizers"].map(into));
    tries.push((PatchType::Merge, json!({ "type": "other" })));
    tries.push((PatchType::Strategic, json!({ "type": "other" })));
    let said = tries.iter().map(|(patch_type, body)| match host.patch(&placed, *patch_type, body, None) {
        Ok(change) => json!(change.action),
        Err(Failure { code, message, details, .. }) => json!({ "code": code, "message": message, "details": details }),
    });
    Ok(said.collect())
}

/// Shows everything that the host says of releases.
pub fn peek(host: &impl Host, names: &[String]) -> Result<Value> {
    for release in names {
        let (namespace, name) = release.split_once('/').unwrap_or(("", release));
        let release = releases::Release::from_flux(namespace, name)?;
        host.log(Level::Info, &format!("values: {}", release.values()));
        host.log(Level::Info, &format!("computed: {}", release.computed_values()?));
        host.log(Level::Info, &format!("render: {}", release.render()?.replace('\n', " | ")));
    }
    Ok(Value::Null)
}

/// Renders a chart with values of its own, and shows the render.
pub fn render_parts(host: &impl Host, references: &[String], names: &[String]) -> Result<Value> {
    for (reference, release) in references.iter().zip(names) {
        let (namespace, name) = release.split_once('/').unwrap_or(("", release));
        let chart = charts::fetch(reference, None)?;
        // A name that the repository does not have is requested as a pattern.
        let release = releases::Release::from_parts(&chart, namespace, &name.replace('*', "parts"), "{}")?;
        host.log(Level::Info, &format!("render: {}", release.render()?.replace('\n', " | ")));
    }
    Ok(Value::Null)
}
