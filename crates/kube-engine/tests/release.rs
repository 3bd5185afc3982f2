//! Releases against the API server in this process.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use helm::Chart;
use helm::release::Release;
use kube_engine::release::{self, ApplyMethod, Context, OnFailure, Progress, ReleaseAction, ReleaseError, ReleaseState, Wanted};
use kube_engine::{Action, Apply, Cluster, ObjectRef, Selection};
use kube_sandbox::Sandbox;
use serde_json::{Value, json};

const CONFIG: &str =
    "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Release.Name }}-config\ndata:\n  color: {{ .Values.color | quote }}\n";
const DEPLOYMENT: &str = "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: {{ .Release.Name }}\nspec:\n  selector: { matchLabels: { app: web } }\n  template:\n    metadata: { labels: { app: web } }\n    spec:\n      containers: [{ name: web, image: 'example.com/web:1' }]\n";
const EXTRA: &str = "{{ if .Values.extra }}\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: extra\n  annotations: { helm.sh/resource-policy: {{ .Values.policy | quote }} }\n{{ end }}\n";
const HOOK: &str = "apiVersion: batch/v1\nkind: Job\nmetadata:\n  name: prepare\n  annotations:\n    helm.sh/hook: pre-install,pre-upgrade\n    helm.sh/hook-delete-policy: hook-succeeded\nspec:\n  template:\n    spec:\n      restartPolicy: Never\n      containers: [{ name: prepare, image: 'example.com/prepare:1' }]\n";
const CRD: &str = "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: { name: widgets.example.com }\nspec:\n  group: example.com\n  scope: Namespaced\n  names: { kind: Widget, listKind: WidgetList, plural: widgets, singular: widget }\n  versions:\n    - name: v1\n      served: true\n      storage: true\n      schema: { openAPIV3Schema: { type: object, x-kubernetes-preserve-unknown-fields: true } }\n";

fn chart(version: &str, files: &[(&str, &str)]) -> Arc<Chart> {
    let mut all = vec![
        ("Chart.yaml".to_owned(), format!("apiVersion: v2\nname: web\nversion: {version}\n").into_bytes()),
        ("values.yaml".to_owned(), b"color: red\nextra: false\npolicy: ''\n".to_vec()),
    ];
    all.extend(files.iter().map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec())));
    Arc::new(Chart::from_files(all).unwrap())
}

fn wanted(chart: Arc<Chart>, values: Value) -> Wanted {
    let values = helm::values::as_floats(values).as_object().cloned().unwrap_or_default();
    Wanted { values, timeout: Duration::from_secs(20), ..Wanted::new("web", "default", chart) }
}

struct World {
    sandbox: Sandbox,
    cluster: Cluster,
    seen: Arc<Mutex<Vec<String>>>,
}

impl World {
    fn new() -> Self {
        World::with(Sandbox::default())
    }

    fn with(sandbox: Sandbox) -> Self {
        World { cluster: Cluster::over(sandbox.clone()), sandbox, seen: Arc::default() }
    }

