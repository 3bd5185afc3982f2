//! Build script of every crate whose tests need more than the repository: says what is here.

use std::path::PathBuf;

fn main() {
    let variable = |name: &str| {
        println!("cargo::rerun-if-env-changed={name}");
        std::env::var_os(name).map(PathBuf::from)
    };
    let in_ci = variable("LAUNCHWAY_CI").is_some();
    let manifest = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR"));
    let beside = manifest.ancestors().map(|folder| folder.join("../shared")).find(|folder| folder.is_dir());
    let shared = variable("LAUNCHWAY_SHARED").or(beside).is_some_and(|folder| folder.is_dir());
    let real = variable("LAUNCHWAY_REAL").is_some_and(|folder| folder.is_dir());
    // What is named is built after this is asked, and before the tests run: on a new machine it is not there yet.
    let binary = variable("LAUNCHWAY_BINARY").is_some();
    let helmfile = variable("LAUNCHWAY_HELMFILE").is_some_and(|file| file.is_file());
    say("has_shared", shared, in_ci);
    say("has_real", real, in_ci && is_test_run());
    say("has_binary", binary, in_ci && is_test_run());
    say("has_helmfile", helmfile, false);
}

fn say(cfg: &str, is_here: bool, required: bool) {
    println!("cargo::rustc-check-cfg=cfg({cfg})");
    if is_here {
        println!("cargo::rustc-cfg={cfg}");
    } else if required {
        println!("cargo::error={cfg}: what these tests need is not here");
    }
}

/// Programs are built before the tests run, not before everything is checked.
fn is_test_run() -> bool {
    println!("cargo::rerun-if-env-changed=LAUNCHWAY_TEST_RUN");
    std::env::var_os("LAUNCHWAY_TEST_RUN").is_some()
}
