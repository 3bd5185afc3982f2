//! What a step can reach. Each capability is one file; each call asks the [`Gate`] first. The fields of [`Powers`] are all there is.

pub mod charts;
pub mod files;
pub mod kubernetes;
pub mod releases;
pub mod report;
pub mod secrets;

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use kube_engine::{Cluster, ObjectRef};
use wasmtime::component::Resource as Handle;

use crate::bindings::launchway::bootstrap::types;
use crate::chart_source::ChartSource;
use crate::grant::{Denied, Gate};
use crate::handoff::Handoff;
use crate::module::{Exceeded, StepState, Usage};
use crate::namespaces::Namespaces;
use crate::release_source::ReleaseSource;
use crate::report::StepReporter;
use crate::repository::Repository;
use crate::secret_source::SecretSource;

/// Everything one step can reach, behind its gate.
#[derive(Clone)]
pub struct Powers {
    pub gate: Arc<Gate>,
    pub cluster: Cluster,
    pub repository: Arc<Repository>,
    pub charts: Arc<ChartSource>,
    pub releases: Arc<ReleaseSource>,
    pub namespaces: Arc<Namespaces>,
    pub secrets: Arc<SecretSource>,
    pub handoff: Arc<Handoff>,
    pub reporter: StepReporter,
    /// What the step says of failures; nothing leaves it to the HelmReleases.
    pub rolls_back_on_failure: Option<bool>,
    /// Whether the manifest says how long the step may take: its releases may wait as long then, whatever their HelmReleases say.
    pub says_how_long: bool,
    /// When the step's time is over.
    pub deadline: Instant,
    /// Nanoseconds that the module computed so far, over all phases of the step.
    pub cpu_spent: Arc<AtomicU64>,
}

impl Powers {
    /// Returns how much of the step's time is left.
    pub fn time_left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }
}

/// A host call that is going on: the step's powers, and a clock of the module that stands still until the call ends.
pub struct Call {
    powers: Powers,
    usage: Arc<Usage>,
}

impl Deref for Call {
    type Target = Powers;

    fn deref(&self) -> &Powers {
        &self.powers
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.usage.resume();
    }
}

impl Call {
    /// Turns a refused call into a value, after an audit line.
    fn refuse(&self, call: &'static str, denied: Denied) -> types::Failure {
        self.usage.denied();
        self.reporter.denied(call, denied.as_str());
        failure("denied", format!("{call} is denied: {}", denied.as_str()))
    }
}

impl StepState {
    /// Notes which call is going on and returns the step's powers.
    ///
    /// A module has no powers while it describes itself; the linker of that store has no host functions either.
    fn enter(&mut self, call: &'static str) -> wasmtime::Result<Call> {
        self.call = Some(call);
        self.check_denials()?;
        let powers = self.powers.clone().ok_or_else(|| wasmtime::Error::msg(format!("{call} was called where no host call is allowed")))?;
        self.usage.pause();
        Ok(Call { powers, usage: self.usage.clone() })
    }

    /// Gives the module a handle, unless it has as many as it may have.
    fn push<T: Send + 'static>(&mut self, resource: T) -> wasmtime::Result<Handle<T>> {
        let limit = self.limits.handles;
        self.table.push(resource).map_err(|_| Exceeded::handles(limit).into())
    }
}

/// The interface has types only.
impl types::Host for StepState {}

/// What a capability returns to a module.
type Answer<T> = Result<T, types::Failure>;

fn failure(code: &str, message: impl Into<String>) -> types::Failure {
    types::Failure { code: code.into(), message: message.into(), retryable: false, details: None }
}

fn invalid(message: impl Into<String>) -> types::Failure {
    failure("invalid", message)
}

/// Returns the failure of a write.
///
/// What a server says of a Secret may hold its values: a JSON patch that copies one into a field that is checked makes the server repeat it.
/// To place a secret is not to read it, so that only the code and the reason are told, to the module as to people.
fn write_failure(object: &ObjectRef, error: kube_engine::Error) -> types::Failure {
    let kube_engine::Error::Refused { code, status, .. } = &error else { return error.into() };
    if object.kind != "Secret" || !object.group().is_empty() {
        return error.into();
    }
    let is_word = |reason: &&str| reason.len() <= 40 && reason.bytes().all(|byte| byte.is_ascii_alphabetic());
    let reason = status.get("reason").and_then(serde_json::Value::as_str).filter(is_word).unwrap_or("refused");
    let message =
        format!("{object}: the API server answers {code} {reason}; what else it says of a Secret is not repeated, as it may hold a value");
    types::Failure { code: error.code().into(), message, retryable: error.retryable(), details: None }
}

impl From<kube_engine::Error> for types::Failure {
    fn from(error: kube_engine::Error) -> Self {
        let details = error.details().map(|details| details.to_string());
        types::Failure { code: error.code().into(), message: crate::failure::chain(&error), retryable: error.retryable(), details }
    }
}
