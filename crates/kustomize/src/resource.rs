//! An object on its way through a build, with the names it had before.

use serde_json::{Map, Value};

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
}

impl Resource {
    pub(crate) fn new(value: Value, file: &str, line: usize) -> Resource {
        Resource {
            value,
            file: file.to_string(),
            line,
            previous: Vec::new(),
            prefixes: Vec::new(),
            suffixes: Vec::new(),
            needs_hash: false,
        }
    }

    fn text(&self, path: &[&str]) -> &str {
        path.iter().try_fold(&self.value, |value, key| value.get(key)).and_then(Value::as_str).unwrap_or("")
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
        crate::is_cluster_scoped(self.group(), self.kind())
    }

    pub(crate) fn id(&self) -> Id {
        Id { kind: self.kind().to_string(), name: self.name().to_string(), namespace: effective(self.namespace()).to_string() }
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
        }
    }

    pub(crate) fn set_name(&mut self, name: &str) {
        self.metadata().insert("name".to_string(), Value::from(name));
    }

    pub(crate) fn set_namespace(&mut self, namespace: &str) {
        self.metadata().insert("namespace".to_string(), Value::from(namespace));
    }

    fn metadata(&mut self) -> &mut Map<String, Value> {
        object(object(&mut self.value).entry("metadata").or_insert(Value::Null))
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
        map.into_iter().flatten().filter_map(|(key, value)| Some((key.as_str(), value.as_str()?)))
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
