//! Applies manifests of the repository: files, folders of files, folders with a `kustomization.yaml`.

use guest_sdk::{Description, Failure, Host, Params, Result, Rule, Step, Value, json, release};

/// The module.
pub struct Manifests;

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct With {
    paths: Vec<String>,
    #[serde(default)]
    namespace: Option<String>,
}

impl Step for Manifests {
    fn describe() -> Description {
        let text = json!({ "type": "string", "minLength": 1 });
        Description::new("manifests", env!("CARGO_PKG_VERSION"), "Applies files, folders or kustomize folders of the repository in order.")
            .with_parameters(
                json!({
                    "paths": { "type": "array", "minItems": 1, "items": text, "description": "Relative to the repository." },
                    "namespace": { "type": "string", "minLength": 1, "description": "For namespaced objects that name none." },
                }),
                &["paths"],
            )
            .with_files("$with.paths")
            .with_kubernetes(Rule::new(&["get", "patch"], "*", &["*"]))
    }

    fn install(host: &impl Host, params: &Params) -> Result<Value> {
        let with: With = params.with()?;
        if with.paths.is_empty() {
            return Err(Failure::invalid("with.paths: nothing to apply"));
        }
        let changes = release::apply_manifests(host, params.release.as_ref(), with.namespace.as_deref(), &with.paths)?;
        Ok(release::outcome(&changes))
    }
}

guest_sdk::export_step!(Manifests);

#[cfg(test)]
mod tests {
    use super::*;
    use guest_sdk::fake::FakeHost;

    fn config(name: &str) -> String {
        format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{ name: {name} }}\n")
    }

    #[test]
    fn files_and_folders_in_order() {
        let host = FakeHost::new()
            .with_file("extra/b.yaml", &config("b"))
            .with_file("extra/a.yaml", &config("a"))
            .with_file("first.yaml", &config("first"));
        Manifests::install(&host, &Params::for_test("", json!({ "paths": ["first.yaml", "extra"] }))).unwrap();
        let applied: Vec<String> = host.calls().into_iter().filter(|call| call.starts_with("apply")).collect();
        assert_eq!(applied, ["apply ConfigMap first", "apply ConfigMap a", "apply ConfigMap b"]);
    }

    #[test]
    fn a_kustomize_folder_is_built() {
        let host = FakeHost::new().with_file("config/kustomization.yaml", &config("built"));
        Manifests::install(&host, &Params::for_test("", json!({ "paths": ["config"] }))).unwrap();
        assert!(host.calls().contains(&"kustomize config".to_owned()), "{:?}", host.calls());
    }

    #[test]
    fn a_missing_file_is_named() {
        let failure = Manifests::install(&FakeHost::new(), &Params::for_test("", json!({ "paths": ["gone.yaml"] }))).unwrap_err();
        assert!(failure.message.contains("gone.yaml"), "{failure}");
    }
}
