//! Builds small trees and compares the bytes with what `kustomize build --load-restrictor LoadRestrictionsNone` 5.8.1 prints for them.
//!
//! A file under `builds/` holds the files of a tree, each below a line `-- path --`, and the output below `-- expected --`, or `-- refused --` where
//! kustomize refuses the tree. `cargo xtask differential kustomize --bless` writes what kustomize says.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::path::Path;

use kustomize::MemoryFiles;

fn sections(text: &str) -> BTreeMap<String, String> {
    let mut found: Vec<(String, String)> = Vec::new();
    for line in text.split_inclusive('\n') {
        match line.strip_prefix("-- ").and_then(|rest| rest.strip_suffix(" --\n")) {
            Some("(no newline at the end)") => drop(found.last_mut().unwrap().1.pop()),
            Some(path) => found.push((path.to_string(), String::new())),
            None => found.last_mut().unwrap().1.push_str(line),
        }
    }
    found.into_iter().collect()
}

#[test]
fn trees_build_as_kustomize_builds_them() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/builds");
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let mut wrong = Vec::new();
    for path in &paths {
        let mut files = sections(&std::fs::read_to_string(path).unwrap());
        let is_refused = files.remove("refused").is_some();
        let expected = if is_refused { String::new() } else { files.remove("expected").unwrap() };
        let files = MemoryFiles(files.into_iter().map(|(path, text)| (path, text.into_bytes())).collect());
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let found = match kustomize::build(&files, "") {
            Ok(build) if build.absent.is_empty() => build.to_yaml(),
            // What kustomize refuses, ours collects.
            Ok(_) if is_refused => String::new(),
            Ok(build) => format!("{:?}", build.absent),
            Err(_) if is_refused => String::new(),
            Err(error) => error.to_string(),
        };
        if found != expected {
            wrong.push(format!("{name}:\n{}", difference(&expected, &found)));
        }
    }
    assert!(wrong.is_empty(), "{} of {} differ\n{}", wrong.len(), paths.len(), wrong.join("\n"));
}

/// Lines of either side from the first that differs.
fn difference(expected: &str, found: &str) -> String {
    let (left, right): (Vec<&str>, Vec<&str>) = (expected.lines().collect(), found.lines().collect());
    let start = left.iter().zip(&right).take_while(|(left, right)| left == right).count();
    let show = |sign: char, lines: &[&str]| {
        lines.iter().skip(start.saturating_sub(2)).take(12).map(|line| format!("{sign} {line}\n")).collect::<String>()
    };
    show('-', &left) + &show('+', &right)
}
