//! Number literals of templates, and the number syntax of Go's `strconv` that they share with conversions.

use crate::ast::{Ideal, Number};
use crate::complex::Complex;
use crate::lex::Kind;
use crate::quote::{quote, unquote_rune};

/// Reads a literal with all the types that can represent it; the error is Go's text.
pub(crate) fn number(literal: &[u8], kind: Kind) -> Result<Number, String> {
    let text = String::from_utf8_lossy(literal).into_owned();
    let mut number = Number { int: None, uint: None, float: None, ideal: None };
    if kind == Kind::CharConstant {
        let Some(rune) = unquote_rune(literal) else {
            return Err(rune_error(literal, &text));
        };
        number.int = Some(i64::from(rune));
        number.uint = Some(u64::from(rune));
        number.float = Some(f64::from(rune));
        number.ideal = Some(Ideal::Int(i64::from(rune)));
        return Ok(number);
    }
    let complex = if kind == Kind::Complex { Some(Complex::parse_pair(&text)?) } else { Complex::parse_imaginary(&text) };
    if let Some(complex) = complex {
        if complex.imaginary == 0.0 {
            number.float = Some(complex.real);
            number.int = Some(complex.real as i64).filter(|int| *int as f64 == complex.real);
            number.uint = number.int.and_then(|int| u64::try_from(int).ok());
        }
        number.ideal = Some(Ideal::Complex(complex));
        return Ok(number);
    }
    number.uint = parse_uint(&text, 0);
    number.int = parse_int(&text, 0);
    if number.int == Some(0) {
        number.uint = Some(0);
    }
    let mut fractional = false;
    match (number.int, number.uint) {
        (Some(n), _) => number.float = Some(n as f64),
        (None, Some(n)) => number.float = Some(n as f64),
        (None, None) => {
            if let Some(f) = parse_float(&text) {
                if !text.contains(['.', 'e', 'E', 'p', 'P']) {
                    return Err(format!("integer overflow: {}", quote(literal)));
                }
                number.float = Some(f);
                // The comparison fails for what a cast saturates, except for the limits themselves.
                if (f as i64) as f64 == f && f < 9_223_372_036_854_775_808.0 {
                    number.int = Some(f as i64);
                }
                if f >= 0.0 && (f as u64) as f64 == f && f < 18_446_744_073_709_551_616.0 {
                    number.uint = Some(f as u64);
                }
                fractional = true;
            }
        }
    }
    if number.int.is_none() && number.uint.is_none() && number.float.is_none() {
        return Err(format!("illegal number syntax: {}", quote(literal)));
    }
    number.ideal = match (fractional, number.float, number.int) {
        (true, Some(f), _) => Some(Ideal::Float(f)),
        (_, _, Some(n)) => Some(Ideal::Int(n)),
        _ => None,
    };
    Ok(number)
}

/// Says what is wrong with a literal that is no character: the first one in it, or what follows that.
fn rune_error(literal: &[u8], text: &str) -> String {
    let body = literal.get(1..literal.len().saturating_sub(1)).unwrap_or_default();
    let is_valid = !body.is_empty() && body[0] != b'\'' && crate::quote::unquote_one(body, b'\'', &mut Vec::new()).is_some();
    if is_valid { format!("malformed character constant: {text}") } else { "invalid syntax".to_owned() }
}

/// Checks Go's rule for underscores: only between digits, or between a base prefix and a digit.
fn underscores_ok(text: &str) -> bool {
    let body = text.strip_prefix(['+', '-']).unwrap_or(text).as_bytes();
    let mut previous = b'^';
    let mut start = 0;
    let mut hex = false;
    if body.len() >= 2 && body[0] == b'0' && matches!(body[1].to_ascii_lowercase(), b'b' | b'o' | b'x') {
        start = 2;
        previous = b'0';
        hex = body[1].eq_ignore_ascii_case(&b'x');
    }
    for byte in &body[start..] {
        if byte.is_ascii_digit() || (hex && byte.is_ascii_hexdigit()) {
            previous = b'0';
        } else if *byte == b'_' {
            if previous != b'0' {
                return false;
            }
            previous = b'_';
        } else {
            if previous == b'_' {
                return false;
            }
            previous = b'!';
        }
    }
    previous != b'_'
}

