//! Real flux-operator, source-, kustomize- and helm-controller take over what a boot left behind: what they decide, and what they write.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Result;
use launchway_tests::cluster::{records, title};
use launchway_tests::helmfile::{Release, helmfile, plain_values, sync};
use launchway_tests::public::{BOOTSTRAPPED, define_kinds};
use launchway_tests::takeover::{HELM_3, Instance, PLAIN_VERSIONS, Repository, TRACKED_VERSIONS, Variant};
use launchway_tests::{Run, command, run};
use real_cluster::{Cluster, Controller, Options, Request};
use serde_json::Value;

const RELEASES: [(&str, &str); 4] =
    [("kube-system", "dns"), ("web", "shop"), ("flux-system", "flux-operator"), ("flux-system", "flux-instance")];

/// In place of `handoff`: not we bootstrap, but Helm, or helmfile.
const HELM: &str = "helm";
const HELMFILE: &str = "helmfile";

/// A cluster after Flux has taken over.
struct TakenOver {
    cluster: Cluster,
    repository: Repository,
    releases: &'static [(&'static str, &'static str)],
    boot: Run,
    /// Every object of the releases as it was before a controller of Flux ran, and every record just before helm-controller started.
    before: BTreeMap<String, Value>,
}

fn boot(cluster: &Cluster, repository: &Repository) -> Run {
    let mut command = command(repository.folder.path());
    command.args(["boot", "--yes", "--output", "json", "--plain-http", repository.registry.address(), "--kubeconfig"]);
    run(command.arg(cluster.kubeconfig()))
}

/// Returns the releases as scripts install them: with `.spec.values` of each HelmRelease.
fn plain(repository: &Repository, charts: &Path) -> Vec<Release> {
    let release = |(namespace, name): (&str, &str)| Release {
        namespace: namespace.into(),
        name: name.into(),
        chart: charts.join(format!("{name}-1.0.0.tgz")),
        values: plain_values(&repository.folder.path().join(format!("kubernetes/apps/{namespace}/{name}/app/helmrelease.yaml"))).unwrap(),
        // A FluxInstance is ready once Flux is.
        waits: name != "flux-instance",
    };
    RELEASES.map(release).to_vec()
}

/// Fetches the charts of the repository.
fn pull(cluster: &Cluster, repository: &Repository) -> PathBuf {
    let charts = cluster.folder().join("data/charts");
    std::fs::create_dir_all(&charts).unwrap();
    for (_, name) in RELEASES {
        let mut helm = cluster.helm("helm").unwrap();
        helm.args(["pull", &format!("oci://{}/charts/{name}", repository.registry.address()), "--plain-http", "--version", "1.0.0"]);
        let pulled = run(helm.arg("--destination").arg(&charts));
        assert_eq!(pulled.code, 0, "{name}: {}", pulled.stderr);
    }
    charts
}

fn install_with_helm(cluster: &Cluster, repository: &Repository) -> Run {
    let mut last = None;
    for release in plain(repository, &pull(cluster, repository)) {
        let values = cluster.folder().join("data/values.json");
        std::fs::write(&values, release.values.to_string()).unwrap();
        let mut helm = cluster.helm("helm").unwrap();
        helm.args(["install", &release.name]).arg(&release.chart).args([
            "--namespace",
            &release.namespace,
            "--create-namespace",
            "--values",
        ]);
        helm.arg(values);
        if release.waits {
            helm.args(["--wait", "--timeout", "120s"]);
        }
        let installed = run(&mut helm);
        assert_eq!(installed.code, 0, "{}: {}", release.name, installed.stderr);
        last = Some(installed);
    }
    last.unwrap()
}

fn install_with_helmfile(cluster: &Cluster, repository: &Repository) -> Run {
    run(&mut sync(&helmfile().unwrap(), cluster, &plain(repository, &pull(cluster, repository))).unwrap())
}

