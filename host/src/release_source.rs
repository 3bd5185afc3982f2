//! Releases by name: what the repository says of them, with the chart at hand.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock, PoisonError};

use bootstrap::ReleaseRef;
use charts::Fetched;
use flux::{ReleaseSpec, Tree};
use go_encoding::json::map_as_integers;
use helm::release::Release;
use helm::{HelmCompat, RenderError};
use kube_engine::ObjectRef;
use kube_engine::release::{ActionOptions, ApplyMethod, CrdPolicy, Lookups, OnFailure, UndoOptions, Wait, Wanted};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use tokio::sync::Mutex;

use crate::chart_source::ChartSource;
use crate::disclosed::Disclosed;
use crate::failure::{Failure, chain};
use crate::hidden::Hidden;
use crate::hints;
use crate::post_render;
use crate::repository::Repository;
use crate::values_files;

/// The releases of the repository.
pub struct ReleaseSource {
    repository: Arc<Repository>,
    flux_path: Option<String>,
    charts: Arc<ChartSource>,
    compat: HelmCompat,
    seed: [u8; 32],
    /// None where nobody means to decrypt: what is encrypted is no fault then.
    disclosed: Option<Disclosed>,
    tree: OnceLock<Result<Tree, String>>,
    opened: Mutex<BTreeMap<ReleaseRef, Arc<OpenRelease>>>,
}

/// A release with its chart.
pub struct OpenRelease {
    pub wanted: Wanted,
    /// Its values as modules see them: what is secret in them is masked.
    pub masked: Map<String, Value>,
    /// What else modules do not see of it.
    pub hidden: Hidden,
    /// None for a release that a module put together itself.
    pub spec: Option<ReleaseSpec>,
    pub chart_reference: String,
    pub chart_digest: Option<String>,
    /// The digest is that of the manifest of an OCIRepository, which Flux keeps with the release.
    is_tracked: bool,
    /// Where all randomness of its templates comes from.
    pub seed: [u8; 32],
    /// The revision that this run found or made.
    record: std::sync::Mutex<Option<Arc<Release>>>,
}

impl ReleaseSource {
    /// Returns the releases of a repository; the Flux tree is read when the first one is asked for.
    pub fn new(
        repository: Arc<Repository>,
        flux_path: Option<String>,
        charts: Arc<ChartSource>,
        compat: HelmCompat,
        seed: [u8; 32],
        disclosed: Option<Disclosed>,
    ) -> Self {
        ReleaseSource { repository, flux_path, charts, compat, seed, disclosed, tree: OnceLock::new(), opened: Mutex::default() }
    }

    /// Returns what Flux makes of the repository.
    pub fn tree(&self) -> Result<&Tree, Failure> {
        let path = self.flux_path.as_deref();
        let read = || {
            let reading = self.disclosed.as_ref().map(Disclosed::reading).unwrap_or_default();
            flux::read_with(&*self.repository, path, reading)
        };
        let tree = self.tree.get_or_init(|| read().map_err(|error| chain(&error))).as_ref();
        tree.map_err(|message| match self.flux_path {
            Some(_) => Failure::user(message.clone()),
            None => {
                Failure::user(message.clone()).hint("name the root of the Flux tree in the manifest: `flux: { path: FOLDER }` under spec")
            }
        })
    }

    /// Returns what a person should know of the releases opened so far before anything is written.
    pub async fn warnings(&self) -> Vec<String> {
        let opened = self.opened.lock().await;
        let mut warnings = Vec::new();
        for (given, own) in self.tree().into_iter().flat_map(Tree::given_in_vain) {
            warnings.push(format!("{given}, from --objects, is not looked at: the repository has {own}"));
        }
        for spec in opened.values().filter_map(|open| open.spec.as_ref()) {
            let place = place(spec);
            if spec.suspended {
                warnings.push(format!("{place}: is suspended: Flux will not look at it until that is taken back"));
            }
            if spec.takes_revision {
                warnings.push(format!(
                    "{place}: with reconcileStrategy Revision Flux adds the revision of the source to the version of the chart, which is not known \
                     before: it will upgrade the release once, and objects that show the version of their chart change"
                ));
            }
        }
        warnings
    }

