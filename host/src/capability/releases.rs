//! Helm releases: which and when is the module's, what and how is the host's.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bootstrap::ReleaseRef;
use flux::handoff;
use futures::future::BoxFuture;
use go_encoding::json::{as_floats, map_as_integers};
use helm::release::Release;
use kube_engine::ObjectRef;
use kube_engine::release::{self, Asked, BeforeFlux, Context, Progress, ReleaseError, ReleaseState};
use serde_json::{Map, Value, json};
use wasmtime::component::Resource as Handle;

use super::charts::FetchedChart;
use super::{Answer, Call, Powers, failure, invalid};
use crate::bindings::launchway::bootstrap::{releases, types};
use crate::failure::Blame;
use crate::grant::Access;
use crate::module::StepState;
use crate::release_source::OpenRelease;
use crate::report::Event;

/// A release that a step may install.
pub struct StepRelease {
    open: Arc<OpenRelease>,
}

impl releases::Host for StepState {}

impl releases::HostRelease for StepState {
    async fn from_flux(&mut self, namespace: String, name: String) -> wasmtime::Result<Answer<Handle<StepRelease>>> {
        let powers = self.enter("releases.from-flux")?;
        match from_flux(&powers, ReleaseRef { namespace, name }).await {
            Ok(open) => Ok(Ok(self.push(StepRelease { open })?)),
            Err(failure) => Ok(Err(failure)),
        }
    }

    async fn from_parts(
        &mut self,
        chart: Handle<FetchedChart>,
        namespace: String,
        name: String,
        values: String,
    ) -> wasmtime::Result<Answer<Handle<StepRelease>>> {
        let powers = self.enter("releases.from-parts")?;
        let bytes = values.len();
        let release = ReleaseRef { namespace, name };
        if let Err(denied) = powers.gate.release(&release.to_string()) {
            return Ok(Err(powers.refuse("releases.from-parts", denied)));
        }
        let ReleaseRef { namespace, name } = release.clone();
        let named = ObjectRef { api_version: "v1".into(), kind: "Release".into(), namespace: Some(namespace), name };
        if let Err(wrong) = super::kubernetes::check_reference(&named) {
            return Ok(Err(wrong));
        }
        let values = match serde_json::from_str(&values).map(as_floats) {
            Ok(Value::Object(values)) => values,
            Ok(Value::Null) => Map::new(),
            Ok(_) => return Ok(Err(invalid(format!("release {release}: values must be an object")))),
            Err(error) => return Ok(Err(invalid(format!("release {release}: values are not JSON: {error}")))),
        };
        self.hold(bytes)?;
        let chart = self.table.get(&chart)?;
        let gate = powers.gate.clone();
        // Templates with values of the module are the module's words.
        let lookups = move |asked: &Asked<'_>| {
            let (verb, resource) = (if asked.name.is_some() { "get" } else { "list" }, asked.resource);
            let access = Access { verb, group: &resource.group, resource: &resource.plural, namespace: asked.namespace, name: asked.name };
            gate.kubernetes(access).is_ok()
        };
        let open = Arc::new(powers.releases.of_parts(&chart.fetched, &chart.reference, &release, values, Arc::new(lookups)));
        Ok(Ok(self.push(StepRelease { open })?))
    }

    async fn info(&mut self, this: Handle<StepRelease>) -> wasmtime::Result<String> {
        Ok(self.table.get(&this)?.open.info().to_string())
    }

    async fn values(&mut self, this: Handle<StepRelease>) -> wasmtime::Result<String> {
        Ok(map_as_integers(&self.table.get(&this)?.open.masked).to_string())
    }

    async fn computed_values(&mut self, this: Handle<StepRelease>) -> wasmtime::Result<Answer<String>> {
        let open = &self.table.get(&this)?.open;
        let values = open.computed_values().map_err(|error| invalid(open.hidden.hide(&error)));
        Ok(values.map(|values| values.to_string()))
    }

    async fn render(&mut self, this: Handle<StepRelease>) -> wasmtime::Result<Answer<String>> {
        let (powers, open) = self.release("releases.render", &this)?;
        let rendered = powers.with(&open, async |context| release::render(context, &open.wanted).await).await;
        Ok(rendered.map(|mut rendered| {
            rendered.documents.iter_mut().for_each(|document| document.text = open.hidden.document(&document.text));
            rendered.manifest()
        }))
    }

    async fn objects(&mut self, this: Handle<StepRelease>) -> wasmtime::Result<Answer<Vec<types::ObjectRef>>> {
        let (powers, open) = self.release("releases.objects", &this)?;
        let objects = powers.with(&open, async |context| release::objects(context, &open.wanted).await).await;
        Ok(objects.map(|objects| objects.into_iter().map(Into::into).collect()))
    }

    async fn crds(&mut self, this: Handle<StepRelease>) -> wasmtime::Result<Answer<String>> {
        let (powers, open) = self.release("releases.crds", &this)?;
        let crds = powers.with(&open, async |context| release::crds(context, &open.wanted).await).await;
        Ok(crds.map(|crds| open.hidden.hide(&crds.iter().map(go_encoding::yaml::to_string).collect::<Vec<_>>().join("---\n"))))
    }

    async fn status(&mut self, this: Handle<StepRelease>) -> wasmtime::Result<Answer<String>> {
        let (powers, open) = self.release("releases.status", &this)?;
        let state = powers.with(&open, async |context| release::state(context, &open.wanted).await).await;
        Ok(state.map(|state| status(&state).to_string()))
    }

    async fn ensure(&mut self, this: Handle<StepRelease>) -> wasmtime::Result<Answer<String>> {
        let (powers, open) = self.release("releases.ensure", &this)?;
        Ok(ensure(&powers, &open).await)
    }

    async fn wait_ready(&mut self, this: Handle<StepRelease>, timeout_ms: Option<u64>) -> wasmtime::Result<Answer<()>> {
        let (powers, open) = self.release("releases.wait-ready", &this)?;
        let timeout = timeout_ms.map_or(Duration::MAX, Duration::from_millis).min(powers.time_left());
        Ok(wait_ready(&powers, &open, timeout).await)
    }

    async fn handoff(&mut self, this: Handle<StepRelease>) -> wasmtime::Result<Answer<String>> {
        let (powers, open) = self.release("releases.handoff", &this)?;
        Ok(handoff(&powers, &open).await.map(|decision| decision.to_string()))
    }

    async fn drop(&mut self, this: Handle<StepRelease>) -> wasmtime::Result<()> {
        self.table.delete(this)?;
        Ok(())
    }
}

