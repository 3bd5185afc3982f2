//! The same chart and values through real Helm and through us, each into a cluster of its own: every object, who owns its fields, and the
//! release records must come out the same.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use helm::Chart;
use helm::release::Release;
use kube_engine::release::{self, ActionOptions, Context, CrdPolicy, Outcome, ReleaseError, Wanted};
use launchway_tests::cluster::{records, title};
use launchway_tests::root;
use real_cluster::{Cluster, Options};
use serde_json::{Value, json};

const MANAGER: &str = "helm-controller";

/// Pods that complete by themselves, and pods whose image cannot be pulled.
const STAGES: &str = include_str!("../../real/stages.yaml");

/// A chart that is installed.
struct Case {
    name: &'static str,
    namespace: &'static str,
    chart: PathBuf,
    values: Value,
    /// CRDs that the cluster has beforehand, as group and kinds.
    given: &'static [(&'static str, &'static str, &'static str)],
    /// Secrets whose content is random.
    random: &'static [&'static str],
}

/// Two clusters: Helm's and ours.
struct Clusters {
    theirs: Cluster,
    ours: Cluster,
}

impl Clusters {
    fn start() -> Clusters {
        let options = Options { stages: STAGES.into(), ..Options::default() };
        let start = || Cluster::start(&options).unwrap();
        std::thread::scope(|scope| {
            let theirs = scope.spawn(start);
            Clusters { ours: start(), theirs: theirs.join().unwrap() }
        })
    }

    fn prepare(&self, case: &Case) {
        for cluster in [&self.theirs, &self.ours] {
            let namespace = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": case.namespace } });
            let path = "/api/v1/namespaces";
            if cluster.api().get(&format!("{path}/{}", case.namespace)).unwrap().is_none() {
                cluster.api().create(path, &namespace).unwrap();
            }
            for (group, kind, plural) in case.given {
                cluster.define(group, kind, plural).unwrap();
            }
        }
    }

    /// Installs or upgrades with both, at once.
    fn apply(&self, case: &Case) -> (Outcome, ()) {
        std::thread::scope(|scope| {
            let theirs = scope.spawn(|| assert_success(&mut helm_upgrade(&self.theirs, MANAGER, case, "120s")));
            let ours = ensure(&self.ours, case, Duration::from_secs(120), |_| {}).unwrap();
            (ours, theirs.join().unwrap())
        })
    }

    /// Fails to install or upgrade with both, which undo it, and returns what ours says.
    fn fail(&self, case: &Case) -> ReleaseError {
        std::thread::scope(|scope| {
            let theirs = scope.spawn(|| {
                let output = helm_upgrade(&self.theirs, MANAGER, case, "15s").arg("--rollback-on-failure").output().unwrap();
                let text = String::from_utf8_lossy(&output.stderr).into_owned();
                assert!(text.contains("due to rollback-on-failure being set"), "{text}");
            });
            let error = ensure(&self.ours, case, Duration::from_secs(15), |wanted| wanted.roll_back_on_failure(true)).unwrap_err();
            theirs.join().unwrap();
            assert!(matches!(error, ReleaseError::Undone { .. }), "{error}");
            error
        })
    }

    /// Installs with Helm on both, on the client's side as Helm 3 does.
    fn install_on_client_side(&self, case: &Case, manager: &str) {
        std::thread::scope(|scope| {
            for cluster in [&self.theirs, &self.ours] {
                scope.spawn(|| {
                    let mut helm = helm_of(cluster, manager, case);
                    assert_success(helm.args(["--wait", "--server-side=false", "--timeout", "120s"]));
                });
            }
        });
    }

    fn uninstall(&self, case: &Case) {
        for cluster in [&self.theirs, &self.ours] {
            let mut helm = cluster.helm(MANAGER).unwrap();
            assert_success(helm.args(["uninstall", case.name, "--namespace", case.namespace, "--wait", "--timeout", "120s"]));
        }
    }

