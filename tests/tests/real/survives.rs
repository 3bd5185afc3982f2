//! A run may be killed anywhere, and requests may go wrong anywhere: the next run, or the same one, ends where an undisturbed one does.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use helm::release::Release;
use launchway_tests::cluster::{records, title};
use launchway_tests::takeover::archive;
use launchway_tests::{command, copy_of, files, root};
use real_cluster::{Cluster, Fate, Options, Passing, Proxy, program};
use serde_json::Value;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

/// A cluster that knows of FluxInstances, and the manifests of Flux in a file.
struct World {
    cluster: Cluster,
    manifests: PathBuf,
}

impl World {
    fn new() -> World {
        let cluster = Cluster::start(&Options::default()).unwrap();
        for file in files(&program("flux-operator-crds").unwrap()).unwrap() {
            let applied = cluster.kubectl().unwrap().args(["create", "--filename"]).arg(file).output().unwrap();
            assert!(applied.status.success(), "{}", String::from_utf8_lossy(&applied.stderr));
        }
        let folder = program("flux").unwrap().canonicalize().unwrap().parent().unwrap().to_owned();
        let manifests = cluster.folder().join("flux.tgz");
        std::fs::write(&manifests, archive(&folder, &["flux"]).unwrap()).unwrap();
        World { cluster, manifests }
    }

    /// Returns a repository whose releases are in a namespace of their own.
    fn repository(&self, name: &str) -> TempDir {
        let copy = copy_of(&root().join("tests/survives")).unwrap();
        for file in files(copy.path()).unwrap() {
            let text = std::fs::read_to_string(&file).unwrap();
            std::fs::write(&file, text.replace("NAME", name)).unwrap();
        }
        copy
    }

    fn boot(&self, repository: &TempDir, proxy: &Proxy) -> Command {
        let mut boot = command(repository.path());
        boot.args(["boot", "--yes", "--output", "json", "--flux-manifests"])
            .arg(&self.manifests)
            .arg("--kubeconfig")
            .arg(proxy.kubeconfig());
        boot
    }

    /// Returns everything that a boot into a namespace left behind, as an undisturbed one would into any other.
    fn state(&self, name: &str) -> BTreeMap<String, Value> {
        let api = self.cluster.api();
        let objects = api.everything().unwrap();
        let is_ours = |object: &Value| {
            let metadata = &object["metadata"];
            let passing = ["Event", "Pod", "ReplicaSet", "ServiceAccount"].iter().any(|kind| object["kind"] == *kind);
            !passing && metadata["name"] != "kube-root-ca.crt" && (metadata["namespace"] == name || metadata["name"] == name)
        };
        let records = records(&objects);
        let seeds = objects.iter().filter(|object| is_ours(object) && object["kind"] == "HelmRelease");
        for seed in seeds {
            check_seed(seed, &records);
        }
        let plain = |object: Value| (title(&object).replace(name, "NAME"), without_chance(&object, name));
        objects.into_iter().filter(is_ours).map(plain).collect()
    }

    fn lease(&self) -> Option<Value> {
        self.cluster.api().get("/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/launchway").unwrap()
    }
}

/// What Flux is told of a release must be its record, down to the times in it: else Flux upgrades.
fn check_seed(seed: &Value, records: &[Release]) {
    let snapshot = &seed["status"]["history"][0];
    let is_told_of = |record: &&Release| {
        snapshot["name"] == record.name.as_str()
            && snapshot["namespace"] == record.namespace.as_str()
            && snapshot["version"] == record.version
    };
    let record = records.iter().find(is_told_of).unwrap_or_else(|| panic!("{} tells of no record: {snapshot}", title(seed)));
    let digest = Sha256::digest(record.observation(snapshot["ociDigest"].as_str()));
    let digest = digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    assert_eq!(snapshot["digest"], format!("sha256:{digest}"), "{}", title(seed));
}