/// Boots our own repository, and lets Flux take it over.
fn take_over(variant: Variant) -> TakenOver {
    let repository = Repository::make(variant).unwrap();
    let cluster = Cluster::start(&Options::default()).unwrap();
    let bootstrap = match variant.handoff {
        HELM => install_with_helm,
        HELMFILE => install_with_helmfile,
        _ => boot,
    };
    // Last of them is the one that makes the FluxInstance.
    let releases = if variant.instance == Instance::Release { &RELEASES[..] } else { &RELEASES[..3] };
    take_over_with(cluster, repository, releases, bootstrap)
}

/// Says that the bootstrap is over, also where it panics.
struct Done<'a>(&'a AtomicBool);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Bootstraps, lets Flux come up as it is told, and waits until it is done.
fn take_over_with(
    cluster: Cluster,
    repository: Repository,
    releases: &'static [(&'static str, &'static str)],
    bootstrap: fn(&Cluster, &Repository) -> Run,
) -> TakenOver {
    let done = AtomicBool::new(false);
    let mut before = BTreeMap::new();
    let boot = std::thread::scope(|scope| {
        let booting = scope.spawn(|| {
            let _done = Done(&done);
            let run = bootstrap(&cluster, &repository);
            let settled = if run.code == 0 { settle(&cluster, releases.len()) } else { Ok(()) };
            settled.map(|()| run)
        });
        let note = |controller| {
            let now = owned(&cluster)?;
            if controller == Controller::Helm {
                before.retain(|_, object: &mut Value| !is_record(object));
            }
            // What the operator makes of itself is there later; everything else is as it was before any of Flux ran.
            for (title, object) in now {
                before.entry(title).or_insert(object);
            }
            Ok(())
        };
        let flux = cluster.run_flux(note, || done.load(Ordering::Relaxed));
        let run = booting.join().unwrap();
        flux.unwrap();
        run.unwrap_or_else(|error| panic!("{error:#}\n{}", cluster.log(Controller::Helm)))
    });
    assert_eq!(boot.code, 0, "{}\n{}", boot.stdout, boot.stderr);
    TakenOver { cluster, repository, releases, boot, before }
}

fn helm_releases(cluster: &Cluster) -> Result<Vec<Value>> {
    cluster.api().list("/apis/helm.toolkit.fluxcd.io/v2/helmreleases")
}

/// Waits until every HelmRelease was looked at by helm-controller and is ready.
fn settle(cluster: &Cluster, count: usize) -> Result<()> {
    let is_done = |release: &Value| {
        let seen = release["status"]["storageNamespace"].is_string()
            && release["status"]["observedGeneration"] == release["metadata"]["generation"];
        seen && condition(release, "Ready").is_some_and(|ready| ready["status"] == "True")
    };
    cluster.wait("HelmReleases that are ready", || {
        let found = helm_releases(cluster)?;
        Ok(found.len() == count && found.iter().all(is_done))
    })?;
    // A decision to change something would follow at once.
    std::thread::sleep(Duration::from_secs(3));
    Ok(())
}

fn condition<'a>(object: &'a Value, name: &str) -> Option<&'a Value> {
    object["status"]["conditions"].as_array()?.iter().find(|condition| condition["type"] == name)
}

/// Returns every object that belongs to a release, and every record. Hooks come and go with their events, and what a controller makes of an object
/// (Pods of a Deployment, EndpointSlices and Endpoints of a Service) carries its labels and changes by itself.
fn owned(cluster: &Cluster) -> Result<BTreeMap<String, Value>> {
    let everything = cluster.api().everything()?;
    let is_owned = |object: &Value| {
        let labels = &object["metadata"]["labels"];
        let is_hook = object["metadata"]["annotations"]["helm.sh/hook"].is_string();
        let is_derived = object["metadata"]["ownerReferences"].is_array() || object["kind"] == "Endpoints";
        labels["helm.toolkit.fluxcd.io/name"].is_string() && !is_derived && !is_hook || is_record(object)
    };
    Ok(everything.into_iter().filter(is_owned).map(|object| (title(&object), object)).collect())
}

