//! What helm-controller makes of a HelmRelease: names, policies and times (`api/v2/helmrelease_types.go`, `internal/release/name.go`).

use std::time::Duration;

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::digest::hex;
use crate::error::Error;
use crate::fields::{duration, flag, get, name, namespace, text};
use crate::source::{self, ChartRef, ValuesFiles};
use crate::tree::{Located, Tree, owned};
use crate::values;

/// A HelmRelease of a tree.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ReleaseId {
    /// Its namespace, after all kustomizations.
    pub namespace: String,
    /// Its name, after all kustomizations.
    pub name: String,
    /// The file it is written in.
    pub file: String,
    /// The line on which it starts.
    pub line: usize,
}

/// What happens to the definitions in a chart's `crds/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CrdPolicy {
    /// Nothing.
    Skip,
    /// New ones are created.
    Create,
    /// New ones are created, others replaced.
    CreateReplace,
}

/// How long helm-controller waits where nothing says.
const TIMEOUT: Duration = Duration::from_secs(300);
/// How long Helm waits that is given no time (`helm/helm` `pkg/kube/statuswait.go`).
const UNTIMED: Duration = Duration::from_secs(30);

/// What undoes an installation that failed, or an upgrade.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remediation {
    /// It is rolled back.
    Rollback,
    /// It is uninstalled.
    Uninstall,
}

/// How objects are applied, and which way the record says that they were.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ApplyMethod {
    /// On the server's side.
    Server,
    /// On the client's side, as Helm 3 does.
    Client,
    /// As the release was applied before.
    AsBefore,
}

/// What an installation does, or an upgrade.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ActionSpec {
    /// How its objects are applied.
    pub apply: ApplyMethod,
    /// What it does with definitions.
    pub crds: CrdPolicy,
    /// Whether it runs no hooks.
    pub disable_hooks: bool,
    /// Whether it does not check values against the chart's schema.
    pub skip_schema_validation: bool,
    /// Whether it does not wait until objects are ready.
    pub disable_wait: bool,
    /// Whether it does not wait for Jobs.
    pub disable_wait_for_jobs: bool,
    /// Whether it leaves objects alone that are marked as another release's.
    pub disable_take_ownership: bool,
    /// How long each of its waits may take: for a hook, and for its objects.
    pub timeout: Duration,
    /// Whether a failed upgrade deletes what it created.
    pub cleanup_on_fail: bool,
    /// What is done when it failed and is not tried again.
    pub remediation: Option<Remediation>,
}

/// What a rollback does, or an uninstallation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UndoSpec {
    /// Whether it runs no hooks.
    pub disable_hooks: bool,
    /// Whether it does not wait until objects are ready, or gone.
    pub disable_wait: bool,
    /// Whether it does not wait for Jobs.
    pub disable_wait_for_jobs: bool,
    /// Whether the records of what is uninstalled are kept.
    pub keep_history: bool,
    /// How long each of its waits may take.
    pub timeout: Duration,
}

/// What Flux will install for a HelmRelease.
#[derive(Debug, Clone, PartialEq)]
pub struct ReleaseSpec {
    /// The namespace of the HelmRelease.
    pub namespace: String,
    /// The name of the HelmRelease.
    pub name: String,
    /// The name of the Helm release.
    pub release_name: String,
    /// The namespace the chart is installed into.
    pub release_namespace: String,
    /// The namespace of the release record.
    pub storage_namespace: String,
    /// The chart.
    pub chart: ChartRef,
    /// What Flux makes the chart's own values of, where that is not its `values.yaml`.
    pub values_files: ValuesFiles,
    /// Whether Flux adds the revision of the source to the version of the chart.
    pub takes_revision: bool,
    /// The values: `valuesFrom` in order, then `spec.values`. They are as Helm holds them: every number is a float, but for the integers that
    /// a `targetPath` sets.
    pub values: Map<String, Value>,
    /// The file of the HelmRelease.
    pub file: String,
    /// The line on which it starts.
    pub line: usize,
    /// The folder of that file.
    pub folder: String,
    /// Namespace and name of the Flux Kustomization that applies it.
    pub kustomization: Option<(String, String)>,
    /// What an installation does.
    pub install: ActionSpec,
    /// What an upgrade does.
    pub upgrade: ActionSpec,
    /// What a rollback does.
    pub rollback: UndoSpec,
    /// What an uninstallation does.
    pub uninstall: UndoSpec,
    /// Whether an installation creates the namespace.
    pub create_namespace: bool,
    /// How many revisions are kept.
    pub max_history: usize,
    /// Whether the HelmRelease is suspended.
    pub suspended: bool,
    /// What could not be known, each named.
    pub unknown: Vec<String>,
    /// The HelmRelease itself, as kustomize-controller applies it but for its owner labels.
    pub helm_release: Value,
    /// The HelmRelease and the source it names, as kustomize-controller applies them; those that are in the tree.
    pub applied: Vec<Value>,
}

