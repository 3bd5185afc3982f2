//! Checks values against `values.schema.json` and words failures as Helm does (`pkg/chart/common/util/jsonschema.go`, whose library
//! is by the author of `boon`). Nothing is fetched here: schemas elsewhere are at hand in the chart, or a reference to one is an error. Helm lets
//! `urn:` pass; files of the machine it reads, which is refused here.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use boon::{CompileError, Compiler, ErrorKind, SchemeUrlLoader, UrlLoader, ValidationError};
use bytes::Bytes;
use go_encoding::json;
use serde_json::{Map, Number, Value};

use crate::chart::Chart;
use crate::compat::HelmCompat;
use crate::schema_formats;
use crate::schema_plain::PlainSchema;

const LOCATION: &str = "file:///values.schema.json";

/// The schemas that were read, each with its text.
#[derive(Default)]
pub(crate) struct Schemas(Vec<(Bytes, Option<PlainSchema>)>);

impl Schemas {
    fn plain(&mut self, schema: &Bytes) -> Option<&PlainSchema> {
        let known = self.0.iter().position(|(text, _)| (text.as_ptr(), text.len()) == (schema.as_ptr(), schema.len()));
        let position = known.unwrap_or_else(|| {
            self.0.push((schema.clone(), PlainSchema::read(without_mark(schema))));
            self.0.len() - 1
        });
        self.0[position].1.as_ref()
    }
}

/// How values are checked.
struct Checking<'a> {
    compat: &'a HelmCompat,
    /// See [`Chart::foreign_schemas`].
    foreign: &'a Foreign,
}

type Foreign = BTreeMap<String, Result<Bytes, String>>;

/// Returns the address of a schema elsewhere that a schema of the chart, or of a dependency, refers to and that
/// [`Chart::foreign_schemas`] does not have yet. What is fetched may refer to more: ask until there is none.
pub fn missing_schema(chart: &Chart) -> Option<String> {
    schemas_of(chart).into_iter().filter(|schema| may_refer_elsewhere(schema)).find_map(|schema| {
        let schema = read(without_mark(schema)).ok()?;
        let (elsewhere, missing) = Elsewhere::of(&chart.foreign_schemas);
        // What else is wrong with it is told when values are checked.
        let _ = compiled(&schema, elsewhere, &HelmCompat::newest());
        missing.lock().unwrap_or_else(PoisonError::into_inner).take()
    })
}

fn schemas_of(chart: &Chart) -> Vec<&Bytes> {
    chart.schema.iter().chain(chart.dependencies.iter().flat_map(schemas_of)).collect()
}

/// Tells whether a schema may refer to another one, which its text shows: most do not, and need not be compiled to know it.
fn may_refer_elsewhere(schema: &[u8]) -> bool {
    const KEYS: [&[u8]; 4] = [b"$ref\"", b"$schema\"", b"$dynamicRef\"", b"$recursiveRef\""];
    let is_elsewhere = |at: usize| {
        let Some(rest) = KEYS.iter().find_map(|key| schema[at + 1..].strip_prefix(*key)) else { return false };
        let start = rest.iter().position(|byte| !matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | b':')).unwrap_or(rest.len());
        let value = rest[start..].strip_prefix(b"\"").unwrap_or_default();
        let is_draft = [b"http://json-schema.org/".as_slice(), b"https://json-schema.org/"].iter().any(|draft| value.starts_with(draft));
        !value.starts_with(b"#") && !is_draft
    };
    memchr::memmem::find_iter(schema, b"\"$").any(is_elsewhere)
}

/// Checks the values of a chart and of its subcharts; the error lists every chart that has complaints.
pub(crate) fn validate(chart: &Chart, values: &Map<String, Value>, known: &mut Schemas, compat: &HelmCompat) -> Result<(), String> {
    validate_each(chart, values, known, &Checking { compat, foreign: &chart.foreign_schemas })
}

