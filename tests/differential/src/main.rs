//! Puts random inputs through ours and through the program we claim to equal, and prints every difference with a small reproduction.
//!
//! `cargo xtask differential [MODE] --seconds N [--seed S]` runs it. A mode is a [`Mode`](run::Mode): a pure generator, what ours says,
//! what the other says, and ways to make an input smaller.

mod helm;
mod options;
mod random;
mod run;

use std::process::ExitCode;

use anyhow::{Result, bail};

use options::Options;

/// How many of the other program are asked at once.
const PROCESSES: usize = 2;

fn main() -> ExitCode {
    // A panic is an answer here, which differs from all others.
    std::panic::set_hook(Box::new(|_| ()));
    match differential() {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// Returns the number of differences.
fn differential() -> Result<usize> {
    let options = Options::parse(std::env::args().skip(1))?;
    match options.mode.as_str() {
        "helm" => {
            let mut helms = (0..PROCESSES).map(|_| helm::Helm::start(&options)).collect::<Result<Vec<_>>>()?;
            run::run(&mut helms, &options)
        }
        "render" => helm::goldens::write(&mut helm::Helm::start(&options)?, options.only.as_deref()).map(|()| 0),
        "charts" => helm::published::compare(&mut helm::Helm::start(&options)?, &options.folders),
        other => {
            bail!("no mode {other}; there are: helm, charts FOLDER..., and render (rewrites the goldens of crates/helm/tests/conformance)")
        }
    }
}
