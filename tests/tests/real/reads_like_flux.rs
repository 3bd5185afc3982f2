//! Repositories that real source-, kustomize- and helm-controller sync on a real API server: every object that Flux applies is the one that
//! `flux` reads, and so are the values of every release.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use kustomize::MemoryFiles;
use launchway_tests::synced::Synced;
use launchway_tests::{copy_of, root};

/// Which charts there are in the registry.
#[derive(PartialEq)]
enum Charts {
    /// Those that the releases name.
    Theirs,
    /// One small one for all.
    Any,
}

fn check(folder: &Path, age_keys: Option<&Path>, charts: Charts, releases: usize) {
    let mut synced = Synced::start(folder, age_keys).unwrap_or_else(|error| panic!("{error:#}"));
    let differences = synced.differences().unwrap();
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    if charts == Charts::Any {
        synced.use_any_chart().unwrap();
    }
    let (count, differing) = synced.differing_values().unwrap_or_else(|error| panic!("{error:#}"));
    assert!(differing.is_empty(), "{}", differing.join("\n"));
    assert_eq!(count, releases);
}

#[test]
#[cfg_attr(not(has_real), ignore = "skipped: needs Go: cargo xtask test builds the real components")]
fn what_every_feature_makes_is_what_flux_applies() {
    let copy = copy_of(&root().join("tests/reads_like_flux/repository")).unwrap();
    check(copy.path(), None, Charts::Theirs, 5);
}

#[test]
#[cfg_attr(not(has_real), ignore = "skipped: needs Go: cargo xtask test builds the real components")]
fn what_is_encrypted_is_what_flux_decrypts() {
    let folder = root().join("examples/sops");
    check(copy_of(&folder).unwrap().path(), Some(&folder.join("age.key")), Charts::Any, 1);
}

/// Copies a public repository without the lines that list what was left out of it.
fn check_public(name: &str, releases: usize) {
    let copy = copy_of(&shared_data::folder("repos").join(name)).unwrap();
    loop {
        let tree = flux::read(&MemoryFiles(shared_data::files(copy.path())), None).unwrap();
        let mut lines: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        tree.absent().iter().for_each(|absent| lines.entry(&absent.listed_in).or_default().push(absent.line));
        if lines.is_empty() {
            break;
        }
        for (file, lines) in lines {
            let text = fs::read_to_string(copy.path().join(file)).unwrap();
            let kept = text.lines().enumerate().filter(|(index, _)| !lines.contains(&(index + 1)));
            fs::write(copy.path().join(file), kept.map(|(_, line)| format!("{line}\n")).collect::<String>()).unwrap();
        }
    }
    check(copy.path(), None, Charts::Any, releases);
}

#[test]
#[cfg_attr(not(all(has_real, has_shared)), ignore = "skipped: needs ../shared, and Go: cargo xtask test builds the real components")]
fn onedr0p_is_read_as_flux_reads_it() {
    check_public("onedr0p-home-ops", 13);
}

#[test]
#[cfg_attr(not(all(has_real, has_shared)), ignore = "skipped: needs ../shared, and Go: cargo xtask test builds the real components")]
fn buroa_is_read_as_flux_reads_it() {
    check_public("buroa-k8s-gitops", 10);
}
