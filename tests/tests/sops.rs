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

const RELEASE: &str = "apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: { name: web, namespace: apps }
spec:
  interval: 1h
  chart: { spec: { chart: ./chart, sourceRef: { kind: GitRepository, name: flux-system, namespace: flux-system } } }
  values: { host: '${SECRET_HOST}' }
";
const CONFIG: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: web }\ndata: { host: {{ .Values.host }} }\n";
const MANIFEST: &str = "apiVersion: launchway.dev/v1alpha1
kind: Bootstrap
metadata: { name: home }
spec:
  repository: .
  steps:
    - { name: web, module: helm-release, release: apps/web }
";
const GIVEN: &str = "apiVersion: v1
kind: Secret
metadata: { name: settings, namespace: flux-system }
stringData: { SECRET_HOST: told.example.com }
";

#[test]
fn a_boot_without_keys_in_the_sandbox_takes_the_objects_it_is_given() {
    let folder = copy_of(&root().join("examples/sops")).expect("a copy");
    std::fs::create_dir_all(folder.path().join("chart/templates")).expect("a folder");
    let listed = "resources: [release.yaml]\nsecretGenerator: [{ name: license, namespace: apps, files: [license.sops] }]\n";
    for (name, text) in [
        ("apps/kustomization.yaml", listed),
        ("apps/release.yaml", RELEASE),
        ("chart/Chart.yaml", "apiVersion: v2\nname: web\nversion: 1.0.0\n"),
        ("chart/templates/config.yaml", CONFIG),
        ("launchway.yaml", MANIFEST),
        ("given.yaml", GIVEN),
        ("odd.yaml", "kind: Pod\n"),
    ] {
        std::fs::write(folder.path().join(name), text).expect("a file");
    }
    let boot = |more: &[&str]| {
        launchway(folder.path(), ["boot", "--sandbox", "--sandbox-state", "state.json", "--output", "plain"].iter().chain(more))
    };
    let untold = boot(&[]);
    assert_eq!(untold.code, 2, "{}", untold.stderr);
    let said = "Secret flux-system/settings, which substituteFrom names, is encrypted";
    assert!(untold.stderr.contains(said) && untold.stderr.contains("--objects FILE"), "{}", untold.stderr);
    let odd = boot(&["--objects", "odd.yaml"]);
    assert_eq!(odd.code, 2);
    assert!(odd.stderr.contains("odd.yaml:1: is no ConfigMap and no Secret of v1"), "{}", odd.stderr);
    let told = boot(&["--objects", "given.yaml"]);
    assert_eq!(told.code, 0, "{}{}", told.stdout, told.stderr);
    let state = std::fs::read_to_string(folder.path().join("state.json")).expect("the state");
    assert!(state.contains("told.example.com"), "{state}");
    assert!(!told.stdout.contains("told.example.com") && !told.stderr.contains("told.example.com"), "{}{}", told.stdout, told.stderr);
    // The key opens it as before, and then nobody else is asked.
    let opened = boot(&["--age-key-file", "age.key", "--objects", "given.yaml"]);
    assert_eq!(opened.code, 0, "{}{}", opened.stdout, opened.stderr);
    let in_vain = "Secret flux-system/settings (given.yaml:1), from --objects, is not looked at: the repository has";
    assert!(format!("{}{}", opened.stdout, opened.stderr).contains(in_vain), "{}{}", opened.stdout, opened.stderr);
}