fn validate_each(chart: &Chart, values: &Map<String, Value>, known: &mut Schemas, checking: &Checking<'_>) -> Result<(), String> {
    let mut text = String::new();
    if let Some(schema) = &chart.schema
        && !known.plain(schema).is_some_and(|plain| plain.accepts(values))
        && let Err(error) = by_library(without_mark(schema), values, checking)
    {
        text.push_str(&format!("{}:\n{error}", chart.name()));
    }
    for dependency in &chart.dependencies {
        match values.get(dependency.name()) {
            None | Some(Value::Null) => {}
            Some(Value::Object(inner)) => {
                if let Err(error) = validate_each(dependency, inner, known, checking) {
                    text.push_str(&error);
                }
            }
            Some(other) => {
                let name = dependency.name();
                text.push_str(&format!("{name}:\ninvalid type for values: expected object (map), got {}\n", go_type(other)));
            }
        }
    }
    if text.is_empty() { Ok(()) } else { Err(text) }
}

fn go_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "<nil>",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float64",
        Value::Number(_) => "int64",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    }
}

struct Urn;

impl UrlLoader for Urn {
    fn load(&self, _url: &str) -> Result<Value, Box<dyn std::error::Error>> {
        Ok(Value::Bool(true))
    }
}

struct LocalFiles;

impl UrlLoader for LocalFiles {
    fn load(&self, _url: &str) -> Result<Value, Box<dyn std::error::Error>> {
        Err("files of this machine are not read; skip schema validation to render this chart".into())
    }
}

/// Schemas elsewhere. The first one that is asked for and not at hand is noted.
#[derive(Clone)]
struct Elsewhere {
    known: Foreign,
    missing: Arc<Mutex<Option<String>>>,
}

impl Elsewhere {
    fn of(known: &Foreign) -> (Elsewhere, Arc<Mutex<Option<String>>>) {
        let missing = Arc::default();
        (Elsewhere { known: known.clone(), missing: Arc::clone(&missing) }, missing)
    }
}

impl UrlLoader for Elsewhere {
    fn load(&self, url: &str) -> Result<Value, Box<dyn std::error::Error>> {
        match self.known.get(url) {
            Some(Ok(text)) => {
                let mut schema = read(without_mark(text))?;
                translate_expressions(&mut schema);
                Ok(schema)
            }
            Some(Err(why)) => Err(why.clone().into()),
            None => {
                self.missing.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(|| url.to_owned());
                Err("the schema is not at hand; skip schema validation to render this chart".into())
            }
        }
    }
}

fn without_mark(schema: &[u8]) -> &[u8] {
    schema.strip_prefix(b"\xef\xbb\xbf").unwrap_or(schema)
}

/// Checks with the library, whose word is final.
fn by_library(schema: &[u8], values: &Map<String, Value>, checking: &Checking<'_>) -> Result<(), String> {
    let schema = read(schema)?;
    let (schemas, index) = compiled(&schema, Elsewhere::of(checking.foreign).0, checking.compat)?;
    let values = Value::Object(values.clone());
    schemas.validate(&values, index).map_err(|error| {
        let mut complaints = Complaints { text: String::new(), schema: &schema, foreign: checking.foreign };
        complaints.push_causes(&error, 0);
        complaints.text
    })
}

fn compiled(schema: &Value, elsewhere: Elsewhere, compat: &HelmCompat) -> Result<(boon::Schemas, boon::SchemaIndex), String> {
    let mut loader = SchemeUrlLoader::new();
    loader.register("urn", Box::new(Urn));
    loader.register("file", Box::new(LocalFiles));
    for scheme in ["http", "https"] {
        loader.register(scheme, Box::new(elsewhere.clone()));
    }
    let mut compiler = Compiler::new();
    compiler.use_loader(Box::new(loader));
    schema_formats::register(&mut compiler, compat.closes_quotes_of_emails());
    let mut schemas = boon::Schemas::new();
    let draft = schema.get("$schema").and_then(Value::as_str).unwrap_or_default().trim_end_matches('#').to_owned();
    // The library that Helm uses has these as folders.
    let folder = draft.split_once("://json-schema.org/").map(|(_, folder)| folder);
    if let Some(folder @ ("draft" | "draft/2019-09" | "draft/2020-12" | "draft/2019-09/meta" | "draft/2020-12/meta")) = folder {
        return Err(format!("read metaschemas/{folder}/: is a directory"));
    }
    let mut translated = schema.clone();
    translate_expressions(&mut translated);
    let wrong = |error: &CompileError| compile_error(error, &draft, schema);
    compiler.add_resource(LOCATION, translated).map_err(|error| wrong(&error))?;
    let index = compiler.compile(LOCATION, &mut schemas).map_err(|error| wrong(&error))?;
    Ok((schemas, index))
}