fn is_record(object: &Value) -> bool {
    object["type"] == "helm.sh/release.v1"
}

/// Returns the writes of a controller, but for those to what is its own.
fn writes(cluster: &Cluster, controller: &str, own: &[&str]) -> Vec<Request> {
    let requests = cluster.requests(controller).unwrap();
    let is_own = |request: &Request| {
        let path = request.uri.split('?').next().unwrap_or_default();
        own.iter().any(|own| path.contains(own)) || path.contains("/events") || path.contains("/leases/")
    };
    requests.into_iter().filter(|request| request.is_write() && !is_own(request)).collect()
}

/// Returns what was written to since: its resourceVersion is another one, and not because of its status.
fn changed(before: &BTreeMap<String, Value>, after: &BTreeMap<String, Value>) -> Vec<String> {
    let is_same = |before: &Value, after: &Value| {
        let version = |object: &Value| object["metadata"]["resourceVersion"].clone();
        version(before) == version(after) || has_status(before) && without_status(before) == without_status(after)
    };
    before
        .iter()
        .filter(|(title, object)| after.get(*title).is_none_or(|after| !is_same(object, after)))
        .map(|(title, _)| title.clone())
        .collect()
}

/// Tells whether somebody reports on an object in it: kwok's nodes on workloads, the operator on its instance.
fn has_status(object: &Value) -> bool {
    ["DaemonSet", "Deployment", "FluxInstance"].iter().any(|kind| object["kind"] == *kind)
}

/// Returns an object as it was asked for. The operator keeps a finalizer on its instance, the controller of Deployments their revision.
fn without_status(object: &Value) -> Value {
    let mut object = object.clone();
    let reporter = |entry: &Value| entry["subresource"] == "status" || entry["manager"] == "flux-operator";
    object["metadata"]["managedFields"].as_array_mut().unwrap().retain(|entry| !reporter(entry));
    let metadata = object["metadata"].as_object_mut().unwrap();
    metadata.retain(|key, _| !["resourceVersion", "finalizers"].contains(&key.as_str()));
    object["status"] = Value::Null;
    object
}

/// What `launchway verify` says of a release.
#[derive(Debug, PartialEq)]
struct Row {
    release: String,
    objects: u64,
    rewritten: usize,
    revisions: u64,
    decision: String,
}

/// Runs `launchway verify`, shows its table and returns its exit code with its rows.
fn verify(cluster: &Cluster) -> (i32, Vec<Row>) {
    let run = |output: &str| {
        let mut command = command(cluster.folder());
        run(command.args(["verify", "--output", output, "--kubeconfig"]).arg(cluster.kubeconfig()))
    };
    println!("{}", run("text").stdout);
    let json = run("json");
    let found: Value = serde_json::from_str(&json.stdout).unwrap_or_else(|error| panic!("{error}: {}\n{}", json.stdout, json.stderr));
    let row = |found: &Value| Row {
        release: found["release"].as_str().unwrap().into(),
        objects: found["objects"].as_u64().unwrap(),
        rewritten: found["rewritten"].as_array().unwrap().len(),
        revisions: found["revisionsAdded"].as_u64().unwrap(),
        decision: found["decision"].as_str().unwrap().into(),
    };
    (json.code, found["releases"].as_array().unwrap().iter().map(row).collect())
}

