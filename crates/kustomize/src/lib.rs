//! kustomize build, as far as Flux trees use it: resources, components, generators and the built-in transformers, over files that
//! the caller provides. It reads no network and no disk, runs no plugins but the built-in ones and inflates no charts.
//!
//! Mirrors `sigs.k8s.io/kustomize/api` of kustomize v5, and `fluxcd/pkg/kustomize` where a folder has no kustomization file.

mod accumulate;
mod config;
mod crds;
mod error;
mod fields;
mod folded;
mod generate;
mod json_patch;
mod keys;
mod kinds;
mod kustomization;
mod merge_keys;
mod openapi;
mod origin;
mod output;
mod patches;
mod path;
mod plugins;
mod read;
mod references;
mod replacements;
mod resource;
mod scalar;
mod selector;
mod strategic;
mod transform;
mod transformers;
mod vars;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;

pub use error::Error;
pub use kinds::{is_built_in_group, is_cluster_scoped};
pub use kustomization::FILE_NAMES as KUSTOMIZATION_FILES;
pub use kustomization::{Image, Overlay, PatchEntry, Target};
pub use path::join as join_path;
pub use read::{Manifest, manifests};
pub use selector::Whole;

/// The files of a repository. Paths are relative to its root, separated by `/`; the root is the empty path. Callers normalise: no path
/// is absolute or holds `..`.
pub trait Files {
    /// Returns the content of a file; nothing if there is no such file. The error is a message without the path.
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, String>;

    /// Returns what is in a folder, sorted by name; nothing if there is no such folder.
    fn list(&self, folder: &str) -> Result<Option<Vec<Entry>>, String>;

    /// Returns the content of a file that a Secret, under the key `name`, or a patch is made of: what may be encrypted in the repository.
    fn read_private(&self, path: &str, name: &str) -> Result<Option<Vec<u8>>, String> {
        let _ = name;
        self.read(path)
    }
}

/// One name in a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The name, without a path.
    pub name: String,
    /// Whether it is a folder, or a symbolic link to one.
    pub directory: bool,
    /// Whether it is a symbolic link.
    pub link: bool,
}

/// Files in memory, by path.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MemoryFiles(pub BTreeMap<String, Vec<u8>>);

impl Files for MemoryFiles {
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, String> {
        Ok(self.0.get(path).cloned())
    }

    fn list(&self, folder: &str) -> Result<Option<Vec<Entry>>, String> {
        let prefix = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        let mut names = BTreeSet::new();
        for path in self.0.keys().filter_map(|path| path.strip_prefix(&prefix)) {
            match path.split_once('/') {
                Some((directory, _)) => names.insert((directory.to_string(), true)),
                None => names.insert((path.to_string(), false)),
            };
        }
        let entries: Vec<Entry> = names.into_iter().map(|(name, directory)| Entry { name, directory, link: false }).collect();
        Ok(if entries.is_empty() && !folder.is_empty() { None } else { Some(entries) })
    }
}

/// An object of a build and where it was written.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Object {
    /// The object.
    pub value: Value,
    /// The file of the document it came from; of a generated object, the kustomization file.
    pub file: String,
    /// The line on which that document starts, counted from 1.
    pub line: usize,
    /// The patches that were applied to it, in order.
    pub changes: Vec<Change>,
}

/// A patch that was applied to an object.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// The file that holds it.
    pub file: String,
    /// The line of its text in that file: of the key where the text is inside another document, else of the document.
    pub line: usize,
    /// The text, where it is inside another document.
    pub text: Option<Arc<str>>,
    /// What it says: an object, or a list of operations.
    pub content: Arc<Value>,
}

/// What a kustomization names and is not in the repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Absent {
    /// Where it should be: a path, or an address.
    pub path: String,
    /// Whether kustomize fetches it from a network: then nothing is wrong with it.
    pub is_remote: bool,
    /// The kustomization file that lists it.
    pub listed_in: String,
    /// The line on which it is listed.
    pub line: usize,
    /// The column there, counted from 1.
    pub column: usize,
}

/// What a folder builds to.
#[derive(Debug, Clone, PartialEq)]
pub struct Build {
    /// The objects, in the order in which they were accumulated.
    pub objects: Vec<Object>,
    /// What is listed and not there. What is made of it, and patches of it, are left out.
    pub absent: Vec<Absent>,
    order: output::Order,
}

impl Build {
    /// Returns what `kustomize build` prints.
    pub fn to_yaml(&self) -> String {
        output::to_yaml(&self.objects, &self.order)
    }
}

/// Builds a folder as `kustomize build` does.
///
/// A folder without a kustomization file is built from all its manifests, as Flux does. Resources that are not there, and what is
/// elsewhere on a network, are collected; anything else that is wrong is an error with its place.
pub fn build(files: &dyn Files, folder: &str) -> Result<Build, Error> {
    build_with(files, folder, &Overlay::default())
}

/// Builds a folder with the fields of a Flux Kustomization merged into its kustomization file, as kustomize-controller does.
pub fn build_with(files: &dyn Files, folder: &str, overlay: &Overlay) -> Result<Build, Error> {
    accumulate::build(files, folder, overlay)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_of_memory_files() {
        let files = MemoryFiles([("a/b/c.yaml".to_string(), Vec::new()), ("a/z".to_string(), Vec::new())].into());
        let names =
            |folder: &str| files.list(folder).unwrap().map(|entries| entries.into_iter().map(|entry| entry.name).collect::<Vec<_>>());
        assert_eq!(names("a"), Some(vec!["b".to_string(), "z".to_string()]));
        assert_eq!((names("x"), names("").map(|names| names.len())), (None, Some(1)));
    }
}