/// Reads a schema as the library's `UnmarshalJSON` does: from a stream, of which nothing may be left.
fn read(schema: &[u8]) -> Result<Value, String> {
    let (value, end) = json::read_first(schema).map_err(|error| error.of_stream())?;
    let rest = schema[end..].iter().find(|byte| !matches!(byte, b' ' | b'\t' | b'\r' | b'\n'));
    if rest.is_some() { Err("invalid character after top-level value".to_owned()) } else { Ok(value) }
}

/// Rewrites the regular expressions of a schema, which are Go's, into those of `boon`. What is none stays none.
fn translate_expressions(schema: &mut Value) {
    match schema {
        Value::Array(schemas) => schemas.iter_mut().for_each(translate_expressions),
        Value::Object(keywords) => keywords.iter_mut().for_each(|(keyword, value)| match (keyword.as_str(), value) {
            ("pattern", Value::String(pattern)) => *pattern = sprig::rust_regex(pattern).unwrap_or_else(|_| "(".to_owned()),
            ("format", Value::String(format)) if format == "regex" => *format = schema_formats::GO_REGEX.to_owned(),
            ("enum" | "const" | "default" | "examples", _) => {}
            ("properties" | "patternProperties" | "definitions" | "$defs" | "dependentSchemas" | "dependencies", Value::Object(named)) => {
                named.values_mut().for_each(translate_expressions);
            }
            (_, inner) => translate_expressions(inner),
        }),
        _ => {}
    }
}

fn compile_error(error: &CompileError, draft: &str, schema: &Value) -> String {
    match error {
        CompileError::InvalidMetaSchemaUrl { .. } if draft.starts_with(':') => {
            format!("invalid $schema in \"{LOCATION}#\": parse {draft:?}: missing protocol scheme")
        }
        CompileError::InvalidMetaSchemaUrl { .. } => format!("failing loading {draft:?}: no URLLoader registered for {draft:?}"),
        CompileError::ValidationError { url, src } => format!("{url:?} is not valid against metaschema: {}", whole(src, schema)),
        CompileError::LoadUrlError { url, src } => format!("failing loading {url:?}: {src}"),
        CompileError::UnsupportedUrlScheme { url } => format!("failing loading {url:?}: no URLLoader registered for {url:?}"),
        CompileError::UnsupportedDraft { url } => format!("draft {url:?} is not supported"),
        CompileError::MetaSchemaCycle { url } => format!("cycle in resolving $schema in {url:?}"),
        CompileError::ParseIdError { loc } => format!("error in parsing id at {loc:?}"),
        CompileError::ParseAnchorError { loc } => format!("error in parsing anchor at {loc:?}"),
        CompileError::DuplicateId { url, id, ptr1, ptr2 } => format!("duplicate id {id:?} in {url:?} at {ptr1:?} and {ptr2:?}"),
        CompileError::DuplicateAnchor { anchor, url, ptr1, ptr2 } => {
            format!("duplicate anchor {anchor:?} in {url:?} at {ptr1:?} and {ptr2:?}")
        }
        CompileError::InvalidJsonPointer(location) => format!("invalid json-pointer {location:?}"),
        CompileError::JsonPointerNotFound(location) => format!("json-pointer in {location:?} not found"),
        CompileError::AnchorNotFound { url, reference } => format!("anchor in {reference:?} not found in schema {url:?}"),
        CompileError::UnsupportedVocabulary { url, vocabulary } => format!("unsupported vocabulary {vocabulary:?} in {url:?}"),
        CompileError::InvalidRegex { url, regex, src } => {
            let regex = located(schema, url).and_then(Value::as_str).unwrap_or(regex);
            format!("invalid regex {regex:?} at {url:?}: {}", sprig::check_regex(regex).err().unwrap_or_else(|| src.to_string()))
        }
        other => format!("{other:#}"),
    }
}

