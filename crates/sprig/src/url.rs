//! URLs as Go's `net/url` reads and writes their parts (Go 1.26), errors included.

use go_template::quote::quote;

use crate::ip;

/// A URL in its parts, unescaped where Go's are.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Url {
    /// What stands before the first colon, in lower case.
    pub scheme: Vec<u8>,
    /// What follows a scheme without a slash.
    pub opaque: Vec<u8>,
    /// Name and password, escaped anew.
    pub userinfo: Option<String>,
    /// The host with its port.
    pub host: Vec<u8>,
    /// The path.
    pub path: Vec<u8>,
    /// The path as it was given, where it is not how Go would escape it.
    pub raw_path: Vec<u8>,
    /// What follows the question mark, still escaped.
    pub query: Vec<u8>,
    /// What follows the hash.
    pub fragment: Vec<u8>,
}

/// A part of a URL, each of which is escaped by rules of its own.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Path,
    Segment,
    Host,
    Zone,
    User,
    Fragment,
}

impl Url {
    /// Reads a URL or a reference as `url.Parse`.
    pub fn parse(text: &[u8]) -> Result<Url, String> {
        let in_parse = |text: &[u8], error: String| format!("parse {}: {error}", quote(text));
        let (before, fragment) = cut(text, b'#');
        let mut url = parse(before).map_err(|error| in_parse(before, error))?;
        url.fragment = unescape(fragment.unwrap_or_default(), Part::Fragment).map_err(|error| in_parse(text, error))?;
        Ok(url)
    }

    /// Returns the host without its port and without brackets.
    pub fn hostname(&self) -> &[u8] {
        let port = self.host.iter().rposition(|byte| *byte == b':').filter(|at| is_port(&self.host[*at..]));
        let host = &self.host[..port.unwrap_or(self.host.len())];
        host.strip_prefix(b"[").and_then(|inner| inner.strip_suffix(b"]")).unwrap_or(host)
    }
}

/// Undoes the escapes of one segment of a path (`url.PathUnescape`).
pub fn unescape_segment(text: &[u8]) -> Result<Vec<u8>, String> {
    unescape(text, Part::Segment)
}

fn cut(text: &[u8], mark: u8) -> (&[u8], Option<&[u8]>) {
    match text.iter().position(|byte| *byte == mark) {
        Some(at) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    }
}

fn parse(text: &[u8]) -> Result<Url, String> {
    if text.iter().any(|byte| *byte < b' ' || *byte == 0x7f) {
        return Err("net/url: invalid control character in URL".to_owned());
    }
    if text == b"*" {
        return Ok(Url { path: b"*".to_vec(), ..Url::default() });
    }
    let (scheme, rest) = scheme(text)?;
    let (mut rest, query) = cut(rest, b'?');
    let mut url = Url { scheme: scheme.to_ascii_lowercase(), query: query.unwrap_or_default().to_vec(), ..Url::default() };
    if !rest.starts_with(b"/") {
        if !url.scheme.is_empty() {
            url.opaque = rest.to_vec();
            return Ok(url);
        }
        if cut(rest, b'/').0.contains(&b':') {
            return Err("first path segment in URL cannot contain colon".to_owned());
        }
    }
    if let Some(tail) = rest.strip_prefix(b"//").filter(|tail| !url.scheme.is_empty() || !tail.starts_with(b"/")) {
        let end = tail.iter().position(|byte| *byte == b'/').unwrap_or(tail.len());
        (url.userinfo, url.host) = authority(&url.scheme, &tail[..end])?;
        rest = &tail[end..];
    }
    url.path = unescape(rest, Part::Path)?;
    if escape(&url.path, Part::Path).as_bytes() != rest {
        url.raw_path = rest.to_vec();
    }
    Ok(url)
}

fn scheme(text: &[u8]) -> Result<(&[u8], &[u8]), String> {
    for (at, byte) in text.iter().enumerate() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' => {}
            b'0'..=b'9' | b'+' | b'-' | b'.' if at > 0 => {}
            b':' if at == 0 => return Err("missing protocol scheme".to_owned()),
            b':' => return Ok((&text[..at], &text[at + 1..])),
            _ => break,
        }
    }
    Ok((b"", text))
}

fn authority(scheme: &[u8], text: &[u8]) -> Result<(Option<String>, Vec<u8>), String> {
    let Some(at) = text.iter().rposition(|byte| *byte == b'@') else { return Ok((None, host(scheme, text)?)) };
    let host = host(scheme, &text[at + 1..])?;
    Ok((Some(user(&text[..at])?), host))
}

fn user(userinfo: &[u8]) -> Result<String, String> {
    let is_allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._:~!$&'()*+,;=%@".contains(byte);
    if !userinfo.iter().all(is_allowed) {
        return Err("net/url: invalid userinfo".to_owned());
    }
    let again = |text: &[u8]| unescape(text, Part::User).map(|text| escape(&text, Part::User));
    match cut(userinfo, b':') {
        (name, Some(password)) => Ok(format!("{}:{}", again(name)?, again(password)?)),
        (name, None) => again(name),
    }
}

