//! Automation of the repository: `cargo xtask COMMAND`. Every command does its own set-up.

mod bench;
mod check;
mod demo;
mod differential_kustomize;
mod fuzz;
mod modules;
mod place;
mod real;
mod test;

use std::process::ExitCode;

use anyhow::{Result, bail};

use crate::place::Place;
use crate::real::Purpose;

const HELP: &str = "\
cargo xtask COMMAND

  demo     boots the example repository into a cluster in this process, twice
  test     runs everything: format, lints, all tests, the modules, the documentation's commands
           `test --sweep` kills a run after every write and harms every request, where `test` takes some of them, and compares
           with helmfile too, which takes ten minutes to build
  check    format, lints and unit tests of what changed
  bench    measures against Helm, kustomize and helmfile: `bench` for all tables, `bench render`, `check`, `kustomize` or `boot` for some;
           for `boot` helmfile is built first, and Kubernetes as published, which takes twenty minutes once
  differential [--seconds N] [--seed N] [--only TOPIC]
           compares random charts, templates, values and texts with real Helm; `differential charts FOLDER...` compares charts from
           disk, `differential render` rewrites the goldens of crates/helm/tests/conformance, with --only FILE one file of them
  differential kustomize [--seconds N] [--seed N] | --bless
           compares with the real kustomize, on random trees or on our cases
  fuzz     runs the fuzzers, ten minutes each or `fuzz SECONDS`; needs cargo-fuzz and a nightly compiler
  modules  compiles the stock modules to components
  build    builds the release binary with the stock modules inside
  real     builds the real components that tests run against; `real up` starts a real cluster to play with
";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match run(&args.iter().map(String::as_str).collect::<Vec<_>>()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &[&str]) -> Result<()> {
    match args {
        ["demo"] => demo::demo(&Place::find()?),
        ["test"] => test::test(&Place::find()?, false),
        ["test", "--sweep"] => test::test(&Place::find()?, true),
        ["check"] => check::check(&Place::find()?),
        ["differential", "kustomize", args @ ..] => differential_kustomize::differential(&Place::find()?, args),
        ["bench"] => bench::bench(&Place::find()?),
        ["bench", "render"] => bench::render(&Place::find()?),
        ["bench", "check"] => bench::check(&Place::find()?),
        ["bench", "kustomize"] => bench::kustomize(&Place::find()?),
        ["bench", "boot"] => bench::boot(&Place::find()?),
        ["fuzz"] => fuzz::fuzz(&Place::find()?, fuzz::SECONDS),
        ["fuzz", seconds] => fuzz::fuzz(&Place::find()?, seconds),
        ["modules"] => {
            println!("{}", modules::build(&Place::find()?)?.display());
            Ok(())
        }
        ["build"] => {
            println!("{}", demo::binary(&Place::find()?, "release")?.display());
            Ok(())
        }
        ["differential", rest @ ..] => {
            let place = Place::find()?;
            let mut cargo = place.cargo(&["run", "--quiet", "--release", "--package", "differential", "--"]);
            cargo.args(rest);
            place.run(cargo, "find ours and Helm's equal")
        }
        ["real"] => real::all(&Place::find()?, Purpose::Tests).map(|_| ()),
        ["real", "up"] => real::up(&Place::find()?),
        ["help" | "--help" | "-h"] | [] => {
            print!("{HELP}");
            Ok(())
        }
        other => bail!("unknown command {}\n\n{HELP}", other.join(" ")),
    }
}
