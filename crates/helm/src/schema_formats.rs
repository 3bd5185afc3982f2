//! The `format` keyword as the library that Helm uses understands it (`format.go` of `santhosh-tekuri/jsonschema` 6.0.3), in Go's words.

use std::error::Error;

use boon::{Compiler, Format};
use go_template::quote::{quote, quote_rune};
use serde_json::Value;
use sprig::ip;
use sprig::url::{Url, unescape_segment};

type Checked = Result<(), String>;

/// What the format `regex` is called here: `boon` lets nobody replace its own.
pub(crate) const GO_REGEX: &str = "go-regex";

const FORMATS: &[Format] = &[
    Format { name: "json-pointer", func: |value| text(value, json_pointer) },
    Format { name: "relative-json-pointer", func: |value| text(value, relative_json_pointer) },
    Format { name: "uuid", func: |value| text(value, uuid) },
    Format { name: "duration", func: |value| text(value, duration) },
    Format { name: "period", func: |value| text(value, period) },
    Format { name: "ipv4", func: |value| text(value, ipv4) },
    Format { name: "ipv6", func: |value| text(value, ipv6) },
    Format { name: "hostname", func: |value| text(value, hostname) },
    Format { name: "date", func: |value| text(value, |text| date(text.as_bytes())) },
    Format { name: "time", func: |value| text(value, |text| time(text.as_bytes())) },
    Format { name: "date-time", func: |value| text(value, date_time) },
    Format { name: "uri", func: |value| text(value, uri) },
    Format { name: "iri", func: |value| text(value, uri) },
    Format { name: "uri-reference", func: |value| text(value, uri_reference) },
    Format { name: "iri-reference", func: |value| text(value, uri_reference) },
    Format { name: "uri-template", func: |value| text(value, uri_template) },
    Format { name: "semver", func: |value| text(value, semver) },
    Format { name: GO_REGEX, func: |value| text(value, sprig::check_regex) },
    // `boon` knows these, Helm does not.
    Format { name: "idn-hostname", func: |_| Ok(()) },
    Format { name: "idn-email", func: |_| Ok(()) },
];

const EMAIL: Format = Format { name: "email", func: |value| text(value, |text| email(text, true)) };

/// Up to 6.0.2, a quote at the start of an address alone makes it a quoted one.
const OLD_EMAIL: Format = Format { name: "email", func: |value| text(value, |text| email(text, false)) };

/// Replaces the formats of `boon`.
pub(crate) fn register(compiler: &mut Compiler, closes_quotes_of_emails: bool) {
    let email = if closes_quotes_of_emails { EMAIL } else { OLD_EMAIL };
    FORMATS.iter().chain([&email]).for_each(|format| compiler.register_format(*format));
}

fn text(value: &Value, check: impl Fn(&str) -> Checked) -> Result<(), Box<dyn Error>> {
    value.as_str().map_or(Ok(()), check).map_err(Into::into)
}

fn ensure(fits: bool, complaint: &str) -> Checked {
    if fits { Ok(()) } else { Err(complaint.to_owned()) }
}

fn quoted(c: char) -> String {
    quote_rune(i64::from(u32::from(c)), false)
}

/// Complains of the first character that is not allowed.
fn all(text: &str, is_allowed: impl Fn(char) -> bool, complaint: &str) -> Checked {
    text.chars().find(|c| !is_allowed(*c)).map_or(Ok(()), |c| Err(format!("{complaint} {}", quoted(c))))
}

/// Splits off the digits at the start.
fn digits(text: &[u8]) -> (&[u8], &[u8]) {
    text.split_at(text.iter().take_while(|byte| byte.is_ascii_digit()).count())
}

fn json_pointer(text: &str) -> Checked {
    if text.is_empty() {
        return Ok(());
    }
    let tokens = text.strip_prefix('/').ok_or("not starting with /")?;
    let is_escaped = |token: &str| token.split('~').skip(1).all(|after| after.starts_with(['0', '1']));
    ensure(tokens.split('/').all(is_escaped), "~ must be followed by 0 or 1")
}

