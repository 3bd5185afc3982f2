//! What a module says of itself. It is shown to people who do not trust the module yet: every word is checked.

use serde::Deserialize;
use serde_json::Value;

use crate::capability::report;
use crate::grant::{MAX_PATH, Request};
use crate::shown::{is_unseen, shown};

/// What a module says of itself.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Description {
    pub schema: u32,
    pub name: String,
    pub version: String,
    pub summary: String,
    #[serde(default)]
    pub release: bool,
    /// JSON Schema of `with:`.
    pub parameters: Value,
    pub capabilities: Request,
}

/// The longest description, in bytes.
const MAX_TEXT: usize = 256 << 10;

/// How many rules a module may request.
const MAX_RULES: usize = 256;

impl Description {
    /// Reads a description. The message says what is wrong with it.
    pub fn read(text: &str) -> Result<Self, String> {
        if text.len() > MAX_TEXT {
            return Err(format!("is longer than {} KiB", MAX_TEXT >> 10));
        }
        let description: Description =
            serde_json::from_str(text).map_err(|error| format!("is not what it should be: {}", shown(&error.to_string(), 500)))?;
        description.check()?;
        Ok(Description { summary: report::message(description.summary), ..description })
    }

    fn check(&self) -> Result<(), String> {
        let word =
            |text: &str| !text.is_empty() && text.len() <= 64 && text.chars().all(|c| c.is_ascii_alphanumeric() || "-._+".contains(c));
        if !word(&self.name) || !word(&self.version) {
            return Err("has no usable name and version: letters, digits, `-`, `.`, `_` and `+`, at most 64 of each".into());
        }
        if self.capabilities.kubernetes.len() > MAX_RULES {
            return Err(format!("requests more than {MAX_RULES} rules of `kubernetes`"));
        }
        if let Some(word) = self.capabilities.words().find(|word| word.len() > MAX_PATH || word.contains(is_unseen)) {
            return Err(format!("requests \"{}\": a word has at most {MAX_PATH} bytes and no control characters", shown(word, 100)));
        }
        match unseen(&self.parameters, false) {
            Some(text) => Err(format!("has control characters in its parameters, in \"{}\"", shown(text, 100))),
            None => Ok(()),
        }
    }
}

/// Returns a key or text of a schema that would not be shown as it is. Only what describes a parameter may have several lines.
fn unseen(value: &Value, may_have_lines: bool) -> Option<&str> {
    match value {
        Value::String(text) => text.contains(|c: char| is_unseen(c) && !(may_have_lines && matches!(c, '\n' | '\t'))).then_some(text),
        Value::Array(items) => items.iter().find_map(|item| unseen(item, false)),
        Value::Object(map) => map.iter().find_map(|(key, value)| match key.contains(is_unseen) {
            true => Some(key.as_str()),
            false => unseen(value, key == "description"),
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn description() -> Value {
        let parameters = json!({ "properties": { "a": { "type": "string", "description": "first\n\tsecond" } } });
        json!({ "schema": 1, "name": "a", "version": "1", "summary": "s", "parameters": parameters, "capabilities": {} })
    }

    fn refused(pointer: &str, value: Value) -> String {
        let mut description = description();
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        description.pointer_mut(parent).unwrap()[key] = value;
        Description::read(&description.to_string()).unwrap_err()
    }

    #[test]
    fn every_word_can_be_shown() {
        Description::read(&description().to_string()).unwrap();
        let odd = "a\u{1b}[2J";
        for list in ["files", "charts", "releases", "secrets"] {
            assert!(refused(&format!("/capabilities/{list}"), json!(["fine", odd])).contains(r#"requests "a\u{1b}[2J""#), "{list}");
            assert!(refused(&format!("/capabilities/{list}"), json!(["x".repeat(5000)])).len() < 300, "{list}");
        }
        for list in ["verbs", "apiGroups", "resources", "namespaces", "resourceNames"] {
            assert!(refused("/capabilities/kubernetes", json!([{ list: [odd] }])).contains(r"a\u{1b}[2J"), "{list}");
        }
        for (pointer, value) in [
            ("/parameters/properties/a/description", json!(odd)),
            ("/parameters/properties/a/title", json!("two\nlines")),
            ("/parameters/properties/a/enum", json!([odd])),
            ("/parameters/properties", json!({ odd: {} })),
        ] {
            assert!(refused(pointer, value).contains("control characters in its parameters"), "{pointer}");
        }
        let unknown = refused("/capabilities", json!({ odd: [] }));
        assert!(unknown.contains(r"a\u{1b}[2J"), "{unknown}");
    }

    #[test]
    fn a_description_has_a_size() {
        assert_eq!(refused("/summary", json!("x".repeat(MAX_TEXT))), "is longer than 256 KiB");
        assert!(refused("/capabilities/kubernetes", json!(vec![json!({}); 257])).contains("more than 256 rules"));
    }
}
