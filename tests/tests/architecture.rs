//! What ARCHITECTURE.md says always holds, as far as sources and `cargo metadata` can show it: who may depend on whom, and what a pure
//! crate does not mention.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package};
use launchway_tests::{files, root};

/// The crates without clock, randomness, files, network and async runtime.
const PURE: &[&str] = &["go-encoding", "go-template", "sprig", "helm", "kustomize", "flux", "bootstrap"];

/// Who may see which of our crates. What is missing here may see none.
const ARROWS: &[(&str, &[&str])] = &[
    ("sprig", &["go-encoding", "go-template"]),
    ("helm", &["go-encoding", "go-template", "sprig"]),
    ("kustomize", &["go-encoding"]),
    ("flux", &["go-encoding", "kustomize"]),
    ("bootstrap", &["go-encoding"]),
    ("kube-engine", &["go-encoding", "helm", "sprig"]),
    ("charts", &["go-encoding", "helm", "sprig"]),
    ("launchway", &["bootstrap", "charts", "flux", "go-encoding", "helm", "kube-engine", "kube-sandbox", "kustomize", "sprig"]),
];

/// What only some of our crates may use, by the first word of its name.
const RESERVED: &[(&str, &[&str])] = &[
    ("wasmtime", &["launchway"]),
    ("clap", &["launchway"]),
    ("indicatif", &["launchway"]),
    ("kube", &["kube-engine"]),
    ("k8s-openapi", &["kube-engine"]),
    ("reqwest", &["charts"]),
    ("rustls", &["charts"]),
    ("wit-bindgen", &["guest-sdk"]),
    ("tokio", &["charts", "kube-engine", "kube-sandbox", "launchway"]),
    ("tower", &["kube-engine", "kube-sandbox"]),
    ("getrandom", &["launchway"]),
    ("cap-std", &["launchway"]),
];

/// What a pure crate does not mention outside its tests.
const IMPURE: &[&str] = &[
    "std::fs",
    "std::env",
    "TcpStream",
    "TcpListener",
    "UdpSocket",
    "ToSocketAddrs",
    "std::process",
    "std::thread",
    "std::time::SystemTime",
    "std::time::Instant",
    "SystemTime::now",
    "Instant::now",
    "Timestamp::now",
    "Zoned::now",
    "thread_rng",
    "getrandom",
    "OsRng",
    "tokio",
    "async fn",
];

fn metadata() -> Metadata {
    let mut command = MetadataCommand::new();
    command.manifest_path(root().join("Cargo.toml")).no_deps();
    command.exec().expect("cargo metadata")
}

fn is_module(package: &Package) -> bool {
    package.manifest_path.starts_with(root().join("modules").to_str().expect("a path is UTF-8"))
}

/// Not part of the program: they may use everything.
fn is_tooling(package: &Package) -> bool {
    ["differential", "encode", "fuzz-targets", "launchway-tests", "real-cluster", "shared-data", "xtask"].contains(&package.name.as_str())
}

/// Returns what a package is built from; what only its tests need is their business.
fn built_from(package: &Package) -> BTreeSet<&str> {
    package
        .dependencies
        .iter()
        .filter(|dependency| dependency.kind == DependencyKind::Normal)
        .map(|dependency| dependency.name.as_str())
        .collect()
}

#[test]
fn arrows_point_down() {
    let metadata = metadata();
    let ours: BTreeSet<&str> = metadata.packages.iter().map(|package| package.name.as_str()).collect();
    let arrows: BTreeMap<&str, &[&str]> = ARROWS.iter().copied().collect();
    for package in metadata.packages.iter().filter(|package| !is_tooling(package)) {
        let allowed: &[&str] =
            if is_module(package) { &["guest-sdk"] } else { arrows.get(package.name.as_str()).copied().unwrap_or_default() };
        let found = built_from(package);
        let wrong: Vec<&&str> = found.intersection(&ours).filter(|name| !allowed.contains(name)).collect();
        assert!(wrong.is_empty(), "{} must not depend on {wrong:?}", package.name);
    }
    let names: BTreeSet<&str> = ARROWS
        .iter()
        .flat_map(|(name, allowed)| allowed.iter().chain(std::iter::once(name)))
        .copied()
        .chain(PURE.iter().copied())
        .collect();
    let gone: Vec<&&str> = names.difference(&ours).collect();
    assert!(gone.is_empty(), "these crates do not exist: {gone:?}");
}

/// Dependencies are optimised in dev builds, our crates are not: each is named, since a pattern would include macros and build scripts.
#[test]
fn dev_builds_name_every_crate_of_ours() {
    let manifest = std::fs::read_to_string(root().join("Cargo.toml")).expect("the manifest of the workspace");
    let (_, packages) = manifest.split_once("[profile.dev.package]\n").expect("the profile of our crates");
    let named: BTreeSet<&str> = packages
        .lines()
        .take_while(|line| !line.starts_with('['))
        .filter_map(|line| Some(line.split_once(" = { opt-level = 0,")?.0))
        .collect();
    let metadata = metadata();
    let ours: BTreeSet<&str> = metadata.packages.iter().map(|package| package.name.as_str()).collect();
    assert_eq!(named, ours, "[profile.dev.package] in Cargo.toml");
}

