//! Conditions that can be waited for: `exists`, `absent`, `ready`, `completed`, `condition=TYPE[=STATUS]`, `jsonpath={.path}[=VALUE]`.

use std::fmt;
use std::str::FromStr;

use serde_json::Value;

use crate::status::{self, Status};

/// A condition on one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    text: String,
    kind: Kind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    Exists,
    Absent,
    Ready,
    Completed,
    Condition { name: String, status: String },
    Path { steps: Vec<Step>, value: Option<String> },
}

/// One step of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Field(String),
    Index(usize),
    Each,
    /// `[?(@.field=="value")]`
    Where {
        field: Vec<String>,
        value: String,
    },
}

/// Whether a condition holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    Holds,
    /// Not yet, with what was seen instead.
    Not(String),
    /// It never will by waiting.
    Never(String),
}

impl From<Status> for Verdict {
    fn from(status: Status) -> Verdict {
        match status {
            Status::Current => Verdict::Holds,
            Status::InProgress(text) => Verdict::Not(text),
            Status::Failed(text) => Verdict::Never(text),
            Status::Terminating => Verdict::Not("is being deleted".into()),
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for Condition {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let kind = match text.split_once('=') {
            None if text == "exists" => Kind::Exists,
            None if text == "absent" => Kind::Absent,
            None if text == "ready" => Kind::Ready,
            None if text == "completed" => Kind::Completed,
            Some(("condition", wanted)) if !wanted.is_empty() => {
                let (name, status) = wanted.split_once('=').unwrap_or((wanted, "True"));
                Kind::Condition { name: name.into(), status: status.into() }
            }
            Some(("jsonpath", rest)) => {
                let end = rest
                    .find('}')
                    .filter(|_| rest.starts_with('{'))
                    .ok_or_else(|| format!("{text}: the path must stand in braces, as in jsonpath={{.status.phase}}"))?;
                let value = match &rest[end + 1..] {
                    "" => None,
                    value => {
                        Some(value.strip_prefix('=').ok_or_else(|| format!("{text}: after the path comes =VALUE or nothing"))?.to_owned())
                    }
                };
                Kind::Path { steps: path(&rest[1..end]).map_err(|message| format!("{text}: {message}"))?, value }
            }
            _ => {
                return Err(format!(
                    "{text} is no condition: use exists, absent, ready, completed, condition=TYPE[=STATUS] or jsonpath={{.path}}[=VALUE]"
                ));
            }
        };
        Ok(Condition { text: text.into(), kind })
    }
}

impl Condition {
    /// Tells whether it holds of what is not there.
    pub(crate) fn is_of_absence(&self) -> bool {
        self.kind == Kind::Absent
    }

    /// Returns whether the condition holds for an object, or for its absence.
    pub(crate) fn judge(&self, object: Option<&Value>) -> Verdict {
        let missing = || Verdict::Not("does not exist".into());
        match (&self.kind, object) {
            (Kind::Absent, None) | (Kind::Exists, Some(_)) => Verdict::Holds,
            (Kind::Absent, Some(_)) => Verdict::Not("still exists".into()),
            (_, None) => missing(),
            (Kind::Ready, Some(object)) => status::of(object).into(),
            (Kind::Completed, Some(object)) => status::completed(object).into(),
            (Kind::Condition { name, status }, Some(object)) => match status::condition(object, name) {
                Some(found) if found.status == status && current(object) => Verdict::Holds,
                Some(found) => Verdict::Not(found.text(name)),
                None => Verdict::Not(format!("has no condition {name}")),
            },
            (Kind::Path { steps, value }, Some(object)) => {
                let found = steps.iter().fold(vec![object], |found, step| step.take(&found));
                let texts: Vec<String> = found.iter().map(|value| plain(value)).collect();
                match value {
                    None if !texts.is_empty() => Verdict::Holds,
                    Some(value) if !texts.is_empty() && texts.iter().all(|text| text == value) => Verdict::Holds,
                    _ if texts.is_empty() => Verdict::Not("has nothing at that path".into()),
                    _ => Verdict::Not(format!("has {} there", texts.join(", "))),
                }
            }
        }
    }
}

/// A condition of an older generation says nothing of the object as it is now.
fn current(object: &Value) -> bool {
    let observed = object.pointer("/status/observedGeneration").and_then(Value::as_i64);
    observed.is_none() || observed == object.pointer("/metadata/generation").and_then(Value::as_i64)
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

impl Step {
    fn take<'a>(&self, found: &[&'a Value]) -> Vec<&'a Value> {
        let each = found.iter().copied();
        match self {
            Step::Field(name) => each.filter_map(|value| value.get(name)).collect(),
            Step::Index(index) => each.filter_map(|value| value.get(index)).collect(),
            Step::Each => each.flat_map(|value| value.as_array().into_iter().flatten()).collect(),
            Step::Where { field, value } => {
                let wanted =
                    |item: &&Value| field.iter().try_fold(*item, |item, name| item.get(name)).is_some_and(|found| plain(found) == *value);
                each.flat_map(|list| list.as_array().into_iter().flatten()).filter(wanted).collect()
            }
        }
    }
}

