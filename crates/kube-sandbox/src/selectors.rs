//! Label selectors (equality and set based) and field selectors.

use serde_json::Value;

use crate::failure::Failure;

#[derive(Debug, Clone, PartialEq)]
enum Test {
    In(Vec<String>),
    NotIn(Vec<String>),
    Exists,
    Absent,
    Greater(i64),
    Less(i64),
}

/// A parsed `labelSelector`.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct LabelSelector(Vec<(String, Test)>);

impl LabelSelector {
    pub(crate) fn parse(text: &str) -> Result<LabelSelector, Failure> {
        let parts = split_outside_parentheses(text);
        let tests = parts.iter().map(|part| requirement(part.trim())).collect::<Result<Vec<_>, _>>()?;
        Ok(LabelSelector(tests))
    }

    pub(crate) fn matches(&self, object: &Value) -> bool {
        let labels = &object["metadata"]["labels"];
        self.0.iter().all(|(key, test)| passes(test, labels.get(key).and_then(Value::as_str)))
    }

    /// Reads the `LabelSelector` type of the API (`matchLabels`, `matchExpressions`) and applies it to labels.
    pub(crate) fn object_matches(selector: &Value, labels: &Value) -> bool {
        let equal = selector["matchLabels"].as_object().into_iter().flatten().all(|(key, value)| labels.get(key) == Some(value));
        equal
            && selector["matchExpressions"].as_array().into_iter().flatten().all(|expression| {
                let values =
                    || expression["values"].as_array().into_iter().flatten().filter_map(|v| v.as_str().map(str::to_owned)).collect();
                let test = match expression["operator"].as_str() {
                    Some("In") => Test::In(values()),
                    Some("NotIn") => Test::NotIn(values()),
                    Some("Exists") => Test::Exists,
                    _ => Test::Absent,
                };
                let key = expression["key"].as_str().unwrap_or_default();
                passes(&test, labels.get(key).and_then(Value::as_str))
            })
    }
}

fn passes(test: &Test, value: Option<&str>) -> bool {
    match test {
        Test::In(values) => value.is_some_and(|v| values.iter().any(|w| w == v)),
        Test::NotIn(values) => value.is_none_or(|v| !values.iter().any(|w| w == v)),
        Test::Exists => value.is_some(),
        Test::Absent => value.is_none(),
        Test::Greater(bound) => value.and_then(|v| v.parse::<i64>().ok()).is_some_and(|v| v > *bound),
        Test::Less(bound) => value.and_then(|v| v.parse::<i64>().ok()).is_some_and(|v| v < *bound),
    }
}

