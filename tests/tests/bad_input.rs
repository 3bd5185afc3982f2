//! What a person reads when something is wrong: every `cli/*.case` is a command, what it meets, and exactly what it prints. With
//! `BLESS=1` the expectation is written from what the program does; read the difference before it is committed.

use std::path::{Path, PathBuf};

use launchway_tests::cluster::{Saved, title};
use launchway_tests::launchway;
use launchway_tests::transcript::{self, Case};
use serde_json::Value;

/// Who writes in the name of a step: Helm's objects as helm-controller, all others as kustomize-controller.
const OURS: [&str; 2] = ["helm-controller", "kustomize-controller"];

fn cases() -> Vec<(PathBuf, Case)> {
    transcript::cases("tests/cli").expect("the cases")
}

#[test]
#[cfg_attr(not(has_binary), ignore = "skipped: run by cargo xtask test, which builds the program")]
fn faults_are_told_as_recorded() {
    let mut failures = Vec::new();
    for (file, case) in cases() {
        let folder = case.folder().expect("a folder");
        let run = launchway(folder.path(), &case.args);
        // 2: the person, 3: the cluster, 4: a module. Anything else is a fault of ours, and no expectation can bless it.
        // `template` has Helm's one code.
        let is_template = case.args.first().is_some_and(|word| word == "template");
        assert!(if is_template { run.code == 1 } else { matches!(run.code, 2..=4) }, "{}: exit code {}", file.display(), run.code);
        assert!(run.stderr.is_empty() || run.stderr.starts_with("error: "), "{}: {}", file.display(), run.stderr);
        failures.extend(case.difference(&file, &run, folder.path()).expect("the case is written"));
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// What was written is told, object by object, also by a run that fails.
#[test]
#[cfg_attr(not(has_binary), ignore = "skipped: run by cargo xtask test, which builds the program")]
fn nothing_is_written_without_being_told() {
    let mut with_writes = 0;
    for (file, case) in cases().into_iter().filter(|(_, case)| case.args[0] == "boot" && case.args.iter().any(|arg| arg == "--sandbox")) {
        let folder = case.folder().expect("a folder");
        let state = folder.path().join("state-of-the-sandbox.json");
        let more = ["--output", "json", "--sandbox-state", "state-of-the-sandbox.json"].map(String::from);
        let args = case.args.iter().filter(|arg| !["--output", "plain"].contains(&arg.as_str()));
        let run = launchway(folder.path(), args.chain(&more));
        if run.stdout.is_empty() {
            assert!(!state.exists(), "{}: stopped before the first step, but there is a cluster", file.display());
            continue;
        }
        with_writes += 1;
        check_told(&file, &run.events(), &Saved::parse(&std::fs::read_to_string(&state).expect("a state")));
    }
    assert!(with_writes > 0, "a case fails after its first write");
}

fn check_told(file: &Path, events: &[Value], saved: &Saved) {
    let told = |object: &Value| {
        let same = |event: &&Value| {
            event["event"] == "changed"
                && event["kind"] == object["kind"]
                && event["name"] == object["metadata"]["name"]
                && event["namespace"].as_str() == object["metadata"]["namespace"].as_str()
        };
        events.iter().any(|event| same(&event))
    };
    let is_ours = |object: &&Value| {
        let managers = object["metadata"]["managedFields"].as_array().into_iter().flatten();
        managers.filter_map(|entry| entry["manager"].as_str()).next().is_some_and(|manager| OURS.contains(&manager))
    };
    // Where a release is recorded is told by its revision.
    let is_record = |object: &Value| object["type"] == "helm.sh/release.v1";
    for object in saved.objects().iter().filter(is_ours).filter(|object| !is_record(object)) {
        assert!(told(object), "{}: {} was written and not told", file.display(), title(object));
    }
}
