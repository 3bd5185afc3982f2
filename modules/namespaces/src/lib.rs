//! Creates namespaces before the releases that live in them. An existing one is left as it is.

use guest_sdk::{Description, Host, ObjectRef, Params, Result, Rule, Step, Value, Wait, json, release};

/// The module.
pub struct Namespaces;

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct With {
    names: Vec<String>,
}

impl Step for Namespaces {
    fn describe() -> Description {
        let name = json!({ "type": "string", "pattern": "^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$" });
        Description::new("namespaces", env!("CARGO_PKG_VERSION"), "Creates namespaces that do not exist yet.")
            .with_parameters(json!({ "names": { "type": "array", "minItems": 1, "items": name } }), &["names"])
            .with_kubernetes(Rule::new(&["get", "create", "watch"], "", &["namespaces"]))
    }

    fn install(host: &impl Host, params: &Params) -> Result<Value> {
        let with: With = params.with()?;
        let mut changes = Vec::new();
        let mut wait = Wait::new();
        for name in &with.names {
            let namespace = ObjectRef::cluster("v1", "Namespace", name);
            if host.get(&namespace)?.is_none() {
                changes.push(host.create(&json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name } }))?);
            }
            wait = wait.until(namespace, "ready");
        }
        host.wait(&wait)?;
        Ok(release::outcome(&changes))
    }
}

guest_sdk::export_step!(Namespaces);

#[cfg(test)]
mod tests {
    use super::*;
    use guest_sdk::fake::FakeHost;

    #[test]
    fn only_what_is_missing_is_created() {
        let host = FakeHost::new().with_object(json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "here" } }));
        let outcome = Namespaces::install(&host, &Params::for_test("", json!({ "names": ["here", "new"] }))).unwrap();
        assert_eq!(outcome, json!({ "changes": ["Namespace new created"] }));
    }
}
