//! Floats as text, the way Go's `strconv.FormatFloat(f, fmt, -1, 64)` and `encoding/json` print them: the shortest digits that read
//! back as the same number, laid out by the rules of each verb. Precision other than "shortest" is not here.

/// Returns `f` as `%g` and `%v` print it: positional for exponents from -4 to 5, otherwise exponent form with a sign and two digits.
pub fn general(f: f64) -> String {
    match special(f) {
        Some(text) => text.to_owned(),
        None => general_of(&Digits::of(shortest(f))),
    }
}

/// Returns `f` rounded to 32 bits as `%g` prints it; sigs yaml prints float keys and coerced strings so.
pub fn general_32(f: f64) -> String {
    let narrow = f as f32;
    match special(f64::from(narrow)) {
        Some(text) => text.to_owned(),
        None => general_of(&Digits::of(format!("{narrow:e}"))),
    }
}

/// Returns `f` in exponent form, as `%e` with the shortest precision.
pub fn exponent(f: f64) -> String {
    match special(f) {
        Some(text) => text.to_owned(),
        None => exponent_of(&Digits::of(shortest(f))),
    }
}

/// Returns `f` without exponent, as `%f` with the shortest precision.
pub fn fixed(f: f64) -> String {
    match special(f) {
        Some(text) => text.to_owned(),
        None => fixed_of(&Digits::of(shortest(f))),
    }
}

/// Returns `f` as `encoding/json` writes it, or nothing for an infinity or NaN, which JSON cannot hold.
pub fn json(f: f64) -> Option<String> {
    if !f.is_finite() {
        return None;
    }
    let magnitude = f.abs();
    if magnitude != 0.0 && !(1e-6..1e21).contains(&magnitude) {
        let text = exponent(f);
        // encoding/json cleans e-09 to e-9, and leaves e+09 alone.
        return Some(match text.rfind("e-0") {
            Some(at) => format!("{}e-{}", &text[..at], &text[at + 3..]),
            None => text,
        });
    }
    Some(fixed(f))
}

/// Returns the shortest digits that read back as `f`. Where two of them are equally near, Go takes the even one and Rust the upper.
fn shortest(f: f64) -> String {
    let text = format!("{f:e}");
    let places = text.bytes().take_while(|byte| *byte != b'e').filter(u8::is_ascii_digit).count();
    if places >= 15 {
        let even = format!("{f:.*e}", places - 1);
        if even != text && even.parse() == Ok(f) {
            return even;
        }
    }
    text
}

fn special(f: f64) -> Option<&'static str> {
    if f.is_nan() {
        Some("NaN")
    } else if f == f64::INFINITY {
        Some("+Inf")
    } else if f == f64::NEG_INFINITY {
        Some("-Inf")
    } else {
        None
    }
}

/// Go decides with precision 6 when the shortest digits are asked for (`strconv/ftoa.go`).
const GENERAL_LIMIT: i32 = 6;

/// The shortest decimal digits of a number: `d.ddd * 10^exponent`.
struct Digits {
    negative: bool,
    digits: String,
    exponent: i32,
}

impl Digits {
    /// Takes apart what Rust's `{:e}` prints, e.g. `-1.25e-7`.
    fn of(text: String) -> Digits {
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        Digits {
            negative: mantissa.starts_with('-'),
            digits: mantissa.chars().filter(char::is_ascii_digit).collect(),
            exponent: exponent.parse().unwrap_or(0),
        }
    }

    fn sign(&self) -> &'static str {
        if self.negative { "-" } else { "" }
    }
}

fn general_of(number: &Digits) -> String {
    if number.exponent < -4 || number.exponent >= GENERAL_LIMIT {
        return exponent_of(number);
    }
    fixed_of(number)
}

fn fixed_of(number: &Digits) -> String {
    let mut text = String::from(number.sign());
    if number.exponent < 0 {
        text.push_str("0.");
        for _ in 1..-number.exponent {
            text.push('0');
        }
        text.push_str(&number.digits);
        return text;
    }
    let whole = number.exponent as usize + 1;
    for position in 0..whole {
        text.push(number.digits.as_bytes().get(position).map_or('0', |digit| char::from(*digit)));
    }
    if number.digits.len() > whole {
        text.push('.');
        text.push_str(&number.digits[whole..]);
    }
    text
}

fn exponent_of(number: &Digits) -> String {
    let (head, tail) = number.digits.split_at(1);
    let point = if tail.is_empty() { "" } else { "." };
    let sign = if number.exponent < 0 { '-' } else { '+' };
    format!("{}{head}{point}{tail}e{sign}{:02}", number.sign(), number.exponent.abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(f: f64, expect_general: &str, expect_json: &str) {
        assert_eq!(general(f), expect_general);
        assert_eq!(json(f).as_deref(), Some(expect_json));
    }

    #[test]
    fn prints_as_go_does() {
        check(100_000.0, "100000", "100000");
        check(1_000_000.0, "1e+06", "1000000");
        check(20_971_520.0, "2.097152e+07", "20971520");
        check(123_456.7, "123456.7", "123456.7");
        check(1_234_567.5, "1.2345675e+06", "1234567.5");
        check(1e20, "1e+20", "100000000000000000000");
        check(1e21, "1e+21", "1e+21");
        check(0.0001, "0.0001", "0.0001");
        check(0.00001, "1e-05", "0.00001");
        check(0.0000001, "1e-07", "1e-7");
        check(-0.0, "-0", "-0");
        check(1.5e300, "1.5e+300", "1.5e+300");
        check(0.0, "0", "0");
        check(803_780_319_887_624.2, "8.037803198876242e+14", "803780319887624.2");
        check(0.25, "0.25", "0.25");
        check(123.0, "123", "123");
    }

    #[test]
    fn narrows_to_32_bits() {
        assert_eq!(general_32(123_456_789.5), "1.2345679e+08");
        assert_eq!(general_32(1.10), "1.1");
    }

    #[test]
    fn has_words_for_what_is_no_number() {
        assert_eq!(general(f64::NAN), "NaN");
        assert_eq!(fixed(f64::INFINITY), "+Inf");
        assert_eq!(exponent(f64::NEG_INFINITY), "-Inf");
        assert_eq!(json(f64::NAN), None);
        assert_eq!(exponent(1500.0), "1.5e+03");
    }
}