/// Words a whole failure, of a schema against its metaschema.
fn whole(error: &ValidationError<'_, '_>, schema: &Value) -> String {
    let mut complaints = Complaints { text: format!("jsonschema {}\n", message(&error.kind)), schema, foreign: &Foreign::new() };
    complaints.push_causes(error, 0);
    complaints.text.truncate(complaints.text.trim_end().len());
    complaints.text
}

/// Where the schema around a complaint is, and whether the line above the complaint already tells of its `allOf`.
#[derive(Clone, Copy)]
struct Around<'e> {
    location: &'e str,
    is_told: bool,
}

/// A complaint, the groups around it that `boon` left out, and the schemas from the one around it to its own.
struct Pending<'e, 's, 'v> {
    error: &'e ValidationError<'s, 'v>,
    groups: Vec<LeftOut>,
    steps: Vec<Step>,
}

/// A step from a schema to one inside of it: the keyword, and where the value then is.
#[derive(PartialEq)]
struct Step {
    keyword: String,
    place: String,
}

/// Returns where the value is that all complaints are about.
fn common_place<'p>(complaints: &'p [Pending<'_, '_, '_>], group: &'p LeftOut) -> &'p str {
    let Some((first, others)) = complaints.split_first() else { return &group.place };
    let is_common = |(at, step): &(usize, &Step)| others.iter().all(|other| other.steps.get(*at) == Some(step));
    first.steps.iter().enumerate().take_while(is_common).last().map_or(&group.place, |(_, step)| &step.place)
}

/// A group of schemas: what is said of it, its path from the schema around it, and where its value is.
#[derive(Clone, PartialEq)]
struct LeftOut {
    message: &'static str,
    path: String,
    place: String,
}

/// Writes complaints about values.
struct Complaints<'s> {
    text: String,
    /// The whole schema.
    schema: &'s Value,
    /// Those that it refers to.
    foreign: &'s Foreign,
}

impl Complaints<'_> {
    fn push_causes(&mut self, error: &ValidationError<'_, '_>, indent: usize) {
        let location = match &error.kind {
            ErrorKind::Schema { url } | ErrorKind::Reference { url, .. } => url,
            _ => error.schema_url,
        };
        let is_told = matches!(error.kind, ErrorKind::AllOf | ErrorKind::AnyOf | ErrorKind::OneOf(_));
        let around = Around { location, is_told };
        self.push_all(error.causes.iter().map(|cause| pending(cause, around)).collect(), indent);
    }

    fn push_line(&mut self, indent: usize, place: &str, message: &str) {
        self.text.push_str(&format!("{}- at {}: {message}\n", "  ".repeat(indent), quote(place)));
    }

    /// Writes complaints a line each, with what they are inside of above them and their causes below them.
    fn push_all(&mut self, mut pending: Vec<Pending<'_, '_, '_>>, indent: usize) {
        while !pending.is_empty() {
            let first = pending.remove(0);
            let Some(group) = first.groups.first().cloned() else {
                self.push(first.error, indent);
                continue;
            };
            let is_inside = |other: &Pending<'_, '_, '_>| other.groups.first().is_some_and(|found| *found == group);
            let (inside, others) = pending.into_iter().partition(is_inside);
            let inside: Vec<_> = std::iter::once(first).chain::<Vec<_>>(inside).collect();
            pending = others;
            self.push_line(indent, &group.place, group.message);
            let mut inner = indent + 1;
            if inside.len() > 1 {
                self.push_line(inner, common_place(&inside, &group), "validation failed");
                inner += 1;
            }
            self.push_all(inside.into_iter().map(|found| Pending { groups: found.groups[1..].to_vec(), ..found }).collect(), inner);
        }
    }

    fn push(&mut self, error: &ValidationError<'_, '_>, indent: usize) {
        if error.causes.len() == 1 && matches!(error.kind, ErrorKind::Reference { .. }) {
            return self.push_causes(error, indent);
        }
        self.push_line(indent, &error.instance_location.to_string(), &self.message(error));
        self.push_causes(error, indent + 1);
    }

    fn message(&self, error: &ValidationError<'_, '_>) -> String {
        // Expressions are shown as they were written.
        match &error.kind {
            ErrorKind::Pattern { got, want } => {
                let foreign = foreign_of(self.foreign, error.schema_url);
                let part = located(foreign.as_ref().unwrap_or(self.schema), error.schema_url);
                no_match(got, part.and_then(|schema| schema.get("pattern")?.as_str()).unwrap_or(want))
            }
            ErrorKind::Format { got, want: "regex", err } => {
                let pattern = self.schema.pointer(&error.instance_location.to_string()).and_then(Value::as_str);
                no_regex(pattern.or(got.as_str()).unwrap_or_default(), err.as_ref())
            }
            kind => message(kind),
        }
    }
}

