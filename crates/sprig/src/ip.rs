//! Addresses as Go's `netip.ParseAddr` reads them (Go 1.26), errors included.

use go_template::quote::quote;

/// What was said of an address besides its number.
#[derive(Debug, PartialEq, Eq)]
pub struct Address {
    /// Whether it is one of IPv4.
    pub is_v4: bool,
    /// Whether it has a zone, after a percent sign.
    pub has_zone: bool,
}

/// What is wrong, and the rest of the text that it is about.
struct Mistake<'t>(&'static str, &'t [u8]);

impl Mistake<'_> {
    fn of(self, text: &[u8]) -> String {
        let place = if self.1.is_empty() { String::new() } else { format!(" (at {})", quote(self.1)) };
        format!("ParseAddr({}): {}{place}", quote(text), self.0)
    }
}

/// Reads an address of either kind.
pub fn parse(text: &[u8]) -> Result<Address, String> {
    let read = match text.iter().find(|byte| matches!(byte, b'.' | b':' | b'%')) {
        Some(b'.') => v4(text).map(|()| Address { is_v4: true, has_zone: false }),
        Some(b':') => v6(text),
        Some(_) => Err(Mistake("missing IPv6 address", b"")),
        None => Err(Mistake("unable to parse IP", b"")),
    };
    read.map_err(|mistake| mistake.of(text))
}

fn v4(text: &[u8]) -> Result<(), Mistake<'_>> {
    let (mut value, mut digits, mut fields) = (0_u32, 0, 0);
    for (at, byte) in text.iter().enumerate() {
        match byte {
            b'0'..=b'9' => {
                if digits == 1 && value == 0 {
                    return Err(Mistake("IPv4 field has octet with leading zero", b""));
                }
                value = value * 10 + u32::from(byte - b'0');
                digits += 1;
                if value > 255 {
                    return Err(Mistake("IPv4 field has value >255", b""));
                }
            }
            b'.' if digits == 0 || at == text.len() - 1 => return Err(Mistake("IPv4 field must have at least one digit", &text[at..])),
            b'.' if fields == 3 => return Err(Mistake("IPv4 address too long", b"")),
            b'.' => {
                fields += 1;
                (value, digits) = (0, 0);
            }
            _ => return Err(Mistake("unexpected character", &text[at..])),
        }
    }
    if fields < 3 { Err(Mistake("IPv4 address too short", b"")) } else { Ok(()) }
}

fn v6(text: &[u8]) -> Result<Address, Mistake<'_>> {
    let (number, zone) = match text.iter().position(|byte| *byte == b'%') {
        Some(at) if at + 1 == text.len() => return Err(Mistake("zone must be a non-empty string", b"")),
        Some(at) => (&text[..at], true),
        None => (text, false),
    };
    let leading = number.strip_prefix(b"::");
    let (fields, ellipsis) = match leading {
        Some(b"") => (0, true),
        _ => groups(leading.unwrap_or(number), leading.is_some())?,
    };
    match (fields, ellipsis) {
        (8, true) => Err(Mistake("the :: must expand to at least one field of zeros", b"")),
        (0..8, false) => Err(Mistake("address string too short", b"")),
        _ => Ok(Address { is_v4: false, has_zone: zone }),
    }
}

/// Reads groups of digits; gives how many there are, and whether two colons stand for others.
fn groups(mut rest: &[u8], mut ellipsis: bool) -> Result<(usize, bool), Mistake<'_>> {
    let mut fields = 0;
    while fields < 8 {
        let digits = rest.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
        match digits {
            0 => return Err(Mistake("each colon-separated field must have at least one digit", rest)),
            1..=4 => {}
            _ => return Err(Mistake("each group must have 4 or less digits", rest)),
        }
        if rest.get(digits) == Some(&b'.') {
            if !ellipsis && fields != 6 {
                return Err(Mistake("embedded IPv4 address must replace the final 2 fields of the address", rest));
            }
            if fields > 6 {
                return Err(Mistake("too many hex fields to fit an embedded IPv4 at the end of the address", rest));
            }
            v4(rest)?;
            return Ok((fields + 2, ellipsis));
        }
        fields += 1;
        rest = match &rest[digits..] {
            [] => return Ok((fields, ellipsis)),
            [b':'] => return Err(Mistake("colon must be followed by more characters", b":")),
            [b':', b':', ..] if ellipsis => return Err(Mistake("multiple :: in address", &rest[digits + 1..])),
            [b':', b':'] => return Ok((fields, true)),
            [b':', b':', rest @ ..] => {
                ellipsis = true;
                rest
            }
            [b':', rest @ ..] => rest,
            other => return Err(Mistake("unexpected character, want colon", other)),
        };
    }
    Err(Mistake("trailing garbage after address", rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What Go 1.26 says.
    #[test]
    fn reads_addresses_as_go_does() {
        let check = |text: &str, expect: &str| {
            assert_eq!(parse(text.as_bytes()), Err(format!("ParseAddr({text:?}): {expect}")), "{text}");
        };
        check("a", "unable to parse IP");
        check("%1", "missing IPv6 address");
        check("1.2.3", "IPv4 address too short");
        check("1.2.3.4.", "IPv4 field must have at least one digit (at \".\")");
        check("1.2.3.4.5", "IPv4 address too long");
        check("1..2.3", "IPv4 field must have at least one digit (at \".2.3\")");
        check("1.02.3.4", "IPv4 field has octet with leading zero");
        check("1.a", "unexpected character (at \"a\")");
        check("1:2", "address string too short");
        check("1:2:3:4:5:6:7:8:9", "trailing garbage after address (at \"9\")");
        check("1:2:3:4:5:6:7:8::", "the :: must expand to at least one field of zeros");
        check("1::2:3:4:5:6:7:1.2.3.4", "too many hex fields to fit an embedded IPv4 at the end of the address (at \"1.2.3.4\")");
        check("1::2::3", "multiple :: in address (at \":3\")");
        check("::1.2.3.4:5", "unexpected character (at \":5\")");
        check("1:2:3:4:5:6:7::8", "the :: must expand to at least one field of zeros");
        check("12345::", "each group must have 4 or less digits (at \"12345::\")");
        check("::%", "zone must be a non-empty string");
        assert_eq!(parse(b"fe80::1%eth0"), Ok(Address { is_v4: false, has_zone: true }));
        assert_eq!(parse(b"::ffff:1.2.3.4"), Ok(Address { is_v4: false, has_zone: false }));
        assert_eq!(parse(b"1.2.3.4"), Ok(Address { is_v4: true, has_zone: false }));
    }
}
