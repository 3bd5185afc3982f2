//! Composes the values of a HelmRelease: `valuesFrom` in order, then `spec.values` (`fluxcd/pkg/chartutil/values.go`).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use go_encoding::json::as_floats;
use serde_json::{Map, Value};

use crate::error::Error;
use crate::fields::{flag, get, items, namespace, object, text};
use crate::producers;
use crate::sops;
use crate::tree::{Located, Tree};

/// Returns the composed values, as Helm holds them, and what could not be known of them: every number is a float, but for the integers that a
/// `targetPath` sets.
pub(crate) fn compose(tree: &Tree, release: &Located) -> Result<(Map<String, Value>, Vec<String>), Error> {
    let value = &release.object.value;
    let mut inline = as_floats(get(value, &["spec", "values"]).cloned().unwrap_or_else(|| Value::Object(Map::new())));
    let mut result = Value::Object(Map::new());
    let mut unknown = Vec::new();
    for reference in items(value, &["spec", "valuesFrom"]) {
        let (kind, wanted) = (text(reference, &["kind"]).unwrap_or(""), text(reference, &["name"]).unwrap_or(""));
        let key = text(reference, &["valuesKey"]).unwrap_or("values.yaml");
        let target = text(reference, &["targetPath"]);
        let title = format!("{kind} {}/{wanted}", namespace(value));
        match data(tree, kind, namespace(value), wanted, key) {
            Data::Text(content) => match target {
                None => {
                    let read = go_encoding::yaml::parse(&content).map(as_floats);
                    let read = read.map_err(|error| Error::at(&release.object, format!("{title}, key {key}: {error}")))?;
                    if !read.is_null() && !read.is_object() {
                        return Err(Error::at(&release.object, format!("{title}, key {key}: values must be a mapping")));
                    }
                    merge(&mut result, read);
                }
                Some(path) => {
                    let is_literal = flag(reference, &["literal"]);
                    let set = set(&mut result, &mut inline, path, &content, is_literal);
                    set.map_err(|message| Error::at(&release.object, format!("targetPath {path}: {message}")))?;
                }
            },
            Data::Made(maker) => unknown.push(format!("{title}, which valuesFrom names, is made by {maker}")),
            Data::NoKey | Data::NoObject if flag(reference, &["optional"]) => {}
            Data::NoObject => unknown.push(format!("{title}, which valuesFrom names, is not in the tree")),
            Data::NoKey => unknown.push(format!("{title} has no key {key}, which valuesFrom names")),
            Data::Encrypted(why) => unknown.push(format!("{title}, which valuesFrom names, {why}")),
        }
    }
    merge(&mut result, inline);
    match result {
        Value::Object(values) => Ok((values, unknown)),
        _ => Err(Error::at(&release.object, "spec.values must be a mapping".to_string())),
    }
}

enum Data {
    Text(String),
    /// Something in the cluster makes it.
    Made(String),
    NoObject,
    NoKey,
    Encrypted(String),
}

fn data(tree: &Tree, kind: &str, namespace: &str, name: &str, key: &str) -> Data {
    let Some(found) = tree.content(kind, namespace, name) else {
        return producers::of(tree, kind, namespace, name).map_or(Data::NoObject, |maker| Data::Made(maker.title()));
    };
    if let Some(why) = found.encrypted() {
        return Data::Encrypted(why);
    }
    match entries(&found.object.value).into_iter().find(|(name, _)| name == key) {
        Some((_, text)) if kind == "Secret" && sops::is_encrypted_text(&text) => {
            Data::Encrypted(format!("is encrypted under its key {key}"))
        }
        Some((_, text)) => Data::Text(text),
        None => Data::NoKey,
    }
}

/// Returns the entries of a ConfigMap or Secret as text; `stringData` goes before `data`.
pub(crate) fn entries(value: &Value) -> Vec<(String, String)> {
    let is_secret = text(value, &["kind"]) == Some("Secret");
    let mut found = std::collections::BTreeMap::new();
    for (key, entry) in get(value, &["data"]).and_then(Value::as_object).into_iter().flatten() {
        let Some(text) = entry.as_str() else { continue };
        let decoded = || String::from_utf8(STANDARD.decode(text.split_ascii_whitespace().collect::<String>()).ok()?).ok();
        if let Some(text) = if is_secret { decoded() } else { Some(text.to_string()) } {
            found.insert(key.clone(), text);
        }
    }
    for (key, entry) in get(value, &["stringData"]).and_then(Value::as_object).into_iter().flatten().filter(|_| is_secret) {
        if let Some(text) = entry.as_str() {
            found.insert(key.clone(), text.to_string());
        }
    }
    found.into_iter().collect()
}

/// Merges maps; anything else, null included, replaces.
pub(crate) fn merge(into: &mut Value, from: Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                match into.get_mut(&key) {
                    Some(present) if present.is_object() && value.is_object() => merge(present, value),
                    _ => drop(into.insert(key, value)),
                }
            }
        }
        (_, Value::Null) => {}
        (into, from) => *into = from,
    }
}

