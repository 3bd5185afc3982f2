//! What becomes of a run when a module misbehaves: the exit code, what a person is told, and what does not happen any more.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use launchway_tests::{Run, command, launchway, root, run, temporary};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use wit_component::{ComponentEncoder, StringEncoding, dummy_module, embed_component_metadata};
use wit_parser::{LiftLowerAbi, ManglingAndAbi, Resolve};

fn misbehave() -> PathBuf {
    std::env::var_os("LAUNCHWAY_MISBEHAVE").expect("LAUNCHWAY_MISBEHAVE is not set: run `cargo xtask test`, which builds the module").into()
}

/// A repository whose first step uses a module, and whose second one needs it.
struct Repository(TempDir);

impl Repository {
    /// `more` are further lines of the step.
    fn new(module: &[u8], more: &str) -> Self {
        let folder = temporary().unwrap();
        let repository = folder.path().join("repository");
        fs::create_dir(&repository).unwrap();
        fs::write(repository.join("module.wasm"), module).unwrap();
        let indented: String = more.lines().map(|line| format!("      {line}\n")).collect();
        let manifest = format!(
            "apiVersion: launchway.dev/v1alpha1\nkind: Bootstrap\nmetadata: {{ name: test }}\nspec:\n  repository: .\n  steps:\n    - name: bad\n      module: ./module.wasm\n{indented}    - name: after\n      module: namespaces\n      needs: [bad]\n      with: {{ names: [after] }}\n"
        );
        fs::write(repository.join("launchway.yaml"), manifest).unwrap();
        Repository(folder)
    }

    fn misbehaving(misdeed: &str, more: &str) -> Self {
        let module = fs::read(misbehave()).unwrap();
        let with = if more.contains("with:") { String::new() } else { format!("with: {{ do: {misdeed} }}\n") };
        Repository::new(&module, &(with + more))
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("repository")
    }

    fn boot(&self) -> Run {
        launchway(&self.path(), ["boot", "--sandbox", "--output", "json"])
    }
}

fn events<'a>(events: &'a [Value], name: &str) -> Vec<&'a Value> {
    events.iter().filter(|event| event["event"] == name).collect()
}

/// Asserts that the first step failed in `install`, that nothing ran after it, and returns its message and hints.
fn failed(misdeed: &str, more: &str, code: i32) -> (String, Vec<Value>) {
    let run = Repository::misbehaving(misdeed, more).boot();
    assert_eq!(run.code, code, "{misdeed}: {}{}", run.stdout, run.stderr);
    let all = run.events();
    let failure = events(&all, "step-failed");
    assert_eq!(failure.len(), 1, "{misdeed}: {}", run.stdout);
    let phases: Vec<&str> = events(&all, "phase-started").iter().map(|event| event["phase"].as_str().unwrap()).collect();
    assert_eq!(phases, ["pre-install", "install"], "{misdeed}: nothing runs after a failed install");
    assert!(!run.stdout.contains("post-install ran"), "{misdeed}");
    let skipped = events(&all, "step-skipped");
    assert_eq!(skipped.len(), 1, "{misdeed}: the next step is not started");
    assert_eq!(skipped[0]["step"], "after");
    let text = format!("{}\n{}", failure[0]["message"].as_str().unwrap(), failure[0]["hints"]);
    (text, all)
}

fn assert_says(misdeed: &str, text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "{misdeed}: {word:?} is missing in\n{text}");
    }
}

#[test]
#[cfg_attr(not(has_binary), ignore = "skipped: run by cargo xtask test, which builds the program")]
fn a_module_that_behaves_runs_to_the_end() {
    let run = Repository::misbehaving("nothing", "").boot();
    assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
    let all = run.events();
    let phases: Vec<&str> =
        events(&all, "phase-started").iter().filter(|event| event["step"] == "bad").map(|event| event["phase"].as_str().unwrap()).collect();
    assert_eq!(phases, ["pre-install", "install", "post-install"]);
    assert!(run.stdout.contains("post-install ran"));
}

