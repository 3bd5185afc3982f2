//! An object on its way through a build, with the names it had before.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::Change;
use crate::keys::Key;
use crate::kustomization::Place;
use crate::openapi::OpenApi;
use crate::scalar;

/// A name an object has or had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Id {
    pub(crate) kind: String,
    pub(crate) name: String,
    pub(crate) namespace: String,
}

/// An object with its history.
#[derive(Debug, Clone)]
pub(crate) struct Resource {
    pub(crate) value: Value,
    pub(crate) file: String,
    pub(crate) line: usize,
    /// Earlier identities, the oldest first.
    pub(crate) previous: Vec<Id>,
    pub(crate) prefixes: Vec<String>,
    pub(crate) suffixes: Vec<String>,
    pub(crate) needs_hash: bool,
    /// Fields that are one and the same node in kustomize, since one transformer put them there: what changes one changes all of them.
    pub(crate) shares: Vec<Vec<String>>,
    pub(crate) changes: Vec<Change>,
    /// The vars that are of one of its fields.
    pub(crate) vars: Vec<String>,
    /// Keys that are no texts: kustomize cannot print an object that still has one of them.
    pub(crate) keys: Vec<Key>,
    /// The schema in force.
    pub(crate) openapi: Arc<OpenApi>,
}

/// The annotation that stands for all of kustomize's own.
const NOTE: &str = "internal.config.kubernetes.io/note";

/// What stands for the namespace of objects that have none (`kyaml/resid`, TotallyNotANamespace).
pub(crate) const NO_NAMESPACE: &str = "_non_namespaceable_";

impl Resource {
    pub(crate) fn new(value: Value, file: &str, line: usize, openapi: &Arc<OpenApi>) -> Resource {
        Resource {
            value,
            file: file.to_string(),
            line,
            previous: Vec::new(),
            prefixes: Vec::new(),
            suffixes: Vec::new(),
            needs_hash: false,
            shares: Vec::new(),
            changes: Vec::new(),
            vars: Vec::new(),
            keys: Vec::new(),
            openapi: Arc::clone(openapi),
        }
    }

    fn text(&self, path: &[&str]) -> &str {
        scalar::text_at(&self.value, path)
    }

    pub(crate) fn kind(&self) -> &str {
        self.text(&["kind"])
    }

    pub(crate) fn group(&self) -> &str {
        group_of(self.text(&["apiVersion"]))
    }

    pub(crate) fn version(&self) -> &str {
        let api = self.text(&["apiVersion"]);
        api.rsplit_once('/').map_or(api, |(_, version)| version)
    }

    pub(crate) fn name(&self) -> &str {
        self.text(&["metadata", "name"])
    }

    pub(crate) fn namespace(&self) -> &str {
        self.text(&["metadata", "namespace"])
    }

    pub(crate) fn is_cluster_scoped(&self) -> bool {
        self.openapi.is_outside(self.text(&["apiVersion"]), self.kind())
    }

    pub(crate) fn id(&self) -> Id {
        let namespace = if self.is_cluster_scoped() { NO_NAMESPACE } else { effective(self.namespace()) };
        Id { kind: self.kind().to_string(), name: self.name().to_string(), namespace: namespace.to_string() }
    }

    /// Returns the identity it was read with.
    pub(crate) fn original(&self) -> Id {
        self.previous.first().cloned().unwrap_or_else(|| self.id())
    }

    /// Returns all identities, the oldest first, the present one last.
    pub(crate) fn ids(&self) -> Vec<Id> {
        let mut ids = self.previous.clone();
        ids.push(self.id());
        ids
    }

    /// Remembers the present identity before a change of name, namespace or kind.
    pub(crate) fn remember(&mut self) {
        let id = self.id();
        if self.previous.last() != Some(&id) {
            self.previous.push(id);
            crate::accumulate::drop_empty_annotations(&mut self.value);
        }
    }

    /// Puts a note among the annotations, where kustomize keeps its own: a patch that removes all of them removes what it knows.
    pub(crate) fn mark(&mut self) {
        if self.has_history() {
            object(self.metadata().entry("annotations").or_insert(Value::Null)).insert(NOTE.to_string(), Value::from(""));
        }
    }

    /// Takes the note back, and forgets everything where it is gone.
    pub(crate) fn unmark(&mut self) {
        let has_history = self.has_history();
        if !self.take_mark() && has_history {
            self.previous.clear();
            self.prefixes.clear();
            self.suffixes.clear();
            self.needs_hash = false;
        }
    }

