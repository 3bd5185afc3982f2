//! Paths with slashes as Go's `path` sees them, and URLs.

use go_template::{Func, Map, Outcome, Str, Type, Value, fixed};

use crate::args::{bytes, fail, func, map, string};
use crate::lists::kind_name;
use crate::url::{Part, Url, escape};

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
    func("urlParse", fixed(&[Text]), |_, a| url_parse(bytes(a, 0))),
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

fn url_parse(text: &[u8]) -> Outcome {
    let url = match Url::parse(text) {
        Ok(url) => url,
        Err(error) => return fail(format!("unable to parse url: {error}")),
    };
    let entries = [
        ("hostname", Value::from(url.hostname().to_vec())),
        ("scheme", Value::from(url.scheme)),
        ("host", Value::from(url.host)),
        ("path", Value::from(url.path)),
        ("query", Value::from(url.query)),
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
        let parsed = Url::parse(url.as_bytes()).map_err(|error| format!("unable to parse userinfo in dict: {error}"))?;
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
        let escaped = if path == b"*" { "*".to_owned() } else { escape(&path, Part::Path) };
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
