//! What the end-to-end tests share: where things are, copies of folders, and the program with its output captured. It asserts nothing
//! about the program.

pub mod cluster;
pub mod helmfile;
pub mod public;
pub mod synced;
pub mod takeover;
pub mod transcript;

use std::ffi::OsStr;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};
use serde_json::Value;
use tempfile::TempDir;

/// The chart archives of the reference data, by name and version; the repositories there pin other versions of some.
pub const ARCHIVES: &[(&str, &str)] = &[
    ("cert-manager", "v1.20.2"),
    ("cilium", "1.20.0"),
    ("coredns", "1.46.2"),
    ("flux-instance", "0.49.0"),
    ("flux-operator", "0.49.0"),
    ("gateway-helm", "1.9.0"),
    ("kube-prometheus-stack", "88.5.3"),
];

/// Returns the root of the repository.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the repository")
}

/// Returns the program under test.
pub fn binary() -> PathBuf {
    std::env::var_os("LAUNCHWAY_BINARY").expect("LAUNCHWAY_BINARY is not set: run `cargo xtask test`, which builds the program").into()
}

/// Returns the module of the example repository.
pub fn greeter() -> PathBuf {
    std::env::var_os("LAUNCHWAY_GREETER").expect("LAUNCHWAY_GREETER is not set: run `cargo xtask test`, which builds the module").into()
}

/// Returns a new empty folder that is removed in the end.
pub fn temporary() -> Result<TempDir> {
    tempfile::Builder::new().prefix("launchway-").tempdir().context("a temporary folder")
}

/// Returns a copy of a folder that is removed in the end.
pub fn copy_of(folder: &Path) -> Result<TempDir> {
    let copy = temporary()?;
    copy_into(folder, copy.path())?;
    Ok(copy)
}

/// Copies what is in a folder.
pub fn copy_into(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from).with_context(|| from.display().to_string())? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.path().is_dir() { copy_into(&entry.path(), &target)? } else { fs::copy(entry.path(), target).map(drop)? }
    }
    Ok(())
}

/// Returns all files below a folder, sorted.
pub fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if path.is_dir() { found.extend(files(&path)?) } else { found.push(path) }
    }
    found.sort();
    Ok(found)
}

/// Reads a text that may be there as `NAME.gz` only.
pub fn read_packed(path: &Path) -> Result<String> {
    if path.is_file() {
        return Ok(fs::read_to_string(path)?);
    }
    let packed = fs::read(format!("{}.gz", path.display())).with_context(|| path.display().to_string())?;
    let mut text = String::new();
    flate2::read::GzDecoder::new(&packed[..]).read_to_string(&mut text)?;
    Ok(text)
}

/// How a run of the program ended.
#[derive(Debug)]
pub struct Run {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Run {
    /// Returns the events of a run with `--output json`.
    pub fn events(&self) -> Vec<Value> {
        self.stdout
            .lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in {line:?}\n{}", self.stderr)))
            .collect()
    }
}

/// Returns the program as a command in a folder. It sees nothing of the person's environment but PATH.
pub fn command(folder: &Path) -> Command {
    let mut command = Command::new(binary());
    isolate(&mut command, folder);
    command
}

/// Takes the person's environment from a command.
pub fn isolate(command: &mut Command, folder: &Path) {
    // Compiled modules are kept between tests; nothing else is in the cache, as no test uses a network.
    let cache = Path::new(env!("OUT_DIR")).join("cache");
    let nowhere = Path::new(env!("OUT_DIR")).join("nowhere");
    command
        .env_clear()
        .env("LAUNCHWAY_CACHE", cache)
        .env("HOME", &nowhere)
        .env("DOCKER_CONFIG", &nowhere)
        .env("KUBECONFIG", "/nonexistent/kubeconfig");
    command.envs(std::env::var_os("PATH").map(|path| ("PATH", path))).current_dir(folder).stdin(Stdio::null());
}

/// Runs the program in a folder.
pub fn launchway<A: AsRef<OsStr>>(folder: &Path, args: impl IntoIterator<Item = A>) -> Run {
    run(command(folder).args(args))
}

/// Runs a command.
pub fn run(command: &mut Command) -> Run {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("the program prints UTF-8");
    Run { code: output.status.code().unwrap_or(-1), stdout: text(output.stdout), stderr: text(output.stderr) }
}