    fn check(&self, case: &Case) {
        let (theirs, ours) = (state(&self.theirs, case), state(&self.ours, case));
        let names = |state: &BTreeMap<String, Value>| state.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&ours), names(&theirs), "{}", case.name);
        for (title, object) in &theirs {
            assert_eq!(pretty(&ours[title]), pretty(object), "{}: {title}: ours, theirs", case.name);
        }
        let (theirs, ours) = (history(&self.theirs, case), history(&self.ours, case));
        assert_eq!(ours.len(), theirs.len(), "{}", case.name);
        for (ours, theirs) in ours.iter().zip(&theirs) {
            assert!(ours == theirs, "{}: {}", case.name, difference(ours, theirs));
        }
    }
}

fn helm_of(cluster: &Cluster, manager: &str, case: &Case) -> Command {
    let values = cluster.folder().join(format!("{}.json", case.name));
    std::fs::write(&values, case.values.to_string()).unwrap();
    let mut helm = cluster.helm(manager).unwrap();
    helm.args(["upgrade", "--install", case.name]).arg(&case.chart).args(["--namespace", case.namespace, "--values"]).arg(values);
    helm
}

fn helm_upgrade(cluster: &Cluster, manager: &str, case: &Case, timeout: &str) -> Command {
    let mut helm = helm_of(cluster, manager, case);
    helm.args(["--wait", "--wait-for-jobs", "--server-side=true", "--force-conflicts", "--timeout", timeout]);
    helm
}

fn chart(path: &Path) -> Chart {
    if path.is_dir() {
        let files = launchway_tests::files(path).unwrap().into_iter();
        let relative = |file: PathBuf| (file.strip_prefix(path).unwrap().to_string_lossy().into_owned(), std::fs::read(&file).unwrap());
        return Chart::from_files(files.map(relative)).unwrap();
    }
    Chart::from_archive(&path.to_string_lossy(), &std::fs::read(path).unwrap()).unwrap()
}

fn ensure(cluster: &Cluster, case: &Case, timeout: Duration, change: impl FnOnce(&mut Wanted)) -> Result<Outcome, ReleaseError> {
    let mut wanted = Wanted {
        values: helm::values::as_floats(case.values.clone()).as_object().cloned().unwrap_or_default(),
        // Helm has no CRD step in an upgrade.
        upgrade: ActionOptions { crds: CrdPolicy::Skip, ..ActionOptions::default() },
        max_history: 10,
        timeout,
        ..Wanted::new(case.name, case.namespace, Arc::new(chart(&case.chart)))
    };
    change(&mut wanted);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let connected =
            kube_engine::Cluster::connect(&kube_engine::Way { kubeconfig: Some(cluster.kubeconfig()), ..kube_engine::Way::default() })
                .await
                .unwrap();
        let context = Context { cluster: &connected, now: &jiff::Timestamp::now, seed: [7; 32], progress: &|_| {}, before_flux: &() };
        release::ensure(&context, &wanted).await
    })
}

fn assert_success(command: &mut Command) {
    let output = command.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{command:?}\n{}\n{}", text(&output.stdout), text(&output.stderr));
}

/// Returns every object that the field manager owns something of, without what differs from run to run.
fn state(cluster: &Cluster, case: &Case) -> BTreeMap<String, Value> {
    let objects = cluster.api().everything().unwrap();
    let is_owned = |object: &Value| managers(object).any(|entry| entry["manager"] == MANAGER && entry["operation"] == "Apply");
    let served_twice = |object: &Value| object["kind"] == "Event";
    let owned = objects.into_iter().filter(|object| is_owned(object) && !served_twice(object));
    owned.map(|object| (title(&object), without_chance(object, case))).collect()
}

fn managers(object: &Value) -> impl Iterator<Item = &Value> {
    object["metadata"]["managedFields"].as_array().into_iter().flatten()
}

