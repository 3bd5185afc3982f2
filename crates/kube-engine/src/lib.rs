//! Applies, waits and keeps releases over the Kubernetes API.
//!
//! [`Cluster`] sits on any service that speaks that API: a live API server or the sandbox in this process. Everything above it,
//! waiting ([`wait`]) and releases ([`release`]) alike, is the same code for both. This is the only crate that knows `kube`.

mod cluster;
mod condition;
mod context;
mod discovery;
mod error;
mod explain;
mod lease;
mod lookup;
mod managed;
pub mod nodes;
mod object;
mod proxy;
pub mod release;
mod request;
pub mod status;
pub mod wait;

pub use cluster::{Applied, Apply, Cluster, PatchType, Propagation, ServerVersion, Way};
pub use context::context_namespace;
pub use discovery::Resource;
pub use error::Error;
pub use lease::Holder;
pub use object::{Action, Change, ObjectRef, Selection};