#[test]
#[cfg_attr(not(has_binary), ignore = "skipped: run by cargo xtask test, which builds the program")]
fn a_broken_module_is_named_with_phase_place_and_call() {
    let module = "module misbehave 0.1.0: install: ";
    let (text, _) = failed("panic", "", 4);
    assert_says(
        "panic",
        &text,
        &[module, "the greeting must not be empty", "src/lib.rs:", "last host call: report.log", "tell its author"],
    );
    let (text, _) = failed("trap", "", 4);
    assert_says("trap", &text, &[module, "unreachable", "    at misbehave::trap", "tell its author"]);
    let (text, _) = failed("stack", "", 4);
    assert_says("stack", &text, &[module, "calls itself without end"]);
    assert!(text.lines().count() < 15, "a deep stack is not printed whole: {text}");
    let (text, _) = failed("bad-json", "", 4);
    assert_says("bad-json", &text, &[module, "returned no JSON", "tell its author"]);
    let (text, _) = failed("fail", "", 3);
    assert_says("fail", &text, &["install: it was meant to fail"]);
}

#[test]
#[cfg_attr(not(has_binary), ignore = "skipped: run by cargo xtask test, which builds the program")]
fn a_limit_is_named_with_the_way_to_raise_it() {
    for (misdeed, limits, words) in [
        ("loop", "{ cpu: 300ms }", ["300ms of its limit `cpu`", "limits: { cpu: … }"]),
        ("loop-with-calls", "{ cpu: 300ms, logLines: 100000000 }", ["300ms of its limit `cpu`", "limits: { cpu: … }"]),
        ("loop-with-calls", "{ cpu: 60s, logLines: 1000 }", ["denied more than 1000 calls", "raise `limits: { logLines: … }`"]),
        ("memory", "{ memory: 8Mi }", ["8Mi of its limit `memory`", "limits: { memory: … }"]),
        ("huge-call", "{ callBytes: 1Mi }", ["1Mi of its limit `callBytes`", "limits: { callBytes: … }"]),
        ("huge-outcome", "{ memory: 256Mi }", ["16Mi of its limit `callBytes`", "limits: { callBytes: … }"]),
        ("handles", "{ handles: 100 }", ["100 of its limit `handles`", "limits: { handles: … }"]),
        ("held-manifests", "{ memory: 8Mi }", ["keep more for it than the 8Mi of its limit `memory`", "limits: { memory: … }"]),
        ("held-conditions", "{ memory: 8Mi }", ["keep more for it than the 8Mi of its limit `memory`", "limits: { memory: … }"]),
    ] {
        let (text, _) = failed(misdeed, &format!("limits: {limits}\ntimeout: 1m"), 4);
        assert_says(misdeed, &text, &["module misbehave 0.1.0: install: "]);
        assert_says(misdeed, &text, &words);
    }
}

#[test]
#[cfg_attr(not(has_binary), ignore = "skipped: run by cargo xtask test, which builds the program")]
fn a_flood_is_cut_and_the_step_goes_on() {
    for (misdeed, event) in [("log", "log"), ("notes", "activity")] {
        let run = Repository::misbehaving(misdeed, "limits: { logLines: 50 }").boot();
        assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
        let all = run.events();
        assert!(events(&all, event).len() <= 60, "{misdeed}: {}", events(&all, event).len());
        assert!(run.stdout.contains("limits: { logLines: … }"), "{misdeed}");
    }
}

#[test]
#[cfg_attr(not(has_binary), ignore = "skipped: run by cargo xtask test, which builds the program")]
fn a_wait_ends_with_the_step_and_costs_no_cpu() {
    let more = "with: { do: wait-forever, namespaces: [default] }\ntimeout: 3s\nlimits: { cpu: 1s }\n\
        grants: { kubernetes: [{ verbs: [get, watch], apiGroups: [\"\"], resources: [configmaps], namespaces: [default] }] }";
    let started = Instant::now();
    let (text, _) = failed("wait-forever", more, 3);
    assert!(started.elapsed() < Duration::from_secs(60));
    assert_says("wait-forever", &text, &["ConfigMap", "never", "timeout:"]);
}