/// Reads `.a.b[0]['c'][*][?(@.d=="e")]`.
fn path(text: &str) -> Result<Vec<Step>, String> {
    let mut steps = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        if let Some(inner) = rest.strip_prefix('[') {
            let end = inner.find(']').ok_or("a [ without its ]")?;
            steps.push(bracket(&inner[..end])?);
            rest = &inner[end + 1..];
            continue;
        }
        rest = rest.strip_prefix('.').ok_or_else(|| format!("expected . or [ before {rest}"))?;
        let mut name = String::new();
        let mut letters = rest.char_indices().peekable();
        let mut end = rest.len();
        while let Some((index, letter)) = letters.next() {
            match letter {
                '\\' => name.extend(letters.next().map(|(_, escaped)| escaped)),
                '.' | '[' => {
                    end = index;
                    break;
                }
                letter => name.push(letter),
            }
        }
        if name.is_empty() {
            return Err("a . without a name".into());
        }
        steps.push(Step::Field(name));
        rest = &rest[end..];
    }
    if steps.is_empty() { Err("the path is empty".into()) } else { Ok(steps) }
}

fn bracket(text: &str) -> Result<Step, String> {
    let unquoted = |text: &str| ['\'', '"'].iter().find_map(|quote| text.strip_prefix(*quote)?.strip_suffix(*quote)).map(str::to_owned);
    if text == "*" {
        return Ok(Step::Each);
    }
    if let Ok(index) = text.parse() {
        return Ok(Step::Index(index));
    }
    if let Some(name) = unquoted(text) {
        return Ok(Step::Field(name));
    }
    let filter = text.strip_prefix("?(@.").and_then(|text| text.strip_suffix(')')).and_then(|text| text.split_once("=="));
    match filter.and_then(|(field, value)| Some((field.trim(), unquoted(value.trim())?))) {
        Some((field, value)) => Ok(Step::Where { field: field.split('.').map(str::to_owned).collect(), value }),
        None => Err(format!("[{text}] is not understood: use an index, a quoted name, * or ?(@.field==\"value\")")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(condition: &str, object: Option<Value>, expected: &str) {
        let found = match condition.parse::<Condition>() {
            Err(message) => format!("error: {message}"),
            Ok(condition) => match condition.judge(object.as_ref()) {
                Verdict::Holds => "holds".into(),
                Verdict::Not(text) | Verdict::Never(text) => text,
            },
        };
        assert!(found.contains(expected), "{condition}: {found}");
    }

    #[test]
    fn presence() {
        check("exists", Some(json!({})), "holds");
        check("exists", None, "does not exist");
        check("absent", None, "holds");
        check("absent", Some(json!({})), "still exists");
    }

    #[test]
    fn conditions_have_a_type_and_a_status() {
        let object = json!({ "status": { "conditions": [{ "type": "Ready", "status": "False", "reason": "NoPods", "message": "none" }] } });
        check("condition=Ready", Some(object.clone()), "condition Ready is False: NoPods: none");
        check("condition=Ready=False", Some(object.clone()), "holds");
        check("condition=Other", Some(object), "has no condition Other");
        let stale = json!({ "metadata": { "generation": 2 }, "status": { "observedGeneration": 1, "conditions": [{ "type": "Ready", "status": "True" }] } });
        check("condition=Ready", Some(stale), "condition Ready is True");
    }

    #[test]
    fn paths() {
        let object = json!({ "a": { "b.c": [{ "k": "x", "v": 1 }, { "k": "y", "v": 2 }] } });
        for (path, value) in [(".a.b\\.c[1].v", "2"), (".a['b.c'][0].k", "x"), (".a['b.c'][?(@.k==\"y\")].v", "2")] {
            check(&format!("jsonpath={{{path}}}={value}"), Some(object.clone()), "holds");
        }
        check("jsonpath={.a}", Some(object.clone()), "holds");
        check("jsonpath={.z}", Some(object.clone()), "nothing at that path");
        check("jsonpath={.a['b.c'][*].v}=1", Some(object), "has 1, 2 there");
    }

    #[test]
    fn mistakes_are_said_before_waiting() {
        for text in [
            "",
            "redy",
            "condition=",
            "jsonpath=.a",
            "jsonpath={}",
            "jsonpath={.a[}",
            "jsonpath={.a[x]}",
            "jsonpath={a}",
            "jsonpath={.a}b",
            "jsonpath={.}",
        ] {
            check(text, None, "error:");
        }
    }
}