fn relative_json_pointer(text: &str) -> Checked {
    let (number, rest) = digits(text.as_bytes());
    ensure(!number.is_empty(), "must start with non-negative integer")?;
    ensure(number.len() == 1 || number[0] != b'0', "starts with zero")?;
    if rest == b"#" { Ok(()) } else { json_pointer(&text[number.len()..]) }
}

fn uuid(text: &str) -> Checked {
    const LENGTHS: [usize; 5] = [8, 4, 4, 4, 12];
    ensure(text.split('-').count() == LENGTHS.len(), "must have 5 elements")?;
    for (at, (group, length)) in text.split('-').zip(LENGTHS).enumerate() {
        ensure(group.len() == length, &format!("element {} must be {length} characters long", at + 1))?;
        all(group, |c| c.is_ascii_hexdigit(), "non-hex character")?;
    }
    Ok(())
}

fn duration(text: &str) -> Checked {
    let text = text.strip_prefix('P').ok_or("must start with P")?;
    ensure(!text.is_empty(), "nothing after P")?;
    if let Some(weeks) = text.strip_suffix('W') {
        ensure(!weeks.is_empty(), "no number in week")?;
        return ensure(weeks.bytes().all(|byte| byte.is_ascii_digit()), "invalid week");
    }
    for (at, part) in text.split('T').enumerate() {
        ensure(at == 0 || !part.is_empty(), "no time elements")?;
        let units = [b"YMD", b"HMS"].get(at).ok_or("more than one T")?;
        elements(part.as_bytes(), *units)?;
    }
    Ok(())
}

/// Checks numbers with units, in the order of the units.
fn elements(mut text: &[u8], units: &[u8]) -> Checked {
    let mut left = units;
    while !text.is_empty() {
        let (number, rest) = digits(text);
        ensure(!number.is_empty(), "missing number")?;
        let (unit, rest) = rest.split_first().ok_or("missing unit")?;
        let Some(at) = left.iter().position(|known| known == unit) else {
            let unit_shown = quoted(char::from(*unit));
            return Err(if units.contains(unit) {
                format!("unit {unit_shown} out of order")
            } else {
                format!("invalid unit {unit_shown}")
            });
        };
        (left, text) = (&left[at + 1..], rest);
    }
    Ok(())
}

/// Reads a number as `strconv.Atoi`.
fn atoi(text: &[u8]) -> Result<i64, String> {
    let wrong = |what: &str| format!("strconv.Atoi: parsing {}: {what}", quote(text));
    let (sign, unsigned) = text.split_at(usize::from(matches!(text, [b'+' | b'-', ..])));
    let (number, rest) = digits(unsigned);
    let number = std::str::from_utf8(number).unwrap_or_default();
    // Go stops at what comes first.
    let is_too_large = !number.is_empty() && number.parse::<u64>().is_err();
    if !is_too_large && (number.is_empty() || !rest.is_empty()) {
        return Err(wrong("invalid syntax"));
    }
    let signed = if sign == b"-" { format!("-{number}") } else { number.to_owned() };
    signed.parse().map_err(|_| wrong("value out of range"))
}

fn ipv4(text: &str) -> Checked {
    ensure(text.split('.').count() == 4, "expected four decimals")?;
    text.split('.').try_for_each(|group| {
        ensure(group.len() < 2 || !group.starts_with('0'), "leading zeros")?;
        ensure((0..=255).contains(&atoi(group.as_bytes())?), "decimal must be between 0 and 255")
    })
}

fn ipv6(text: &str) -> Checked {
    ensure(text.contains(':'), "missing colon")?;
    ensure(!ip::parse(text.as_bytes())?.has_zone, "zone id is not a part of ipv6 address")
}

fn hostname(text: &str) -> Checked {
    let text = text.strip_suffix('.').unwrap_or(text);
    ensure(text.len() <= 253, "more than 253 characters long")?;
    text.split('.').try_for_each(|label| {
        ensure((1..=63).contains(&label.len()), "label must be 1 to 63 characters long")?;
        ensure(!label.starts_with('-'), "label starts with hyphen")?;
        ensure(!label.ends_with('-'), "label ends with hyphen")?;
        all(label, |c| c.is_ascii_alphanumeric() || c == '-', "invalid character")
    })
}