/// Reads a HelmRelease.
pub(crate) fn spec(tree: &Tree, located: &Located) -> Result<ReleaseSpec, Error> {
    let value = &located.object.value;
    let (own_name, own_namespace) = (name(value).to_string(), namespace(value).to_string());
    let target = text(value, &["spec", "targetNamespace"]);
    let (values, mut unknown) = values::compose(tree, located)?;
    unknown.extend(located.unknown.iter().cloned());
    let history = get(value, &["spec", "maxHistory"]).and_then(Value::as_u64).and_then(|count| usize::try_from(count).ok());
    Ok(ReleaseSpec {
        release_name: release_name(value),
        release_namespace: target.unwrap_or(&own_namespace).to_string(),
        storage_namespace: text(value, &["spec", "storageNamespace"]).unwrap_or(&own_namespace).to_string(),
        chart: source::chart(tree, located)?,
        takes_revision: source::takes_revision(tree, located),
        values_files: source::values_files(tree, located),
        values,
        file: located.object.file.clone(),
        line: located.object.line,
        folder: located.object.file.rsplit_once('/').map_or("", |(folder, _)| folder).to_string(),
        kustomization: located.kustomization.clone(),
        install: action(tree, located, "install")?,
        upgrade: action(tree, located, "upgrade")?,
        rollback: undo(located, "rollback")?,
        uninstall: undo(located, "uninstall")?,
        create_namespace: flag(value, &["spec", "install", "createNamespace"]),
        max_history: history.unwrap_or(5),
        suspended: flag(value, &["spec", "suspend"]),
        unknown,
        applied: source::object(tree, located).into_iter().chain([located]).map(owned).collect(),
        helm_release: value.clone(),
        namespace: own_namespace,
        name: own_name,
    })
}

/// Returns the name of the Helm release, shortened as helm-controller does.
pub(crate) fn release_name(release: &Value) -> String {
    let own = name(release);
    let full = match (text(release, &["spec", "releaseName"]), text(release, &["spec", "targetNamespace"])) {
        (Some(name), _) => name.to_string(),
        (None, Some(target)) => format!("{target}-{own}"),
        (None, None) => own.to_string(),
    };
    if full.len() <= 53 {
        return full;
    }
    let digest = hex(&Sha256::digest(full.as_bytes()));
    let cut = (0..=40).rev().find(|at| full.is_char_boundary(*at)).unwrap_or(0);
    format!("{}-{}", &full[..cut], &digest[..12])
}

/// Reads `spec.install` or `spec.upgrade` (helm-controller `api/v2/helmrelease_types.go`).
fn action(tree: &Tree, located: &Located, action: &str) -> Result<ActionSpec, Error> {
    let is_set = |field: &str| flag(&located.object.value, &["spec", action, field]);
    Ok(ActionSpec {
        apply: apply_method(tree, located, action)?,
        crds: crd_policy(located, action)?,
        disable_hooks: is_set("disableHooks"),
        skip_schema_validation: is_set("disableSchemaValidation"),
        disable_wait: is_set("disableWait"),
        disable_wait_for_jobs: is_set("disableWaitForJobs"),
        disable_take_ownership: is_set("disableTakeOwnership"),
        timeout: timeout(located, action)?,
        cleanup_on_fail: action == "upgrade" && is_set("cleanupOnFail"),
        remediation: remediation(tree, located, action)?,
    })
}

/// Reads `serverSideApply` (helm-controller `internal/action/{install,upgrade}.go`, newInstall and newUpgrade). Controllers before 1.5 do not know it.
fn apply_method(tree: &Tree, located: &Located, action: &str) -> Result<ApplyMethod, Error> {
    let written = get(&located.object.value, &["spec", action, "serverSideApply"]);
    let wrong = |allowed: &str| Err(Error::at(&located.object, format!("spec.{action}.serverSideApply is {allowed}")));
    match (action, written) {
        ("install", None) if tree.has_helm_gate("UseHelm3Defaults") => Ok(ApplyMethod::Client),
        ("install", None | Some(Value::Bool(true))) => Ok(ApplyMethod::Server),
        ("install", Some(Value::Bool(false))) => Ok(ApplyMethod::Client),
        ("install", _) => wrong("true or false"),
        (_, written) => match written.map(|written| written.as_str().unwrap_or_default()) {
            None | Some("auto") => Ok(ApplyMethod::AsBefore),
            Some("enabled") => Ok(ApplyMethod::Server),
            Some("disabled") => Ok(ApplyMethod::Client),
            Some(_) => wrong("enabled, disabled or auto"),
        },
    }
}

