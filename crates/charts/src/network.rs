//! Requests with credentials: what a server demands in `WWW-Authenticate` is looked up, exchanged for a token if need be, and kept.
//!
//! Mirrors oras-go 2.6 `registry/remote/auth/client.go`: first without credentials, then Basic, or Bearer with a token from the named
//! realm. A challenge counts only if it comes from the server that was asked, not from one that it redirected to.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use reqwest::Url;
use reqwest::header::{HeaderMap, WWW_AUTHENTICATE};

use crate::cache::Cache;
use crate::credentials::{Credential, Credentials};
use crate::error::{Kind, Problem};
use crate::transport::{Answer, Request, Transport, authority, said, shown};

const TOKEN_LIMIT: u64 = 1 << 20;

/// Everything that leaves this machine, and what was learned doing so.
pub(crate) struct Network {
    pub(crate) transport: Transport,
    pub(crate) credentials: Credentials,
    pub(crate) cache: Cache,
    known: Mutex<HashMap<(String, String), String>>,
}

/// A GET that may need credentials.
#[derive(Clone)]
pub(crate) struct Ask<'a> {
    pub(crate) url: Url,
    pub(crate) accept: &'a str,
    pub(crate) limit: u64,
    pub(crate) insecure_host: Option<&'a str>,
    /// What a registry's token is for, e.g. `repository:charts/app:pull`; without it only passwords are sent.
    pub(crate) scope: Option<&'a str>,
    /// Sent without being asked for, in place of what is configured.
    pub(crate) authorization: Option<String>,
}

impl Network {
    pub(crate) fn new(transport: Transport, credentials: Credentials, cache: Cache) -> Network {
        Network { transport, credentials, cache, known: Mutex::default() }
    }

    /// Gets something, with credentials if that is demanded; every status but success is a problem.
    pub(crate) async fn get(&self, ask: Ask<'_>) -> Result<Answer, Problem> {
        let key = (ask.url.origin().ascii_serialization(), ask.scope.unwrap_or_default().to_owned());
        let known = ask.authorization.clone().or_else(|| self.lock().get(&key).cloned());
        let answer = self.send(&ask, known.clone()).await?;
        if answer.status.as_u16() != 401 || ask.authorization.is_some() || answer.url.origin() != ask.url.origin() {
            return self.accept(&ask, answer, None);
        }
        let (header, note) = self.authorize(&ask, &answer.headers).await?;
        let Some(header) = header else { return self.accept(&ask, answer, note) };
        let answer = self.send(&ask, Some(header.clone())).await?;
        if answer.status.is_success() {
            self.lock().insert(key, header);
        }
        self.accept(&ask, answer, note)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<(String, String), String>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn send(&self, ask: &Ask<'_>, authorization: Option<String>) -> Result<Answer, Problem> {
        let request = Request::get(ask.url.clone(), ask.accept, ask.limit);
        self.transport.send(Request { authorization, insecure_host: ask.insecure_host, ..request }).await
    }

    fn accept(&self, ask: &Ask<'_>, answer: Answer, note: Option<Problem>) -> Result<Answer, Problem> {
        let kind = match answer.status.as_u16() {
            200..=299 => return Ok(answer),
            401 | 403 => Kind::Denied,
            404 => Kind::Missing,
            _ => Kind::Unavailable,
        };
        let reason = format!("{} answered {}{}", shown(&ask.url), answer.status, said(&answer));
        Err(match (kind, note) {
            (Kind::Denied, Some(note)) => Problem::new(kind, format!("{reason}; {}", note.reason)),
            (Kind::Denied, None) => Problem::new(kind, reason).hint(self.log_in(&ask.url)),
            _ => Problem::new(kind, reason),
        })
    }

    fn log_in(&self, url: &Url) -> String {
        let host = authority(url);
        format!("log in with docker login {host}, so that {} holds credentials, or check that it is public", self.credentials.place())
    }

    /// Answers a challenge. Credentials that cannot be had are not yet an error: most charts are public.
    async fn authorize(&self, ask: &Ask<'_>, headers: &HeaderMap) -> Result<(Option<String>, Option<Problem>), Problem> {
        let (credential, note) = match self.credentials.lookup(&authority(&ask.url)).await {
            Ok(credential) => (credential, None),
            Err(problem) => (Credential::None, Some(problem)),
        };
        let challenges = challenges(headers);
        let named = |scheme: &str| challenges.iter().find(|challenge| challenge.scheme == scheme);
        let header = match (named("bearer"), named("basic")) {
            (Some(bearer), _) if ask.scope.is_some() => Some(format!("Bearer {}", self.token(ask, bearer, &credential, &note).await?)),
            (_, Some(_)) => credential.basic(),
            _ => None,
        };
        Ok((header, note))
    }

    async fn token(
        &self,
        ask: &Ask<'_>,
        challenge: &Challenge,
        credential: &Credential,
        note: &Option<Problem>,
    ) -> Result<String, Problem> {
        if let Credential::Access(token) = credential {
            return Ok(token.clone());
        }
        let realm = challenge.parameter("realm").and_then(|realm| Url::parse(realm).ok());
        let Some(realm) = realm else {
            return Err(Problem::new(Kind::Unavailable, format!("{} names no place to get a token from", shown(&ask.url))));
        };
        let mut request = token_request(realm, challenge, ask.scope.unwrap_or_default(), credential);
        request.insecure_host = ask.insecure_host;
        let place = shown(&request.url);
        let answer = self.transport.send(request).await?;
        if !answer.status.is_success() {
            let kind = if matches!(answer.status.as_u16(), 400 | 401 | 403 | 404) { Kind::Denied } else { Kind::Unavailable };
            let failed = note.as_ref().map_or_else(String::new, |note| format!("; {}", note.reason));
            let reason = format!("{place} gave no token: it answered {}{}{failed}", answer.status, said(&answer));
            return Err(Problem::new(kind, reason).hint(self.log_in(&ask.url)));
        }
        let parsed: Option<serde_json::Value> = serde_json::from_slice(&answer.body).ok();
        let text = |key: &str| parsed.as_ref()?.get(key)?.as_str().filter(|token| !token.is_empty()).map(str::to_owned);
        text("access_token")
            .or_else(|| text("token"))
            .ok_or_else(|| Problem::new(Kind::Unavailable, format!("the answer of {place} holds no token")))
    }
}

fn token_request(mut realm: Url, challenge: &Challenge, scope: &str, credential: &Credential) -> Request<'static> {
    let scope = challenge.parameter("scope").filter(|scope| !scope.is_empty()).unwrap_or(scope);
    let service = challenge.parameter("service");
    let mut pairs = vec![("scope", scope)];
    pairs.extend(service.map(|service| ("service", service)));
    if let Credential::Refresh(token) = credential {
        pairs.extend([("grant_type", "refresh_token"), ("client_id", "launchway"), ("refresh_token", token)]);
        let mut form = realm.clone();
        form.query_pairs_mut().clear().extend_pairs(pairs);
        return Request { form: form.query().map(str::to_owned), ..Request::get(realm, "application/json", TOKEN_LIMIT) };
    }
    realm.query_pairs_mut().extend_pairs(pairs);
    Request { authorization: credential.basic(), ..Request::get(realm, "application/json", TOKEN_LIMIT) }
}

