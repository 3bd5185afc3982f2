//! The built-in generators as objects.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::settings::Metadata;
use super::{at, built_in, place, placed, settings};
use crate::error::Error;
use crate::generate::{self, Generated};
use crate::kustomization::{Generator, GeneratorOptions};
use crate::origin;
use crate::resource::Resource;
use crate::transformers::Context;

/// Runs a generator.
pub(crate) fn generate(context: &Context<'_>, plugin: &Resource) -> Result<Generated, Error> {
    let mut made = match built_in(plugin)?.as_str() {
        "ConfigMapGenerator" => from_settings(context, plugin, "ConfigMap")?,
        "SecretGenerator" => from_settings(context, plugin, "Secret")?,
        "IAMPolicyGenerator" => {
            let settings: IamPolicy = settings(plugin)?;
            let value = at(plugin, iam_policy(&settings))?;
            Generated::plain(Resource::new(value, &plugin.file, plugin.line, context.openapi), place(plugin))
        }
        _ => return at(plugin, Err("this is no generator that kustomize has built in".to_string())),
    };
    if let Some(path) = origin::path_of(plugin) {
        made.set_origin(&origin::of_plugin(&path, &plugin.value));
    }
    Ok(made)
}

const GENERATOR_FIELDS: [&str; 9] = ["name", "namespace", "behavior", "literals", "files", "envs", "env", "options", "type"];

/// Name and namespace are those of the plugin where none are given.
fn from_settings(context: &Context<'_>, plugin: &Resource, kind: &str) -> Result<Generated, Error> {
    let mut value: Map<String, Value> = settings(plugin)?;
    value.retain(|key, _| GENERATOR_FIELDS.contains(&key.as_str()) && (key != "type" || kind == "Secret"));
    let mut generator: Generator = at(plugin, crate::folded::from_value(Value::Object(value)).map_err(|error| error.to_string()))?;
    if generator.name.is_empty() {
        generator.name = plugin.name().to_string();
    }
    if generator.namespace.as_deref().is_none_or(str::is_empty) {
        generator.namespace = Some(plugin.namespace().to_string());
    }
    generate::generated(context, &GeneratorOptions::default(), kind, &placed(plugin, generator))
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct IamPolicy {
    cloud: String,
    kubernetes_service: Metadata,
    service_account: GoogleAccount,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct GoogleAccount {
    name: String,
    project_id: String,
}

/// A service account for workload identity on GKE (`api/filters/iampolicygenerator`).
fn iam_policy(settings: &IamPolicy) -> Result<Value, String> {
    if settings.cloud != "gke" {
        return Err(format!("the cloud of an IAMPolicyGenerator is gke, not {:?}", settings.cloud));
    }
    let account = format!("{}@{}.iam.gserviceaccount.com", settings.service_account.name, settings.service_account.project_id);
    let mut value = json!({
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": settings.kubernetes_service.name, "annotations": {"iam.gke.io/gcp-service-account": account}},
    });
    if !settings.kubernetes_service.namespace.is_empty() {
        value["metadata"]["namespace"] = json!(settings.kubernetes_service.namespace);
    }
    Ok(value)
}
