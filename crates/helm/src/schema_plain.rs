//! A quick yes for most values: reads the schemas that charts really have and tells whether values certainly fit.
//!
//! The library that words Helm's complaints takes longer to prepare a large schema than a whole render takes. Here a schema is read in
//! one pass, and only the keywords below are understood. Whatever is not certain (another keyword, a malformed schema, values that do
//! not fit) is left to the library, which decides.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Unexpected, Visitor};
use serde_json::{Map, Value};

/// A schema of which every keyword is understood.
#[derive(Debug)]
pub(crate) struct PlainSchema {
    root: Node,
    /// What `#/definitions/NAME` and `#/$defs/NAME` mean.
    definitions: HashMap<String, Node>,
    /// Whether a `$ref` makes everything beside it void, as up to draft 7.
    reference_alone: bool,
}

/// How often references and combinations may nest before the library is asked.
const MAX_DEPTH: usize = 64;

impl PlainSchema {
    /// Reads a schema; nothing where it holds anything that is not understood.
    pub(crate) fn read(schema: &[u8]) -> Option<PlainSchema> {
        let mut root: Node = serde_json::from_slice(schema).ok()?;
        let reference_alone = match root.dialect.as_deref() {
            None => false,
            Some(url) => is_old(url)?,
        };
        let definitions = root.definitions.drain(..).collect();
        let plain = PlainSchema { root, definitions, reference_alone };
        let has_inner = |node: &Node| node.dialect.is_some() || !node.definitions.is_empty();
        let mut inner = Vec::new();
        plain.root.children(&mut inner);
        inner.extend(plain.definitions.values());
        while let Some(node) = inner.pop() {
            if has_inner(node) || !node.reference.iter().all(|reference| plain.target(reference).is_some()) {
                return None;
            }
            node.children(&mut inner);
        }
        plain.root.reference.iter().all(|reference| plain.target(reference).is_some()).then_some(plain)
    }

    /// Tells whether the values certainly fit.
    pub(crate) fn accepts(&self, values: &Map<String, Value>) -> bool {
        if self.root.asks_more_than_structure() {
            return self.value(&self.root, &Value::Object(values.clone()), 0);
        }
        self.object(&self.root, values, 0)
    }

    fn target(&self, reference: &str) -> Option<&Node> {
        match reference {
            "#" => Some(&self.root),
            other => self.definitions.get(other),
        }
    }

    fn value(&self, node: &Node, value: &Value, depth: usize) -> bool {
        if depth > MAX_DEPTH || node.never {
            return false;
        }
        if self.reference_alone
            && let Some(reference) = &node.reference
        {
            return self.target(reference).is_some_and(|target| self.value(target, value, depth + 1));
        }
        let fits = match value {
            Value::Object(map) => self.object(node, map, depth),
            Value::Array(items) => self.array(node, items, depth),
            Value::Number(number) => node.accepts_number(number.as_f64().unwrap_or(f64::NAN)),
            Value::String(text) => node.accepts_text(text),
            Value::Bool(_) => node.allows(Kind::BOOLEAN),
            Value::Null => node.allows(Kind::NULL),
        };
        fits && (!node.asks_more_than_structure() || self.others(node, value, depth))
    }

    fn object(&self, node: &Node, map: &Map<String, Value>, depth: usize) -> bool {
        let entry = |(name, value): (&String, &Value)| match node.properties.get(name.as_str()) {
            Some(property) => self.value(property, value, depth),
            None => node.additional.as_ref().is_none_or(|additional| self.value(additional, value, depth)),
        };
        node.allows(Kind::OBJECT)
            && node.holds(|limits| &limits.properties, map.len() as f64)
            && node.required.iter().all(|name| map.contains_key(name))
            && map.iter().all(entry)
    }

    fn array(&self, node: &Node, items: &[Value], depth: usize) -> bool {
        let is_unique = || items.iter().enumerate().all(|(position, item)| !items[..position].iter().any(|earlier| equal(earlier, item)));
        node.allows(Kind::ARRAY)
            && node.holds(|limits| &limits.items, items.len() as f64)
            && (!node.unique || is_unique())
            && node.items.as_ref().is_none_or(|schema| items.iter().all(|item| self.value(schema, item, depth)))
    }

