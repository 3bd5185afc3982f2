//! What `launchway check` finds: every `check/*.case` is a small tree with one kind of fault, and exactly what is said of it. With `BLESS=1` the
//! expectation is written from what the program does; read the difference before it is committed.

use std::collections::BTreeSet;
use std::path::PathBuf;

use launchway_tests::transcript::{self, Case};
use launchway_tests::{launchway, root};

fn cases() -> Vec<(PathBuf, Case)> {
    transcript::cases("tests/check").expect("the cases")
}

#[test]
#[cfg_attr(not(has_binary), ignore = "skipped: run by cargo xtask test, which builds the program")]
fn faults_are_found_as_recorded() {
    let mut failures = Vec::new();
    for (file, case) in cases() {
        let folder = case.folder().expect("a folder");
        let run = launchway(folder.path(), &case.args);
        assert!(matches!(run.code, 0 | 2), "{}: exit code {}: {}", file.display(), run.code, run.stderr);
        failures.extend(case.difference(&file, &run, folder.path()).expect("the case is written"));
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Every rule is in the guide and has a case.
#[test]
fn rules_have_cases_and_words() {
    let page = std::fs::read_to_string(root().join("docs/src/check.md")).expect("the page");
    let expected: String = cases().into_iter().map(|(_, case)| case.expected).collect();
    let missing = |text: &str, before: &str, after: &str| -> BTreeSet<&str> {
        flux::check::RULES.iter().map(|(_, id, _)| *id).filter(|id| !text.contains(&format!("{before}{id}{after}"))).collect()
    };
    assert_eq!(missing(&page, "`", "`"), BTreeSet::new(), "docs/src/check.md");
    assert_eq!(missing(&expected, "[", "]"), BTreeSet::new(), "tests/check");
}

/// A copy of a real repository lacks what its README says, and nothing else is wrong with it.
#[test]
#[cfg_attr(not(all(has_binary, has_shared)), ignore = "skipped: run by cargo xtask test; ../shared is not here")]
fn a_real_repository_lacks_what_was_left_out() {
    let folder = shared_data::folder("repos").join("onedr0p-home-ops");
    let run = launchway(&folder, ["check", ".", "--output", "json"]);
    assert_eq!(run.code, 2, "{}", run.stderr);
    let found: serde_json::Value = serde_json::from_str(&run.stdout).expect("JSON");
    let mut lacking = std::collections::BTreeMap::new();
    for finding in found["findings"].as_array().expect("findings") {
        assert_eq!(finding["rule"], "absent-resource", "{finding}");
        let file = finding["file"].as_str().expect("a file");
        *lacking.entry(file.trim_start_matches("kubernetes/apps/").trim_end_matches("/kustomization.yaml").to_owned()).or_insert(0) += 1;
    }
    let expected = [("external-secrets", 1), ("flux-system", 1), ("kube-system", 8), ("network", 5), ("o11y", 8)];
    assert_eq!(lacking, expected.map(|(folder, count)| (folder.to_owned(), count)).into());
}
