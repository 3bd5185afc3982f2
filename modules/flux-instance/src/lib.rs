//! Installs a FluxInstance and waits until Flux syncs: the instance Ready, its source Ready, its Kustomization Ready.

use guest_sdk::{Description, Effect, Effects, Failure, Host, ObjectRef, Params, Result, Rule, Step, Value, Wait, json, release};

/// The module.
pub struct FluxInstance;

const INSTANCE: &str = "fluxcd.controlplane.io/v1";
const SOURCE: &str = "source.toolkit.fluxcd.io/v1";
const KUSTOMIZE: &str = "kustomize.toolkit.fluxcd.io/v1";

impl Step for FluxInstance {
    fn describe() -> Description {
        let summary = "Installs a FluxInstance and waits until its controllers are ready and its source and Kustomization are synced.";
        Description::new("flux-instance", env!("CARGO_PKG_VERSION"), summary)
            .with_release()
            .with_kubernetes(Rule::new(&["get", "watch"], "fluxcd.controlplane.io", &["fluxinstances"]).in_namespace("$release.namespace"))
            .with_kubernetes(
                Rule::new(&["get", "watch"], "source.toolkit.fluxcd.io", &["gitrepositories", "ocirepositories", "buckets"])
                    .in_namespace("$release.namespace"),
            )
            .with_kubernetes(
                Rule::new(&["get", "watch"], "kustomize.toolkit.fluxcd.io", &["kustomizations"]).in_namespace("$release.namespace"),
            )
    }

    /// The operator brings up Flux, creates the sync objects and reports the instance Ready.
    fn effects(params: &Params, values: &Value) -> Result<Effects> {
        let release = params.release()?;
        let instance = ObjectRef::namespaced(INSTANCE, "FluxInstance", &release.namespace, &instance_name(&release.name, values));
        let mut effect = Effect::when(&instance, "exists")
            .creates(flux_crd("source.toolkit.fluxcd.io", "GitRepository", "gitrepositories"))
            .creates(flux_crd("source.toolkit.fluxcd.io", "OCIRepository", "ocirepositories"))
            .creates(flux_crd("source.toolkit.fluxcd.io", "Bucket", "buckets"))
            .creates(flux_crd("kustomize.toolkit.fluxcd.io", "Kustomization", "kustomizations"));
        if let Some(sync) = values.pointer("/instance/sync").and_then(|sync| Sync::of(sync, &release.namespace)) {
            effect = effect.creates(sync.source(&release.namespace)).creates(sync.kustomization(&release.namespace));
        }
        let ready = json!({ "conditions": [condition("ReconciliationSucceeded", "Reconciliation finished")] });
        Ok(Effects::none().and(effect.sets_status(&instance, ready)))
    }

    fn install(host: &impl Host, params: &Params) -> Result<Value> {
        release::install(host, params)
    }

    fn post_install(host: &impl Host, params: &Params) -> Result<Value> {
        let release = params.release()?;
        let instance = host.release_objects(release)?.into_iter().find(|object| object.kind == "FluxInstance");
        let instance = instance.ok_or_else(|| Failure::invalid(format!("{release}: its chart renders no FluxInstance")))?;
        let seen = host.wait(&Wait::new().until(instance, "condition=Ready"))?;
        let Some(sync) = seen.first().and_then(|seen| seen.pointer("/spec/sync")).and_then(|sync| Sync::of(sync, &release.namespace))
        else {
            return Ok(json!({ "sync": Value::Null }));
        };
        let source = ObjectRef::namespaced(SOURCE, &sync.kind, &release.namespace, &sync.name);
        let kustomization = ObjectRef::namespaced(KUSTOMIZE, "Kustomization", &release.namespace, &sync.name);
        host.wait(&Wait::new().until(source, "condition=Ready").until(kustomization, "condition=Ready"))?;
        Ok(json!({ "sync": sync.name }))
    }
}

/// The part of a FluxInstance that says what Flux syncs.
struct Sync {
    kind: String,
    name: String,
    spec: Value,
}

impl Sync {
    /// Returns none where nothing is synced. The name defaults to the namespace (FluxInstance API, `spec.sync.name`).
    fn of(spec: &Value, namespace: &str) -> Option<Self> {
        let text = |key: &str| spec.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
        text("url")?;
        let kind = text("kind").unwrap_or("GitRepository").to_owned();
        Some(Sync { kind, name: text("name").unwrap_or(namespace).to_owned(), spec: spec.clone() })
    }

