//! Plain requests to a Kubernetes API, without the code under test.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

/// The API of a cluster, as its administrator.
#[derive(Clone)]
pub struct Api {
    agent: ureq::Agent,
    url: String,
    token: String,
}

/// What a server answered.
#[derive(Debug, Clone)]
pub struct Answer {
    pub code: u16,
    /// Text that is no JSON is a string.
    pub body: Value,
}

impl Api {
    pub(crate) fn new(url: &str, ca: &[u8], token: &str) -> Result<Api> {
        let roots = RootCerts::new_with_certs(&[Certificate::from_pem(ca).context("the CA certificate")?]);
        let config = ureq::Agent::config_builder()
            .tls_config(TlsConfig::builder().root_certs(roots).build())
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(60)))
            .proxy(None);
        Ok(Api { agent: config.build().into(), url: url.into(), token: token.into() })
    }

    /// Returns how to reach the server oneself: watches may take any time there.
    pub(crate) fn upstream(&self) -> (ureq::Agent, String, String) {
        let config =
            ureq::Agent::config_builder().tls_config(self.agent.config().tls_config().clone()).http_status_as_error(false).proxy(None);
        (config.build().into(), self.url.clone(), self.token.clone())
    }

    /// Sends a request; the path may have a query.
    pub fn send(&self, method: &str, path: &str, content_type: &str, body: &str) -> Result<Answer> {
        let request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.url))
            .header("authorization", format!("Bearer {}", self.token))
            .header("accept", "application/json")
            .header("user-agent", "tester/1.0")
            .header("content-type", content_type)
            .body(body.to_owned())?;
        let mut response = self.agent.run(request).with_context(|| format!("{method} {path}"))?;
        let code = response.status().as_u16();
        let text = response.body_mut().with_config().limit(1 << 30).read_to_string()?;
        Ok(Answer { code, body: serde_json::from_str(&text).unwrap_or(Value::String(text)) })
    }

    /// Returns what is at a path; none if there is nothing.
    pub fn get(&self, path: &str) -> Result<Option<Value>> {
        // A kind whose CRD is new has no storage for a moment.
        for _ in 0..20 {
            let answer = self.send("GET", path, "application/json", "")?;
            match answer.code {
                200 => return Ok(Some(answer.body)),
                404 => return Ok(None),
                429 => std::thread::sleep(Duration::from_millis(500)),
                code => bail!("GET {path}: {code} {}", answer.body),
            }
        }
        bail!("GET {path}: the server is busy")
    }

    /// Returns the objects of a collection, each with its kind and apiVersion.
    pub fn list(&self, path: &str) -> Result<Vec<Value>> {
        let Some(mut list) = self.get(path)? else { return Ok(Vec::new()) };
        let kind = list["kind"].as_str().unwrap_or_default().trim_end_matches("List").to_owned();
        let version = list["apiVersion"].clone();
        let items = list["items"].as_array_mut().map(std::mem::take).unwrap_or_default();
        let named = |mut item: Value| {
            item["kind"] = kind.as_str().into();
            item["apiVersion"] = version.clone();
            item
        };
        Ok(items.into_iter().map(named).collect())
    }

    /// Creates an object, or fails with the server's words.
    pub fn create(&self, path: &str, object: &Value) -> Result<Value> {
        self.write("POST", path, "application/json", object)
    }

    /// Patches an object in the given way, or fails with the server's words.
    pub fn patch(&self, path: &str, content_type: &str, patch: &Value) -> Result<Value> {
        self.write("PATCH", path, content_type, patch)
    }

    fn write(&self, method: &str, path: &str, content_type: &str, body: &Value) -> Result<Value> {
        let answer = self.send(method, path, content_type, &body.to_string())?;
        if !(200..300).contains(&answer.code) {
            bail!("{method} {path}: {} {}", answer.code, answer.body);
        }
        Ok(answer.body)
    }

    /// Returns all objects of the cluster that can be listed, each once, in the version that the server prefers.
    pub fn everything(&self) -> Result<Vec<Value>> {
        let mut objects = Vec::new();
        for path in self.collections()? {
            objects.extend(self.list(&path)?);
        }
        Ok(objects)
    }

    fn collections(&self) -> Result<Vec<String>> {
        let mut paths = self.listable("/api/v1")?;
        let groups = self.get("/apis")?.context("the server has groups")?;
        for group in groups["groups"].as_array().into_iter().flatten() {
            let version = group["preferredVersion"]["groupVersion"].as_str().unwrap_or_default();
            paths.extend(self.listable(&format!("/apis/{version}"))?);
        }
        Ok(paths)
    }

    fn listable(&self, root: &str) -> Result<Vec<String>> {
        let resources = self.get(root)?.unwrap_or_default();
        let listable = |resource: &&Value| resource["verbs"].as_array().is_some_and(|verbs| verbs.iter().any(|verb| verb == "list"));
        let names =
            resources["resources"].as_array().into_iter().flatten().filter(listable).filter_map(|resource| resource["name"].as_str());
        Ok(names.map(|name| format!("{root}/{name}")).collect())
    }
}
