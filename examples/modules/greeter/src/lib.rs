//! A module that somebody else wrote: it checks a greeting against a file of the repository, installs its release, and leaves a
//! report in the cluster. What it may do stands under `grants:` of its step, see `examples/home/launchway.yaml`.

// ANCHOR: parameters
use guest_sdk::{
    Apply, Description, Failure, Host, Level, ObjectRef, Params, Result, Rule, Selection, Step, Value, export_step, json, release,
};

/// The module.
pub struct Greeter;

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct With {
    /// A file with one greeting a line, relative to the folder of the HelmRelease.
    allowed: String,
    /// Shows what happens when a module asks for more than it was given.
    #[serde(default)]
    curious: bool,
}
// ANCHOR_END: parameters

// ANCHOR: describe
impl Step for Greeter {
    fn describe() -> Description {
        let parameters = json!({
            "allowed": {
                "description": "A file with one allowed greeting a line, relative to the folder of the HelmRelease.",
                "type": "string", "minLength": 1,
            },
            "curious": { "description": "Tries to list Secrets, which nobody grants.", "type": "boolean" },
        });
        // ANCHOR: request
        Description::new("greeter", env!("CARGO_PKG_VERSION"), "Installs a greeter whose greeting is allowed, and reports it.")
            .with_release()
            .with_parameters(parameters, &["allowed"])
            .with_files("$with.allowed")
            .with_kubernetes(Rule::new(&["get", "patch"], "", &["configmaps"]).in_namespace("$release.namespace"))
        // ANCHOR_END: request
    }
    // ANCHOR_END: describe

    // ANCHOR: phases
    /// Stops before anything is installed if the greeting is not one of the file's.
    fn pre_install(host: &impl Host, params: &Params) -> Result<Value> {
        let with: With = params.with()?;
        let name = params.release()?;
        let folder = host.release_info(name)?.folder.unwrap_or_default();
        let path = release::resolve(&folder, &with.allowed)?;
        let allowed = host.read_text(&path)?;
        let values = host.release_computed_values(name)?;
        let greeting =
            values["greeting"].as_str().ok_or_else(|| Failure::invalid(format!("{name}: its values have no text `greeting`")))?;
        if !allowed.lines().any(|line| line == greeting) {
            return Err(Failure::invalid(format!("{name}: the greeting `{greeting}` is not in {path}: add it there or change the values")));
        }
        Ok(json!({ "greeting": greeting }))
    }

    fn install(host: &impl Host, params: &Params) -> Result<Value> {
        release::install(host, params)
    }

    /// Reads back what the cluster has, and writes the report beside it.
    fn post_install(host: &impl Host, params: &Params) -> Result<Value> {
        let with: With = params.with()?;
        let name = params.release()?;
        let config = ObjectRef::namespaced("v1", "ConfigMap", &name.namespace, &name.name);
        let found = host.get(&config)?.ok_or_else(|| Failure::new("not-found", format!("{config}: the chart should have made it")))?;
        let greeting = found.pointer("/data/greeting").and_then(Value::as_str).unwrap_or_default();
        let report = json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": { "name": format!("{}-report", name.name), "namespace": name.namespace },
            "data": { "greeting": greeting, "step": params.step },
        });
        // JSON is YAML.
        let changes = host.apply(&Apply { manifests: report.to_string(), ..Apply::default() })?;
        host.log(Level::Info, &format!("the cluster says: {greeting}"));
        if with.curious {
            look_around(host, &name.namespace)?;
        }
        Ok(release::outcome(&changes))
    }
}
// ANCHOR_END: phases

// ANCHOR: denied
/// Asks for something that was neither requested nor granted. The refusal is a value like any other: the step goes on.
fn look_around(host: &impl Host, namespace: &str) -> Result<()> {
    let secrets = Selection { api_version: "v1".into(), kind: "Secret".into(), namespace: Some(namespace.into()), ..Selection::default() };
    match host.list(&secrets) {
        Err(failure) if failure.is("denied") => host.log(Level::Warn, &format!("no secrets for me: {}", failure.message)),
        Err(failure) => return Err(failure),
        Ok(found) => return Err(Failure::new("internal", format!("{} Secrets of {namespace} were readable without a grant", found.len()))),
    }
    Ok(())
}
// ANCHOR_END: denied

// ANCHOR: export
export_step!(Greeter);
// ANCHOR_END: export

#[cfg(test)]
mod tests {
    // ANCHOR: test
    use super::*;
    use guest_sdk::fake::FakeHost;

    const MANIFEST: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: greeter, namespace: hello }\ndata: { greeting: Good day }\n";

    fn host() -> FakeHost {
        FakeHost::new()
            .with_release("hello/greeter", "apps/greeter", json!({ "greeting": "Good day" }), MANIFEST)
            .with_file("apps/greeter/allowed.txt", "Hello\nGood day\n")
    }

    fn params(with: Value) -> Params {
        Params::for_test("hello/greeter", with)
    }

    #[test]
    fn only_allowed_greetings_are_installed() {
        let params = params(json!({ "allowed": "allowed.txt" }));
        assert_eq!(Greeter::pre_install(&host(), &params).unwrap(), json!({ "greeting": "Good day" }));
        let rude = host().with_file("apps/greeter/allowed.txt", "Hello\n");
        let failure = Greeter::pre_install(&rude, &params).unwrap_err();
        assert!(failure.is("invalid") && failure.message.contains("`Good day` is not in apps/greeter/allowed.txt"), "{failure}");
        assert_eq!(rude.calls(), ["read apps/greeter/allowed.txt"]);
    }
    // ANCHOR_END: test

    #[test]
    fn the_report_follows_the_release() {
        let (host, params) = (host(), params(json!({ "allowed": "allowed.txt" })));
        Greeter::install(&host, &params).unwrap();
        Greeter::post_install(&host, &params).unwrap();
        let expected = [
            "ensure hello/greeter",
            "apply ConfigMap hello/greeter",
            "get ConfigMap hello/greeter",
            "apply ConfigMap hello/greeter-report",
            "log Info the cluster says: Good day",
        ];
        assert_eq!(host.calls(), expected);
    }

    #[test]
    fn a_denied_call_is_a_value() {
        let params = params(json!({ "allowed": "allowed.txt", "curious": true }));
        let installed = || {
            let host = host();
            Greeter::install(&host, &params).unwrap();
            host
        };
        let denied = installed().with_failure("list", Failure::new("denied", "list secrets: the module did not request it"));
        Greeter::post_install(&denied, &params).unwrap();
        assert_eq!(denied.calls().last().unwrap(), "log Warn no secrets for me: list secrets: the module did not request it");
        assert!(Greeter::post_install(&installed(), &params).unwrap_err().message.contains("without a grant"));
    }
}
