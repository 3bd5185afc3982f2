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
const CASES: &str = r#"
r CHART
CHART
r CHART -f a.yaml
r CHART -f a.yaml,b.yaml
r told -f a.yaml -f b.yaml
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
r CHART --set-json {"x":4}
r CHART --set-json x={
r CHART --set-json {"x":
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
r told -n ''
r CHART -n a -n b
KUBECONFIG=kube.yaml r told
KUBECONFIG=none.yaml:kube.yaml HELM_KUBECONTEXT=other r told
KUBECONFIG=kube.yaml HELM_NAMESPACE=env r told
KUBECONFIG=broken.yaml r told
r told --kubeconfig kube.yaml --kube-context other
r CHART -f ''
r CHART -f a.yaml,
r told -f "a.yaml",b.yaml
r CHART -f .
r CHART -f binary.yaml
r CHART --set-file x=
r told --set-file x={text.txt,a.yaml}
r told --set-file x[1].y=text.txt
r told --set-file x=a\,b.txt
r CHART --set-file x=.
r CHART --no-hooks=false
r CHART --include-crds=T --no-hooks=1
r CHART --include-crds --include-crds
r CHART -s templates/[a-
r CHART -s templates/c*
r told --kube-version 1.30
r told --kube-version v1.30.1-gke.5+x
r told --kube-version 1.30.x
r told --kube-version 1.2.3.4
r CHART --kube-version 1
r CHART --kube-version 01.2
r CHART --kube-version ''
r CHART --kube-version 1.20 --kube-version 1.30
r CHART --output-dir ''
r CHART --output-dir ./out/
r CHART --output-dir out/deep/er --release-name
r CHART --release-name
r CHART --name-template x
CHART --name-template x
CHART --name-template {{"X"|lower}}-{{.y}}
CHART --name-template x-{{"X"|lower}}
CHART --name-template {{nope}}
CHART --name-template Foo
CHART --generate-name
CHART -g --name-template x
'' CHART
r CHART --debug
r CHART --devel --create-namespace --description x -l a=b --labels=c=d --timeout 5m --wait --wait=legacy --server-side=false
r CHART --dry-run
r CHART --dry-run=client --dependency-update --disable-openapi-validation --atomic --hide-notes --color never
r no-yaml
r no-yaml --debug
r no-yaml --debug -s templates/a.yaml
r no-yaml --debug -s templates/none.yaml
r failing
r failing --debug
r lacking
r lacking --debug
~r none
~r CHART more
~r CHART --no-such-option
~r CHART --generate-name
~r CHART --no-hooks=maybe
~r CHART --dry-run=other
~r CHART --output-dir a.yaml
"#;

/// Files beside the chart.
const FILES: &[(&str, &[u8])] = &[
    ("a.yaml", b"x: 1\npart:\n  enabled: true\n"),
    ("b.yaml", b"x: {y: [1, 2]}\n"),
    ("broken.yaml", b"a: b: c\n"),
    ("list.yaml", b"- a\n"),
    ("empty.yaml", b""),
    ("binary.yaml", b"a: \xff\xfe\n"),
    ("text.txt", b"a,b=c\n"),
    ("a,b.txt", b"comma"),
    (
        "kube.yaml",
        b"contexts: [{name: a, context: {cluster: c, user: u, namespace: of-a}}, {name: other, context: {cluster: c, user: u, namespace: of-other}}]\ncurrent-context: a\n",
    ),
    ("told/Chart.yaml", b"{apiVersion: v2, name: told, version: 1.0.0}"),
    (
        "told/templates/a.yaml",
        b"{{ with .Capabilities.KubeVersion }}kube: {{ . }} {{ .String }} {{ .GitVersion }} {{ .Version }} {{ .Major }}.{{ .Minor }}{{ end }}\n\
          release: {{ toJson .Release }}\nvalues: {{ toJson .Values }}\n",
    ),
    ("no-yaml/Chart.yaml", b"{apiVersion: v2, name: no-yaml, version: 1.0.0}"),
    ("no-yaml/templates/a.yaml", b"a: b: c\n---\nb: {{ .Release.Name }}\n"),
    ("failing/Chart.yaml", b"{apiVersion: v2, name: failing, version: 1.0.0}"),
    ("failing/templates/a.yaml", b"{{ fail \"no\" }}"),
    (
        "lacking/Chart.yaml",
        b"{apiVersion: v2, name: lacking, version: 1.0.0, dependencies: [{name: a, version: '1'}, {name: b, version: '1'}]}",
    ),
];

fn run(mut program: Command, line: &str) -> Left {
    let folder = temporary().expect("a folder");
    for (name, text) in FILES {
        let file = folder.path().join(name);
        std::fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
        std::fs::write(file, text).expect("a file");
    }
    let chart = root().join("tests/charts/everything");
    let mut words: Vec<&str> = line.trim_start_matches('~').split(' ').collect();
    let is_variable = |word: &str| word.split_once('=').is_some_and(|(name, _)| name.starts_with("HELM_") || name == "KUBECONFIG");
    program.arg("template").current_dir(folder.path()).env("HOME", folder.path()).env_remove("KUBECONFIG");
    while let Some((name, value)) = words.first().filter(|word| is_variable(word)).and_then(|word| word.split_once('=')) {
        program.env(name, value);
        words.remove(0);
    }
    let words = words.into_iter().map(|word| match word {
        "CHART" => chart.as_os_str(),
        "''" => "".as_ref(),
        word => word.as_ref(),
    });
    let output = program.args(words).output().expect("it runs");
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

/// What is refused, and the option that a hint names instead.
const REFUSED: &[(&str, &str)] = &[
    ("--post-renderer x", "with a pipe"),
    ("--dry-run=server", "kubectl apply --dry-run=server"),
    ("--validate", "kubectl apply --dry-run=server"),
    ("--enable-dns", "give the address as a value"),
    ("--verify", "helm verify"),
    ("--username x", "docker login"),
    ("--set-file x=https://example.com/x", "download the file"),
    ("--set-file x=binary.yaml", "give it in base64"),
];

#[test]
#[cfg_attr(not(has_binary), ignore = "skipped: run by cargo xtask test, which builds the program")]
fn what_cannot_be_done_says_what_to_do_instead() {
    for (option, instead) in REFUSED {
        let folder = temporary().expect("a folder");
        std::fs::write(folder.path().join("binary.yaml"), [0xff]).expect("a file");
        let chart = root().join("tests/charts/everything");
        let output = command(root()).args(["template", "r"]).arg(chart).args(option.split(' ')).current_dir(folder.path()).output();
        let output = output.expect("it runs");
        assert_eq!(output.status.code(), Some(1), "{option}");
        let failure = String::from_utf8_lossy(&output.stderr);
        assert!(failure.starts_with("error: ") && failure.contains(instead), "{option}: {failure}");
    }
}

#[test]
#[cfg_attr(not(has_binary), ignore = "skipped: run by cargo xtask test, which builds the program")]
fn files_of_an_earlier_run_are_written_anew() {
    let folder = temporary().expect("a folder");
    let chart = root().join("tests/charts/everything");
    let hooks = folder.path().join("out/everything/templates/hooks.yaml");
    let run = || {
        let words = ["template", "r", "--output-dir", "out"];
        let status = command(root()).args(words).arg(&chart).current_dir(folder.path()).output().expect("it runs").status;
        assert!(status.success());
        std::fs::read_to_string(&hooks).expect("hooks")
    };
    assert_eq!(run(), run());
}
