//! Boots the example repository as its guide says, with the module that is no stock one: the order that is declared, the closing
//! table, and a second boot that writes nothing.

use std::collections::BTreeMap;
use std::path::Path;

use launchway_tests::cluster::{Saved, resource_version, title};
use launchway_tests::{Run, copy_into, greeter, launchway, root, temporary};
use serde_json::Value;
use tempfile::TempDir;

const NEEDS: &[(&str, &str)] = &[
    ("cilium", "coredns"),
    ("namespaces", "flux-operator"),
    ("cilium", "flux-operator"),
    ("flux-operator", "flux-instance"),
    ("namespaces", "greeter"),
    ("coredns", "greeter"),
];

const STEPS: [&str; 7] = ["namespaces", "storage", "cilium", "coredns", "flux-operator", "flux-instance", "greeter"];

/// Copies the repository with the built module beside it, as the manifest names it.
fn example() -> TempDir {
    let folder = temporary().expect("a folder");
    copy_into(&root().join("examples/home"), &folder.path().join("home")).expect("a copy");
    let target = folder.path().join("modules/greeter/target");
    std::fs::create_dir_all(&target).expect("a folder");
    std::fs::copy(greeter(), target.join("greeter.wasm")).expect("the module is built");
    folder
}

fn boot(folder: &Path, more: &[&str]) -> Run {
    let options = ["boot", "--sandbox", "--sandbox-state", "sandbox.json", "--file", "home/launchway.yaml"];
    let run = launchway(folder, options.iter().chain(more));
    assert_eq!(run.code, 0, "{}\n{}", run.stdout, run.stderr);
    run
}

fn saved(folder: &Path) -> Saved {
    Saved::parse(&std::fs::read_to_string(folder.join("sandbox.json")).expect("a state"))
}

fn place(events: &[Value], kind: &str, step: &str) -> usize {
    events.iter().position(|event| event["event"] == kind && event["step"] == step).unwrap_or_else(|| panic!("no {kind} of {step}"))
}

#[test]
#[cfg_attr(not(has_binary), ignore = "skipped: run by cargo xtask test, which builds the program")]
fn needs_are_done_before() {
    let folder = example();
    let events = boot(folder.path(), &["--output", "json"]).events();
    assert_eq!(events[0]["event"], "run-started");
    let mut steps: Vec<&str> = events[0]["steps"].as_array().expect("steps").iter().filter_map(Value::as_str).collect();
    for (before, after) in NEEDS {
        assert!(place(&events, "step-finished", before) < place(&events, "step-started", after), "{after} starts before {before} is done");
        let index = |name| steps.iter().position(|step| *step == name).expect("the step");
        assert!(index(*before) < index(*after), "{steps:?}");
    }
    steps.sort_unstable();
    let mut all = STEPS.to_vec();
    all.sort_unstable();
    assert_eq!(steps, all);
    let clock: Vec<u64> = events.iter().map(|event| event["at"].as_u64().expect("every event has a time")).collect();
    assert!(clock.is_sorted(), "the clock of the events runs backwards");
}

/// The counts of the rows are those of the events.
#[test]
#[cfg_attr(not(has_binary), ignore = "skipped: run by cargo xtask test, which builds the program")]
fn rows_count_what_events_tell() {
    let folder = example();
    let events = boot(folder.path(), &["--output", "json"]).events();
    let mut counts: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    for event in events.iter().filter(|event| event["event"] == "changed") {
        *counts.entry((event["step"].as_str().expect("a step"), event["action"].as_str().expect("an action"))).or_default() += 1;
    }
    let end = events.last().expect("an end");
    assert_eq!(end["event"], "run-finished");
    for row in end["steps"].as_array().expect("rows") {
        let step = row["step"].as_str().expect("a step");
        let told: BTreeMap<&str, u64> =
            counts.iter().filter(|((name, _), _)| *name == step).map(|((_, action), count)| (*action, *count)).collect();
        let counted: BTreeMap<&str, u64> = row["objects"]
            .as_object()
            .expect("counts")
            .iter()
            .map(|(action, count)| (action.as_str(), count.as_u64().expect("a count")))
            .collect();
        assert_eq!(told, counted, "{step}");
        assert_eq!(row["result"], "done", "{step}");
    }
    let objects = saved(folder.path());
    let instance = objects.objects().iter().find(|object| object["kind"] == "FluxInstance").expect("the FluxInstance");
    let ready = instance["status"]["conditions"]
        .as_array()
        .expect("conditions")
        .iter()
        .any(|condition| condition["type"] == "Ready" && condition["status"] == "True");
    assert!(ready, "{instance}");
    let report = objects.object("v1", "ConfigMap", Some("hello"), "greeter-report").expect("what the greeter leaves");
    assert_eq!(report["data"]["greeting"], "Hello from home");
}

