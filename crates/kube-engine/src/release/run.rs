//! Install, upgrade or nothing.

use std::time::{Duration, Instant};

use futures::StreamExt;
use helm::release::{Info, Release, rfc3339};
use serde_json::Value;

use super::hooks::Hooks;
use super::render::render_revision;
use super::{
    APPLY, ActionOptions, ApplyMethod, Context, CrdPolicy, MANAGER, Outcome, Progress, ReleaseAction, ReleaseError, ReleaseState, Wait,
    Wanted, decide, documents, starts_flux, storage, undo,
};
use crate::cluster::{Applied, Apply, Cluster, Propagation, holds};
use crate::error::Error;
use crate::lookup::OVERLAP;
use crate::object::{Action, Change, ObjectRef};
use crate::status;
use crate::wait::{self, Pending};

/// How long CRDs of a chart may take to be established (`pkg/action/install.go`).
const ESTABLISHED: Duration = Duration::from_secs(60);

/// Returns how the release stands. Only reads.
pub async fn state(context: &Context<'_>, wanted: &Wanted) -> Result<ReleaseState, ReleaseError> {
    let history = storage::history(context, wanted).await?;
    Ok(decide(history.last(), wanted))
}

/// Returns the newest stored revision.
pub async fn stored(context: &Context<'_>, wanted: &Wanted) -> Result<Option<Release>, ReleaseError> {
    Ok(storage::history(context, wanted).await?.pop())
}

/// Makes the release what it should be. Writes nothing when it is.
pub async fn ensure(context: &Context<'_>, wanted: &Wanted) -> Result<Outcome, ReleaseError> {
    let clock = Clock::of(wanted.timeout, Duration::MAX);
    let mut history = if wanted.is_first { Vec::new() } else { storage::history_at_rest(context, wanted, clock).await? };
    // A run that died leaves its revision pending: it is done over, under the same number.
    let mut stale = None;
    match decide(history.last(), wanted) {
        ReleaseState::InSync { revision } => {
            let record = history.pop().unwrap_or_default();
            return Ok(Outcome { action: ReleaseAction::Unchanged, revision, changes: Vec::new(), record });
        }
        ReleaseState::Pending { .. } => stale = history.pop(),
        ReleaseState::Absent | ReleaseState::OutOfSync { .. } => {}
    }
    let revision = stale.as_ref().map_or_else(|| history.last().map_or(0, |release| release.version) + 1, |stale| stale.version);
    let current = current(&history);
    let (verb, options, action) = match current {
        Some(_) => (Verb::Upgrade, wanted.upgrade, ReleaseAction::Upgraded),
        None => (Verb::Install, wanted.install, ReleaseAction::Installed),
    };
    let replaced = current.into_iter().filter(|current| storage::status(current) == "deployed").collect();
    let (history, stale, clock) = (&history, stale.as_ref(), clock.with_waits_of(options.timeout));
    let mut run = Run {
        context,
        wanted,
        verb,
        options,
        history,
        current,
        replaced,
        stale,
        began: None,
        changes: Vec::new(),
        seen: Vec::new(),
        clock,
    };
    let record = match run.render_and_go(revision).await {
        // Somebody was faster.
        Err(ReleaseError::Cluster(error)) if wanted.is_first && run.began.is_none() && error.code() == "already-exists" => {
            return Box::pin(ensure(context, &Wanted { is_first: false, ..wanted.clone() })).await;
        }
        went => went?,
    };
    Ok(Outcome { action, revision: u64::try_from(revision).unwrap_or(0), changes: run.changes, record })
}

/// Returns the revision that an upgrade starts from: the deployed one, else a failed or superseded last one (`pkg/action/upgrade.go`).
fn current(history: &[Release]) -> Option<&Release> {
    let deployed = history.iter().rev().find(|release| storage::status(release) == "deployed");
    deployed.or_else(|| history.last().filter(|release| matches!(storage::status(release), "failed" | "superseded")))
}

