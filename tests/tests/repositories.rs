//! Boots copies of two repositories of real clusters, from their real charts: what is installed is what Helm renders, in the declared
//! order, and a second boot changes nothing.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use launchway_tests::cluster::{Saved, resource_version, title};
use launchway_tests::{ARCHIVES, Run, copy_of, files, launchway, read_packed};
use serde_json::Value;
use shared_data::folder as shared;
use tempfile::TempDir;

const STEPS: [&str; 5] = ["crds", "cilium", "coredns", "flux-operator", "flux-instance"];

/// A repository and what is particular about it.
struct Repository {
    folder: &'static str,
    /// The end of the names of its golden cases.
    golden: &'static str,
    service_cidr: &'static str,
    crds: [&'static str; 2],
    /// What the step cilium applies, relative to the folder of its HelmRelease.
    networking: &'static str,
    /// The files behind it.
    networking_files: &'static [&'static str],
}

const ONEDR0P: Repository = Repository {
    folder: "onedr0p-home-ops",
    golden: "onedr0p",
    service_cidr: "10.43.0.0/16",
    crds: ["network/envoy-gateway", "o11y/kube-prometheus-stack"],
    networking: "networking.yaml",
    networking_files: &["kubernetes/apps/kube-system/cilium/app/networking.yaml"],
};

const BUROA: Repository = Repository {
    folder: "buroa-k8s-gitops",
    golden: "buroa",
    service_cidr: "10.245.0.0/16",
    crds: ["networking/envoy-gateway", "observability/kube-prometheus-stack"],
    networking: "../config",
    networking_files: &[
        "kubernetes/apps/kube-system/cilium/config/l3.yaml",
        "kubernetes/apps/kube-system/cilium/config/pool.yaml",
        "kubernetes/apps/kube-system/cilium/config/vip.yaml",
    ],
};

impl Repository {
    /// Copies the repository, with the charts that are here and a manifest.
    fn copy(&self, cilium: &str) -> TempDir {
        let copy = copy_of(&shared("repos").join(self.folder)).expect("a copy");
        for file in files(copy.path()).expect("files").iter().filter(|file| file.ends_with("ocirepository.yaml")) {
            use_archive(file);
        }
        let [gateway, prometheus] = self.crds;
        let manifest = format!(
            "apiVersion: launchway.dev/v1alpha1
kind: Bootstrap
metadata: {{ name: home }}
spec:
  repository: .
  steps:
    - {{ name: crds, module: crds, with: {{ releases: [{gateway}, {prometheus}] }} }}
    - {{ name: cilium, module: cilium, release: kube-system/cilium, needs: [crds], with: {{ manifests: [{}] }}{cilium} }}
    - {{ name: coredns, module: coredns, release: kube-system/coredns, needs: [cilium] }}
    - {{ name: flux-operator, module: flux-operator, release: flux-system/flux-operator, needs: [coredns] }}
    - {{ name: flux-instance, module: flux-instance, release: flux-system/flux-instance, needs: [flux-operator] }}
",
            self.networking
        );
        std::fs::write(copy.path().join("launchway.yaml"), manifest).expect("a manifest");
        copy
    }

    fn boot(&self, folder: &Path, state: &Path, more: &[&str]) -> Run {
        let charts = shared("charts");
        let (charts, state) = (charts.to_string_lossy(), state.to_string_lossy());
        // The goldens of Cilium are for this version. Those of the others are for v1.33.1, which makes no difference to them.
        let version = ["--sandbox", "--sandbox-kube-version", "v1.34.2", "--sandbox-service-cidr", self.service_cidr];
        let options = ["--chart-dir", &charts, "--helm-compat", "4.2.3", "--output", "json", "--sandbox-state", &state];
        launchway(folder, ["boot"].iter().chain(&version).chain(&options).chain(more))
    }

    /// Returns the objects of its networking manifests.
    fn networking(&self, folder: &Path) -> Vec<Value> {
        let read = |file: &&str| objects(&std::fs::read_to_string(folder.join(file)).expect("a manifest"));
        self.networking_files.iter().flat_map(read).collect()
    }
}