/// What Flux applies too is written as Flux writes it, whichever module asks for it.
#[test]
#[cfg_attr(not(has_binary), ignore = "skipped: run by cargo xtask test, which builds the program")]
fn manifests_are_those_that_flux_applies() {
    let folder = example();
    boot(folder.path(), &["--output", "plain"]);
    let objects = saved(folder.path());
    let owner = |kind: &str, name: &str| {
        let object = objects.objects().iter().find(|object| object["kind"] == kind && object["metadata"]["name"] == name);
        let metadata = &object.unwrap_or_else(|| panic!("no {kind} {name}"))["metadata"];
        assert_eq!(metadata["managedFields"][0]["manager"], "kustomize-controller", "{metadata}");
        assert_eq!(metadata["managedFields"][0]["operation"], "Apply", "{metadata}");
        metadata["labels"]["kustomize.toolkit.fluxcd.io/name"].as_str().map(str::to_owned)
    };
    let pool = objects.objects().iter().find(|object| object["kind"] == "CiliumLoadBalancerIPPool").expect("a pool");
    assert_eq!(owner("CiliumLoadBalancerIPPool", pool["metadata"]["name"].as_str().expect("a name")).as_deref(), Some("cilium"));
    let class = objects.objects().iter().find(|object| object["kind"] == "StorageClass").expect("a class");
    assert_eq!(owner("StorageClass", class["metadata"]["name"].as_str().expect("a name")).as_deref(), Some("local-storage"));
    assert!(owner("Namespace", "hello").is_some());
}

#[test]
#[cfg_attr(not(has_binary), ignore = "skipped: run by cargo xtask test, which builds the program")]
fn a_second_boot_writes_nothing() {
    let folder = example();
    boot(folder.path(), &["--output", "plain"]);
    let before = saved(folder.path());
    let second = boot(folder.path(), &["--output", "json"]).events();
    let end = second.last().expect("an end");
    assert_eq!((&end["writes"], &end["failed"]), (&0.into(), &false.into()));
    assert!(end["steps"].as_array().expect("rows").iter().all(|row| row["result"] == "unchanged"), "{end}");
    let after = saved(folder.path());
    assert_eq!(before.objects().len(), after.objects().len());
    for (before, after) in before.objects().iter().zip(after.objects()) {
        assert_eq!(resource_version(before), resource_version(after), "{} was written", title(before));
    }
}

/// The table as it stands in the guide's words: a row a step in the order of the manifest.
#[test]
#[cfg_attr(not(has_binary), ignore = "skipped: run by cargo xtask test, which builds the program")]
fn the_table_has_a_row_for_each_step() {
    let folder = example();
    let first = boot(folder.path(), &["--output", "plain"]);
    let second = boot(folder.path(), &["--output", "plain"]);
    for (run, result) in [(&first, "done"), (&second, "unchanged")] {
        let (_, table) = run.stdout.split_once("\nSTEP ").unwrap_or_else(|| panic!("no table: {}", run.stdout));
        let mut lines = table.lines();
        let head: Vec<&str> = lines.next().expect("a head").split_whitespace().collect();
        assert_eq!(head, ["RELEASE", "CHART", "REVISION", "CREATED", "CONFIGURED", "UNCHANGED", "TIME", "RESULT"]);
        let rows: Vec<&str> = lines.by_ref().take_while(|line| !line.is_empty()).collect();
        assert_eq!(rows.iter().filter_map(|row| row.split_whitespace().next()).collect::<Vec<_>>(), STEPS);
        assert!(rows.iter().all(|row| row.ends_with(result)), "{rows:#?}");
        let last = lines.last().expect("a last line");
        assert!(last.starts_with("done in "), "{last}");
    }
    assert!(second.stdout.trim_end().ends_with(", 0 writes"), "{}", second.stdout);
}

/// Values that their chart's schema refuses stop a boot before its first write, unless the HelmRelease leaves the schema out.
#[test]
#[cfg_attr(not(has_binary), ignore = "skipped: run by cargo xtask test, which builds the program")]
fn a_schema_refuses_before_the_first_write_or_not_at_all() {
    let folder = example();
    let file = folder.path().join("home/kubernetes/apps/kube-system/cilium/app/helmrelease.yaml");
    let given = std::fs::read_to_string(&file).expect("the release");
    let refused = given.replace("replicas: 1", "replicas: 0");
    assert_ne!(given, refused);
    std::fs::write(&file, &refused).expect("a file");
    let options = ["boot", "--sandbox", "--sandbox-state", "sandbox.json", "--file", "home/launchway.yaml"];
    let run = launchway(folder.path(), options);
    assert!(run.code == 2 && run.stdout.is_empty() && run.stderr.contains("/operator/replicas"), "{}{}", run.stdout, run.stderr);
    assert!(!folder.path().join("sandbox.json").exists(), "there is a cluster");
    std::fs::write(&file, refused + "  install: { disableSchemaValidation: true }\n").expect("a file");
    boot(folder.path(), &[]);
}
