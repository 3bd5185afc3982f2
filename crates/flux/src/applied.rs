//! Single objects of a tree as kustomize-controller applies them.

use serde_json::Value;

use crate::fields::{group, kind, name, namespace, text};
use crate::tree::{Located, Tree, is_instance, owned};

impl Tree {
    /// Returns an object of the tree as kustomize-controller applies it: patched, with its variables filled in, decrypted, with its owner
    /// labels. Whatever version it is written in, it is the same object.
    ///
    /// An error says why its content is not known.
    pub fn applied_object(&self, in_group: &str, of_kind: &str, inside: Option<&str>, wanted: &str) -> Option<Result<Value, String>> {
        let is = |located: &&Located| {
            let value = &located.object.value;
            // What has no namespace is in none, whatever is said where its kind is not known.
            let is_there = text(value, &["metadata", "namespace"]).is_none_or(|own| Some(own) == inside);
            group(value) == in_group && kind(value) == of_kind && name(value) == wanted && is_there
        };
        let located = self.located().find(is)?;
        Some(match (located.encrypted(), located.unknown.first()) {
            (Some(why), _) => Err(why),
            (None, Some(unknown)) => Err(unknown.clone()),
            (None, None) => Ok(owned(located)),
        })
    }

    /// Returns the FluxInstance of the tree in the same form, where it is an object of its own and not made by a HelmRelease.
    pub fn flux_instance(&self) -> Option<Result<Value, String>> {
        let instance = &self.located().find(|located| is_instance(&located.object.value))?.object.value;
        self.applied_object(group(instance), kind(instance), Some(namespace(instance)), name(instance))
    }
}
