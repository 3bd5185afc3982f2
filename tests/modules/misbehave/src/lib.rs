//! A module that misbehaves on request, so that tests see what the host makes of it.
//!
//! `with.do` names the misdeed of `install`. The other phases only log, so that a test sees which of them ran.

#![cfg(target_family = "wasm")]

mod escapes;
mod floods;
mod secrets;
mod undeclared;

use guest_sdk::export::{Adapter, bindings};
use guest_sdk::{Description, Failure, Host, Level, ObjectRef, Params, Result, Rule, Step, Value, Wait, json};
use serde::Deserialize;

use bindings::launchway::bootstrap::types;

/// The step.
struct Misbehave;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct With {
    r#do: String,
    /// Files that are requested, and read by `read`.
    #[serde(default)]
    files: Vec<String>,
    /// Namespaces whose ConfigMaps are requested.
    #[serde(default, rename = "namespaces")]
    _namespaces: Vec<String>,
    /// Charts that are requested, and fetched by `fetch`.
    #[serde(default)]
    charts: Vec<String>,
    /// Releases that are requested.
    #[serde(default)]
    releases: Vec<String>,
    /// Secrets that are requested, and placed by `place`.
    #[serde(default)]
    secrets: Vec<String>,
    /// Namespaces whose Secrets may be written, and not read.
    #[serde(default, rename = "secretNamespaces")]
    secret_namespaces: Vec<String>,
}

impl Step for Misbehave {
    fn describe() -> Description {
        let words = json!({ "type": "array", "items": { "type": "string" } });
        let parameters = json!({
            "do": { "type": "string" }, "files": words, "namespaces": words, "charts": words, "releases": words, "secrets": words,
            "secretNamespaces": words,
        });
        Description::new("misbehave", env!("CARGO_PKG_VERSION"), env!("CARGO_PKG_DESCRIPTION"))
            .with_parameters(parameters, &["do"])
            .with_files("$with.files")
            .with_kubernetes(Rule::new(&["get", "watch"], "", &["configmaps"]).in_namespace("$with.namespaces"))
            .with_kubernetes(Rule::new(&["patch"], "", &["secrets"]).in_namespace("$with.secretNamespaces"))
            .with_charts("$with.charts")
            .with_releases("$with.releases")
            .with_secrets("$with.secrets")
    }

    fn pre_install(host: &impl Host, params: &Params) -> Result<Value> {
        host.log(Level::Info, &format!("pre-install ran, {} ms left", params.timeout_ms));
        Ok(Value::Null)
    }

    fn install(host: &impl Host, params: &Params) -> Result<Value> {
        let with: With = params.with()?;
        match with.r#do.as_str() {
            "nothing" => Ok(Value::Null),
            "fail" => Err(Failure::new("conflict", "it was meant to fail")),
            "panic" => {
                host.log(Level::Info, "about to panic");
                panic!("the greeting must not be empty")
            }
            "trap" => trap(host),
            "loop" => floods::spin(),
            "loop-with-calls" => floods::spin_with_calls(host),
            "memory" => floods::memory(),
            "stack" => Ok(json!(floods::stack(0))),
            "log" => floods::log(host),
            "notes" => floods::notes(host),
            "huge-call" => floods::huge_call(host),
            "huge-outcome" => Ok(json!("x".repeat(40 << 20))),
            "handles" => floods::handles(),
            "held-manifests" => floods::held_manifests(),
            "held-conditions" => floods::held_conditions(),
            "read" => Ok(escapes::read(host, &with.files)),
            "fetch" => Ok(escapes::fetch(host, &with.charts)),
            "escape-path" => Ok(escapes::all(host)),
            "place" => secrets::place(host, &with.secrets, &with.secret_namespaces),
            "read-placed" => secrets::read_placed(host, &with.secrets, &with.secret_namespaces),
            "peek" => secrets::peek(host, &with.releases),
            "render-parts" => secrets::render_parts(host, &with.charts, &with.releases),
            "wait-forever" => wait_forever(host, &Wait::new()),
            "wait-a-little" => Ok(json!(wait_forever(host, &Wait::new().timeout_ms(WAITED)).is_err())),
            other => undeclared::call(host, other),
        }
        .inspect(|outcome| host.log(Level::Info, &format!("outcome: {}", short(outcome))))
    }

    fn post_install(host: &impl Host, params: &Params) -> Result<Value> {
        host.log(Level::Info, &format!("post-install ran, {} ms left", params.timeout_ms));
        Ok(Value::Null)
    }
}

fn short(outcome: &Value) -> String {
    let mut text = outcome.to_string();
    text.truncate(text.floor_char_boundary(4096));
    text
}

/// Traps in a function of its own, which no other is like: a backtrace names it.
#[inline(never)]
fn trap(host: &impl Host) -> ! {
    host.log(Level::Info, "about to trap");
    core::arch::wasm32::unreachable()
}

/// How long `wait-a-little` waits.
const WAITED: u64 = 300;

fn wait_forever(host: &impl Host, wait: &Wait) -> Result<Value> {
    let object = ObjectRef { api_version: "v1".into(), kind: "ConfigMap".into(), namespace: Some("default".into()), name: "never".into() };
    host.wait(&wait.clone().until(object, "exists")).map(|_| Value::Null)
}

/// The SDK always returns JSON from a phase: what it cannot do wrong is done here.
struct Raw;

impl bindings::Guest for Raw {
    fn describe() -> String {
        Adapter::<Misbehave>::describe()
    }

    fn effects(params: String, values: String) -> std::result::Result<String, types::Failure> {
        Adapter::<Misbehave>::effects(params, values)
    }

    fn pre_install(params: String) -> std::result::Result<String, types::Failure> {
        Adapter::<Misbehave>::pre_install(params)
    }

    fn install(params: String) -> std::result::Result<String, types::Failure> {
        if params.contains("\"bad-json\"") { Ok("{ not json".into()) } else { Adapter::<Misbehave>::install(params) }
    }

    fn post_install(params: String) -> std::result::Result<String, types::Failure> {
        Adapter::<Misbehave>::post_install(params)
    }
}

bindings::export_world!(Raw with_types_in bindings);
