//! Credentials as Docker keeps them: `auths`, `credsStore` and `credHelpers` of a `config.json`.
//!
//! Mirrors oras-go 2.6 `registry/remote/credentials`: a helper for the server comes first, then the store, then what the file holds.
//! Nothing is ever written, and nothing is asked for before a server demanded it.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;

use crate::error::{Kind, Problem};

/// Docker Hub's credentials are filed under the address of its first API.
const DOCKER_HUB: &str = "https://index.docker.io/v1/";
const HELPER_TIME: Duration = Duration::from_secs(30);
const HELPER_OUTPUT: u64 = 1 << 20;

/// What is known for a server.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Credential {
    None,
    Password {
        user: String,
        password: String,
    },
    /// A token that is exchanged for access tokens.
    Refresh(String),
    /// A token that is used as it is.
    Access(String),
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Credential::None => "Credential::None",
            Credential::Password { .. } => "Credential::Password",
            Credential::Refresh(_) => "Credential::Refresh",
            Credential::Access(_) => "Credential::Access",
        })
    }
}

impl Credential {
    /// Returns the header of user and password.
    pub(crate) fn basic(&self) -> Option<String> {
        match self {
            Credential::Password { user, password } => Some(format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))),
            _ => None,
        }
    }
}

/// Where credentials are looked up.
pub(crate) struct Credentials {
    config: Option<PathBuf>,
    /// Where helpers are, if not on the search path.
    helpers: Option<PathBuf>,
}

impl Credentials {
    pub(crate) fn new(config: Option<PathBuf>) -> Credentials {
        Credentials { config: config.map(|path| if path.is_dir() { path.join("config.json") } else { path }), helpers: None }
    }

    #[cfg(test)]
    pub(crate) fn with_helpers(config: PathBuf, helpers: PathBuf) -> Credentials {
        Credentials { config: Some(config), helpers: Some(helpers) }
    }

    /// Names the file, for messages.
    pub(crate) fn place(&self) -> String {
        self.config.as_ref().map_or_else(|| "no Docker configuration is given".to_owned(), |path| path.display().to_string())
    }

    /// Looks up what is known for a host (with its port).
    pub(crate) async fn lookup(&self, host: &str) -> Result<Credential, Problem> {
        let Some(path) = &self.config else { return Ok(Credential::None) };
        let text = match tokio::fs::read(path).await {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Credential::None),
            Err(error) => return Err(Problem::new(Kind::Unreadable, format!("cannot read {}: {error}", path.display()))),
        };
        // The parser's message could quote a part of the file.
        let config: Value = serde_json::from_slice(&text).map_err(|error| {
            Problem::new(Kind::Invalid, format!("{} is not JSON (line {}, column {})", path.display(), error.line(), error.column()))
        })?;
        let keys = keys(host);
        if let Some(helper) = helper(&config, &keys) {
            let server = keys.first().map_or(host, String::as_str);
            return self.ask(helper, server).await;
        }
        inline(&config, &keys, path)
    }

    async fn ask(&self, helper: &str, server: &str) -> Result<Credential, Problem> {
        let program = format!("docker-credential-{helper}");
        let failed = |reason: &str| Problem::new(Kind::Denied, format!("{program} gave no credentials for {server}: {reason}"));
        if helper.contains(['/', '\\']) {
            return Err(failed("its name is a path"));
        }
        let path = self.helpers.as_ref().map_or_else(|| PathBuf::from(&program), |folder| folder.join(&program));
        let answer = tokio::time::timeout(HELPER_TIME, run(&path, server)).await;
        let (success, output) = match answer {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => return Err(failed(&error.to_string())),
            Err(_) => return Err(failed("it did not answer in time")),
        };
        // Helpers report their errors on stdout.
        if !success {
            let unknown = String::from_utf8_lossy(&output).contains("credentials not found");
            return if unknown { Ok(Credential::None) } else { Err(failed("it failed")) };
        }
        let answer: Value = serde_json::from_slice(&output).map_err(|_| failed("its answer is not JSON"))?;
        let text = |key: &str| answer.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        Ok(match (text("Username"), text("Secret")) {
            (user, secret) if user.is_empty() && secret.is_empty() => Credential::None,
            (user, token) if user == "<token>" => Credential::Refresh(token),
            (user, password) => Credential::Password { user, password },
        })
    }
}

async fn run(program: &Path, server: &str) -> std::io::Result<(bool, Vec<u8>)> {
    let mut command = Command::new(program);
    command.arg("get").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
    let mut child = command.spawn()?;
    if let Some(mut input) = child.stdin.take() {
        // A helper that knows the answer already need not read the question.
        let _ = input.write_all(server.as_bytes()).await;
    }
    let mut output = Vec::new();
    if let Some(pipe) = child.stdout.take() {
        pipe.take(HELPER_OUTPUT).read_to_end(&mut output).await?;
    }
    Ok((child.wait().await?.success(), output))
}

/// Returns under which names a server may be filed, the proper one first.
fn keys(host: &str) -> Vec<String> {
    let hub = ["docker.io", "index.docker.io", "registry-1.docker.io"];
    if hub.contains(&host) {
        return std::iter::once(DOCKER_HUB).chain(hub).map(str::to_owned).collect();
    }
    vec![host.to_owned()]
}

fn helper<'a>(config: &'a Value, keys: &[String]) -> Option<&'a str> {
    let own = keys.iter().find_map(|key| config.get("credHelpers")?.get(key)?.as_str());
    own.or_else(|| config.get("credsStore")?.as_str()).filter(|name| !name.is_empty())
}

