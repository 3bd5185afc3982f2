//! Paths with slashes, and URLs, as Go's `path` and `net/url` see them.

use go_template::{Func, Map, Outcome, Str, Type, Value, fixed};

use crate::args::{bytes, fail, func, map, string, text};
use crate::lists::kind_name;

use Type::{Map as Dict, String as Text};

pub(crate) const FUNCS: &[Func] = &[
    func("base", fixed(&[Text]), |_, a| string(base(bytes(a, 0)))),
    func("clean", fixed(&[Text]), |_, a| string(clean(bytes(a, 0)))),
    func("dir", fixed(&[Text]), |_, a| string(dir(bytes(a, 0)))),
    func("ext", fixed(&[Text]), |_, a| string(ext(bytes(a, 0)))),
    func("isAbs", fixed(&[Text]), |_, a| Ok(Value::Bool(bytes(a, 0).starts_with(b"/")))),
    func("osBase", fixed(&[Text]), |_, a| string(base(bytes(a, 0)))),
    func("osClean", fixed(&[Text]), |_, a| string(clean(bytes(a, 0)))),
    func("osDir", fixed(&[Text]), |_, a| string(dir(bytes(a, 0)))),
    func("osExt", fixed(&[Text]), |_, a| string(ext(bytes(a, 0)))),
    func("osIsAbs", fixed(&[Text]), |_, a| Ok(Value::Bool(bytes(a, 0).starts_with(b"/")))),
    func("urlJoin", fixed(&[Dict]), |_, a| url_join(&map(a, 0))),
    func("urlParse", fixed(&[Text]), |_, a| url_parse(&text(a, 0))),
];

fn base(path: &[u8]) -> Vec<u8> {
    if path.is_empty() {
        return b".".to_vec();
    }
    let end = path.iter().rposition(|b| *b != b'/').map_or(0, |i| i + 1);
    if end == 0 {
        return b"/".to_vec();
    }
    let start = path[..end].iter().rposition(|b| *b == b'/').map_or(0, |i| i + 1);
    path[start..end].to_vec()
}

fn dir(path: &[u8]) -> Vec<u8> {
    let end = path.iter().rposition(|b| *b == b'/').map_or(0, |i| i + 1);
    clean(&path[..end])
}

fn ext(path: &[u8]) -> &[u8] {
    let name = path.iter().rposition(|b| *b == b'/').map_or(0, |i| i + 1);
    match path[name..].iter().rposition(|b| *b == b'.') {
        Some(dot) => &path[name + dot..],
        None => &[],
    }
}

/// Shortens a path by rules alone, as `path.Clean`.
pub(crate) fn clean(path: &[u8]) -> Vec<u8> {
    if path.is_empty() {
        return b".".to_vec();
    }
    let rooted = path[0] == b'/';
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in path.split(|b| *b == b'/') {
        match part {
            b"" | b"." => {}
            b".." => match parts.last() {
                Some(last) if *last != b".." => {
                    parts.pop();
                }
                _ if rooted => {}
                _ => parts.push(part),
            },
            part => parts.push(part),
        }
    }
    let joined = parts.join(&b'/');
    match (rooted, joined.is_empty()) {
        (true, _) => [b"/", &*joined].concat(),
        (false, true) => b".".to_vec(),
        (false, false) => joined,
    }
}

// URLs.

#[derive(Default)]
struct Url {
    scheme: String,
    opaque: String,
    userinfo: Option<String>,
    host: String,
    path: Vec<u8>,
    query: Option<String>,
    fragment: Vec<u8>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Path,
    Host,
    User,
    Fragment,
}

fn unescape(text: &str, part: Part) -> Result<Vec<u8>, String> {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut i = 0;
    while i < bytes.len() {
        if bytes[i] != b'%' {
            if part == Part::Host && bytes[i].is_ascii() && should_escape(bytes[i], part) {
                return Err(format!("invalid character {} in host name", go_template::quote::quote(&bytes[i..=i])));
            }
            out.push(bytes[i]);
            i += 1;
            continue;
        }
        let digits = bytes.get(i + 1..i + 3).and_then(|hex| std::str::from_utf8(hex).ok());
        match digits.filter(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit())).and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => out.push(byte),
            None => {
                let end = (i + 3).min(bytes.len());
                return Err(format!("invalid URL escape {}", go_template::quote::quote(&bytes[i..end])));
            }
        }
        i += 3;
    }
    Ok(out)
}

