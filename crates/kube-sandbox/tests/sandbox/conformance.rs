//! Requests and what a real API server answers, as data: every file in `tests/conformance/` is a list of steps on a fresh server.
//!
//! They run against the sandbox, and against a real API server where there is one: what they expect is what that answers.
//!
//! A step has `request` (method and path), optionally `type` and `body`, and expects `code`, `body` (a subset: objects may hold more, lists are
//! compared item by item) and `absent` (JSON pointers). `{name}` in a request or body stands for what an earlier step kept with `keep`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::Value;

fn subset(wanted: &Value, is: &Value, path: &str, wrong: &mut Vec<String>) {
    match (wanted, is) {
        (Value::Object(wanted), Value::Object(map)) => {
            for (key, value) in wanted {
                subset(value, map.get(key).unwrap_or(&Value::Null), &format!("{path}/{key}"), wrong);
            }
        }
        (Value::Array(wanted), Value::Array(items)) if wanted.len() == items.len() => {
            for (at, value) in wanted.iter().enumerate() {
                subset(value, &items[at], &format!("{path}/{at}"), wrong);
            }
        }
        _ if wanted == is => {}
        _ => wrong.push(format!("{path}: expected {wanted}, got {is}")),
    }
}

fn filled(text: &str, kept: &BTreeMap<String, String>) -> String {
    kept.iter().fold(text.to_owned(), |text, (name, value)| text.replace(&format!("{{{name}}}"), value))
}

/// How long what is read of a real server may take to become so.
const PATIENCE: Duration = Duration::from_secs(30);

/// Returns what is not as a step expects it.
fn differences(step: &Value, expected: &[Value], code: u16, answer: &Value) -> Vec<String> {
    let mut wrong = Vec::new();
    subset(&step["code"], &Value::from(code), "code", &mut wrong);
    for expected in expected.iter().filter(|expected| !expected.is_null()) {
        subset(expected, answer, "", &mut wrong);
    }
    for pointer in step["absent"].as_array().into_iter().flatten() {
        if let Some(found) = answer.pointer(pointer.as_str().unwrap()) {
            wrong.push(format!("{pointer} should be absent, is {found}"));
        }
    }
    wrong
}

/// What answers.
enum Server<'a> {
    Sandbox(kube_sandbox::Sandbox),
    Real(&'a real_cluster::Api),
}

impl Server<'_> {
    async fn send(&self, line: &str, content_type: &str, body: &Value) -> (u16, Value) {
        let api = match self {
            Server::Sandbox(sandbox) => return crate::support::send(sandbox, line, content_type, body).await,
            Server::Real(api) => api,
        };
        let body = match body {
            Value::Null => String::new(),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let (method, path) = line.split_once(' ').expect("a method and a path");
        let answer = api.send(method, path, content_type, &body).unwrap();
        (answer.code, answer.body)
    }
}

async fn run(file: &Path, server: &Server<'_>) -> Vec<String> {
    const KNOWN: [&str; 9] = ["say", "request", "type", "body", "code", "expect", "sandbox", "absent", "keep"];
    let steps: Vec<Value> =
        serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    assert!(!steps.is_empty(), "{} has no steps", file.display());
    let (mut kept, mut wrong) = (BTreeMap::new(), Vec::new());
    for (at, step) in steps.iter().enumerate() {
        assert!(step.as_object().unwrap().keys().all(|key| KNOWN.contains(&key.as_str())), "{} step {at}: unknown key", file.display());
        let line = filled(step["request"].as_str().unwrap(), &kept);
        let body = match &step["body"] {
            Value::Null => Value::Null,
            Value::String(text) => Value::String(filled(text, &kept)),
            other => serde_json::from_str(&filled(&other.to_string(), &kept)).unwrap(),
        };
        let filled_expectation = |key: &str| match &step[key] {
            Value::Null => Value::Null,
            expected => serde_json::from_str(&filled(&expected.to_string(), &kept)).unwrap(),
        };
        let mut expected = vec![filled_expectation("expect")];
        if matches!(server, Server::Sandbox(_)) {
            expected.push(filled_expectation("sandbox"));
        }
        let content_type = step["type"].as_str().unwrap_or("application/json");
        let started = Instant::now();
        let (code, answer, mut here) = loop {
            let (code, answer) = server.send(&line, content_type, &body).await;
            let here = differences(step, &expected, code, &answer);
            // Controllers of a real cluster take their time: what is read may become so.
            if here.is_empty() || !line.starts_with("GET ") || matches!(server, Server::Sandbox(_)) || started.elapsed() > PATIENCE {
                break (code, answer, here);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        };
        for (name, pointer) in step["keep"].as_object().into_iter().flatten() {
            let value = answer.pointer(pointer.as_str().unwrap()).cloned().unwrap_or_default();
            kept.insert(name.clone(), value.as_str().map_or_else(|| value.to_string(), str::to_owned));
        }
        if !here.is_empty() {
            here.push(format!("  the answer was {code} {answer}"));
        }
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        wrong.extend(here.into_iter().map(|what| format!("{name} step {at} ({line}): {what}")));
    }
    wrong
}

fn files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() > 3);
    files
}

#[tokio::test]
async fn every_case_is_answered_as_by_a_real_server() {
    let mut wrong = Vec::new();
    for file in files() {
        wrong.extend(run(&file, &Server::Sandbox(crate::support::sandbox())).await);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
#[cfg_attr(not(has_real), ignore = "skipped: needs Go, and cargo xtask test, which builds the real programs")]
async fn a_real_server_answers_every_case_so() {
    let mut wrong = Vec::new();
    for file in files() {
        let cluster = real_cluster::Cluster::start(&real_cluster::Options { nodes: 1, ..real_cluster::Options::default() }).unwrap();
        wrong.extend(run(&file, &Server::Real(cluster.api())).await);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