fn email(text: &str, closes_quotes: bool) -> Checked {
    // The number is another one in Helm too.
    ensure(text.len() <= 254, "more than 255 characters long")?;
    let (local, domain) = text.rsplit_once('@').ok_or("missing @")?;
    ensure(local.len() <= 64, "local part more than 64 characters long")?;
    let is_quoted = local.len() > 1 && local.starts_with('"') && (!closes_quotes || local.ends_with('"'));
    if is_quoted {
        quoted_local(local)?
    } else {
        plain_local(local)?
    }
    let Some(address) = domain.strip_prefix('[').filter(|_| domain.ends_with(']')) else {
        return hostname(domain).map_err(|error| format!("invalid domain: {error}"));
    };
    let address = &address[..address.len() - 1];
    match address.strip_prefix("IPv6:") {
        Some(address) => ipv6(address).map_err(|error| format!("invalid ipv6 address: {error}")),
        None => ipv4(address).map_err(|error| format!("invalid ipv4 address: {error}")),
    }
}

fn quoted_local(local: &str) -> Checked {
    let inner = &local.as_bytes()[1..local.len() - 1];
    ensure(!inner.contains(&b'\\') && !inner.contains(&b'"'), "backslash and quote are not allowed within quoted local part")
}

fn plain_local(local: &str) -> Checked {
    ensure(!local.starts_with('.'), "starts with dot")?;
    ensure(!local.ends_with('.'), "ends with dot")?;
    ensure(!local.contains(".."), "consecutive dots")?;
    all(local, |c| c.is_ascii_alphanumeric() || ".!#$%&'*+-/=?^_`{|}~".contains(c), "invalid character")
}

fn date(text: &[u8]) -> Checked {
    sprig::check_time("2006-01-02", text)
}

fn time(text: &[u8]) -> Checked {
    ensure(text.len() >= 9, "less than 9 characters long")?;
    ensure(text[2] == b':' && text[5] == b':', "missing colon in correct place")?;
    let (clock, mut rest) = text.split_at(8);
    let [hour, minute, second] = numbers(clock, "hour/min/sec")?;
    ensure(hour <= 23 && minute <= 59 && second <= 60, "hour/min/sec out of range")?;
    if let Some(fraction) = rest.strip_prefix(b".") {
        let (number, after) = digits(fraction);
        ensure(!number.is_empty(), "no digits in second fraction")?;
        rest = after;
    }
    let late = (hour * 60 + minute - offset(rest)?).rem_euclid(24 * 60);
    ensure(second < 60 || late == 23 * 60 + 59, "invalid leap second")
}

/// Reads the offset of a time from UTC, in minutes.
fn offset(text: &[u8]) -> Result<i64, String> {
    if matches!(text, b"z" | b"Z") {
        return Ok(0);
    }
    ensure(text.len() == 6, "offset must be 6 characters long")?;
    let sign = match text[0] {
        b'+' => 1,
        b'-' => -1,
        _ => return Err("offset must begin with plus/minus".to_owned()),
    };
    ensure(text[3] == b':', "missing colon in offset in correct place")?;
    let [hour, minute] = numbers(&text[1..], "hour/min in offset")?;
    ensure(hour <= 23 && minute <= 59, "hour/min in offset out of range")?;
    Ok(sign * (hour * 60 + minute))
}

/// Reads numbers with colons between them.
fn numbers<const N: usize>(text: &[u8], what: &str) -> Result<[i64; N], String> {
    let mut numbers = [0; N];
    for (number, part) in numbers.iter_mut().zip(text.splitn(N, |byte| *byte == b':')) {
        *number = atoi(part).map_err(|_| format!("invalid {what}"))?;
        ensure(*number >= 0, &format!("non-positive {what}"))?;
    }
    Ok(numbers)
}

fn date_time(text: &str) -> Checked {
    let text = text.as_bytes();
    ensure(text.len() >= 20, "less than 20 characters long")?;
    ensure(matches!(text[10], b't' | b'T'), "11th character must be t or T")?;
    date(&text[..10]).map_err(|error| format!("invalid date element: {error}"))?;
    time(&text[11..]).map_err(|error| format!("invalid time element: {error}"))
}

