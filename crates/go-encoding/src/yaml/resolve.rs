//! What a plain scalar means: go-yaml v2's `resolve.go`, which follows YAML 1.1 with its own gaps, and the same question for v3.

/// The meaning of a scalar.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Resolved {
    Null,
    Bool(bool),
    Int(i64),
    /// An integer that needs the 64th bit.
    Uint(u64),
    Float(f64),
    /// Kept as text by everything that reads into untyped values.
    Timestamp,
    Str,
}

/// Returns what an unquoted scalar without a tag means.
pub(crate) fn plain(text: &str) -> Resolved {
    resolve(text, true)
}

/// Returns what an unquoted scalar means; timestamps are only looked for where no other tag is given.
pub(crate) fn resolve(text: &str, timestamps: bool) -> Resolved {
    let Some(first) = text.bytes().next() else {
        return Resolved::Null;
    };
    match first {
        b'y' | b'Y' | b'n' | b'N' | b't' | b'T' | b'f' | b'F' | b'o' | b'O' | b'~' => word(text).unwrap_or(Resolved::Str),
        b'.' => word(text).unwrap_or_else(|| go_float(text).map_or(Resolved::Str, Resolved::Float)),
        b'+' | b'-' | b'0'..=b'9' => word(text).unwrap_or_else(|| number(text, timestamps)),
        _ => Resolved::Str,
    }
}

