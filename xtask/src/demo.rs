//! The demo: the example repository boots in the sandbox, and boots again without a write.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};

use crate::modules;
use crate::place::Place;

/// The manifest of the example repository.
pub const MANIFEST: &str = "examples/home/launchway.yaml";

/// Builds everything and shows a first and a second boot.
pub fn demo(place: &Place) -> Result<()> {
    let binary = binary(place, "dev")?;
    example_module(place)?;
    let folder = place.cache.join("demo");
    fs::create_dir_all(&folder)?;
    let state = folder.join("sandbox.json");
    if state.exists() {
        fs::remove_file(&state)?;
    }
    println!("What the first step's module can do, before anything runs:\n");
    run(place, &binary, &["module", "inspect", "cilium"])?;
    println!("\nThe first boot, into an empty cluster in this process:\n");
    boot(place, &binary, &state)?;
    println!("\nThe second boot, into the same cluster, finds nothing to change:\n");
    boot(place, &binary, &state)
}

/// Builds the program with the stock modules inside.
pub fn binary(place: &Place, profile: &str) -> Result<PathBuf> {
    let stock = modules::build(place)?;
    eprintln!("compiling launchway (the first time takes some minutes)");
    // A release has only what it needs itself; for a dev build dependencies have the features that tests want, and are there already.
    let of = if profile == "dev" { "--workspace" } else { "--package=launchway" };
    let mut cargo = place.cargo(&["build", "--quiet", of, "--bin", "launchway", "--profile", profile]);
    cargo.env("LAUNCHWAY_MODULES", stock);
    place.run(cargo, "compile launchway")?;
    let folder = if profile == "dev" { "debug" } else { profile };
    Ok(place.target().join(folder).join("launchway"))
}

/// Builds the module of the example that is no stock module.
pub fn example_module(place: &Place) -> Result<PathBuf> {
    modules::build_other(place, &place.root.join("examples/modules/greeter"), "greeter")
}

fn boot(place: &Place, binary: &Path, state: &Path) -> Result<()> {
    let state = state.display().to_string();
    run(place, binary, &["boot", "--sandbox", "--sandbox-state", &state, "--file", MANIFEST])
}

fn run(place: &Place, binary: &Path, args: &[&str]) -> Result<()> {
    println!("$ launchway {}", args.join(" "));
    let status = Command::new(binary).args(args).current_dir(&place.root).status()?;
    if !status.success() {
        bail!("launchway {}: {status}", args.join(" "));
    }
    Ok(())
}