/// How large an index in a `targetPath` may be, as in Helm's `strvals`.
const MAX_INDEX: usize = 65_536;

/// One step of a path.
#[derive(Debug, Clone, PartialEq)]
enum Step {
    Key(String),
    Index(usize),
}

/// Sets a value by the grammar of `--set`: the content is what follows `=` there. Quoted ones and literals stay text, but only a literal is
/// taken as it is: what follows a comma in others sets more, as in `1,other.key=2`.
///
/// The inline values are merged in first. Go shares maps: where a map of the result is then the very map of the inline values, the new
/// value lands in both and so survives the last merge; elsewhere the inline values win in the end.
fn set(into: &mut Value, inline: &mut Value, path: &str, content: &str, is_literal: bool) -> Result<(), String> {
    let steps = steps(path)?;
    let quoted = |quote: char| content.starts_with(quote) && content.ends_with(quote);
    let pairs = if is_literal {
        vec![(steps, Value::from(content))]
    } else if quoted('\'') || quoted('"') {
        pairs(steps, content.trim_matches(['\'', '"']), |text| Value::from(text))?
    } else {
        pairs(steps, content, typed)?
    };
    let shared: Vec<bool> = pairs.iter().map(|(steps, _)| is_shared(into, inline, steps)).collect();
    merge(into, inline.clone());
    for ((steps, value), is_shared) in pairs.into_iter().zip(shared) {
        if is_shared {
            put(inline, &steps, value.clone());
        }
        put(into, &steps, value);
    }
    Ok(())
}

/// Reads a value, and further pairs of path and value after commas (`helm/helm` `pkg/strvals/parser.go`).
fn pairs(first: Vec<Step>, content: &str, scalar: fn(&str) -> Value) -> Result<Vec<(Vec<Step>, Value)>, String> {
    let (mut pairs, mut path, mut rest) = (Vec::new(), first, content);
    loop {
        let value = match rest.strip_prefix('{') {
            Some(list) => {
                let (inner, after) = cut(list, '}').ok_or("list must terminate with '}'")?;
                rest = after.strip_prefix(',').unwrap_or(after);
                Value::Array(if inner.is_empty() { Vec::new() } else { parts(inner).iter().map(|part| scalar(part)).collect() })
            }
            None => {
                let (text, after) = cut(rest, ',').unwrap_or((rest, ""));
                rest = after;
                scalar(&unescaped(text))
            }
        };
        pairs.push((path, value));
        if rest.is_empty() {
            return Ok(pairs);
        }
        // The message must not hold what may be part of a secret.
        const NO_PAIR: &str = "what follows a comma is no KEY=VALUE; escape the comma or set literal";
        let (key, after) = cut(rest, '=').ok_or(NO_PAIR)?;
        path = steps(key).map_err(|_| NO_PAIR)?;
        rest = after;
    }
}

/// Splits at the first such character that is not escaped.
fn cut(text: &str, at: char) -> Option<(&str, &str)> {
    let mut is_escaped = false;
    for (index, c) in text.char_indices() {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            c if c == at => return Some((&text[..index], &text[index + c.len_utf8()..])),
            _ => {}
        }
    }
    None
}

fn unescaped(text: &str) -> String {
    let (mut plain, mut chars) = (String::with_capacity(text.len()), text.chars());
    while let Some(c) = chars.next() {
        if c == '\\' { plain.extend(chars.next()) } else { plain.push(c) }
    }
    plain
}

/// Returns whether the map or list that holds the last step will be one of the inline values themselves after a merge.
fn is_shared(into: &Value, inline: &Value, steps: &[Step]) -> bool {
    let (mut into, mut inline) = (Some(into), inline);
    for step in &steps[..steps.len().saturating_sub(1)] {
        let Step::Key(key) = step else { return false };
        let Some(next) = inline.get(key) else { return false };
        into = into.and_then(|into| into.get(key));
        if !(next.is_object() && into.is_some_and(Value::is_object)) {
            return next.is_object() || next.is_array();
        }
        inline = next;
    }
    false
}

fn steps(path: &str) -> Result<Vec<Step>, String> {
    let (mut steps, mut key, mut chars) = (Vec::new(), String::new(), path.chars().peekable());
    while let Some(c) = chars.next() {
        match c {
            '\\' => key.extend(chars.next()),
            '.' if key.is_empty() && matches!(steps.last(), Some(Step::Index(_))) => {}
            '.' if key.is_empty() => return Err("a part is empty".to_string()),
            '.' => steps.push(Step::Key(std::mem::take(&mut key))),
            '[' => {
                if !key.is_empty() {
                    steps.push(Step::Key(std::mem::take(&mut key)));
                }
                let digits: String = chars.by_ref().take_while(|c| *c != ']').collect();
                let index = digits.parse().ok().filter(|index| *index <= MAX_INDEX).ok_or(format!("{digits:?} is no index"))?;
                steps.push(Step::Index(index));
            }
            '=' | ',' | '{' | '}' => return Err(format!("{c:?} must be escaped")),
            c => key.push(c),
        }
    }
    if !key.is_empty() {
        steps.push(Step::Key(key));
    }
    if !matches!(steps.first(), Some(Step::Key(_))) {
        return Err("it must start with a name".to_string());
    }
    Ok(steps)
}