impl StepState {
    fn release(&mut self, call: &'static str, this: &Handle<StepRelease>) -> wasmtime::Result<(Call, Arc<OpenRelease>)> {
        let powers = self.enter(call)?;
        Ok((powers, self.table.get(this)?.open.clone()))
    }
}

impl Powers {
    /// Runs something of a release with everything it needs.
    async fn with<T>(&self, open: &OpenRelease, run: impl AsyncFnOnce(&Context<'_>) -> Result<T, ReleaseError>) -> Answer<T> {
        let progress = |progress: Progress<'_>| match progress {
            Progress::Doing(text) => self.reporter.activity(&open.wanted.name, text),
            Progress::Changed(change) => self.reporter.changed(change),
            Progress::Waiting(pending) => self.reporter.waiting(pending),
            Progress::Warning(message) => self.reporter.event(&Event::Warning { message }),
        };
        let seeding = Seeding { powers: self, open };
        let context =
            Context { cluster: &self.cluster, now: &jiff::Timestamp::now, seed: open.seed, progress: &progress, before_flux: &seeding };
        run(&context).await.map_err(|error| {
            match &error {
                ReleaseError::Render(cause) => self.reporter.explained(&self.releases.hints(open, cause)),
                error => self.reporter.explained(error.why()),
            }
            of_release(open, &error)
        })
    }
}

/// Makes a release known to Flux, with the namespaces that this needs.
struct Seeding<'a> {
    powers: &'a Powers,
    open: &'a OpenRelease,
}

impl BeforeFlux for Seeding<'_> {
    fn prepare<'r>(&'r self, record: &'r Release) -> BoxFuture<'r, Result<(), ReleaseError>> {
        Box::pin(async move {
            let seeded = self.seed(record).await;
            self.powers.handoff.begins();
            seeded
        })
    }
}

impl Seeding<'_> {
    async fn seed(&self, record: &Release) -> Result<(), ReleaseError> {
        let applied = self.open.spec.iter().flat_map(|spec| &spec.applied);
        let names: BTreeSet<&str> = applied.filter_map(|object| object.pointer("/metadata/namespace")?.as_str()).collect();
        for name in names {
            self.powers.namespaces.ensure(name, &self.powers.reporter).await?;
        }
        self.powers.handoff.seed(self.open, record, &self.powers.reporter).await.map_err(ReleaseError::Handoff)
    }
}

fn of_release(open: &OpenRelease, error: &ReleaseError) -> types::Failure {
    let message = format!("release {}/{}: {}", open.wanted.namespace, open.wanted.name, crate::failure::chain(error));
    types::Failure { code: error.code().into(), message: open.hidden.hide(&message), retryable: error.retryable(), details: None }
}

async fn from_flux(powers: &Call, release: ReleaseRef) -> Answer<Arc<OpenRelease>> {
    powers.gate.release(&release.to_string()).map_err(|denied| powers.refuse("releases.from-flux", denied))?;
    powers.releases.open(&release).await.map_err(|error| {
        let code = if error.blame == Blame::User { "invalid" } else { "unavailable" };
        failure(code, error.message)
    })
}