/// Returns the schema elsewhere that a URL leads into.
fn foreign_of(foreign: &Foreign, url: &str) -> Option<Value> {
    let text = foreign.get(url.split('#').next()?)?.as_ref().ok()?;
    read(without_mark(text)).ok()
}

/// Returns the part of a schema that a URL names.
fn located<'s>(schema: &'s Value, url: &str) -> Option<&'s Value> {
    let (_, pointer) = url.split_once('#')?;
    schema.pointer(&percent_decoded(pointer))
}

fn no_regex(text: &str, error: &dyn std::error::Error) -> String {
    format!("{} is not valid regex: {}", quote(text), sprig::check_regex(text).err().unwrap_or_else(|| error.to_string()))
}

fn no_match(text: &str, pattern: &str) -> String {
    format!("{} does not match pattern {}", quote(text), quote(pattern))
}

fn percent_decoded(text: &str) -> String {
    let mut parts = text.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        match part.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => bytes.extend([&[byte], &part.as_bytes()[2..]].concat()),
            None => bytes.extend([b"%", part.as_bytes()].concat()),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Finds the groups between a schema and the one around it.
///
/// `boon` leaves out a group with one failure; the library that Helm uses does not.
fn pending<'e, 's, 'v>(error: &'e ValidationError<'s, 'v>, around: Around<'_>) -> Pending<'e, 's, 'v> {
    let (mut groups, mut steps) = (Vec::new(), Vec::new());
    let Some(path) = error.schema_url.strip_prefix(around.location) else { return Pending { error, groups, steps } };
    let parts: Vec<&str> = path.trim_start_matches('#').split('/').skip(1).collect();
    let place = error.instance_location.to_string();
    let all: Vec<(usize, usize)> = keywords(&parts).collect();
    let mut levels: usize = all.iter().map(|(levels, _)| levels).sum();
    let mut at = 0;
    for (inner, length) in all {
        let message = match parts[at] {
            "allOf" => Some("'allOf' failed"),
            "anyOf" => Some("'anyOf' failed"),
            "oneOf" => Some("'oneOf' failed, none matched"),
            _ => None,
        };
        let keyword = parts[at..(at + length).min(parts.len())].join("/");
        if let Some(message) = message
            && !(at == 0 && around.is_told)
        {
            groups.push(LeftOut { message, path: parts[..at].join("/") + &keyword, place: above(&place, levels).to_owned() });
        }
        levels -= inner;
        steps.push(Step { keyword, place: above(&place, levels).to_owned() });
        at += length;
    }
    Pending { error, groups, steps }
}

/// Cuts so many levels off a place.
fn above(place: &str, levels: usize) -> &str {
    place.rmatch_indices('/').take(levels).last().map_or(place, |(at, _)| &place[..at])
}

/// Lists the keywords of a path through a schema: how many levels each goes down in the value, and how many parts of the path it takes.
fn keywords<'p>(parts: &'p [&str]) -> impl Iterator<Item = (usize, usize)> + 'p {
    let mut at = 0;
    std::iter::from_fn(move || {
        let is_listed = parts.get(at + 1).is_some_and(|part| part.bytes().all(|byte| byte.is_ascii_digit()));
        let (levels, length) = match *parts.get(at)? {
            "allOf" | "anyOf" | "oneOf" | "definitions" | "$defs" | "dependentSchemas" | "dependencies" => (0, 2),
            "properties" | "patternProperties" | "prefixItems" => (1, 2),
            "items" if is_listed => (1, 2),
            "items" | "additionalItems" | "additionalProperties" | "unevaluatedItems" | "unevaluatedProperties" | "contains" => (1, 1),
            _ => (0, 1),
        };
        at += length;
        Some((levels, length))
    })
}

