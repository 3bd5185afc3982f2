//! The schema that says which lists merge and which kinds live outside namespaces: the one kustomize carries, or the file that `openapi`
//! names (`kyaml/openapi/openapi.go`).
//!
//! A file replaces the schema that kustomize carries. Only one that a base names, after something asked the carried schema already, is added
//! to it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;

use crate::kinds;

/// The only version of Kubernetes whose schema kustomize 5.8.1 carries.
const CARRIED: &str = "v1.21.2";

/// How many references a schema may follow to reach one field.
const MAX_REFERENCES: usize = 64;

/// The schema of one build. The first kustomization that chooses one decides.
#[derive(Debug, Default)]
pub(crate) struct OpenApi {
    custom: Option<Custom>,
    is_carried_left_out: bool,
    is_chosen: bool,
    is_asked: AtomicBool,
}

/// A schema of a file.
#[derive(Debug, Default)]
struct Custom {
    root: Value,
    /// The definition of an API version and kind.
    kinds: HashMap<(String, String), String>,
    /// Whether objects of an API version and kind live inside namespaces.
    is_namespaced: HashMap<(String, String), bool>,
}

impl OpenApi {
    pub(crate) fn is_chosen(&self) -> bool {
        self.is_chosen
    }

    /// Returns the schema after a kustomization asked for a version of Kubernetes.
    pub(crate) fn with_version(&self, version: &str) -> Result<OpenApi, String> {
        if version != CARRIED {
            return Err(format!("openapi: {version:?} is no version whose schema kustomize carries; it has {CARRIED}"));
        }
        Ok(OpenApi { is_chosen: true, is_asked: AtomicBool::new(self.was_asked()), ..OpenApi::default() })
    }

    /// Returns the schema after a kustomization named a file with this text.
    pub(crate) fn with_file(&self, text: &[u8]) -> Result<OpenApi, String> {
        let custom = Some(Custom::parse(text)?);
        Ok(OpenApi { custom, is_carried_left_out: !self.was_asked(), is_chosen: true, is_asked: AtomicBool::new(false) })
    }

    fn was_asked(&self) -> bool {
        self.is_asked.load(Ordering::Relaxed)
    }

    fn note(&self) {
        self.is_asked.store(true, Ordering::Relaxed);
    }

    /// Returns whether objects of a version and kind certainly live outside namespaces.
    pub(crate) fn is_outside(&self, api_version: &str, kind: &str) -> bool {
        if let Some(is_namespaced) = kinds::is_known_namespaced(api_version, kind) {
            return !is_namespaced;
        }
        self.note();
        let Some(custom) = &self.custom else { return false };
        custom.is_namespaced.get(&(api_version.to_string(), kind.to_string())) == Some(&false)
    }

    /// Returns the definition of a kind in the file.
    pub(crate) fn definition(&self, api_version: &str, kind: &str) -> Option<&Value> {
        self.note();
        let custom = self.custom.as_ref()?;
        let name = custom.kinds.get(&(api_version.to_string(), kind.to_string()))?;
        custom.root.get("definitions")?.get(name)
    }

    /// Returns whether the schema that kustomize carries counts.
    pub(crate) fn has_carried(&self) -> bool {
        !self.is_carried_left_out
    }

    /// Follows the references of a schema; nothing where one leads nowhere.
    pub(crate) fn resolved<'a>(&'a self, mut schema: &'a Value) -> Option<&'a Value> {
        for _ in 0..MAX_REFERENCES {
            let Some(reference) = schema.get("$ref").and_then(Value::as_str).filter(|reference| !reference.is_empty()) else {
                return Some(schema);
            };
            schema = self.custom.as_ref()?.root.pointer(reference.strip_prefix('#')?)?;
        }
        None
    }
}

impl Custom {
    fn parse(text: &[u8]) -> Result<Custom, String> {
        let text = std::str::from_utf8(text).map_err(|_| "the schema is not UTF-8 text")?;
        let root: Value = match text.starts_with('{') {
            true => serde_json::from_str(text).map_err(|error| format!("the schema is not JSON: {error}"))?,
            false => go_encoding::yaml::parse(text).map_err(|error| format!("the schema is not YAML: {error}"))?,
        };
        if !root.is_object() {
            return Err("a schema must be a mapping with definitions".to_string());
        }
        let mut custom = Custom::default();
        for (name, definition) in fields(&root, "definitions") {
            let named = definition.get("x-kubernetes-group-version-kind").and_then(Value::as_array);
            for kind in named.into_iter().flatten().filter_map(kind_of) {
                custom.kinds.insert(kind, name.clone());
            }
        }
        for (path, item) in fields(&root, "paths") {
            let Some(kind) = item.pointer("/get/x-kubernetes-group-version-kind").and_then(kind_of) else { continue };
            let is_namespaced = path.contains("namespaces/{namespace}");
            *custom.is_namespaced.entry(kind).or_default() |= is_namespaced;
        }
        custom.root = root;
        Ok(custom)
    }
}