    /// Checks what is asked of every kind of value.
    fn others(&self, node: &Node, value: &Value, depth: usize) -> bool {
        let fits = |schema: &Node| self.value(schema, value, depth + 1);
        node.values.iter().all(|values| values.iter().any(|allowed| equal(allowed, value)))
            && node.reference.iter().all(|reference| self.target(reference).is_some_and(fits))
            && node.all.iter().all(fits)
            && (node.any.is_empty() || node.any.iter().any(fits))
            && (node.one.is_empty() || self.exactly_one(&node.one, value, depth))
    }

    /// Tells whether one schema certainly fits and all others certainly do not: not to fit is not certain for most.
    fn exactly_one(&self, schemas: &[Node], value: &Value, depth: usize) -> bool {
        let (fitting, others): (Vec<&Node>, Vec<&Node>) = schemas.iter().partition(|schema| self.value(schema, value, depth + 1));
        fitting.len() == 1 && others.iter().all(|schema| schema.certainly_refuses(value))
    }
}

/// Returns whether the draft ignores what stands beside a `$ref`; nothing for drafts with other meanings.
fn is_old(url: &str) -> Option<bool> {
    let url = url.strip_suffix('#').unwrap_or(url);
    let url = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"))?;
    match url {
        "json-schema.org/draft-06/schema" | "json-schema.org/draft-07/schema" => Some(true),
        "json-schema.org/draft/2019-09/schema" | "json-schema.org/draft/2020-12/schema" | "json-schema.org/schema" => Some(false),
        _ => None,
    }
}

/// JSON equality, where 1 and 1.0 are the same number.
fn equal(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => left == right || left.as_f64() == right.as_f64(),
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| equal(left, right))
        }
        (Value::Object(left), Value::Object(right)) => {
            left.len() == right.len() && left.iter().all(|(name, value)| right.get(name).is_some_and(|other| equal(value, other)))
        }
        _ => left == right,
    }
}

/// A set of the types of JSON.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Kind(u8);

impl Kind {
    const NULL: Kind = Kind(1);
    const BOOLEAN: Kind = Kind(2);
    const INTEGER: Kind = Kind(4);
    const NUMBER: Kind = Kind(8);
    const STRING: Kind = Kind(16);
    const ARRAY: Kind = Kind(32);
    const OBJECT: Kind = Kind(64);

    fn of(name: &str) -> Option<Kind> {
        Some(match name {
            "null" => Kind::NULL,
            "boolean" => Kind::BOOLEAN,
            "integer" => Kind::INTEGER,
            "number" => Kind::NUMBER,
            "string" => Kind::STRING,
            "array" => Kind::ARRAY,
            "object" => Kind::OBJECT,
            _ => return None,
        })
    }
}

/// The numbers between two bounds, each of which may be excluded.
#[derive(Debug, Default)]
struct Range {
    least: Option<f64>,
    most: Option<f64>,
    above: Option<f64>,
    below: Option<f64>,
}

impl Range {
    fn holds(&self, number: f64) -> bool {
        let bounds = [self.least, self.most, self.above, self.below];
        if bounds.iter().all(Option::is_none) {
            return true;
        }
        // Larger numbers are not exact here.
        let is_exact = |number: f64| number.abs() < 9_007_199_254_740_992.0;
        is_exact(number)
            && bounds.iter().flatten().all(|bound| is_exact(*bound))
            && self.least.is_none_or(|bound| number >= bound)
            && self.most.is_none_or(|bound| number <= bound)
            && self.above.is_none_or(|bound| number > bound)
            && self.below.is_none_or(|bound| number < bound)
    }
}

/// One schema.
#[derive(Debug, Default)]
struct Node {
    dialect: Option<String>,
    definitions: Vec<(String, Node)>,
    reference: Option<String>,
    /// The schema `false`.
    never: bool,
    kinds: Option<Kind>,
    values: Option<Vec<Value>>,
    properties: HashMap<String, Box<Node>>,
    additional: Option<Box<Node>>,
    required: Vec<String>,
    items: Option<Box<Node>>,
    unique: bool,
    all: Vec<Node>,
    any: Vec<Node>,
    one: Vec<Node>,
    /// Few have any.
    limits: Option<Box<Limits>>,
}

