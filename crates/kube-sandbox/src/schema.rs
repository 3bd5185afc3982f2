//! The shapes of objects: one tree for built-in types and for the schemas of custom resource definitions.
//!
//! A schema says what server-side apply, strategic merge, pruning, defaulting and validation need. It is read from OpenAPI as an API server
//! publishes it; CEL rules, `not`, `anyOf` and `oneOf` are accepted and not enforced.

use std::collections::{BTreeMap, HashMap};
use std::io::Read;
use std::sync::OnceLock;

use flate2::read::GzDecoder;
use regex::Regex;
use serde_json::{Map, Value};

/// What a list is to server-side apply.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) enum ListType {
    #[default]
    Atomic,
    Set,
    Map(Vec<String>),
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Shape {
    #[default]
    Any,
    Object,
    List,
    String,
    Integer,
    Number,
    Boolean,
    /// A scalar with several spellings: `IntOrString`, `Quantity`.
    Mixed,
}

/// How strategic merge patch treats a field.
#[derive(Debug, Clone, Default)]
pub(crate) struct MergeStrategy {
    pub(crate) merge: bool,
    pub(crate) key: Option<String>,
}

/// A regular expression, compiled when a value is first held against it.
#[derive(Debug, Clone)]
pub(crate) struct Pattern {
    pub(crate) source: String,
    compiled: OnceLock<Option<Regex>>,
}

impl Pattern {
    fn new(source: &str) -> Pattern {
        Pattern { source: source.to_owned(), compiled: OnceLock::new() }
    }

    /// Tells whether a text matches; a pattern that is no regular expression matches everything.
    pub(crate) fn matches(&self, text: &str) -> bool {
        let compiled = self.compiled.get_or_init(|| Regex::new(&self.source).ok());
        compiled.as_ref().is_none_or(|regex| regex.is_match(text))
    }
}

/// The value rules of a custom resource's schema.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rules {
    pub(crate) choices: Vec<Value>,
    pub(crate) minimum: Option<f64>,
    pub(crate) maximum: Option<f64>,
    pub(crate) exclusive_minimum: bool,
    pub(crate) exclusive_maximum: bool,
    pub(crate) multiple_of: Option<f64>,
    pub(crate) min_length: Option<u64>,
    pub(crate) max_length: Option<u64>,
    pub(crate) pattern: Option<Pattern>,
    pub(crate) min_items: Option<u64>,
    pub(crate) max_items: Option<u64>,
    pub(crate) unique_items: bool,
    pub(crate) min_properties: Option<u64>,
    pub(crate) max_properties: Option<u64>,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Schema {
    reference: Option<String>,
    pub(crate) shape: Shape,
    pub(crate) fields: BTreeMap<String, Schema>,
    pub(crate) values: Option<Box<Schema>>,
    pub(crate) items: Option<Box<Schema>>,
    pub(crate) list: ListType,
    pub(crate) atomic_map: bool,
    pub(crate) required: Vec<String>,
    pub(crate) default: Option<Value>,
    pub(crate) preserve_unknown: bool,
    declared_open: bool,
    pub(crate) embedded: bool,
    pub(crate) nullable: bool,
    pub(crate) strategy: MergeStrategy,
    pub(crate) format: Option<String>,
    pub(crate) rules: Option<Box<Rules>>,
}

/// What the table of built-in kinds and types says.
pub(crate) struct Table {
    pub(crate) groups: Vec<Value>,
    types: HashMap<String, Schema>,
    by_kind: HashMap<(String, String, String), String>,
}

/// Returns the built-in table, unpacked once a process.
pub(crate) fn table() -> &'static Table {
    static TABLE: OnceLock<Table> = OnceLock::new();
    TABLE.get_or_init(|| {
        let packed: &[u8] = include_bytes!("kubernetes.json.gz");
        let mut text = String::new();
        GzDecoder::new(packed).read_to_string(&mut text).expect("the committed table unpacks");
        let table: Value = serde_json::from_str(&text).expect("the committed table is JSON");
        read_table(&table)
    })
}

