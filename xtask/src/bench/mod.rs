//! Measures ours against its peers in the same run, and prints tables of medians. Nothing here passes or fails.

mod measure;
mod render;
mod repositories;

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use crate::demo;
use crate::place::Place;
use crate::real::{self, Purpose};
use measure::{RUNS, Table, milliseconds};

/// Prints all tables.
pub fn bench(place: &Place) -> Result<()> {
    render(place)?;
    modules(place)?;
    boot(place)
}

/// Prints what rendering takes, against Helm.
pub fn render(place: &Place) -> Result<()> {
    match shared(place) {
        Some(shared) => render::render(place, &shared),
        None => {
            println!("skipped: ../shared is not here: no charts and no Helm to measure rendering with");
            Ok(())
        }
    }
}

/// Prints what a boot of a real cluster takes, against helmfile.
pub fn boot(place: &Place) -> Result<()> {
    let Some(programs) = real::all(place, Purpose::Benches)? else {
        println!("skipped: Go is not here, so there is no cluster to boot");
        return Ok(());
    };
    let mut bench = place.cargo(&["test", "--quiet", "--workspace", "--bench", "boot"]);
    bench.env("LAUNCHWAY_BINARY", demo::binary(place, "release")?).env("LAUNCHWAY_REAL", programs);
    if let Some(helmfile) = real::one(place, "helmfile")? {
        bench.env("LAUNCHWAY_HELMFILE", helmfile);
    }
    place.run(bench, "boot real clusters")
}

fn modules(place: &Place) -> Result<()> {
    let binary = demo::binary(place, "release")?;
    let mut table = Table::new(&["modules and boot", "median"]);
    let output = measure::text(Command::new(&binary).args(["module", "bench", "cilium", "--runs", &RUNS.to_string()]))?;
    for (name, value) in output.lines().filter_map(|line| line.split_once(": ")) {
        table.row([format!("module cilium, {name}"), value.to_owned()]);
    }
    demo::example_module(place)?;
    let mut boot = Command::new(&binary);
    boot.args(["boot", "--sandbox", "--output", "json", "--file", demo::MANIFEST]).current_dir(&place.root);
    table.row(["boot of the demo, cold process".to_owned(), milliseconds(measure::processes(&mut [boot], RUNS)?.median)]);
    table.print();
    check(place)?;
    kustomize(place)
}

/// Prints what checking repositories takes.
pub fn check(place: &Place) -> Result<()> {
    repositories::check(place, &demo::binary(place, "release")?, shared(place).as_deref())
}

/// Prints what building kustomizations takes, against kustomize.
pub fn kustomize(place: &Place) -> Result<()> {
    repositories::kustomize(place, shared(place).as_deref())
}

fn shared(place: &Place) -> Option<PathBuf> {
    let given = std::env::var_os("LAUNCHWAY_SHARED").map(PathBuf::from);
    let folder = given.unwrap_or_else(|| place.root.join("../shared"));
    folder.join("charts/cases.jsonl").is_file().then_some(folder)
}