fn without_chance(mut object: Value, case: &Case) -> Value {
    let is_of_helm = |entry: &Value| [MANAGER, "helm"].iter().any(|name| entry["manager"] == *name) && entry["subresource"].is_null();
    let fields: Vec<Value> = managers(&object).filter(|entry| is_of_helm(entry)).cloned().collect();
    let is_random = case.random.iter().any(|name| object["metadata"]["name"] == *name);
    let metadata = object["metadata"].as_object_mut().unwrap();
    metadata.retain(|key, _| !["uid", "resourceVersion", "creationTimestamp", "managedFields"].contains(&key.as_str()));
    // Written by a controller, with the number of a revision.
    metadata.get_mut("annotations").and_then(Value::as_object_mut).map(|all| all.remove("deployment.kubernetes.io/revision"));
    object["fields"] = fields
        .into_iter()
        .map(|mut entry| {
            entry["time"] = Value::Null;
            entry
        })
        .collect();
    object["status"] = Value::Null;
    if is_random {
        object["data"] = Value::Null;
    }
    if object["kind"] == "Pod" {
        // Which node the scheduler chose is no one's doing.
        object["spec"].as_object_mut().map(|spec| spec.remove("nodeName"));
    }
    if object["kind"] == "Job" {
        // The API server names a Job's pods after its uid.
        for path in ["/spec/selector", "/spec/template/metadata/labels"] {
            if let Some(found) = object.pointer_mut(path) {
                *found = Value::Null;
            }
        }
        // A Job without labels gets those of its pods.
        if let Some(labels) = object.pointer_mut("/metadata/labels").and_then(Value::as_object_mut) {
            labels.retain(|key, _| !key.ends_with("controller-uid"));
        }
    }
    without_addresses(&mut object);
    object
}

/// Takes addresses and ports away that the API server hands out.
fn without_addresses(object: &mut Value) {
    if object["kind"] != "Service" {
        return;
    }
    let owned = object["fields"][0]["fieldsV1"]["f:spec"].clone();
    let spec = object["spec"].as_object_mut().unwrap();
    spec.retain(|key, _| {
        !["clusterIP", "clusterIPs", "healthCheckNodePort"].contains(&key.as_str()) || owned.get(format!("f:{key}")).is_some()
    });
    for port in spec.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten() {
        port.as_object_mut().unwrap().remove("nodePort");
    }
}

/// Returns the records, oldest first, without times.
fn history(cluster: &Cluster, case: &Case) -> Vec<String> {
    let secrets = cluster.api().list(&format!("/api/v1/namespaces/{}/secrets", case.namespace)).unwrap();
    let mut found: Vec<Release> = records(&secrets).into_iter().filter(|release| release.name == case.name).collect();
    found.sort_by_key(|release| release.version);
    found.into_iter().map(without_times).collect()
}

fn without_times(mut release: Release) -> String {
    if let Some(info) = &mut release.info {
        (info.first_deployed, info.last_deployed) = (None, None);
        // Each says in its own words what was not ready.
        if info.status == "failed" {
            info.description = info.description.split(" failed: ").next().unwrap_or_default().into();
        }
    }
    for hook in &mut release.hooks {
        (hook.last_run.started_at, hook.last_run.completed_at) = (None, None);
    }
    if let Some(chart) = &mut release.chart {
        // A folder's files have the times of its copy.
        (chart.modified, chart.schema_modified) = (None, None);
        for file in chart.templates.iter_mut().chain(&mut chart.files).flatten() {
            file.modified = None;
        }
    }
    release.to_json()
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap()
}

fn difference(ours: &str, theirs: &str) -> String {
    let at = ours.bytes().zip(theirs.bytes()).position(|(left, right)| left != right).unwrap_or(ours.len().min(theirs.len()));
    let around = |text: &str| {
        String::from_utf8_lossy(&text.as_bytes()[at.saturating_sub(200).min(text.len())..(at + 200).min(text.len())]).into_owned()
    };
    format!("records differ at {at}:\n  ours   {}\n  theirs {}", around(ours), around(theirs))
}

fn everything(values: Value) -> Case {
    Case { name: "all", namespace: "apps", chart: root().join("tests/charts/everything"), values, given: &[], random: &[] }
}