fn split_outside_parentheses(text: &str) -> Vec<&str> {
    let (mut parts, mut depth, mut start) = (Vec::new(), 0usize, 0usize);
    for (at, letter) in text.char_indices() {
        match letter {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts.retain(|part| !part.trim().is_empty());
    parts
}

fn requirement(text: &str) -> Result<(String, Test), Failure> {
    let unable = || Failure::bad_request(format!("unable to parse requirement: invalid label selector requirement {text:?}"));
    let key_ok = |key: &str| !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || "-_./".contains(c));
    let make = |key: &str, test: Test| if key_ok(key.trim()) { Ok((key.trim().to_owned(), test)) } else { Err(unable()) };
    let number = |value: &str| value.trim().parse::<i64>().map_err(|_| unable());
    if let Some((head, values)) = text.strip_suffix(')').and_then(|t| t.split_once('(')) {
        let values = values.split(',').map(|v| v.trim().to_owned()).collect();
        let mut words = head.split_whitespace();
        return match (words.next(), words.next(), words.next()) {
            (Some(key), Some("in"), None) => make(key, Test::In(values)),
            (Some(key), Some("notin"), None) => make(key, Test::NotIn(values)),
            _ => Err(unable()),
        };
    }
    if let Some((key, value)) = text.split_once("!=") {
        make(key, Test::NotIn(vec![value.trim().to_owned()]))
    } else if let Some((key, value)) = text.split_once("==").or_else(|| text.split_once('=')) {
        make(key, Test::In(vec![value.trim().to_owned()]))
    } else if let Some((key, value)) = text.split_once('>') {
        make(key, Test::Greater(number(value)?))
    } else if let Some((key, value)) = text.split_once('<') {
        make(key, Test::Less(number(value)?))
    } else if let Some(key) = text.strip_prefix('!') {
        make(key, Test::Absent)
    } else {
        make(text, Test::Exists)
    }
}

/// A parsed `fieldSelector`: path, value, and whether it must be equal.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct FieldSelector(Vec<(String, String, bool)>);

impl FieldSelector {
    /// Parses the selector; `plural` decides which paths beyond name and namespace are known.
    pub(crate) fn parse(text: &str, plural: &str, custom: bool) -> Result<FieldSelector, Failure> {
        let mut tests = Vec::new();
        for part in text.split(',').filter(|part| !part.is_empty()) {
            let (path, value, equal) = if let Some((path, value)) = part.split_once("!=") {
                (path, value, false)
            } else if let Some((path, value)) = part.split_once("==").or_else(|| part.split_once('=')) {
                (path, value, true)
            } else {
                return Err(Failure::bad_request(format!("invalid selector: '{text}'; can't understand '{part}'")));
            };
            if !selectable(path, plural, custom) {
                return Err(Failure::bad_request(format!("field label not supported: {path}")));
            }
            tests.push((path.to_owned(), value.to_owned(), equal));
        }
        Ok(FieldSelector(tests))
    }

    pub(crate) fn matches(&self, object: &Value) -> bool {
        self.0.iter().all(|(path, value, equal)| (field_text(object, path) == *value) == *equal)
    }
}

fn selectable(path: &str, plural: &str, custom: bool) -> bool {
    if matches!(path, "metadata.name" | "metadata.namespace") {
        return true;
    }
    !custom
        && match plural {
            "pods" => matches!(
                path,
                "spec.nodeName" | "spec.restartPolicy" | "spec.schedulerName" | "spec.serviceAccountName" | "status.phase" | "status.podIP"
            ),
            "events" => path.starts_with("involvedObject.") || matches!(path, "reason" | "reportingComponent" | "source" | "type"),
            "secrets" => path == "type",
            "namespaces" => path == "status.phase",
            "nodes" => path == "spec.unschedulable",
            "services" => matches!(path, "spec.clusterIP" | "spec.type"),
            "jobs" => path == "status.successful",
            "replicasets" | "replicationcontrollers" => path == "status.replicas",
            _ => false,
        }
}

fn field_text(object: &Value, path: &str) -> String {
    let found = path.split('.').fold(object, |value, key| &value[key]);
    match found {
        Value::Null => {
            if path == "spec.unschedulable" {
                "false".into()
            } else {
                String::new()
            }
        }
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(selector: &str, expect: bool) {
        let object = json!({ "metadata": { "labels": { "app": "web", "tier": "front", "n": "5" } } });
        assert_eq!(LabelSelector::parse(selector).unwrap().matches(&object), expect, "{selector}");
    }

    #[test]
    fn label_selectors() {
        check("", true);
        check("app=web", true);
        check("app==web,tier=front", true);
        check("app=web,tier=back", false);
        check("app!=web", false);
        check("other!=web", true);
        check("app in (web, api),tier notin (back)", true);
        check("app in (api)", false);
        check("app", true);
        check("!app", false);
        check("!other", true);
        check("n>4,n<6", true);
        assert!(LabelSelector::parse("a b c").is_err());
        assert!(LabelSelector::parse("app within (x)").is_err());
    }

    #[test]
    fn field_selectors() {
        let object = json!({ "metadata": { "name": "a", "namespace": "b" }, "type": "Opaque" });
        assert!(FieldSelector::parse("metadata.name=a,metadata.namespace!=c", "secrets", false).unwrap().matches(&object));
        assert!(FieldSelector::parse("type==Opaque", "secrets", false).unwrap().matches(&object));
        assert!(FieldSelector::parse("spec.x=1", "secrets", false).is_err());
    }
}