fn period(text: &str) -> Checked {
    let (start, end) = text.split_once('/').ok_or("missing slash")?;
    let is_duration = |text: &str| text.starts_with('P');
    if is_duration(start) {
        duration(start).map_err(|error| format!("invalid start duration: {error}"))?;
    } else {
        date_time(start).map_err(|error| format!("invalid start date-time: {error}"))?;
    }
    if is_duration(end) && !is_duration(start) {
        return duration(end).map_err(|error| format!("invalid end duration: {error}"));
    }
    date_time(end).map_err(|error| format!("invalid end date-time: {error}"))
}

fn url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text.as_bytes())?;
    let host = url.hostname();
    if host.contains(&b':') {
        ensure(url.host.contains(&b'[') && url.host.contains(&b']'), "ipv6 address not enclosed in brackets")?;
        let checked = ip::parse(host).and_then(|address| ensure(!address.has_zone, "zone id is not a part of ipv6 address"));
        checked.map_err(|error| format!("invalid ipv6 address: {error}"))?;
    }
    Ok(url)
}

fn uri(text: &str) -> Checked {
    ensure(!url(text)?.scheme.is_empty(), "relative url")
}

fn uri_reference(text: &str) -> Checked {
    ensure(!text.contains('\\'), "contains \\")?;
    url(text).map(|_| ())
}

fn uri_template(text: &str) -> Checked {
    url(text)?.raw_path.split(|byte| *byte == b'/').try_for_each(|part| {
        let part = unescape_segment(part).map_err(|error| format!("percent decode failed: {error}"))?;
        let mut is_open = false;
        for brace in part.iter().filter(|byte| matches!(byte, b'{' | b'}')) {
            ensure(is_open == (*brace == b'}'), "nested curly braces")?;
            is_open = !is_open;
        }
        ensure(!is_open, "no matching closing brace")
    })
}

fn semver(text: &str) -> Checked {
    let (text, build) = text.split_once('+').map_or((text, None), |(text, build)| (text, Some(build)));
    if let Some(build) = build {
        ensure(!build.is_empty(), "build is empty")?;
        build.split('.').try_for_each(|part| identifier(part, "build"))?;
    }
    let (core, release) = text.split_once('-').map_or((text, None), |(core, release)| (core, Some(release)));
    for part in release.iter().flat_map(|release| release.split('.')) {
        identifier(part, "pre-release")?;
        let is_number = part.bytes().all(|byte| byte.is_ascii_digit());
        ensure(!(is_number && part.len() > 1 && part.starts_with('0')), "pre-release numeric identifier starts with zero")?;
    }
    ensure(core.split('.').count() == 3, "versionCore must have 3 numbers separated by dot")?;
    core.split('.').zip(["major", "minor", "patch"]).try_for_each(|(number, name)| {
        ensure(!number.is_empty(), &format!("{name} is empty"))?;
        ensure(number.len() == 1 || !number.starts_with('0'), &format!("{name} starts with zero"))?;
        ensure(number.bytes().all(|byte| byte.is_ascii_digit()), &format!("{name} contains non-digit"))
    })
}

fn identifier(part: &str, what: &str) -> Checked {
    ensure(!part.is_empty(), &format!("{what} identifier is empty"))?;
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || c == '-';
    all(part, is_allowed, "invalid character").map_err(|error| format!("{error} in {what} identifier"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What both versions of the library say; all else is in `tests/conformance`.
    #[test]
    fn a_quoted_address_ends_its_quotes_in_newer_helms() {
        assert_eq!(email("\"a b@c", false), Ok(()));
        assert_eq!(email("\"a b@c", true), Err("invalid character '\"'".to_owned()));
        assert_eq!(email("\"a b\"@c", true), Ok(()));
        assert_eq!(
            ["3.21", "3.22", "4.2.4", "4.3.0"].map(|version| crate::HelmCompat::of(version).closes_quotes_of_emails()),
            [false, true, false, true]
        );
    }
}