/// What one schema says of sizes.
#[derive(Debug, Default)]
struct Limits {
    number: Range,
    length: Range,
    items: Range,
    properties: Range,
}

impl Node {
    fn asks_more_than_structure(&self) -> bool {
        let combines = !self.all.is_empty() || !self.any.is_empty() || !self.one.is_empty();
        self.never || self.reference.is_some() || self.values.is_some() || combines
    }

    fn allows(&self, kind: Kind) -> bool {
        self.kinds.is_none_or(|kinds| kinds.0 & kind.0 != 0)
    }

    fn holds(&self, range: impl Fn(&Limits) -> &Range, number: f64) -> bool {
        self.limits.as_ref().is_none_or(|limits| range(limits).holds(number))
    }

    fn limits(&mut self) -> &mut Limits {
        self.limits.get_or_insert_default()
    }

    fn accepts_number(&self, number: f64) -> bool {
        let whole = number.fract() == 0.0;
        (self.allows(Kind::NUMBER) || (whole && self.allows(Kind::INTEGER))) && self.holds(|limits| &limits.number, number)
    }

    fn accepts_text(&self, text: &str) -> bool {
        self.allows(Kind::STRING) && (self.limits.is_none() || self.holds(|limits| &limits.length, text.chars().count() as f64))
    }

    /// Tells whether the type or the list of values alone rules the value out.
    fn certainly_refuses(&self, value: &Value) -> bool {
        let kind = match value {
            Value::Null => Kind::NULL,
            Value::Bool(_) => Kind::BOOLEAN,
            Value::Number(_) => Kind(Kind::NUMBER.0 | Kind::INTEGER.0),
            Value::String(_) => Kind::STRING,
            Value::Array(_) => Kind::ARRAY,
            Value::Object(_) => Kind::OBJECT,
        };
        let listed = self.values.as_ref().is_none_or(|values| values.iter().any(|allowed| equal(allowed, value)));
        self.reference.is_none() && (!self.allows(kind) || !listed)
    }

    fn children<'n>(&'n self, into: &mut Vec<&'n Node>) {
        into.extend(self.properties.values().map(Box::as_ref));
        into.extend(self.additional.as_deref());
        into.extend(self.items.as_deref());
        into.extend(self.all.iter().chain(&self.any).chain(&self.one));
    }
}

/// Names the entries of `definitions` or `$defs` as references to them do.
fn name_definitions<E: Error>(place: &str, entries: HashMap<String, Node>) -> Result<Vec<(String, Node)>, E> {
    let name = |(name, node): (String, Node)| match name.contains(['/', '~', '%']) {
        true => Err(E::custom("a name that needs escapes")),
        false => Ok((format!("#/{place}/{name}"), node)),
    };
    entries.into_iter().map(name).collect()
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Node, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a schema")
    }

    fn visit_bool<E: Error>(self, always: bool) -> Result<Node, E> {
        Ok(Node { never: !always, ..Node::default() })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let mut node = Node::default();
        let mut seen = Vec::new();
        while let Some(key) = map.next_key::<Cow<'de, str>>()? {
            if seen.contains(&key) {
                return Err(A::Error::custom("a keyword that is given twice"));
            }
            node.keyword(&key, &mut map)?;
            seen.push(key);
        }
        Ok(node)
    }
}

/// Refuses a list that holds anything twice.
fn unique<T, E: Error>(items: Vec<T>, equal: impl Fn(&T, &T) -> bool) -> Result<Vec<T>, E> {
    let is_repeated = |(position, item): (usize, &T)| items[..position].iter().any(|earlier| equal(earlier, item));
    match items.iter().enumerate().any(is_repeated) {
        true => Err(E::custom("an item that is given twice")),
        false => Ok(items),
    }
}

/// A list that must not be empty.
struct Schemas(Vec<Node>);

impl<'de> Deserialize<'de> for Schemas {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Schemas, D::Error> {
        let schemas = Vec::<Node>::deserialize(deserializer)?;
        if schemas.is_empty() { Err(D::Error::custom("no schemas")) } else { Ok(Schemas(schemas)) }
    }
}

