//! Where things are, and how commands are run there.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

/// The repository and the cache beside it.
#[derive(Clone)]
pub struct Place {
    pub root: PathBuf,
    pub cache: PathBuf,
}

impl Place {
    /// Finds both. Everything that is built goes to `$LAUNCHWAY_CACHE`, by default under the user's cache folder.
    pub fn find() -> Result<Self> {
        // Not as compiled in: of two checkouts with one cache, cargo may run for one what it compiled for the other.
        let xtask = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from).context("run it as `cargo xtask`")?;
        let root = xtask.parent().context("xtask lies in the repository")?.to_owned();
        let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let cache = variable("LAUNCHWAY_CACHE")
            .or_else(|| variable("XDG_CACHE_HOME").map(|folder| folder.join("launchway")))
            .or_else(|| variable("HOME").map(|folder| folder.join(".cache/launchway")))
            .context("set LAUNCHWAY_CACHE to a folder for build output")?;
        std::fs::create_dir_all(&cache).with_context(|| cache.display().to_string())?;
        Ok(Place { root, cache: cache.canonicalize()? })
    }

    /// Returns the folder that cargo builds into.
    pub fn target(&self) -> PathBuf {
        std::env::var_os("CARGO_TARGET_DIR").filter(|value| !value.is_empty()).map_or_else(|| self.cache.join("target"), PathBuf::from)
    }

    /// Returns a core module that cargo built.
    pub fn wasm(&self, profile: &str, name: &str) -> PathBuf {
        self.target().join(format!("wasm32-unknown-unknown/{profile}/{}.wasm", name.replace('-', "_")))
    }

    /// Returns a cargo command in the repository.
    pub fn cargo(&self, args: &[&str]) -> Command {
        let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command.args(args).current_dir(&self.root).env("CARGO_TARGET_DIR", self.target());
        command
    }

    /// Returns a cargo command that compiles our crates with Clippy's compiler, to which a warning is an error.
    ///
    /// What is linted is then what is tested, and dependencies are compiled once: for `cargo clippy` all of them are checked, too.
    pub fn linted(&self, args: &[&str]) -> Result<Command> {
        let compiler = self.sysroot()?.join("bin/clippy-driver");
        if !compiler.is_file() {
            bail!("{} is missing: run `rustup component add clippy`, or install it with your toolchain", compiler.display());
        }
        let mut command = self.cargo(args);
        // As configuration: a variable would reach what tests compile.
        command.arg("--config").arg(format!("build.rustc-workspace-wrapper={:?}", compiler.display().to_string()));
        // The form in which cargo-clippy hands over `-D warnings`.
        command.env("CLIPPY_ARGS", "-D__CLIPPY_HACKERY__warnings__CLIPPY_HACKERY__");
        Ok(command)
    }

    /// Returns the folder of the compiler and its libraries.
    pub fn sysroot(&self) -> Result<PathBuf> {
        Ok(self.output("rustc", &["--print", "sysroot"])?.trim().into())
    }

    /// Compiles a program of the workspace that needs what xtask should not wait for, and returns it.
    pub fn tool(&self, name: &str) -> Result<PathBuf> {
        // Of the whole workspace, not of the package: dependencies have the same features as in all other builds then.
        self.run(self.cargo(&["build", "--quiet", "--workspace", "--bin", name]), &format!("compile {name}"))?;
        Ok(self.target().join("debug").join(name))
    }

    /// Runs a command to its end.
    pub fn run(&self, mut command: Command, what: &str) -> Result<()> {
        let status = command.status().with_context(|| format!("{what}: {} cannot be run", command.get_program().display()))?;
        if !status.success() {
            bail!("could not {what}: {status}");
        }
        Ok(())
    }

    /// Returns what a command prints.
    pub fn output(&self, program: &str, args: &[&str]) -> Result<String> {
        let output =
            Command::new(program).args(args).current_dir(&self.root).output().with_context(|| format!("{program} cannot be run"))?;
        if !output.status.success() {
            bail!("{program} {}: {}", args.join(" "), String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(String::from_utf8(output.stdout)?)
    }
}
