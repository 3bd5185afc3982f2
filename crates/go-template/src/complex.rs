//! Complex literals such as `1i`. Go's templates have them, and nothing to do with them but to print and to compare.

use std::any::Any;

use crate::float::format_float;
use crate::number::parse_float;
use crate::value::{Kind, Native};

/// Is Go's `complex128`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Complex {
    pub real: f64,
    pub imaginary: f64,
}

impl Complex {
    /// Reads `1i` or `2-3i`.
    pub(crate) fn parse(text: &str) -> Option<Complex> {
        let body = text.strip_suffix('i')?;
        if let Some(imaginary) = parse_float(body) {
            return Some(Complex { real: 0.0, imaginary });
        }
        // The sign between both parts is the last one that belongs to no exponent.
        let signs = body.char_indices().skip(1).filter(|(_, c)| matches!(c, '+' | '-'));
        let mut splits =
            signs.filter_map(|(at, _)| Some(Complex { real: parse_float(&body[..at])?, imaginary: parse_float(&body[at..])? }));
        splits.next()
    }
}

impl Native for Complex {
    fn type_name(&self) -> &str {
        "complex128"
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn kind(&self) -> Kind {
        Kind::Complex128
    }

    fn text(&self) -> Vec<u8> {
        let part = |number: f64| format_float(number, b'g', -1, 64);
        let imaginary = part(self.imaginary);
        let sign = if imaginary.starts_with(['+', '-']) { "" } else { "+" };
        format!("({}{sign}{imaginary}i)", part(self.real)).into_bytes()
    }

    fn to_json(&self) -> Result<serde_json::Value, String> {
        Err("json: unsupported type: complex128".to_owned())
    }

    fn truth(&self) -> bool {
        self.real != 0.0 || self.imaginary != 0.0
    }

    fn equals(&self, other: &dyn Native) -> bool {
        other.as_any().downcast_ref::<Complex>() == Some(self)
    }
}