/// Flux wrote to nothing of what was seeded, and says why.
fn check_seeded(taken: &TakenOver) {
    let after = owned(&taken.cluster).unwrap();
    assert!(taken.before.len() > 4 * taken.releases.len(), "{:?}", taken.before.keys());
    assert_eq!(changed(&taken.before, &after), Vec::<String>::new(), "objects were rewritten");
    assert_eq!(after.keys().collect::<Vec<_>>(), taken.before.keys().collect::<Vec<_>>());
    let (code, rows) = verify(&taken.cluster);
    assert_eq!((code, rows.len()), (0, taken.releases.len()), "{rows:#?}");
    for row in rows {
        assert_eq!((row.rewritten, row.revisions, row.decision.as_str()), (0, 0, "in sync"), "{}", row.release);
        assert!(row.objects > 0, "{}", row.release);
    }
    let writes = writes(&taken.cluster, "helm-controller/", &["/helmreleases/"]);
    assert!(writes.is_empty(), "helm-controller wrote {writes:#?}");
    let log = taken.cluster.log(Controller::Helm);
    for (namespace, name) in taken.releases {
        let in_sync = |line: &&str| line.contains("in-sync with desired state") && line.contains(&format!("\"name\":\"{name}\""));
        assert!(log.lines().any(|line| in_sync(&line)), "{namespace}/{name} is not in sync:\n{log}");
    }
    for release in helm_releases(&taken.cluster).unwrap() {
        let history = release["status"]["history"].as_array().unwrap();
        assert_eq!((history.len(), &history[0]["version"]), (1, &1.into()), "{release:#}");
    }
    check_unchanged_by_kustomize(taken);
    let mut status = command(taken.repository.folder.path());
    status.args(["status", "--plain-http", taken.repository.registry.address(), "--kubeconfig"]);
    let status = run(status.arg(taken.cluster.kubeconfig()));
    assert_eq!(status.code, 0, "{}\n{}", status.stdout, status.stderr);
    let is_done = |line: &str| line.contains("in sync, revision 1") && line.ends_with("ready");
    assert_eq!(status.stdout.lines().filter(|line| is_done(line)).count(), taken.releases.len(), "{}", status.stdout);
    // A finished run only reads.
    let so_far = taken.cluster.requests("launchway/").unwrap().len();
    let again = boot(&taken.cluster, &taken.repository);
    assert_eq!(again.code, 0, "{}\n{}", again.stdout, again.stderr);
    let requests = taken.cluster.requests("launchway/").unwrap().split_off(so_far);
    let wrote: Vec<_> = requests.iter().filter(|request| request.is_write()).collect();
    assert!(wrote.is_empty(), "{wrote:#?}");
}

/// What kustomize-controller found as it would have made it, it did not apply.
fn check_unchanged_by_kustomize(taken: &TakenOver) {
    let applied = writes(&taken.cluster, "kustomize-controller/", &["/kustomizations"]);
    let seeded = |request: &&Request| {
        let made = ["/helmreleases/", "/ocirepositories/", "/namespaces/web/configmaps/notice"];
        request.verb == "patch" && made.iter().any(|kind| request.uri.contains(kind))
    };
    let rewritten: Vec<_> = applied.iter().filter(seeded).collect();
    assert!(rewritten.is_empty(), "kustomize-controller applied {rewritten:#?}\n{}", taken.boot.stdout);
}

#[test]
#[cfg_attr(not(all(has_binary, has_real)), ignore = "skipped: needs Go, and cargo xtask test, which builds the program and the real ones")]
fn flux_finds_seeded_releases_in_sync() {
    let taken = take_over(Variant { handoff: "seed", gates: PLAIN_VERSIONS, instance: Instance::Release });
    check_seeded(&taken);
    check_lives_on(&taken.cluster);
}