/// What is done to a release.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    Install,
    Upgrade,
    Rollback,
}

impl Verb {
    /// Returns the word in the names of hooks and of the pending status.
    fn word(self) -> &'static str {
        match self {
            Verb::Install => "install",
            Verb::Upgrade => "upgrade",
            Verb::Rollback => "rollback",
        }
    }

    /// Returns what the record says of a failure.
    fn failed(self, name: &str, error: &ReleaseError) -> String {
        let what = match (self, error) {
            (Verb::Install, _) | (Verb::Rollback, ReleaseError::Wait(_)) => "Release",
            (Verb::Upgrade, _) => "Upgrade",
            (Verb::Rollback, _) => "Rollback",
        };
        format!("{what} \"{name}\" failed: {error}")
    }
}

/// One install, upgrade or rollback.
pub(super) struct Run<'a> {
    pub(super) context: &'a Context<'a>,
    pub(super) wanted: &'a Wanted,
    pub(super) verb: Verb,
    pub(super) options: ActionOptions,
    pub(super) history: &'a [Release],
    /// The revision it starts from.
    pub(super) current: Option<&'a Release>,
    /// Those that are no longer deployed once this one is.
    pub(super) replaced: Vec<&'a Release>,
    /// The revision that is done over.
    pub(super) stale: Option<&'a Release>,
    /// The resourceVersion of its record as it was first stored.
    pub(super) began: Option<u64>,
    pub(super) changes: Vec<Change>,
    /// What was applied, as the server answered, but for what is ready by being there.
    pub(super) seen: Vec<(ObjectRef, Value)>,
    pub(super) clock: Clock,
}

/// The time that a run has. All its waits share it: each ends by itself, and says why, before whoever asked for the run gives up.
#[derive(Clone, Copy)]
pub(super) struct Clock {
    end: Instant,
    /// How long one wait may take.
    each: Duration,
}

impl Clock {
    /// What a wait gets when nothing is left: enough to see how things stand.
    const LEAST: Duration = Duration::from_secs(2);

    pub(super) fn of(time: Duration, each: Duration) -> Clock {
        // Nobody waits for longer than a year.
        Clock { end: Instant::now() + time.min(Duration::from_secs(365 * 24 * 3600)), each }
    }

    fn with_waits_of(self, each: Duration) -> Clock {
        Clock { each, ..self }
    }

    pub(super) fn is_over(self) -> bool {
        Instant::now() >= self.end
    }

    /// Returns how long a wait that begins now may take.
    pub(super) fn left(self) -> Duration {
        self.end.saturating_duration_since(Instant::now()).max(Clock::LEAST).min(self.each)
    }
}

/// What makes an object the same one, in whatever version it is written.
type Identity<'a> = (&'a str, &'a str, Option<&'a str>, &'a str);

fn identity(reference: &ObjectRef) -> Identity<'_> {
    (reference.group(), &reference.kind, reference.namespace.as_deref(), &reference.name)
}

/// An object that is to be applied.
pub(super) struct Target {
    reference: ObjectRef,
    object: Value,
    /// As it was when the release began; none where it was not there, or nobody looked.
    live: Option<Value>,
}

/// Returns what is applied together: neighbours in Helm's order of which none needs another one to be accepted, or to work from the start. A binding
/// needs its role, a workload what it mounts, a custom resource its definition.
fn stage(kind: &str) -> &str {
    match kind {
        "Secret" | "ConfigMap" | "CustomResourceDefinition" | "ClusterRole" => "contents, kinds and roles",
        "ClusterRoleBinding" | "Role" => "bindings of cluster roles, and roles",
        "RoleBinding" | "Service" => "bindings of roles, and services",
        "DaemonSet" | "Deployment" | "HorizontalPodAutoscaler" | "StatefulSet" => "workloads",
        other => other,
    }
}

