//! Sends plain HTTP requests to a sandbox.

use std::sync::Arc;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use kube_sandbox::{Options, Sandbox};
use serde_json::Value;
use tower::ServiceExt;

/// A sandbox whose clock stands still.
pub(crate) fn sandbox() -> Sandbox {
    Sandbox::new(Options {
        service_cidr: "10.43.0.0/16".into(),
        clock: Arc::new(|| "2026-01-02T03:04:05Z".parse().unwrap()),
        ..Options::default()
    })
}

pub(crate) async fn send_raw(sandbox: &Sandbox, line: &str, content_type: &str, body: String) -> http::Response<kube_sandbox::Body> {
    let (method, uri) = line.split_once(' ').expect("a method and a path");
    let request = Request::builder().method(method).uri(uri).header("content-type", content_type).header("user-agent", "tester/1.0");
    sandbox.clone().oneshot(request.body(Full::new(Bytes::from(body))).unwrap()).await.unwrap()
}

/// Sends a request and returns code and body; text that is no JSON comes back as a string.
pub(crate) async fn send(sandbox: &Sandbox, line: &str, content_type: &str, body: &Value) -> (u16, Value) {
    let body = match body {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let response = send_raw(sandbox, line, content_type, body).await;
    let code = response.status().as_u16();
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    let body = serde_json::from_slice(&bytes).unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&bytes).into_owned()));
    (code, body)
}

pub(crate) async fn get(sandbox: &Sandbox, path: &str) -> (u16, Value) {
    send(sandbox, &format!("GET {path}"), "application/json", &Value::Null).await
}

pub(crate) async fn post(sandbox: &Sandbox, path: &str, body: &Value) -> (u16, Value) {
    send(sandbox, &format!("POST {path}"), "application/json", body).await
}

pub(crate) async fn apply(sandbox: &Sandbox, path: &str, query: &str, body: &Value) -> (u16, Value) {
    send(sandbox, &format!("PATCH {path}?{query}"), "application/apply-patch+yaml", body).await
}