#[test]
#[cfg_attr(not(has_real), ignore = "skipped: needs Go, and cargo xtask test, which builds the real programs")]
fn install_upgrade_and_what_helm_makes_of_our_releases() {
    let clusters = Clusters::start();
    let first = everything(json!({ "color": "green" }));
    clusters.prepare(&first);
    clusters.apply(&first);
    clusters.check(&first);
    // Objects that are no longer in the chart go, unless they are to be kept.
    let second = everything(json!({ "color": "blue", "extra": false, "replicas": 3, "part": { "enabled": false } }));
    clusters.apply(&second);
    clusters.check(&second);
    let gone = clusters.ours.api().get("/api/v1/namespaces/apps/configmaps/all-gone").unwrap();
    let kept = clusters.ours.api().get("/api/v1/namespaces/apps/configmaps/all-kept").unwrap();
    assert!(gone.is_none() && kept.is_some());
    // An upgrade that never gets ready, and cleans up behind itself.
    let broken = everything(json!({ "color": "black", "part": { "enabled": false }, "image": NO_SUCH_IMAGE }));
    std::thread::scope(|scope| {
        let mut helm = helm_upgrade(&clusters.theirs, MANAGER, &broken, "15s");
        let theirs = scope.spawn(move || assert!(!helm.arg("--cleanup-on-fail").output().unwrap().status.success()));
        let error = ensure(&clusters.ours, &broken, Duration::from_secs(15), |wanted| wanted.upgrade.cleanup_on_fail = true).unwrap_err();
        assert_eq!(error.code(), "timeout", "{error}");
        theirs.join().unwrap();
    });
    clusters.check(&broken);
    assert!(clusters.ours.api().get("/api/v1/namespaces/apps/configmaps/all-gone").unwrap().is_none());
    // Helm itself goes on with our release as with its own.
    for arguments in [&["rollback", "all", "2"][..], &["status", "all"], &["get", "all", "all"], &["history", "all"], &["test", "all"]] {
        for cluster in [&clusters.theirs, &clusters.ours] {
            let mut helm = cluster.helm(MANAGER).unwrap();
            helm.args(arguments).args(["--namespace", "apps"]);
            if arguments[0] == "rollback" {
                helm.args(["--wait", "--timeout", "120s"]);
            }
            assert_success(&mut helm);
        }
    }
    clusters.check(&second);
    let listed = clusters.ours.helm(MANAGER).unwrap().args(["list", "--namespace", "apps", "--output", "json"]).output().unwrap();
    let listed: Value = serde_json::from_slice(&listed.stdout).unwrap();
    let row = &listed[0];
    assert_eq!(
        (&row["name"], &row["revision"], &row["status"], &row["chart"]),
        (&json!("all"), &json!("4"), &json!("deployed"), &json!("everything-1.2.3"))
    );
    // We go on with a release that Helm wrote last.
    let third = everything(json!({ "color": "white" }));
    clusters.apply(&third);
    clusters.check(&third);
    clusters.uninstall(&third);
    clusters.check(&third);
    assert!(history(&clusters.ours, &third).is_empty());
}

const NO_SUCH_IMAGE: &str = "example.com/cannot-be-pulled:1";

#[test]
#[cfg_attr(not(has_real), ignore = "skipped: needs Go, and cargo xtask test, which builds the real programs")]
fn what_fails_is_undone_as_by_helm() {
    let clusters = Clusters::start();
    // An install that never gets ready leaves what is to be kept, and no record.
    let never_ready = everything(json!({ "color": "red", "image": NO_SUCH_IMAGE }));
    clusters.prepare(&never_ready);
    let error = clusters.fail(&never_ready);
    assert_eq!((error.code(), error.to_string().as_str()), ("timeout", "the install failed and was uninstalled"));
    clusters.check(&never_ready);
    assert!(history(&clusters.ours, &never_ready).is_empty());
    // What an upgrade that failed added goes, and what it removed is there again.
    let first = everything(json!({ "color": "green", "extra": false }));
    clusters.apply(&first);
    let broken = everything(json!({ "color": "black", "part": { "enabled": false }, "replicas": 3, "image": NO_SUCH_IMAGE }));
    let error = clusters.fail(&broken);
    assert_eq!((error.code(), error.to_string().as_str()), ("timeout", "the upgrade failed and was rolled back to revision 1"));
    clusters.check(&broken);
    let gone = clusters.ours.api().get("/api/v1/namespaces/apps/configmaps/all-gone").unwrap();
    assert!(gone.is_none());
    // The revision that was rolled back to is the one to roll back to.
    for event in ["pre-upgrade", "post-upgrade"] {
        let hook_fails = everything(json!({ "color": "white", "failing": event }));
        assert_eq!(clusters.fail(&hook_fails).code(), "failed");
        clusters.check(&hook_fails);
    }
    let last = everything(json!({ "color": "blue" }));
    clusters.apply(&last);
    clusters.check(&last);
}