    /// Returns what helps with an error of rendering a release.
    pub fn hints(&self, open: &OpenRelease, error: &RenderError) -> Vec<String> {
        let Some((spec, tree)) = open.spec.as_ref().zip(self.tree().ok()) else { return Vec::new() };
        hints::of_release(error, &open.wanted.chart, &*self.repository, tree, spec)
    }

    /// Returns a release of the repository with its chart.
    pub async fn open(&self, release: &ReleaseRef) -> Result<Arc<OpenRelease>, Failure> {
        let mut opened = self.opened.lock().await;
        if let Some(known) = opened.get(release) {
            return Ok(known.clone());
        }
        let spec = self.spec(release)?;
        let reference = self.charts.of_release(&spec.chart);
        let place = place(&spec);
        let fetched = self.charts.fetch(&reference).await.map_err(|message| Failure::user(format!("{place}: {message}")))?;
        let is_checked = !(spec.install.skip_schema_validation && spec.upgrade.skip_schema_validation);
        let fetched = if is_checked { self.charts.with_schemas(fetched).await } else { fetched };
        let wanted = self.wanted(&spec, &fetched)?;
        let is_tracked = oci_digest(&spec, &fetched).is_some();
        let masked = flux::masked_values(self.tree()?, &spec.namespace, &spec.name).map_err(|error| Failure::user(chain(&error)))?;
        let open = Arc::new(self.opened_as(wanted, masked, Some(spec), reference.to_string(), fetched.digest.clone(), is_tracked));
        opened.insert(release.clone(), open.clone());
        Ok(open)
    }

    /// Checks what no cluster decides of rendering a release: that its chart is whole, and that the schemas in it take the values.
    pub fn check(&self, open: &OpenRelease) -> Result<(), Failure> {
        let wanted = &open.wanted;
        // Which of both it will be is known to the cluster only.
        let skip = wanted.install.skip_schema_validation || wanted.upgrade.skip_schema_validation;
        helm::check_values(&wanted.chart, &wanted.values, skip, &wanted.compat).map_err(|error| {
            let place = open.spec.as_ref().map_or_else(|| open.chart_reference.clone(), place);
            // Helm's text has lines of its own.
            let said = error.to_string().trim_end().replace('\n', "\n    ");
            self.hints(open, &error).into_iter().fold(Failure::user(format!("{place}: {said}")), Failure::hint)
        })
    }

    /// Returns what the tree says of a release, all of whose values must be known.
    pub fn spec(&self, release: &ReleaseRef) -> Result<ReleaseSpec, Failure> {
        let spec = self.tree()?.release(&release.namespace, &release.name).map_err(|error| Failure::user(chain(&error)))?;
        let is_encrypted = |why: &str| why.contains("encrypted");
        match spec.unknown.iter().find(|why| self.disclosed.is_some() || !is_encrypted(why)) {
            Some(unknown) => {
                let message = format!("{}: {unknown}", place(&spec));
                let hint = if is_encrypted(unknown) {
                    "where Flux decrypts (`spec.decryption` of the Kustomization), `boot` does too, with the age keys it is given; else give the object \
                     as the cluster will have it, with --objects FILE"
                } else {
                    "what only the cluster will know must be told before: give the object as the cluster will have it, with --objects FILE"
                };
                Err(Failure::user(message).hint(hint))
            }
            None => Ok(spec),
        }
    }