    async fn ensure(&self, wanted: &Wanted) -> Result<release::Outcome, release::ReleaseError> {
        let seen = self.seen.clone();
        let progress = move |progress: Progress<'_>| {
            if let Progress::Changed(change) = progress {
                seen.lock().unwrap().push(format!("{} {}", change.object.kind, change.action.as_str()));
            }
        };
        let context = Context { cluster: &self.cluster, now: &jiff::Timestamp::now, seed: [1; 32], progress: &progress, before_flux: &() };
        release::ensure(&context, wanted).await
    }

    async fn state(&self, wanted: &Wanted) -> ReleaseState {
        let context = Context { cluster: &self.cluster, now: &jiff::Timestamp::now, seed: [1; 32], progress: &|_| {}, before_flux: &() };
        release::state(&context, wanted).await.unwrap()
    }

    async fn get(&self, kind: &str, name: &str) -> Option<Value> {
        let api_version = if kind == "Deployment" {
            "apps/v1"
        } else if kind == "Job" {
            "batch/v1"
        } else if kind == "CustomResourceDefinition" {
            "apiextensions.k8s.io/v1"
        } else {
            "v1"
        };
        let object = ObjectRef { api_version: api_version.into(), kind: kind.into(), namespace: Some("default".into()), name: name.into() };
        self.cluster.get(&object).await.unwrap()
    }

    async fn record(&self, revision: u64) -> Release {
        use base64::Engine as _;
        let secret = self.get("Secret", &format!("sh.helm.release.v1.web.v{revision}")).await.unwrap();
        let data = base64::engine::general_purpose::STANDARD.decode(secret["data"]["release"].as_str().unwrap()).unwrap();
        Release::decode(&data).unwrap()
    }

    async fn statuses(&self) -> Vec<(i64, String, String)> {
        let stored = release::stored_revisions(&self.cluster, "default", "web").await.unwrap();
        let row = |stored: release::Stored| {
            let info = stored.release.info.unwrap();
            // What was not ready is told elsewhere.
            let description = info.description.split(": ").next().unwrap_or_default().to_owned();
            (stored.release.version, info.status, description)
        };
        stored.into_iter().map(row).collect()
    }

    fn writes(&self) -> usize {
        self.sandbox.writes().len()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn install_then_nothing() {
    let world = World::new();
    let wanted =
        wanted(chart("1.0.0", &[("templates/config.yaml", CONFIG), ("templates/deployment.yaml", DEPLOYMENT)]), json!({ "color": "blue" }));
    assert_eq!(world.state(&wanted).await, ReleaseState::Absent);
    let outcome = world.ensure(&wanted).await.unwrap();
    assert_eq!((outcome.action, outcome.revision, outcome.count(Action::Created)), (ReleaseAction::Installed, 1, 2));
    let config = world.get("ConfigMap", "web-config").await.unwrap();
    assert_eq!(config["data"]["color"], "blue");
    assert_eq!(config["metadata"]["labels"]["app.kubernetes.io/managed-by"], "Helm");
    assert_eq!(config["metadata"]["annotations"]["meta.helm.sh/release-name"], "web");
    assert_eq!(config["metadata"]["managedFields"][0]["manager"], "helm-controller");
    assert_eq!(config["metadata"]["managedFields"][0]["operation"], "Apply");
    let record = world.record(1).await;
    let info = record.info.unwrap();
    assert_eq!((info.status.as_str(), info.description.as_str(), record.apply_method.as_str()), ("deployed", "Install complete", "ssa"));
    assert!(!record.manifest.contains("managed-by"), "the stored manifest has no stamps");

    let before = world.writes();
    let outcome = world.ensure(&wanted).await.unwrap();
    assert_eq!((outcome.action, outcome.revision), (ReleaseAction::Unchanged, 1));
    assert_eq!(world.writes(), before, "a release in sync is not written to");
}

/// Flux adds the revision of a source to the version of a chart, and any one will do.
#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_takes_the_revision_of_its_source() {
    let world = World::new();
    let templates: &[(&str, &str)] = &[("templates/config.yaml", CONFIG)];
    world.ensure(&wanted(chart("1.0.0+0123456789ab", templates), json!({}))).await.unwrap();
    let here = wanted(chart("1.0.0", templates), json!({}));
    assert!(matches!(world.state(&here).await, ReleaseState::OutOfSync { .. }));
    assert_eq!(world.state(&Wanted { ignores_metadata: true, ..here }).await, ReleaseState::InSync { revision: 1 });
    let newer = Wanted { ignores_metadata: true, ..wanted(chart("1.0.1", templates), json!({})) };
    assert!(matches!(world.state(&newer).await, ReleaseState::OutOfSync { .. }));
}

/// As in helm-controller, install and upgrade each have their own word on schemas.
#[tokio::test(flavor = "multi_thread")]
async fn a_schema_is_left_out_where_the_release_says_so() {
    let refusing = r#"{"properties": {"color": {"const": "red"}}}"#;
    let files = [("templates/config.yaml", CONFIG), ("values.schema.json", refusing)];
    let world = World::new();
    let mut blue = wanted(chart("1.0.0", &files), json!({ "color": "blue" }));
    blue.upgrade.skip_schema_validation = true;
    assert_eq!(world.ensure(&blue).await.unwrap_err().code(), "invalid", "it is an install");
    blue.install.skip_schema_validation = true;
    assert_eq!(world.ensure(&blue).await.unwrap().action, ReleaseAction::Installed);

    let mut green = wanted(chart("1.1.0", &files), json!({ "color": "green" }));
    green.install.skip_schema_validation = true;
    assert_eq!(world.ensure(&green).await.unwrap_err().code(), "invalid", "it is an upgrade");
    green.upgrade.skip_schema_validation = true;
    assert_eq!(world.ensure(&green).await.unwrap().action, ReleaseAction::Upgraded);
}

