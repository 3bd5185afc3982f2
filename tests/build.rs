//! Finds out which tests can run here, so that the others are reported as ignored and not as passed.

use std::path::Path;

fn main() {
    let shared = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().any(|folder| folder.join("../shared/charts/cases.jsonl").is_file());
    for (name, variable, there) in
        [("has_binary", "LAUNCHWAY_BINARY", false), ("has_greeter", "LAUNCHWAY_GREETER", false), ("has_shared", "LAUNCHWAY_SHARED", shared)]
    {
        println!("cargo::rustc-check-cfg=cfg({name})");
        println!("cargo::rerun-if-env-changed={variable}");
        // Where everything has to run, what is missing fails in the test that misses it.
        if there || std::env::var_os(variable).is_some() || std::env::var_os("LAUNCHWAY_CI").is_some() {
            println!("cargo::rustc-cfg={name}");
        }
    }
    println!("cargo::rerun-if-env-changed=LAUNCHWAY_CI");
}
