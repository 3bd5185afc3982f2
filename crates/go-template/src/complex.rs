//! Complex literals such as `1i`. Go's templates have them, and nothing to do with them but to print and to compare.

use std::any::Any;

use crate::float::format_float;
use crate::number::{parse_float, read_float};
use crate::quote::quote_text;
use crate::value::{Kind, Native};

/// Is Go's `complex128`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Complex {
    pub real: f64,
    pub imaginary: f64,
}

impl Complex {
    /// Reads `1i`.
    pub(crate) fn parse_imaginary(text: &str) -> Option<Complex> {
        Some(Complex { real: 0.0, imaginary: parse_float(text.strip_suffix('i')?)? })
    }

    /// Reads `2-3i` as `fmt.Sscan`; the error is Go's.
    pub(crate) fn parse_pair(text: &str) -> Result<Complex, String> {
        const WRONG: &str = "syntax error scanning complex number";
        let (real, rest) = text.split_at(float_token(text));
        let imaginary = &rest[..rest.len().min(1 + float_token(rest.get(1..).unwrap_or_default()))];
        if !imaginary.starts_with(['+', '-']) || !rest[imaginary.len()..].starts_with('i') {
            return Err(WRONG.to_owned());
        }
        Ok(Complex { real: float(real)?, imaginary: float(imaginary)? })
    }
}

/// Returns how long the number at the start of a text is (`floatToken` in `fmt/scan.go`); an `i` may be taken for the start of `Inf`.
fn float_token(text: &str) -> usize {
    let bytes = text.as_bytes();
    let mut at = 0;
    let accept = |at: &mut usize, wanted: &[u8]| {
        let found = bytes.get(*at).is_some_and(|byte| wanted.contains(byte));
        *at += usize::from(found);
        found
    };
    let run = |at: &mut usize, wanted: &[u8]| while accept(at, wanted) {};
    accept(&mut at, b"+-");
    accept(&mut at, b"iI");
    let is_hex = accept(&mut at, b"0") && accept(&mut at, b"xX");
    let (digits, exponent): (&[u8], &[u8]) = if is_hex { (b"0123456789abcdefABCDEF_", b"pP") } else { (b"0123456789_", b"eEp") };
    run(&mut at, digits);
    if accept(&mut at, b".") {
        run(&mut at, digits);
    }
    if accept(&mut at, exponent) {
        accept(&mut at, b"+-");
        run(&mut at, b"0123456789_");
    }
    at
}

fn float(text: &str) -> Result<f64, String> {
    let wrong = |what: &str| format!("strconv.ParseFloat: parsing {}: {what}", quote_text(text));
    let float = read_float(text).ok_or_else(|| wrong("invalid syntax"))?;
    if float.is_finite() { Ok(float) } else { Err(wrong("value out of range")) }
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
