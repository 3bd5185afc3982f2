//! Charts in HTTP repositories: `index.yaml` and the archives it names.
//!
//! Mirrors Helm's `pkg/repo/v1/index.go` (4.2): entries that are not valid are dropped, the very version counts before ranges, the first
//! address of an entry is taken, relative to the repository and with its query. Other than Helm, the digest of the index must be that of
//! the archive. Provenance files are not looked at.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use reqwest::Url;
use serde_json::Value;
use sprig::semver::Version;

use crate::error::{Kind, Problem};
use crate::local::MAX_ARCHIVE;
use crate::network::{Ask, Network};
use crate::reference::Digest;
use crate::transport::shown;
use crate::version;

const MAX_INDEX: u64 = 128 << 20;

/// Indexes that were read, by address: several charts of a bootstrap often come from one repository.
#[derive(Default)]
pub(crate) struct Indexes(Mutex<HashMap<String, Arc<Value>>>);

/// A version of a chart as the index lists it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) version: String,
    pub(crate) address: String,
    pub(crate) digest: Option<String>,
}

/// An archive whose digest was checked, if the index gives one.
pub(crate) struct Pulled {
    pub(crate) bytes: Vec<u8>,
    pub(crate) origin: String,
}

impl Indexes {
    /// Finds the entry for a name and a version or range.
    pub(crate) async fn find(&self, network: &Network, url: &str, name: &str, version: &str) -> Result<Entry, Problem> {
        let index = self.read(network, url).await?;
        select(&index, name, version)
    }

    async fn read(&self, network: &Network, url: &str) -> Result<Arc<Value>, Problem> {
        if let Some(index) = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(url) {
            return Ok(index.clone());
        }
        let base = base(url)?;
        let address = within(&base, "index.yaml")?;
        let answer = network.get(ask(&base, address, "*/*", MAX_INDEX)).await?;
        let parse = move || parse_index(&answer.body);
        let parsed = tokio::task::spawn_blocking(parse).await;
        let index = Arc::new(parsed.unwrap_or_else(|error| Err(Problem::new(Kind::Corrupt, error.to_string())))?);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(url.to_owned(), index.clone());
        Ok(index)
    }
}

/// Downloads the archive of an entry.
pub(crate) async fn pull(network: &Network, url: &str, entry: &Entry) -> Result<Pulled, Problem> {
    let base = base(url)?;
    let address = within(&base, &entry.address)?;
    let origin = shown(&address);
    let wanted = entry.digest.as_deref().map(digest).transpose()?;
    if let Some(wanted) = &wanted
        && let Some(bytes) = network.cache.get(wanted, MAX_ARCHIVE).await
    {
        return Ok(Pulled { bytes, origin });
    }
    let answer = network.get(ask(&base, address, "application/gzip,application/octet-stream", MAX_ARCHIVE)).await?;
    let found = Digest::of(&answer.body);
    if let Some(wanted) = wanted.filter(|wanted| *wanted != found) {
        let reason = format!("the index says that {origin} has the digest {wanted}, but it has {found}");
        return Err(Problem::new(Kind::Corrupt, reason).hint("the archive was replaced or changed on the way: it was not used"));
    }
    network.cache.put(&found, &answer.body).await;
    Ok(Pulled { bytes: answer.body, origin })
}

/// Downloads what an address alone names; credentials in it are sent.
pub(crate) async fn file(network: &Network, url: &str) -> Result<Vec<u8>, Problem> {
    let url = Url::parse(url).map_err(|_| Problem::new(Kind::Invalid, "the address cannot be read").hint("write https://host/path"))?;
    Ok(network.get(ask(&url, url.clone(), "*/*", MAX_ARCHIVE)).await?.body)
}

fn digest(text: &str) -> Result<Digest, Problem> {
    let hex = text.strip_prefix("sha256:").unwrap_or(text);
    Digest::from_hex(hex).ok_or_else(|| Problem::new(Kind::Corrupt, format!("the index gives the digest {text:?}, which is not SHA-256")))
}

