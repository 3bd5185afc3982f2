//! Waiting for nodes to register, by watching them.

use futures::{AsyncBufReadExt, StreamExt};
use serde_json::Value;

use crate::cluster::Cluster;
use crate::error::Error;
use crate::object::Selection;

/// Returns when so many nodes have registered; `progress` hears how many there are whenever that changes. They need not be ready: without
/// a network none is.
pub async fn registered(cluster: &Cluster, count: usize, progress: &(dyn Fn(usize) + Send + Sync)) -> Result<(), Error> {
    let selection = Selection { api_version: "v1".into(), kind: "Node".into(), ..Selection::default() };
    let mut shown = None;
    loop {
        let Some((nodes, version)) = cluster.list_at(&selection).await? else { return Err(no_nodes()) };
        if shown != Some(nodes.len()) {
            progress(nodes.len());
            shown = Some(nodes.len());
        }
        if nodes.len() >= count {
            return Ok(());
        }
        until_one_comes(cluster, &selection, &version).await?;
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
    while let Some(Ok(line)) = lines.next().await {
        let event: Value = serde_json::from_str(&line).unwrap_or_default();
        if !matches!(event.get("type").and_then(Value::as_str), Some("MODIFIED" | "BOOKMARK")) {
            return Ok(());
        }
    }
    Ok(())
}