fn message(kind: &ErrorKind<'_, '_>) -> String {
    let pair = |word: &str, got: &usize, want: &usize| format!("{word}: got {}, want {}", grouped(*got), grouped(*want));
    let numbers = |word: &str, got: &Number, want: &Number| format!("{word}: got {}, want {}", number(got), number(want));
    match kind {
        ErrorKind::Group => "validation failed".to_owned(),
        ErrorKind::Schema { url } => format!("validation failed with {}", quote(url)),
        ErrorKind::Reference { .. } => "validation failed".to_owned(),
        ErrorKind::ContentSchema => "'contentSchema' failed".to_owned(),
        ErrorKind::PropertyName { prop } => format!("invalid propertyName {}", quote(prop)),
        ErrorKind::RefCycle { url, kw_loc1, kw_loc2 } => format!("both {kw_loc1} and {kw_loc2} resolve to {url:?} causing reference cycle"),
        ErrorKind::FalseSchema => "false schema".to_owned(),
        ErrorKind::Type { got, want } => {
            format!("got {got}, want {}", want.iter().map(|kind| kind.to_string()).collect::<Vec<_>>().join(" or "))
        }
        ErrorKind::Enum { want } => match want.iter().map(primitive).collect::<Option<Vec<_>>>() {
            Some(words) if words.len() == 1 => format!("value must be {}", words[0]),
            Some(words) => format!("value must be one of {}", words.join(", ")),
            None => "'enum' failed".to_owned(),
        },
        ErrorKind::Const { want } => primitive(want).map_or_else(|| "'const' failed".to_owned(), |word| format!("value must be {word}")),
        ErrorKind::Format { got, want: schema_formats::GO_REGEX, err } => no_regex(got.as_str().unwrap_or_default(), err.as_ref()),
        ErrorKind::Format { got, want, err } => format!("{} is not valid {want}: {err}", primitive(got).unwrap_or_default()),
        ErrorKind::MinProperties { got, want } => pair("minProperties", got, want),
        ErrorKind::MaxProperties { got, want } => pair("maxProperties", got, want),
        ErrorKind::AdditionalProperties { got } => format!("additional properties {} not allowed", quoted(got.iter().map(AsRef::as_ref))),
        ErrorKind::Required { want } if want.len() == 1 => format!("missing property {}", quote(want[0])),
        ErrorKind::Required { want } => format!("missing properties {}", quoted(want.iter().copied())),
        ErrorKind::Dependency { prop, missing } | ErrorKind::DependentRequired { prop, missing } => {
            format!("properties {} required, if {} exists", quoted(missing.iter().copied()), quote(prop))
        }
        ErrorKind::MinItems { got, want } => pair("minItems", got, want),
        ErrorKind::MaxItems { got, want } => pair("maxItems", got, want),
        ErrorKind::Contains => "no items match contains schema".to_owned(),
        ErrorKind::MinContains { got, want } if got.is_empty() => {
            format!("min {want} items required to match contains schema, but none matched")
        }
        ErrorKind::MinContains { got, want } => {
            format!("min {want} items required to match contains schema, but matched {} items at {}", got.len(), positions(got))
        }
        ErrorKind::MaxContains { got, want } => {
            format!("max {want} items required to match contains schema, but matched {} items at {}", got.len(), positions(got))
        }
        ErrorKind::UniqueItems { got } => format!("items at {} and {} are equal", got[0], got[1]),
        ErrorKind::AdditionalItems { got } => format!("last {got} additionalItem(s) not allowed"),
        ErrorKind::MinLength { got, want } => pair("minLength", got, want),
        ErrorKind::MaxLength { got, want } => pair("maxLength", got, want),
        ErrorKind::Pattern { got, want } => no_match(got, want),
        ErrorKind::ContentEncoding { want, err } => format!("value is not {} encoded: {err}", quote(want)),
        ErrorKind::ContentMediaType { want, err, .. } => format!("value if not of mediatype {}: {err}", quote(want)),
        ErrorKind::Minimum { got, want } => numbers("minimum", got, want),
        ErrorKind::Maximum { got, want } => numbers("maximum", got, want),
        ErrorKind::ExclusiveMinimum { got, want } => numbers("exclusiveMinimum", got, want),
        ErrorKind::ExclusiveMaximum { got, want } => numbers("exclusiveMaximum", got, want),
        ErrorKind::MultipleOf { got, want } => numbers("multipleOf", got, want),
        ErrorKind::Not => "'not' failed".to_owned(),
        ErrorKind::AllOf => "'allOf' failed".to_owned(),
        ErrorKind::AnyOf => "'anyOf' failed".to_owned(),
        ErrorKind::OneOf(None) => "'oneOf' failed, none matched".to_owned(),
        ErrorKind::OneOf(Some((first, second))) => format!("'oneOf' failed, subschemas {first}, {second} matched"),
    }
}

