//! Boots real clusters, for `cargo xtask bench boot`: ours against helmfile with Helm, then how the cost grows.
//!
//! Every run has an API server of its own, with nodes that are only said to run. What a tool took is the wall clock and the processor time of
//! its processes, and the requests that the server's audit log has of it.
//!
//! The 77 requests of the four stock charts with `handoff: match`, of which 59 are writes that no order of things spares:
//!
//! | requests | what for |
//! |---|---|
//! | 49 | the objects, one apply each, and the one namespace that no chart makes: 26 of cilium, 6 of coredns, 16 for flux-operator, 1 for flux-instance |
//! | 8 | the records: each is stored before the first object, which is the lock, and again when it is done |
//! | 2 | the Lease that keeps two runs apart, taken and given back |
//! | 9 | waits: a watch for each kind and namespace that has to get ready, and a second look at what was ready at first sight |
//! | 6 | what the server is and serves: `/version`, `/api`, and `/apis` before each render, as an operator may have defined kinds since |
//! | 3 | whether a release is stored, but for a namespace that this run made, and whether that namespace is there |
//!
//! Objects of a first install are applied without a look at them before, and each kind that is named above is asked for once. What is there already, a run
//! that died or a release that must not take objects over costs a look at each.

#![expect(clippy::unwrap_used, reason = "a bench ends where something fails")]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use launchway_tests::helmfile::{Release, helmfile, plain_values, sync};
use launchway_tests::public::define_kinds;
use launchway_tests::takeover::{Repository, archive};
use launchway_tests::{command, temporary};
use real_cluster::{Cluster, Options, program};
use serde_json::json;

/// How often each tool boots a new cluster.
const RUNS: usize = 5;
/// How the tools call themselves in the log of the API server.
const THEIRS: [&str; 2] = ["Helm/", "helm"];
const OURS: [&str; 1] = ["launchway/"];

fn main() {
    if std::env::var_os("LAUNCHWAY_REAL").is_none() {
        println!("skipped: the boot bench is run by `cargo xtask bench boot`");
        return;
    }
    let helmfile = helmfile();
    match cfg!(has_shared) {
        true => stock(helmfile.as_deref()),
        false => println!("skipped: ../shared is not here, so there are no stock charts to boot"),
    }
    growth(helmfile.as_deref());
}

/// What a tool took.
#[derive(Clone, Copy)]
struct Took {
    wall: Duration,
    processor: Duration,
    requests: usize,
}

