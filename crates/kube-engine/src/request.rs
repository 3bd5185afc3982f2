//! Sending requests: encoding, answers, and trying again what a busy or broken server did not answer.

use std::time::Duration;

use bytes::Bytes;
use http::header::RETRY_AFTER;
use http::{HeaderMap, Method, Request, StatusCode};
use kube::client::Body;
use serde_json::Value;

use crate::cluster::Cluster;
use crate::error::Error;

pub(crate) const JSON: &str = "application/json";
/// How often a request is sent that meets a busy server.
const TRIES: u32 = 6;
/// How long an answer may take. API servers end requests after a minute by themselves.
const SILENCE: Duration = Duration::from_secs(65);
const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// What a server asks for is believed up to here.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// A request before it is sent.
#[derive(Clone)]
pub(crate) struct Call<'a> {
    pub(crate) what: String,
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) query: Vec<(&'a str, String)>,
    pub(crate) content_type: &'a str,
    pub(crate) accept: &'a str,
    pub(crate) body: Bytes,
}

impl Call<'_> {
    fn is_write(&self) -> bool {
        self.method != Method::GET && !self.query.iter().any(|(key, _)| *key == "dryRun")
    }

    /// Tells whether sending it again does no harm where the first time had an effect. Only the operations of a JSON patch add up.
    fn is_repeatable(&self) -> bool {
        self.content_type != "application/json-patch+json"
    }
}

/// A request that failed.
struct Failed {
    error: Error,
    /// How long the server asks to wait.
    retry_after: Option<Duration>,
}

impl Cluster {
    pub(crate) async fn get_json(&self, what: &str, path: &str, query: Vec<(&str, String)>, accept: &str) -> Result<Value, Error> {
        let call =
            Call { what: what.into(), method: Method::GET, path: path.into(), query, content_type: JSON, accept, body: Bytes::new() };
        Ok(self.send(call).await?.1)
    }

    /// Returns an answer that is no JSON, asked for once.
    pub(crate) async fn get_text(&self, what: &str, path: &str, query: Vec<(&str, String)>) -> Result<String, Error> {
        let request = Request::get(format!("{path}?{}", encode(&query))).body(Vec::new());
        let request = request.map_err(|error| Error::Invalid(format!("{what}: {error}")))?;
        self.client.request_text(request).await.map_err(|error| Error::Unreachable {
            what: what.into(),
            place: self.place.to_string(),
            source: Box::new(error),
        })
    }

    /// Tells whether the API server answers. It is asked once.
    pub async fn answers(&self) -> Result<(), Error> {
        let (method, path) = (Method::GET, "/version".to_owned());
        let call = Call { what: "version".into(), method, path, query: Vec::new(), content_type: JSON, accept: JSON, body: Bytes::new() };
        self.send_once(call).await.map(drop).map_err(|failed| failed.error)
    }

    pub(crate) async fn send(&self, call: Call<'_>) -> Result<(StatusCode, Value), Error> {
        self.send_counted(call, &mut 0).await
    }

    /// Sends a request until it is answered, and counts how often. The first write of a run takes the lease.
    pub(crate) async fn send_counted(&self, call: Call<'_>, attempts: &mut u32) -> Result<(StatusCode, Value), Error> {
        if let Some(lease) = self.lease.as_ref().filter(|_| call.is_write()) {
            lease.hold(self).await?;
        }
        let mut pause = FIRST_PAUSE;
        loop {
            *attempts += 1;
            let failed = match self.send_once(call.clone()).await {
                Ok(answer) => return Ok(answer),
                Err(failed) => failed,
            };
            if *attempts >= TRIES || !failed.may_pass(&call) {
                return Err(failed.error);
            }
            tokio::time::sleep(failed.retry_after.unwrap_or(pause).min(LONGEST_PAUSE)).await;
            pause *= 2;
        }
    }

    /// Sends a request once.
    async fn send_once(&self, call: Call<'_>) -> Result<(StatusCode, Value), Failed> {
        answered(&call.what.clone(), self.exchange(call)).await?
    }

    async fn exchange(&self, call: Call<'_>) -> Result<(StatusCode, Value), Failed> {
        let uri = if call.query.is_empty() { call.path } else { format!("{}?{}", call.path, encode(&call.query)) };
        let request =
            Request::builder().method(call.method).uri(uri).header("accept", call.accept).header("content-type", call.content_type);
        let request = request.body(Body::from(call.body)).map_err(|error| Error::Invalid(format!("{}: {error}", call.what)))?;
        let unreachable = |source: Box<dyn std::error::Error + Send + Sync>| Error::Unreachable {
            what: call.what.clone(),
            place: self.place.to_string(),
            source,
        };
        let response = self.client.send(request).await.map_err(|error| unreachable(Box::new(error)))?;
        let (status, retry_after) = (response.status(), retry_after(response.headers()));
        let body = http_body_util::BodyExt::collect(response.into_body()).await.map_err(|error| unreachable(Box::new(error)))?.to_bytes();
        let value: Value = match serde_json::from_slice(&body) {
            Ok(value) => value,
            Err(_) if !status.is_success() => {
                serde_json::json!({ "message": String::from_utf8_lossy(&body).trim(), "reason": status.as_str() })
            }
            Err(error) => return Err(Error::Strange { what: call.what, message: error.to_string() }.into()),
        };
        if status.is_success() {
            return Ok((status, value));
        }
        Err(Failed { error: Error::Refused { what: call.what, code: status.as_u16(), status: Box::new(value) }, retry_after })
    }
}

impl Failed {
    /// Tells whether the same request may be answered later. Of a JSON patch it must be sure that it was not carried out.
    fn may_pass(&self, call: &Call<'_>) -> bool {
        let refused_at_the_door = matches!(self.error, Error::Refused { code: 429 | 503, .. });
        self.error.code() == "unavailable" && (call.is_repeatable() || refused_at_the_door)
    }
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Failed { error, retry_after: None }
    }
}

/// Waits for an answer. A connection that stays silent counts as broken: the other end may be gone without a word.
pub(crate) async fn answered<T>(what: &str, answer: impl Future<Output = T>) -> Result<T, Error> {
    let silent = |_| {
        let source = format!("no answer in {} seconds", SILENCE.as_secs()).into();
        Error::Unreachable { what: what.into(), place: String::new(), source }
    };
    tokio::time::timeout(SILENCE, answer).await.map_err(silent)
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers.get(RETRY_AFTER)?.to_str().ok()?.parse().ok().map(Duration::from_secs)
}

/// Encodes a query; everything but unreserved characters is escaped.
pub(crate) fn encode(query: &[(&str, String)]) -> String {
    let escape = |text: &str| {
        let byte = |byte: u8| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => char::from(byte).to_string(),
            byte => format!("%{byte:02X}"),
        };
        text.bytes().map(byte).collect::<String>()
    };
    query.iter().map(|(key, value)| format!("{key}={}", escape(value))).collect::<Vec<_>>().join("&")
}