fn base(url: &str) -> Result<Url, Problem> {
    let invalid = || Problem::new(Kind::Invalid, "the address of the repository cannot be read").hint("write https://host/path");
    let mut base = Url::parse(url).map_err(|_| invalid())?;
    if !matches!(base.scheme(), "http" | "https") || base.host_str().is_none() {
        return Err(invalid());
    }
    if !base.path().ends_with('/') {
        let path = format!("{}/", base.path());
        base.set_path(&path);
    }
    base.set_fragment(None);
    Ok(base)
}

/// Resolves an address against the repository; one within it keeps the repository's query.
fn within(base: &Url, address: &str) -> Result<Url, Problem> {
    let mut url =
        base.join(address).map_err(|_| Problem::new(Kind::Corrupt, format!("the index names an address that is none: {address:?}")))?;
    if Url::parse(address).is_err() && url.origin() == base.origin() && url.query().is_none() {
        url.set_query(base.query());
    }
    Ok(url)
}

/// User and password of the repository's address go to its own origin only.
fn ask<'a>(base: &Url, mut url: Url, accept: &'a str, limit: u64) -> Ask<'a> {
    let mut authorization = None;
    if base.origin() == url.origin() && !base.username().is_empty() {
        let decoded = |text: &str| percent_decoded(text);
        let pair = format!("{}:{}", decoded(base.username()), decoded(base.password().unwrap_or_default()));
        authorization = Some(format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair)));
    }
    // Neither call fails for addresses with a host.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    Ask { url, accept, limit, insecure_host: None, scope: None, authorization }
}