/// Sets the tag of an OCIRepository to the version that is here.
fn use_archive(file: &PathBuf) {
    let text = std::fs::read_to_string(file).expect("a source");
    let named =
        |name: &str| text.lines().any(|line| line.trim_start().starts_with("url: ") && line.trim_end().ends_with(&format!("/{name}")));
    let Some((_, version)) = ARCHIVES.iter().find(|(name, _)| named(name)) else { return };
    let line = |line: &str| match line.split_once("tag: ") {
        Some((indent, _)) if indent.trim().is_empty() => format!("{indent}tag: {version}\n"),
        _ => format!("{line}\n"),
    };
    std::fs::write(file, text.lines().map(line).collect::<String>()).expect("a source");
}

fn objects(text: &str) -> Vec<Value> {
    let documents = go_encoding::yaml::documents(text).expect("YAML");
    documents.into_iter().map(|document| document.value).filter(|object| !object.is_null()).collect()
}

/// A repository that was booted twice.
struct Booted {
    folder: TempDir,
    first: Run,
    after_first: Saved,
    second: Run,
    after_second: Saved,
}

/// Boots each repository once for all tests.
fn booted(repository: &'static Repository) -> &'static Booted {
    static ONE: OnceLock<Booted> = OnceLock::new();
    static TWO: OnceLock<Booted> = OnceLock::new();
    let cell = if repository.folder == ONEDR0P.folder { &ONE } else { &TWO };
    cell.get_or_init(|| {
        let folder = repository.copy("");
        let state = folder.path().join("sandbox.json");
        let boot = || {
            let run = repository.boot(folder.path(), &state, &[]);
            assert_eq!(run.code, 0, "{}\n{}", run.stdout, run.stderr);
            (run, Saved::parse(&std::fs::read_to_string(&state).expect("a state")))
        };
        let (first, after_first) = boot();
        let (second, after_second) = boot();
        Booted { folder, first, after_first, second, after_second }
    })
}

fn steps_with<'a>(events: &'a [Value], kind: &str) -> Vec<&'a str> {
    events.iter().filter(|event| event["event"] == kind).map(|event| event["step"].as_str().expect("a step")).collect()
}

fn check_order(repository: &'static Repository) {
    let events = booted(repository).first.events();
    assert_eq!(steps_with(&events, "step-started"), STEPS);
    assert_eq!(steps_with(&events, "step-finished"), STEPS);
    let place =
        |kind: &str, step: &str| events.iter().position(|event| event["event"] == kind && event["step"] == step).expect("the event");
    for pair in STEPS.windows(2) {
        assert!(place("step-finished", pair[0]) < place("step-started", pair[1]), "{} starts before {} is done", pair[1], pair[0]);
    }
    for step in STEPS {
        let phases: Vec<&str> = events
            .iter()
            .filter(|event| event["event"] == "phase-finished" && event["step"] == step)
            .filter_map(|event| event["phase"].as_str())
            .collect();
        assert_eq!(phases, ["pre-install", "install", "post-install"], "{step}");
    }
}

fn check_releases(repository: &'static Repository) {
    let saved = &booted(repository).after_first;
    let mut releases = saved.releases();
    releases.sort_by(|a, b| a.name.cmp(&b.name));
    assert_eq!(
        releases.iter().map(|release| release.name.as_str()).collect::<Vec<_>>(),
        ["cilium", "coredns", "flux-instance", "flux-operator"]
    );
    for release in &releases {
        assert_eq!(release.info.as_ref().expect("information").status, "deployed", "{}", release.name);
        assert_eq!(release.version, 1, "{}", release.name);
        let all = objects(&release.manifest);
        assert!(!all.is_empty(), "{}", release.name);
        let missing: Vec<String> = all.iter().filter(|object| saved.counterpart(object, &release.namespace).is_none()).map(title).collect();
        assert!(missing.is_empty(), "{}: not in the cluster: {missing:?}", release.name);
    }
}

