//! Everything that is tested.

use anyhow::Result;

use crate::demo;
use crate::modules;
use crate::place::Place;
use crate::real;

/// The crates that know no clock, no file system and no network: they also build for WebAssembly.
const PURE: &[&str] = &["go-encoding", "go-template", "sprig", "helm", "kustomize", "flux", "bootstrap"];

/// Runs everything; with `sweep` also what is else only tried at some places.
pub fn test(place: &Place, sweep: bool) -> Result<()> {
    let downloads = real::download_ahead(place);
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
    step("lints");
    let mut clippy = place.cargo(&["clippy", "--quiet", "--workspace", "--all-targets"]);
    clippy.env("LAUNCHWAY_MODULES", &stock).args(["--", "-D", "warnings"]);
    place.run(clippy, "lint")?;
    step("real components");
    // Whatever is missing is downloaded by the builds, one after another.
    drop(downloads.join());
    let real = real::all(place)?;
    step("tests");
    let mut build = place.cargo(&["build", "--quiet", "--workspace", "--bin", "launchway"]);
    build.env("LAUNCHWAY_MODULES", &stock);
    place.run(build, "compile launchway")?;
    let mut tests = place.cargo(&["test", "--workspace", "--no-fail-fast"]);
    tests
        .env("LAUNCHWAY_TEST_RUN", "1")
        .env("LAUNCHWAY_MODULES", &stock)
        .env("LAUNCHWAY_BINARY", place.target().join("debug/launchway"))
        .env("LAUNCHWAY_GREETER", greeter)
        .env("LAUNCHWAY_MISBEHAVE", misbehave);
    if sweep {
        tests.env("LAUNCHWAY_SWEEP", "1");
        if let Some(helmfile) = real::one(place, "helmfile")? {
            tests.env("LAUNCHWAY_HELMFILE", helmfile);
        }
    }
    if let Some(real) = real {
        tests.env("LAUNCHWAY_REAL", real);
    }
    place.run(tests, "pass all tests")?;
    println!("\nall tests passed; those that could not run are listed above as ignored, each with the reason");
    Ok(())
}

fn step(name: &str) {
    println!("== {name}");
}