fn should_escape(byte: u8, part: Part) -> bool {
    match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => false,
        b'!' | b'\'' | b'(' | b')' | b'*' if part == Part::Host || part == Part::Fragment => byte == b'\'' && part == Part::Fragment,
        b'$' | b'&' | b'+' | b',' | b'/' | b':' | b';' | b'=' | b'?' | b'@' => match part {
            Part::Path => byte == b'?',
            Part::User => matches!(byte, b'@' | b'/' | b'?' | b':'),
            Part::Host => !matches!(byte, b'$' | b'&' | b'+' | b',' | b';' | b'=' | b':'),
            Part::Fragment => false,
        },
        b'[' | b']' | b'<' | b'>' | b'"' => part != Part::Host,
        _ => true,
    }
}

fn escape(text: &[u8], part: Part) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text {
        if should_escape(*byte, part) { out.push_str(&format!("%{byte:02X}")) } else { out.push(char::from(*byte)) }
    }
    out
}

fn scheme(text: &str) -> Result<(&str, &str), &'static str> {
    for (i, c) in text.char_indices() {
        match c {
            'a'..='z' | 'A'..='Z' => {}
            '0'..='9' | '+' | '-' | '.' if i > 0 => {}
            ':' if i == 0 => return Err("missing protocol scheme"),
            ':' => return Ok((&text[..i], &text[i + 1..])),
            _ => break,
        }
    }
    Ok(("", text))
}

fn parse_url(text: &str) -> Result<Url, String> {
    if text.bytes().any(|b| b < b' ' || b == 0x7f) {
        return Err("net/url: invalid control character in URL".to_owned());
    }
    let mut url = Url::default();
    let (text, fragment) = text.split_once('#').unwrap_or((text, ""));
    if text == "*" {
        url.path = b"*".to_vec();
        return Ok(url);
    }
    let (scheme, mut rest) = scheme(text)?;
    url.scheme = scheme.to_ascii_lowercase();
    if let Some((before, query)) = rest.split_once('?') {
        rest = before;
        url.query = Some(query.to_owned());
    }
    if !rest.starts_with('/') {
        if !url.scheme.is_empty() {
            url.opaque = rest.to_owned();
            url.fragment = unescape(fragment, Part::Fragment)?;
            return Ok(url);
        }
        if rest.split('/').next().is_some_and(|first| first.contains(':')) {
            return Err("first path segment in URL cannot contain colon".to_owned());
        }
    }
    if let Some(authority) = rest.strip_prefix("//").filter(|_| !url.scheme.is_empty() || !rest.starts_with("///")) {
        let end = authority.find('/').unwrap_or(authority.len());
        let (authority, path) = authority.split_at(end);
        rest = path;
        let host = match authority.rsplit_once('@') {
            Some((userinfo, host)) => {
                url.userinfo = Some(user(userinfo)?);
                host
            }
            None => authority,
        };
        url.host = self::host(host)?;
    }
    url.path = unescape(rest, Part::Path)?;
    url.fragment = unescape(fragment, Part::Fragment)?;
    Ok(url)
}

fn user(userinfo: &str) -> Result<String, String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-._:~!$&'()*+,;=%@".contains(c);
    if !userinfo.chars().all(allowed) {
        return Err("net/url: invalid userinfo".to_owned());
    }
    let again = |text: &str| unescape(text, Part::User).map(|text| escape(&text, Part::User));
    match userinfo.split_once(':') {
        Some((name, password)) => Ok(format!("{}:{}", again(name)?, again(password)?)),
        None => again(userinfo),
    }
}

