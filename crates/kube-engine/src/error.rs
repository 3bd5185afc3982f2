//! What can go wrong between here and an API server.

use serde_json::Value;

/// Why a request was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The server refused it; `status` is its own answer.
    #[error("{what}: {}", message(.status))]
    Refused { what: String, code: u16, status: Box<Value> },
    /// The cluster does not serve the kind.
    #[error("{what}: the cluster has no kind {kind} in {api_version}: its CRD is missing")]
    NoKind { what: String, kind: String, api_version: String },
    /// The server could not be reached, or stopped in the middle. `place` is empty, or a space and where it is.
    #[error("{what}: the API server{place} cannot be reached")]
    Unreachable { what: String, place: String, source: Box<dyn std::error::Error + Send + Sync> },
    /// The answer was not what the API says.
    #[error("{what}: the API server answered what nobody understands: {message}")]
    Strange { what: String, message: String },
    /// There is no way to find the cluster.
    #[error("{message}")]
    Config { message: String },
    /// Another run writes to the cluster.
    #[error("{message}")]
    Locked { message: String },
    /// The object cannot be sent.
    #[error("{0}")]
    Invalid(String),
}

fn message(status: &Value) -> String {
    let text = |key: &str| status.get(key).and_then(Value::as_str).unwrap_or_default();
    match text("message") {
        "" if text("reason").is_empty() => "refused without a reason".into(),
        "" => text("reason").into(),
        message => message.into(),
    }
}

impl Error {
    /// Returns the code of the contract with modules.
    pub fn code(&self) -> &'static str {
        match self {
            Error::Refused { code, status, .. } => match (code, status.get("reason").and_then(Value::as_str)) {
                (_, Some("AlreadyExists")) => "already-exists",
                (404, _) => "not-found",
                (409, _) => "conflict",
                (400 | 413 | 415 | 422, _) => "invalid",
                (401 | 403, _) => "forbidden",
                // What a real server says of an apply with a field that the schema lacks.
                (500, _) if message(status).starts_with("failed to create typed patch object") => "invalid",
                (429 | 500..=599, _) => "unavailable",
                _ => "internal",
            },
            Error::NoKind { .. } => "not-found",
            Error::Unreachable { .. } => "unavailable",
            Error::Strange { .. } => "internal",
            Error::Locked { .. } => "locked",
            Error::Config { .. } | Error::Invalid(_) => "invalid",
        }
    }

    /// Tells whether the same request may succeed later.
    pub fn retryable(&self) -> bool {
        matches!(self.code(), "unavailable" | "conflict")
    }

    /// Returns the server's `Status`.
    pub fn details(&self) -> Option<Value> {
        match self {
            Error::Refused { status, .. } => Some((**status).clone()),
            _ => None,
        }
    }

    /// Tells whether the server said that something is not there.
    pub fn is_not_found(&self) -> bool {
        self.code() == "not-found"
    }
}
