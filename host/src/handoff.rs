//! Hands releases over to Flux: the HelmRelease and its source as kustomize-controller will apply them, with the status that
//! helm-controller would have written. It then finds the release in sync and writes nothing.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use flux::seed::{self, Generation, Installed};
use helm::release::Release;
use kube_engine::release::{self, Context};
use kube_engine::wait::{self, Condition};
use kube_engine::{Apply, Cluster, ObjectRef, PatchType, Selection};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use crate::chart_source::ChartSource;
use crate::distribution;
use crate::failure::chain;
use crate::release_source::{OpenRelease, ReleaseSource};
use crate::report::{Event, StepReporter};

/// How releases are handed over.
pub struct Handoff {
    cluster: Cluster,
    charts: Arc<ChartSource>,
    releases: Arc<ReleaseSource>,
    /// `--flux-manifests`
    manifests: Option<PathBuf>,
    mode: OnceCell<Mode>,
    /// A release of this run sets Flux to work.
    has_begun: AtomicBool,
}

/// What is done for a release that Flux does not know yet.
#[derive(Clone, Copy)]
enum Mode {
    Seed(Generation),
    /// Nothing: Flux will run one upgrade, in which no object changes.
    Match,
}

const HELM_RELEASE: &str = "helm.toolkit.fluxcd.io/v2";
/// Who applies what is in the repository.
const KUSTOMIZE: Apply<'static> = Apply { manager: "kustomize-controller", force: true, creates: false, default_namespace: None };
/// Who applies the CRDs of Flux.
const OPERATOR: Apply<'static> = Apply { manager: "flux-operator", force: true, creates: false, default_namespace: None };
/// The chart that makes a FluxInstance.
const INSTANCE: &str = "flux-instance";
const ESTABLISHED: std::time::Duration = std::time::Duration::from_secs(60);

/// A failure, in words for a person.
type Said = String;

impl Handoff {
    /// Returns the handoff of a run; with `seed` releases are made known to Flux before it runs.
    pub fn new(cluster: Cluster, charts: Arc<ChartSource>, releases: Arc<ReleaseSource>, seed: bool, manifests: Option<PathBuf>) -> Self {
        let mode = if seed { OnceCell::new() } else { OnceCell::from(Mode::Match) };
        Handoff { cluster, charts, releases, manifests, mode, has_begun: AtomicBool::new(false) }
    }

    /// Notes that Flux will run from now on, and look at releases itself.
    pub fn begins(&self) {
        self.has_begun.store(true, Ordering::Relaxed);
    }

    /// Makes a deployed release known to Flux, unless Flux knows it.
    pub async fn seed(&self, open: &OpenRelease, record: &Release, reporter: &StepReporter) -> Result<(), Said> {
        let is_over = matches!(self.mode.get(), Some(Mode::Match)) || self.has_begun.load(Ordering::Relaxed);
        // The version of its chart is not known before Flux has the source: a warning said so.
        let Some(spec) = open.spec.as_ref().filter(|spec| !is_over && !spec.takes_revision) else { return Ok(()) };
        let reference = ObjectRef {
            api_version: HELM_RELEASE.into(),
            kind: "HelmRelease".into(),
            namespace: Some(spec.namespace.clone()),
            name: spec.name.clone(),
        };
        let is_digest = |told: &str| [Generation::Helm3, Generation::Helm4].iter().any(|it| digest(open, record, *it) == told);
        let known = |live: &Value| seed::knows(live, is_digest);
        if self.cluster.get(&reference).await.map_err(said)?.is_some_and(|live| known(&live)) {
            return Ok(());
        }
        let Mode::Seed(generation) = *self.mode.get_or_try_init(|| self.prepare(reporter)).await? else { return Ok(()) };
        let mut live = None;
        for applied in self.cluster.apply_new(&spec.applied, &KUSTOMIZE).await.map_err(said)? {
            reporter.changed(&applied.change);
            live = live.or_else(|| (applied.change.object == reference).then_some(applied.object));
        }
        let live = live.ok_or_else(|| format!("{reference} is not among what Flux applies"))?;
        if known(&live) {
            return Ok(());
        }
        let installed = self.installed(open, record, generation).await?;
        let status = seed::seeded_status(&live, &installed, generation, &jiff::Timestamp::now().to_string());
        let patch = json!({ "status": status });
        let patched = self.cluster.patch_known(&reference, Some(&live), PatchType::Merge, &patch, Some("status"), release::MANAGER);
        patched.await.map_err(said)?;
        Ok(())
    }

