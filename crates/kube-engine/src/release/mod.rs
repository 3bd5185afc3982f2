//! Releases: decided as helm-controller decides, installed and upgraded in Helm's order, and recorded as Helm records them
//! (`helm/helm` 4.2 `pkg/action/{install,upgrade,rollback,uninstall,hooks}.go`, `pkg/kube/client.go`).
//!
//! Objects are applied on the server's side as field manager `helm-controller`, so that the controller that takes over finds its own fields.

mod decide;
mod documents;
mod hooks;
mod render;
mod run;
mod storage;
mod undo;

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use helm::HelmCompat;
use helm::release::{RecordError, Release};
use serde_json::{Map, Value};

use crate::cluster::{Apply, Cluster};
use crate::discovery::Resource;
use crate::error::Error;
use crate::object::{Change, ObjectRef};
use crate::wait::{Pending, WaitError};

pub use decide::{ReleaseState, decide};
pub use render::render;
pub use run::{crds, ensure, inventory, manifest_objects, objects, state, stored, wait_ready};
pub use storage::{Stored, stored_revisions};

/// Who owns the fields of a release's objects (helm-controller `main.go`, ManagedFieldsManager).
pub const MANAGER: &str = "helm-controller";

/// How long helm-controller waits where nothing says.
const TIMEOUT: Duration = Duration::from_secs(300);

const APPLY: Apply<'static> = Apply { manager: MANAGER, force: true, creates: false, default_namespace: None };

/// A release as it should be.
#[derive(Clone)]
pub struct Wanted {
    pub name: String,
    /// Where its objects go.
    pub namespace: String,
    /// Where its records go.
    pub storage_namespace: String,
    pub chart: Arc<helm::Chart>,
    /// The user's values, merged, without the chart's defaults, as Helm holds them: numbers that come from YAML or JSON are floats
    /// ([`helm::values::as_floats`]).
    pub values: Map<String, Value>,
    pub compat: HelmCompat,
    pub install: ActionOptions,
    pub upgrade: ActionOptions,
    pub rollback: UndoOptions,
    pub uninstall: UndoOptions,
    /// Labels that CRDs under `crds/` get.
    pub crd_labels: Map<String, Value>,
    /// What changes rendered documents before they are stored and applied.
    pub post_render: Option<helm::PostRender>,
    /// What templates may look up; everything where nothing says.
    pub lookups: Option<Lookups>,
    /// Whether the build metadata of the chart's version do not count: those that Flux puts there are not known.
    pub ignores_metadata: bool,
    /// Whether no revision is thought to be stored, as its namespace is new. One that is there all the same is found when the first is to be stored.
    pub is_first: bool,
    /// Revisions that are kept.
    pub max_history: usize,
    /// How long all of it may take; undoing what failed may take as long again.
    pub timeout: Duration,
}

/// Tells of each `lookup` of a template whether it may see what is there. Nothing is there for one that may not.
pub type Lookups = Arc<dyn Fn(&Asked<'_>) -> bool + Send + Sync>;

/// What a template looks up.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    pub resource: &'a Resource,
    pub namespace: Option<&'a str>,
    /// None: all of a namespace or of the cluster.
    pub name: Option<&'a str>,
}

/// How objects are applied, and which way the record says that they were (`apply_method`): so they are in the next upgrade, Helm's or Flux's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ApplyMethod {
    Server,
    /// As Helm 3 does. Only what is new is sent that way; what is there is applied on the server's side all the same.
    Client,
    /// As the release was applied before. One that was installed by others on the client's side goes over to the server's.
    AsBefore,
}

/// How an install is done, or an upgrade.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ActionOptions {
    pub apply: ApplyMethod,
    /// What to do with the files under `crds/`.
    pub crds: CrdPolicy,
    pub disable_hooks: bool,
    pub skip_schema_validation: bool,
    pub wait: Wait,
    /// How long each wait may take: for a hook, and for the objects (`pkg/action/hooks.go`, `install.go`, `upgrade.go`).
    pub timeout: Duration,
    /// Whether objects that are marked as another release's become this one's.
    pub take_ownership: bool,
    /// Whether an upgrade that fails deletes what it created.
    pub cleanup_on_fail: bool,
    pub on_failure: OnFailure,
}

