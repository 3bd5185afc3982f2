//! Says where what an error is about comes from: the line of the template, and the file and line that gave a value. It says only
//! what is certain, and nothing where it is not.

use std::collections::BTreeMap;

use go_encoding::yaml::node::{self, Data, Node, Style};
use serde_json::{Map, Value};

use crate::chart::Chart;
use crate::compat::HelmCompat;
use crate::render::RenderError;

/// Something that gave values to a render; a later one overrides earlier ones.
#[derive(Debug, Clone)]
pub enum Given {
    /// A file of values.
    File {
        /// How it is called.
        name: String,
        /// What is in it.
        text: String,
    },
    /// An option such as `--set a=1`.
    Option {
        /// How it was written, without the value.
        written: String,
        /// What it sets.
        values: Map<String, Value>,
    },
    /// Values out of several places.
    Composed {
        /// All of them.
        values: Map<String, Value>,
        /// Where each value stands that holds no others, by its keys.
        places: BTreeMap<Vec<String>, String>,
        /// What composes them.
        whole: String,
    },
}

/// How many values are told of.
const MOST: usize = 5;

/// Returns what helps with an error of rendering `chart`.
pub fn hints(error: &RenderError, chart: &Chart, given: &[Given]) -> Vec<String> {
    let mut hints = match error {
        RenderError::Schema(text) => of_schema(text, chart, given),
        RenderError::Template(text) => of_template(text, chart, given),
        _ => Vec::new(),
    };
    hints.truncate(MOST);
    hints
}

/// Tells where each value is set of which a schema complains.
fn of_schema(text: &str, chart: &Chart, given: &[Given]) -> Vec<String> {
    let (mut found, mut prefix) = (Vec::new(), None);
    for line in text.lines() {
        if let Some((place, _)) = line.strip_prefix("- at '").and_then(|rest| rest.split_once("': ")) {
            let Some(prefix) = &prefix else { continue };
            let unescaped = |key: &str| key.replace("~1", "/").replace("~0", "~");
            let path: Vec<String> = Vec::clone(prefix).into_iter().chain(place.split('/').skip(1).map(unescaped)).collect();
            let set = origin(&path, chart, given).filter(|origin| !path.is_empty() && origin.depth == path.len());
            found.extend(set.map(|origin| origin.told(&path)));
        } else if let Some(name) = line.strip_suffix(':').filter(|line| !line.starts_with([' ', '-'])) {
            // Of charts further down the path is not told.
            let is_child = chart.dependencies.iter().any(|child| child.name() == name);
            prefix = if name == chart.name() { Some(Vec::new()) } else { is_child.then(|| vec![name.to_owned()]) };
        }
    }
    found.dedup();
    found
}

/// Shows the line of a template that failed, and tells where the values are set that it names.
fn of_template(text: &str, chart: &Chart, given: &[Given]) -> Vec<String> {
    let Some((file, line)) = places(text).last() else { return Vec::new() };
    let Some((scope, template)) = template_of(chart, file) else { return Vec::new() };
    let source = String::from_utf8_lossy(template);
    let Some(shown) = source.lines().nth(line.saturating_sub(1)).map(str::trim) else { return Vec::new() };
    let mut hints = vec![format!("{file}:{line} is `{}`", shorten(shown))];
    // What the error points at, or all of the line.
    let node = text.rsplit_once("at <").and_then(|(_, rest)| rest.split_once(">:")).map_or(shown, |(node, _)| node);
    for keys in values_in(node) {
        let is_global = keys.first().is_some_and(|key| key == "global");
        let path: Vec<String> = if is_global { keys } else { scope.iter().cloned().chain(keys).collect() };
        hints.extend(origin(&path, chart, given).map(|origin| origin.told(&path)));
    }
    hints
}

/// Finds the places `FILE:LINE` of templates that an error names, the innermost last.
fn places(text: &str) -> impl Iterator<Item = (&str, usize)> {
    text.split([' ', '\n', '(', ')']).filter_map(|word| {
        let mut parts = word.trim_end_matches(':').split(':');
        let (file, line) = (parts.next()?, parts.next()?.parse().ok()?);
        file.contains("/templates/").then_some((file, line))
    })
}

/// Finds a template by its path below the root chart, and where the values of its chart are below those of the root.
fn template_of<'c>(chart: &'c Chart, file: &str) -> Option<(Vec<String>, &'c [u8])> {
    let mut rest = file.strip_prefix(chart.name())?.strip_prefix('/')?;
    let (mut chart, mut scope) = (chart, Vec::new());
    while let Some(below) = rest.strip_prefix("charts/") {
        let (name, inner) = below.split_once('/')?;
        chart = chart.dependencies.iter().find(|child| child.name() == name)?;
        scope.push(name.to_owned());
        rest = inner;
    }
    let template = chart.templates.iter().find(|template| template.name == rest)?;
    Some((scope, &template.data))
}

