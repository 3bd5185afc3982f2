//! `.Files`: the files of a chart that are not templates, and the globs over them (`pkg/engine/files.go`, `gobwas/glob`).

use std::any::Any;
use std::collections::BTreeMap;

use base64::Engine as _;
use bytes::Bytes;
use go_template::{Call, Kind, List, ListKind, Method, Native, Outcome, Type, Value, fixed};
use serde_json::Value as Json;

use crate::chart::Chart;

/// A map from path to bytes, `engine.files`.
pub(super) struct Files {
    files: BTreeMap<String, Bytes>,
}

impl Files {
    pub(super) fn of(chart: &Chart) -> Files {
        Files { files: chart.files.iter().map(|file| (file.name.clone(), file.data.clone())).collect() }
    }

    /// Returns a YAML mapping from base name to what `text` makes of the bytes.
    fn as_yaml(&self, text: impl Fn(&[u8]) -> String) -> Value {
        let map = self.files.iter().map(|(name, data)| (base(name).to_owned(), Json::String(text(data)))).collect();
        let yaml = go_encoding::yaml::marshal(&Json::Object(map)).unwrap_or_default();
        Value::str(yaml.strip_suffix('\n').unwrap_or(&yaml))
    }
}

/// Go's `path.Base`.
fn base(path: &str) -> &str {
    path.trim_end_matches('/').rsplit('/').next().filter(|name| !name.is_empty()).unwrap_or(".")
}

fn receiver(value: &Value) -> &Files {
    static NONE: Files = Files { files: BTreeMap::new() };
    value.downcast().unwrap_or(&NONE)
}

fn argument(args: &[Value]) -> String {
    args.first().and_then(Value::as_bytes).map(|bytes| String::from_utf8_lossy(bytes).into_owned()).unwrap_or_default()
}

const METHODS: &[Method] = &[
    Method { name: "AsConfig", params: fixed(&[]), call: as_config },
    Method { name: "AsSecrets", params: fixed(&[]), call: as_secrets },
    Method { name: "Get", params: fixed(&[Type::String]), call: get },
    Method { name: "GetBytes", params: fixed(&[Type::String]), call: get_bytes },
    Method { name: "Glob", params: fixed(&[Type::String]), call: glob },
    Method { name: "Lines", params: fixed(&[Type::String]), call: lines },
];

fn as_config(_: &mut Call<'_>, files: &Value, _: &[Value]) -> Outcome {
    Ok(receiver(files).as_yaml(|data| String::from_utf8_lossy(data).into_owned()))
}

fn as_secrets(_: &mut Call<'_>, files: &Value, _: &[Value]) -> Outcome {
    Ok(receiver(files).as_yaml(|data| base64::engine::general_purpose::STANDARD.encode(data)))
}

fn get(_: &mut Call<'_>, files: &Value, args: &[Value]) -> Outcome {
    Ok(Value::str(receiver(files).files.get(&argument(args)).map(|data| data.to_vec()).unwrap_or_default()))
}

fn get_bytes(_: &mut Call<'_>, files: &Value, args: &[Value]) -> Outcome {
    let data = receiver(files).files.get(&argument(args));
    Ok(Value::List(data.map_or_else(|| List::bytes(Vec::new()), |data| List::bytes(data.clone()))))
}

fn lines(_: &mut Call<'_>, files: &Value, args: &[Value]) -> Outcome {
    let Some(data) = receiver(files).files.get(&argument(args)) else { return Ok(Value::strings(Vec::<&str>::new())) };
    if data.is_empty() {
        return Ok(Value::strings(Vec::<&str>::new()));
    }
    let data = data.strip_suffix(b"\n").unwrap_or(data);
    Ok(Value::strings(data.split(|byte| *byte == b'\n')))
}

fn glob(_: &mut Call<'_>, files: &Value, args: &[Value]) -> Outcome {
    let pattern = argument(args);
    // A pattern that does not compile matches everything: Helm falls back to `**`.
    let matcher = compile(&pattern);
    let files = &receiver(files).files;
    let chosen = files.iter().filter(|(name, _)| matcher.as_ref().is_none_or(|matcher| matcher.is_match(name)));
    Ok(Value::native(Files { files: chosen.map(|(name, data)| (name.clone(), data.clone())).collect() }))
}

enum Matcher<'p> {
    /// One `*` between fixed text, which is how most charts name their files.
    Star(&'p str, &'p str),
    Regex(regex::Regex),
}

