//! Waiting for nodes to register, by watching them.

use futures::AsyncBufReadExt;
use serde_json::Value;

use crate::cluster::Cluster;
use crate::error::Error;
use crate::object::Selection;
use crate::wait::{REOPEN, next_line};

/// Returns when so many nodes have registered; `progress` hears how many there are whenever that changes. They need not be ready: without
/// a network none is.
pub async fn registered(cluster: &Cluster, count: usize, progress: &(dyn Fn(usize) + Send + Sync)) -> Result<(), Error> {
    let selection = Selection { api_version: "v1".into(), kind: "Node".into(), ..Selection::default() };
    let mut shown = None;
    loop {
        let listed = match cluster.list_at(&selection).await {
            // An API server that is starting comes and goes.
            Err(error) if error.retryable() => {
                tokio::time::sleep(REOPEN).await;
                continue;
            }
            listed => listed?,
        };
        let Some((nodes, version)) = listed else { return Err(no_nodes()) };
        if shown != Some(nodes.len()) {
            progress(nodes.len());
            shown = Some(nodes.len());
        }
        if nodes.len() >= count {
            return Ok(());
        }
        match until_one_comes(cluster, &selection, &version).await {
            Err(error) if error.retryable() => tokio::time::sleep(REOPEN).await,
            watched => watched?,
        }
    }
}

fn no_nodes() -> Error {
    Error::Strange { what: "nodes".into(), message: "it knows no nodes".into() }
}

/// Returns when a node came or went, or the watch ended.
async fn until_one_comes(cluster: &Cluster, selection: &Selection, version: &str) -> Result<(), Error> {
    let stream = match cluster.watch(selection, version).await {
        Ok(stream) => stream,
        Err(Error::Refused { code: 410, .. }) => return Ok(()),
        Err(error) => return Err(error),
    };
    let mut lines = stream.lines();
    while let Some(line) = next_line(&mut lines).await {
        let event: Value = serde_json::from_str(&line).unwrap_or_default();
        if !matches!(event.get("type").and_then(Value::as_str), Some("MODIFIED" | "BOOKMARK")) {
            return Ok(());
        }
    }
    Ok(())
}