/// Returns the keys of each `.Values.a.b` in a text.
fn values_in(text: &str) -> Vec<Vec<String>> {
    let path = |rest: &str| -> Vec<String> {
        let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '.')).unwrap_or(rest.len());
        rest[..end].split('.').filter(|key| !key.is_empty()).map(str::to_owned).collect()
    };
    let mut found: Vec<Vec<String>> = Vec::new();
    for keys in text.split(".Values.").skip(1).map(path) {
        if !keys.is_empty() && !found.contains(&keys) {
            found.push(keys);
        }
    }
    found
}

/// Is what a source has of a path.
struct Origin {
    /// How many keys of the path there are.
    depth: usize,
    what: &'static str,
    /// Whether it can hold keys: if not, nothing that earlier sources have below it counts.
    is_map: bool,
    place: String,
}

impl Origin {
    fn told(&self, path: &[String]) -> String {
        if self.depth == 0 {
            return format!("neither the values given nor the chart's own have `{}`", path.join("."));
        }
        let set = format!("`{}` is {}, set in {}", path[..self.depth].join("."), self.what, self.place);
        path.get(self.depth).map_or(set.clone(), |key| format!("{set}; it has no `{key}`"))
    }
}

/// Says that a source cannot be read this way: it has merge keys or several documents.
struct Unclear;

/// Finds the source that decides what is at a path: the last one that has all of it, or something on the way that holds no keys.
fn origin(path: &[String], chart: &Chart, given: &[Given]) -> Option<Origin> {
    let mut best = Origin { depth: 0, what: "", is_map: true, place: String::new() };
    for source in given.iter().rev() {
        let found = match source {
            Given::File { name, text } => in_text(name, text, path).ok()?,
            Given::Option { written, values } => in_values(values, path, |_| format!("`{written}`")),
            Given::Composed { values, places, whole } => in_values(values, path, |path| places.get(path).unwrap_or(whole).clone()),
        };
        if settles(&mut best, found, 0, path) {
            return Some(best);
        }
    }
    let (mut at, mut folder) = (chart, chart.name().to_owned());
    for scope in 0..=path.len() {
        if at.metadata.dependencies.iter().flatten().any(|dependency| !dependency.import_values.is_empty()) {
            return None;
        }
        let found = match at.values_text() {
            Some(text) => in_text(&format!("{folder}/values.yaml"), &text, &path[scope..]).ok()?,
            None => in_values(&at.values(&HelmCompat::newest()), &path[scope..], |_| format!("the values files of {folder}")),
        };
        if settles(&mut best, found, scope, path) {
            return Some(best);
        }
        let Some(child) = path.get(scope).and_then(|key| at.dependencies.iter().find(|child| child.name() == key)) else { break };
        at = child;
        folder = format!("{folder}/charts/{}", child.name());
    }
    Some(best)
}

/// Takes what a source has, if it is more; returns whether that is the last word.
fn settles(best: &mut Origin, found: Option<Origin>, scope: usize, path: &[String]) -> bool {
    let Some(found) = found else { return false };
    let depth = found.depth + scope;
    if depth > best.depth {
        *best = Origin { depth, ..found };
    }
    !best.is_map || best.depth == path.len()
}

fn in_values(values: &Map<String, Value>, path: &[String], place: impl Fn(&[String]) -> String) -> Option<Origin> {
    let mut found = None;
    let mut at = Some(values);
    for (depth, key) in path.iter().enumerate() {
        let Some(value) = at.and_then(|map| map.get(key)) else { break };
        at = value.as_object();
        found = Some((depth + 1, value));
    }
    found.map(|(depth, value)| Origin { depth, what: of_value(value), is_map: value.is_object(), place: place(&path[..depth]) })
}

fn in_text(name: &str, text: &str, path: &[String]) -> Result<Option<Origin>, Unclear> {
    let documents = node::parse(text).map_err(|_| Unclear)?;
    let mut at = match documents.as_slice() {
        [] => return Ok(None),
        [document] => document,
        _ => return Err(Unclear),
    };
    let mut found = None;
    for (depth, key) in path.iter().enumerate() {
        let next = match &at.data {
            Data::Mapping(entries) if entries.iter().any(|(key, _)| is_merge(key)) => return Err(Unclear),
            // Where a key stands is found more easily than where what is under it starts. The last of equal keys counts.
            Data::Mapping(entries) => entries.iter().rev().find(|(name, _)| name.text() == Some(key)).map(|(name, value)| (name, value)),
            Data::Sequence(items) => key.parse().ok().and_then(|position: usize| items.get(position)).map(|item| (item, item)),
            Data::Scalar { .. } => None,
        };
        let Some((named, next)) = next else { break };
        let is_map = matches!(next.data, Data::Mapping(_));
        found = Some(Origin { depth: depth + 1, what: of_node(next), is_map, place: format!("{name}:{}:{}", named.line, named.column) });
        at = next;
    }
    Ok(found)
}