fn read_table(table: &Value) -> Table {
    let mut types = HashMap::new();
    let mut by_kind = HashMap::new();
    for (name, schema) in table["types"].as_object().into_iter().flatten() {
        // Options of requests carry every group and version; only objects have exactly one.
        if let Some([gvk]) = schema["x-kubernetes-group-version-kind"].as_array().map(Vec::as_slice) {
            let part = |key: &str| gvk[key].as_str().unwrap_or_default().to_owned();
            by_kind.insert((part("group"), part("version"), part("kind")), name.clone());
        }
        types.insert(name.clone(), Schema::from_openapi(schema));
    }
    Table { groups: table["groups"].as_array().cloned().unwrap_or_default(), types, by_kind }
}

/// The schema of values about which nothing is known.
pub(crate) fn anything() -> &'static Schema {
    static ANYTHING: OnceLock<Schema> = OnceLock::new();
    ANYTHING.get_or_init(|| Schema { preserve_unknown: true, ..Schema::default() })
}

/// Returns the schema of a built-in kind.
pub(crate) fn built_in(group: &str, version: &str, kind: &str) -> Option<&'static Schema> {
    let table = table();
    let name = table.by_kind.get(&(group.to_owned(), version.to_owned(), kind.to_owned()))?;
    table.types.get(name)
}

/// Returns the schema of `metadata`, which custom resources share with the built-in kinds.
pub(crate) fn object_meta() -> Schema {
    Schema { reference: Some("io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta".into()), ..Schema::default() }
}

impl Schema {
    /// Reads a schema in the words of OpenAPI v3.
    pub(crate) fn from_openapi(source: &Value) -> Schema {
        let truth = |key: &str| source[key].as_bool().unwrap_or(false);
        let mixed = truth("x-kubernetes-int-or-string") || source["properties"].is_null() && is_mixed(source);
        let shape = match source["type"].as_str() {
            _ if mixed => Shape::Mixed,
            Some("object") => Shape::Object,
            Some("array") => Shape::List,
            Some("string") => Shape::String,
            Some("integer") => Shape::Integer,
            Some("number") => Shape::Number,
            Some("boolean") => Shape::Boolean,
            _ => Shape::Any,
        };
        let free_form = matches!(shape, Shape::Object | Shape::Any) && source["properties"].is_null();
        let values = match &source["additionalProperties"] {
            values @ Value::Object(_) => Some(Box::new(Schema::from_openapi(values))),
            Value::Bool(true) => Some(Box::new(anything().clone())),
            _ => None,
        };
        let declared_open = truth("x-kubernetes-preserve-unknown-fields");
        Schema {
            reference: reference(source),
            shape,
            fields: each(&source["properties"], Schema::from_openapi),
            preserve_unknown: declared_open || free_form && values.is_none(),
            declared_open,
            values,
            items: source["items"].is_object().then(|| Box::new(Schema::from_openapi(&source["items"]))),
            list: list_type(source),
            atomic_map: source["x-kubernetes-map-type"] == "atomic",
            required: strings(&source["required"]),
            default: source.get("default").cloned(),
            embedded: truth("x-kubernetes-embedded-resource"),
            nullable: truth("nullable"),
            strategy: strategy(source),
            format: source["format"].as_str().map(str::to_owned),
            rules: rules(source),
        }
    }

    /// Reads the schema of a custom resource, where objects are closed unless they say otherwise, and metadata is the server's.
    pub(crate) fn from_crd(source: &Value) -> Schema {
        let mut schema = Schema::from_openapi(source);
        schema.close();
        schema.fields.insert("metadata".into(), object_meta());
        for name in ["apiVersion", "kind"] {
            schema.fields.insert(name.into(), Schema { shape: Shape::String, ..Schema::default() });
        }
        schema
    }

    /// Takes back the leniency towards `type: object` without properties: structural schemas prune there, published OpenAPI does not.
    fn close(&mut self) {
        if self.shape == Shape::Object {
            self.preserve_unknown = self.declared_open;
        }
        self.fields.values_mut().for_each(Schema::close);
        self.items.iter_mut().for_each(|items| items.close());
        self.values.iter_mut().for_each(|values| values.close());
    }

    /// Follows the reference to a named type, if this is one.
    pub(crate) fn resolved(&self) -> &Schema {
        match &self.reference {
            Some(name) => table().types.get(name).unwrap_or_else(|| anything()),
            None => self,
        }
    }