fn host(host: &str) -> Result<String, String> {
    let port = if host.starts_with('[') {
        let Some(end) = host.rfind(']') else { return Err("missing ']' in host".to_owned()) };
        &host[end + 1..]
    } else {
        host.find(':').map_or("", |at| &host[host.rfind(':').unwrap_or(at)..])
    };
    let digits = port.strip_prefix(':').unwrap_or(port);
    if !port.is_empty() && (!port.starts_with(':') || !digits.bytes().all(|b| b.is_ascii_digit())) {
        return Err(format!("invalid port {} after host", go_template::quote::quote_text(port)));
    }
    Ok(String::from_utf8_lossy(&unescape(host, Part::Host)?).into_owned())
}

fn hostname(host: &str) -> &str {
    if let Some(rest) = host.strip_prefix('[')
        && let Some(end) = rest.find(']')
    {
        return &rest[..end];
    }
    match host.rfind(':') {
        Some(at) if host[at + 1..].bytes().all(|b| b.is_ascii_digit()) => &host[..at],
        _ => host,
    }
}

fn url_parse(text: &str) -> Outcome {
    let url = match parse_url(text) {
        Ok(url) => url,
        Err(error) => return fail(format!("unable to parse url: parse {}: {error}", go_template::quote::quote_text(text))),
    };
    let entries = [
        ("scheme", Value::from(url.scheme)),
        ("hostname", Value::from(hostname(&url.host))),
        ("host", Value::from(url.host.clone())),
        ("path", Value::from(url.path)),
        ("query", Value::from(url.query.unwrap_or_default())),
        ("opaque", Value::from(url.opaque)),
        ("fragment", Value::from(url.fragment)),
        ("userinfo", Value::from(url.userinfo.unwrap_or_default())),
    ];
    Ok(Value::Map(entries.into_iter().map(|(key, value)| (Str::from(key), value)).collect()))
}

fn url_join(dict: &Map) -> Outcome {
    let get = |key: &str| match dict.get(key.as_bytes()) {
        None => Ok(Vec::new()),
        Some(Value::Str(text)) => Ok(text.to_vec()),
        Some(Value::Nil) => Err(crate::lists::NIL_POINTER.to_owned()),
        Some(other) => Err(format!("unable to parse {key} key, must be of type string, but {} found", kind_name(&other))),
    };
    let text = |key: &str| get(key).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    match join(text, get) {
        Ok(joined) => string(joined),
        Err(error) => fail(error),
    }
}

fn join(text: impl Fn(&str) -> Result<String, String>, bytes: impl Fn(&str) -> Result<Vec<u8>, String>) -> Result<String, String> {
    let (scheme, host, path) = (text("scheme")?, text("host")?, bytes("path")?);
    let (query, opaque, fragment) = (text("query")?, text("opaque")?, bytes("fragment")?);
    let userinfo = text("userinfo")?;
    let userinfo = if userinfo.is_empty() {
        None
    } else {
        let url = format!("proto://{userinfo}@host");
        let parsed = parse_url(&url)
            .map_err(|error| format!("unable to parse userinfo in dict: parse {}: {error}", go_template::quote::quote_text(&url)))?;
        parsed.userinfo
    };
    let mut out = String::new();
    if !scheme.is_empty() {
        out.push_str(&scheme);
        out.push(':');
    }
    if !opaque.is_empty() {
        out.push_str(&opaque);
    } else {
        if !scheme.is_empty() || !host.is_empty() || userinfo.is_some() {
            if !host.is_empty() || !path.is_empty() || userinfo.is_some() {
                out.push_str("//");
            }
            if let Some(userinfo) = userinfo {
                out.push_str(&userinfo);
                out.push('@');
            }
            out.push_str(&escape(host.as_bytes(), Part::Host));
        }
        let escaped = escape(&path, Part::Path);
        if !escaped.is_empty() && !escaped.starts_with('/') && !host.is_empty() {
            out.push('/');
        }
        if out.is_empty() && escaped.split('/').next().is_some_and(|first| first.contains(':')) {
            out.push_str("./");
        }
        out.push_str(&escaped);
    }
    if !query.is_empty() {
        out.push('?');
        out.push_str(&query);
    }
    if !fragment.is_empty() {
        out.push('#');
        out.push_str(&escape(&fragment, Part::Fragment));
    }
    Ok(out)
}