    fn source(&self, namespace: &str) -> Value {
        json!({
            "apiVersion": SOURCE, "kind": self.kind, "metadata": { "name": self.name, "namespace": namespace },
            "spec": { "interval": self.spec["interval"], "url": self.spec["url"] },
            "status": { "conditions": [condition("Succeeded", "stored artifact for the revision")] },
        })
    }

    fn kustomization(&self, namespace: &str) -> Value {
        json!({
            "apiVersion": KUSTOMIZE, "kind": "Kustomization", "metadata": { "name": self.name, "namespace": namespace },
            "spec": {
                "interval": self.spec["interval"], "path": self.spec["path"], "prune": true,
                "sourceRef": { "kind": self.kind, "name": self.name },
            },
            "status": { "conditions": [condition("ReconciliationSucceeded", "Applied revision")] },
        })
    }
}

/// The name the chart gives its FluxInstance (chart flux-instance, `_helpers.tpl`, template `flux-instance.fullname`).
fn instance_name(release: &str, values: &Value) -> String {
    let text = |key: &str| values.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
    let name = match text("fullnameOverride") {
        Some(name) => name.to_owned(),
        None => {
            let chart = text("nameOverride").unwrap_or("flux-instance");
            if release.contains(chart) { release.to_owned() } else { format!("{release}-{chart}") }
        }
    };
    name.chars().take(63).collect::<String>().trim_end_matches('-').to_owned()
}

fn condition(reason: &str, message: &str) -> Value {
    json!({ "type": "Ready", "status": "True", "reason": reason, "message": message, "lastTransitionTime": "2026-01-01T00:00:00Z" })
}

/// A CRD of Flux as a sandbox creates it: any content is accepted, since the real schema is Flux's.
fn flux_crd(group: &str, kind: &str, plural: &str) -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": { "name": format!("{plural}.{group}") },
        "spec": {
            "group": group, "scope": "Namespaced",
            "names": { "kind": kind, "listKind": format!("{kind}List"), "plural": plural, "singular": kind.to_lowercase() },
            "versions": [{
                "name": "v1", "served": true, "storage": true, "subresources": { "status": {} },
                "schema": { "openAPIV3Schema": { "type": "object", "x-kubernetes-preserve-unknown-fields": true } },
            }],
        },
    })
}

guest_sdk::export_step!(FluxInstance);

#[cfg(test)]
mod tests {
    use super::*;
    use guest_sdk::fake::FakeHost;

    const MANIFEST: &str = "apiVersion: fluxcd.controlplane.io/v1\nkind: FluxInstance\nmetadata: { name: flux, namespace: flux-system }\n";

    fn object(api_version: &str, kind: &str, name: &str, ready: &str) -> Value {
        json!({ "apiVersion": api_version, "kind": kind, "metadata": { "name": name, "namespace": "flux-system" },
            "spec": { "sync": { "url": "https://git.example/home", "kind": "GitRepository" } },
            "status": { "conditions": [{ "type": "Ready", "status": ready }] } })
    }

    fn host(source_ready: &str) -> FakeHost {
        FakeHost::new()
            .with_release("flux-system/flux-instance", "flux", json!({}), MANIFEST)
            .with_object(object(INSTANCE, "FluxInstance", "flux", "True"))
            .with_object(object(SOURCE, "GitRepository", "flux-system", source_ready))
            .with_object(object(KUSTOMIZE, "Kustomization", "flux-system", "True"))
    }

    #[test]
    fn waits_for_the_sync() {
        let params = Params::for_test("flux-system/flux-instance", json!({}));
        assert_eq!(FluxInstance::post_install(&host("True"), &params).unwrap(), json!({ "sync": "flux-system" }));
        let failure = FluxInstance::post_install(&host("False"), &params).unwrap_err();
        assert!(failure.message.contains("GitRepository flux-system/flux-system"), "{failure}");
    }

    #[test]
    fn the_instance_is_named_as_the_chart_names_it() {
        assert_eq!(instance_name("flux-instance", &json!({})), "flux-instance");
        assert_eq!(instance_name("flux", &json!({})), "flux-flux-instance");
        assert_eq!(instance_name("flux", &json!({ "fullnameOverride": "x" })), "x");
    }

    #[test]
    fn effects_name_the_sync() {
        let params = Params::for_test("flux-system/flux-instance", json!({}));
        let values = json!({ "instance": { "sync": { "url": "oci://r.example/x", "kind": "OCIRepository", "name": "cluster" } } });
        let effects = guest_sdk::serde_json::to_string(&FluxInstance::effects(&params, &values).unwrap()).unwrap();
        assert!(effects.contains(r#""kind":"OCIRepository""#) && effects.contains(r#""name":"cluster""#), "{effects}");
    }
}
