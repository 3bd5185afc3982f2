//! A Flux tree whose secrets `sops` 3.13 encrypted for age: read as kustomize-controller reads it, and never printed unasked.

use launchway_tests::{Run, copy_of, launchway, root, temporary};

/// Runs `launchway render apps/web` on the tree.
fn render(args: &[&str]) -> Run {
    launchway(&root().join("examples/sops"), ["render", "apps/web", "--repository", "."].iter().chain(args))
}

#[test]
fn everything_that_flux_decrypts_is_decrypted() {
    let run = render(&["--values", "--show-secrets", "--age-key-file", "age.key"]);
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
    let expected = "api:\n  token: t0ken\ndatabase:\n  password: correct horse\nhost: hidden.example.com\nlicense: LICENSE TEXT\nmail:\n  empty: \"\"\n  nothing: null\n  password: \"007\"\n  port: 587\n  ratio: 0.25\n  tags:\n  - a\n  - b\n  tls: true\n  user: me\npatched: secretly\nreplicas: 2\n";
    assert_eq!(run.stdout, expected);
}

#[test]
fn the_origin_of_a_secret_value_is_told_but_not_the_value() {
    let run = render(&["--explain", "--show-secrets", "--age-key-file", "age.key"]);
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
    let table = run.stdout;
    for secret in ["t0ken", "correct horse", "LICENSE TEXT", "587"] {
        assert!(!table.contains(secret), "{secret} is in:\n{table}");
    }
    assert!(table.contains("values.mail.port: (secret)"), "{table}");
    assert!(table.contains("values.sops.yaml"), "{table}");
    assert!(table.contains("values.replicas: 2"), "{table}");
}

#[test]
fn without_a_key_or_unasked_nothing_is_decrypted() {
    let unasked = render(&[]);
    assert_eq!((unasked.code, unasked.stdout.as_str()), (2, ""));
    assert!(unasked.stderr.contains("is encrypted") && unasked.stderr.contains("--show-secrets"), "{}", unasked.stderr);
    let keyless = render(&["--show-secrets"]);
    assert_eq!((keyless.code, keyless.stdout.as_str()), (2, ""));
    assert!(keyless.stderr.contains("no age key is here; give one with --age-key-file"), "{}", keyless.stderr);
}

#[test]
fn another_key_opens_nothing_and_a_file_without_keys_is_refused() {
    let folder = temporary().expect("a folder");
    let other = folder.path().join("other.key");
    std::fs::write(&other, "AGE-SECRET-KEY-1E0RT42GDDPG5ZTQMWV7LRDFGT6TZXJNNSVM0LPULUVERFMWSKG7S9W3USS\n").expect("a file");
    let args = ["--show-secrets", "--age-key-file", other.to_str().expect("a path")];
    let run = render(&args);
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains("none of the age keys that are here opens it"), "{}", run.stderr);
    std::fs::write(&other, "secret nonsense\n").expect("a file");
    let run = render(&args);
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains("no age key") && !run.stderr.contains("nonsense"), "{}", run.stderr);
}

#[test]
fn check_needs_no_key_for_the_steps_of_a_manifest() {
    let folder = copy_of(&root().join("examples/sops")).expect("a copy");
    let manifest = "apiVersion: launchway.dev/v1alpha1\nkind: Bootstrap\nmetadata: { name: home }\nspec:\n  repository: .\n  steps:\n    - { name: web, module: helm-release, release: apps/web }\n";
    std::fs::write(folder.path().join("launchway.yaml"), manifest).expect("a file");
    let run = launchway(folder.path(), ["check"]);
    assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{}", run.stdout);
    assert!(run.stdout.contains("0 errors, 0 warnings"), "{}", run.stdout);
}