fn host(scheme: &[u8], host: &[u8]) -> Result<Vec<u8>, String> {
    let first = |wanted: u8| host.iter().position(|byte| *byte == wanted);
    let last = |wanted: u8| host.iter().rposition(|byte| *byte == wanted);
    match last(b'[') {
        Some(0) => return bracketed(host),
        Some(_) => return Err("invalid IP-literal".to_owned()),
        None => {}
    }
    // Only where the scheme is that of the web, a second colon is one too many.
    let is_web = matches!(scheme, b"http" | b"https");
    if let Some(colon) = if is_web { first(b':') } else { last(b':') } {
        check_port(&host[colon..])?;
    }
    unescape(host, Part::Host)
}

fn bracketed(host: &[u8]) -> Result<Vec<u8>, String> {
    let Some(end) = host.iter().rposition(|byte| *byte == b']') else { return Err("missing ']' in host".to_owned()) };
    let (name, port) = (&host[1..end], &host[end + 1..]);
    check_port(port)?;
    let zone = name.windows(3).position(|part| part == b"%25").unwrap_or(name.len());
    let name = [unescape(&name[..zone], Part::Host)?, unescape(&name[zone..], Part::Zone)?].concat();
    let address = ip::parse(&name).map_err(|error| format!("invalid host: {error}"))?;
    if address.is_v4 {
        return Err("invalid IP-literal".to_owned());
    }
    Ok([b"[", &*name, b"]", port].concat())
}

fn check_port(port: &[u8]) -> Result<(), String> {
    if port.is_empty() || is_port(port) { Ok(()) } else { Err(format!("invalid port {} after host", quote(port))) }
}

/// Tells whether the text is a colon and digits, of which there may be none.
fn is_port(text: &[u8]) -> bool {
    text.strip_prefix(b":").is_some_and(|digits| digits.iter().all(u8::is_ascii_digit))
}

pub(crate) fn unescape(text: &[u8], part: Part) -> Result<Vec<u8>, String> {
    let in_host = matches!(part, Part::Host | Part::Zone);
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(byte) = rest.first() {
        if *byte == b'%' {
            let wrong = || format!("invalid URL escape {}", quote(&rest[..rest.len().min(3)]));
            let byte = escaped(rest).ok_or_else(wrong)?;
            let is_percent = byte == b'%';
            let hides = match part {
                Part::Host => byte.is_ascii() && !is_percent,
                Part::Zone => !is_percent && byte != b' ' && should_escape(byte, Part::Host),
                _ => false,
            };
            if hides {
                return Err(wrong());
            }
            out.push(byte);
            rest = &rest[3..];
        } else {
            if in_host && byte.is_ascii() && should_escape(*byte, part) {
                return Err(format!("invalid character {} in host name", quote(&[*byte])));
            }
            out.push(*byte);
            rest = &rest[1..];
        }
    }
    Ok(out)
}

fn escaped(text: &[u8]) -> Option<u8> {
    let digit = |at: usize| char::from(*text.get(at)?).to_digit(16);
    u8::try_from(digit(1)? << 4 | digit(2)?).ok()
}

fn should_escape(byte: u8, part: Part) -> bool {
    match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => false,
        _ if matches!(part, Part::Host | Part::Zone) => !b"!$&'()*+,;=:[]<>\"".contains(&byte),
        b'$' | b'&' | b'+' | b',' | b'/' | b':' | b';' | b'=' | b'?' | b'@' => match part {
            Part::Path => byte == b'?',
            Part::Segment => matches!(byte, b'/' | b';' | b',' | b'?'),
            Part::User => matches!(byte, b'@' | b'/' | b'?' | b':'),
            _ => false,
        },
        b'!' | b'(' | b')' | b'*' => part != Part::Fragment,
        _ => true,
    }
}

pub(crate) fn escape(text: &[u8], part: Part) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text {
        if should_escape(*byte, part) { out.push_str(&format!("%{byte:02X}")) } else { out.push(char::from(*byte)) }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What Go 1.26 says.
    #[test]
    fn words_errors_as_go_does() {
        let check = |text: &str, expect: &str| {
            assert_eq!(Url::parse(text.as_bytes()).map(|url| url.host), Err(format!("parse {expect}")), "{text}");
        };
        check("http://a:b:1#f", r#""http://a:b:1": invalid port ":b:1" after host"#);
        check("x://a:b", r#""x://a:b": invalid port ":b" after host"#);
        check("http://[::1", r#""http://[::1": missing ']' in host"#);
        check("http://a[::1]", r#""http://a[::1]": invalid IP-literal"#);
        check("http://[1.2.3.4]", r#""http://[1.2.3.4]": invalid IP-literal"#);
        check(
            "http://[::g]",
            r#""http://[::g]": invalid host: ParseAddr("::g"): each colon-separated field must have at least one digit (at "g")"#,
        );
        check("http://%41/", r#""http://%41/": invalid URL escape "%41""#);
        check("/a#%zz", r##""/a#%zz": invalid URL escape "%zz""##);
        check("http://a b/", r#""http://a b/": invalid character " " in host name"#);
    }
}