fn without_chance(object: &Value, name: &str) -> Value {
    let mut object = object.clone();
    for entry in object["metadata"]["managedFields"].as_array_mut().unwrap() {
        entry["time"] = Value::Null;
    }
    object["metadata"].as_object_mut().unwrap().retain(|key, _| !["uid", "resourceVersion", "creationTimestamp"].contains(&key.as_str()));
    if object["type"] == "helm.sh/release.v1" {
        let mut record = serde_json::to_value(&records(std::slice::from_ref(&object))[0]).unwrap();
        for key in ["first_deployed", "last_deployed"] {
            record["info"][key] = Value::Null;
        }
        for hook in record["hooks"].as_array_mut().into_iter().flatten() {
            hook["last_run"] = hook["last_run"]["phase"].clone();
        }
        object["data"] = record;
        object["metadata"]["labels"]["modifiedAt"] = Value::Null;
    }
    // When is chance; so is the digest of a record with its times. Workloads go through states of their own.
    if object["kind"] == "HelmRelease" {
        for key in ["digest", "firstDeployed", "lastDeployed"] {
            object["status"]["history"][0][key] = Value::Null;
        }
        for condition in object["status"]["conditions"].as_array_mut().into_iter().flatten() {
            condition["lastTransitionTime"] = Value::Null;
        }
    } else {
        object["status"] = Value::Null;
        let fields = object["metadata"]["managedFields"].as_array_mut().unwrap();
        fields.retain(|entry| entry["manager"] != "kube-controller-manager");
    }
    serde_json::from_str(&object.to_string().replace(name, "NAME")).unwrap()
}

fn difference(found: &BTreeMap<String, Value>, expected: &BTreeMap<String, Value>) -> String {
    let names: std::collections::BTreeSet<_> = found.keys().chain(expected.keys()).collect();
    let differing = names.into_iter().filter(|name| found.get(*name) != expected.get(*name));
    let show = |value: Option<&Value>| value.map_or_else(|| "nothing".to_owned(), |value| serde_json::to_string_pretty(value).unwrap());
    differing.map(|name| format!("{name}\n--- found\n{}\n--- expected\n{}\n", show(found.get(name)), show(expected.get(name)))).collect()
}

/// Runs a command to its end and returns the exit code with what it printed.
fn finish(command: &mut Command) -> (Option<i32>, String) {
    let output = command.output().unwrap();
    (output.status.code(), format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr)))
}

#[test]
#[cfg_attr(not(all(has_binary, has_real)), ignore = "skipped: needs Go, and cargo xtask test, which builds the program and the real ones")]
fn a_run_that_is_killed_after_any_write_is_continued() {
    let world = World::new();
    let running: Arc<Mutex<Option<Child>>> = Arc::default();
    let (writes, kill_at) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let decide = {
        let (running, writes, kill_at) = (running.clone(), writes.clone(), kill_at.clone());
        move |request: &Passing| {
            if !request.is_write() || writes.fetch_add(1, Ordering::SeqCst) + 1 != kill_at.load(Ordering::SeqCst) {
                return Fate::Served;
            }
            let running = running.clone();
            // The server acts on it; the process that asked is not there to hear of it.
            std::thread::spawn(move || {
                std::thread::sleep(Duration::from_millis(30));
                running.lock().unwrap().as_mut().map(Child::kill)
            });
            Fate::CutAfter
        }
    };
    let proxy = Proxy::start(&world.cluster, Arc::new(decide)).unwrap();
    let undisturbed = world.repository("sweep-0");
    let (code, text) = finish(&mut world.boot(&undisturbed, &proxy));
    assert_eq!(code, Some(0), "{text}");
    let (expected, total) = (world.state("sweep-0"), writes.load(Ordering::SeqCst));
    assert!(expected.len() > 8 && total > 20, "{total} writes of {:?}", expected.keys());
    assert!(world.lease().is_none(), "the lease is given back");
    for at in sampled(total) {
        let name = format!("sweep-{at}");
        let repository = world.repository(&name);
        writes.store(0, Ordering::SeqCst);
        kill_at.store(at, Ordering::SeqCst);
        let child = world.boot(&repository, &proxy).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        *running.lock().unwrap() = Some(child);
        let status = wait(&running);
        kill_at.store(0, Ordering::SeqCst);
        if status == Some(0) {
            // CRDs and the like were there from earlier rounds: this one has fewer writes.
            assert!(at > 15, "only {at} writes");
            break;
        }
        writes.store(0, Ordering::SeqCst);
        let (code, text) = finish(&mut world.boot(&repository, &proxy));
        assert_eq!(code, Some(0), "killed after write {at}: {text}");
        let found = world.state(&name);
        assert!(found == expected, "killed after write {at}:\n{}", difference(&found, &expected));
        // A run that finds everything done writes nothing: a lease that nobody renews is nobody's.
        let wrote = writes.load(Ordering::SeqCst) > 0;
        assert!(!wrote || world.lease().is_none(), "killed after write {at}: the lease is left");
    }
}