/// Reads an unsigned integer as `strconv.ParseUint`; base 0 reads prefixes and underscores.
pub fn parse_uint(text: &str, base: u32) -> Option<u64> {
    let (digits, radix) = match base {
        0 => {
            let bytes = text.as_bytes();
            match bytes {
                [b'0', b'x' | b'X', _, ..] => (&text[2..], 16),
                [b'0', b'b' | b'B', _, ..] => (&text[2..], 2),
                [b'0', b'o' | b'O', _, ..] => (&text[2..], 8),
                [b'0', _, ..] => (&text[1..], 8),
                _ => (text, 10),
            }
        }
        base => (text, base),
    };
    if base == 0 && digits.contains('_') {
        if !underscores_ok(text) {
            return None;
        }
        return parse_digits(&digits.replace('_', ""), radix);
    }
    parse_digits(digits, radix)
}

fn parse_digits(digits: &str, radix: u32) -> Option<u64> {
    if digits.starts_with(['+', '-']) {
        return None;
    }
    u64::from_str_radix(digits, radix).ok()
}

/// Reads a signed integer as `strconv.ParseInt` with 64 bits; base 0 reads prefixes and underscores.
pub fn parse_int(text: &str, base: u32) -> Option<i64> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let magnitude = parse_uint(digits, base)?;
    if negative {
        return (magnitude <= 1 << 63).then(|| (magnitude as i64).wrapping_neg());
    }
    i64::try_from(magnitude).ok()
}

/// Reads a float as `strconv.ParseFloat`, with underscores, hexadecimal, `inf` and `nan`; `None` also for overflow.
pub fn parse_float(text: &str) -> Option<f64> {
    let overflows = |value: &f64| value.is_infinite() && !text.to_ascii_lowercase().contains("inf");
    read_float(text).filter(|value| !overflows(value))
}

/// Reads a float that may be too large, which then is infinite.
pub(crate) fn read_float(text: &str) -> Option<f64> {
    let lower = text.to_ascii_lowercase();
    let (sign, body) = match lower.as_bytes().first()? {
        b'-' => (-1.0, &lower[1..]),
        b'+' => (1.0, &lower[1..]),
        _ => (1.0, lower.as_str()),
    };
    match body {
        "inf" | "infinity" => return Some(sign * f64::INFINITY),
        "nan" => return Some(f64::NAN),
        _ => {}
    }
    if body.contains('_') && !underscores_ok(text) {
        return None;
    }
    let body = body.replace('_', "");
    let value = match body.strip_prefix("0x") {
        Some(hex) => hex_float(hex)?,
        None => {
            let valid = body.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'+' | b'-'));
            let digits = body.bytes().take_while(|b| *b != b'e').any(|b| b.is_ascii_digit());
            if !valid || !digits || body.starts_with(['+', '-']) {
                return None;
            }
            body.parse::<f64>().ok()?
        }
    };
    Some(sign * value)
}

fn hex_float(hex: &str) -> Option<f64> {
    let (mantissa, exponent) = hex.split_once('p')?;
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let digits_ok = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
    if digits_ok.is_empty() || !digits_ok.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let exponent: i32 = exponent.parse::<i32>().ok()?.clamp(-20_000, 20_000);
    let mut value = 0.0_f64;
    let mut scale = exponent;
    let mut seen = 0;
    for (i, c) in whole.chars().chain(fraction.chars()).enumerate() {
        let digit = c.to_digit(16)?;
        // Sixteen digits hold more than a double; further ones only move the point.
        if seen < 13 {
            value = value * 16.0 + f64::from(digit);
            seen += usize::from(seen > 0 || digit != 0);
            if i >= whole.len() {
                scale -= 4;
            }
        } else if i < whole.len() {
            scale += 4;
        }
    }
    while scale > 0 && value.is_finite() && value != 0.0 {
        let step = scale.min(1000);
        value *= 2f64.powi(step);
        scale -= step;
    }
    while scale < 0 && value != 0.0 {
        let step = (-scale).min(1000);
        value /= 2f64.powi(step);
        scale += step;
    }
    Some(value)
}
