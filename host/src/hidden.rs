//! What of a release a module does not get to see: the values that come from Secrets or were decrypted, and the Secrets among its objects.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flux::MASK;
use serde_json::{Map, Value};

/// Shorter texts are parts of too many words to be looked for.
const SHORT: usize = 6;

/// The secret texts of a release.
#[derive(Default)]
pub struct Hidden {
    words: BTreeSet<String>,
}

impl Hidden {
    /// Returns what is in the values and masked in others.
    pub fn of(values: &Map<String, Value>, masked: &Map<String, Value>) -> Self {
        let mut hidden = Hidden::default();
        values.iter().for_each(|(key, value)| hidden.add(value, masked.get(key).unwrap_or(&Value::Null)));
        hidden
    }

    fn add(&mut self, value: &Value, masked: &Value) {
        match value {
            Value::Object(map) => map.iter().for_each(|(key, value)| self.add(value, masked.get(key).unwrap_or(&Value::Null))),
            Value::Array(items) => items.iter().enumerate().for_each(|(at, value)| self.add(value, masked.get(at).unwrap_or(&Value::Null))),
            Value::String(text) if value != masked => {
                let written = [text.clone(), STANDARD.encode(text), Value::from(text.as_str()).to_string().trim_matches('"').to_owned()];
                // A text of several lines is indented where a template puts it.
                let lines = text.lines().map(|line| line.trim().to_owned());
                self.words.extend(written.into_iter().chain(lines).filter(|word| word.len() >= SHORT));
            }
            _ => {}
        }
    }

    /// Returns a text without the secret ones in it.
    pub fn hide(&self, text: &str) -> String {
        // The longest first: one may be part of another.
        let mut words: Vec<&String> = self.words.iter().collect();
        words.sort_by_key(|word| std::cmp::Reverse(word.len()));
        words.iter().fold(text.to_owned(), |text, word| if text.contains(word.as_str()) { text.replace(word.as_str(), MASK) } else { text })
    }

    /// Returns a rendered document without secret texts, and without what the Secrets in it hold, from wherever that is.
    pub fn document(&self, text: &str) -> String {
        let parsed = text.contains("Secret").then(|| go_encoding::yaml::parse(text).ok()).flatten();
        let masked = parsed.and_then(|mut object| mask(&mut object).then(|| go_encoding::yaml::to_string(&object).trim_end().to_owned()));
        self.hide(masked.as_deref().unwrap_or(text))
    }
}

/// Masks what a Secret holds, or the Secrets of a list. Tells whether there was one.
fn mask(object: &mut Value) -> bool {
    let is_secret = object.get("kind").and_then(Value::as_str) == Some("Secret");
    if is_secret {
        for field in ["data", "stringData"] {
            for value in object.get_mut(field).and_then(Value::as_object_mut).into_iter().flat_map(|data| data.values_mut()) {
                *value = MASK.into();
            }
        }
        // What kubectl keeps holds all of it once more.
        if let Some(annotations) = object.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut) {
            annotations.remove("kubectl.kubernetes.io/last-applied-configuration");
        }
        return true;
    }
    let items = object.get_mut("items").and_then(Value::as_array_mut).into_iter().flatten();
    // Each is masked, whatever was found before.
    items.map(mask).filter(|found| *found).count() > 0
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn hidden() -> Hidden {
        let values = json!({ "a": { "password": "correct horse" }, "list": ["first line\nsecond line", "on"], "name": "visible" });
        let masked = json!({ "a": { "password": MASK }, "list": [MASK, MASK], "name": "visible" });
        Hidden::of(values.as_object().unwrap(), masked.as_object().unwrap())
    }

    #[test]
    fn secret_texts_are_hidden_wherever_they_are() {
        for (text, expected) in [
            ("url: https://u:correct horse@db/", format!("url: https://u:{MASK}@db/")),
            ("key: Y29ycmVjdCBob3JzZQ==", format!("key: {MASK}")),
            ("k: |\n  first line\n  second line\n", format!("k: |\n  {MASK}\n  {MASK}\n")),
            ("on: visible", "on: visible".into()),
        ] {
            assert_eq!(hidden().hide(text), expected);
        }
    }

    #[test]
    fn secrets_hold_nothing() {
        let text = "# Source: x\napiVersion: v1\nkind: Secret\nmetadata:\n  name: a\ndata:\n  k: cmFuZG9t\nstringData:\n  l: other\n";
        let shown = hidden().document(text);
        assert!(shown.contains("name: a") && shown.contains("k: ") && !shown.contains("cmFuZG9t") && !shown.contains("other"), "{shown}");
        let list = "kind: List\nitems:\n  - kind: Secret\n    data: { k: cmFuZG9t }\n";
        assert!(!hidden().document(list).contains("cmFuZG9t"));
        let plain = "kind: ConfigMap # of no Secret\ndata: { k: v }\n";
        assert_eq!(hidden().document(plain), plain);
    }
}