async fn ensure(powers: &Call, open: &OpenRelease) -> Answer<String> {
    powers.namespaces.ensure(&open.wanted.namespace, &powers.reporter).await?;
    let mut wanted = open.wanted.clone();
    wanted.is_first = powers.namespaces.ensure(&wanted.storage_namespace, &powers.reporter).await?;
    wanted.timeout = powers.time_left();
    if powers.says_how_long {
        wanted.wait_as_long_as_there_is_time();
    }
    if let Some(does) = powers.rolls_back_on_failure {
        wanted.roll_back_on_failure(does);
    }
    let outcome = powers.with(open, async |context| release::ensure(context, &wanted).await).await?;
    Seeding { powers, open }.seed(&outcome.record).await.map_err(|error| of_release(open, &error))?;
    powers.reporter.ensured(&outcome, &open.chart_title());
    let changes: Vec<Value> =
        outcome.changes.iter().map(|change| json!({ "object": change.object.to_string(), "action": change.action.as_str() })).collect();
    let said = json!({ "action": outcome.action.as_str(), "revision": outcome.revision, "changes": changes }).to_string();
    open.keep(outcome.record);
    Ok(said)
}

/// Waits for the revision that this run found or made, else for the stored one.
async fn wait_ready(powers: &Call, open: &OpenRelease, timeout: Duration) -> Answer<()> {
    let record = match open.kept() {
        Some(record) => Some(record),
        None => powers.with(open, async |context| release::stored(context, &open.wanted).await).await?.map(Arc::new),
    };
    let title = || format!("release {}/{} is not installed", open.wanted.namespace, open.wanted.name);
    let record = record.ok_or_else(|| failure("not-found", title()))?;
    powers.with(open, async |context| release::wait_ready(context, &open.wanted, &record, timeout).await).await
}

fn status(state: &ReleaseState) -> Value {
    match state {
        ReleaseState::Absent => json!({ "state": "absent" }),
        ReleaseState::InSync { revision } => json!({ "state": "in-sync", "revision": revision }),
        ReleaseState::OutOfSync { revision, reason } => json!({ "state": "out-of-sync", "revision": revision, "reason": reason }),
        ReleaseState::Pending { revision, status, since } => {
            json!({ "state": "pending", "revision": revision, "reason": format!("{status} since {since}") })
        }
    }
}

/// What helm-controller would decide now: it looks at its HelmRelease's status, and at nothing that Helm itself looks at.
async fn handoff(powers: &Call, open: &OpenRelease) -> Answer<Value> {
    let spec = open.spec.as_ref().ok_or_else(|| failure("unsupported", "only a release of the repository is handed to Flux"))?;
    let reference = ObjectRef {
        api_version: "helm.toolkit.fluxcd.io/v2".into(),
        kind: "HelmRelease".into(),
        namespace: Some(spec.namespace.clone()),
        name: spec.name.clone(),
    };
    let helm_release = powers.cluster.get(&reference).await?;
    let record = powers.with(open, async |context| release::stored(context, &open.wanted).await).await?;
    let stored = record.as_ref().map(|record| {
        let chart = record.chart.as_ref().and_then(|chart| chart.metadata.as_ref());
        handoff::StoredRelease {
            name: record.name.clone(),
            namespace: record.namespace.clone(),
            version: record.version,
            status: record.info.as_ref().map(|info| info.status.clone()).unwrap_or_default(),
            chart_name: chart.map(|chart| chart.name.clone()).unwrap_or_default(),
            chart_version: chart.map(|chart| chart.version.clone()).unwrap_or_default(),
            digest: None,
        }
    });
    let config_digest = flux::config_digest(&open.wanted.values);
    let wanted = handoff::Wanted {
        chart_name: open.wanted.chart.metadata.name.clone(),
        chart_version: chart_version(open, stored.as_ref().map_or("", |stored| &stored.chart_version)),
        config_digest: config_digest.clone(),
        verifies_legacy_snapshots: false,
    };
    let decision = handoff::decide(helm_release.as_ref(), stored.as_ref(), &wanted);
    let (decision, reason) = match decision {
        handoff::Decision::Absent => ("install", String::new()),
        handoff::Decision::InSync => ("in-sync", String::new()),
        handoff::Decision::Upgrade { reason } => ("upgrade", reason),
    };
    Ok(json!({ "decision": decision, "reason": reason, "configDigest": config_digest }))
}

/// Returns the version of the chart that Flux wants. Of one that ends in the revision of its source any revision will do.
fn chart_version(open: &OpenRelease, stored: &str) -> String {
    let version = &open.wanted.chart.metadata.version;
    if !open.wanted.ignores_metadata {
        return version.clone();
    }
    let bare = version.split('+').next().unwrap_or(version);
    match stored.split_once('+') {
        Some((of_stored, _)) if of_stored == bare => stored.to_owned(),
        _ => format!("{bare}+REVISION"),
    }
}

impl From<ObjectRef> for types::ObjectRef {
    fn from(object: ObjectRef) -> Self {
        let ObjectRef { api_version, kind, namespace, name } = object;
        types::ObjectRef { api_version, kind, namespace, name }
    }
}
