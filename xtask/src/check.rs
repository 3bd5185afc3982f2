//! The inner loop: format, lints and unit tests of the crates that changed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::place::Place;

/// Checks what differs from the last commit; everything where nothing does.
pub fn check(place: &Place) -> Result<()> {
    place.run(place.cargo(&["fmt", "--all", "--check"]), "format: run `cargo fmt --all`")?;
    let changed = changed(place)?;
    let packages: Vec<String> = match changed.is_empty() {
        true => vec!["--workspace".into()],
        false => changed.keys().flat_map(|name| ["--package".to_owned(), name.clone()]).collect(),
    };
    println!("checking {}", if changed.is_empty() { "everything".into() } else { changed.keys().cloned().collect::<Vec<_>>().join(", ") });
    let mut clippy = place.cargo(&["clippy", "--quiet", "--all-targets"]);
    clippy.args(&packages).args(["--", "-D", "warnings"]);
    place.run(clippy, "lint")?;
    let mut tests = place.cargo(&["test", "--quiet", "--bins"]);
    // Where there is none among the packages, cargo refuses to test it.
    let has_library = changed.values().any(|folder| place.root.join(folder).join("src/lib.rs").is_file());
    tests.args((changed.is_empty() || has_library).then_some("--lib")).args(&packages);
    place.run(tests, "test")
}

/// Returns the packages that hold changed files, and their folders: a folder with a Cargo.toml is a package of its name.
fn changed(place: &Place) -> Result<BTreeMap<String, PathBuf>> {
    let status = place.output("git", &["status", "--porcelain", "--untracked-files=all"])?;
    let mut packages = BTreeMap::new();
    for file in status.lines().filter_map(|line| line.get(3..)).filter_map(|path| path.split(" -> ").last()) {
        let mut folders = Path::new(file.trim_matches('"')).ancestors().skip(1);
        let Some(folder) = folders.find(|folder| place.root.join(folder).join("Cargo.toml").is_file() && *folder != Path::new("")) else {
            continue;
        };
        if folder.starts_with("examples") || folder.starts_with("tests/real") {
            continue;
        }
        let name = match folder.to_str() {
            Some("host") => "launchway".into(),
            Some("tests") => "launchway-tests".into(),
            _ => folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(),
        };
        packages.insert(name, folder.to_owned());
    }
    Ok(packages)
}
