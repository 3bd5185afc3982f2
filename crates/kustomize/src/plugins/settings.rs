//! What the objects that configure built-in plugins say.

use std::collections::BTreeMap;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use crate::fields::FieldSpec;
use crate::kustomization::{Image, Replica, Target};

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct NamespaceSettings {
    pub(super) metadata: Metadata,
    pub(super) field_specs: Vec<FieldSpec>,
    pub(super) unset_only: bool,
    pub(super) set_role_binding_subjects: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Metadata {
    pub(super) name: String,
    pub(super) namespace: String,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Affixes {
    #[serde(deserialize_with = "scalar")]
    pub(super) prefix: String,
    #[serde(deserialize_with = "scalar")]
    pub(super) suffix: String,
    pub(super) field_specs: Option<Vec<FieldSpec>>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Strings {
    #[serde(deserialize_with = "scalars")]
    pub(super) labels: BTreeMap<String, String>,
    #[serde(deserialize_with = "scalars")]
    pub(super) annotations: BTreeMap<String, String>,
    pub(super) field_specs: Vec<FieldSpec>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct ImageTag {
    #[serde(deserialize_with = "image")]
    pub(super) image_tag: Image,
    pub(super) field_specs: Vec<FieldSpec>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ReplicaCount {
    pub(super) replica: Replica,
    #[serde(default)]
    pub(super) field_specs: Vec<FieldSpec>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Patch {
    pub(super) path: Option<String>,
    pub(super) patch: Option<String>,
    pub(super) json_op: Option<String>,
    pub(super) target: Option<Target>,
    pub(super) options: BTreeMap<String, bool>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct StrategicMerge {
    pub(super) paths: Vec<String>,
    pub(super) patches: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Replacements {
    pub(super) replacements: Vec<Value>,
}

/// Numbers and booleans are texts where a text is wanted, as `sigs.k8s.io/yaml` reads them.
pub(super) fn scalar<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    match Value::deserialize(from)? {
        Value::Null => Ok(String::new()),
        Value::String(text) => Ok(text),
        value if value.is_number() || value.is_boolean() => Ok(go_encoding::json::to_string(&value)),
        _ => Err(D::Error::custom("a text is wanted, not a mapping or list")),
    }
}

fn scalars<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeMap<String, String>, D::Error> {
    let fields = Option::<BTreeMap<String, Value>>::deserialize(from)?.unwrap_or_default();
    fields.into_iter().map(|(key, value)| Ok((key, scalar(value).map_err(D::Error::custom)?))).collect()
}

fn image<'de, D: Deserializer<'de>>(from: D) -> Result<Image, D::Error> {
    let fields: Map<String, Value> = scalars(from)?.into_iter().map(|(key, text)| (key, Value::from(text))).collect();
    crate::folded::from_value(Value::Object(fields)).map_err(D::Error::custom)
}