    /// Returns what a HelmRelease wants of the cluster.
    pub fn wanted(&self, spec: &ReleaseSpec, fetched: &Arc<Fetched>) -> Result<Wanted, Failure> {
        let place = place(spec);
        let tree = self.tree()?;
        let packaged =
            values_files::merged(fetched, spec, &*self.repository).map_err(|message| Failure::user(format!("{place}: {message}")))?;
        let mut chart = packaged.chart.clone();
        if let (Some(digest), false) = (oci_digest(spec, fetched), tree.has_helm_gate("DisableChartDigestTracking")) {
            chart.metadata.version = tracked(&chart.metadata.version, digest);
        }
        let post_render = post_render::of(tree, spec).map_err(|message| Failure::user(format!("{place}: {message}")))?;
        Ok(Wanted {
            storage_namespace: spec.storage_namespace.clone(),
            values: spec.values.clone(),
            compat: self.compat.clone(),
            install: action(spec.install),
            upgrade: action(spec.upgrade),
            rollback: undo(spec.rollback),
            uninstall: undo(spec.uninstall),
            crd_labels: flux::origin_labels(&spec.helm_release),
            post_render: Some(post_render),
            ignores_metadata: spec.takes_revision,
            max_history: spec.max_history,
            ..Wanted::new(&spec.release_name, &spec.release_namespace, Arc::new(chart))
        })
    }

    /// Returns a release that is in no repository. Whose values these are may look up what he may see anyway.
    pub fn of_parts(
        &self,
        fetched: &Fetched,
        reference: &str,
        release: &ReleaseRef,
        values: Map<String, Value>,
        lookups: Lookups,
    ) -> OpenRelease {
        let masked = values.clone();
        let mut wanted = Wanted {
            values,
            compat: self.compat.clone(),
            lookups: Some(lookups),
            ..Wanted::new(&release.name, &release.namespace, Arc::new(fetched.chart.clone()))
        };
        // No HelmRelease says how long it takes.
        wanted.wait_as_long_as_there_is_time();
        self.opened_as(wanted, masked, None, reference.into(), fetched.digest.clone(), false)
    }

    /// Returns the releases opened so far.
    pub async fn opened(&self) -> Vec<Arc<OpenRelease>> {
        self.opened.lock().await.values().cloned().collect()
    }

    /// Returns the namespace as the repository has it, or a plain one.
    pub fn namespace(&self, name: &str) -> Value {
        let of_tree = self.tree.get().and_then(|tree| tree.as_ref().ok()?.namespace(name));
        of_tree.unwrap_or_else(|| json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name } }))
    }

    /// Returns an object as Flux applies it, where the repository's tree has it, so that Flux finds nothing to change. An error says why its
    /// content is not known.
    pub fn as_flux_applies(&self, object: &ObjectRef) -> Result<Option<Value>, String> {
        // A repository without a Flux tree has no such object.
        let Ok(tree) = self.tree() else { return Ok(None) };
        tree.applied_object(object.group(), &object.kind, object.namespace.as_deref(), &object.name).transpose()
    }

    fn opened_as(
        &self,
        wanted: Wanted,
        masked: Map<String, Value>,
        spec: Option<ReleaseSpec>,
        chart_reference: String,
        chart_digest: Option<String>,
        is_tracked: bool,
    ) -> OpenRelease {
        let hidden = Hidden::of(&wanted.values, &masked);
        // Two releases of one chart must not get the same passwords.
        let seed =
            Sha256::new().chain_update(self.seed).chain_update(&wanted.namespace).chain_update([0]).chain_update(&wanted.name).finalize();
        let record = std::sync::Mutex::default();
        OpenRelease { wanted, masked, hidden, spec, chart_reference, chart_digest, is_tracked, seed: seed.into(), record }
    }
}

impl OpenRelease {
    /// Returns `name version` of the chart.
    pub fn chart_title(&self) -> String {
        format!("{} {}", self.wanted.chart.metadata.name, self.wanted.chart.metadata.version)
    }