/// A phase is told how much of the step's time the ones before it have left.
#[test]
#[cfg_attr(not(has_binary), ignore = "skipped: run by cargo xtask test, which builds the program")]
fn a_phase_is_told_what_is_left_of_the_time() {
    let more = "with: { do: wait-a-little, namespaces: [default] }\ntimeout: 60s\n\
        grants: { kubernetes: [{ verbs: [get, watch], apiGroups: [\"\"], resources: [configmaps], namespaces: [default] }] }";
    let run = Repository::misbehaving("wait-a-little", more).boot();
    assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
    let all = run.events();
    let left = |phase: &str| -> u64 {
        let mut said = events(&all, "log").into_iter().filter_map(|event| event["message"].as_str()?.strip_prefix(phase));
        said.find_map(|rest| rest.strip_prefix(" ran, ")?.strip_suffix(" ms left")?.parse().ok()).unwrap()
    };
    assert!(left("pre-install") <= 60_000 && left("post-install") + 300 <= left("pre-install"), "{}", run.stdout);
}

#[test]
#[cfg_attr(not(has_binary), ignore = "skipped: run by cargo xtask test, which builds the program")]
fn a_call_that_was_not_requested_is_denied_as_a_value_and_on_record() {
    for (call, host_call) in [
        ("undeclared-kind", "kubernetes.get"),
        ("undeclared-group", "kubernetes.get"),
        ("undeclared-namespace", "kubernetes.get"),
        ("undeclared-create", "kubernetes.create"),
        ("undeclared-patch", "kubernetes.patch"),
        ("undeclared-delete", "kubernetes.delete"),
        ("undeclared-list", "kubernetes.list"),
        ("undeclared-apply", "kubernetes.apply"),
        ("undeclared-wait", "kubernetes.wait"),
        ("undeclared-discover", "kubernetes.discover"),
        ("undeclared-release", "releases.from-flux"),
        ("undeclared-chart", "charts.fetch"),
        ("undeclared-secret", "secrets.open"),
        ("undeclared-file", "files.read-text"),
    ] {
        let run = Repository::misbehaving(call, "").boot();
        assert_eq!(run.code, 0, "{call}: a denial is a value: {}{}", run.stdout, run.stderr);
        let all = run.events();
        let denied = events(&all, "denied");
        assert_eq!(denied.len(), 1, "{call}: {}", run.stdout);
        assert_eq!(denied[0]["call"], host_call, "{call}");
        assert!(run.stdout.contains(r#"\"code\":\"denied\""#), "{call}: {}", run.stdout);
    }
}

#[test]
#[cfg_attr(not(has_binary), ignore = "skipped: run by cargo xtask test, which builds the program")]
fn a_request_without_a_grant_stops_before_anything_runs() {
    let repository = Repository::misbehaving("read", "with: { do: read, files: [a.txt] }");
    let run = repository.boot();
    assert_eq!((run.code, run.stdout.as_str()), (2, ""), "{}", run.stderr);
    assert_says("read", &run.stderr, &["requests what the manifest does not grant", "a.txt", "module inspect ./module.wasm`"]);
    let elsewhere = launchway(repository.0.path(), ["boot", "--sandbox", "--file", "repository/launchway.yaml"]);
    assert_says("from elsewhere", &elsewhere.stderr, &["module inspect repository/module.wasm`"]);
    let outside = Repository::misbehaving("read", "with: { do: read, files: [../outside.txt] }\ngrants: { files: [\"**\"] }").boot();
    assert_eq!((outside.code, outside.stdout.as_str()), (2, ""), "{}", outside.stderr);
    assert_says("outside", &outside.stderr, &["../outside.txt leads out of the repository"]);
}

#[test]
#[cfg_attr(not(has_binary), ignore = "skipped: run by cargo xtask test, which builds the program")]
fn a_denial_is_one_short_line_whatever_the_module_asks_for() {
    for (misdeed, host_call) in [
        ("odd-secret", "secrets.open"),
        ("odd-release", "releases.from-flux"),
        ("odd-file", "files.read-text"),
        ("odd-chart", "charts.fetch"),
    ] {
        let repository = Repository::misbehaving(misdeed, "");
        let run = launchway(&repository.path(), ["boot", "--sandbox", "--output", "plain"]);
        assert_eq!(run.code, 0, "{misdeed}: {}{}", run.stdout, run.stderr);
        let printed = format!("{}{}", run.stdout, run.stderr);
        assert!(!printed.chars().any(|c| (c.is_control() && c != '\n') || c == '\u{202e}'), "{misdeed}: {printed:?}");
        assert!(!printed.lines().any(|line| line.starts_with("::error::")), "{misdeed}: {printed}");
        let denied: Vec<&str> = printed.lines().filter(|line| line.contains("bad: denied: ")).collect();
        assert!(matches!(denied.as_slice(), [line] if line.contains(host_call) && line.len() < 600), "{misdeed}: {denied:?}");
    }
}

#[cfg(unix)]
#[test]
#[cfg_attr(not(has_binary), ignore = "skipped: run by cargo xtask test, which builds the program")]
fn a_chart_of_the_repository_leads_nowhere_else() {
    use std::os::unix::fs::symlink;
    let charts = ["good", "to-outside", "to-git", "to-other", "is-link"].map(|name| format!("granted-charts/{name}"));
    let with = format!("with: {{ do: fetch, charts: [{}] }}\ngrants: {{ charts: [\"granted-charts/*\"] }}", charts.join(", "));
    let repository = Repository::misbehaving("fetch", &with);
    let root = repository.path();
    fs::write(repository.0.path().join("outside.yaml"), "a: b\n").unwrap();
    fs::create_dir(root.join(".git")).unwrap();
    fs::write(root.join(".git/config"), "a: b\n").unwrap();
    for chart in ["granted-charts/good", "granted-charts/to-outside", "granted-charts/to-git", "granted-charts/to-other", "other-chart"] {
        fs::create_dir_all(root.join(chart)).unwrap();
        fs::write(root.join(chart).join("Chart.yaml"), "apiVersion: v2\nname: chart\nversion: 1.0.0\n").unwrap();
    }
    for (link, target) in [
        ("granted-charts/good/values.yaml", "Chart.yaml"),
        ("granted-charts/to-outside/values.yaml", "../../../outside.yaml"),
        ("granted-charts/to-git/values.yaml", "../../.git/config"),
        ("granted-charts/to-other/values.yaml", "../../other-chart/Chart.yaml"),
        ("granted-charts/is-link", "../other-chart"),
    ] {
        symlink(target, root.join(link)).unwrap();
    }
    let run = repository.boot();
    assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
    let outcome: Vec<Value> = serde_json::from_str(&outcome(&run)).unwrap();
    assert!(outcome[0].as_str().is_some_and(|info| info.contains("\"version\":\"1.0.0\"")), "{outcome:?}");
    assert_eq!(outcome.len(), 10);
    assert!(outcome[1..].iter().all(|code| code == "denied"), "{outcome:?}");
    let all = run.events();
    let why: Vec<&str> = events(&all, "denied").iter().map(|event| event["what"].as_str().unwrap()).collect();
    for words in ["leads out of the repository", "what git keeps for itself", "values.yaml is a link", "granted-charts/is-link is a link"] {
        assert!(why.iter().any(|why| why.contains(words)), "{words}: {why:#?}");
    }
}

/// Returns what the first step said that its `install` came to.
fn outcome(run: &Run) -> String {
    let all = run.events();
    let said = events(&all, "log").into_iter().find_map(|event| event["message"].as_str()?.strip_prefix("outcome: ").map(str::to_owned));
    said.unwrap_or_else(|| panic!("no outcome: {}{}", run.stdout, run.stderr))
}

#[cfg(unix)]
#[test]
#[cfg_attr(not(has_binary), ignore = "skipped: run by cargo xtask test, which builds the program")]
fn no_path_leads_out_of_the_grant() {
    use std::os::unix::fs::symlink;
    let repository = Repository::misbehaving("escape-path", "with: { do: escape-path, files: [granted] }\ngrants: { files: [granted] }");
    let (root, outside) = (repository.path(), repository.0.path().join("outside.txt"));
    for folder in ["granted/kustomize", "granted/kustomize-dots", "granted/.git", "granted-too", ".git", "other", "secret-kustomize"] {
        fs::create_dir_all(root.join(folder)).unwrap();
    }
    let config_map = "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: secret }\n";
    fs::write(&outside, config_map).unwrap();
    for file in ["secret.txt", "granted-too/secret.txt", "other/secret.txt", ".git/config", "granted/.git/config"] {
        fs::write(root.join(file), config_map).unwrap();
    }
    fs::write(root.join("granted/kustomize/kustomization.yaml"), "resources: [../../secret.txt]\n").unwrap();
    fs::write(root.join("granted/kustomize-dots/kustomization.yaml"), "resources: [link.yaml]\n").unwrap();
    fs::write(root.join("secret-kustomize/kustomization.yaml"), "resources: [secret.yaml]\n").unwrap();
    fs::write(root.join("secret-kustomize/secret.yaml"), config_map).unwrap();
    let pipe = std::process::Command::new("mkfifo").arg(root.join("granted/pipe")).status().unwrap();
    assert!(pipe.success());
    for (link, target) in [
        ("granted/kustomize-link", "../secret-kustomize"),
        ("granted/link-to-secret", "../secret.txt"),
        ("granted/link-outside", "../../outside.txt"),
        ("granted/link-absolute", "/etc/passwd"),
        ("granted/link-folder", "../other"),
        ("granted/kustomize-dots/link.yaml", "../../secret.txt"),
        ("granted/circle", "."),
    ] {
        symlink(target, root.join(link)).unwrap();
    }
    let run = repository.boot();
    assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
    assert_eq!(outcome(&run), r#"{"worked":[]}"#);
    assert!(events(&run.events(), "denied").len() > 50, "each try is on record");
}

/// Returns a component of a world whose functions all trap.
fn component(wit: &str, world: &str) -> Vec<u8> {
    let mut resolve = Resolve::default();
    let package = if wit.is_empty() { resolve.push_dir(root().join("wit")).unwrap().0 } else { resolve.push_str("test.wit", wit).unwrap() };
    let world = resolve.select_world(&[package], Some(world)).unwrap();
    let mut core = dummy_module(&resolve, world, ManglingAndAbi::Legacy(LiftLowerAbi::Sync));
    embed_component_metadata(&mut core, &resolve, world, StringEncoding::UTF8, false).unwrap();
    ComponentEncoder::default().validate(true).module(&core).unwrap().encode().unwrap()
}

/// Returns a step whose `describe` returns a text; `more` is further text of its core module.
fn describing(description: &str, more: &str) -> Vec<u8> {
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_dir(root().join("wit")).unwrap();
    let world = resolve.select_world(&[package], Some("step")).unwrap();
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("\\{byte:02x}")).collect::<String>();
    let length = u32::try_from(description.len()).unwrap();
    let text = format!(
        r#"(module
            (memory (export "memory") {})
            (data (i32.const 0) "\10\00\00\00{}") (data (i32.const 16) "{}")
            (func (export "describe") (result i32) i32.const 0)
            (func (export "effects") (param i32 i32 i32 i32) (result i32) unreachable)
            (func (export "pre-install") (param i32 i32) (result i32) unreachable)
            (func (export "install") (param i32 i32) (result i32) unreachable)
            (func (export "post-install") (param i32 i32) (result i32) unreachable)
            (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) unreachable)
            {more})"#,
        description.len() / 65_536 + 1,
        hex(&length.to_le_bytes()),
        hex(description.as_bytes()),
    );
    let mut core = wat::parse_str(text).unwrap();
    embed_component_metadata(&mut core, &resolve, world, StringEncoding::UTF8, false).unwrap();
    ComponentEncoder::default().validate(true).module(&core).unwrap().encode().unwrap()
}