impl Run<'_> {
    async fn render_and_go(&mut self, revision: i64) -> Result<Release, ReleaseError> {
        let (context, wanted) = (self.context, self.wanted);
        self.crds(self.options.crds).await?;
        (context.progress)(Progress::Doing("rendering"));
        let (request, rendered) = render_revision(context, wanted, revision, self.verb == Verb::Upgrade).await?;
        let targets = self.targets(documents::of_documents(&rendered.documents)?).await?;
        let description = if self.verb == Verb::Upgrade { "Preparing upgrade" } else { "Initial install underway" };
        let mut release =
            Release::new(&request, &rendered, self.begun(description.into()), if self.is_client_side() { "csa" } else { "ssa" });
        // What a person labelled stays so; a first install has nothing to take over.
        let before = self.stale.or(self.current.and(self.history.last()));
        release.labels = before.map(|before| before.labels.clone()).unwrap_or_default();
        match self.stale {
            Some(_) => storage::update(context, wanted, &release).await?,
            None => self.began = wait::version(&storage::create(context, wanted, &release, self.history).await?),
        }
        match self.go(&mut release, &targets).await {
            Ok(()) => Ok(release),
            Err(error) if storage::status(&release) == "failed" => Err(undo::after(self, &release, error).await),
            Err(error) => Err(error),
        }
    }

    /// Returns the state of a revision that begins.
    pub(super) fn begun(&self, description: String) -> Info {
        let now = stamp_time(self.context);
        let first = self.current.and_then(|release| release.info.as_ref()?.first_deployed.clone()).unwrap_or_else(|| now.clone());
        let status = format!("pending-{}", self.verb.word());
        Info { first_deployed: Some(first), last_deployed: Some(now), description, status, ..Info::default() }
    }

    /// Does what is recorded as begun, and records how it ended.
    pub(super) async fn go(&mut self, release: &mut Release, targets: &[Target]) -> Result<(), ReleaseError> {
        let before = self.changes.len();
        let Err(error) = self.carry_out(release, targets).await else { return Ok(()) };
        // Once it is deployed Flux may be looking at it already.
        if storage::status(release) != "deployed" {
            let info = release.info.get_or_insert_default();
            (info.status, info.description) = ("failed".into(), self.verb.failed(&self.wanted.name, &error));
            if let Err(unrecorded) = storage::update(self.context, self.wanted, release).await {
                (self.context.progress)(Progress::Warning(&format!("that it failed could not be recorded: {unrecorded}")));
            }
            if self.options.cleanup_on_fail {
                self.clean_up(before).await;
            }
        }
        Err(error)
    }

    /// Deletes what the release created after so many changes.
    async fn clean_up(&mut self, before: usize) {
        let created: Vec<ObjectRef> =
            self.changes[before..].iter().filter(|change| change.action == Action::Created).map(|change| change.object.clone()).collect();
        for object in created {
            match self.context.cluster.delete(&object, Propagation::Background).await {
                Ok(change) => self.changed(change),
                Err(left) => (self.context.progress)(Progress::Warning(&format!("cleaning up: {left}"))),
            }
        }
    }

    /// Returns the objects stamped, with the names they will have, after a look at who owns what is there already. An object that is there and
    /// belongs to another release is refused, unless ownership is taken.
    pub(super) async fn targets(&self, mut objects: Vec<Value>) -> Result<Vec<Target>, ReleaseError> {
        let cluster = self.context.cluster;
        let mut references = Vec::with_capacity(objects.len());
        for object in &mut objects {
            documents::stamp(object, self.wanted);
            references.push(cluster.target(object, Some(&self.wanted.namespace)).await?.0);
        }
        let live = match self.verb {
            Verb::Install if self.is_blind() => vec![None; references.len()],
            Verb::Install => cluster.get_new(&references).await?,
            Verb::Upgrade | Verb::Rollback => cluster.get_each(&references).await?,
        };
        let target = |((reference, object), live): ((ObjectRef, Value), Option<Value>)| match live
            .as_ref()
            .filter(|_| !self.options.take_ownership)
            .and_then(|live| documents::foreign_owner(live, self.wanted))
        {
            Some(owner) => Err(ReleaseError::Ownership { object: Box::new(reference), owner }),
            None => Ok(Target { reference, object, live }),
        };
        references.into_iter().zip(objects).zip(live).map(target).collect()
    }

    async fn carry_out(&mut self, release: &mut Release, targets: &[Target]) -> Result<(), ReleaseError> {
        let (context, verb) = (self.context, self.verb.word());
        // A rollback finds it started.
        let starts_flux = self.verb != Verb::Rollback && targets.iter().any(|target| starts_flux(&target.reference));
        self.hooks(release, &format!("pre-{verb}"), true).await?;
        if starts_flux {
            context.before_flux.prepare(&self.deployed(release)).await?;
        }
        (context.progress)(Progress::Doing("applying"));
        for batch in targets.chunk_by(|a, b| stage(&a.reference.kind) == stage(&b.reference.kind)) {
            self.apply(batch).await?;
        }
        self.remove(targets).await?;
        if starts_flux {
            // Flux must not find it unfinished, and its objects are ready only once Flux is.
            self.settle(release).await?;
        }
        let awaited = targets.iter().filter(|target| is_awaited(&target.object, self.options.wait));
        let references: Vec<ObjectRef> = awaited.map(|target| target.reference.clone()).collect();
        (context.progress)(Progress::Doing("waiting until its objects are ready"));
        ready(context, references, &self.seen, self.clock.left()).await?;
        let event = format!("post-{verb}");
        if starts_flux {
            // Flux knows the record by its digest: how its hooks went is not noted any more.
            return self.hooks(&mut release.clone(), &event, false).await;
        }
        self.hooks(release, &event, true).await?;
        self.settle(release).await
    }

    async fn hooks(&self, release: &mut Release, event: &str, is_recorded: bool) -> Result<(), ReleaseError> {
        if self.options.disable_hooks {
            return Ok(());
        }
        let creates = self.is_client_side();
        Hooks { context: self.context, wanted: self.wanted, event, clock: self.clock, creates, is_recorded }.run(release).await
    }

    /// Records the release as deployed, and those before it as superseded.
    async fn settle(&self, release: &mut Release) -> Result<(), ReleaseError> {
        for old in &self.replaced {
            storage::supersede(self.context, self.wanted, old).await?;
        }
        *release = self.deployed(release);
        storage::update(self.context, self.wanted, release).await
    }

    /// Returns the record of a release that is done.
    fn deployed(&self, release: &Release) -> Release {
        let mut release = release.clone();
        let info = release.info.get_or_insert_default();
        info.status = "deployed".into();
        match self.verb {
            Verb::Install => info.description = "Install complete".into(),
            Verb::Upgrade => info.description = "Upgrade complete".into(),
            // It says where it came from.
            Verb::Rollback => {}
        }
        release
    }

    /// Applies objects of one stage at once, as Helm does those of one kind (`pkg/kube/client.go`, batchPerform).
    async fn apply(&mut self, batch: &[Target]) -> Result<(), ReleaseError> {
        let requests: Vec<_> = batch.iter().map(|target| self.apply_one(target)).collect();
        let mut applied = futures::stream::iter(requests).buffered(OVERLAP);
        let (mut changes, mut seen, mut failed) = (Vec::new(), Vec::new(), None);
        while let Some(applied) = applied.next().await {
            match applied {
                Ok(applied) => {
                    (self.context.progress)(Progress::Changed(&applied.change));
                    if !status::is_ready_once_there(&applied.object) {
                        seen.push((applied.change.object.clone(), applied.object));
                    }
                    changes.push(applied.change);
                }
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        drop(applied);
        self.changes.append(&mut changes);
        self.seen.append(&mut seen);
        failed.map_or(Ok(()), |error| Err(error.into()))
    }

    async fn apply_one(&self, target: &Target) -> Result<Applied, Error> {
        let cluster = self.context.cluster;
        if self.is_blind() {
            return self.apply_blindly(target).await;
        }
        if let Some(live) = target.live.as_ref().filter(|live| self.is_left_over(live, &target.object)) {
            let change = Change { object: target.reference.clone(), action: Action::Unchanged };
            return Ok(Applied { change, object: live.clone() });
        }
        if let Some(live) = target.live.as_ref().filter(|_| self.may_follow_client_side()) {
            cluster.hand_updates_to_applies(&target.reference, live, MANAGER).await?;
        }
        let options = Apply { default_namespace: Some(&self.wanted.namespace), creates: self.is_client_side(), ..APPLY };
        cluster.apply_known(&target.object, &options, target.live.as_ref()).await
    }

    /// Tells whether nobody looks at what is there before it is applied: in a first install that is nothing, mostly, and would be taken over.
    fn is_blind(&self) -> bool {
        self.verb == Verb::Install && self.options.take_ownership && self.stale.is_none() && !self.is_client_side()
    }

    async fn apply_blindly(&self, target: &Target) -> Result<Applied, Error> {
        let cluster = self.context.cluster;
        let options = Apply { default_namespace: Some(&self.wanted.namespace), ..APPLY };
        let mut applied = cluster.apply_unseen(&target.object, &options).await?;
        if applied.change.action == Action::Created {
            return Ok(applied);
        }
        // One etcd counts the versions of all kinds; where there are several, it may be said that something changed which did not.
        if wait::version(&applied.object).zip(self.began).is_some_and(|(version, began)| version < began) {
            applied.change.action = Action::Unchanged;
        }
        if cluster.hand_updates_to_applies(&target.reference, &applied.object, MANAGER).await? {
            applied.object = cluster.apply_unseen(&target.object, &options).await?.object;
            applied.change.action = Action::Configured;
        }
        Ok(applied)
    }

    /// Tells whether the release is one that is applied on the client's side.
    pub(super) fn is_client_side(&self) -> bool {
        let was_before = || self.current.is_some_and(|current| current.apply_method == "csa");
        match (self.verb, self.options.apply) {
            (_, ApplyMethod::Client) => true,
            (Verb::Upgrade | Verb::Rollback, ApplyMethod::AsBefore) => self.wanted.install.apply == ApplyMethod::Client && was_before(),
            _ => false,
        }
    }

    /// Tells whether an object is there as a run on the client's side that died has made it: Helm sends no patch that changes nothing.
    fn is_left_over(&self, live: &Value, object: &Value) -> bool {
        self.is_client_side() && self.verb == Verb::Install && holds(live, object)
    }

    /// Tells whether objects may have been applied on the client's side (`pkg/action`, where ClientUpdateOptionUpgradeClientSideFieldManager
    /// is set).
    fn may_follow_client_side(&self) -> bool {
        match self.verb {
            Verb::Upgrade => self.current.is_some_and(|current| matches!(current.apply_method.as_str(), "" | "csa")),
            Verb::Install | Verb::Rollback => true,
        }
    }

    /// Deletes what the release no longer has: of the revision it starts from, and of one that a run which died began.
    async fn remove(&mut self, targets: &[Target]) -> Result<(), ReleaseError> {
        let revisions = self.current.map(|current| (current, false)).into_iter().chain(self.stale.map(|stale| (stale, true)));
        for (revision, is_stale) in revisions {
            for reference in references(self.context.cluster, &documents::of_manifest(&revision.manifest)?, &self.wanted.namespace).await? {
                // An object that was written in another version of its kind is still the same one (helm/helm#31768).
                if targets.iter().any(|target| identity(&target.reference) == identity(&reference)) {
                    continue;
                }
                let Some(live) = self.context.cluster.get(&reference).await? else { continue };
                // The run that died may not have come to it, and somebody else made it since.
                if documents::is_kept(&live) || is_stale && !documents::is_owned(&live, self.wanted) {
                    continue;
                }
                let change = self.context.cluster.delete(&reference, Propagation::Background).await?;
                self.changed(change);
            }
        }
        Ok(())
    }

    /// Applies the files under `crds/` and waits until they are established.
    async fn crds(&mut self, policy: CrdPolicy) -> Result<(), ReleaseError> {
        if policy == CrdPolicy::Skip {
            return Ok(());
        }
        let mut definitions = chart_crds(self.wanted)?;
        if policy == CrdPolicy::Create && self.is_client_side() {
            definitions = self.context.cluster.absent(definitions).await?;
        }
        if definitions.is_empty() {
            return Ok(());
        }
        (self.context.progress)(Progress::Doing("applying CRDs"));
        let applied = self.context.cluster.apply_new(&definitions, &Apply { creates: self.is_client_side(), ..APPLY }).await?;
        let wait_for = applied.iter().map(|applied| applied.change.object.clone()).collect();
        let mut seen = Vec::with_capacity(applied.len());
        for Applied { change, object } in applied {
            seen.push((change.object.clone(), object));
            self.changed(change);
        }
        ready(self.context, wait_for, &seen, ESTABLISHED.min(self.clock.left())).await
    }

    pub(super) fn changed(&mut self, change: Change) {
        (self.context.progress)(Progress::Changed(&change));
        self.changes.push(change);
    }
}

/// Returns the CRDs under `crds/` of the chart and its enabled dependencies, as objects. What else lies there is left out, as
/// helm-controller does.
fn chart_crds(wanted: &Wanted) -> Result<Vec<Value>, ReleaseError> {
    let mut chart = (*wanted.chart).clone();
    helm::values::process_dependencies(&mut chart, &wanted.values, &wanted.compat)
        .map_err(|error| ReleaseError::Render(Box::new(helm::RenderError::Values(error.to_string()))))?;
    let files = chart.crds();
    let texts: Vec<(String, String)> =
        files.iter().map(|file| (file.path.clone(), String::from_utf8_lossy(&file.data).into_owned())).collect();
    let objects = documents::parse(texts.iter().map(|(path, text)| (path.as_str(), text.as_str())))?;
    let labelled = |mut definition: Value| {
        documents::label(&mut definition, &wanted.crd_labels);
        definition
    };
    Ok(objects.into_iter().filter(is_crd).map(labelled).collect())
}

fn is_crd(object: &Value) -> bool {
    object.get("kind").and_then(Value::as_str) == Some("CustomResourceDefinition")
}

/// Returns the CRDs of the chart: those under `crds/`, then those among its templates.
pub async fn crds(context: &Context<'_>, wanted: &Wanted) -> Result<Vec<Value>, ReleaseError> {
    let mut found = chart_crds(wanted)?;
    let rendered = super::render(context, wanted).await?;
    let crds = rendered.documents.into_iter().filter(|document| document.kind == "CustomResourceDefinition").collect::<Vec<_>>();
    found.extend(documents::of_documents(&crds)?);
    Ok(found)
}

/// Returns the objects of the release in install order: of the deployed revision, or of a render where nothing is deployed.
pub async fn objects(context: &Context<'_>, wanted: &Wanted) -> Result<Vec<ObjectRef>, ReleaseError> {
    let history = storage::history(context, wanted).await?;
    let objects = match history.iter().rev().find(|release| storage::status(release) == "deployed") {
        Some(deployed) => documents::of_manifest(&deployed.manifest)?,
        None => documents::of_documents(&super::render(context, wanted).await?.documents)?,
    };
    references(context.cluster, &objects, &wanted.namespace).await
}

pub(super) async fn references(cluster: &Cluster, objects: &[Value], namespace: &str) -> Result<Vec<ObjectRef>, ReleaseError> {
    let mut references = Vec::with_capacity(objects.len());
    for object in objects {
        references.push(documents::reference(cluster, object, namespace).await?);
    }
    Ok(references)
}

/// Returns what a stored release consists of: the objects of its manifest, then the CRDs under `crds/` of its chart.
pub async fn inventory(cluster: &Cluster, release: &Release, wanted: &Wanted) -> Result<Vec<ObjectRef>, ReleaseError> {
    let mut references = manifest_objects(cluster, release).await?;
    references.extend(self::references(cluster, &chart_crds(wanted)?, &wanted.namespace).await?);
    Ok(references)
}

/// Returns the objects of a stored release's manifest.
pub async fn manifest_objects(cluster: &Cluster, release: &Release) -> Result<Vec<ObjectRef>, ReleaseError> {
    references(cluster, &documents::of_manifest(&release.manifest)?, &release.namespace).await
}

/// Waits until every object of a stored release is ready that an install or upgrade waits for.
pub async fn wait_ready(context: &Context<'_>, wanted: &Wanted, release: &Release, timeout: Duration) -> Result<(), ReleaseError> {
    let mut objects = documents::of_manifest(&release.manifest)?;
    let options = if release.version > 1 { wanted.upgrade } else { wanted.install };
    objects.retain(|object| is_awaited(object, options.wait));
    let mut awaited = Vec::new();
    for (reference, object) in references(context.cluster, &objects, &release.namespace).await?.into_iter().zip(&objects) {
        // It ran, and Kubernetes cleaned up behind it.
        if status::ends_in_nothing(object) && context.cluster.get(&reference).await?.is_none() {
            continue;
        }
        awaited.push(reference);
    }
    ready(context, awaited, &[], timeout).await
}

/// Tells whether an object is waited for. One that is ready once it is there needs no second look.
fn is_awaited(object: &Value, wait: Wait) -> bool {
    let is_job = || object.get("kind").is_some_and(|kind| kind == "Job");
    match wait {
        Wait::Nothing => false,
        Wait::AllButJobs if is_job() => false,
        Wait::AllButJobs | Wait::All => !status::is_ready_once_there(object),
    }
}

async fn ready(
    context: &Context<'_>,
    references: Vec<ObjectRef>,
    seen: &[(ObjectRef, Value)],
    timeout: Duration,
) -> Result<(), ReleaseError> {
    until("ready", context, references, seen, timeout).await
}

/// Waits until objects fulfil a condition, from what was seen of them on.
pub(super) async fn until(
    condition: &str,
    context: &Context<'_>,
    references: Vec<ObjectRef>,
    seen: &[(ObjectRef, Value)],
    timeout: Duration,
) -> Result<(), ReleaseError> {
    if references.is_empty() {
        return Ok(());
    }
    let condition: wait::Condition = condition.parse().map_err(|message| ReleaseError::Document { path: String::new(), message })?;
    let wanted: Vec<_> = references.into_iter().map(|reference| (reference, condition.clone())).collect();
    let progress = |pending: &[Pending]| (context.progress)(Progress::Waiting(pending));
    wait::until_since(context.cluster, &wanted, seen, timeout, &progress).await?;
    Ok(())
}

/// Returns the time as Helm stores it.
pub(super) fn stamp_time(context: &Context<'_>) -> String {
    let now = (context.now)();
    rfc3339(now.as_second(), u32::try_from(now.subsec_nanosecond()).unwrap_or(0))
}

impl Outcome {
    /// Returns how many objects a change of this kind happened to.
    pub fn count(&self, action: Action) -> usize {
        self.changes.iter().filter(|change| change.action == action).count()
    }
}

#[cfg(test)]
mod tests {
    use super::stage;

    #[test]
    fn a_stage_has_nothing_that_another_one_of_it_needs() {
        for (needed, needs) in [
            ("Namespace", "ServiceAccount"),
            ("ServiceAccount", "Secret"),
            ("StorageClass", "PersistentVolumeClaim"),
            ("ConfigMap", "Deployment"),
            ("ClusterRole", "ClusterRoleBinding"),
            ("Role", "RoleBinding"),
            ("Service", "Deployment"),
            ("CustomResourceDefinition", "Widget"),
            ("Widget", "Gadget"),
        ] {
            assert_ne!(stage(needed), stage(needs), "{needs} needs {needed}");
        }
        assert_eq!(stage("Secret"), stage("ConfigMap"));
    }
}
