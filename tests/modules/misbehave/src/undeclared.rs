//! Calls that the module did not request.

use guest_sdk::export::bindings::launchway::bootstrap::{charts, releases, secrets};
use guest_sdk::{Apply, Failure, Host, ObjectRef, PatchType, Result, Selection, Value, Wait, json};

fn config_map(namespace: &str) -> ObjectRef {
    ObjectRef { api_version: "v1".into(), kind: "ConfigMap".into(), namespace: Some(namespace.into()), name: "x".into() }
}

fn of_kind(api_version: &str, kind: &str) -> ObjectRef {
    ObjectRef { api_version: api_version.into(), kind: kind.into(), ..config_map("default") }
}

/// A name that clears the screen, forges a line of a log, and is longer than anybody reads.
fn odd() -> String {
    format!("x\u{1b}[2J\n::error::forged\u{202e}{}", "y".repeat(100_000))
}

/// Makes the call behind a name.
pub fn call(host: &impl Host, name: &str) -> Result<Value> {
    let body = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "x", "namespace": "default" } });
    let selection = |namespace: Option<&str>| Selection {
        api_version: "v1".into(),
        kind: "ConfigMap".into(),
        namespace: namespace.map(str::to_owned),
        ..Selection::default()
    };
    let done: Result<()> = match name {
        "undeclared-kind" => host.get(&of_kind("v1", "Secret")).map(|_| ()),
        "undeclared-group" => host.get(&of_kind("apps/v1", "Deployment")).map(|_| ()),
        "undeclared-namespace" => host.get(&config_map("kube-system")).map(|_| ()),
        "undeclared-create" => host.create(&body).map(|_| ()),
        "undeclared-patch" => host.patch(&config_map("default"), PatchType::Merge, &json!({}), None).map(|_| ()),
        "undeclared-delete" => host.delete(&config_map("default")).map(|_| ()),
        "undeclared-list" => host.list(&selection(None)).map(|_| ()),
        "undeclared-apply" => {
            host.apply(&Apply { manifests: body.to_string(), default_namespace: None, force_conflicts: true }).map(|_| ())
        }
        "undeclared-wait" => host.wait(&Wait::new().until(of_kind("v1", "Secret"), "exists")).map(|_| ()),
        "undeclared-discover" => host.discover("apps/v1").map(|_| ()),
        "undeclared-release" => releases::Release::from_flux("default", "other").map(|_| ()).map_err(Into::into),
        "undeclared-chart" => charts::fetch("oci://127.0.0.1:1/charts/other", None).map(|_| ()).map_err(Into::into),
        "undeclared-secret" => secrets::open("token").map(|_| ()).map_err(Into::into),
        "odd-secret" => secrets::open(&odd()).map(|_| ()).map_err(Into::into),
        "odd-release" => releases::Release::from_flux(&odd(), "x").map(|_| ()).map_err(Into::into),
        "odd-file" => host.read_text(&odd()).map(|_| ()),
        "odd-chart" => charts::fetch(&odd(), None).map(|_| ()).map_err(Into::into),
        "undeclared-file" => host.read_text("secret.txt").map(|_| ()),
        other => return Err(Failure::invalid(format!("do: {other}: no such misdeed"))),
    };
    match done {
        Err(failure) if failure.code == "denied" => Ok(json!({ "code": failure.code, "message": failure.message })),
        Err(failure) => Ok(json!({ "code": failure.code, "message": failure.message })),
        Ok(()) => Ok(json!({ "code": "allowed" })),
    }
}
