//! Embeds the stock modules that `cargo xtask modules` left in `$LAUNCHWAY_MODULES`. Without that the program has none, and says so.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

fn main() {
    println!("cargo::rerun-if-env-changed=LAUNCHWAY_MODULES");
    let mut files: Vec<PathBuf> = Vec::new();
    if let Some(folder) = std::env::var_os("LAUNCHWAY_MODULES") {
        println!("cargo::rerun-if-changed={}", Path::new(&folder).display());
        let entries = std::fs::read_dir(&folder).expect("$LAUNCHWAY_MODULES is a folder: run `cargo xtask modules`");
        files = entries
            .map(|entry| entry.expect("the folder can be read").path())
            .filter(|path| path.extension().is_some_and(|end| end == "wasm"))
            .collect();
        files.sort();
    }
    let mut code = String::from("/// The stock modules by name.\npub(crate) const STOCK: &[(&str, &[u8])] = &[\n");
    for file in files {
        println!("cargo::rerun-if-changed={}", file.display());
        let name = file.file_stem().and_then(|name| name.to_str()).expect("a module's name is text").to_owned();
        writeln!(code, "    ({name:?}, include_bytes!({:?})),", file.display().to_string()).expect("a String takes all text");
    }
    code.push_str("];\n");
    let out = std::env::var_os("OUT_DIR").expect("cargo sets OUT_DIR");
    std::fs::write(Path::new(&out).join("stock.rs"), code).expect("OUT_DIR can be written");
    if reads_packed_relocations() {
        println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
}

/// Whether the system that this is compiled for starts programs with packed relocations. All relocations are read at each start, and
/// unpacked they are more than a megabyte of the twenty that a short command needs.
fn reads_packed_relocations() -> bool {
    let variable = |name: &str| std::env::var(name).unwrap_or_default();
    // Of another system nobody knows how old it is.
    variable("HOST") == variable("TARGET") && glibc().is_some_and(|version| version >= (2, 36))
}

/// Returns the version of the C library that this script runs on, where it is glibc.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn glibc() -> Option<(u32, u32)> {
    // SAFETY: it returns a text that is never freed.
    let version = unsafe { std::ffi::CStr::from_ptr(libc::gnu_get_libc_version()) };
    let (major, minor) = version.to_str().ok()?.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn glibc() -> Option<(u32, u32)> {
    None
}