fn fields<'a>(value: &'a Value, name: &str) -> impl Iterator<Item = (&'a String, &'a Value)> {
    value.get(name).and_then(Value::as_object).into_iter().flatten()
}

/// Reads an API version and a kind.
fn kind_of(value: &Value) -> Option<(String, String)> {
    let text = |key: &str| value.get(key).and_then(Value::as_str);
    let (version, kind) = (text("version")?, text("kind")?);
    let api_version = match text("group") {
        None | Some("") => version.to_string(),
        Some(group) => format!("{group}/{version}"),
    };
    Some((api_version, kind.to_string()))
}

/// Returns the schema of a field of a custom schema; nothing where it says nothing.
pub(crate) fn field<'a>(openapi: &'a OpenApi, schema: &'a Value, name: &str) -> Option<&'a Value> {
    let property = schema.get("properties").and_then(|properties| properties.get(name));
    let found = property.or_else(|| schema.get("additionalProperties").filter(|any| any.is_object()))?;
    openapi.resolved(found)
}

/// Returns the schema of the elements of a list of a custom schema.
pub(crate) fn element<'a>(openapi: &'a OpenApi, schema: &'a Value) -> Option<&'a Value> {
    let is_list = match schema.get("type")? {
        Value::Array(types) => types.len() == 1 && types[0] == "array",
        name => name == "array",
    };
    let items = schema.get("items").filter(|items| is_list && items.is_object())?;
    openapi.resolved(items)
}

/// Returns the keys by which a list of a custom schema merges, if it does.
pub(crate) fn merge_keys(schema: &Value) -> Option<Vec<&str>> {
    let strategy = schema.get("x-kubernetes-patch-strategy")?.as_str()?;
    if !strategy.split(',').any(|one| one == "merge") {
        return None;
    }
    if let Some(keys) = schema.get("x-kubernetes-list-map-keys").and_then(Value::as_array) {
        return Some(keys.iter().filter_map(Value::as_str).collect());
    }
    Some(schema.get("x-kubernetes-patch-merge-key").and_then(Value::as_str).into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::merge_keys::Schema;
    use serde_json::json;

    const SCHEMA: &str = r##"{"definitions": {
        "x": {"x-kubernetes-group-version-kind": [{"group": "x.io", "version": "v1", "kind": "X"}], "properties": {"spec": {"$ref": "#/definitions/s"}}},
        "s": {"properties": {"l": {"type": "array", "items": {"$ref": "#/definitions/loop"}, "x-kubernetes-patch-strategy": "merge", "x-kubernetes-patch-merge-key": "id"}}},
        "loop": {"$ref": "#/definitions/loop"}},
      "paths": {"/apis/x.io/v1/x": {"get": {"x-kubernetes-group-version-kind": {"group": "x.io", "version": "v1", "kind": "X"}}}}}"##;

    #[test]
    fn a_file_replaces_what_is_carried_unless_that_was_asked() {
        let pod = json!({"apiVersion": "v1", "kind": "Pod"});
        let keys = |openapi: &OpenApi| Schema::Unknown(openapi).or_of(Some(&pod)).field("spec").field("containers").merge_keys().is_some();
        let (fresh, asked) = (OpenApi::default(), OpenApi::default());
        assert!(keys(&asked) && !keys(&fresh.with_file(SCHEMA.as_bytes()).unwrap()) && keys(&asked.with_file(SCHEMA.as_bytes()).unwrap()));
    }

    #[test]
    fn keys_and_scope_of_a_custom_kind() {
        let openapi = OpenApi::default().with_file(SCHEMA.as_bytes()).unwrap();
        let list = Schema::Unknown(&openapi).or_of(Some(&json!({"apiVersion": "x.io/v1", "kind": "X"}))).field("spec").field("l");
        assert_eq!(list.merge_keys(), Some(vec!["id"]));
        assert!(matches!(list.element(), Schema::Unknown(_)), "a schema that refers to itself says nothing");
        assert!(openapi.is_outside("x.io/v1", "X") && !openapi.is_outside("x.io/v2", "X") && openapi.is_outside("v1", "Namespace"));
        assert!(openapi.with_version("v1.20.4").is_err() && OpenApi::default().with_file(b"").is_err());
    }
}