#[test]
#[cfg_attr(not(has_real), ignore = "skipped: needs Go, and cargo xtask test, which builds the real programs")]
fn what_was_applied_on_the_client_s_side_is_taken_over_as_by_helm() {
    let clusters = Clusters::start();
    let first = everything(json!({ "color": "green" }));
    let second = everything(json!({ "color": "blue", "extra": false, "replicas": 3, "part": { "enabled": false } }));
    clusters.prepare(&first);
    let is_left = |what: &str, pointer: &str| {
        let objects = [&clusters.theirs, &clusters.ours].map(|cluster| cluster.api().get(what).unwrap().unwrap());
        let [theirs, ours] = objects.map(|object| object.pointer(pointer).is_some());
        assert_eq!(ours, theirs, "{what}");
        ours
    };
    // As helm-controller and Helm before it did, and as the command did, whose fields are its own.
    for (manager, are_left) in [(MANAGER, false), ("helm", true)] {
        clusters.install_on_client_side(&first, manager);
        clusters.apply(&second);
        clusters.check(&second);
        assert_eq!(is_left("/api/v1/namespaces/apps/configmaps/all", "/data/more"), are_left, "{manager}");
        let environment = "/spec/template/spec/containers/0/env/1";
        assert_eq!(is_left("/apis/apps/v1/namespaces/apps/deployments/all", environment), are_left, "{manager}");
        assert_eq!(is_left("/apis/example.com/v1/namespaces/apps/widgets/all", "/spec/more"), are_left, "{manager}");
        clusters.uninstall(&second);
        for cluster in [&clusters.theirs, &clusters.ours] {
            // What is left of a hook would be in the way.
            assert_success(cluster.kubectl().unwrap().args(["delete", "pod", "all-hook", "--namespace", "apps"]));
        }
    }
    // The way back is gone on the server's side, too.
    clusters.install_on_client_side(&first, MANAGER);
    let broken = everything(json!({ "color": "black", "extra": false, "image": NO_SUCH_IMAGE }));
    clusters.fail(&broken);
    clusters.check(&broken);
    assert!(is_left("/api/v1/namespaces/apps/configmaps/all", "/data/more"));
}

/// Returns a case for a public chart.
fn public(name: &'static str, namespace: &'static str, archive: &str, values: Option<&str>) -> Case {
    let folder = shared_data::folder("charts");
    let values = values.map(|file| go_encoding::yaml::parse(&std::fs::read_to_string(folder.join("values").join(file)).unwrap()).unwrap());
    let chart = folder.join(format!("{archive}.tgz"));
    Case { name, namespace, chart, values: values.unwrap_or_else(|| json!({})), given: &[], random: &[] }
}

const SERVICE_MONITOR: (&str, &str, &str) = ("monitoring.coreos.com", "ServiceMonitor", "servicemonitors");

#[test]
#[cfg_attr(not(all(has_real, has_shared)), ignore = "skipped: needs Go, ../shared, and cargo xtask test, which builds the real programs")]
fn public_charts() {
    let cases = [
        public("coredns", "kube-system", "coredns-1.46.2", Some("coredns-onedr0p.yaml")),
        Case { given: &[SERVICE_MONITOR], ..public("cilium", "kube-system", "cilium-1.18.6", Some("cilium-onedr0p.yaml")) },
        public("flux-operator", "flux-system", "flux-operator-0.49.0", None),
        public("cert-manager", "cert-manager", "cert-manager-v1.20.2", None),
        public("metallb", "metallb-system", "metallb-0.16.1", None),
        public("nats", "nats", "nats-1.3.16", None),
        public("ingress", "ingress", "ingress-nginx-4.11.2", None),
        Case { random: &["kps-grafana"], ..public("kps", "monitoring", "kube-prometheus-stack-88.5.3", None) },
    ];
    let clusters = Clusters::start();
    for case in cases {
        clusters.prepare(&case);
        clusters.apply(&case);
        clusters.check(&case);
    }
}