fn check_goldens(repository: &'static Repository) {
    for release in booted(repository).after_first.releases() {
        let metadata = release.chart.as_ref().and_then(|chart| chart.metadata.as_ref()).expect("a chart");
        let case = format!("{}-{}--{}.yaml", metadata.name, metadata.version, repository.golden);
        // What `helm template` prints of a release: the manifest, and the hooks after it. Flux adds labels that name the HelmRelease.
        let mut stored = objects(&release.manifest);
        stored.extend(release.hooks.iter().flat_map(|hook| objects(&hook.manifest)));
        let golden = objects(&read_packed(&shared("charts/golden").join(&case)).expect("a golden"));
        assert_eq!(stored.len(), golden.len(), "{case}");
        for (mut stored, mut golden) in stored.into_iter().zip(golden) {
            // Helm puts an annotation on every document that goes to a post-renderer and takes it off again: nothing is left of `annotations:`.
            golden["metadata"].as_object_mut().expect("metadata").retain(|key, value| key != "annotations" || !value.is_null());
            let labels = stored["metadata"]["labels"].as_object_mut().expect("labels");
            for (key, value) in [("name", release.name.as_str()), ("namespace", &release.namespace)] {
                let label = labels.remove(&format!("helm.toolkit.fluxcd.io/{key}"));
                assert_eq!(label, Some(value.into()), "{case}: {}", title(&golden));
            }
            if labels.is_empty() {
                stored["metadata"].as_object_mut().expect("metadata").remove("labels");
            }
            assert_eq!(stored, golden, "{case}: {}", title(&golden));
        }
    }
}

fn check_networking(repository: &'static Repository) {
    let booted = booted(repository);
    let events = booted.first.events();
    let wanted = repository.networking(booted.folder.path());
    let mut of_cilium = 0;
    for object in &wanted {
        let stored = booted.after_first.counterpart(object, "kube-system").unwrap_or_else(|| panic!("{} is not there", title(object)));
        let told =
            |event: &&Value| event["event"] == "changed" && event["kind"] == object["kind"] && event["name"] == object["metadata"]["name"];
        let told = events.iter().find(told).unwrap_or_else(|| panic!("{} is in no event", title(object)));
        assert_eq!((&told["step"], &told["action"]), (&"cilium".into(), &"created".into()), "{}", title(object));
        // Cilium's operator made the CRD before; resource versions count the writes of the whole cluster.
        let Some("cilium.io") = object["apiVersion"].as_str().and_then(|version| version.split('/').next()) else { continue };
        let is_crd = |crd: &&Value| crd["kind"] == "CustomResourceDefinition" && crd["spec"]["names"]["kind"] == object["kind"];
        let crd = booted.after_first.objects().iter().find(is_crd).expect("the CRD");
        assert!(resource_version(crd) < resource_version(stored), "{} was written before its CRD", title(object));
        of_cilium += 1;
    }
    assert!(of_cilium >= 4, "the repository has Cilium's own kinds");
    let first_of_cilium = events.iter().position(|event| event["apiVersion"] == "cilium.io/v2").expect("an object of Cilium");
    let waited = events.iter().rposition(|event| event["note"] == "waiting until they are Established").expect("a wait for the CRDs");
    let ready =
        events.iter().position(|event| event["event"] == "phase-finished" && event["step"] == "cilium" && event["phase"] == "install");
    assert!(ready.expect("install ends") < waited && waited < first_of_cilium);
}

