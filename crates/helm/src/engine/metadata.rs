//! `.Chart`: a map in Helm 4, a struct in Helm 3 (`recAllTpls` in `pkg/engine/engine.go` of 3.22).

use std::any::Any;
use std::ops::Range;
use std::rc::Rc;

use go_template::{Entries, Kind, List, ListKind, Map, MapKind, Native, Str, Value};
use serde_json::Value as Json;

use crate::chart::{Dependency, Maintainer, Metadata};
use crate::compat::HelmCompat;

/// Returns the metadata under the names of the Go fields, every one of them present.
pub(super) fn value(metadata: &Metadata, is_root: bool, compat: &HelmCompat) -> Value {
    if compat.chart_is_struct() {
        let metadata = Struct { type_name: "chart.Metadata", kind: Kind::Struct, fields: fields(metadata, true) };
        return Value::native(ChartStruct { metadata: Rc::new(metadata), is_root });
    }
    let Value::Map(map) = map(fields(metadata, false)) else { return Value::Nil };
    map.set("IsRoot", Value::Bool(is_root));
    Value::Map(map)
}

/// A field of a Go struct, with its name in JSON.
struct Field {
    name: &'static str,
    json: &'static str,
    value: Value,
    /// Whether JSON has it even where it is empty.
    always: bool,
}

fn field(name: &'static str, json: &'static str, value: Value) -> Field {
    Field { name, json, value, always: false }
}

fn text(name: &'static str, json: &'static str, text: &str) -> Field {
    field(name, json, Value::str(text))
}

fn fields(metadata: &Metadata, is_struct: bool) -> Vec<Field> {
    let annotations = match &metadata.annotations {
        None => Map::nil(MapKind::Strings),
        Some(map) => {
            Map::of(MapKind::Strings, map.iter().map(|(key, value)| (Str::from(key.as_str()), Value::str(value.as_str()))).collect())
        }
    };
    let maintainers = metadata.maintainers.iter().map(|maintainer| inner("*chart.Maintainer", maintainer_fields(maintainer), is_struct));
    let dependencies = metadata.dependencies.iter().flatten();
    let dependencies = dependencies.map(|dependency| inner("*chart.Dependency", dependency_fields(dependency, is_struct), is_struct));
    vec![
        text("Name", "name", &metadata.name),
        text("Home", "home", &metadata.home),
        field("Sources", "sources", texts(&metadata.sources, is_struct)),
        text("Version", "version", &metadata.version),
        text("Description", "description", &metadata.description),
        field("Keywords", "keywords", texts(&metadata.keywords, is_struct)),
        field("Maintainers", "maintainers", list("[]*chart.Maintainer", maintainers.collect(), is_struct)),
        text("Icon", "icon", &metadata.icon),
        text("APIVersion", "apiVersion", &metadata.api_version),
        text("Condition", "condition", &metadata.condition),
        text("Tags", "tags", &metadata.tags),
        text("AppVersion", "appVersion", &metadata.app_version),
        field("Deprecated", "deprecated", Value::Bool(metadata.deprecated)),
        field("Annotations", "annotations", Value::Map(annotations)),
        text("KubeVersion", "kubeVersion", &metadata.kube_version),
        field("Dependencies", "dependencies", list("[]*chart.Dependency", dependencies.collect(), is_struct)),
        text("Type", "type", &metadata.kind),
    ]
}

fn maintainer_fields(maintainer: &Maintainer) -> Vec<Field> {
    vec![text("Name", "name", &maintainer.name), text("Email", "email", &maintainer.email), text("URL", "url", &maintainer.url)]
}

fn dependency_fields(dependency: &Dependency, is_struct: bool) -> Vec<Field> {
    let imports: Vec<Value> = dependency.import_values.iter().map(Value::from_json).collect();
    let is_nil = is_struct && imports.is_empty();
    let imports = if is_nil { Value::List(List::nil(ListKind::Any)) } else { Value::list(imports) };
    vec![
        Field { always: true, ..text("Name", "name", &dependency.name) },
        text("Version", "version", &dependency.version),
        Field { always: true, ..text("Repository", "repository", &dependency.repository) },
        text("Condition", "condition", &dependency.condition),
        field("Tags", "tags", texts(&dependency.tags, is_struct)),
        field("Enabled", "enabled", Value::Bool(dependency.enabled)),
        field("ImportValues", "import-values", imports),
        text("Alias", "alias", &dependency.alias),
    ]
}

fn texts(texts: &[String], is_struct: bool) -> Value {
    match is_struct {
        false => Value::list(texts.iter().map(|text| Value::str(text.as_str())).collect()),
        true if texts.is_empty() => Value::List(List::nil(ListKind::Strings)),
        true => Value::strings(texts.iter().map(String::as_str)),
    }
}