/// Runs a tool to its end.
fn take(cluster: &Cluster, agents: &[&str], tool: &mut Command) -> Took {
    let count = || agents.iter().map(|agent| cluster.requests(agent).unwrap().len()).sum::<usize>();
    let (before, spent, started) = (count(), processor(), Instant::now());
    let output = tool.output().unwrap();
    let wall = started.elapsed();
    assert!(output.status.success(), "{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let processor = processor() - spent;
    // The log is written a moment after the answer.
    std::thread::sleep(Duration::from_millis(200));
    Took { wall, processor, requests: count() - before }
}

/// Returns the processor time of all processes that were waited for, and of those that they waited for.
fn processor() -> Duration {
    // SAFETY: all zeroes is a valid `rusage`.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: the pointer is valid for the call.
    assert_eq!(unsafe { libc::getrusage(libc::RUSAGE_CHILDREN, &raw mut usage) }, 0);
    let time = |time: libc::timeval| Duration::from_secs(time.tv_sec.unsigned_abs()) + Duration::from_micros(time.tv_usec.unsigned_abs());
    time(usage.ru_utime) + time(usage.ru_stime)
}

/// Returns what the middle run took.
fn median(mut runs: Vec<Took>) -> Took {
    runs.sort_by_key(|took| took.wall);
    runs[runs.len() / 2]
}

fn row(what: &str, took: Took, peer: Option<Took>) {
    let seconds = |time: Duration| format!("{:.2} s", time.as_secs_f64());
    let mut line = format!("{what:<58} {:>9} {:>9} {:>9}", seconds(took.wall), seconds(took.processor), took.requests);
    if let Some(peer) = peer {
        let ratio = |ours: f64, theirs: f64| format!("{:.1}x", theirs / ours);
        let _ = write!(
            line,
            "   {} {} {}",
            ratio(took.wall.as_secs_f64(), peer.wall.as_secs_f64()),
            ratio(took.processor.as_secs_f64(), peer.processor.as_secs_f64()),
            ratio(took.requests as f64, peer.requests as f64)
        );
    }
    println!("{line}");
}

fn head(title: &str) {
    println!("\n{title:<58} {:>9} {:>9} {:>9}   times less", "wall", "processor", "requests");
}

/// The charts of the stock modules, as a public repository has them.
const STOCK: [(&str, &str); 4] =
    [("kube-system", "cilium"), ("kube-system", "coredns"), ("flux-system", "flux-operator"), ("flux-system", "flux-instance")];

/// A new cluster with the kinds that the stock charts use, and the repository.
struct World {
    cluster: Cluster,
    repository: Repository,
    manifests: PathBuf,
}

impl World {
    fn new(handoff: &str) -> World {
        let repository = Repository::public("onedr0p-home-ops", handoff).unwrap();
        let cluster = Cluster::start(&Options::default()).unwrap();
        define_kinds(&cluster).unwrap();
        let mut steps = String::new();
        for (index, (namespace, name)) in STOCK.iter().enumerate() {
            let needs = index.checked_sub(1).map_or_else(String::new, |before| format!(", needs: [{}]", STOCK[before].1));
            writeln!(steps, "    - {{ name: {name}, module: helm-release, release: {namespace}/{name}{needs} }}").unwrap();
        }
        write_manifest(repository.folder.path(), handoff, "", &steps);
        let programs = program("flux").unwrap().canonicalize().unwrap().parent().unwrap().to_owned();
        let manifests = cluster.folder().join("flux.tgz");
        std::fs::write(&manifests, archive(&programs, &["flux"]).unwrap()).unwrap();
        World { cluster, repository, manifests }
    }

    fn boot(&self) -> Took {
        let mut boot = command(self.repository.folder.path());
        boot.args(["boot", "--yes", "--output", "json", "--plain-http", self.repository.registry.address(), "--flux-manifests"]);
        boot.arg(&self.manifests).arg("--kubeconfig").arg(self.cluster.kubeconfig());
        take(&self.cluster, &OURS, &mut boot)
    }

    /// What people have today: the charts from disk, `.spec.values` of each HelmRelease, and Helm for each.
    fn helmfile(&self, helmfile: &Path) -> Took {
        let releases = STOCK.map(|(namespace, name)| {
            let folder = self.repository.folder.path().join(format!("kubernetes/apps/{namespace}/{name}/app"));
            let source = go_encoding::yaml::parse(&std::fs::read_to_string(folder.join("ocirepository.yaml")).unwrap()).unwrap();
            let version = source["spec"]["ref"]["tag"].as_str().unwrap();
            Release {
                namespace: namespace.into(),
                name: name.into(),
                chart: shared_data::folder("charts").join(format!("{name}-{version}.tgz")),
                values: plain_values(&folder.join("helmrelease.yaml")).unwrap(),
                waits: true,
            }
        });
        take(&self.cluster, &THEIRS, &mut sync(helmfile, &self.cluster, &releases).unwrap())
    }
}

/// The four stock charts with the values of a public repository.
fn stock(helmfile: Option<&Path>) {
    let (mut theirs, mut seeded, mut again, mut matched) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..RUNS {
        theirs.extend(helmfile.map(|helmfile| World::new("match").helmfile(helmfile)));
        matched.push(World::new("match").boot());
        let world = World::new("seed");
        seeded.push(world.boot());
        again.push(world.boot());
    }
    head(&format!("four stock charts on a new cluster, median of {RUNS}"));
    let theirs = (!theirs.is_empty()).then(|| median(theirs));
    match theirs {
        Some(theirs) => row("helmfile sync, with helm", theirs, None),
        None => println!("skipped: helmfile is not here to compare with"),
    }
    row("launchway boot, handoff: match", median(matched), theirs);
    row("launchway boot, handoff: seed", median(seeded), theirs);
    row("launchway boot once more", median(again), None);
}

/// How the cost grows with the number of releases, and with the number of their objects.
fn growth(helmfile: Option<&Path>) {
    head("growth: releases of some objects each");
    for (releases, objects) in [(10, 5), (50, 5), (100, 5), (10, 100), (10, 500)] {
        let folder = temporary().unwrap();
        let all = grown(folder.path(), releases, objects);
        let what = |tool: &str| format!("{releases} releases of {objects} objects, {tool}");
        // Helm takes minutes for the largest.
        let theirs = helmfile.filter(|_| releases * objects <= 500).map(|helmfile| {
            let cluster = Cluster::start(&Options::default()).unwrap();
            take(&cluster, &THEIRS, &mut sync(helmfile, &cluster, &all).unwrap())
        });
        if let Some(theirs) = theirs {
            row(&what("helmfile"), theirs, None);
        }
        let cluster = Cluster::start(&Options::default()).unwrap();
        let boot = || {
            let mut boot = command(folder.path());
            boot.args(["boot", "--yes", "--output", "json", "--chart-dir", "charts", "--kubeconfig"]).arg(cluster.kubeconfig());
            take(&cluster, &OURS, &mut boot)
        };
        row(&what("launchway"), boot(), theirs);
        row(&what("launchway once more"), boot(), None);
    }
}

/// Makes a repository with that many releases of one chart with that many objects.
fn grown(folder: &Path, releases: usize, objects: usize) -> Vec<Release> {
    let write = |path: String, text: String| {
        let file = folder.join(path);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, text).unwrap();
    };
    write("grown/Chart.yaml".into(), "apiVersion: v2\nname: grown\nversion: 1.0.0\n".into());
    let template = "{{- range $index := until (int .Values.objects) }}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: { name: {{ $.Release.Name }}-{{ $index }} }\ndata: { key: value-{{ $index }} }\n{{- end }}\n";
    write("grown/templates/maps.yaml".into(), template.into());
    std::fs::create_dir(folder.join("charts")).unwrap();
    std::fs::write(folder.join("charts/grown-1.0.0.tgz"), archive(folder, &["grown"]).unwrap()).unwrap();
    let source = "apiVersion: source.toolkit.fluxcd.io/v1\nkind: OCIRepository\nmetadata: { name: grown, namespace: default }\nspec: { interval: 1h, url: \"oci://example.com/charts/grown\", ref: { tag: 1.0.0 } }\n";
    write("cluster/source.yaml".into(), source.into());
    let mut steps = String::new();
    for index in 0..releases {
        let release = format!(
            "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {{ name: r{index}, namespace: default }}\nspec: {{ interval: 1h, chartRef: {{ kind: OCIRepository, name: grown }}, values: {{ objects: {objects} }} }}\n"
        );
        write(format!("cluster/r{index}.yaml"), release);
        writeln!(steps, "    - {{ name: r{index}, module: helm-release, release: default/r{index} }}").unwrap();
    }
    write_manifest(folder, "match", "  flux: { path: cluster }\n", &steps);
    let release = |index| Release {
        namespace: "default".into(),
        name: format!("r{index}"),
        chart: folder.join("charts/grown-1.0.0.tgz"),
        values: json!({ "objects": objects }),
        waits: true,
    };
    (0..releases).map(release).collect()
}

fn write_manifest(folder: &Path, handoff: &str, more: &str, steps: &str) {
    let text = format!(
        "apiVersion: launchway.dev/v1alpha1\nkind: Bootstrap\nmetadata: {{ name: bench }}\nspec:\n  repository: .\n{more}  handoff: {handoff}\n  steps:\n{steps}"
    );
    std::fs::write(folder.join("launchway.yaml"), text).unwrap();
}
