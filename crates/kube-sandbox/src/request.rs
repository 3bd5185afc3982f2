//! What a request asks for: path, query and body, before anything is looked up.

use std::collections::BTreeMap;

use http::Method;
use serde_json::Value;

use crate::failure::Failure;

/// A path below `/api/v1` or `/apis/<group>/<version>`.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Target {
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) plural: String,
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) subresource: String,
}

impl Target {
    /// Parses the parts after the version; nothing if they name no resource.
    pub(crate) fn parse(group: &str, version: &str, rest: &[&str]) -> Option<Target> {
        let target = Target { group: group.into(), version: version.into(), ..Target::default() };
        let with = |namespace: &str, plural: &str, name: &str, subresource: &str| {
            let (namespace, plural, name) = (namespace.to_owned(), plural.to_owned(), name.to_owned());
            Some(Target { namespace, plural, name, subresource: subresource.to_owned(), ..target.clone() })
        };
        match rest {
            ["namespaces"] => with("", "namespaces", "", ""),
            ["namespaces", name] => with("", "namespaces", name, ""),
            ["namespaces", name, sub @ ("status" | "finalize")] => with("", "namespaces", name, sub),
            ["namespaces", namespace, plural] => with(namespace, plural, "", ""),
            ["namespaces", namespace, plural, name] => with(namespace, plural, name, ""),
            ["namespaces", namespace, plural, name, sub] => with(namespace, plural, name, sub),
            [plural] => with("", plural, "", ""),
            [plural, name] => with("", plural, name, ""),
            [plural, name, sub] => with("", plural, name, sub),
            _ => None,
        }
    }
}

/// The query of a request, decoded.
#[derive(Debug, Clone, Default)]
pub(crate) struct Query(BTreeMap<String, String>);

impl Query {
    pub(crate) fn parse(text: &str) -> Query {
        let pairs = text.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(key, true), decode(value, true))
        });
        Query(pairs.collect())
    }

    pub(crate) fn text(&self, key: &str) -> &str {
        self.0.get(key).map_or("", String::as_str)
    }

    pub(crate) fn is_set(&self, key: &str) -> bool {
        matches!(self.text(key), "true" | "1" | "True" | "TRUE")
    }

    pub(crate) fn number(&self, key: &str) -> Result<Option<u64>, Failure> {
        match self.text(key) {
            "" => Ok(None),
            text => text.parse().map(Some).map_err(|_| {
                Failure::bad_request(format!("Invalid value: {text:?}: {key}: strconv.ParseUint: parsing {text:?}: invalid syntax"))
            }),
        }
    }
}

/// Decodes percent escapes, and `+` where it stands for a space.
pub(crate) fn decode(text: &str, plus: bool) -> String {
    let bytes = text.as_bytes();
    let hex = |b: u8| char::from(b).to_digit(16);
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'%' if at + 2 < bytes.len() => match (hex(bytes[at + 1]), hex(bytes[at + 2])) {
                (Some(high), Some(low)) => {
                    out.push((high * 16 + low) as u8);
                    at += 2;
                }
                _ => out.push(b'%'),
            },
            b'+' if plus => out.push(b' '),
            other => out.push(other),
        }
        at += 1;
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// How unknown fields are answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Strictness {
    Ignore,
    Warn,
    Strict,
}

/// Who asks, and how: what all verbs share.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub(crate) manager: String,
    pub(crate) user_agent: String,
    pub(crate) dry_run: bool,
    pub(crate) strictness: Strictness,
    pub(crate) warnings: Vec<String>,
}

impl Caller {
    pub(crate) fn read(query: &Query, user_agent: &str) -> Result<Caller, Failure> {
        let dry_run = match query.text("dryRun") {
            "" => false,
            "All" => true,
            other => return Err(Failure::bad_request(format!("invalid dryRun: {other}"))),
        };
        let strictness = match query.text("fieldValidation") {
            "" | "Warn" => Strictness::Warn,
            "Ignore" => Strictness::Ignore,
            "Strict" => Strictness::Strict,
            other => {
                return Err(Failure::bad_request(format!(
                    "fieldValidation: Unsupported value: {other:?}: supported values: \"\", \"Ignore\", \"Strict\", \"Warn\""
                )));
            }
        };
        // apiserver `managerOrUserAgent`: the part of the user agent before the first slash.
        let agent = user_agent.split('/').next().unwrap_or_default();
        let manager = match query.text("fieldManager") {
            "" if agent.is_empty() => "unknown".to_owned(),
            "" => agent.chars().take(128).collect(),
            named => named.to_owned(),
        };
        Ok(Caller { manager, user_agent: user_agent.to_owned(), dry_run, strictness, warnings: Vec::new() })
    }

    /// The caller that stands for a controller inside the server.
    pub(crate) fn internal(manager: &str) -> Caller {
        Caller { manager: manager.into(), user_agent: String::new(), dry_run: false, strictness: Strictness::Ignore, warnings: Vec::new() }
    }
}

/// A request with its body.
#[derive(Debug)]
pub(crate) struct Incoming<'a> {
    pub(crate) method: &'a Method,
    pub(crate) path: &'a str,
    pub(crate) query: Query,
    pub(crate) accept: &'a str,
    pub(crate) content_type: &'a str,
    pub(crate) user_agent: &'a str,
    pub(crate) body: &'a [u8],
}

/// Reads a body as JSON or, if it is none, as YAML.
pub(crate) fn read_body(body: &[u8], content_type: &str) -> Result<Value, Failure> {
    if content_type.contains("protobuf") || content_type.contains("cbor") {
        let message = format!(
            "the body of the request was in an unknown format - accepted media types include: application/json, application/yaml (got {content_type})"
        );
        return Err(Failure::new(415, "UnsupportedMediaType", message));
    }
    match serde_json::from_slice(body) {
        Ok(value) => Ok(value),
        Err(error) if content_type.contains("yaml") => {
            yaml_serde::from_slice(body).map_err(|_| Failure::bad_request(format!("error decoding YAML: {error}")))
        }
        Err(error) => Err(Failure::bad_request(format!("couldn't decode the body: {error}"))),
    }
}