/// Reads `spec.rollback` or `spec.uninstall`.
fn undo(located: &Located, action: &str) -> Result<UndoSpec, Error> {
    let is_set = |field: &str| flag(&located.object.value, &["spec", action, field]);
    Ok(UndoSpec {
        disable_hooks: is_set("disableHooks"),
        disable_wait: is_set("disableWait"),
        disable_wait_for_jobs: is_set("disableWaitForJobs"),
        keep_history: is_set("keepHistory"),
        timeout: timeout(located, action)?,
    })
}

/// Returns how long a wait of an action may take (GetTimeout in `api/v2/helmrelease_types.go`).
fn timeout(located: &Located, action: &str) -> Result<Duration, Error> {
    let own = ["spec", action, "timeout"];
    let path = [&own[..], &["spec", "timeout"]].into_iter().find(|path| get(&located.object.value, path).is_some());
    let Some(path) = path else { return Ok(TIMEOUT) };
    let written = text(&located.object.value, path).unwrap_or_default();
    match duration(written) {
        Some(Duration::ZERO) => Ok(UNTIMED),
        Some(timeout) => Ok(timeout),
        None => Err(Error::at(&located.object, format!("{} {written:?} is no duration", path.join(".")))),
    }
}

/// Returns what helm-controller does about a failure that is the last one (`internal/reconcile/atomic_release.go`; MustRemediateLastFailure
/// in `api/v2/helmrelease_types.go`). Retries without end have no last one: where they are undone by rollbacks, this one is, too.
fn remediation(tree: &Tree, located: &Located, action: &str) -> Result<Option<Remediation>, Error> {
    let spec = |path: &[&str]| get(&located.object.value, &[&["spec", action], path].concat()).cloned();
    let tries_again = || match spec(&["strategy", "name"]) {
        Some(name) => name == "RetryOnFailure",
        None => tree.has_helm_gate("DefaultToRetryOnFailure"),
    };
    let retries = spec(&["remediation", "retries"]).and_then(|count| count.as_i64()).unwrap_or(0);
    let last = spec(&["remediation", "remediateLastFailure"]).and_then(|last| last.as_bool());
    let is_undone = last.unwrap_or(action == "upgrade" && retries != 0);
    let strategy = spec(&["remediation", "strategy"]);
    let undone_by = match strategy.as_ref().map(|strategy| strategy.as_str().unwrap_or_default()) {
        _ if action == "install" => Remediation::Uninstall,
        None | Some("rollback") => Remediation::Rollback,
        Some("uninstall") => Remediation::Uninstall,
        Some(other) => {
            let message = format!("spec.{action}.remediation.strategy is rollback or uninstall, not {other:?}");
            return Err(Error::at(&located.object, message));
        }
    };
    Ok(Some(undone_by).filter(|_| is_undone && !tries_again()))
}

/// helm-controller's code defaults to Create for both, whatever its documentation says of upgrades.
fn crd_policy(located: &Located, action: &str) -> Result<CrdPolicy, Error> {
    let value = &located.object.value;
    match text(value, &["spec", action, "crds"]) {
        Some("Skip") => Ok(CrdPolicy::Skip),
        Some("Create") => Ok(CrdPolicy::Create),
        Some("CreateReplace") => Ok(CrdPolicy::CreateReplace),
        None if action == "install" && flag(value, &["spec", "install", "skipCRDs"]) => Ok(CrdPolicy::Skip),
        None => Ok(CrdPolicy::Create),
        Some(other) => Err(Error::at(&located.object, format!("spec.{action}.crds is Skip, Create or CreateReplace, not {other}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn release_names() {
        let check = |name: &str, spec: Value, expected: &str| {
            assert_eq!(release_name(&json!({"metadata": {"name": name}, "spec": spec})), expected);
        };
        check("web", json!({}), "web");
        check("web", json!({"targetNamespace": "apps"}), "apps-web");
        check("web", json!({"targetNamespace": "apps", "releaseName": "x"}), "x");
        let long = "a".repeat(54);
        let digest = hex(&Sha256::digest(long.as_bytes()));
        check(&long, json!({}), &format!("{}-{}", "a".repeat(40), &digest[..12]));
    }
}