    /// Keeps the revision that was found or made.
    pub fn keep(&self, record: Release) {
        *self.record.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(record));
    }

    /// Returns the revision that was kept.
    pub fn kept(&self) -> Option<Arc<Release>> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns the digest that Flux keeps with the release, where there is one.
    pub fn oci_digest(&self) -> Option<&str> {
        self.chart_digest.as_deref().filter(|_| self.is_tracked)
    }

    /// Returns the values as templates see them, the chart's defaults included, for a module: what is secret in them is masked.
    pub fn computed_values(&self) -> Result<Value, String> {
        let (mut chart, values) = ((*self.wanted.chart).clone(), &self.masked);
        helm::values::process_dependencies(&mut chart, values, &self.wanted.compat).map_err(|error| error.to_string())?;
        let computed = helm::values::coalesce_values(&chart, values, &self.wanted.compat).map_err(|error| error.to_string())?;
        Ok(map_as_integers(&computed))
    }

    /// Returns what a module may know of it.
    pub fn info(&self) -> Value {
        let wanted = &self.wanted;
        let spec = self.spec.as_ref();
        json!({
            "name": wanted.name, "namespace": wanted.namespace, "chart": wanted.chart.metadata.name, "version": wanted.chart.metadata.version,
            "reference": self.chart_reference, "digest": self.chart_digest,
            "file": spec.map(|spec| &spec.file), "line": spec.map(|spec| spec.line), "folder": spec.map(|spec| &spec.folder),
        })
    }
}

/// Returns where a HelmRelease is written, and which it is.
fn place(spec: &ReleaseSpec) -> String {
    format!("{}:{}: HelmRelease {}/{}", spec.file, spec.line, spec.namespace, spec.name)
}

/// Returns the digest of the manifest behind an OCIRepository. An archive that stands in for it has another one.
fn oci_digest<'a>(spec: &ReleaseSpec, fetched: &'a Fetched) -> Option<&'a str> {
    let is_repository = spec.helm_release.pointer("/spec/chartRef/kind").and_then(Value::as_str) == Some("OCIRepository");
    fetched.digest.as_deref().filter(|_| is_repository && !fetched.stands_in)
}

/// Returns a version with the digest as its build metadata (helm-controller `internal/controller/helmrelease_controller.go`,
/// mutateChartWithSourceRevision), printed as Masterminds' semver does.
fn tracked(version: &str, digest: &str) -> String {
    let hex = digest.split_once(':').map_or(digest, |(_, hex)| hex);
    let bare = version.strip_prefix('v').unwrap_or(version);
    let bare = bare.split_once('+').map_or(bare, |(bare, _)| bare);
    format!("{bare}+{}", hex.get(..12).unwrap_or(hex))
}

/// Returns how helm-controller would do it.
fn action(spec: flux::ActionSpec) -> ActionOptions {
    ActionOptions {
        apply: match spec.apply {
            flux::ApplyMethod::Server => ApplyMethod::Server,
            flux::ApplyMethod::Client => ApplyMethod::Client,
            flux::ApplyMethod::AsBefore => ApplyMethod::AsBefore,
        },
        crds: policy(spec.crds),
        disable_hooks: spec.disable_hooks,
        skip_schema_validation: spec.skip_schema_validation,
        wait: wait(spec.disable_wait, spec.disable_wait_for_jobs),
        timeout: spec.timeout,
        take_ownership: !spec.disable_take_ownership,
        cleanup_on_fail: spec.cleanup_on_fail,
        on_failure: match spec.remediation {
            None => OnFailure::Leave,
            Some(flux::Remediation::Rollback) => OnFailure::RollBack,
            Some(flux::Remediation::Uninstall) => OnFailure::Uninstall,
        },
    }
}

fn undo(spec: flux::UndoSpec) -> UndoOptions {
    UndoOptions {
        disable_hooks: spec.disable_hooks,
        wait: wait(spec.disable_wait, spec.disable_wait_for_jobs),
        timeout: spec.timeout,
        keep_history: spec.keep_history,
    }
}

fn wait(is_disabled: bool, is_disabled_for_jobs: bool) -> Wait {
    match (is_disabled, is_disabled_for_jobs) {
        (true, _) => Wait::Nothing,
        (false, true) => Wait::AllButJobs,
        (false, false) => Wait::All,
    }
}

fn policy(policy: flux::CrdPolicy) -> CrdPolicy {
    match policy {
        flux::CrdPolicy::Skip => CrdPolicy::Skip,
        flux::CrdPolicy::Create => CrdPolicy::Create,
        flux::CrdPolicy::CreateReplace => CrdPolicy::CreateReplace,
    }
}
