//! YAML in and out: `sigs.k8s.io/yaml` over `go.yaml.in/yaml/v2` 2.4.3, with JSON values on our side.
//!
//! [`parse`] reads the first document as `yaml.Unmarshal` does on Helm's render path (not strict: the last duplicate key wins);
//! [`marshal`] is `yaml.Marshal`. Positions of nodes, for our own file formats, are in [`node`].

mod chars;
mod construct;
mod decode;
mod emit;
mod event;
pub mod node;
mod resolve;
mod scalar;
mod scan;
mod shown;
mod sort;
mod utf16;
pub mod v3;

use serde_json::Value;

pub use construct::{Document, documents, parse, parse_bytes, parse_top};

/// Why YAML text could not be read or written; it prints as go-yaml or sigs yaml words it, without Helm's prefixes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The text is not YAML, or holds what go-yaml refuses.
    #[error("yaml: {}{message}", place(*.line))]
    Syntax {
        /// The line go-yaml names, which is not always the one at fault; nothing where it names none.
        line: Option<usize>,
        /// The 1-based line of the text at which reading stopped, where known.
        at: Option<(usize, usize)>,
        /// What is wrong.
        message: String,
    },
    /// A mapping key has no form in JSON.
    #[error("unsupported map key of type: {kind}, key: {key}, value: {value}")]
    Key {
        /// The Go type of the key, as `%s` prints it.
        kind: &'static str,
        /// The key, as `%+#v` prints it.
        key: String,
        /// The value under the key.
        value: String,
    },
    /// An infinity or NaN, which JSON cannot hold.
    #[error("json: unsupported value: {0}")]
    Number(&'static str),
}

fn place(line: Option<usize>) -> String {
    line.map(|line| format!("line {line}: ")).unwrap_or_default()
}

impl Error {
    pub(crate) fn plain(message: impl Into<String>) -> Error {
        Error::Syntax { line: None, at: None, message: message.into() }
    }
}

/// Returns `value` as `yaml.Marshal` of sigs yaml writes it, final newline included.
///
/// Characters that the detour through JSON and back would refuse or fold are written escaped here; [`marshal`] has the detour.
pub fn to_string(value: &Value) -> String {
    emit::to_string(value, emit::Dialect::V2)
}

/// Returns `value` as [`to_string`] writes it after kyaml has read and written it once more (`sigs.k8s.io/kustomize/kyaml/kio`,
/// StringAll): long lines are not folded.
pub fn to_string_unfolded(value: &Value) -> String {
    emit::to_string(value, emit::Dialect::Kyaml)
}

/// Returns `value` as `yaml.Marshal` of sigs yaml writes it, with what its detour (JSON text read by yaml.v2) does to odd strings:
/// control characters that JSON leaves raw are an error, U+0085 folds like a line break.
pub fn marshal(value: &Value) -> Result<String, Error> {
    match detour(value) {
        Detour::Harmless => Ok(to_string(value)),
        Detour::Folds | Detour::Refused => parse(&crate::json::to_string(value)).map(|read| to_string(&read)),
    }
}

#[derive(PartialEq, PartialOrd)]
enum Detour {
    Harmless,
    Folds,
    Refused,
}

fn detour(value: &Value) -> Detour {
    let text = |text: &str| {
        if text.is_ascii() {
            return if text.contains('\u{7f}') { Detour::Refused } else { Detour::Harmless };
        }
        if text.chars().any(|c| matches!(c, '\u{7f}'..='\u{84}' | '\u{86}'..='\u{9f}' | '\u{fffe}' | '\u{ffff}')) {
            Detour::Refused
        } else if text.contains('\u{85}') {
            Detour::Folds
        } else {
            Detour::Harmless
        }
    };
    let worst = |left: Detour, right: Detour| if right > left { right } else { left };
    match value {
        Value::String(scalar) => text(scalar),
        Value::Array(items) => items.iter().map(detour).fold(Detour::Harmless, worst),
        Value::Object(map) => map.iter().map(|(key, value)| worst(text(key), detour(value))).fold(Detour::Harmless, worst),
        _ => Detour::Harmless,
    }
}