fn description(parameters: &Value, capabilities: &Value) -> String {
    json!({ "schema": 1, "name": "stranger", "version": "1.0.0", "summary": "s", "parameters": parameters, "capabilities": capabilities })
        .to_string()
}

#[test]
#[cfg_attr(not(has_binary), ignore = "skipped: run by cargo xtask test, which builds the program")]
fn a_description_is_the_words_of_a_stranger() {
    let odd = "x\u{1b}[2J\n::error::forged";
    let schema = temporary().unwrap();
    fs::write(schema.path().join("schema.json"), r#"{ "type": "object" }"#).unwrap();
    let elsewhere = json!({ "$ref": format!("file://{}/schema.json", schema.path().display()) });
    for (what, description, code, words) in [
        ("a schema in a file", description(&elsewhere, &json!({})), 2, ["faulty schema of its parameters", "can only refer to itself"]),
        ("an odd file", description(&json!({}), &json!({ "files": [odd] })), 4, [r"x\u{1b}[2J\n::error", "no control characters"]),
        ("an odd secret", description(&json!({}), &json!({ "secrets": [odd] })), 4, [r"x\u{1b}[2J\n::error", "no control characters"]),
        (
            "an odd verb",
            description(&json!({}), &json!({ "kubernetes": [{ "verbs": [odd] }] })),
            4,
            [r"x\u{1b}[2J", "no control characters"],
        ),
        ("an odd parameter", description(&json!({ "properties": { odd: {} } }), &json!({})), 4, [r"x\u{1b}[2J", "its parameters"]),
        ("an odd key", description(&json!({}), &json!({ odd: [] })), 4, [r"x\u{1b}[2J", "is not what it should be"]),
        ("a book", description(&json!({ "title": "x".repeat(300 << 10) }), &json!({})), 4, ["describe()", "is longer than 256 KiB"]),
    ] {
        let repository = Repository::new(&describing(&description, ""), "");
        let boot = repository.boot();
        assert_eq!((boot.code, boot.stdout.as_str()), (code, ""), "{what}: {}", boot.stderr);
        let mut runs = vec![boot];
        if code == 4 {
            runs.push(launchway(&repository.path(), ["module", "inspect", "./module.wasm"]));
        }
        for run in runs {
            assert_says(what, &run.stderr, &words);
            assert!(!run.stderr.contains('\u{1b}') && run.stderr.len() < 1000, "{what}: {:?}", run.stderr);
        }
    }
    let lines = json!({ "properties": { "a": { "description": format!("first\n\tsecond {}", "x".repeat(10_000)) } } });
    let repository = Repository::new(&describing(&description(&lines, &json!({})), ""), "");
    let run = launchway(&repository.path(), ["module", "inspect", "./module.wasm"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert!(run.stdout.contains("  a (any): first second xxx") && run.stdout.len() < 2000, "{}", run.stdout);
}

#[test]
#[cfg_attr(not(has_binary), ignore = "skipped: run by cargo xtask test, which builds the program")]
fn a_component_has_no_more_parts_than_a_module_needs() {
    let plain = description(&json!({}), &json!({}));
    let of_parts = |instances: usize, globals: usize| {
        let globals = "(global i32 (i32.const 0))".repeat(globals);
        let instances = "(core instance (instantiate $m))".repeat(instances);
        wat::parse_str(format!("(component (core module $m {globals}) {instances})")).unwrap()
    };
    for (what, bytes, words) in [
        ("instances", of_parts(65, 0), "it has 65 core instances, and a module may have 64"),
        ("globals", of_parts(1, 20_001), "it has 20001 globals, and a module may have 20000"),
        ("as many as may be", of_parts(64, 20_000), "it is no step of this version"),
        ("tables", describing(&plain, &"(table 0 funcref)".repeat(65)), "table count too high at 65"),
        ("memories", describing(&plain, &"(memory 0)".repeat(16)), "memory count too high at 17"),
    ] {
        let run = Repository::new(&bytes, "").boot();
        assert_eq!((run.code, run.stdout.as_str()), (4, ""), "{what}: {}", run.stderr);
        assert_says(what, &run.stderr, &[words]);
    }
}

const WASI: &str = "package wasi:cli@0.2.0;\n\
    interface environment { get-arguments: func() -> list<string>; }\n\
    world command { import environment; export describe: func() -> string; }";

const OTHER: &str = "package other:thing@1.0.0;\nworld thing { export describe: func() -> string; }";

const UNKNOWN: &str =
    "package other:thing@1.0.0;\ninterface more { call: func(); }\nworld thing { import more; export describe: func() -> string; }";

#[test]
#[cfg_attr(not(has_binary), ignore = "skipped: run by cargo xtask test, which builds the program")]
fn what_is_no_step_is_refused_before_anything_runs() {
    let wit = {
        let mut resolve = Resolve::default();
        let package = resolve.push_str("test.wit", OTHER).unwrap();
        wit_component::encode(&resolve, package, false).unwrap()
    };
    // The beginning of what the engine itself writes: an ELF file that says so in its flags.
    let mut precompiled = vec![0x7f, b'E', b'L', b'F', 2, 1, 1, 200];
    precompiled.resize(200, 0);
    for (what, bytes, words) in [
        ("a text", b"hello, I am no module\n".to_vec(), vec!["it is no WebAssembly"]),
        ("nothing", Vec::new(), vec!["it is no WebAssembly"]),
        ("a core module", b"\0asm\x01\0\0\0".to_vec(), vec!["it is a core module, not a component", "wasm-tools component new"]),
        ("half a component", component("", "step")[..400].to_vec(), vec!["it is no component"]),
        ("a WIT package", wit, vec!["it is a WIT package"]),
        ("WASI", component(WASI, "command"), vec!["imports wasi:cli/environment@0.2.0", "no WASI is offered", "wasm32-unknown-unknown"]),
        ("another world", component(OTHER, "thing"), vec!["no step of this version", "launchway:bootstrap/step"]),
        ("an unknown import", component(UNKNOWN, "thing"), vec!["no step of this version", "other:thing/more"]),
        ("a describe that traps", component("", "step"), vec!["describe", "unreachable", "tell its author"]),
        ("precompiled code", precompiled, vec!["./module.wasm"]),
    ] {
        let run = Repository::new(&bytes, "").boot();
        assert_eq!((run.code, run.stdout.as_str()), (4, ""), "{what}: {}", run.stderr);
        assert_says(what, &run.stderr, &words);
    }
}

#[test]
#[cfg_attr(not(has_binary), ignore = "skipped: run by cargo xtask test, which builds the program")]
fn inspect_shows_all_that_a_module_can_do() {
    let folder = temporary().unwrap();
    let run = launchway(folder.path(), ["module", "inspect", "cilium", "--json"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    let shown: Value = serde_json::from_str(&run.stdout).unwrap();
    let kubernetes = shown["imports"]["launchway:bootstrap/kubernetes@0.1.0"].as_array().expect("cilium talks to the cluster");
    for never in ["create", "patch", "delete"] {
        assert!(!kubernetes.iter().any(|function| function == never), "cilium does not call kubernetes.{never}: {kubernetes:?}");
    }
    assert!(shown["imports"].as_object().unwrap().keys().all(|name| name.starts_with("launchway:bootstrap/")));
    let text = launchway(folder.path(), ["module", "inspect", "cilium"]).stdout;
    assert_says("inspect", &text, &["imports (all that it can call)", "requested capabilities", "parameters (with:)", "manifests"]);
}

/// Serves a module as a registry without TLS does, as `modules/own:1.0.0`, until the test ends. Returns its address.
fn serve(module: Vec<u8>) -> String {
    let digest = format!("sha256:{}", Sha256::digest(&module).iter().map(|byte| format!("{byte:02x}")).collect::<String>());
    let manifest = json!({ "layers": [{ "mediaType": "application/wasm", "digest": digest, "size": module.len() }] }).to_string();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
            let first = request.next().unwrap_or_default();
            request.take_while(|line| !line.is_empty()).for_each(drop);
            let path = first.split(' ').nth(1).unwrap_or_default();
            let (status, body) = match path.strip_prefix("/v2/modules/own/") {
                Some("manifests/1.0.0") => ("200 OK", manifest.as_bytes()),
                Some(blob) if blob.strip_prefix("blobs/") == Some(&digest) => ("200 OK", &module[..]),
                _ => ("404 Not Found", &b""[..]),
            };
            let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
            // A client that knows enough may hang up.
            let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body));
        }
    });
    address
}

