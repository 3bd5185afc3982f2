//! What can be typed.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// What to compare and for how long.
pub struct Options {
    /// Which program to compare with.
    pub mode: String,
    /// How long to generate.
    pub seconds: u64,
    /// Where the generator starts; the same seed gives the same inputs.
    pub seed: u64,
    /// Only inputs of this topic.
    pub only: Option<String>,
    /// The charts to compare.
    pub folders: Vec<PathBuf>,
    /// The reference data beside the repository.
    pub shared: PathBuf,
}

impl Options {
    /// Reads the arguments after the program's name.
    pub fn parse(args: impl Iterator<Item = String>) -> Result<Options> {
        let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
        let shared = std::env::var_os("LAUNCHWAY_SHARED").map_or(beside, PathBuf::from);
        let mut options = Options { mode: "helm".into(), seconds: 60, seed: 1, only: None, folders: Vec::new(), shared };
        let mut args = args.peekable();
        if let Some(mode) = args.next_if(|arg| !arg.starts_with('-')) {
            options.mode = mode;
        }
        while let Some(folder) = args.next_if(|arg| !arg.starts_with('-')) {
            options.folders.push(folder.into());
        }
        while let Some(name) = args.next() {
            let value = args.next().with_context(|| format!("{name} needs a value"))?;
            match name.as_str() {
                "--seconds" => options.seconds = value.parse().context("--seconds is a number")?,
                "--seed" => options.seed = value.parse().context("--seed is a number")?,
                "--only" => options.only = Some(value),
                _ => bail!("unknown option {name}; there are --seconds, --seed and --only"),
            }
        }
        Ok(options)
    }
}