/// What becomes of a release whose install or upgrade failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnFailure {
    /// It stays as it is, recorded as failed.
    Leave,
    /// The newest revision that was deployed before is deployed again.
    RollBack,
    Uninstall,
}

/// How a release is rolled back or uninstalled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UndoOptions {
    pub disable_hooks: bool,
    pub wait: Wait,
    /// How long each wait may take.
    pub timeout: Duration,
    /// Whether the records of what is uninstalled stay.
    pub keep_history: bool,
}

/// What is waited for once objects are applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    Nothing,
    /// Until all is ready; Jobs may still run.
    AllButJobs,
    All,
}

impl Default for ActionOptions {
    fn default() -> Self {
        ActionOptions {
            apply: ApplyMethod::AsBefore,
            crds: CrdPolicy::Create,
            disable_hooks: false,
            skip_schema_validation: false,
            wait: Wait::All,
            timeout: TIMEOUT,
            take_ownership: false,
            cleanup_on_fail: false,
            on_failure: OnFailure::Leave,
        }
    }
}

impl Default for UndoOptions {
    fn default() -> Self {
        UndoOptions { disable_hooks: false, wait: Wait::All, timeout: TIMEOUT, keep_history: false }
    }
}

impl Wanted {
    /// Returns a release without values, with helm-controller's defaults, whose records go where its objects do.
    pub fn new(name: &str, namespace: &str, chart: Arc<helm::Chart>) -> Wanted {
        Wanted {
            name: name.into(),
            namespace: namespace.into(),
            storage_namespace: namespace.into(),
            chart,
            values: Map::new(),
            compat: HelmCompat::newest(),
            install: ActionOptions::default(),
            upgrade: ActionOptions::default(),
            rollback: UndoOptions::default(),
            uninstall: UndoOptions::default(),
            crd_labels: Map::new(),
            post_render: None,
            lookups: None,
            ignores_metadata: false,
            is_first: false,
            max_history: 5,
            timeout: TIMEOUT,
        }
    }

    /// Says that each wait may take as long as everything.
    pub fn wait_as_long_as_there_is_time(&mut self) {
        for each in [&mut self.install.timeout, &mut self.upgrade.timeout, &mut self.rollback.timeout, &mut self.uninstall.timeout] {
            *each = Duration::MAX;
        }
    }

    /// Says whether an upgrade that fails is rolled back and a failed install uninstalled, as with Helm's `--rollback-on-failure`.
    pub fn roll_back_on_failure(&mut self, does: bool) {
        let (install, upgrade) = if does { (OnFailure::Uninstall, OnFailure::RollBack) } else { (OnFailure::Leave, OnFailure::Leave) };
        (self.install.on_failure, self.upgrade.on_failure) = (install, upgrade);
    }
}

/// What to do with the files under `crds/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CrdPolicy {
    Skip,
    /// Under server-side apply this patches existing ones too, as helm-controller does.
    Create,
    CreateReplace,
}

/// Everything a release needs beside itself.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    pub cluster: &'a Cluster,
    pub now: &'a (dyn Fn() -> jiff::Timestamp + Send + Sync),
    /// Where all randomness of the templates comes from.
    pub seed: [u8; 32],
    pub progress: &'a (dyn Fn(Progress<'_>) + Send + Sync),
    pub before_flux: &'a dyn BeforeFlux,
}

/// Told of a release that starts Flux before its objects are applied: from then on Flux may look at it.
pub trait BeforeFlux: Send + Sync {
    /// Gets ready for Flux. The record is as it will be.
    fn prepare<'r>(&'r self, record: &'r Release) -> BoxFuture<'r, Result<(), ReleaseError>>;
}

/// Tells whether applying an object sets Flux to work.
pub fn starts_flux(object: &ObjectRef) -> bool {
    object.kind == "FluxInstance" && object.group() == "fluxcd.controlplane.io"
}

