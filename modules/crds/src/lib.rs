//! Applies the CustomResourceDefinitions of charts, and nothing else of them, so that later steps may use their kinds.

use guest_sdk::{Apply, Description, Failure, Host, ObjectRef, Params, ReleaseName, Result, Rule, Step, Value, Wait, json, release};

/// The module.
pub struct Crds;

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct With {
    releases: Vec<String>,
}

impl Step for Crds {
    fn describe() -> Description {
        let name = json!({ "type": "string", "pattern": "^[^/]+/[^/]+$", "description": "NAMESPACE/NAME of a HelmRelease." });
        let summary =
            "Applies the CRDs of the named releases' charts, from crds/ and from templates, and waits until they are Established.";
        Description::new("crds", env!("CARGO_PKG_VERSION"), summary)
            .with_parameters(json!({ "releases": { "type": "array", "minItems": 1, "items": name } }), &["releases"])
            .with_releases("$with.releases")
            .with_kubernetes(Rule::new(&["get", "watch", "patch"], "apiextensions.k8s.io", &["customresourcedefinitions"]))
    }

    fn install(host: &impl Host, params: &Params) -> Result<Value> {
        let with: With = params.with()?;
        let mut changes = Vec::new();
        for release in &with.releases {
            let (namespace, name) = release.split_once('/').ok_or_else(|| Failure::invalid(format!("{release}: not NAMESPACE/NAME")))?;
            let name = ReleaseName { namespace: namespace.into(), name: name.into() };
            let activity = host.activity(&format!("CRDs of {release}"));
            activity.note("applying");
            let manifests = host.release_crds(&name)?;
            if manifests.trim().is_empty() {
                return Err(Failure::invalid(format!("{release}: its chart has no CRDs, neither in crds/ nor in its templates")));
            }
            let apply = Apply { manifests, default_namespace: None, force_conflicts: true };
            changes.extend(host.apply(&apply).map_err(|failure| failure.within(release))?);
        }
        let established = |wait: Wait, name: &str| wait.until(ObjectRef::crd(name), "condition=Established");
        host.wait(&changes.iter().fold(Wait::new(), |wait, change| established(wait, &change.object.name)))?;
        Ok(release::outcome(&changes))
    }
}

guest_sdk::export_step!(Crds);

#[cfg(test)]
mod tests {
    use super::*;
    use guest_sdk::fake::FakeHost;

    const CHART: &str = "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: { name: things.example.com }\nstatus: { conditions: [{ type: Established, status: \"True\" }] }\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: { name: other }\n";

    #[test]
    fn only_the_crds_are_applied() {
        let host = FakeHost::new().with_release("monitoring/stack", "stack", json!({}), CHART);
        Crds::install(&host, &Params::for_test("", json!({ "releases": ["monitoring/stack"] }))).unwrap();
        let applied: Vec<String> = host.calls().into_iter().filter(|call| call.starts_with("apply")).collect();
        assert_eq!(applied, ["apply CustomResourceDefinition things.example.com"]);
    }

    #[test]
    fn a_chart_without_crds_is_an_error() {
        let host = FakeHost::new().with_release("a/b", "b", json!({}), "");
        let failure = Crds::install(&host, &Params::for_test("", json!({ "releases": ["a/b"] }))).unwrap_err();
        assert!(failure.message.contains("has no CRDs"), "{failure}");
    }
}