    /// Takes the note back; returns whether it was there.
    pub(crate) fn take_mark(&mut self) -> bool {
        let annotations = self.value.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut);
        let is_there = annotations.is_some_and(|annotations| annotations.remove(NOTE).is_some());
        if is_there {
            crate::accumulate::drop_empty_annotations(&mut self.value);
        }
        is_there
    }

    fn has_history(&self) -> bool {
        !self.previous.is_empty() || !self.prefixes.is_empty() || !self.suffixes.is_empty() || self.needs_hash
    }

    /// Returns the values of shared fields.
    pub(crate) fn shared(&self) -> Vec<Vec<Option<Value>>> {
        let values = |group: &Vec<String>| group.iter().map(|pointer| self.value.pointer(pointer).cloned()).collect();
        self.shares.iter().map(values).collect()
    }

    /// Lets shared fields follow the one that was changed.
    pub(crate) fn follow(&mut self, before: &[Vec<Option<Value>>]) {
        for (group, before) in self.shares.clone().iter().zip(before) {
            let now = group.iter().map(|pointer| self.value.pointer(pointer).cloned());
            let changed = now.zip(before).rfind(|(now, before)| now.is_some() && now != *before);
            if let Some((Some(value), _)) = changed {
                self.set_all(group, &value);
            }
        }
    }

    fn set_all(&mut self, group: &[String], value: &Value) {
        for pointer in group {
            if let Some(field) = self.value.pointer_mut(pointer) {
                *field = value.clone();
            }
        }
    }

    /// Sets an entry of the mappings at some places; entries that are new become one.
    pub(crate) fn set_entry(&mut self, places: &[String], key: &str, value: &Value) -> Result<(), String> {
        let mut new = Vec::new();
        for place in places {
            let pointer = format!("{place}/{}", key.replace('~', "~0").replace('/', "~1"));
            if self.value.pointer(&pointer).is_some() {
                let group = self.shares.iter().find(|group| group.contains(&pointer)).cloned().unwrap_or_else(|| vec![pointer]);
                self.set_all(&group, value);
                continue;
            }
            if let Some(mapping) = self.value.pointer_mut(place) {
                if !scalar::is_null(mapping) && !mapping.is_object() {
                    return Err(format!("{}: {}: is no mapping", self.title(), place.trim_start_matches('/')));
                }
                object(mapping).insert(key.to_string(), value.clone());
                new.push(pointer);
            }
        }
        if new.len() > 1 {
            self.shares.push(new);
        }
        Ok(())
    }

    pub(crate) fn set_name(&mut self, name: &str) {
        scalar::set_field(self.metadata(), "name", name);
    }

    pub(crate) fn set_namespace(&mut self, namespace: &str) {
        scalar::set_field(self.metadata(), "namespace", namespace);
    }

    fn metadata(&mut self) -> &mut Map<String, Value> {
        object(object(&mut self.value).entry("metadata").or_insert(Value::Null))
    }

    /// Returns why kustomize cannot print it, and where that is written.
    pub(crate) fn unprintable(&self) -> Option<(Place, String)> {
        if let Some(text) = scalar::misfit(&self.value) {
            return Some((self.place(), format!("{text:?} does not fit where it was put")));
        }
        let key = self.keys.iter().find(|key| key.is_in(&self.value))?;
        Some((key.place.clone(), key.message()))
    }

    /// Notes that kustomize has written the keys of annotations anew, without quotes.
    pub(crate) fn unquote_annotations(&mut self) {
        let place = self.place();
        let keys: Vec<Key> =
            self.strings("annotations").filter_map(|(key, _)| Key::set(&["metadata", "annotations"], key, &place)).collect();
        self.keys.extend(keys);
    }

    /// Returns why kustomize cannot print annotations once it has written them anew, without quotes.
    pub(crate) fn unprintable_annotation(&self) -> Option<(Place, String)> {
        let place = self.place();
        if let Some(key) = self.strings("annotations").find_map(|(key, _)| Key::set(&["metadata", "annotations"], key, &place)) {
            return Some((place, key.message()));
        }
        let (key, _) = self.strings("annotations").find(|(_, text)| scalar::cannot_be_read_again(text))?;
        Some((place, format!("the annotation {key} starts with a tab, which kustomize writes into a block and cannot read again")))
    }

    fn place(&self) -> Place {
        Place { file: self.file.clone(), line: self.line, column: 1 }
    }

    /// Returns kind and name as errors show them.
    pub(crate) fn title(&self) -> String {
        match self.namespace() {
            "" => format!("{} {}", self.kind(), self.name()),
            namespace => format!("{} {namespace}/{}", self.kind(), self.name()),
        }
    }

    pub(crate) fn strings(&self, field: &str) -> impl Iterator<Item = (&str, &str)> {
        let map = self.value.get("metadata").and_then(|metadata| metadata.get(field)).and_then(Value::as_object);
        map.into_iter().flatten().filter_map(|(key, value)| Some((key.as_str(), scalar::written(value.as_str()?))))
    }
}

/// Returns a value as a map, which it becomes if it is none.
pub(crate) fn object(value: &mut Value) -> &mut Map<String, Value> {
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    value.as_object_mut().expect("it has just been made one")
}

pub(crate) fn group_of(api_version: &str) -> &str {
    api_version.rsplit_once('/').map_or("", |(group, _)| group)
}

/// Returns the namespace that an empty one stands for.
pub(crate) fn effective(namespace: &str) -> &str {
    if namespace.is_empty() { "default" } else { namespace }
}
