//! Which lists of built-in kinds merge by which keys: the schema of Kubernetes 1.21.2 that kustomize 5.8.1 carries, as far as it matters.
//!
//! `merge.txt` lists API version, kind and type of each kind, then, after an empty line, one type a line with its fields: `name>TYPE`,
//! `name[]>TYPE` for lists that are replaced, `name{}>TYPE` for maps, `name*KEY,KEY>TYPE` for lists that merge.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use serde_json::Value;

use crate::openapi::{self, OpenApi};
use crate::scalar::text_at;

const TEXT: &str = include_str!("merge.txt");

struct Table {
    kinds: BTreeMap<(&'static str, &'static str), usize>,
    types: Vec<BTreeMap<&'static str, Field>>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Shape {
    Object,
    List,
    Map,
}

/// A field of a type.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Field {
    shape: Shape,
    keys: Option<&'static str>,
    target: Option<usize>,
}

/// What is known of a value.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Schema<'a> {
    /// Nothing: its own kind may tell.
    Unknown(&'a OpenApi),
    /// Nothing in it merges.
    Opaque,
    Type(usize),
    Field(Field),
    /// What the file says that `openapi` names.
    Custom(&'a OpenApi, &'a Value),
}

fn table() -> &'static Table {
    static TABLE: OnceLock<Table> = OnceLock::new();
    TABLE.get_or_init(|| {
        let (kinds, types) = TEXT.split_once("\n\n").unwrap_or((TEXT, ""));
        let kind = |line: &'static str| {
            let mut words = line.split(' ');
            Some(((words.next()?, words.next()?), words.next()?.parse().ok()?))
        };
        let fields = |line: &'static str| line.split(' ').filter_map(field).collect();
        Table { kinds: kinds.lines().filter_map(kind).collect(), types: types.lines().map(fields).collect() }
    })
}

fn field(text: &'static str) -> Option<(&'static str, Field)> {
    let (name, target) = text.split_once('>')?;
    let target = target.parse().ok();
    let (name, shape, keys) = match name.split_once('*') {
        Some((name, keys)) => (name, Shape::List, Some(keys)),
        None => match (name.strip_suffix("[]"), name.strip_suffix("{}")) {
            (Some(name), _) => (name, Shape::List, None),
            (_, Some(name)) => (name, Shape::Map, None),
            _ => (name, Shape::Object, None),
        },
    };
    Some((name, Field { shape, keys, target }))
}

impl<'a> Schema<'a> {
    /// Returns what the kind of an object tells, where nothing else is known.
    pub(crate) fn or_of(self, value: Option<&Value>) -> Schema<'a> {
        let (Schema::Unknown(openapi), Some(value)) = (self, value) else { return self };
        let (api, kind) = (text_at(value, &["apiVersion"]), text_at(value, &["kind"]));
        if api.is_empty() || kind.is_empty() {
            return self;
        }
        if let Some(definition) = openapi.definition(api, kind) {
            return Schema::Custom(openapi, definition);
        }
        let carried = table().kinds.get(&(api, kind)).filter(|_| openapi.has_carried());
        carried.map_or(self, |at| Schema::Type(*at))
    }

    /// Returns what is known of a field.
    pub(crate) fn field(self, name: &str) -> Schema<'a> {
        let of = |target: Option<usize>| target.map_or(Schema::Opaque, Schema::Type);
        match self {
            Schema::Unknown(_) | Schema::Opaque => self,
            Schema::Custom(openapi, schema) => Schema::custom(openapi, openapi::field(openapi, schema, name)),
            Schema::Type(at) => table().types[at].get(name).map_or(Schema::Opaque, |field| Schema::Field(*field)),
            Schema::Field(Field { shape: Shape::Object, target: Some(at), .. }) => Schema::Type(at).field(name),
            Schema::Field(Field { shape: Shape::Map, target, .. }) => of(target),
            Schema::Field(_) => Schema::Opaque,
        }
    }

    fn custom(openapi: &'a OpenApi, found: Option<&'a Value>) -> Schema<'a> {
        found.map_or(Schema::Unknown(openapi), |schema| Schema::Custom(openapi, schema))
    }

    /// Returns what is known of the elements of a list.
    pub(crate) fn element(self) -> Schema<'a> {
        match self {
            Schema::Field(Field { shape: Shape::List, target: Some(at), .. }) => Schema::Type(at),
            Schema::Unknown(_) => self,
            Schema::Custom(openapi, schema) => Schema::custom(openapi, openapi::element(openapi, schema)),
            _ => Schema::Opaque,
        }
    }

    /// Returns the keys by which a list merges; none for one of scalars. Nothing for a list that is replaced.
    pub(crate) fn merge_keys(self) -> Option<Vec<&'a str>> {
        match self {
            Schema::Field(Field { keys: Some(keys), .. }) => Some(keys.split(',').filter(|key| !key.is_empty()).collect()),
            Schema::Custom(_, schema) => openapi::merge_keys(schema),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn keys_of_a_pod() {
        let openapi = OpenApi::default();
        let pod = Schema::Unknown(&openapi).or_of(Some(&json!({"apiVersion": "v1", "kind": "Pod"})));
        let containers = pod.field("spec").field("containers");
        assert_eq!(containers.merge_keys(), Some(vec!["name"]));
        assert_eq!(containers.element().field("ports").merge_keys(), Some(vec!["containerPort", "protocol"]));
        assert_eq!(containers.element().field("args").merge_keys(), None);
        assert_eq!(pod.field("metadata").field("finalizers").merge_keys(), Some(vec![]));
        assert_eq!(Schema::Unknown(&openapi).field("spec").merge_keys(), None);
    }
}
