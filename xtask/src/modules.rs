//! Stock modules: compiled for `wasm32-unknown-unknown` and encoded as components.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};

use crate::place::Place;

/// Builds every module under `modules/` and returns the folder they are in.
pub fn build(place: &Place) -> Result<PathBuf> {
    target(place)?;
    let mut names = Vec::new();
    for entry in fs::read_dir(place.root.join("modules"))? {
        let entry = entry?;
        if entry.path().join("Cargo.toml").is_file() {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    names.sort();
    let mut cargo = place.cargo(&["build", "--quiet", "--target", "wasm32-unknown-unknown", "--profile", "module"]);
    for name in &names {
        cargo.args(["--package", name]);
    }
    place.run(cargo, "compile the modules")?;
    let out = place.cache.join("modules");
    fs::create_dir_all(&out)?;
    encode(place, names.iter().map(|name| [place.wasm("module", name), out.join(format!("{name}.wasm"))]))?;
    Ok(out)
}

/// Builds the module crate in a folder outside the workspace and returns the component.
pub fn build_other(place: &Place, folder: &Path, name: &str) -> Result<PathBuf> {
    target(place)?;
    let mut cargo = place.cargo(&["build", "--quiet", "--release", "--target", "wasm32-unknown-unknown"]);
    cargo.current_dir(folder);
    place.run(cargo, &format!("compile {}", folder.display()))?;
    let out = folder.join(format!("target/{name}.wasm"));
    fs::create_dir_all(folder.join("target"))?;
    encode(place, [[place.wasm("release", name), out.clone()]])?;
    Ok(out)
}

/// Makes components of pairs of a core module and where its component goes.
fn encode(place: &Place, pairs: impl IntoIterator<Item = [PathBuf; 2]>) -> Result<()> {
    let mut encode = Command::new(place.tool("encode")?);
    encode.args(pairs.into_iter().flatten());
    place.run(encode, "make components")
}

/// Makes sure that the target is installed.
fn target(place: &Place) -> Result<()> {
    if place.sysroot()?.join("lib/rustlib/wasm32-unknown-unknown/lib").is_dir() {
        return Ok(());
    }
    eprintln!("adding the target wasm32-unknown-unknown");
    if place.output("rustup", &["target", "add", "wasm32-unknown-unknown"]).is_err() {
        bail!(
            "the target wasm32-unknown-unknown is missing and `rustup target add wasm32-unknown-unknown` failed: install it with your toolchain"
        );
    }
    Ok(())
}