fn inner(type_name: &'static str, fields: Vec<Field>, is_struct: bool) -> Value {
    if is_struct { Value::native(Struct { type_name, kind: Kind::Ptr, fields }) } else { map(fields) }
}

fn list(type_name: &'static str, items: Vec<Value>, is_struct: bool) -> Value {
    if is_struct { Value::native(Pointers { type_name, items }) } else { Value::list(items) }
}

fn map(fields: Vec<Field>) -> Value {
    let entries: Entries = fields.into_iter().map(|field| (Str::from(field.name), field.value)).collect();
    Value::Map(Map::of(MapKind::Any, entries))
}

/// A struct of Helm 3, or a pointer to one.
struct Struct {
    type_name: &'static str,
    kind: Kind,
    fields: Vec<Field>,
}

impl Native for Struct {
    fn type_name(&self) -> &str {
        self.type_name
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn kind(&self) -> Kind {
        self.kind
    }

    fn field(&self, name: &str) -> Option<Value> {
        self.fields.iter().find(|field| field.name == name).map(|field| field.value.clone())
    }

    fn fields(&self) -> Option<Vec<(&'static str, Value)>> {
        Some(self.fields.iter().map(|field| (field.name, field.value.clone())).collect())
    }

    fn json_fields(&self) -> Option<Vec<(&'static str, Value)>> {
        let known = self.fields.iter().filter(|field| field.always || field.value.truth());
        Some(known.map(|field| (field.json, field.value.clone())).collect())
    }

    fn to_json(&self) -> Result<Json, String> {
        object(self)
    }

    fn equals(&self, other: &dyn Native) -> bool {
        other.as_any().downcast_ref::<Struct>().is_some_and(|other| self.to_json() == other.to_json())
    }
}

fn object(native: &dyn Native) -> Result<Json, String> {
    let entries = native.json_fields().unwrap_or_default().into_iter();
    entries.map(|(name, value)| Ok((name.to_owned(), value.to_json()?))).collect::<Result<_, String>>().map(Json::Object)
}

/// `.Chart` in Helm 3: the fields of the metadata are its own.
struct ChartStruct {
    metadata: Rc<Struct>,
    is_root: bool,
}

impl Native for ChartStruct {
    fn type_name(&self) -> &str {
        "struct { chart.Metadata; IsRoot bool }"
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn field(&self, name: &str) -> Option<Value> {
        match name {
            "IsRoot" => Some(Value::Bool(self.is_root)),
            "Metadata" => Some(Value::Native(self.metadata.clone())),
            name => self.metadata.field(name),
        }
    }

    fn fields(&self) -> Option<Vec<(&'static str, Value)>> {
        ["Metadata", "IsRoot"].iter().map(|name| Some((*name, self.field(name)?))).collect()
    }

    fn json_fields(&self) -> Option<Vec<(&'static str, Value)>> {
        let mut fields = self.metadata.json_fields()?;
        fields.push(("IsRoot", Value::Bool(self.is_root)));
        Some(fields)
    }

    fn to_json(&self) -> Result<Json, String> {
        object(self)
    }

    fn equals(&self, other: &dyn Native) -> bool {
        other.as_any().downcast_ref::<ChartStruct>().is_some_and(|other| self.to_json() == other.to_json())
    }
}

/// A slice of pointers, which is nil where it is empty.
struct Pointers {
    type_name: &'static str,
    items: Vec<Value>,
}

impl Native for Pointers {
    fn type_name(&self) -> &str {
        self.type_name
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn kind(&self) -> Kind {
        Kind::Slice
    }

    fn is_nil(&self) -> bool {
        self.items.is_empty()
    }

    fn to_json(&self) -> Result<Json, String> {
        if self.items.is_empty() {
            return Ok(Json::Null);
        }
        self.items.iter().map(Value::to_json).collect::<Result<_, _>>().map(Json::Array)
    }

    fn truth(&self) -> bool {
        !self.items.is_empty()
    }

    fn len(&self) -> Option<usize> {
        Some(self.items.len())
    }

    fn entries(&self) -> Option<Vec<(Value, Value)>> {
        Some(self.items.iter().enumerate().map(|(at, item)| (Value::int(at as i64), item.clone())).collect())
    }

    fn slice(&self, part: Range<usize>) -> Option<Rc<dyn Native>> {
        Some(Rc::new(Pointers { type_name: self.type_name, items: self.items.get(part)?.to_vec() }))
    }

    fn equals(&self, other: &dyn Native) -> bool {
        other.as_any().downcast_ref::<Pointers>().is_some_and(|other| self.to_json() == other.to_json())
    }
}
