//! The options of `launchway template` beside those of the real `helm template`: what is printed, what is written, whether it fails, and
//! the first words of a failure.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use launchway_tests::{command, files, root, temporary};

/// What a run leaves behind.
#[derive(Debug, PartialEq)]
struct Left {
    code: Option<i32>,
    stdout: String,
    files: BTreeMap<PathBuf, String>,
    /// The first line of the error, where it must be Helm's.
    error: Option<String>,
}

/// One command line a line, after `template`; `CHART` is the chart. Failures that a `~` starts may be worded otherwise.
const CASES: &str = "
r CHART
CHART
r CHART -f a.yaml
r CHART -f a.yaml,b.yaml
r CHART -f a.yaml -f b.yaml
r CHART --values=b.yaml
r CHART -f none.yaml
r CHART -f broken.yaml
r CHART -f list.yaml
r CHART -f empty.yaml
r CHART --set x=1,y.z={1,b},w[1]=null
r CHART --set x
r CHART --set x[99999999]=1
r CHART --set-string x=1
r CHART --set-json x=[1,{}]
r CHART --set-json {\"x\":4}
r CHART --set-json x={
r CHART --set-json {\"x\":
r CHART --set-literal x=a,b
r CHART --set-file x=text.txt
r CHART --set-file x=text.txt,y=a.yaml
r CHART --set-file x=none.txt
r CHART --set-file x.tag
r CHART --include-crds
r CHART --skip-crds
r CHART --include-crds --skip-crds
r CHART --no-hooks
r CHART --skip-tests
r CHART -s templates/config.yaml
r CHART --show-only templates/config.yaml --show-only templates/access.yaml
r CHART --show-only templates/*
r CHART -s templates/none.yaml
r CHART -s crds/two.yaml --include-crds
r CHART -s templates/hooks.yaml --no-hooks
r CHART --is-upgrade
r CHART -a x/v1
r CHART --api-versions x/v1,y/v1
r CHART --kube-version 1.20
r CHART --kube-version v1.36.3
r CHART --kube-version bogus
r CHART --skip-schema-validation
r CHART --output-dir out
r CHART --output-dir out --include-crds
r CHART --output-dir out --release-name
r CHART --output-dir out --no-hooks
r CHART --output-dir out -s templates/config.yaml
R_x CHART
r CHART -n ns
~r none
~r CHART more
~r CHART --no-such-option
~r CHART --generate-name
";

fn run(mut program: Command, line: &str) -> Left {
    let folder = temporary().expect("a folder");
    for (name, text) in [
        ("a.yaml", "x: 1\npart:\n  enabled: true\n"),
        ("b.yaml", "x: {y: [1, 2]}\n"),
        ("broken.yaml", "a: b: c\n"),
        ("list.yaml", "- a\n"),
        ("empty.yaml", ""),
        ("text.txt", "a,b=c\n"),
    ] {
        std::fs::write(folder.path().join(name), text).expect("a file");
    }
    let chart = root().join("tests/charts/everything");
    let words = line.trim_start_matches('~').split(' ').map(|word| if word == "CHART" { chart.as_os_str() } else { word.as_ref() });
    let output = program.arg("template").args(words).current_dir(folder.path()).env("HOME", folder.path()).output().expect("it runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let out = folder.path().join("out");
    let written = if out.is_dir() { files(&out).expect("files") } else { Vec::new() };
    let below = |file: &Path| file.strip_prefix(&out).expect("it is below").to_owned();
    let failure = text(&output.stderr);
    let first = failure.lines().find_map(|line| line.strip_prefix("Error: ").or(line.strip_prefix("error: ")));
    let error = first.filter(|_| !output.status.success() && !line.starts_with('~')).map(str::to_owned);
    let is_failure = !output.status.success();
    Left {
        // What the command line parser refuses has its own code.
        code: if line.starts_with('~') { Some(i32::from(is_failure)) } else { output.status.code() },
        stdout: text(&output.stdout),
        files: written.iter().map(|file| (below(file), std::fs::read_to_string(file).expect("text"))).collect(),
        error,
    }
}

#[test]
#[cfg_attr(not(all(has_binary, has_real)), ignore = "skipped: run by cargo xtask test, which builds the program and helm")]
fn options_do_what_they_do_in_helm() {
    let helm = real_cluster::program("helm").expect("helm was built");
    let mut failures = Vec::new();
    for line in CASES.lines().filter(|line| !line.is_empty()) {
        let theirs = run(Command::new(&helm), line);
        let ours = run(command(root()), line);
        if ours != theirs {
            failures.push(format!("{line}\nours: {ours:?}\nHelm: {theirs:?}"));
        }
    }
    assert!(failures.is_empty(), "{} differ:\n{}", failures.len(), failures.join("\n\n"));
}