struct Kinds(Kind);

impl<'de> Deserialize<'de> for Kinds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Kinds, D::Error> {
        deserializer.deserialize_any(KindsVisitor)
    }
}

struct KindsVisitor;

impl<'de> Visitor<'de> for KindsVisitor {
    type Value = Kinds;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a type or a list of types")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Kinds, E> {
        Kind::of(name).map(Kinds).ok_or_else(|| E::invalid_value(Unexpected::Str(name), &self))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut names: A) -> Result<Kinds, A::Error> {
        let mut kinds = Kind::default();
        while let Some(name) = names.next_element::<Cow<'de, str>>()? {
            let Kinds(kind) = KindsVisitor.visit_str(&name)?;
            if kinds.0 & kind.0 != 0 {
                return Err(A::Error::custom("a type that is given twice"));
            }
            kinds.0 |= kind.0;
        }
        if kinds.0 == 0 { Err(A::Error::custom("no types")) } else { Ok(Kinds(kinds)) }
    }
}

/// Keywords of some draft that are not understood here. Anything else that is unknown means nothing in any draft.
const LEFT_TO_THE_LIBRARY: &[&str] = &[
    "$anchor",
    "$dynamicAnchor",
    "$dynamicRef",
    "$id",
    "$recursiveAnchor",
    "$recursiveRef",
    "$vocabulary",
    "additionalItems",
    "const",
    "contains",
    "contentEncoding",
    "contentMediaType",
    "contentSchema",
    "dependencies",
    "dependentRequired",
    "dependentSchemas",
    "else",
    "format",
    "id",
    "if",
    "maxContains",
    "minContains",
    "multipleOf",
    "not",
    "pattern",
    "patternProperties",
    "prefixItems",
    "propertyNames",
    "then",
    "unevaluatedItems",
    "unevaluatedProperties",
];

impl Node {
    fn keyword<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error> {
        let count = |number: u32| Some(f64::from(number));
        match key {
            "$schema" => self.dialect = Some(map.next_value()?),
            "definitions" | "$defs" => self.definitions.extend(name_definitions(key, map.next_value()?)?),
            "$ref" => self.reference = Some(map.next_value()?),
            "type" => self.kinds = Some(map.next_value::<Kinds>()?.0),
            "enum" => self.values = Some(unique(map.next_value()?, equal)?),
            "properties" => self.properties = map.next_value()?,
            "additionalProperties" => self.additional = Some(map.next_value()?),
            "required" => self.required = unique(map.next_value()?, String::eq)?,
            "items" => self.items = Some(map.next_value()?),
            "uniqueItems" => self.unique = map.next_value()?,
            "allOf" => self.all = map.next_value::<Schemas>()?.0,
            "anyOf" => self.any = map.next_value::<Schemas>()?.0,
            "oneOf" => self.one = map.next_value::<Schemas>()?.0,
            "minimum" => self.limits().number.least = Some(map.next_value()?),
            "maximum" => self.limits().number.most = Some(map.next_value()?),
            "exclusiveMinimum" => self.limits().number.above = Some(map.next_value()?),
            "exclusiveMaximum" => self.limits().number.below = Some(map.next_value()?),
            "minLength" => self.limits().length.least = count(map.next_value()?),
            "maxLength" => self.limits().length.most = count(map.next_value()?),
            "minItems" => self.limits().items.least = count(map.next_value()?),
            "maxItems" => self.limits().items.most = count(map.next_value()?),
            "minProperties" => self.limits().properties.least = count(map.next_value()?),
            "maxProperties" => self.limits().properties.most = count(map.next_value()?),
            "title" | "description" | "$comment" => drop(map.next_value::<Cow<'de, str>>()?),
            "readOnly" | "writeOnly" | "deprecated" => drop(map.next_value::<bool>()?),
            "examples" => drop(map.next_value::<Vec<IgnoredAny>>()?),
            other if LEFT_TO_THE_LIBRARY.contains(&other) => return Err(A::Error::custom("a keyword that is not understood")),
            _ => drop(map.next_value::<IgnoredAny>()?),
        }
        Ok(())
    }
}
