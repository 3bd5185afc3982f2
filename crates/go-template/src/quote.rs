//! Quoting and unquoting as Go's `strconv` does it.

use unicode_general_category::{GeneralCategory, get_general_category};

/// Tells whether Go's `unicode.IsPrint` holds: letters, marks, numbers, punctuation, symbols and the ASCII space.
pub fn is_print(c: char) -> bool {
    use GeneralCategory as G;
    if c.is_ascii() {
        return (' '..='~').contains(&c);
    }
    !matches!(
        get_general_category(c),
        G::Control
            | G::Format
            | G::Surrogate
            | G::PrivateUse
            | G::Unassigned
            | G::LineSeparator
            | G::ParagraphSeparator
            | G::SpaceSeparator
    )
}

/// Tells whether Go's `unicode.IsLetter` or `unicode.IsDigit` holds, or the character is an underscore.
pub fn is_alphanumeric(c: char) -> bool {
    c == '_' || is_letter(c) || is_digit(c)
}

/// Tells whether Go's `unicode.IsLetter` holds.
pub fn is_letter(c: char) -> bool {
    use GeneralCategory as G;
    if c.is_ascii() {
        return c.is_ascii_alphabetic();
    }
    let letters = [G::UppercaseLetter, G::LowercaseLetter, G::TitlecaseLetter, G::ModifierLetter, G::OtherLetter];
    letters.contains(&get_general_category(c))
}

/// Tells whether Go's `unicode.IsDigit` holds.
pub fn is_digit(c: char) -> bool {
    if c.is_ascii() { c.is_ascii_digit() } else { get_general_category(c) == GeneralCategory::DecimalNumber }
}

/// Decodes the first character as Go's `utf8.DecodeRune`: `None` with width one for an invalid byte.
#[inline]
pub fn decode(bytes: &[u8]) -> (Option<char>, usize) {
    match bytes {
        [] => (None, 0),
        [first, ..] if first.is_ascii() => (Some(char::from(*first)), 1),
        _ => decode_wide(bytes),
    }
}

fn decode_wide(bytes: &[u8]) -> (Option<char>, usize) {
    let first = bytes[0];
    let width = match first {
        0xc2..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xf4 => 4,
        _ => return (None, 1),
    };
    let text = bytes.get(..width).and_then(|part| std::str::from_utf8(part).ok());
    match text.and_then(|text| text.chars().next()) {
        Some(c) => (Some(c), width),
        None => (None, 1),
    }
}

/// Iterates over the characters of a Go string; an invalid byte gives `None`.
pub fn chars(mut bytes: &[u8]) -> impl Iterator<Item = (Option<char>, &[u8])> {
    std::iter::from_fn(move || {
        if bytes.is_empty() {
            return None;
        }
        let (c, width) = decode(bytes);
        let (part, rest) = bytes.split_at(width);
        bytes = rest;
        Some((c, part))
    })
}

/// Quotes as `strconv.Quote`.
pub fn quote(bytes: &[u8]) -> String {
    quote_with(bytes, '"', false)
}

/// Quotes text as `strconv.Quote`.
pub fn quote_text(text: &str) -> String {
    quote(text.as_bytes())
}

/// Quotes as `strconv.QuoteToASCII`.
pub fn quote_ascii(bytes: &[u8]) -> String {
    quote_with(bytes, '"', true)
}

/// Quotes a rune as `strconv.QuoteRune`; what is no character becomes U+FFFD.
pub fn quote_rune(rune: i64, ascii_only: bool) -> String {
    let c = u32::try_from(rune).ok().and_then(char::from_u32).unwrap_or('\u{fffd}');
    let mut out = String::from("'");
    escape(&mut out, c, '\'', ascii_only);
    out.push('\'');
    out
}

fn quote_with(bytes: &[u8], mark: char, ascii_only: bool) -> String {
    let mut out = String::with_capacity(bytes.len() + 2);
    out.push(mark);
    for (c, part) in chars(bytes) {
        match c {
            Some(c) => escape(&mut out, c, mark, ascii_only),
            None => out.push_str(&format!("\\x{:02x}", part[0])),
        }
    }
    out.push(mark);
    out
}

fn escape(out: &mut String, c: char, mark: char, ascii_only: bool) {
    if c == mark || c == '\\' {
        out.push('\\');
        out.push(c);
        return;
    }
    if (c.is_ascii() || !ascii_only) && is_print(c) {
        out.push(c);
        return;
    }
    match c {
        '\x07' => out.push_str("\\a"),
        '\x08' => out.push_str("\\b"),
        '\x0c' => out.push_str("\\f"),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        '\x0b' => out.push_str("\\v"),
        c if c < ' ' || c == '\x7f' => out.push_str(&format!("\\x{:02x}", c as u32)),
        c if (c as u32) < 0x10000 => out.push_str(&format!("\\u{:04x}", c as u32)),
        c => out.push_str(&format!("\\U{:08x}", c as u32)),
    }
}