/// What was handed over is a release as any other: it is upgraded, and uninstalled.
fn check_lives_on(cluster: &Cluster) {
    let path = |namespace: &str, name: &str| format!("/apis/helm.toolkit.fluxcd.io/v2/namespaces/{namespace}/helmreleases/{name}");
    let more = serde_json::json!({ "spec": { "values": { "replicas": 3 } } });
    cluster.api().patch(&path("kube-system", "dns"), "application/merge-patch+json", &more).unwrap();
    let deployment = |namespace: &str, name: &str| cluster.api().get(&format!("/apis/apps/v1/namespaces/{namespace}/deployments/{name}"));
    let revision_of = |release: &Value| release["status"]["history"][0]["version"].clone();
    cluster
        .wait("an upgrade", || {
            let release = cluster.api().get(&path("kube-system", "dns"))?.unwrap_or_default();
            Ok(revision_of(&release) == 2 && condition(&release, "Ready").is_some_and(|ready| ready["status"] == "True"))
        })
        .unwrap();
    assert_eq!(deployment("kube-system", "dns").unwrap().unwrap()["spec"]["replicas"], 3);
    assert_eq!(cluster.api().send("DELETE", &path("web", "shop"), "application/json", "").unwrap().code, 200);
    cluster
        .wait("an uninstall", || Ok(cluster.api().get(&path("web", "shop"))?.is_none() && deployment("web", "shop")?.is_none()))
        .unwrap();
    let left = records(&cluster.api().list("/api/v1/namespaces/web/secrets").unwrap());
    assert!(left.is_empty(), "{:?}", left.iter().map(|release| release.version).collect::<Vec<_>>());
}

#[test]
#[cfg_attr(not(all(has_binary, has_real)), ignore = "skipped: needs Go, and cargo xtask test, which builds the program and the real ones")]
fn flux_finds_seeded_releases_in_sync_when_it_tracks_digests() {
    check_seeded(&take_over(Variant { handoff: "seed", gates: TRACKED_VERSIONS, instance: Instance::Release }));
}

/// A step that applies the FluxInstance itself hands the releases over as the one that installs its chart does.
#[test]
#[cfg_attr(not(all(has_binary, has_real)), ignore = "skipped: needs Go, and cargo xtask test, which builds the program and the real ones")]
fn flux_finds_seeded_releases_in_sync_when_its_instance_is_a_manifest() {
    check_seeded(&take_over(Variant { handoff: "seed", gates: PLAIN_VERSIONS, instance: Instance::Manifest }));
}

/// Without seeding Flux runs one upgrade: a revision more, and no object changes.
#[test]
#[cfg_attr(not(all(has_binary, has_real)), ignore = "skipped: needs Go, and cargo xtask test, which builds the program and the real ones")]
fn matched_releases_are_upgraded_without_a_change() {
    let taken = take_over(Variant { handoff: "match", gates: PLAIN_VERSIONS, instance: Instance::Release });
    check_matched(&taken);
}

fn check_matched(taken: &TakenOver) {
    let after = owned(&taken.cluster).unwrap();
    let rewritten: Vec<String> = changed(&taken.before, &after).into_iter().filter(|title| !title.contains("sh.helm.release.v1")).collect();
    assert_eq!(rewritten, Vec::<String>::new());
    let (code, rows) = verify(&taken.cluster);
    assert_eq!((code, rows.len()), (3, taken.releases.len()), "{rows:#?}");
    for row in rows {
        assert_eq!((row.rewritten, row.revisions), (0, 1), "{row:?}");
    }
    let revisions = records(&taken.cluster.api().list("/api/v1/secrets").unwrap());
    for (_, name) in taken.releases {
        let of: Vec<_> = revisions.iter().filter(|release| release.name == *name).collect();
        let mut states: Vec<_> = of.iter().map(|release| (release.version, release.info.clone().unwrap_or_default().status)).collect();
        states.sort();
        assert_eq!(states, [(1, "superseded".to_owned()), (2, "deployed".to_owned())], "{name}");
    }
}

/// With the gate objects are applied on the client's side: by us, and by Flux after us.
#[test]
#[cfg_attr(not(all(has_binary, has_real)), ignore = "skipped: needs Go, and cargo xtask test, which builds the program and the real ones")]
fn matched_releases_are_upgraded_without_a_change_on_the_client_s_side() {
    let taken = take_over(Variant { handoff: "match", gates: HELM_3, instance: Instance::Release });
    check_matched(&taken);
    check_client_side(&taken);
}

