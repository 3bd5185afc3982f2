//! Finds what tests need and the repository does not hold: the reference data beside it, and real programs.
//!
//! Whether it is there is decided when a test is built, by `available.rs`: a test without it is reported as ignored, with the
//! reason, and never as passed. With `LAUNCHWAY_CI` set, its absence fails the build of the tests.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Returns a folder of the reference data. Only for tests under `cfg(has_shared)`.
pub fn folder(name: &str) -> PathBuf {
    let root = match std::env::var_os("LAUNCHWAY_SHARED") {
        Some(folder) => PathBuf::from(folder),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"),
    };
    let folder = root.join(name);
    assert!(folder.is_dir(), "{} is not here", folder.display());
    folder
}

/// Returns every file below a folder, by its path relative to it.
pub fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut open = vec![folder.to_path_buf()];
    while let Some(at) = open.pop() {
        let entries = std::fs::read_dir(&at).expect("reference data can be read");
        for entry in entries.map(|entry| entry.expect("reference data can be read")) {
            let path = entry.path();
            if path.is_dir() {
                open.push(path);
            } else {
                let name = path.strip_prefix(folder).expect("it lies below the folder").to_string_lossy().into_owned();
                files.insert(name, std::fs::read(&path).expect("reference data can be read"));
            }
        }
    }
    files
}

/// Returns a real program that `cargo xtask real` built. Only for tests under `cfg(has_real)`.
pub fn real(name: &str) -> PathBuf {
    let folder = std::env::var_os("LAUNCHWAY_REAL").map(PathBuf::from).unwrap_or_default();
    let program = folder.join(name);
    assert!(program.is_file(), "{} is not here: run `cargo xtask real`", program.display());
    program
}
