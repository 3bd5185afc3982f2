//! Single objects of a tree as kustomize-controller applies them.

use serde_json::Value;

use crate::fields::{group, kind, name, text};
use crate::tree::{Located, Tree, owned};

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
}
