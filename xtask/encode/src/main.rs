//! Makes core modules components: `encode CORE COMPONENT [CORE COMPONENT]...`, each the path of a file.
//!
//! A program of its own, so that xtask needs little and begins soon.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use wit_component::ComponentEncoder;

fn main() -> Result<()> {
    let paths: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let (pairs, []) = paths.as_chunks() else { bail!("usage: encode CORE COMPONENT [CORE COMPONENT]...") };
    for [core, component] in pairs {
        let bytes = std::fs::read(core).with_context(|| core.display().to_string())?;
        let encoded = ComponentEncoder::default().validate(true).module(&bytes)?.encode().with_context(|| core.display().to_string())?;
        // A file that would not change is left alone, so that nothing is built again.
        if std::fs::read(component).is_ok_and(|known| known == encoded) {
            continue;
        }
        std::fs::write(component, encoded).with_context(|| component.display().to_string())?;
    }
    Ok(())
}