/// Nothing is done before Flux is started.
impl BeforeFlux for () {
    fn prepare<'r>(&'r self, _: &'r Release) -> BoxFuture<'r, Result<(), ReleaseError>> {
        Box::pin(std::future::ready(Ok(())))
    }
}

/// What is going on.
#[derive(Debug)]
pub enum Progress<'a> {
    Doing(&'a str),
    Changed(&'a Change),
    Waiting(&'a [Pending]),
    /// Something beside the release itself went wrong.
    Warning(&'a str),
}

/// What [`ensure`] did.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    pub action: ReleaseAction,
    pub revision: u64,
    pub changes: Vec<Change>,
    /// As it is stored.
    pub record: Release,
}

/// What became of a release.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReleaseAction {
    Installed,
    Upgraded,
    Unchanged,
}

impl ReleaseAction {
    /// Returns the word.
    pub fn as_str(self) -> &'static str {
        match self {
            ReleaseAction::Installed => "installed",
            ReleaseAction::Upgraded => "upgraded",
            ReleaseAction::Unchanged => "unchanged",
        }
    }
}

/// Why a release is not as it should be.
#[derive(Debug, thiserror::Error)]
pub enum ReleaseError {
    /// The chart does not render with these values; the text is Helm's.
    #[error(transparent)]
    Render(Box<helm::RenderError>),
    /// Nothing was rendered, for no fault of chart or values.
    #[error("the render stopped: {0}")]
    Stopped(String),
    /// A rendered document is no Kubernetes object.
    #[error("{path}: {message}")]
    Document { path: String, message: String },
    #[error("{object} belongs to release {owner}: it is not taken over")]
    Ownership { object: Box<ObjectRef>, owner: String },
    /// Helm or Flux is at it.
    #[error(
        "another operation is in progress: revision {revision} is {status}; if whoever began it is gone, it counts as dead after 5 minutes"
    )]
    Busy { revision: u64, status: String },
    #[error("{event} hook {object} failed: {reason}")]
    Hook {
        event: String,
        object: Box<ObjectRef>,
        reason: String,
        /// As in [`WaitError::Timeout`].
        why: Vec<String>,
    },
    /// It failed, and that was undone.
    #[error("{how}")]
    Undone { how: String, source: Box<ReleaseError> },
    /// It is installed, and could not be made known to Flux.
    #[error("handing it over to Flux: {0}")]
    Handoff(String),
    #[error("stored release {secret}")]
    Record { secret: String, source: RecordError },
    #[error(transparent)]
    Wait(#[from] WaitError),
    #[error(transparent)]
    Cluster(#[from] Error),
}

impl ReleaseError {
    /// Returns the code of the contract with modules.
    pub fn code(&self) -> &'static str {
        match self {
            ReleaseError::Render(_) | ReleaseError::Document { .. } => "invalid",
            ReleaseError::Ownership { .. } => "conflict",
            ReleaseError::Busy { .. } => "locked",
            ReleaseError::Hook { .. } | ReleaseError::Wait(WaitError::Failed { .. }) => "failed",
            ReleaseError::Record { .. } | ReleaseError::Stopped(_) => "internal",
            ReleaseError::Handoff(_) => "unavailable",
            ReleaseError::Undone { source, .. } => source.code(),
            ReleaseError::Wait(WaitError::Timeout { .. }) => "timeout",
            ReleaseError::Wait(WaitError::Cluster(error)) | ReleaseError::Cluster(error) => error.code(),
        }
    }

    /// Returns what the cluster says of objects that did not get ready, a line each.
    pub fn why(&self) -> &[String] {
        match self {
            ReleaseError::Undone { source, .. } => source.why(),
            ReleaseError::Hook { why, .. } | ReleaseError::Wait(WaitError::Timeout { why, .. } | WaitError::Failed { why, .. }) => why,
            _ => &[],
        }
    }

    /// Tells whether the same call may succeed later.
    pub fn retryable(&self) -> bool {
        match self {
            ReleaseError::Cluster(error) => error.retryable(),
            ReleaseError::Wait(WaitError::Timeout { .. }) => true,
            ReleaseError::Undone { source, .. } => source.retryable(),
            _ => false,
        }
    }
}
