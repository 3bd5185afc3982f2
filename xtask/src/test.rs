//! Everything that is tested.

use std::num::NonZero;
use std::process::Command;

use anyhow::Result;

use crate::demo;
use crate::modules;
use crate::place::Place;
use crate::real::{self, Purpose};

/// The crates that know no clock, no file system and no network: they also build for WebAssembly.
const PURE: &[&str] = &["go-encoding", "go-template", "sprig", "helm", "kustomize", "flux", "bootstrap"];

/// Runs everything; with `sweep` also what is else only tried at some places.
pub fn test(place: &Place, sweep: bool) -> Result<()> {
    // What takes longest on a new machine, and leaves a part of it to others.
    let real = real::start(place, Purpose::Tests)?;
    step("format");
    place.run(place.cargo(&["fmt", "--all", "--check"]), "format: run `cargo fmt --all`")?;
    step("modules");
    let stock = modules::build(place)?;
    let greeter = demo::example_module(place)?;
    let misbehave = modules::build_other(place, &place.root.join("tests/modules/misbehave"), "misbehave")?;
    let folder = place.root.join("examples/modules/greeter");
    let mut own = place.cargo(&["test", "--quiet"]);
    own.current_dir(&folder);
    place.run(own, "test the example module")?;
    step("pure crates for WebAssembly");
    let mut wasm = place.cargo(&["check", "--quiet", "--target", "wasm32-unknown-unknown"]);
    for name in PURE {
        wasm.args(["--package", name]);
    }
    place.run(wasm, "build the pure crates for wasm32-unknown-unknown")?;
    // Those that take longest wait for clusters a third of the time.
    let threads = std::thread::available_parallelism().map_or(2, NonZero::get) * 3 / 2;
    let helmfile = if sweep { real::one(place, "helmfile")? } else { None };
    // Some of it decides what is compiled, so all commands have all of it.
    let cargo = |args: &[&str]| -> Result<Command> {
        let mut cargo = place.linted(args)?;
        cargo
            .env("LAUNCHWAY_TEST_RUN", "1")
            .env("RUST_TEST_THREADS", threads.to_string())
            .env("LAUNCHWAY_MODULES", &stock)
            .env("LAUNCHWAY_BINARY", place.target().join("debug/launchway"))
            .env("LAUNCHWAY_GREETER", &greeter)
            .env("LAUNCHWAY_MISBEHAVE", &misbehave);
        if sweep {
            cargo.env("LAUNCHWAY_SWEEP", "1");
        }
        cargo.envs(helmfile.as_ref().map(|helmfile| ("LAUNCHWAY_HELMFILE", helmfile.as_path())));
        cargo.envs(real.as_ref().map(|real| ("LAUNCHWAY_REAL", real.folder())));
        Ok(cargo)
    };
    step("compile and lint");
    place.run(cargo(&["test", "--quiet", "--workspace", "--all-targets", "--no-run"])?, "lint and compile")?;
    place.run(cargo(&["build", "--quiet", "--workspace", "--bin", "launchway"])?, "compile launchway")?;
    let tests = cargo(&["test", "--workspace", "--no-fail-fast"])?;
    if let Some(real) = real {
        step("real components");
        real.finish()?;
    }
    step("tests");
    place.run(tests, "pass all tests")?;
    println!("\nall tests passed; those that could not run are listed above as ignored, each with the reason");
    Ok(())
}

fn step(name: &str) {
    println!("== {name}");
}