/// Tells whether the text can stand between back quotes unchanged (`strconv.CanBackquote`).
pub fn can_backquote(bytes: &[u8]) -> bool {
    chars(bytes).all(|(c, _)| match c {
        None | Some('\u{feff}' | '`' | '\x7f') => false,
        Some(c) => c == '\t' || c >= ' ',
    })
}

/// Removes the quotes of a Go string or rune literal; `None` if it is not one.
pub fn unquote(literal: &[u8]) -> Option<Vec<u8>> {
    let (mark, body) = match literal {
        [mark @ (b'"' | b'\'' | b'`'), body @ .., last] if mark == last => (*mark, body),
        _ => return None,
    };
    if mark == b'`' {
        if body.contains(&b'`') {
            return None;
        }
        return Some(body.iter().copied().filter(|b| *b != b'\r').collect());
    }
    let mut out = Vec::with_capacity(body.len());
    let mut rest = body;
    let mut count = 0;
    while !rest.is_empty() {
        if rest[0] == mark || rest[0] == b'\n' {
            return None;
        }
        rest = unquote_one(rest, mark, &mut out)?;
        count += 1;
    }
    (mark == b'"' || count == 1).then_some(out)
}

/// Reads the value of a rune literal.
pub fn unquote_rune(literal: &[u8]) -> Option<u32> {
    let body = literal.strip_prefix(b"'")?.strip_suffix(b"'")?;
    if let [b'\\', kind @ (b'x' | b'0'..=b'7'), ..] = body {
        let (digits, radix) = if *kind == b'x' { (&body[2..], 16) } else { (&body[1..], 8) };
        let len = if radix == 16 { 2 } else { 3 };
        return (digits.len() == len).then(|| number(digits, radix)).flatten().filter(|n| *n < 256);
    }
    let bytes = unquote(literal)?;
    match decode(&bytes) {
        (Some(c), width) if width == bytes.len() => Some(c as u32),
        (None, 1) if bytes.len() == 1 => Some(0xfffd),
        _ => None,
    }
}

fn number(digits: &[u8], radix: u32) -> Option<u32> {
    let text = std::str::from_utf8(digits).ok()?;
    if text.starts_with(['+', '-']) {
        return None;
    }
    u32::from_str_radix(text, radix).ok()
}

pub(crate) fn unquote_one<'a>(rest: &'a [u8], mark: u8, out: &mut Vec<u8>) -> Option<&'a [u8]> {
    if rest[0] != b'\\' {
        let (c, width) = decode(rest);
        // Go re-encodes what it decodes, which turns an invalid byte into U+FFFD when the literal needs decoding at all.
        if c.is_none() {
            out.extend_from_slice(&rest[..1]);
        } else {
            out.extend_from_slice(&rest[..width]);
        }
        return Some(&rest[width..]);
    }
    let kind = *rest.get(1)?;
    let simple = match kind {
        b'a' => Some(7),
        b'b' => Some(8),
        b'f' => Some(12),
        b'n' => Some(b'\n'),
        b'r' => Some(b'\r'),
        b't' => Some(b'\t'),
        b'v' => Some(11),
        b'\\' => Some(b'\\'),
        b'\'' | b'"' if kind == mark => Some(kind),
        _ => None,
    };
    if let Some(byte) = simple {
        out.push(byte);
        return Some(&rest[2..]);
    }
    let (start, len, radix) = match kind {
        b'x' => (2, 2, 16),
        b'u' => (2, 4, 16),
        b'U' => (2, 8, 16),
        b'0'..=b'7' => (1, 3, 8),
        _ => return None,
    };
    let value = number(rest.get(start..start + len)?, radix)?;
    if matches!(kind, b'u' | b'U') {
        out.extend_from_slice(char::from_u32(value)?.encode_utf8(&mut [0; 4]).as_bytes());
    } else {
        out.push(u8::try_from(value).ok()?);
    }
    Some(&rest[start + len..])
}

#[cfg(test)]
mod tests {
    use super::{quote, quote_rune, unquote, unquote_rune};

    #[test]
    fn quotes_as_go() {
        assert_eq!(quote("a\"b\\\n\u{200b}é\u{a0}\u{1f600}".as_bytes()), "\"a\\\"b\\\\\\n\\u200bé\\u00a0\u{1f600}\"");
        assert_eq!(quote(b"\xff\x7f\x01"), r#""\xff\x7f\x01""#);
        assert_eq!(quote_rune(65, false), "'A'");
        assert_eq!(quote_rune(0x1_000_000, false), "'\u{fffd}'");
    }

    #[test]
    fn unquotes_as_go() {
        assert_eq!(unquote(br#""a\x41\u00e9\n""#), Some("aAé\n".as_bytes().to_vec()));
        assert_eq!(unquote(b"`a\r\nb`"), Some(b"a\nb".to_vec()));
        assert_eq!(unquote(br#""\q""#), None);
        assert_eq!(unquote_rune(br"'\xff'"), Some(255));
        assert_eq!(unquote_rune("'é'".as_bytes()), Some(0xe9));
    }
}