/// Waits until a process has ended and returns its exit code; none if it was killed.
fn wait(running: &Mutex<Option<Child>>) -> Option<i32> {
    loop {
        if let Some(status) = running.lock().unwrap().as_mut().unwrap().try_wait().unwrap() {
            return status.code();
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Returns where a sweep does harm: everywhere with `LAUNCHWAY_SWEEP`, else at some places from the first to the last.
fn sampled(total: usize) -> impl Iterator<Item = usize> {
    const SOME: usize = 10;
    let count = if std::env::var_os("LAUNCHWAY_SWEEP").is_some() { total } else { SOME.min(total) };
    (0..count).map(move |index| 1 + index * (total - 1) / (count - 1).max(1))
}

const FATES: [Fate; 8] = [
    Fate::Refused(429),
    Fate::Refused(500),
    Fate::Refused(503),
    Fate::CutBefore,
    Fate::CutAfter,
    Fate::CutInside,
    Fate::Late(Duration::from_millis(300)),
    Fate::Refused(409),
];

#[test]
#[cfg_attr(not(all(has_binary, has_real)), ignore = "skipped: needs Go, and cargo xtask test, which builds the program and the real ones")]
fn a_request_that_goes_wrong_does_no_harm() {
    let world = World::new();
    let (requests, harm_at) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let fate: Arc<AtomicUsize> = Arc::default();
    let decide = {
        let (requests, harm_at, fate) = (requests.clone(), harm_at.clone(), fate.clone());
        move |_: &Passing| {
            let number = requests.fetch_add(1, Ordering::SeqCst) + 1;
            if number == harm_at.load(Ordering::SeqCst) { FATES[fate.load(Ordering::SeqCst)] } else { Fate::Served }
        }
    };
    let proxy = Proxy::start(&world.cluster, Arc::new(decide)).unwrap();
    let undisturbed = world.repository("fault-0");
    let (code, text) = finish(&mut world.boot(&undisturbed, &proxy));
    assert_eq!(code, Some(0), "{text}");
    let expected = world.state("fault-0");
    let total = requests.load(Ordering::SeqCst);
    assert!(total > 40, "{total} requests");
    for (round, at) in sampled(total).enumerate() {
        fate.store(round % FATES.len(), Ordering::SeqCst);
        let name = format!("fault-{at}");
        let repository = world.repository(&name);
        requests.store(0, Ordering::SeqCst);
        harm_at.store(at, Ordering::SeqCst);
        let fate = FATES[round % FATES.len()];
        let (code, text) = finish(&mut world.boot(&repository, &proxy));
        harm_at.store(0, Ordering::SeqCst);
        if code != Some(0) {
            // A conflict is a clear stop, and nothing else is; the next run goes on from there.
            assert_eq!((code, fate), (Some(3), Fate::Refused(409)), "request {at}: {text}");
            assert!(text.contains("said the proxy"), "{text}");
            let (code, text) = finish(&mut world.boot(&repository, &proxy));
            assert_eq!(code, Some(0), "after a conflict at request {at}: {text}");
        }
        let mut found = world.state(&name);
        let mut expected = expected.clone();
        if code != Some(0) {
            // A release that failed is upgraded by the next run, as by Helm.
            for state in [&mut found, &mut expected] {
                let is_same =
                    |title: &str| !["sh.helm.release", "HelmRelease", "ConfigMap NAME/app"].iter().any(|part| title.contains(part));
                state.retain(|title, _| is_same(title));
            }
        }
        assert!(found == expected, "request {at} was {fate:?}:\n{}", difference(&found, &expected));
    }
}
