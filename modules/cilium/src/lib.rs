//! Installs Cilium, waits for the CRDs that its operator creates with these values, then applies the given manifests.

mod crds;

use guest_sdk::{Description, Effect, Effects, Host, ObjectRef, Params, Result, Rule, Step, Value, Wait, json, release};

/// The module.
pub struct Cilium;

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct With {
    /// Applied in order after the CRDs are there.
    #[serde(default)]
    manifests: Vec<String>,
}

impl Step for Cilium {
    fn describe() -> Description {
        let summary =
            "Installs Cilium, waits for the CRDs its operator creates, then applies manifests such as address pools and BGP peers.";
        Description::new("cilium", env!("CARGO_PKG_VERSION"), summary)
            .with_release()
            .with_parameters(
                json!({ "manifests": {
                    "description": "Files or folders to apply after the CRDs are there, relative to the folder of the HelmRelease.",
                    "type": "array", "items": { "type": "string", "minLength": 1 },
                } }),
                &[],
            )
            .with_files("$with.manifests")
            .with_kubernetes(Rule::new(&["get", "watch"], "apiextensions.k8s.io", &["customresourcedefinitions"]))
            .with_kubernetes(Rule::new(&["get", "patch"], "cilium.io", &["*"]))
            .with_kubernetes(Rule::new(&["get", "patch"], "", &["services", "configmaps", "secrets"]).in_namespace("$release.namespace"))
    }

    fn effects(params: &Params, values: &Value) -> Result<Effects> {
        let operator = ObjectRef::namespaced("apps/v1", "Deployment", &params.release()?.namespace, "cilium-operator");
        let created = crds::of_values(values).into_iter().map(|crd| crd.object());
        Ok(Effects::none().and(created.fold(Effect::when(&operator, "condition=Available"), Effect::creates)))
    }

    fn install(host: &impl Host, params: &Params) -> Result<Value> {
        release::install(host, params)
    }

    fn post_install(host: &impl Host, params: &Params) -> Result<Value> {
        let with: With = params.with()?;
        let release = params.release()?;
        let crds = crds::of_values(&host.release_computed_values(release)?);
        let activity = host.activity(&format!("{} CRDs of the Cilium operator", crds.len()));
        activity.note("waiting until they are Established");
        host.wait(&crds.iter().fold(Wait::new(), |wait, crd| wait.until(ObjectRef::crd(&crd.name()), "condition=Established")))?;
        drop(activity);
        let changes = release::apply_manifests(host, Some(release), Some(&release.namespace), &with.manifests)?;
        Ok(release::outcome(&changes))
    }
}

guest_sdk::export_step!(Cilium);

#[cfg(test)]
mod tests {
    use super::*;
    use guest_sdk::fake::FakeHost;

    const POOL: &str = "apiVersion: cilium.io/v2\nkind: CiliumLoadBalancerIPPool\nmetadata: { name: pool }\n";

    fn host(values: Value) -> FakeHost {
        FakeHost::new().with_release("kube-system/cilium", "apps/cilium", values, "").with_file("apps/cilium/networking.yaml", POOL)
    }

    fn established(host: FakeHost, values: &Value) -> FakeHost {
        crds::of_values(values).iter().fold(host, |host, crd| {
            let mut object = crd.object();
            object["status"] = json!({ "conditions": [{ "type": "Established", "status": "True" }] });
            host.with_object(object)
        })
    }

    #[test]
    fn manifests_come_after_the_crds() {
        let values = json!({ "bgpControlPlane": { "enabled": true } });
        let host = established(host(values.clone()), &values);
        let params = Params::for_test("kube-system/cilium", json!({ "manifests": ["networking.yaml"] }));
        Cilium::post_install(&host, &params).unwrap();
        let calls = host.calls();
        let position = |text: &str| calls.iter().position(|call| call.contains(text)).unwrap_or_else(|| panic!("{text} not in {calls:?}"));
        assert!(position("wait CustomResourceDefinition ciliumbgppeerconfigs.cilium.io") < position("apply CiliumLoadBalancerIPPool pool"));
    }

    #[test]
    fn a_missing_crd_stops_before_the_manifests() {
        let host = host(json!({}));
        let params = Params::for_test("kube-system/cilium", json!({ "manifests": ["networking.yaml"] }));
        let failure = Cilium::post_install(&host, &params).unwrap_err();
        assert_eq!(failure.code, "timeout");
        assert!(!host.calls().iter().any(|call| call.starts_with("apply")), "{:?}", host.calls());
    }

    #[test]
    fn effects_follow_the_values() {
        let params = Params::for_test("kube-system/cilium", json!({}));
        let text = |values: Value| serde_json_text(&Cilium::effects(&params, &values).unwrap());
        assert!(!text(json!({})).contains("ciliumbgppeerconfigs"));
        assert!(text(json!({ "bgpControlPlane": { "enabled": true } })).contains("ciliumbgppeerconfigs"));
        assert!(!text(json!({ "operator": { "skipCRDCreation": true } })).contains("ciliumnodes"));
    }

    fn serde_json_text(effects: &Effects) -> String {
        guest_sdk::serde_json::to_string(effects).unwrap()
    }
}
