//! From the documents of a manifest to objects that can be applied.

use helm::Document;
use serde_json::{Map, Value, json};

use super::{ReleaseError, Wanted};
use crate::cluster::Cluster;
use crate::error::Error;
use crate::object::ObjectRef;

/// Parses documents into objects, lists flattened, in their order. Documents of comments only give nothing.
pub(super) fn parse<'a>(documents: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Vec<Value>, ReleaseError> {
    let mut objects = Vec::new();
    for (path, text) in documents {
        let wrong = |message: String| ReleaseError::Document { path: path.into(), message };
        for document in go_encoding::yaml::documents(text).map_err(|error| wrong(error.to_string()))? {
            match document.value {
                Value::Null => {}
                Value::Object(mut list) if is_list(&list) => {
                    if let Some(Value::Array(items)) = list.remove("items") {
                        objects.extend(items);
                    }
                }
                object => {
                    if ObjectRef::of(&object).is_none() {
                        return Err(wrong("a document needs apiVersion, kind and metadata.name".into()));
                    }
                    objects.push(object);
                }
            }
        }
    }
    Ok(objects)
}

fn is_list(object: &serde_json::Map<String, Value>) -> bool {
    object.get("kind").and_then(Value::as_str).is_some_and(|kind| kind.ends_with("List")) && object.contains_key("items")
}

/// Parses rendered documents. Helm reads them back from the manifest, where a line end follows each: a text that keeps its last ones
/// (`|+`) has that one too.
pub(super) fn of_documents(documents: &[Document]) -> Result<Vec<Value>, ReleaseError> {
    let texts: Vec<(&str, String)> = documents.iter().map(|document| (document.path.as_str(), format!("{}\n", document.text))).collect();
    parse(texts.iter().map(|(path, text)| (*path, text.as_str())))
}

/// Parses the manifest of a stored release.
pub(super) fn of_manifest(manifest: &str) -> Result<Vec<Value>, ReleaseError> {
    parse([("the stored manifest", manifest)])
}

/// Returns an object's name with the namespace it will have.
pub(super) async fn reference(cluster: &Cluster, object: &Value, namespace: &str) -> Result<ObjectRef, Error> {
    match cluster.target(object, Some(namespace)).await {
        Ok((reference, _)) => Ok(reference),
        // The kind is not served (any more): it is still the object's name.
        Err(Error::NoKind { .. }) => {
            let mut reference = ObjectRef::of(object).ok_or_else(|| Error::Invalid("an object without a name".into()))?;
            reference.namespace.get_or_insert_with(|| namespace.into());
            Ok(reference)
        }
        Err(error) => Err(error),
    }
}

/// Marks an object as the release's own, as Helm does (`pkg/action/validate.go`, setMetadataVisitor). The stored manifest has no such marks.
pub(super) fn stamp(object: &mut Value, wanted: &Wanted) {
    label(object, &Map::from_iter([("app.kubernetes.io/managed-by".to_owned(), "Helm".into())]));
    let metadata = &mut object["metadata"];
    if !metadata["annotations"].is_object() {
        metadata["annotations"] = json!({});
    }
    metadata["annotations"]["meta.helm.sh/release-name"] = wanted.name.as_str().into();
    metadata["annotations"]["meta.helm.sh/release-namespace"] = wanted.namespace.as_str().into();
}

/// Adds labels to an object.
pub(super) fn label(object: &mut Value, labels: &Map<String, Value>) {
    if labels.is_empty() {
        return;
    }
    let all = &mut object["metadata"]["labels"];
    if !all.is_object() {
        *all = json!({});
    }
    if let Some(all) = all.as_object_mut() {
        all.extend(labels.clone());
    }
}

/// Returns the release that an object belongs to, if it is another one.
pub(super) fn foreign_owner(live: &Value, wanted: &Wanted) -> Option<String> {
    let annotation = |key: &str| live.pointer(&format!("/metadata/annotations/meta.helm.sh~1{key}")).and_then(Value::as_str);
    let (name, namespace) = (annotation("release-name")?, annotation("release-namespace").unwrap_or_default());
    (name != wanted.name || namespace != wanted.namespace).then(|| format!("{namespace}/{name}"))
}

/// Tells whether an object is marked as the release's own.
pub(super) fn is_owned(live: &Value, wanted: &Wanted) -> bool {
    let is_marked = live.pointer("/metadata/annotations/meta.helm.sh~1release-name").is_some();
    is_marked && foreign_owner(live, wanted).is_none()
}

/// Tells whether an object stays when its release no longer has it.
pub(super) fn is_kept(live: &Value) -> bool {
    live.pointer("/metadata/annotations/helm.sh~1resource-policy").and_then(Value::as_str).is_some_and(|policy| policy.trim() == "keep")
}
