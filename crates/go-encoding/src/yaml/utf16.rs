//! YAML in UTF-16, which go-yaml knows by its byte order mark (`readerc.go` of yaml.v2 2.4.3).

/// Decodes bytes that start with the mark, up to what is wrong; `None` where they do not.
pub(super) fn decode(bytes: &[u8]) -> Option<(String, Option<&'static str>)> {
    let unit: fn([u8; 2]) -> u16 = match bytes {
        [0xff, 0xfe, ..] => u16::from_le_bytes,
        [0xfe, 0xff, ..] => u16::from_be_bytes,
        _ => return None,
    };
    let (pairs, rest) = bytes[2..].as_chunks::<2>();
    let mut units = pairs.iter().map(|pair| unit(*pair)).peekable();
    let mut text = String::new();
    while let Some(first) = units.next() {
        let character = match first {
            0xdc00..=0xdfff => return Some((text, Some("unexpected low surrogate area"))),
            0xd800..=0xdbff => match units.next() {
                None => return Some((text, Some("incomplete UTF-16 surrogate pair"))),
                Some(second) => char::decode_utf16([first, second]).next().and_then(Result::ok),
            },
            other => char::from_u32(u32::from(other)),
        };
        match character {
            Some(character) => text.push(character),
            None => return Some((text, Some("expected low surrogate area"))),
        }
    }
    Some((text, (!rest.is_empty()).then_some("incomplete UTF-16 character")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::yaml::parse_bytes;

    #[test]
    fn reads_both_byte_orders() {
        let bytes = |text: &str, order: fn(u16) -> [u8; 2]| {
            "\u{feff}".encode_utf16().chain(text.encode_utf16()).flat_map(order).collect::<Vec<u8>>()
        };
        for order in [u16::to_le_bytes, u16::to_be_bytes] {
            assert_eq!(parse_bytes(&bytes("a: \u{1f600}\n", order)), Ok(json!({"a": "\u{1f600}"})));
        }
        let broken = [bytes("a", u16::to_le_bytes), vec![1]].concat();
        assert_eq!(parse_bytes(&broken).map_err(|error| error.to_string()), Err("yaml: incomplete UTF-16 character".to_owned()));
    }

    #[test]
    fn says_what_is_wrong_with_bytes() {
        let check = |bytes: &[u8], expect: &str| {
            assert_eq!(parse_bytes(bytes).map_err(|error| error.to_string()), Err(format!("yaml: {expect}")), "{}", bytes.escape_ascii());
        };
        check(b"a: \xff", "invalid leading UTF-8 octet");
        check(b"a: \xe2", "incomplete UTF-8 octet sequence");
        check(b"a: \xe2a ", "invalid trailing UTF-8 octet");
        check(b"a: \xc0\x80", "invalid length of a UTF-8 sequence");
        check(b"a: \xed\xa0\x80", "invalid Unicode character");
        check(b"a: \x01\xff", "control characters are not allowed");
    }
}
