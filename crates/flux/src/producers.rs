//! What makes a ConfigMap or Secret in the cluster without being one: an ExternalSecret, a Certificate, a SealedSecret; or one of another
//! namespace that a controller copies.

use serde_json::Value;

use crate::fields::{group, items, kind, name, namespace, text};
use crate::tree::{Located, Tree};

/// Fields in which custom resources name the Secret or ConfigMap that their controller writes.
const TARGETS: &[&[&str]] = &[
    &["spec", "target", "name"],
    &["spec", "secretName"],
    &["spec", "destination", "name"],
    &["spec", "secret", "name"],
    &["spec", "secretRef", "name"],
    &["spec", "secretTemplate", "metadata", "name"],
    &["spec", "template", "metadata", "name"],
    &["spec", "managedSecretReference", "secretName"],
    &["spec", "managedKubeSecretReference", "secretName"],
    &["spec", "writeConnectionSecretToRef", "name"],
    &["spec", "writeSecretToRef", "name"],
    &["spec", "output", "name"],
];

/// Annotations by which kubernetes-reflector and kubernetes-replicator copy an object into other namespaces.
const COPIES: [&str; 2] = ["reflector.v1.k8s.emberstack.com/reflection-", "replicator.v1.mittwald.de/replicat"];

/// Returns the object of the tree that makes the wanted one, if one does.
pub(crate) fn of<'a>(tree: &'a Tree, of_kind: &str, inside: &str, wanted: &str) -> Option<&'a Located> {
    tree.located().find(|located| {
        let value = &located.object.value;
        let is_plain = ["toolkit.fluxcd.io", ".k8s.io"].iter().any(|end| group(value).ends_with(end));
        let is_custom = group(value).contains('.') && !is_plain;
        is_custom && makes(value, of_kind, inside, wanted) || is_copied(value, of_kind, wanted)
    })
}

fn is_copied(value: &Value, of_kind: &str, wanted: &str) -> bool {
    let annotations = || value.pointer("/metadata/annotations").and_then(Value::as_object).into_iter().flatten();
    let asks = || annotations().any(|(key, _)| COPIES.iter().any(|copies| key.starts_with(copies)));
    group(value).is_empty() && kind(value) == of_kind && name(value) == wanted && asks()
}

/// Returns whether an object makes sources of others, which only source-watcher does.
pub(crate) fn is_generator(value: &Value) -> bool {
    group(value) == "source.extensions.fluxcd.io" && kind(value) == "ArtifactGenerator"
}

/// Returns the ArtifactGenerator that makes an ExternalArtifact, if one of the tree does.
pub(crate) fn of_artifact<'a>(tree: &'a Tree, inside: &str, wanted: &str) -> Option<&'a Located> {
    tree.located().find(|located| {
        let value = &located.object.value;
        let is_there = is_generator(value) && namespace(value) == inside;
        is_there && items(value, &["spec", "artifacts"]).iter().any(|artifact| text(artifact, &["name"]) == Some(wanted))
    })
}

fn makes(value: &Value, of_kind: &str, inside: &str, wanted: &str) -> bool {
    // A ClusterExternalSecret and its like write into several namespaces.
    let is_there = namespace(value) == inside || kind(value).starts_with("Cluster");
    let is_for = of_kind == "Secret" || !kind(value).contains("Secret");
    is_there && is_for && (name(value) == wanted || TARGETS.iter().any(|path| text(value, path) == Some(wanted)))
}
