//! A Kubernetes API server in memory.
//!
//! [`Sandbox`] is a [`tower::Service`] over HTTP requests, so a client library sits on it directly. It serves discovery, the usual verbs,
//! watches, the patch types and server-side apply for the built-in kinds of one Kubernetes version and for custom resources. Actors play the
//! controllers and nodes: workloads become ready, Jobs complete, definitions are established. What an operator would do at run time is
//! declared as effects ([`Sandbox::declare`]).
//!
//! It does not authenticate, authorise, run admission plugins or webhooks, evaluate CEL rules, or convert between versions (a custom resource
//! in another version is relabelled, as with conversion strategy None).

mod actors;
mod crd;
mod decode;
mod defaults;
mod discovery;
mod effects;
mod failure;
mod fields;
mod kinds;
mod listing;
mod managed;
mod objects;
mod patch;
mod request;
mod saved;
mod scale;
mod schema;
mod selectors;
mod server;
mod services;
mod store;
mod typed;
mod validation;
mod watch;
mod workloads;

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::StreamExt;
use http::{HeaderMap, Request, Response, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, Limited, StreamBody};
use serde_json::Value;

pub use crate::effects::EffectsError;
pub use crate::saved::LoadError;

use crate::failure::Failure;
use crate::request::{Incoming, Query};
use crate::server::{Answer, Reply};
use crate::store::State;

/// The largest request body that is read, as in a real server.
const MAX_BODY: usize = 3 * 1024 * 1024;

/// The body of a response: bytes at once, or a stream for a watch.
pub type Body = UnsyncBoxBody<Bytes, Infallible>;

/// Returns the time.
pub type Clock = Arc<dyn Fn() -> jiff::Timestamp + Send + Sync>;

/// Reads the table of built-in kinds, as the first sandbox of a process does otherwise.
pub fn read_kinds() {
    kinds::Kinds::built_in();
}

/// How a sandbox behaves.
#[derive(Clone)]
pub struct Options {
    /// The version that `/version` reports.
    pub kube_version: String,
    /// The range that cluster addresses of services come from.
    pub service_cidr: String,
    /// The source of timestamps.
    pub clock: Clock,
    /// Decides every uid and generated name.
    pub seed: u64,
    /// Whether the actors play controllers and nodes.
    pub actors: bool,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            kube_version: "v1.36.3".into(),
            service_cidr: "10.96.0.0/12".into(),
            clock: Arc::new(jiff::Timestamp::now),
            seed: 0,
            actors: true,
        }
    }
}

/// A write that a client made; what the actors write is not listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Write {
    /// `create`, `update`, `patch`, `apply`, `delete` or `deletecollection`.
    pub verb: String,
    /// The resource with its group: `deployments.apps`.
    pub resource: String,
    /// The namespace; empty for cluster-scoped objects.
    pub namespace: String,
    /// The name; empty for collections.
    pub name: String,
    /// The subresource, if one was written.
    pub subresource: String,
    /// The field manager.
    pub manager: String,
    /// Whether the object changed: an apply that finds everything as wished does not.
    pub changed: bool,
    /// The user agent of the client.
    pub user_agent: String,
}

/// An API server in memory. Clones share one state.
#[derive(Clone)]
pub struct Sandbox {
    state: Arc<Mutex<State>>,
    changed: Arc<tokio::sync::watch::Sender<u64>>,
}

impl Default for Sandbox {
    fn default() -> Sandbox {
        Sandbox::new(Options::default())
    }
}

impl Sandbox {
    /// Starts a server with the objects that every cluster has.
    #[must_use]
    pub fn new(options: Options) -> Sandbox {
        let mut state = State::new(options);
        actors::start(&mut state);
        Sandbox::with_state(state)
    }

    fn with_state(state: State) -> Sandbox {
        let (changed, _) = tokio::sync::watch::channel(state.revision);
        Sandbox { state: Arc::new(Mutex::new(state)), changed: Arc::new(changed) }
    }

    /// Starts a server with what [`Sandbox::save`] returned.
    pub fn load(saved: &Value) -> Result<Sandbox, LoadError> {
        Sandbox::load_with(Arc::new(jiff::Timestamp::now), saved)
    }

    /// Starts a server with what [`Sandbox::save`] returned, and a clock of one's own.
    pub fn load_with(clock: Clock, saved: &Value) -> Result<Sandbox, LoadError> {
        saved::load(clock, saved).map(Sandbox::with_state)
    }

