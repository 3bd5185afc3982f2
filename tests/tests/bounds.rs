//! What the program reads has a bound, and the error names it.

#![cfg(unix)]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use launchway_tests::{copy_into, launchway, root, temporary};

const MANIFEST: &str = "apiVersion: launchway.dev/v1alpha1\nkind: Bootstrap\nmetadata: { name: test }\nspec:\n  repository: .\n";

#[test]
#[cfg_attr(not(has_binary), ignore = "skipped: run by cargo xtask test, which builds the program")]
fn what_never_ends_is_not_read_to_its_end() {
    let folder = temporary().unwrap();
    let write = |name: &str, more: &str| fs::write(folder.path().join(name), format!("{MANIFEST}{more}")).unwrap();
    symlink("/dev/zero", folder.path().join("zero.wasm")).unwrap();
    write("module.yaml", "  steps: [{ name: a, module: ./zero.wasm }]\n");
    write(
        "secret.yaml",
        "  secrets: { a: { file: /dev/zero } }\n  steps: [{ name: a, module: ./module.wasm, with: { do: nothing, secrets: [a] }, grants: { secrets: [a] } }]\n",
    );
    let module =
        std::env::var_os("LAUNCHWAY_MISBEHAVE").expect("LAUNCHWAY_MISBEHAVE is not set: run `cargo xtask test`, which builds the module");
    fs::copy(module, folder.path().join("module.wasm")).unwrap();
    copy_into(&root().join("examples/sops"), &folder.path().join("sops")).unwrap();
    fs::create_dir_all(folder.path().join("chart")).unwrap();
    fs::write(folder.path().join("chart/Chart.yaml"), "apiVersion: v2\nname: a\nversion: 1.0.0\n").unwrap();
    for (args, bound) in [
        (vec!["boot", "--sandbox", "--file", "/dev/zero"], "/dev/zero: is larger than 16 MiB"),
        (vec!["graph", "--file", "/dev/zero"], "/dev/zero: is larger than 16 MiB"),
        (vec!["boot", "--sandbox", "--file", "module.yaml"], "zero.wasm: is no regular file"),
        (vec!["module", "inspect", "./zero.wasm"], "zero.wasm: is no regular file"),
        (vec!["boot", "--sandbox", "--file", "secret.yaml"], "secret a: /dev/zero: is no regular file"),
        (
            vec!["render", "apps/web", "--repository", "sops", "--show-secrets", "--age-key-file", "/dev/zero"],
            "age keys /dev/zero: is larger than 16 MiB",
        ),
        (vec!["template", "chart", "--values", "/dev/zero"], "open /dev/zero: is larger than 100 MiB"),
    ] {
        let run = launchway(folder.path(), &args);
        assert!(run.code != 0 && run.stderr.contains(bound), "{args:?}: {}{}", run.stdout, run.stderr);
    }
}

#[test]
#[cfg_attr(not(has_binary), ignore = "skipped: run by cargo xtask test, which builds the program")]
fn values_come_out_of_a_pipe_too() {
    let folder = temporary().unwrap();
    let template = folder.path().join("chart/templates");
    fs::create_dir_all(&template).unwrap();
    fs::write(template.join("a.yaml"), "color: {{ .Values.color }}\n").unwrap();
    fs::write(folder.path().join("chart/Chart.yaml"), "apiVersion: v2\nname: a\nversion: 1.0.0\n").unwrap();
    let pipe = folder.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let run = std::thread::scope(|scope| {
        scope.spawn(|| fs::write(&pipe, "color: green\n").unwrap());
        launchway(Path::new(folder.path()), ["template", "chart", "--values", "pipe"])
    });
    assert!(run.code == 0 && run.stdout.contains("color: green"), "{}{}", run.stdout, run.stderr);
}
