//! Finds the reference data beside the repository.

use std::path::{Path, PathBuf};

/// Returns a folder of the reference data, or nothing, and says so, where it is not here.
pub(crate) fn folder(name: &str) -> Option<PathBuf> {
    let found = match std::env::var_os("LAUNCHWAY_SHARED") {
        Some(folder) => Some(PathBuf::from(folder)),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().map(|folder| folder.join("../shared")).find(|folder| folder.is_dir()),
    };
    let found = found.map(|folder| folder.join(name)).filter(|folder| folder.is_dir());
    if found.is_none() {
        assert!(std::env::var_os("LAUNCHWAY_CI").is_none(), "../shared is not here");
        println!("skipped: ../shared is not here");
    }
    found
}
