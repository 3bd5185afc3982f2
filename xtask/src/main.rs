//! Automation of the repository: `cargo xtask COMMAND`.

mod modules;
mod place;

use std::process::ExitCode;

use anyhow::Result;

use crate::place::Place;

const HELP: &str = "\
cargo xtask COMMAND

  modules  compiles the stock modules to components
";

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let outcome = match args.next().as_deref() {
        Some("modules") => modules(),
        _ => {
            eprint!("{HELP}");
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn modules() -> Result<()> {
    let folder = modules::build(&Place::find()?)?;
    println!("{}", folder.display());
    Ok(())
}