    /// Returns everything the server remembers, except history and the log of writes.
    #[must_use]
    pub fn save(&self) -> Value {
        saved::save(&self.lock())
    }

    /// Declares what happens at run time when objects reach a condition; see the crate's `effects` module for the form.
    pub fn declare(&self, effects: &Value) -> Result<(), EffectsError> {
        let mut state = self.lock();
        effects::declare(&mut state, effects)?;
        actors::settle(&mut state);
        self.announce(state);
        Ok(())
    }

    /// Keeps a workload from ever becoming ready, for tests of failure.
    pub fn hold(&self, kind: &str, namespace: &str, name: &str) {
        self.lock().held.insert((kind.to_owned(), namespace.to_owned(), name.to_owned()));
    }

    /// Lets a workload that was held become ready.
    pub fn release(&self, kind: &str, namespace: &str, name: &str) {
        let mut state = self.lock();
        state.held.remove(&(kind.to_owned(), namespace.to_owned(), name.to_owned()));
        state.settled = 0;
        actors::settle(&mut state);
        self.announce(state);
    }

    /// Returns the writes of clients so far, in order.
    #[must_use]
    pub fn writes(&self) -> Vec<Write> {
        self.lock().writes.clone()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn announce(&self, state: MutexGuard<'_, State>) {
        let revision = state.revision;
        drop(state);
        self.changed.send_if_modified(|seen| std::mem::replace(seen, revision) != revision);
    }

    /// Answers one request whose body has been read.
    fn answer(&self, parts: &http::request::Parts, body: &[u8]) -> Response<Body> {
        let header = |name: header::HeaderName| header_text(&parts.headers, &name);
        let incoming = Incoming {
            method: &parts.method,
            path: parts.uri.path(),
            query: Query::parse(parts.uri.query().unwrap_or_default()),
            accept: header(header::ACCEPT),
            content_type: header(header::CONTENT_TYPE),
            user_agent: header(header::USER_AGENT),
            body,
        };
        let mut state = self.lock();
        let answer = server::serve(&mut state, &incoming);
        self.announce(state);
        self.respond(answer, incoming.accept)
    }

    fn respond(&self, answer: Answer, accept: &str) -> Response<Body> {
        let mut response = match answer.result {
            Ok(Reply::Json(code, value)) => {
                let discovery = value["kind"] == "APIGroupDiscoveryList";
                let content_type =
                    if discovery { "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList" } else { "application/json" };
                full(code, content_type, value.to_string())
            }
            Ok(Reply::Text(code, text)) => full(code, "text/plain; charset=utf-8", text),
            Ok(Reply::Watch(watch)) => {
                let stream = watch::follow(*watch, Arc::clone(&self.state), self.changed.subscribe()).map(Ok);
                let content_type = if accept.contains("stream=watch") { "application/json;stream=watch" } else { "application/json" };
                with_type(Response::new(StreamBody::new(stream).boxed_unsync()), content_type)
            }
            Err(failure) => full(failure.code, "application/json", failure.status().to_string()),
        };
        for warning in answer.warnings {
            let text = format!("299 - {:?}", warning);
            if let Ok(value) = text.parse() {
                response.headers_mut().append(header::WARNING, value);
            }
        }
        response
    }
}

fn header_text<'a>(headers: &'a HeaderMap, name: &header::HeaderName) -> &'a str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

fn with_type(mut response: Response<Body>, content_type: &'static str) -> Response<Body> {
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(content_type));
    response
}

fn full(code: u16, content_type: &'static str, text: String) -> Response<Body> {
    let mut response = Response::new(Full::new(Bytes::from(text)).boxed_unsync());
    *response.status_mut() = http::StatusCode::from_u16(code).unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR);
    with_type(response, content_type)
}

impl<B> tower::Service<Request<B>> for Sandbox
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let sandbox = self.clone();
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            Ok(match Limited::new(body, MAX_BODY).collect().await {
                Ok(body) => sandbox.answer(&parts, &body.to_bytes()),
                Err(error) if error.is::<http_body_util::LengthLimitError>() => {
                    let failure = Failure::new(413, "RequestEntityTooLarge", "Request entity too large: limit is 3145728");
                    full(413, "application/json", failure.status().to_string())
                }
                Err(error) => full(400, "application/json", Failure::bad_request(error.to_string()).status().to_string()),
            })
        })
    }
}
