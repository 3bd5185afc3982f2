//! Builds the real programs that tests run against, from the `go.mod` files under `tests/real/`.
//!
//! A program is built once for each state of its sources and kept in the cache; Go's own build cache makes the next one cheap. Nothing
//! is downloaded but what the Go module proxy holds.

use std::ffi::OsStr;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

/// Builds `tests/real/<name>` and returns the program, or nothing where Go is missing.
pub fn build(name: &str, cache: &Path) -> Result<Option<PathBuf>> {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/real").join(name);
    let cache = std::path::absolute(cache).with_context(|| format!("cannot resolve {}", cache.display()))?;
    let folder = cache.join("real").join(format!("{name}-{}", digest(&sources)?));
    let program = folder.join(name);
    if program.is_file() {
        return Ok(Some(program));
    }
    if !has_go()? {
        eprintln!("real {name}: Go is not installed");
        return Ok(None);
    }
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    compile(name, &sources, &folder, &program)?;
    Ok(Some(program))
}

fn has_go() -> Result<bool> {
    match Command::new("go").arg("version").output() {
        Ok(output) if output.status.success() => Ok(true),
        Ok(output) => bail!("go version failed: {}", String::from_utf8_lossy(&output.stderr).trim()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error).context("cannot run go"),
    }
}

fn compile(name: &str, sources: &Path, folder: &Path, program: &Path) -> Result<()> {
    eprintln!("real {name}: building, the first time takes minutes");
    // A build that is interrupted must not leave something that looks finished.
    let partial = folder.join(format!(".{name}-{}", std::process::id()));
    let status = Command::new("go")
        .args(["build", "-mod=mod", "-trimpath", "-o"])
        .arg(&partial)
        .arg(".")
        .current_dir(sources)
        .env("CGO_ENABLED", "0")
        .status()
        .context("cannot run go build")?;
    if !status.success() {
        bail!("go build of tests/real/{name} failed");
    }
    fs::rename(&partial, program).with_context(|| format!("cannot move the program to {}", program.display()))?;
    eprintln!("real {name}: built {}", program.display());
    Ok(())
}

/// Returns a digest of what decides the program: names and content of the sources.
fn digest(sources: &Path) -> Result<String> {
    let mut files: Vec<PathBuf> = fs::read_dir(sources)
        .with_context(|| format!("cannot read {}", sources.display()))?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<std::io::Result<_>>()?;
    files.retain(|path| is_source(path));
    files.sort();
    let mut hash = Sha256::new();
    for path in &files {
        let content = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        hash.update(format!("{:?} {}\n", path.file_name().unwrap_or_default(), content.len()));
        hash.update(content);
    }
    Ok(hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect())
}

fn is_source(path: &Path) -> bool {
    let is_module = matches!(path.file_name().and_then(OsStr::to_str), Some("go.mod" | "go.sum"));
    is_module || path.extension() == Some(OsStr::new("go"))
}