/// Splits at the commas that are not escaped.
fn parts(text: &str) -> Vec<String> {
    let (mut parts, mut rest) = (Vec::new(), text);
    while let Some((part, after)) = cut(rest, ',') {
        parts.push(unescaped(part));
        rest = after;
    }
    parts.push(unescaped(rest));
    parts
}

/// Types a scalar as `strvals` does: no floats, no numbers with a leading zero.
fn typed(text: &str) -> Value {
    match text {
        _ if text.eq_ignore_ascii_case("true") => Value::Bool(true),
        _ if text.eq_ignore_ascii_case("false") => Value::Bool(false),
        _ if text.eq_ignore_ascii_case("null") => Value::Null,
        "0" => Value::from(0),
        _ if text.starts_with('0') => Value::from(text),
        _ => text.parse::<i64>().map_or_else(|_| Value::from(text), Value::from),
    }
}

fn put(into: &mut Value, steps: &[Step], value: Value) {
    let Some((first, rest)) = steps.split_first() else {
        *into = value;
        return;
    };
    match first {
        Step::Key(key) => put(object(into).entry(key.clone()).or_insert(Value::Null), rest, value),
        Step::Index(index) => {
            if !into.is_array() {
                *into = Value::Array(Vec::new());
            }
            let Value::Array(items) = into else { return };
            if items.len() <= *index {
                items.resize(index + 1, Value::Null);
            }
            put(&mut items[*index], rest, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn target_paths() {
        let check = |path: &str, content: &str, literal: bool, expected: Value| {
            let mut into = json!({"a": {"k": 1}});
            set(&mut into, &mut json!({}), path, content, literal).unwrap();
            assert_eq!(into, expected, "{path}={content}");
        };
        check("a.b", "1", false, json!({"a": {"k": 1, "b": 1}}));
        check("a.b", "'1'", false, json!({"a": {"k": 1, "b": "1"}}));
        check("a.b", "1,2", true, json!({"a": {"k": 1, "b": "1,2"}}));
        check("l[1].x\\.y", "true", false, json!({"a": {"k": 1}, "l": [null, {"x.y": true}]}));
        check("l", "{a,2}", false, json!({"a": {"k": 1}, "l": ["a", 2]}));
        check("z", "007", false, json!({"a": {"k": 1}, "z": "007"}));
        check("a.b", "1,c.d=x\\,y,e={1,z}", false, json!({"a": {"k": 1, "b": 1}, "c": {"d": "x,y"}, "e": [1, "z"]}));
        check("a.b", "\"1,c=2\"", false, json!({"a": {"k": 1, "b": "1"}, "c": "2"}));
        check("a.b", "1,", false, json!({"a": {"k": 1, "b": 1}}));
        assert!(set(&mut json!({}), &mut json!({}), "a", "{x", false).is_err());
        assert!(set(&mut json!({}), &mut json!({}), "a", "x,y", false).is_err());
        assert!(set(&mut json!({}), &mut json!({}), "a[99999999]", "x", false).is_err());
    }

    #[test]
    fn only_a_target_path_sets_integers() {
        let objects = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: more, namespace: a}\ndata: {values.yaml: 'x: 2\n', one: '1000000'}\n---\napiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {name: web, namespace: a}\nspec:\n  chartRef: {kind: OCIRepository, name: web}\n  valuesFrom:\n    - {kind: ConfigMap, name: more}\n    - {kind: ConfigMap, name: more, valuesKey: one, targetPath: set}\n    - {kind: ConfigMap, name: more, valuesKey: one, targetPath: replaced}\n  values: {y: 3, replaced: 4}\n---\napiVersion: source.toolkit.fluxcd.io/v1\nkind: OCIRepository\nmetadata: {name: web, namespace: a}\nspec: {url: oci://x/web, ref: {tag: 1.0.0}}\n---\napiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: flux-system, namespace: flux-system}\nspec: {path: ./c, sourceRef: {kind: GitRepository, name: flux-system}}\n";
        let files = [("c/all.yaml".to_owned(), objects.as_bytes().to_vec())].into_iter().collect();
        let spec = crate::read(&kustomize::MemoryFiles(files), Some("c")).unwrap().release("a", "web").unwrap();
        assert_eq!(Value::Object(spec.values), json!({"x": 2.0, "set": 1_000_000, "y": 3.0, "replaced": 4.0}));
    }

    #[test]
    fn null_replaces_and_stays() {
        let mut into = json!({"a": {"b": 1, "c": 2}});
        merge(&mut into, json!({"a": {"b": null, "d": [1]}, "e": {}}));
        assert_eq!(into, json!({"a": {"b": null, "c": 2, "d": [1]}, "e": {}}));
    }
}