#[tokio::test(flavor = "multi_thread")]
async fn upgrade_removes_what_is_gone_and_keeps_what_is_to_be_kept() {
    for (policy, kept) in [("", false), ("keep", true)] {
        let world = World::new();
        let files = [("templates/config.yaml", CONFIG), ("templates/extra.yaml", EXTRA)];
        world.ensure(&wanted(chart("1.0.0", &files), json!({ "extra": true, "policy": policy }))).await.unwrap();
        let outcome = world.ensure(&wanted(chart("1.1.0", &files), json!({ "color": "green" }))).await.unwrap();
        assert_eq!((outcome.action, outcome.revision), (ReleaseAction::Upgraded, 2));
        assert_eq!(world.get("ConfigMap", "extra").await.is_some(), kept);
        assert_eq!(world.get("ConfigMap", "web-config").await.unwrap()["data"]["color"], "green");
        assert_eq!(world.record(1).await.info.unwrap().status, "superseded");
        assert_eq!(world.record(2).await.info.unwrap().status, "deployed");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn crds_come_first_and_hooks_are_run_and_removed() {
    let world = World::new();
    let widget = "apiVersion: example.com/v1\nkind: Widget\nmetadata: { name: w }\n";
    let wanted =
        wanted(chart("1.0.0", &[("crds/widget.yaml", CRD), ("templates/widget.yaml", widget), ("templates/job.yaml", HOOK)]), json!({}));
    world.ensure(&wanted).await.unwrap();
    assert_eq!(*world.seen.lock().unwrap(), ["CustomResourceDefinition created", "Job created", "Widget created"]);
    assert!(world.get("Job", "prepare").await.is_none(), "a hook that succeeded goes");
    assert_eq!(world.record(1).await.hooks[0].last_run.phase, "Succeeded");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_install_is_recorded_and_the_next_run_mends_it() {
    let world = World::new();
    world.sandbox.hold("Deployment", "default", "web");
    let mut first = wanted(chart("1.0.0", &[("templates/deployment.yaml", DEPLOYMENT)]), json!({}));
    first.timeout = Duration::from_millis(200);
    let error = world.ensure(&first).await.unwrap_err();
    assert_eq!(error.code(), "timeout");
    assert!(error.to_string().contains("Deployment default/web"), "{error}");
    let info = world.record(1).await.info.unwrap();
    assert_eq!(info.status, "failed");
    assert!(info.description.starts_with("Release \"web\" failed: "), "{}", info.description);
    let mended = wanted(chart("1.0.0", &[("templates/config.yaml", CONFIG)]), json!({}));
    let outcome = world.ensure(&mended).await.unwrap();
    assert_eq!((outcome.action, outcome.revision), (ReleaseAction::Upgraded, 2));
    assert!(world.get("Deployment", "web").await.is_none());
}

impl World {
    /// Makes revision 1 look as if it were being installed since then, in seconds of Unix.
    async fn pend(&self, since: i64, annotations: Value) {
        let mut stale = self.record(1).await;
        stale.info.as_mut().unwrap().status = "pending-install".into();
        self.store(&stale, since, annotations).await;
    }

    /// Stores revision 1 over itself.
    async fn store(&self, release: &Release, since: i64, annotations: Value) {
        use base64::Engine as _;
        let data = base64::engine::general_purpose::STANDARD.encode(release.encode());
        let status = &release.info.as_ref().unwrap().status;
        let object = json!({ "apiVersion": "v1", "kind": "Secret", "type": "helm.sh/release.v1", "data": { "release": data },
            "metadata": { "name": "sh.helm.release.v1.web.v1", "namespace": "default", "annotations": annotations,
                "labels": { "name": "web", "owner": "helm", "status": status, "version": "1", "createdAt": since.to_string() } } });
        self.cluster.replace(&object, "test").await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_else_installs_is_waited_for() {
    let world = World::new();
    let mut wanted = wanted(chart("1.0.0", &[("templates/config.yaml", CONFIG)]), json!({}));
    world.ensure(&wanted).await.unwrap();
    let now = jiff::Timestamp::now().as_second();
    world.pend(now, json!({})).await;
    wanted.timeout = Duration::from_secs(1);
    let error = world.ensure(&wanted).await.unwrap_err();
    assert!(error.to_string().starts_with("another operation is in progress: revision 1 is pending-install"), "{error}");
    assert_eq!(error.code(), "locked");
    // A run of ours that died is known to be dead: two never run at once.
    world.pend(now, json!({ "launchway.dev/begun-by": "launchway" })).await;
    assert_eq!(world.ensure(&wanted).await.unwrap().revision, 1);
    let secret = world.get("Secret", "sh.helm.release.v1.web.v1").await.unwrap();
    assert!(secret["metadata"].get("annotations").is_none(), "{secret}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_that_is_there_although_it_was_to_be_the_first_is_found() {
    let world = World::new();
    let files = [("templates/config.yaml", CONFIG)];
    let mut wanted = wanted(chart("1.0.0", &files), json!({}));
    world.ensure(&wanted).await.unwrap();
    wanted.is_first = true;
    assert_eq!(world.ensure(&wanted).await.unwrap().action, ReleaseAction::Unchanged);
    let next = Wanted { is_first: true, ..self::wanted(chart("1.1.0", &files), json!({})) };
    assert_eq!(world.ensure(&next).await.unwrap().revision, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_there_before_a_first_install_is_taken_over() {
    let world = World::new();
    let files = [("templates/config.yaml", CONFIG), ("templates/two.yaml", TWO)];
    let mut wanted = wanted(chart("1.0.0", &files), json!({ "color": "red" }));
    wanted.install.take_ownership = true;
    world.ensure(&wanted).await.unwrap();
    let secret = ObjectRef {
        api_version: "v1".into(),
        kind: "Secret".into(),
        namespace: Some("default".into()),
        name: "sh.helm.release.v1.web.v1".into(),
    };
    world.cluster.delete(&secret, kube_engine::Propagation::Background).await.unwrap();
    // As the first install of a release that nobody knows of: nothing is looked at before, and what is as it should be stays as it is.
    world.seen.lock().unwrap().clear();
    world.ensure(&wanted).await.unwrap();
    assert_eq!(*world.seen.lock().unwrap(), ["ConfigMap unchanged", "ConfigMap unchanged"]);
    assert!(world.get("ConfigMap", "web-config").await.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_dead_run_made_and_nobody_wants_is_removed() {
    let world = World::new();
    let files = [("templates/config.yaml", CONFIG), ("templates/extra.yaml", EXTRA)];
    world.ensure(&wanted(chart("1.0.0", &files), json!({ "extra": true }))).await.unwrap();
    world.pend(0, json!({})).await;
    world.ensure(&wanted(chart("1.0.0", &files), json!({}))).await.unwrap();
    assert!(world.get("ConfigMap", "extra").await.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_dead_run_was_uninstalling_is_installed_over() {
    let world = World::new();
    let files = [("templates/config.yaml", CONFIG), ("templates/extra.yaml", EXTRA)];
    world.ensure(&wanted(chart("1.0.0", &files), json!({ "extra": true }))).await.unwrap();
    let mut half = world.record(1).await;
    half.info.as_mut().unwrap().status = "uninstalling".into();
    world.store(&half, 0, json!({})).await;
    let outcome = world.ensure(&wanted(chart("1.0.0", &files), json!({}))).await.unwrap();
    assert_eq!((outcome.action, outcome.revision), (ReleaseAction::Installed, 1));
    assert!(world.get("ConfigMap", "extra").await.is_none());
    assert_eq!(world.statuses().await, [(1, "deployed".to_owned(), "Install complete".to_owned())]);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_version_of_a_kind_is_the_same_object() {
    let world = World::new();
    let two = CRD.replace(
        "    - name: v1\n",
        "    - name: v1beta1\n      served: true\n      storage: false\n      schema: { openAPIV3Schema: { type: object, x-kubernetes-preserve-unknown-fields: true } }\n    - name: v1\n",
    );
    let widget = |version: &str| format!("apiVersion: example.com/{version}\nkind: Widget\nmetadata: {{ name: one }}\n");
    let (old, new) = (widget("v1beta1"), widget("v1"));
    world.ensure(&wanted(chart("1.0.0", &[("crds/widget.yaml", &two), ("templates/w.yaml", &old)]), json!({}))).await.unwrap();
    world.ensure(&wanted(chart("1.1.0", &[("crds/widget.yaml", &two), ("templates/w.yaml", &new)]), json!({}))).await.unwrap();
    let one =
        ObjectRef { api_version: "example.com/v1".into(), kind: "Widget".into(), namespace: Some("default".into()), name: "one".into() };
    assert!(world.cluster.get(&one).await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_was_cleaned_up_is_done() {
    let world = World::new();
    let job = HOOK.split_once("  annotations:").unwrap().0.to_owned()
        + "spec:\n  ttlSecondsAfterFinished: 1\n  template:\n    spec:\n      restartPolicy: Never\n      containers: [{ name: prepare, image: 'example.com/prepare:1' }]\n";
    let wanted = wanted(chart("1.0.0", &[("templates/job.yaml", &job)]), json!({}));
    let record = world.ensure(&wanted).await.unwrap().record;
    let job = ObjectRef { api_version: "batch/v1".into(), kind: "Job".into(), namespace: Some("default".into()), name: "prepare".into() };
    world.cluster.delete(&job, kube_engine::Propagation::Background).await.unwrap();
    let context = Context { cluster: &world.cluster, now: &jiff::Timestamp::now, seed: [1; 32], progress: &|_| {}, before_flux: &() };
    release::wait_ready(&context, &wanted, &record, Duration::from_secs(1)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_waited_for_where_the_release_says_so() {
    // Nobody plays its controller.
    let world = World::with(Sandbox::new(kube_sandbox::Options { actors: false, ..kube_sandbox::Options::default() }));
    let mut wanted = wanted(chart("1.0.0", &[("templates/deployment.yaml", DEPLOYMENT)]), json!({}));
    wanted.timeout = Duration::from_secs(1);
    wanted.install.wait = release::Wait::Nothing;
    let record = world.ensure(&wanted).await.unwrap().record;
    let context = Context { cluster: &world.cluster, now: &jiff::Timestamp::now, seed: [1; 32], progress: &|_| {}, before_flux: &() };
    release::wait_ready(&context, &wanted, &record, Duration::from_secs(1)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stale_pending_revision_is_done_over() {
    let world = World::new();
    let wanted = wanted(chart("1.0.0", &[("templates/config.yaml", CONFIG)]), json!({}));
    world.ensure(&wanted).await.unwrap();
    world.pend(0, json!({})).await;
    assert!(matches!(world.state(&wanted).await, ReleaseState::Pending { revision: 1, .. }));
    let outcome = world.ensure(&wanted).await.unwrap();
    assert_eq!((outcome.action, outcome.revision), (ReleaseAction::Installed, 1));
    assert_eq!(world.record(1).await.info.unwrap().description, "Install complete");
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_of_another_release_are_not_taken() {
    let world = World::new();
    let foreign = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "web-config", "namespace": "default",
        "annotations": { "meta.helm.sh/release-name": "other", "meta.helm.sh/release-namespace": "default" } } });
    world.cluster.apply(&foreign, &Apply { manager: "t", force: false, creates: false, default_namespace: None }).await.unwrap();
    let error = world.ensure(&wanted(chart("1.0.0", &[("templates/config.yaml", CONFIG)]), json!({}))).await.unwrap_err();
    assert_eq!(error.to_string(), "ConfigMap default/web-config belongs to release default/other: it is not taken over");
    let secrets =
        Selection { api_version: "v1".into(), kind: "Secret".into(), label_selector: Some("owner=helm".into()), ..Selection::default() };
    assert!(world.cluster.list(&secrets).await.unwrap().is_empty(), "nothing was begun");
}

#[tokio::test(flavor = "multi_thread")]
async fn labels_that_a_person_gave_a_release_stay() {
    let world = World::new();
    let files = [("templates/config.yaml", CONFIG)];
    world.ensure(&wanted(chart("1.0.0", &files), json!({}))).await.unwrap();
    let record = |revision: u64| ObjectRef {
        api_version: "v1".into(),
        kind: "Secret".into(),
        namespace: Some("default".into()),
        name: format!("sh.helm.release.v1.web.v{revision}"),
    };
    let labelled = json!({ "metadata": { "labels": { "team": "one" } } });
    world.cluster.patch(&record(1), kube_engine::PatchType::Merge, &labelled, None, "helm").await.unwrap();
    world.ensure(&wanted(chart("1.1.0", &files), json!({}))).await.unwrap();
    for (revision, status) in [(1, "superseded"), (2, "deployed")] {
        let labels = world.cluster.get(&record(revision)).await.unwrap().unwrap()["metadata"]["labels"].clone();
        assert_eq!((&labels["team"], &labels["status"], &labels["version"]), (&json!("one"), &json!(status), &json!(revision.to_string())));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn history_is_limited() {
    let world = World::new();
    for color in ["a", "b", "c", "d"] {
        let mut wanted = wanted(chart("1.0.0", &[("templates/config.yaml", CONFIG)]), json!({ "color": color }));
        wanted.max_history = 2;
        world.ensure(&wanted).await.unwrap();
    }
    assert!(world.get("Secret", "sh.helm.release.v1.web.v2").await.is_none());
    assert!(world.get("Secret", "sh.helm.release.v1.web.v3").await.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_template_that_fails_says_what_helm_says_and_writes_nothing() {
    let world = World::new();
    let error = world.ensure(&wanted(chart("1.0.0", &[("templates/bad.yaml", "{{ .Values.a.b }}")]), json!({}))).await.unwrap_err();
    assert_eq!(error.code(), "invalid");
    assert!(error.to_string().contains("web/templates/bad.yaml:1:"), "{error}");
    assert_eq!(world.writes(), 0);
}

const TWO: &str =
    "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: two }\ndata: { kept: 'yes'{{ if .Values.extra }}, dropped: 'yes'{{ end }} }\n";

/// Returns a chart with a Deployment that gets ready only where it is not held, and with hooks of every way back.
fn held_chart(version: &str) -> Arc<Chart> {
    let events = "pre-rollback,post-rollback,pre-delete,post-delete";
    let hook = HOOK.replace("pre-install,pre-upgrade", events).replace("prepare", "back");
    let deployment = format!("{{{{ if .Values.extra }}}}\n{DEPLOYMENT}{{{{ end }}}}\n");
    let kept = EXTRA.replace("extra\n", "kept\n").replace("if .Values.extra", "if .Values.policy");
    chart(
        version,
        &[
            ("templates/config.yaml", CONFIG),
            ("templates/deployment.yaml", &deployment),
            ("templates/hook.yaml", &hook),
            ("templates/kept.yaml", &kept),
        ],
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upgrade_that_fails_is_rolled_back_where_that_is_wanted() {
    let world = World::new();
    world.ensure(&wanted(held_chart("1.0.0"), json!({}))).await.unwrap();
    world.sandbox.hold("Deployment", "default", "web");
    let mut next = wanted(held_chart("1.1.0"), json!({ "color": "blue", "extra": true }));
    next.timeout = Duration::from_millis(200);
    next.upgrade.on_failure = OnFailure::RollBack;
    world.seen.lock().unwrap().clear();
    let error = world.ensure(&next).await.unwrap_err();
    assert_eq!((error.code(), error.to_string().as_str()), ("timeout", "the upgrade failed and was rolled back to revision 1"));
    let ReleaseError::Undone { source, .. } = error else { panic!("{error}") };
    assert!(source.to_string().contains("Deployment default/web"), "{source}");
    let expected = [(1, "superseded", "Install complete"), (2, "failed", "Upgrade \"web\" failed"), (3, "deployed", "Rollback to 1")];
    assert_eq!(world.statuses().await, expected.map(|(revision, status, text)| (revision, status.to_owned(), text.to_owned())));
    let seen = ["ConfigMap configured", "Deployment created", "Job created", "ConfigMap configured", "Deployment deleted", "Job created"];
    assert_eq!(*world.seen.lock().unwrap(), seen);
    assert_eq!(world.get("ConfigMap", "web-config").await.unwrap()["data"]["color"], "red");
    let (first, third) = (world.record(1).await, world.record(3).await);
    assert_eq!((third.manifest, third.config, third.chart), (first.manifest, first.config, first.chart));
    assert_eq!(third.info.unwrap().first_deployed, first.info.unwrap().first_deployed);
    assert_eq!(third.hooks[0].last_run.phase, "Succeeded");

    // The next run tries again, and goes back to what was rolled back to.
    world.ensure(&next).await.unwrap_err();
    assert_eq!(world.record(5).await.info.unwrap().description, "Rollback to 3");
    let mended = world.ensure(&wanted(held_chart("1.2.0"), json!({ "color": "green" }))).await.unwrap();
    assert_eq!((mended.action, mended.revision), (ReleaseAction::Upgraded, 6));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_that_fails_is_recorded_as_failed() {
    let world = World::new();
    world.ensure(&wanted(held_chart("1.0.0"), json!({}))).await.unwrap();
    world.sandbox.hold("Deployment", "default", "web");
    world.sandbox.hold("Job", "default", "back");
    let mut next = wanted(held_chart("1.1.0"), json!({ "extra": true }));
    next.timeout = Duration::from_millis(200);
    next.roll_back_on_failure(true);
    let error = world.ensure(&next).await.unwrap_err();
    assert!(error.to_string().contains("Deployment default/web"), "why the upgrade failed is what counts: {error}");
    let expected = [(1, "deployed", "Install complete"), (2, "failed", "Upgrade \"web\" failed"), (3, "failed", "Release \"web\" failed")];
    assert_eq!(world.statuses().await, expected.map(|(revision, status, text)| (revision, status.to_owned(), text.to_owned())));
    // What was deployed once is still the way back.
    world.sandbox.release("Job", "default", "back");
    world.ensure(&next).await.unwrap_err();
    assert_eq!(world.record(5).await.info.unwrap().description, "Rollback to 1");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upgrade_that_fails_deletes_what_it_created_where_that_is_wanted() {
    let world = World::new();
    world.ensure(&wanted(held_chart("1.0.0"), json!({}))).await.unwrap();
    world.sandbox.hold("Deployment", "default", "web");
    let mut next = wanted(held_chart("1.1.0"), json!({ "color": "blue", "extra": true }));
    next.timeout = Duration::from_millis(200);
    next.upgrade.cleanup_on_fail = true;
    world.ensure(&next).await.unwrap_err();
    assert!(world.get("Deployment", "web").await.is_none());
    assert_eq!(world.get("ConfigMap", "web-config").await.unwrap()["data"]["color"], "blue");
    assert_eq!(world.record(2).await.info.unwrap().status, "failed");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_install_that_fails_is_uninstalled_where_that_is_wanted() {
    let world = World::new();
    world.sandbox.hold("Deployment", "default", "web");
    let mut first = wanted(held_chart("1.0.0"), json!({ "extra": true, "policy": "keep" }));
    first.timeout = Duration::from_millis(200);
    first.roll_back_on_failure(true);
    let error = world.ensure(&first).await.unwrap_err();
    assert_eq!((error.code(), error.to_string().as_str()), ("timeout", "the install failed and was uninstalled"));
    let seen = [
        "ConfigMap created",
        "ConfigMap created",
        "Deployment created",
        "Job created",
        "Deployment deleted",
        "ConfigMap deleted",
        "Job created",
    ];
    assert_eq!(*world.seen.lock().unwrap(), seen);
    assert!(world.get("ConfigMap", "web-config").await.is_none() && world.get("Deployment", "web").await.is_none());
    assert!(world.get("ConfigMap", "kept").await.is_some(), "its manifest says so");
    assert_eq!(world.statuses().await, []);

    first.uninstall.keep_history = true;
    world.ensure(&first).await.unwrap_err();
    assert_eq!(world.statuses().await, [(1, "uninstalled".to_owned(), "Uninstallation complete".to_owned())]);
    assert!(world.record(1).await.info.unwrap().deleted.is_some());
    let again = world.ensure(&wanted(held_chart("1.0.0"), json!({}))).await.unwrap();
    assert_eq!((again.action, again.revision), (ReleaseAction::Installed, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_never_deployed_is_not_rolled_back() {
    let world = World::new();
    world.sandbox.hold("Deployment", "default", "web");
    let mut wanted = wanted(held_chart("1.0.0"), json!({ "extra": true }));
    wanted.timeout = Duration::from_millis(200);
    wanted.upgrade.on_failure = OnFailure::RollBack;
    for revision in [1, 2] {
        let error = world.ensure(&wanted).await.unwrap_err();
        assert!(error.to_string().contains("Deployment default/web"), "{error}");
        assert_eq!(world.record(revision).await.info.unwrap().status, "failed");
    }
    assert_eq!(world.statuses().await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_installed_on_the_client_s_side_stays_there_where_flux_would() {
    let world = World::new();
    let files = [("templates/two.yaml", TWO), ("templates/job.yaml", HOOK), ("crds/widget.yaml", CRD)];
    let mut first = wanted(chart("1.0.0", &files), json!({ "extra": true }));
    first.install.apply = ApplyMethod::Client;
    world.ensure(&first).await.unwrap();
    assert_eq!(world.record(1).await.apply_method, "csa");
    let operations = |object: &Value| {
        let entries = object["metadata"]["managedFields"].as_array().unwrap();
        entries.iter().map(|entry| (entry["manager"].clone(), entry["operation"].clone())).collect::<Vec<_>>()
    };
    let created = [(json!("helm-controller"), json!("Update"))];
    assert_eq!(operations(&world.get("ConfigMap", "two").await.unwrap()), created);
    assert_eq!(operations(&world.get("CustomResourceDefinition", "widgets.example.com").await.unwrap())[..1], created);
    // A run that died is done over: what it made stays as it is.
    world.pend(0, json!({})).await;
    world.ensure(&first).await.unwrap();
    assert_eq!(operations(&world.get("ConfigMap", "two").await.unwrap()), created);

    let next = |version: &str, apply: ApplyMethod| {
        let mut next = wanted(chart(version, &files), json!({}));
        (next.install.apply, next.upgrade.apply) = (ApplyMethod::Client, apply);
        next
    };
    world.ensure(&next("1.1.0", ApplyMethod::AsBefore)).await.unwrap();
    assert_eq!(world.record(2).await.apply_method, "csa");
    assert!(world.get("ConfigMap", "two").await.unwrap()["data"].get("dropped").is_none(), "what the chart dropped goes");
    world.ensure(&next("1.2.0", ApplyMethod::Server)).await.unwrap();
    assert_eq!(world.record(3).await.apply_method, "ssa");
    world.ensure(&next("1.3.0", ApplyMethod::Client)).await.unwrap();
    assert_eq!(world.record(4).await.apply_method, "csa");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_field_that_was_applied_on_the_client_s_side_goes_with_its_chart() {
    for (manager, method, is_dropped) in
        [("helm-controller", "csa", true), ("helm-controller", "", true), ("helm-controller", "ssa", false), ("helm", "csa", false)]
    {
        let world = World::new();
        let files = [("templates/two.yaml", TWO)];
        world.ensure(&wanted(chart("1.0.0", &files), json!({ "extra": true }))).await.unwrap();
        // As a client makes it that does not apply.
        let mut object = world.get("ConfigMap", "two").await.unwrap();
        let reference = ObjectRef::of(&object).unwrap();
        world.cluster.delete(&reference, kube_engine::Propagation::Background).await.unwrap();
        for key in ["managedFields", "resourceVersion", "uid", "creationTimestamp"] {
            object["metadata"].as_object_mut().unwrap().remove(key);
        }
        world.cluster.create(&object, manager).await.unwrap();
        let mut record = world.record(1).await;
        record.apply_method = method.into();
        world.store(&record, 0, json!({})).await;

        world.ensure(&wanted(chart("1.1.0", &files), json!({}))).await.unwrap();
        let two = world.get("ConfigMap", "two").await.unwrap();
        assert_eq!(two["data"].get("dropped").is_none(), is_dropped, "{manager} {method:?}: {two}");
        assert_eq!(two["data"]["kept"], "yes");
        let entries = two["metadata"]["managedFields"].as_array().unwrap();
        assert_eq!(entries.len(), if is_dropped { 1 } else { 2 }, "{manager} {method:?}: {two}");
        assert_eq!(world.record(2).await.apply_method, "ssa");
    }
}
