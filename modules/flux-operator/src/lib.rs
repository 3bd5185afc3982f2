//! Installs the Flux operator and waits until it can take a FluxInstance: Deployment available, CRD Established.

use guest_sdk::{Description, Host, ObjectRef, Params, Result, Rule, Step, Value, Wait, release};

/// The module.
pub struct FluxOperator;

impl Step for FluxOperator {
    fn describe() -> Description {
        let summary = "Installs the Flux operator and waits until its Deployment is available and the FluxInstance CRD is Established.";
        Description::new("flux-operator", env!("CARGO_PKG_VERSION"), summary)
            .with_release()
            .with_kubernetes(Rule::new(&["get", "watch"], "apiextensions.k8s.io", &["customresourcedefinitions"]))
            .with_kubernetes(Rule::new(&["get", "watch"], "apps", &["deployments"]).in_namespace("$release.namespace"))
    }

    fn install(host: &impl Host, params: &Params) -> Result<Value> {
        release::install(host, params)
    }

    fn post_install(host: &impl Host, params: &Params) -> Result<Value> {
        let release = params.release()?;
        let deployments = host.release_objects(release)?.into_iter().filter(|object| object.kind == "Deployment");
        let wait = Wait::new().until(ObjectRef::crd("fluxinstances.fluxcd.controlplane.io"), "condition=Established");
        host.wait(&deployments.fold(wait, |wait, deployment| wait.until(deployment, "condition=Available")))?;
        Ok(Value::Null)
    }
}

guest_sdk::export_step!(FluxOperator);

#[cfg(test)]
mod tests {
    use super::*;
    use guest_sdk::{fake::FakeHost, json};

    const MANIFEST: &str = "apiVersion: apps/v1\nkind: Deployment\nmetadata: { name: operator, namespace: flux-system }\n";

    fn host(available: &str) -> FakeHost {
        let conditions = |kind: &str, status: &str| json!({ "conditions": [{ "type": kind, "status": status }] });
        FakeHost::new()
            .with_release("flux-system/flux-operator", "flux", json!({}), MANIFEST)
            .with_object(json!({ "apiVersion": "apps/v1", "kind": "Deployment", "status": conditions("Available", available),
                "metadata": { "name": "operator", "namespace": "flux-system" } }))
            .with_object(json!({ "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
                "status": conditions("Established", "True"), "metadata": { "name": "fluxinstances.fluxcd.controlplane.io" } }))
    }

    #[test]
    fn waits_for_the_deployment_and_the_crd() {
        FluxOperator::post_install(&host("True"), &Params::for_test("flux-system/flux-operator", json!({}))).unwrap();
    }

    #[test]
    fn the_deployment_of_the_manifest_is_the_one_waited_for() {
        let failure = FluxOperator::post_install(&host("False"), &Params::for_test("flux-system/flux-operator", json!({}))).unwrap_err();
        assert!(failure.message.contains("Deployment flux-system/operator"), "{failure}");
    }
}