fn percent_decoded(text: &str) -> String {
    let mut pieces = text.split('%');
    let mut bytes = pieces.next().unwrap_or_default().as_bytes().to_vec();
    for piece in pieces {
        match piece.get(..2).and_then(|pair| hex::decode(pair).ok()) {
            Some(byte) => bytes.extend_from_slice(&[&byte, &piece.as_bytes()[2..]].concat()),
            None => bytes.extend_from_slice(format!("%{piece}").as_bytes()),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn parse_index(bytes: &[u8]) -> Result<Value, Problem> {
    let broken = |reason: String| Problem::new(Kind::Corrupt, format!("its index.yaml {reason}"));
    let text = std::str::from_utf8(bytes).map_err(|_| broken("is not UTF-8".to_owned()))?;
    // Large repositories have indexes in JSON, which reads faster.
    let json = if text.trim_start().starts_with('{') { serde_json::from_str(text).ok() } else { None };
    let index: Value = match json {
        Some(index) => index,
        None => go_encoding::yaml::parse(text).map_err(|error| broken(format!("cannot be read: {error}")))?,
    };
    match index.get("apiVersion").and_then(Value::as_str) {
        Some(version) if !version.is_empty() => Ok(index),
        _ => Err(broken("names no apiVersion".to_owned()).hint("the address may not be that of a chart repository")),
    }
}

fn select(index: &Value, name: &str, wanted: &str) -> Result<Entry, Problem> {
    let constraint = version::constraint(wanted)?;
    let listed = index.get("entries").and_then(|entries| entries.get(name)).and_then(Value::as_array);
    let Some(listed) = listed.filter(|listed| !listed.is_empty()) else {
        return Err(Problem::new(Kind::Missing, format!("the repository lists no chart {name:?}")));
    };
    let valid: Vec<(Version, &Value)> = listed.iter().filter_map(|entry| Some((valid_version(entry)?, entry))).collect();
    let exact = valid.iter().find(|(version, _)| !wanted.is_empty() && version.original() == wanted).map(|(_, entry)| *entry);
    let chosen = match exact {
        Some(entry) => entry,
        None => match version::matching(valid, &constraint).into_iter().next() {
            Some((_, entry)) => entry,
            None => {
                let reason = format!("none of the {} versions in the repository satisfies {wanted:?}", listed.len());
                return Err(Problem::new(Kind::Missing, reason).hint("pre-releases count only if the range names one, as in >=1.0.0-0"));
            }
        },
    };
    let text = |value: Option<&Value>| value.and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned);
    let version = text(chosen.get("version")).unwrap_or_default();
    let address = text(chosen.get("urls").and_then(|urls| urls.get(0)))
        .ok_or_else(|| Problem::new(Kind::Missing, format!("the repository names no address for version {version}")))?;
    Ok(Entry { version, address, digest: text(chosen.get("digest")) })
}

/// Returns the version of an entry that Helm would not drop.
fn valid_version(entry: &Value) -> Option<Version> {
    let text = |key: &str| entry.get(key).and_then(Value::as_str).unwrap_or_default();
    let name = text("name");
    let valid = !name.is_empty() && !name.contains('/') && matches!(text("type"), "" | "application" | "library");
    if valid { Version::parse(text("version")).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INDEX: &str = r#"
apiVersion: v1
entries:
  app:
    - null
    - { version: 9.0.0, urls: [x] }
    - { name: app, version: nonsense, urls: [x] }
    - { name: a/app, version: 8.0.0, urls: [x] }
    - { name: app, version: 7.0.0, type: other, urls: [x] }
    - { name: app, version: 1.2.0, urls: [charts/app-1.2.0.tgz], digest: abc }
    - { name: app, version: 1.10.0, urls: [one.tgz, two.tgz] }
    - { name: app, version: 2.0.0-rc.1, urls: [rc.tgz] }
    - { name: app, version: "1.3", urls: [short.tgz] }
    - { name: app, version: 0.1.0 }
  empty: []
"#;

    fn pick(wanted: &str) -> Result<String, String> {
        let index = parse_index(INDEX.as_bytes()).unwrap();
        select(&index, "app", wanted).map(|entry| entry.address).map_err(|problem| problem.reason)
    }

    #[test]
    fn selects_as_helm_does() {
        assert_eq!(pick("").unwrap(), "one.tgz");
        assert_eq!(pick("*").unwrap(), "one.tgz");
        assert_eq!(pick("1.2.0").unwrap(), "charts/app-1.2.0.tgz");
        assert_eq!(pick("1.3").unwrap(), "short.tgz", "the very text counts first");
        assert_eq!(pick("~1.2").unwrap(), "charts/app-1.2.0.tgz");
        assert_eq!(pick(">=2.0.0-0").unwrap(), "rc.tgz");
        assert_eq!(pick("2.0.0-rc.1").unwrap(), "rc.tgz");
        assert!(pick("7.0.0").unwrap_err().contains("none of the 10 versions"));
        assert!(pick("0.1.0").unwrap_err().contains("no address"));
        assert!(pick("not a range").is_err());
        let index = parse_index(INDEX.as_bytes()).unwrap();
        for name in ["empty", "other"] {
            assert_eq!(select(&index, name, "").unwrap_err().kind, Kind::Missing);
        }
    }

    #[test]
    fn reads_yaml_and_json() {
        assert!(parse_index(br#"{"apiVersion":"v1","entries":{}}"#).is_ok());
        assert!(parse_index(b"{apiVersion: v1}").is_ok());
        for text in ["", "<html>", "entries: {}", "a: [", "{\"apiVersion\":\"\"}"] {
            assert_eq!(parse_index(text.as_bytes()).unwrap_err().kind, Kind::Corrupt, "{text}");
        }
        assert!(parse_index(b"\xff").is_err());
    }

    #[test]
    fn resolves_addresses() {
        let resolve = |repository: &str, address: &str| within(&base(repository).unwrap(), address).unwrap().to_string();
        assert_eq!(resolve("https://h/charts", "a.tgz"), "https://h/charts/a.tgz");
        assert_eq!(resolve("https://h/charts/", "x/a.tgz"), "https://h/charts/x/a.tgz");
        assert_eq!(resolve("https://h/charts?sig=1", "a.tgz"), "https://h/charts/a.tgz?sig=1");
        assert_eq!(resolve("https://h/charts?sig=1", "https://other/a.tgz"), "https://other/a.tgz");
        assert_eq!(resolve("https://h/charts?sig=1", "/a.tgz"), "https://h/a.tgz?sig=1");
        assert!(base("ftp://h/x").is_err() && base("nonsense").is_err());
    }

    #[test]
    fn credentials_stay_with_the_repository() {
        let base = base("https://me:hu%20sh@h/charts").unwrap();
        let own = ask(&base, within(&base, "a.tgz").unwrap(), "", 1);
        assert_eq!(own.authorization.unwrap(), "Basic bWU6aHUgc2g=");
        assert_eq!(own.url.as_str(), "https://h/charts/a.tgz");
        let foreign = ask(&base, within(&base, "https://other/a.tgz").unwrap(), "", 1);
        assert_eq!(foreign.authorization, None);
    }
}
