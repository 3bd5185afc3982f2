//! Requests and what a real API server answers, as data: every file in `tests/conformance/` is a list of steps on a fresh server.
//!
//! A step has `request` (method and path), optionally `type` and `body`, and expects `code`, `body` (a subset: objects may hold more, lists are
//! compared item by item) and `absent` (JSON pointers). `{name}` in a request or body stands for what an earlier step kept with `keep`.

use std::collections::BTreeMap;
use std::path::Path;

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

async fn run(file: &Path) -> Vec<String> {
    const KNOWN: [&str; 8] = ["say", "request", "type", "body", "code", "expect", "absent", "keep"];
    let steps: Vec<Value> =
        serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    assert!(!steps.is_empty(), "{} has no steps", file.display());
    let sandbox = crate::support::sandbox();
    let (mut kept, mut wrong) = (BTreeMap::new(), Vec::new());
    for (at, step) in steps.iter().enumerate() {
        assert!(step.as_object().unwrap().keys().all(|key| KNOWN.contains(&key.as_str())), "{} step {at}: unknown key", file.display());
        let line = filled(step["request"].as_str().unwrap(), &kept);
        let body = match &step["body"] {
            Value::Null => Value::Null,
            Value::String(text) => Value::String(filled(text, &kept)),
            other => serde_json::from_str(&filled(&other.to_string(), &kept)).unwrap(),
        };
        let (code, answer) = crate::support::send(&sandbox, &line, step["type"].as_str().unwrap_or("application/json"), &body).await;
        let mut here = Vec::new();
        subset(&step["code"], &Value::from(code), "code", &mut here);
        let expected =
            if step["expect"].is_null() { Value::Null } else { serde_json::from_str(&filled(&step["expect"].to_string(), &kept)).unwrap() };
        if !expected.is_null() {
            subset(&expected, &answer, "", &mut here);
        }
        for pointer in step["absent"].as_array().into_iter().flatten() {
            if let Some(found) = answer.pointer(pointer.as_str().unwrap()) {
                here.push(format!("{pointer} should be absent, is {found}"));
            }
        }
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

#[tokio::test]
async fn every_case_is_answered_as_by_a_real_server() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() > 3);
    let mut wrong = Vec::new();
    for file in files {
        wrong.extend(run(&file).await);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