fn positions(items: &[usize]) -> String {
    format!("[{}]", items.iter().map(usize::to_string).collect::<Vec<_>>().join(" "))
}

fn quoted<'a>(words: impl Iterator<Item = &'a str>) -> String {
    words.map(quote).collect::<Vec<_>>().join(", ")
}

/// Single quotes around what Go's `%q` would write, with the quotes' escapes swapped; a backslash at the end loses its twin to that.
fn quote(text: &str) -> String {
    let quoted = go_template::quote::quote_text(text).replace("\\\"", "\"").replace('\'', "\\'");
    format!("'{}'", quoted.get(1..quoted.len() - 1).unwrap_or_default())
}

fn primitive(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(quote(text)),
        Value::Null => Some("<nil>".to_owned()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Number(number) => Some(number.to_string()),
        Value::Array(_) | Value::Object(_) => None,
    }
}

/// English digit groups: the library prints numbers for people.
fn grouped(number: usize) -> String {
    group(&number.to_string())
}

/// Prints a number as `%v` of `golang.org/x/text/message` does in English.
fn number(number: &Number) -> String {
    // To the library a number is a fraction, which has no negative zero.
    let value = number.as_f64().unwrap_or(f64::NAN) + 0.0;
    let scientific = format!("{value:e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    if !(-4..6).contains(&exponent.parse().unwrap_or(0)) {
        let raised = |c: char| "⁰¹²³⁴⁵⁶⁷⁸⁹".chars().nth(c.to_digit(10).unwrap_or(10) as usize).unwrap_or('⁻');
        let (sign, digits) = exponent.strip_prefix('-').map_or(("", exponent), |digits| ("-", digits));
        return format!("{mantissa}×10{}", format!("{sign}{digits:0>2}").chars().map(raised).collect::<String>());
    }
    let text = go_encoding::float::fixed(value);
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let (sign, whole) = whole.strip_prefix('-').map_or(("", whole), |rest| ("-", rest));
    let point = if fraction.is_empty() { "" } else { "." };
    format!("{sign}{}{point}{fraction}", group(whole))
}