fn inline(config: &Value, keys: &[String], path: &Path) -> Result<Credential, Problem> {
    let Some(auths) = config.get("auths").and_then(Value::as_object) else { return Ok(Credential::None) };
    let by_host = || auths.iter().find(|(key, _)| keys.iter().any(|wanted| wanted == bare_host(key))).map(|(_, entry)| entry);
    let Some(entry) = keys.iter().find_map(|key| auths.get(key)).or_else(by_host) else { return Ok(Credential::None) };
    let text = |key: &str| entry.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
    if let Some(token) = text("registrytoken") {
        return Ok(Credential::Access(token.to_owned()));
    }
    if let Some(token) = text("identitytoken") {
        return Ok(Credential::Refresh(token.to_owned()));
    }
    if let Some(auth) = text("auth") {
        return decode(auth).ok_or_else(|| {
            let server = keys.first().map_or("", String::as_str);
            Problem::new(Kind::Invalid, format!("{}: the auth of {server} is not user:password in base64", path.display()))
        });
    }
    Ok(match (text("username"), text("password")) {
        (Some(user), Some(password)) => Credential::Password { user: user.to_owned(), password: password.to_owned() },
        _ => Credential::None,
    })
}

fn decode(auth: &str) -> Option<Credential> {
    let text = String::from_utf8(STANDARD.decode(auth.trim()).ok()?).ok()?;
    let (user, password) = text.split_once(':')?;
    Some(Credential::Password { user: user.to_owned(), password: password.trim_end_matches('\0').to_owned() })
}

/// Older files name servers by address.
fn bare_host(key: &str) -> &str {
    let rest = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://")).unwrap_or(key);
    rest.split('/').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    async fn lookup(config: &str, host: &str) -> Result<Credential, Problem> {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("config.json"), config).unwrap();
        Credentials::new(Some(folder.path().to_owned())).lookup(host).await
    }

    fn password(user: &str, password: &str) -> Credential {
        Credential::Password { user: user.to_owned(), password: password.to_owned() }
    }

    #[tokio::test]
    async fn reads_what_the_file_holds() {
        let config = r#"{"auths":{"h:5000":{"auth":"bWU6aHU6c2g="},"https://old.example/v1/":{"auth":"bWU6b2xk"},
            "https://index.docker.io/v1/":{"auth":"bWU6aHVi"},"i":{"identitytoken":"it"},"r":{"registrytoken":"rt"},
            "u":{"username":"a","password":"b"},"e":{},"bad":{"auth":"%%"}}}"#;
        assert_eq!(lookup(config, "h:5000").await.unwrap(), password("me", "hu:sh"));
        assert_eq!(lookup(config, "old.example").await.unwrap(), password("me", "old"));
        assert_eq!(lookup(config, "registry-1.docker.io").await.unwrap(), password("me", "hub"));
        assert_eq!(lookup(config, "i").await.unwrap(), Credential::Refresh("it".to_owned()));
        assert_eq!(lookup(config, "r").await.unwrap(), Credential::Access("rt".to_owned()));
        assert_eq!(lookup(config, "u").await.unwrap(), password("a", "b"));
        assert_eq!(lookup(config, "e").await.unwrap(), Credential::None);
        assert_eq!(lookup(config, "h").await.unwrap(), Credential::None);
        assert_eq!(lookup(config, "bad").await.unwrap_err().kind, Kind::Invalid);
        assert_eq!(lookup("{ \"auths\": hush", "h").await.unwrap_err().kind, Kind::Invalid);
        assert!(!format!("{:?}", password("me", "hush")).contains("hush"));
    }

    #[tokio::test]
    async fn no_file_is_no_credential() {
        let folder = tempfile::tempdir().unwrap();
        let credentials = Credentials::new(Some(folder.path().join("none.json")));
        assert_eq!(credentials.lookup("h").await.unwrap(), Credential::None);
        assert_eq!(Credentials::new(None).lookup("h").await.unwrap(), Credential::None);
    }

    fn script(folder: &Path, name: &str, text: &str) {
        let path = folder.join(format!("docker-credential-{name}"));
        fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    #[tokio::test]
    async fn asks_helpers() {
        let folder = tempfile::tempdir().unwrap();
        // Answers with the server it was asked for, so that the question is proved too.
        script(folder.path(), "store", r#"read -r server || true; [ "$1" = get ] && printf '{"Username":"me","Secret":"%s"}' "$server""#);
        script(folder.path(), "token", r#"cat >/dev/null; printf '{"Username":"<token>","Secret":"refresh"}'"#);
        script(folder.path(), "unknown", "echo credentials not found in native keychain; exit 1");
        script(folder.path(), "broken", "echo hush; exit 1");
        script(folder.path(), "noise", "cat >/dev/null; echo hush");
        let config = folder.path().join("config.json");
        let helpers = r#""t":"token","n":"unknown","b":"broken","j":"noise","m":"missing","p":"../store""#;
        fs::write(&config, format!(r#"{{"credsStore":"store","auths":{{"h":{{"auth":"eDp5"}}}},"credHelpers":{{{helpers}}}}}"#)).unwrap();
        let credentials = Credentials::with_helpers(config, folder.path().to_owned());
        assert_eq!(credentials.lookup("h").await.unwrap(), password("me", "h"));
        assert_eq!(credentials.lookup("docker.io").await.unwrap(), password("me", DOCKER_HUB));
        assert_eq!(credentials.lookup("t").await.unwrap(), Credential::Refresh("refresh".to_owned()));
        assert_eq!(credentials.lookup("n").await.unwrap(), Credential::None);
        for host in ["b", "j", "m", "p"] {
            let problem = credentials.lookup(host).await.unwrap_err();
            assert!(problem.reason.contains("docker-credential-") && !problem.reason.contains("hush"), "{}", problem.reason);
        }
    }
}
