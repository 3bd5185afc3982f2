//! Compares our kustomize with the real one: `cargo xtask differential kustomize [--seconds N] [--seed N]` on random trees, with `--bless`
//! on the cases of `crates/kustomize/tests/builds`, into which it writes what the real one prints.

use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::place::Place;

/// Runs the comparison.
pub fn differential(place: &Place, args: &[&str]) -> Result<()> {
    let real = program(place)?.context("there is no kustomize: install Go, or set LAUNCHWAY_KUSTOMIZE to the program")?;
    let mut words = vec!["run", "--quiet", "--release", "--package", "kustomize", "--example", "differential", "--"];
    let real = real.to_string_lossy().into_owned();
    match args.contains(&"--bless") {
        true => words.extend(["cases", &real, "crates/kustomize/tests/builds", "--bless"]),
        false => {
            words.extend(["random", &real]);
            words.extend(args);
        }
    }
    place.run(place.cargo(&words), "compare with kustomize")
}

/// Returns the real kustomize: the one that is named, else the one that is built from `tests/real/kustomize`.
pub fn program(place: &Place) -> Result<Option<PathBuf>> {
    match std::env::var_os("LAUNCHWAY_KUSTOMIZE") {
        Some(given) => Ok(Some(given.into())),
        None => crate::real::one(place, "kustomize"),
    }
}
