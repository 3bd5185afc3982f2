//! Digests that helm-controller keeps in the status of a HelmRelease (`fluxcd/pkg/chartutil`, `internal/postrender/build.go`).

use go_encoding::{json, yaml};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

/// Returns the digest of composed values (`fluxcd/pkg/chartutil` `digest.go`): over their YAML, over nothing where there are none.
pub fn config_digest(values: &Map<String, Value>) -> String {
    let text = if values.is_empty() { String::new() } else { yaml::to_string(&json::map_as_integers(values)) };
    sha256(text.as_bytes())
}

/// Returns the digest of `spec.postRenderers`; nothing where the field is not set.
pub fn post_renderers_digest(post_renderers: Option<&Value>) -> Option<String> {
    let value = post_renderers.filter(|value| !value.is_null())?;
    Some(sha256(format!("{}\n", ordered(value, POST_RENDERER)).as_bytes()))
}

/// Returns the digest of `spec.commonMetadata`; nothing where the field is not set.
pub fn common_metadata_digest(common_metadata: Option<&Value>) -> Option<String> {
    let value = common_metadata.filter(|value| !value.is_null())?;
    Some(sha256(format!("{}\n", ordered(value, COMMON_METADATA)).as_bytes()))
}

/// Returns the SHA-256 of bytes as digests are written.
pub fn sha256(bytes: &[u8]) -> String {
    format!("sha256:{}", hex(&Sha256::digest(bytes)))
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A Go struct: its fields in order, those under it.
struct Shape(&'static [(&'static str, Option<&'static Shape>)]);

const COMMON_METADATA: &Shape = &Shape(&[("annotations", None), ("labels", None)]);

/// `PostRenderer` of helm-controller's `api/v2`, with the types of `fluxcd/pkg/apis/kustomize`.
const POST_RENDERER: &Shape = &Shape(&[("kustomize", Some(&Shape(&[("patches", Some(PATCH)), ("images", Some(IMAGE))])))]);

const PATCH: &Shape = &Shape(&[
    ("patch", None),
    (
        "target",
        Some(&Shape(&[
            ("group", None),
            ("version", None),
            ("kind", None),
            ("namespace", None),
            ("name", None),
            ("annotationSelector", None),
            ("labelSelector", None),
        ])),
    ),
]);

const IMAGE: &Shape = &Shape(&[("name", None), ("newName", None), ("newTag", None), ("digest", None)]);

/// Writes JSON with the fields in the order of Go's struct; empty ones are left out, as `omitempty` does.
fn ordered(value: &Value, shape: &Shape) -> String {
    match value {
        Value::Array(items) => format!("[{}]", items.iter().map(|item| ordered(item, shape)).collect::<Vec<_>>().join(",")),
        Value::Object(map) => {
            let fields = shape.0.iter().filter_map(|(name, inner)| {
                let value = map.get(*name).filter(|value| !is_empty(value))?;
                let text = inner.map_or_else(|| go_encoding::json::to_string(value), |inner| ordered(value, inner));
                Some(format!("{}:{text}", go_encoding::json::to_string(&Value::from(*name))))
            });
            format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
        }
        value => go_encoding::json::to_string(value),
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.is_empty(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn digests_of_values() {
        let empty = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        let digest = |values: Value| config_digest(values.as_object().unwrap());
        assert_eq!(digest(json!({})), empty);
        let ports = json!([{"port": 8080, "protocol": "TCP"}, {"port": 9090, "protocol": "UDP"}]);
        let values = json!({"image": {"repository": "nginx", "tag": "latest"}, "ports": ports, "replicas": 3});
        assert_eq!(digest(values), "sha256:fcdc2b0de1581a3633ada4afee3f918f6eaa5b5ab38c3fef03d5b48d3f85d9f6");
    }

    #[test]
    fn fields_are_in_the_order_of_go() {
        let value =
            json!([{"kustomize": {"images": [{"newTag": "v1", "name": "a<"}], "patches": [{"target": {"kind": "X"}, "patch": "p"}]}}]);
        let expected = r#"[{"kustomize":{"patches":[{"patch":"p","target":{"kind":"X"}}],"images":[{"name":"a\u003c","newTag":"v1"}]}}]"#;
        assert_eq!(ordered(&value, POST_RENDERER), expected);
        assert_eq!(post_renderers_digest(None), None);
    }
}