#[test]
#[cfg_attr(not(all(has_binary, has_real)), ignore = "skipped: needs Go, and cargo xtask test, which builds the program and the real ones")]
fn flux_finds_seeded_releases_in_sync_that_were_applied_on_the_client_s_side() {
    let taken = take_over(Variant { handoff: "seed", gates: HELM_3, instance: Instance::Release });
    check_seeded(&taken);
    check_client_side(&taken);
}

fn check_client_side(taken: &TakenOver) {
    let revisions = records(&taken.cluster.api().list("/api/v1/secrets").unwrap());
    assert!(
        revisions.iter().all(|release| release.apply_method == "csa"),
        "{:?}",
        revisions.iter().map(|it| &it.apply_method).collect::<Vec<_>>()
    );
    for (title, object) in taken.before.iter().filter(|(_, object)| !is_record(object)) {
        let entries = object["metadata"]["managedFields"].as_array().unwrap();
        let mut ours = entries.iter().filter(|entry| entry["manager"] == "helm-controller");
        assert!(ours.all(|entry| entry["operation"] == "Update"), "{title}: {object:#}");
    }
}

/// Boots what a public repository bootstraps, and lets Flux take it over.
fn take_over_public(name: &str, service_cidr: &str, handoff: &str) -> TakenOver {
    let repository = Repository::public(name, handoff).unwrap();
    let cluster = Cluster::start(&Options { service_cidr: service_cidr.into(), ..Options::default() }).unwrap();
    define_kinds(&cluster).unwrap();
    take_over_with(cluster, repository, &BOOTSTRAPPED, boot)
}

#[test]
#[cfg_attr(
    not(all(has_binary, has_real, has_shared)),
    ignore = "skipped: needs ../shared, Go, and cargo xtask test, which builds the program and the real ones"
)]
fn seeded_releases_of_onedr0p_are_in_sync() {
    check_seeded(&take_over_public("onedr0p-home-ops", "10.43.0.0/16", "seed"));
}

#[test]
#[cfg_attr(
    not(all(has_binary, has_real, has_shared)),
    ignore = "skipped: needs ../shared, Go, and cargo xtask test, which builds the program and the real ones"
)]
fn seeded_releases_of_buroa_are_in_sync() {
    check_seeded(&take_over_public("buroa-k8s-gitops", "10.245.0.0/16", "seed"));
}

#[test]
#[cfg_attr(
    not(all(has_binary, has_real, has_shared)),
    ignore = "skipped: needs ../shared, Go, and cargo xtask test, which builds the program and the real ones"
)]
fn matched_releases_of_onedr0p_are_upgraded_without_a_change() {
    check_matched(&take_over_public("onedr0p-home-ops", "10.43.0.0/16", "match"));
}

/// The control: what others installed, Flux writes anew.
fn check_rewritten(taken: &TakenOver) {
    let (code, rows) = verify(&taken.cluster);
    assert_eq!((code, rows.len()), (3, RELEASES.len()), "{rows:#?}");
    for row in rows {
        assert!(row.rewritten > 0 && row.revisions == 1, "{row:?}");
    }
}

#[test]
#[cfg_attr(not(all(has_binary, has_real)), ignore = "skipped: needs Go, and cargo xtask test, which builds the program and the real ones")]
fn what_helm_installed_is_rewritten() {
    check_rewritten(&take_over(Variant { handoff: HELM, gates: PLAIN_VERSIONS, instance: Instance::Release }));
}

#[test]
#[cfg_attr(
    not(all(has_binary, has_real, has_helmfile)),
    ignore = "skipped: needs helmfile, which takes ten minutes to build: `cargo xtask test --sweep` does"
)]
fn what_helmfile_installed_is_rewritten() {
    check_rewritten(&take_over(Variant { handoff: HELMFILE, gates: PLAIN_VERSIONS, instance: Instance::Release }));
}