#[test]
#[cfg_attr(not(has_binary), ignore = "skipped: run by cargo xtask test, which builds the program")]
fn a_module_in_a_registry_is_inspected_as_a_step_would_use_it() {
    let folder = temporary().unwrap();
    let address = serve(fs::read(misbehave()).unwrap());
    let reference = format!("oci://{address}/modules/own:1.0.0");
    let run = launchway(folder.path(), ["module", "inspect", &reference, "--plain-http", &address]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert_says("inspect", &run.stdout, &["misbehave ", "imports (all that it can call)", "kubernetes: get, watch configmaps"]);
    let run = launchway(folder.path(), ["module", "bench", &reference, "--runs", "1", "--plain-http", &address]);
    assert_eq!(run.code, 0, "{}", run.stderr);
}

#[test]
#[cfg_attr(not(has_binary), ignore = "skipped: run by cargo xtask test, which builds the program")]
fn bench_prints_medians() {
    let run = run(command(Path::new(".")).args(["module", "bench", "namespaces", "--runs", "1"]));
    assert_eq!(run.code, 0, "{}", run.stderr);
    let names: Vec<&str> = run.stdout.lines().filter_map(|line| line.strip_suffix(" ms")?.split_once(": ")).map(|(name, _)| name).collect();
    assert_eq!(names, ["compile", "instantiate and describe"]);
}
