//! Installs any release; afterwards waits for what it is told to and applies manifests.

use guest_sdk::{Description, Host, ObjectRef, Params, Result, Rule, Step, Value, Wait, json, release};

/// The module.
pub struct HelmRelease;

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct With {
    /// Names of CRDs to wait for until they are Established.
    #[serde(default)]
    crds: Vec<String>,
    /// Other objects to wait for.
    #[serde(default, rename = "waitFor")]
    wait_for: Vec<WaitFor>,
    /// Applied in order after the waits.
    #[serde(default)]
    manifests: Vec<String>,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct WaitFor {
    api_version: String,
    kind: String,
    #[serde(default)]
    namespace: Option<String>,
    name: String,
    #[serde(default = "ready")]
    condition: String,
}

fn ready() -> String {
    "ready".into()
}

impl Step for HelmRelease {
    fn describe() -> Description {
        let summary =
            "Installs a release with the values of its HelmRelease; can wait for CRDs and objects and apply manifests afterwards.";
        let texts = json!({ "type": "array", "items": { "type": "string", "minLength": 1 } });
        let text = json!({ "type": "string", "minLength": 1 });
        let wait_for = json!({ "type": "array", "items": {
            "type": "object", "additionalProperties": false, "required": ["apiVersion", "kind", "name"],
            "properties": { "apiVersion": text, "kind": text, "namespace": text, "name": text, "condition": text },
        } });
        Description::new("helm-release", env!("CARGO_PKG_VERSION"), summary)
            .with_release()
            .with_parameters(json!({ "crds": texts, "waitFor": wait_for, "manifests": texts }), &[])
            .with_files("$with.manifests")
            .with_kubernetes(Rule::new(&["get", "watch", "patch"], "*", &["*"]))
    }

    fn install(host: &impl Host, params: &Params) -> Result<Value> {
        release::install(host, params)
    }

    fn post_install(host: &impl Host, params: &Params) -> Result<Value> {
        let with: With = params.with()?;
        let release = params.release()?;
        let mut wait = Wait::new();
        for crd in &with.crds {
            wait = wait.until(ObjectRef::crd(crd), "condition=Established");
        }
        for object in with.wait_for {
            let WaitFor { api_version, kind, namespace, name, condition } = object;
            wait = wait.until(ObjectRef { api_version, kind, namespace, name }, &condition);
        }
        if !wait.conditions.is_empty() {
            host.wait(&wait)?;
        }
        let changes = release::apply_manifests(host, Some(release), Some(&release.namespace), &with.manifests)?;
        Ok(release::outcome(&changes))
    }
}

guest_sdk::export_step!(HelmRelease);

#[cfg(test)]
mod tests {
    use super::*;
    use guest_sdk::fake::FakeHost;

    #[test]
    fn waits_then_applies() {
        let store = "apiVersion: external-secrets.io/v1\nkind: ClusterSecretStore\nmetadata: { name: vault }\n";
        let host = FakeHost::new()
            .with_release("external-secrets/connect", "apps/connect", json!({}), "")
            .with_file("apps/connect/store.yaml", store)
            .with_object(json!({ "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
                "metadata": { "name": "clustersecretstores.external-secrets.io" },
                "status": { "conditions": [{ "type": "Established", "status": "True" }] } }));
        let with = json!({ "crds": ["clustersecretstores.external-secrets.io"], "manifests": ["store.yaml"] });
        HelmRelease::post_install(&host, &Params::for_test("external-secrets/connect", with)).unwrap();
        assert_eq!(host.calls().last().unwrap(), "apply ClusterSecretStore vault");
    }

    #[test]
    fn what_never_appears_is_named() {
        let host = FakeHost::new().with_release("a/b", "apps", json!({}), "");
        let with =
            json!({ "waitFor": [{ "apiVersion": "v1", "kind": "Secret", "namespace": "a", "name": "token", "condition": "exists" }] });
        let failure = HelmRelease::post_install(&host, &Params::for_test("a/b", with)).unwrap_err();
        assert!(failure.message.contains("Secret a/token"), "{failure}");
    }
}