/// One demand of a server.
#[derive(Debug, PartialEq, Eq)]
struct Challenge {
    scheme: String,
    parameters: Vec<(String, String)>,
}

impl Challenge {
    fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

fn challenges(headers: &HeaderMap) -> Vec<Challenge> {
    headers.get_all(WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok()).flat_map(parse_challenges).collect()
}

/// Reads `Scheme key=value, key="value", Scheme …` (RFC 9110, 11.6.1); what it cannot read ends it.
fn parse_challenges(text: &str) -> Vec<Challenge> {
    let mut found: Vec<Challenge> = Vec::new();
    let mut rest = text.trim_start_matches([' ', ',', '\t']);
    while !rest.is_empty() {
        let end = rest.find([' ', '=', ',', '\t']).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        if word.is_empty() {
            break;
        }
        rest = match after.trim_start().strip_prefix('=') {
            Some(value) => {
                let (value, after) = parse_value(value.trim_start());
                if let Some(challenge) = found.last_mut() {
                    challenge.parameters.push((word.to_ascii_lowercase(), value));
                }
                after
            }
            None => {
                found.push(Challenge { scheme: word.to_ascii_lowercase(), parameters: Vec::new() });
                after
            }
        };
        rest = rest.trim_start_matches([' ', ',', '\t']);
    }
    found
}

fn parse_value(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let (value, rest) = text.split_at(text.find([',', ' ']).unwrap_or(text.len()));
        return (value.to_owned(), rest);
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return (value, &quoted[at + 1..]),
            '\\' => value.extend(characters.next().map(|(_, escaped)| escaped)),
            other => value.push(other),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_challenges() {
        let show = |text| {
            let shown = parse_challenges(text).into_iter().map(|challenge| {
                let parameters: Vec<_> = challenge.parameters.iter().map(|(key, value)| format!("{key}={value}")).collect();
                format!("{} {}", challenge.scheme, parameters.join(";"))
            });
            shown.collect::<Vec<_>>()
        };
        let bearer = r#"Bearer realm="https://a/token",service="a b, c",scope="repository:x:pull,push""#;
        assert_eq!(show(bearer), ["bearer realm=https://a/token;service=a b, c;scope=repository:x:pull,push"]);
        assert_eq!(show(r#"Basic realm="say \"hi\"", Bearer realm=x"#), [r#"basic realm=say "hi""#, "bearer realm=x"]);
        assert_eq!(show("Basic"), ["basic "]);
        assert_eq!(show(r#"Basic realm="open"#), ["basic realm=open"]);
        for text in ["", ",", "=", "a==b", "\"", "= =", "Bearer ="] {
            show(text);
        }
    }
}