fn group(digits: &str) -> String {
    let mut text = String::new();
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alone(schema: &[u8], values: &Map<String, Value>) -> Result<(), String> {
        by_library(schema, values, &Checking { compat: &HelmCompat::newest(), foreign: &Foreign::new() })
    }
    use serde_json::json;

    #[test]
    fn words_failures_as_helm_does() {
        let schema =
            json!({"required": ["req"], "properties": {"a": {"type": "string"}, "b": {"minimum": 70000}, "c": {"enum": ["x", "y"]}}});
        let values = json!({"a": 1.0, "b": 2.0, "c": "z"});
        let found = alone(schema.to_string().as_bytes(), values.as_object().expect("a map")).expect_err("does not fit");
        let mut lines: Vec<&str> = found.lines().collect();
        lines.sort_unstable();
        assert_eq!(
            lines,
            [
                "- at '': missing property 'req'",
                "- at '/a': got number, want string",
                "- at '/b': minimum: got 2, want 70,000",
                "- at '/c': value must be one of 'x', 'y'",
            ]
        );
        assert_eq!(alone(b"{", &Map::new()), Err("unexpected EOF".to_owned()));
    }

    /// Draws numbers below a bound, always the same ones.
    struct Dice(u64);

    impl Dice {
        fn below(&mut self, bound: usize) -> usize {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (self.0 >> 33) as usize % bound
        }

        fn value(&mut self, depth: usize) -> Value {
            match self.below(if depth > 2 { 6 } else { 9 }) {
                0 => Value::Null,
                1 => json!(self.below(2) == 0),
                2 => json!(self.below(4)),
                3 => json!(self.below(4) as f64 / 2.0),
                4 => json!("a".repeat(self.below(4))),
                5 => json!([]),
                6 => (0..self.below(3)).map(|_| self.value(depth + 1)).collect(),
                _ => {
                    let entry = |dice: &mut Dice| (["a", "b", "c"][dice.below(3)].to_owned(), dice.value(depth + 1));
                    Value::Object((0..self.below(4)).map(|_| entry(self)).collect())
                }
            }
        }

        fn schema(&mut self, depth: usize) -> Value {
            let mut schema = Map::new();
            let kinds = ["null", "boolean", "integer", "number", "string", "array", "object", "wrong"];
            for _ in 0..self.below(4) {
                let inner = |dice: &mut Dice| if depth > 2 { json!({}) } else { dice.schema(depth + 1) };
                let (keyword, value) = match self.below(18) {
                    0 => ("type", json!(kinds[self.below(15).min(self.below(8))])),
                    1 => ("type", json!([kinds[self.below(7)], kinds[self.below(7)]])),
                    2 => ("properties", json!({"a": inner(self), "b": inner(self)})),
                    3 => ("additionalProperties", if self.below(2) == 0 { json!(false) } else { inner(self) }),
                    4 => ("required", json!([["a"], ["b"], ["c"]][self.below(3)])),
                    5 => ("items", inner(self)),
                    6 => ("uniqueItems", json!(true)),
                    7 => ("enum", json!([self.value(2), self.value(2)])),
                    8 => ("anyOf", json!([inner(self), inner(self)])),
                    9 => ("oneOf", json!([inner(self), inner(self)])),
                    10 => ("allOf", json!([inner(self)])),
                    11 => ("minimum", json!(self.below(3))),
                    12 => ("exclusiveMaximum", json!(self.below(4))),
                    13 => (["minLength", "minItems", "minProperties"][self.below(3)], json!(self.below(3))),
                    14 => (["maxLength", "maxItems", "maxProperties"][self.below(3)], json!(self.below(4))),
                    15 => ("$ref", json!(["#/definitions/d", "#/$defs/e", "#"][self.below(3)])),
                    16 => ("not", inner(self)),
                    _ => ("description", json!("words")),
                };
                schema.insert(keyword.to_owned(), value);
            }
            Value::Object(schema)
        }
    }

    #[test]
    fn accepts_quickly_only_what_the_library_accepts() {
        let mut dice = Dice(7);
        let mut accepted = 0;
        for _ in 0..60 {
            let mut schema = dice.schema(0);
            schema["definitions"] = json!({"d": dice.schema(1)});
            schema["$defs"] = json!({"e": dice.schema(1)});
            schema["$schema"] =
                json!(["http://json-schema.org/draft-07/schema#", "https://json-schema.org/draft/2019-09/schema"][dice.below(2)]);
            let text = schema.to_string();
            let Some(plain) = PlainSchema::read(text.as_bytes()) else { continue };
            for _ in 0..4 {
                let Value::Object(values) = dice.value(0) else { continue };
                if plain.accepts(&values) {
                    accepted += 1;
                    assert_eq!(alone(text.as_bytes(), &values), Ok(()), "{text}\n{values:?}");
                    // The library takes long to compile a schema: one question each.
                    break;
                }
            }
        }
        assert!(accepted > 10, "only {accepted} were accepted: nothing was tested");
    }
}