/// The table of arrows itself has no way back up.
#[test]
fn arrows_have_no_cycle() {
    let arrows: BTreeMap<&str, &[&str]> = ARROWS.iter().copied().collect();
    for (name, _) in ARROWS {
        let mut seen = BTreeSet::new();
        let mut next = arrows[name].to_vec();
        while let Some(below) = next.pop() {
            assert_ne!(below, *name, "{name} depends on itself");
            if seen.insert(below) {
                next.extend(arrows.get(below).copied().unwrap_or_default());
            }
        }
        let impure: Vec<_> = seen.iter().filter(|below| !PURE.contains(below)).collect();
        assert!(!PURE.contains(name) || impure.is_empty(), "{name} is pure and sees {impure:?}");
    }
}

#[test]
fn modules_are_written_with_the_sdk_only() {
    let metadata = metadata();
    let modules: Vec<&Package> = metadata.packages.iter().filter(|package| is_module(package)).collect();
    assert!(modules.len() > 5);
    for module in modules {
        let found = built_from(module);
        assert!(found.iter().all(|name| ["guest-sdk", "serde", "serde_json"].contains(name)), "{}: {found:?}", module.name);
    }
}

#[test]
fn some_libraries_have_one_user() {
    for package in metadata().packages.iter().filter(|package| !is_tooling(package)) {
        for name in built_from(package) {
            let family = |reserved: &str| name == reserved || name.starts_with(&format!("{reserved}-")) && !name.starts_with("kube-");
            for (reserved, users) in RESERVED.iter().filter(|(reserved, _)| family(reserved)) {
                assert!(users.contains(&package.name.as_str()), "{} uses {name}: {reserved} is for {users:?}", package.name);
            }
        }
    }
}

/// Returns a source without comments and without what is built for tests only.
fn built(text: &str) -> String {
    let code = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
    code.lines().filter(|line| !line.trim_start().starts_with("//")).map(|line| format!("{line}\n")).collect()
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let all = files(folder).expect("sources").into_iter().filter(|file| file.extension().is_some_and(|end| end == "rs"));
    // `tests.rs` and `tests/` beside the code are `#[cfg(test)] mod tests;`.
    all.filter(|file| !file.strip_prefix(folder).is_ok_and(|inside| inside.iter().any(|part| part == "tests.rs" || part == "tests")))
        .collect()
}

#[test]
fn pure_crates_are_told_everything() {
    for name in PURE {
        let found = sources(&root().join("crates").join(name).join("src"));
        assert!(!found.is_empty(), "{name} has sources");
        for file in found {
            let text = built(&std::fs::read_to_string(&file).expect("a source"));
            let word = |line: &str, word: &&&str| {
                line.match_indices(**word).any(|(at, _)| !line[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_'))
            };
            for (number, line) in text.lines().enumerate() {
                assert!(!line.contains("std::{"), "{}: name each import of std, so that it can be read here: {line}", file.display());
                let found = IMPURE.iter().find(|impure| word(line, impure));
                assert!(found.is_none(), "{} (line {} without comments): {line}", file.display(), number + 1);
            }
        }
    }
}

#[test]
fn only_main_knows_the_process() {
    let mut folders = vec![root().join("host/src"), root().join("guest-sdk/src")];
    for group in ["crates", "modules"] {
        folders.extend(std::fs::read_dir(root().join(group)).expect("a folder").map(|entry| entry.expect("an entry").path().join("src")));
    }
    for file in folders.iter().flat_map(|folder| sources(folder)).filter(|file| !file.ends_with("host/src/main.rs")) {
        let text = built(&std::fs::read_to_string(&file).expect("a source"));
        for forbidden in ["std::env", "env::var", "process::exit", "process::abort"] {
            assert!(!text.contains(forbidden), "{}: {forbidden}", file.display());
        }
    }
}

/// A language knows nothing of what is written in it.
#[test]
fn the_template_language_knows_no_chart() {
    let metadata = metadata();
    let package = metadata.packages.iter().find(|package| package.name.as_str() == "go-template").expect("go-template");
    let found = built_from(package);
    assert!(found.iter().all(|name| !name.contains("yaml") && *name != "go-encoding"), "{found:?}");
}

/// The codes are literals: those of `fn code` are the arms of a match, those of a capability are given to `failure`.
#[test]
fn modules_are_told_no_code_that_is_not_in_the_contract() {
    let sdk = std::fs::read_to_string(root().join("guest-sdk/src/failure.rs")).expect("the SDK");
    let known = |code: &str| sdk.contains(&format!("    \"{code}\",\n"));
    let literal = |text: &str, before: &str| -> Vec<String> {
        let expression = regex::Regex::new(&format!(r#"{before}\s*"([a-z-]+)""#)).expect("an expression");
        expression.captures_iter(text).map(|found| found[1].to_owned()).collect()
    };
    let mut said = Vec::new();
    for file in sources(&root().join("host/src/capability")) {
        said.extend(literal(&built(&std::fs::read_to_string(file).expect("a source")), r"failure\("));
    }
    for file in ["crates/kube-engine/src/error.rs", "crates/kube-engine/src/release/mod.rs"] {
        let text = std::fs::read_to_string(root().join(file)).expect("a source");
        let (_, codes) = text.split_once("pub fn code(&self) -> &'static str {").expect("the codes");
        let (codes, _) = codes.split_once("\n    }\n").expect("an end");
        said.extend(literal(codes, "=>"));
    }
    assert!(said.len() > 20, "{said:?}");
    for code in said {
        assert!(known(&code), "the code {code} is not in the contract");
    }
}
