//! Watches: a stream of JSON lines that first replays history, then follows.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures::stream::{self, Stream};
use http_body::Frame;
use serde_json::{Value, json};
use tokio::sync::watch::Receiver;

use crate::kinds::Resource;
use crate::listing::Filter;
use crate::store::{Change, State};

/// How often a quiet watch is told how far the server is.
const BOOKMARK_EVERY: Duration = Duration::from_secs(60);

/// An open watch.
pub(crate) struct Watch {
    pub(crate) resource: Arc<Resource>,
    pub(crate) filter: Filter,
    /// Changes up to this revision have been sent.
    pub(crate) seen: u64,
    pub(crate) bookmarks: bool,
    pub(crate) timeout: Option<Duration>,
    /// Lines that come before the first change.
    pub(crate) first: Vec<Value>,
}

impl Watch {
    fn event(&self, kind: &str, object: &Value) -> Value {
        json!({ "type": kind, "object": self.labelled(object) })
    }

    fn labelled(&self, object: &Value) -> Value {
        let mut object = object.clone();
        object["apiVersion"] = self.resource.api_version().into();
        object
    }

    /// Returns the line that says how far the watch has come.
    pub(crate) fn bookmark(&self, initial_end: bool) -> Value {
        let mut object = json!({
            "kind": self.resource.kind, "apiVersion": self.resource.api_version(),
            "metadata": { "resourceVersion": self.seen.to_string() },
        });
        if initial_end {
            object["metadata"]["annotations"] = json!({ "k8s.io/initial-events-end": "true" });
        }
        json!({ "type": "BOOKMARK", "object": object })
    }

    /// An object may enter or leave what is watched by a change of its labels.
    fn translate(&self, change: &Change) -> Option<Value> {
        let matching = |object: &Option<Arc<Value>>| object.clone().filter(|object| self.filter.matches(object));
        match (matching(&change.before), matching(&change.after)) {
            (None, Some(after)) => Some(self.event("ADDED", &after)),
            (Some(_), Some(after)) => Some(self.event("MODIFIED", &after)),
            (Some(before), None) => {
                let mut last = change.last.as_ref().map_or_else(|| (*before).clone(), |last| (**last).clone());
                last["metadata"]["resourceVersion"] = change.revision.to_string().into();
                Some(self.event("DELETED", &last))
            }
            (None, None) => None,
        }
    }

    /// Returns what happened since, or nothing if history does not reach back that far.
    fn catch_up(&mut self, state: &State) -> Option<Vec<Value>> {
        let mut lines = Vec::new();
        if let Some(collection) = state.collections.get(&self.resource.id) {
            if self.seen < collection.forgotten {
                return None;
            }
            let start = collection.history.partition_point(|change| change.revision <= self.seen);
            lines.extend(collection.history.iter().skip(start).filter_map(|change| self.translate(change)));
        }
        self.seen = self.seen.max(state.revision);
        Some(lines)
    }
}

fn expired() -> Value {
    let status = crate::failure::Failure::gone("The resourceVersion for the provided watch is too old.").status();
    json!({ "type": "ERROR", "object": status })
}

fn frame(lines: &[Value]) -> Frame<Bytes> {
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    Frame::data(Bytes::from(text))
}

struct Following {
    watch: Watch,
    state: Arc<Mutex<State>>,
    changed: Receiver<u64>,
    deadline: Option<tokio::time::Instant>,
    over: bool,
}

/// Returns the stream of frames of a watch.
pub(crate) fn follow(watch: Watch, state: Arc<Mutex<State>>, changed: Receiver<u64>) -> impl Stream<Item = Frame<Bytes>> + Send {
    let deadline = watch.timeout.map(|timeout| tokio::time::Instant::now() + timeout);
    let start = Following { watch, state, changed, deadline, over: false };
    stream::unfold(start, |mut following| async move {
        let frame = following.next().await?;
        Some((frame, following))
    })
}

impl Following {
    async fn next(&mut self) -> Option<Frame<Bytes>> {
        let first = std::mem::take(&mut self.watch.first);
        if !first.is_empty() {
            return Some(frame(&first));
        }
        while !self.over {
            self.changed.borrow_and_update();
            let lines = {
                let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
                self.watch.catch_up(&state)
            };
            match lines {
                None => {
                    self.over = true;
                    return Some(frame(&[expired()]));
                }
                Some(lines) if !lines.is_empty() => return Some(frame(&lines)),
                Some(_) => {}
            }
            if let Some(frame) = self.wait().await {
                return Some(frame);
            }
        }
        None
    }

    /// Waits for the next change; returns a bookmark if none came for long.
    async fn wait(&mut self) -> Option<Frame<Bytes>> {
        let far = tokio::time::Instant::now() + BOOKMARK_EVERY;
        let until = self.deadline.map_or(far, |deadline| deadline.min(far));
        match tokio::time::timeout_at(until, self.changed.changed()).await {
            Ok(Ok(())) => None,
            Ok(Err(_)) => {
                self.over = true;
                None
            }
            Err(_) => {
                self.over = self.deadline.is_some_and(|deadline| deadline <= tokio::time::Instant::now());
                self.watch.bookmarks.then(|| frame(&[self.watch.bookmark(false)]))
            }
        }
    }
}