impl Matcher<'_> {
    fn is_match(&self, name: &str) -> bool {
        match self {
            Matcher::Star(before, after) => {
                name.strip_prefix(before).and_then(|rest| rest.strip_suffix(after)).is_some_and(|middle| !middle.contains('/'))
            }
            Matcher::Regex(regex) => regex.is_match(name),
        }
    }
}

fn compile(pattern: &str) -> Option<Matcher<'_>> {
    match pattern.split_once('*') {
        Some((before, after)) if !pattern.contains(['?', '[', '{', '}', ',', '\\']) && !after.contains('*') => {
            Some(Matcher::Star(before, after))
        }
        _ => translate(pattern).map(Matcher::Regex),
    }
}

/// Translates a gobwas glob with `/` as separator.
fn translate(pattern: &str) -> Option<regex::Regex> {
    let mut expression = String::from("(?s)^");
    let mut depth = 0;
    let mut rest = pattern.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '*' if rest.next_if_eq(&'*').is_some() => {
                while rest.next_if_eq(&'*').is_some() {}
                expression.push_str(".*");
            }
            '*' => expression.push_str("[^/]*"),
            '?' => expression.push_str("[^/]"),
            '[' => class(&mut rest, &mut expression)?,
            '{' => {
                depth += 1;
                expression.push_str("(?:");
            }
            '}' if depth > 0 => {
                depth -= 1;
                expression.push(')');
            }
            ',' if depth > 0 => expression.push('|'),
            '\\' => expression.push_str(&regex::escape(&rest.next()?.to_string())),
            c => expression.push_str(&regex::escape(c.encode_utf8(&mut [0; 4]))),
        }
    }
    expression.push('$');
    if depth > 0 {
        return None;
    }
    regex::Regex::new(&expression).ok()
}

fn class(rest: &mut std::iter::Peekable<std::str::Chars<'_>>, expression: &mut String) -> Option<()> {
    expression.push('[');
    if rest.next_if_eq(&'!').is_some() {
        expression.push('^');
    }
    let mut members = 0;
    loop {
        match rest.next()? {
            ']' if members > 0 => break,
            ']' => return None,
            '-' if members > 0 && rest.peek().is_some_and(|next| *next != ']') => expression.push('-'),
            '\\' => expression.push_str(&format!("\\x{{{:x}}}", rest.next()? as u32)),
            c => expression.push_str(&format!("\\x{{{:x}}}", c as u32)),
        }
        members += 1;
    }
    expression.push(']');
    Some(())
}

impl Native for Files {
    fn type_name(&self) -> &str {
        "engine.files"
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn kind(&self) -> Kind {
        Kind::Map
    }

    fn field(&self, name: &str) -> Option<Value> {
        let data = self.files.get(name).map(|data| List::bytes(data.clone()));
        Some(Value::List(data.unwrap_or_else(|| List::nil(ListKind::Bytes))))
    }

    fn method(&self, name: &str) -> Option<&'static Method> {
        METHODS.iter().find(|method| method.name == name)
    }

    fn to_json(&self) -> Result<Json, String> {
        let encode = |data: &[u8]| Json::String(base64::engine::general_purpose::STANDARD.encode(data));
        Ok(Json::Object(self.files.iter().map(|(name, data)| (name.clone(), encode(data))).collect()))
    }

    fn truth(&self) -> bool {
        !self.files.is_empty()
    }

    fn len(&self) -> Option<usize> {
        Some(self.files.len())
    }

    fn entries(&self) -> Option<Vec<(Value, Value)>> {
        Some(self.files.iter().map(|(name, data)| (Value::str(name.as_str()), Value::List(List::bytes(data.clone())))).collect())
    }

    fn equals(&self, other: &dyn Native) -> bool {
        other.as_any().downcast_ref::<Files>().is_some_and(|other| other.files == self.files)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, path: &str) -> bool {
        compile(pattern).is_none_or(|matcher| matcher.is_match(path))
    }

    #[test]
    fn globs_as_gobwas_does() {
        assert!(matches("a/*", "a/b"));
        assert!(!matches("a/*", "a/b/c"));
        assert!(matches("a/**", "a/b/c"));
        assert!(matches("**.yaml", "a/b.yaml"));
        assert!(matches("{a,b}/?.[ch]", "b/x.c"));
        assert!(!matches("[!a-c]", "b"));
        assert!(matches("a\\*", "a*"));
        assert!(matches("[a", "anything"));
        assert!(!matches("a.b", "axb"));
    }
}
