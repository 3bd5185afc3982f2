//! The requests that an API server served, from its audit log.

use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

/// One line for each request, written when it has been answered.
pub(crate) const POLICY: &str = "apiVersion: audit.k8s.io/v1\nkind: Policy\nomitStages: [RequestReceived]\nrules:\n  - level: Metadata\n";

/// A request that was answered.
#[derive(Debug, Clone)]
pub struct Request {
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`.
    pub verb: String,
    /// The path with its query.
    pub uri: String,
    pub user_agent: String,
    pub code: u64,
    /// A dry run writes nothing.
    pub dry_run: bool,
}

impl Request {
    /// Tells whether the request was meant to change something.
    pub fn is_write(&self) -> bool {
        !self.dry_run && !matches!(self.verb.as_str(), "get" | "list" | "watch")
    }
}

/// Reads the log. A watch has a line when it begins and one when it ends; the first one counts.
pub(crate) fn read(log: &Path) -> Result<Vec<Request>> {
    let text = std::fs::read_to_string(log).with_context(|| log.display().to_string())?;
    // The last line may be half written.
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    let events =
        whole.lines().map(|line| serde_json::from_str::<Value>(line).with_context(|| line.to_owned())).collect::<Result<Vec<_>>>()?;
    Ok(events.iter().filter(|event| event["stage"] == "ResponseStarted" || event["verb"] != "watch").map(request).collect())
}

fn request(event: &Value) -> Request {
    let text = |key: &str| event[key].as_str().unwrap_or_default().to_owned();
    let uri = text("requestURI");
    Request {
        verb: text("verb"),
        user_agent: text("userAgent"),
        code: event["responseStatus"]["code"].as_u64().unwrap_or(0),
        dry_run: uri.contains("dryRun=All"),
        uri,
    }
}