fn is_merge(key: &Node) -> bool {
    matches!(&key.data, Data::Scalar { text, style: Style::Plain, .. } if text == "<<")
}

fn of_node(node: &Node) -> &'static str {
    match &node.data {
        Data::Scalar { value, .. } => of_value(value),
        Data::Sequence(_) => "a list",
        Data::Mapping(_) => "a map",
    }
}

fn of_value(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "a map",
    }
}

fn shorten(line: &str) -> String {
    const MOST: usize = 120;
    if line.chars().count() <= MOST { line.to_owned() } else { format!("{}…", line.chars().take(MOST).collect::<String>()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{HelmCompat, RenderRequest};

    const FILES: &[(&str, &str)] = &[
        ("Chart.yaml", "{apiVersion: v2, name: app, version: 1.0.0}"),
        ("values.yaml", "image:\n  tag: v1\nport: 80\nsub:\n  x: text\n"),
        ("charts/sub/Chart.yaml", "{apiVersion: v2, name: sub, version: 1.0.0}"),
        ("charts/sub/values.yaml", "x: {y: 1}\nz:\n  list: [1]\n"),
        ("charts/sub/values.schema.json", r#"{"properties": {"z": {"properties": {"list": {"items": {"type": "string"}}}}}}"#),
    ];

    fn check(template: &str, values: &str, given: &[Given], expect: &[&str]) {
        let files = FILES.iter().copied().chain([("templates/a.yaml", template)]);
        let chart = Chart::from_files(files.map(|(name, text)| (name.to_owned(), text.as_bytes().to_vec()))).expect("a chart");
        let mut request = RenderRequest::new("rel", "ns");
        request.compat = HelmCompat::newest();
        request.skip_schema_validation = template != "schema";
        request.values = crate::values::from_yaml(values).expect("values");
        let error = crate::render(&chart, &request).expect_err("fails");
        assert_eq!(hints(&error, &chart, given), expect, "{error}");
    }

    fn file(text: &str) -> Given {
        Given::File { name: "my.yaml".into(), text: text.into() }
    }

    #[test]
    fn tells_where_values_of_templates_come_from() {
        let line = "app/templates/a.yaml:1 is `{{ .Values.image.tag.major }}`";
        let of = |place: &str| format!("`image.tag` is a string, set in {place}; it has no `major`");
        check("{{ .Values.image.tag.major }}", "", &[], &[line, &of("app/values.yaml:2:3")]);
        let text = "a: 1\nimage: {tag: v2}";
        check("{{ .Values.image.tag.major }}", text, &[file(text)], &[line, &of("my.yaml:2:9")]);
        let text = "image: nothing";
        check("{{ .Values.image.tag.major }}", text, &[file(text)], &[line, "`image` is a string, set in my.yaml:1:1; it has no `tag`"]);
        check(
            "x: 1\ny: {{ required \"give a host\" .Values.host }}",
            "",
            &[],
            &[
                "app/templates/a.yaml:2 is `y: {{ required \"give a host\" .Values.host }}`",
                "neither the values given nor the chart's own have `host`",
            ],
        );
    }

    #[test]
    fn tells_where_values_of_several_places_come_from() {
        let text = "image: {tag: v2, name: {}}";
        let values = crate::values::from_yaml(text).expect("values");
        let places = [(vec!["image".to_owned(), "tag".to_owned()], "app/release.yaml:7".to_owned())].into();
        let given = [Given::Composed { values, places, whole: "app/release.yaml:1".into() }];
        let line = |path: &str| format!("app/templates/a.yaml:1 is `{{{{ .Values.{path} }}}}`");
        let told = "`image.tag` is a string, set in app/release.yaml:7; it has no `major`";
        check("{{ .Values.image.tag.major }}", text, &given, &[&line("image.tag.major"), told]);
        let told = "`image.name` is a map, set in app/release.yaml:1; it has no `a`";
        check("{{ .Values.image.name.a.b }}", text, &given, &[&line("image.name.a.b"), told]);
    }

    #[test]
    fn says_nothing_that_is_not_certain() {
        let text = "base: &base {tag: v3}\nimage: {<<: *base}";
        check("{{ .Values.image.tag.major }}", text, &[file(text)], &["app/templates/a.yaml:1 is `{{ .Values.image.tag.major }}`"]);
    }

    #[test]
    fn tells_where_values_that_a_schema_refuses_come_from() {
        check("schema", "", &[], &["`sub.z.list.0` is a number, set in app/charts/sub/values.yaml:3:10"]);
        let mut values = Map::new();
        crate::values::set(&mut values, "sub.z.list={1}").expect("sets");
        let option = Given::Option { written: "--set sub.z.list".into(), values };
        check("schema", "sub: {z: {list: [1]}}", &[file("a: 1"), option], &[]);
    }
}