fn word(text: &str) -> Option<Resolved> {
    Some(match text {
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => Resolved::Bool(true),
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => Resolved::Bool(false),
        "~" | "null" | "Null" | "NULL" => Resolved::Null,
        ".nan" | ".NaN" | ".NAN" => Resolved::Float(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => Resolved::Float(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => Resolved::Float(f64::NEG_INFINITY),
        _ => return None,
    })
}

fn number(text: &str, timestamps: bool) -> Resolved {
    if timestamps && is_timestamp(text) {
        return Resolved::Timestamp;
    }
    let without;
    let plain = if text.contains('_') {
        without = text.replace('_', "");
        without.as_str()
    } else {
        text
    };
    if let Some(integer) = go_int(plain) {
        return Resolved::Int(integer);
    }
    if let Some(integer) = go_uint(plain) {
        return Resolved::Uint(integer);
    }
    if is_float_style(plain)
        && let Some(float) = go_float(plain)
    {
        return Resolved::Float(float);
    }
    if let Some(bits) = plain.strip_prefix("0b") {
        if let Ok(integer) = i64::from_str_radix(bits, 2) {
            return Resolved::Int(integer);
        }
    } else if let Some(bits) = plain.strip_prefix("-0b")
        && let Ok(integer) = i64::from_str_radix(&format!("-{bits}"), 2)
    {
        return Resolved::Int(integer);
    }
    Resolved::Str
}

/// `strconv.ParseInt(text, 0, 64)` on text without underscores.
fn go_int(text: &str) -> Option<i64> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let magnitude = go_uint(digits)?;
    if negative { 0i64.checked_sub_unsigned(magnitude) } else { i64::try_from(magnitude).ok() }
}

/// `strconv.ParseUint(text, 0, 64)` on text without underscores.
fn go_uint(text: &str) -> Option<u64> {
    let bytes = text.as_bytes();
    let (radix, digits) = match bytes {
        [b'0', b'x' | b'X', ..] => (16, &text[2..]),
        [b'0', b'o' | b'O', ..] => (8, &text[2..]),
        [b'0', b'b' | b'B', ..] => (2, &text[2..]),
        [b'0', _, ..] => (8, &text[1..]),
        _ => (10, text),
    };
    if digits.is_empty() || !digits.as_bytes()[0].is_ascii_alphanumeric() {
        return None;
    }
    u64::from_str_radix(digits, radix).ok()
}

/// `^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$`
fn is_float_style(text: &str) -> bool {
    let mut rest = text.strip_prefix(['-', '+']).unwrap_or(text).as_bytes();
    let whole = digits(&mut rest);
    if let Some((b'.', tail)) = rest.split_first() {
        rest = tail;
        let fraction = digits(&mut rest);
        if whole + fraction == 0 || (whole == 0 && fraction == 0) {
            return false;
        }
    } else if whole == 0 {
        return false;
    }
    if let Some((b'e' | b'E', tail)) = rest.split_first() {
        rest = tail;
        if let Some((b'+' | b'-', tail)) = rest.split_first() {
            rest = tail;
        }
        if digits(&mut rest) == 0 {
            return false;
        }
    }
    rest.is_empty()
}

fn digits(rest: &mut &[u8]) -> usize {
    let count = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    *rest = &rest[count..];
    count
}

/// `strconv.ParseFloat(text, 64)` for decimal forms; what overflows is refused, as there.
fn go_float(text: &str) -> Option<f64> {
    if !is_float_style(text) {
        return None;
    }
    text.parse::<f64>().ok().filter(|float| float.is_finite())
}

/// Tells whether go-yaml's `parseTimestamp` accepts the text.
pub(crate) fn is_timestamp(text: &str) -> bool {
    let bytes = text.as_bytes();
    if bytes.len() < 5 || bytes[4] != b'-' || !bytes[..4].iter().all(u8::is_ascii_digit) {
        return false;
    }
    timestamp(bytes).is_some()
}

/// The four layouts `2006-1-2T15:4:5.999999999Z07:00`, with `t`, `2006-1-2 15:4:5.999999999` and `2006-1-2`, read as Go's `time.Parse` does.
fn timestamp(bytes: &[u8]) -> Option<()> {
    let mut rest = &bytes[4..];
    let year = bytes[..4].iter().fold(0u32, |year, digit| year * 10 + u32::from(digit - b'0'));
    skip(&mut rest, b'-')?;
    let month = short(&mut rest)?;
    skip(&mut rest, b'-')?;
    let day = short(&mut rest)?;
    if !(1..=12).contains(&month) || day < 1 || day > days(year, month) {
        return None;
    }
    let Some((separator, tail)) = rest.split_first() else {
        return Some(());
    };
    rest = tail;
    if !matches!(separator, b'T' | b't' | b' ') {
        return None;
    }
    let hour = short(&mut rest)?;
    skip(&mut rest, b':')?;
    let minute = short(&mut rest)?;
    skip(&mut rest, b':')?;
    let second = short(&mut rest)?;
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    if let [b'.' | b',', digit, ..] = rest
        && digit.is_ascii_digit()
    {
        rest = &rest[1..];
        digits(&mut rest);
    }
    match (separator, rest) {
        (b' ', []) | (b'T' | b't', b"Z") => Some(()),
        (b'T' | b't', [b'+' | b'-', h1, h2, b':', m1, m2]) if [h1, h2, m1, m2].iter().all(|b| b.is_ascii_digit()) => {
            let hours = (h1 - b'0') * 10 + (h2 - b'0');
            let minutes = (m1 - b'0') * 10 + (m2 - b'0');
            (hours <= 24 && minutes <= 60).then_some(())
        }
        _ => None,
    }
}

fn skip(rest: &mut &[u8], expected: u8) -> Option<()> {
    let (first, tail) = rest.split_first()?;
    *rest = tail;
    (*first == expected).then_some(())
}

/// One or two digits.
fn short(rest: &mut &[u8]) -> Option<u32> {
    let (first, tail) = rest.split_first()?;
    if !first.is_ascii_digit() {
        return None;
    }
    let mut value = u32::from(first - b'0');
    *rest = tail;
    if let Some((second, tail)) = rest.split_first()
        && second.is_ascii_digit()
    {
        value = value * 10 + u32::from(second - b'0');
        *rest = tail;
    }
    Some(value)
}

fn days(year: u32, month: u32) -> u32 {
    match month {
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Tells whether the text looks like a number in base 60, which is quoted on the way out: `^[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?$`.
pub(crate) fn is_base_60(text: &str) -> bool {
    let rest = text.strip_prefix(['-', '+']).unwrap_or(text);
    if !rest.as_bytes().first().is_some_and(u8::is_ascii_digit) || !rest.contains(':') {
        return false;
    }
    let (whole, fraction) = match rest.split_once('.') {
        Some((whole, fraction)) => (whole, fraction),
        None => (rest, ""),
    };
    let mut parts = whole.split(':');
    let head = parts.next().unwrap_or_default();
    head.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_')
        && parts.all(|part| match part.as_bytes() {
            [digit] => digit.is_ascii_digit(),
            [tens, digit] => (b'0'..=b'5').contains(tens) && digit.is_ascii_digit(),
            _ => false,
        })
        && fraction.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_')
}

/// Tells whether yaml.v2 may write the string without quotes as far as its meaning goes.
pub(crate) fn reads_as_string_v2(text: &str) -> bool {
    plain(text) == Resolved::Str && !is_base_60(text)
}

/// Tells whether yaml.v3 may write the string without quotes as far as its meaning goes; the YAML 1.1 words for booleans stay quoted.
pub(crate) fn reads_as_string_v3(text: &str) -> bool {
    // v3 drops "y" and the like from its table, and then quotes them all the same (isOldBool).
    reads_as_string_v2(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resolves_as_yaml_1_1() {
        let cases: &[(&str, Resolved)] = &[
            ("", Resolved::Null),
            ("~", Resolved::Null),
            ("y", Resolved::Bool(true)),
            ("Off", Resolved::Bool(false)),
            ("yEs", Resolved::Str),
            ("0o17", Resolved::Int(15)),
            ("017", Resolved::Int(15)),
            ("08", Resolved::Float(8.0)),
            ("0b11", Resolved::Int(3)),
            ("-0b11", Resolved::Int(-3)),
            ("0b2", Resolved::Str),
            ("1_000", Resolved::Int(1000)),
            ("0x_1", Resolved::Int(1)),
            ("+1", Resolved::Int(1)),
            ("+-1", Resolved::Str),
            (".5", Resolved::Float(0.5)),
            ("5.", Resolved::Float(5.0)),
            (".e5", Resolved::Str),
            (".", Resolved::Str),
            ("1e", Resolved::Str),
            ("0x", Resolved::Str),
            ("1e400", Resolved::Str),
            ("1.2.3", Resolved::Str),
            ("12:30", Resolved::Str),
            ("18446744073709551615", Resolved::Uint(u64::MAX)),
            ("-9223372036854775808", Resolved::Int(i64::MIN)),
            ("2020-01-01", Resolved::Timestamp),
            ("2020-1-1T1:2:3Z", Resolved::Timestamp),
            ("2020-1-1 1:2:3.5", Resolved::Timestamp),
            ("2020-13-01", Resolved::Str),
            ("2020-02-30", Resolved::Str),
            ("=", Resolved::Str),
            ("<<", Resolved::Str),
            ("-", Resolved::Str),
        ];
        for (text, expect) in cases {
            assert_eq!(plain(text), *expect, "{text}");
        }
    }

    #[test]
    fn knows_base_60() {
        for text in ["1:20", "12:30:45", "1:2.5_", "-1_0:5"] {
            assert!(is_base_60(text), "{text}");
        }
        for text in ["10.0.0.0/8", "::1", "1:60", "1:", "1", "1.5:3"] {
            assert!(!is_base_60(text), "{text}");
        }
    }
}