    /// Decides how to hand over, and makes the kinds known that this needs.
    async fn prepare(&self, reporter: &StepReporter) -> Result<Mode, Said> {
        let matched = |why: String| {
            let message = format!("{why}: when Flux takes the releases over it will run one upgrade each, in which no object changes");
            reporter.event(&Event::Warning { message: &message });
            Ok(Mode::Match)
        };
        let controllers = Selection {
            api_version: "apps/v1".into(),
            kind: "Deployment".into(),
            label_selector: Some("app.kubernetes.io/component=helm-controller".into()),
            ..Selection::default()
        };
        if !self.cluster.list(&controllers).await.map_err(said)?.is_empty() {
            return matched("Flux runs already".into());
        }
        let instance = match self.instance().await {
            Ok(Some(instance)) => instance,
            Ok(None) => return matched("neither a release of this run nor the tree of Flux has a FluxInstance".into()),
            Err(message) => return matched(format!("which FluxInstance this run makes is not known yet: {message}")),
        };
        let found = match distribution::fetch(&instance, self.manifests.as_deref(), &self.charts).await {
            Ok(found) => found,
            Err(message) => return matched(format!("the manifests of Flux are not at hand (--flux-manifests FILE gives them): {message}")),
        };
        let Some(generation) = Generation::proved(&found.helm_controller) else {
            return matched(format!("helm-controller {} was not tried with releases that it did not install", found.helm_controller));
        };
        self.define(&found.crds, reporter).await?;
        Ok(Mode::Seed(generation))
    }

    /// Returns the FluxInstance that a release of the run will make, else that of the tree, which a step may apply or somebody after this run. A
    /// release that does not render yet is none that makes one, unless it is named after it.
    async fn instance(&self) -> Result<Option<Value>, Said> {
        let mut opened = self.releases.opened().await;
        opened.sort_by_key(|open| open.wanted.chart.metadata.name != INSTANCE);
        for open in opened {
            let context =
                Context { cluster: &self.cluster, now: &jiff::Timestamp::now, seed: open.seed, progress: &|_| {}, before_flux: &() };
            let rendered = match release::render(&context, &open.wanted).await {
                Err(error) if open.wanted.chart.metadata.name == INSTANCE => return Err(chain(&error)),
                Err(_) => continue,
                Ok(rendered) => rendered,
            };
            let Some(document) = rendered.documents.iter().find(|document| document.kind == "FluxInstance") else { continue };
            return go_encoding::yaml::parse(&document.text).map(Some).map_err(|error| error.to_string());
        }
        self.releases.tree().ok().and_then(flux::Tree::flux_instance).transpose()
    }

    async fn define(&self, crds: &[Value], reporter: &StepReporter) -> Result<(), Said> {
        let established: Condition = "condition=Established".parse()?;
        let applied = self.cluster.apply_new(crds, &OPERATOR).await.map_err(said)?;
        applied.iter().for_each(|applied| reporter.changed(&applied.change));
        let wanted: Vec<_> = applied.iter().map(|applied| (applied.change.object.clone(), established.clone())).collect();
        let seen: Vec<_> = applied.into_iter().map(|applied| (applied.change.object, applied.object)).collect();
        let waited = wait::until_since(&self.cluster, &wanted, &seen, ESTABLISHED, &|pending| reporter.waiting(pending)).await;
        waited.map(drop).map_err(|error| chain(&error))
    }

    async fn installed(&self, open: &OpenRelease, record: &Release, generation: Generation) -> Result<Installed, Said> {
        let metadata = record.chart.as_ref().and_then(|chart| chart.metadata.clone()).unwrap_or_default();
        let info = record.info.clone().unwrap_or_default();
        let objects = release::inventory(&self.cluster, record, &open.wanted).await.map_err(|error| chain(&error))?;
        let entry =
            |object: &ObjectRef| seed::inventory_entry(&object.api_version, &object.kind, object.namespace.as_deref(), &object.name);
        Ok(Installed {
            name: record.name.clone(),
            namespace: record.namespace.clone(),
            version: record.version,
            chart_name: metadata.name,
            chart_version: metadata.version,
            app_version: metadata.app_version,
            first_deployed: info.first_deployed.unwrap_or_default(),
            last_deployed: info.last_deployed.unwrap_or_default(),
            digest: digest(open, record, generation),
            config_digest: flux::config_digest(&open.wanted.values),
            oci_digest: open.oci_digest().map(str::to_owned),
            inventory: objects.iter().map(entry).collect(),
        })
    }
}

/// Returns the digest by which a helm-controller knows a record.
fn digest(open: &OpenRelease, record: &Release, generation: Generation) -> String {
    let observation = match generation {
        Generation::Helm3 => record.as_helm3().observation(open.oci_digest()),
        Generation::Helm4 => record.observation(open.oci_digest()),
    };
    flux::sha256(observation.as_bytes())
}

fn said(error: kube_engine::Error) -> Said {
    chain(&error)
}
