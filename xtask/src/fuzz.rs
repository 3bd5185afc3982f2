//! Runs the fuzzers of `tests/fuzz`, one target after the other. They need a nightly compiler and cargo-fuzz.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::place::Place;

/// How long each target runs where nothing says so.
pub const SECONDS: &str = "600";

/// Fuzzes every target for so many seconds; the first crash ends it and is left under `tests/fuzz/artifacts`.
pub fn fuzz(place: &Place, seconds: &str) -> Result<()> {
    if place.output("cargo", &["fuzz", "--version"]).is_err() {
        bail!("cargo-fuzz is missing: `cargo install cargo-fuzz` and `rustup toolchain install nightly` bring what fuzzing needs");
    }
    for target in targets(place)? {
        println!("== {target}");
        let mut fuzzer = command(place, "run", &target);
        fuzzer.args(["--", &format!("-max_total_time={seconds}"), "-timeout=20", "-rss_limit_mb=2048", "-max_len=8192"]);
        place.run(fuzzer, &format!("fuzz {target}"))?;
        place.run(command(place, "cmin", &target), &format!("minimise the corpus of {target}"))?;
    }
    Ok(())
}

fn command(place: &Place, verb: &str, target: &str) -> Command {
    let folder = place.root.join("tests/fuzz");
    let mut command = Command::new("cargo");
    command.args(["+nightly", "fuzz", verb, "--fuzz-dir"]).arg(&folder).arg(target).current_dir(&folder);
    // A toolchain that cargo was started with would win over the one named here.
    command.env_remove("RUSTUP_TOOLCHAIN").env_remove("CARGO").env("CARGO_TARGET_DIR", place.cache.join("fuzz"));
    command
}

fn targets(place: &Place) -> Result<Vec<String>> {
    let folder = place.root.join("tests/fuzz/fuzz_targets");
    let mut names = Vec::new();
    for entry in fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
        if let Some(name) = entry?.file_name().to_str().and_then(|name| name.strip_suffix(".rs")) {
            names.push(name.to_owned());
        }
    }
    names.sort();
    Ok(names)
}