fn check_second_boot(repository: &'static Repository) {
    let booted = booted(repository);
    let events = booted.second.events();
    let end = events.last().expect("an end");
    assert_eq!((&end["event"], &end["failed"], &end["writes"]), (&"run-finished".into(), &false.into(), &0.into()));
    assert!(end["steps"].as_array().expect("rows").iter().all(|row| row["result"] == "unchanged"), "{end}");
    let first = booted.first.events();
    assert!(first.last().expect("an end")["writes"].as_u64() > Some(50), "the first boot wrote");
    let (before, after) = (booted.after_first.objects(), booted.after_second.objects());
    assert_eq!(before.len(), after.len());
    for (before, after) in before.iter().zip(after) {
        assert_eq!(resource_version(before), resource_version(after), "{} was written", title(before));
        assert_eq!(before, after, "{} differs", title(before));
    }
}

macro_rules! for_each_repository {
    ($($name:ident = $check:ident;)+) => {
        mod onedr0p { use super::*; $( #[test] #[cfg_attr(not(all(has_binary, has_shared)), ignore = "skipped: needs ../shared, and cargo xtask test, which builds the program")] fn $name() { $check(&ONEDR0P); } )+ }
        mod buroa { use super::*; $( #[test] #[cfg_attr(not(all(has_binary, has_shared)), ignore = "skipped: needs ../shared, and cargo xtask test, which builds the program")] fn $name() { $check(&BUROA); } )+ }
    };
}

for_each_repository! {
    steps_run_in_the_declared_order = check_order;
    every_object_of_every_release_is_in_the_cluster = check_releases;
    stored_manifests_are_what_helm_prints = check_goldens;
    networking_follows_the_crds_of_the_operator = check_networking;
    a_second_boot_writes_nothing = check_second_boot;
}

#[test]
#[cfg_attr(not(all(has_binary, has_shared)), ignore = "skipped: needs ../shared, and cargo xtask test, which builds the program")]
fn an_operator_that_never_makes_its_crds_is_reported() {
    let folder = ONEDR0P.copy(", timeout: 8s");
    let state = folder.path().join("sandbox.json");
    let run = ONEDR0P.boot(folder.path(), &state, &["--without-effects", "cilium"]);
    assert_eq!(run.code, 3, "{}\n{}", run.stdout, run.stderr);
    let events = run.events();
    let failed = events.iter().find(|event| event["event"] == "step-failed").expect("a failed step");
    assert_eq!((&failed["step"], &failed["blame"]), (&"cilium".into(), &"cluster".into()));
    let message = failed["message"].as_str().expect("a message");
    for crd in [
        "ciliumloadbalancerippools.cilium.io",
        "ciliumbgpadvertisements.cilium.io",
        "ciliumbgppeerconfigs.cilium.io",
        "ciliumbgpclusterconfigs.cilium.io",
    ] {
        assert!(message.contains(crd), "{crd} is not named: {message}");
    }
    // The step has 8 s in all: it waits for what installing left of them.
    let waited =
        message.split_once("waited ").and_then(|(_, rest)| rest.split_once("s for ")).and_then(|(waited, _)| waited.parse::<f64>().ok());
    assert!(waited.is_some_and(|waited| waited <= 8.0), "{message}");
    assert!(
        failed["hints"].as_array().is_some_and(|hints| hints.iter().any(|hint| hint.as_str().is_some_and(|hint| hint.contains("timeout")))),
        "{failed}"
    );
    assert_eq!(steps_with(&events, "step-skipped"), ["coredns", "flux-operator", "flux-instance"]);
    let rows = events.last().expect("an end")["steps"].as_array().expect("rows").clone();
    let results: Vec<&str> = rows.iter().filter_map(|row| row["result"].as_str()).collect();
    assert_eq!(results, ["done", "failed", "not started", "not started", "not started"]);
    let saved = Saved::parse(&std::fs::read_to_string(&state).expect("a state"));
    for object in ONEDR0P.networking(folder.path()) {
        assert!(saved.counterpart(&object, "kube-system").is_none(), "{} was applied", title(&object));
        assert!(
            !events
                .iter()
                .any(|event| event["event"] == "changed" && event["kind"] == object["kind"] && event["name"] == object["metadata"]["name"])
        );
    }
    assert_eq!(saved.releases().iter().map(|release| release.name.clone()).collect::<Vec<_>>(), ["cilium"]);
}
