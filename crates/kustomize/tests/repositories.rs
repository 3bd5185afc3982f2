//! Builds every kustomization of two real repositories and compares SHA-256 sums with those of what `kustomize build` 5.8.1 prints
//! (`repositories.sums`), where entries whose resources were left out of the copies are left out too.

use std::path::Path;

use kustomize::MemoryFiles;
use sha2::{Digest, Sha256};

#[test]
#[cfg_attr(not(has_shared), ignore = "skipped: ../shared is not here")]
fn every_kustomization_builds_to_the_same_bytes() {
    let shared = shared_data::folder(".");
    let files = MemoryFiles(shared_data::files(&shared.join("repos")));
    let sums = include_str!("repositories.sums");
    let mut wrong = Vec::new();
    for (sum, folder) in sums.lines().map(|line| line.split_once("  ").unwrap()) {
        let build = kustomize::build(&files, folder).unwrap();
        let text = build.to_yaml();
        let found: String = Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
        if found != sum {
            if let Some(to) = std::env::var_os("LAUNCHWAY_KEEP") {
                std::fs::write(Path::new(&to).join(folder.replace('/', "__")), text).unwrap();
            }
            wrong.push(folder);
        }
    }
    assert!(sums.lines().count() >= 69);
    assert!(wrong.is_empty(), "{} differ: {wrong:?}", wrong.len());
}