    /// Returns the schema of a member: a named field, else that of further keys.
    pub(crate) fn member(&self, name: &str) -> Option<&Schema> {
        let this = self.resolved();
        this.fields.get(name).or(this.values.as_deref())
    }

    /// Tells whether the map is owned as a whole.
    pub(crate) fn is_atomic_map(&self) -> bool {
        self.atomic_map || self.resolved().atomic_map
    }

    pub(crate) fn item(&self) -> &Schema {
        self.resolved().items.as_deref().unwrap_or_else(|| anything())
    }

    /// Tells whether keys that the schema does not name are kept.
    pub(crate) fn is_open(&self) -> bool {
        let this = self.resolved();
        this.preserve_unknown || matches!(this.shape, Shape::Any | Shape::Mixed) && this.fields.is_empty()
    }
}

fn is_mixed(source: &Value) -> bool {
    source["oneOf"].is_array() && source["type"].is_null()
        || source["anyOf"].as_array().is_some_and(|any| {
            source["type"].is_null() && any.iter().any(|a| a["type"] == "integer") && any.iter().any(|a| a["type"] == "string")
        })
}

fn reference(source: &Value) -> Option<String> {
    let direct = source["$ref"].as_str();
    let single = source["allOf"].as_array().filter(|all| all.len() == 1).and_then(|all| all[0]["$ref"].as_str());
    direct.or(single).map(str::to_owned)
}

fn each(source: &Value, read: impl Fn(&Value) -> Schema) -> BTreeMap<String, Schema> {
    source.as_object().map_or_else(BTreeMap::new, |map: &Map<String, Value>| map.iter().map(|(k, v)| (k.clone(), read(v))).collect())
}

fn strings(source: &Value) -> Vec<String> {
    source.as_array().into_iter().flatten().filter_map(|v| v.as_str().map(str::to_owned)).collect()
}

/// kube-openapi `schemaconv`: the list type, else what the patch strategy implies.
fn list_type(source: &Value) -> ListType {
    match (source["x-kubernetes-list-type"].as_str(), source["x-kubernetes-patch-strategy"].as_str()) {
        (Some("map"), _) => ListType::Map(strings(&source["x-kubernetes-list-map-keys"])),
        (Some("set"), _) => ListType::Set,
        (Some(_), _) => ListType::Atomic,
        (None, Some("merge" | "merge,retainKeys")) => match source["x-kubernetes-patch-merge-key"].as_str() {
            Some(key) => ListType::Map(vec![key.to_owned()]),
            None => ListType::Set,
        },
        _ => ListType::Atomic,
    }
}

fn strategy(source: &Value) -> MergeStrategy {
    let words = source["x-kubernetes-patch-strategy"].as_str().unwrap_or_default();
    MergeStrategy { merge: words.split(',').any(|w| w == "merge"), key: source["x-kubernetes-patch-merge-key"].as_str().map(str::to_owned) }
}

fn rules(source: &Value) -> Option<Box<Rules>> {
    let named = [
        "enum",
        "minimum",
        "maximum",
        "multipleOf",
        "minLength",
        "maxLength",
        "pattern",
        "minItems",
        "maxItems",
        "uniqueItems",
        "minProperties",
        "maxProperties",
    ];
    named.iter().any(|key| source.get(*key).is_some()).then(|| {
        Box::new(Rules {
            choices: source["enum"].as_array().cloned().unwrap_or_default(),
            minimum: source["minimum"].as_f64(),
            maximum: source["maximum"].as_f64(),
            exclusive_minimum: source["exclusiveMinimum"] == true,
            exclusive_maximum: source["exclusiveMaximum"] == true,
            multiple_of: source["multipleOf"].as_f64(),
            min_length: source["minLength"].as_u64(),
            max_length: source["maxLength"].as_u64(),
            pattern: source["pattern"].as_str().map(Pattern::new),
            min_items: source["minItems"].as_u64(),
            max_items: source["maxItems"].as_u64(),
            unique_items: source["uniqueItems"] == true,
            min_properties: source["minProperties"].as_u64(),
            max_properties: source["maxProperties"].as_u64(),
        })
    })
}
