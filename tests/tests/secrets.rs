//! Secrets and modules: what a module may place it can never read, and nobody is told.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use launchway_tests::{Run, command, run, temporary};
use serde_json::Value;
use tempfile::TempDir;

/// In base64 it ends with `=` and is no label: a server that is made to check it says so.
const TOKEN: &str = "correct horse battery staple";

fn misbehave() -> PathBuf {
    std::env::var_os("LAUNCHWAY_MISBEHAVE").expect("LAUNCHWAY_MISBEHAVE is not set: run `cargo xtask test`, which builds the module").into()
}

/// Returns a repository whose only step may place the secret `token`, with the step's further lines.
fn repository(source: &str, step: &str) -> TempDir {
    let folder = temporary().unwrap();
    fs::copy(misbehave(), folder.path().join("module.wasm")).unwrap();
    let step: String = step.lines().map(|line| format!("      {line}\n")).collect();
    let manifest = format!(
        "apiVersion: launchway.dev/v1alpha1\nkind: Bootstrap\nmetadata: {{ name: test }}\nspec:\n  repository: .\n  flux: {{ path: flux }}\n  secrets: {{ token: {source} }}\n  steps:\n    - name: bad\n      module: ./module.wasm\n{step}"
    );
    fs::write(folder.path().join("launchway.yaml"), manifest).unwrap();
    folder
}

fn boot(folder: &Path, output: &str) -> Run {
    let args = ["boot", "--sandbox", "--sandbox-state", "state.json", "--output", output];
    run(command(folder).args(args).env("TOKEN", TOKEN))
}

fn step(misdeed: &str, grants: &str) -> String {
    format!("with: {{ do: {misdeed}, secrets: [token], secretNamespaces: [default] }}\ngrants: {{ {grants} }}\n")
}

const RULE: &str =
    "kubernetes: [{ verbs: [patch], apiGroups: [\"\"], resources: [secrets], namespaces: [default], resourceNames: [placed] }]";

/// Asserts that nothing that a run printed holds the secret, in plain or as the cluster keeps it.
fn assert_silent(run: &Run) {
    for printed in [&run.stdout, &run.stderr] {
        for secret in [TOKEN.to_owned(), STANDARD.encode(TOKEN)] {
            assert!(!printed.contains(&secret), "{printed}");
        }
    }
}

const ANY: &str = "kubernetes: [{ verbs: [patch], apiGroups: [\"\"], resources: [secrets], namespaces: [default] }]";

#[test]
#[cfg_attr(not(has_binary), ignore = "skipped: run by cargo xtask test, which builds the program")]
fn a_placed_secret_is_in_the_cluster_and_nowhere_else() {
    for source in ["{ env: TOKEN }", "{ file: token.txt }"] {
        for output in ["json", "plain"] {
            let folder = repository(source, &step("place", &format!("secrets: [token], {ANY}")));
            fs::write(folder.path().join("token.txt"), format!("{TOKEN}\n")).unwrap();
            let run = boot(folder.path(), output);
            assert_eq!(run.code, 0, "{source}: {}{}", run.stdout, run.stderr);
            assert_silent(&run);
            assert!(run.stdout.contains("placed"), "{}", run.stdout);
            let state = fs::read_to_string(folder.path().join("state.json")).unwrap();
            assert!(state.contains(&STANDARD.encode(TOKEN)), "{source}: it is in the cluster, as it was, without the line's end");
        }
    }
}

#[test]
#[cfg_attr(not(has_binary), ignore = "skipped: run by cargo xtask test, which builds the program")]
fn no_error_of_the_server_tells_what_was_placed() {
    for output in ["json", "plain"] {
        let folder = repository("{ env: TOKEN }", &step("read-placed", &format!("secrets: [token], {ANY}")));
        let run = boot(folder.path(), output);
        assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
        assert_silent(&run);
        if output == "json" {
            let all = run.events();
            let said = all.iter().find_map(|event| event["message"].as_str()?.strip_prefix("outcome: "));
            let tries: Vec<Value> = serde_json::from_str(said.unwrap()).unwrap();
            let refused: Vec<&Value> = tries.iter().filter(|said| said["code"] == "invalid").collect();
            assert!(refused.len() >= 4, "the server was made to speak: {tries:#?}");
            assert!(
                refused.iter().any(|said| said["message"].as_str().unwrap().contains("the API server answers 422 Invalid")),
                "{refused:#?}"
            );
            assert!(refused.iter().all(|said| said["details"].is_null()), "{refused:#?}");
        }
    }
}

#[test]
#[cfg_attr(not(has_binary), ignore = "skipped: run by cargo xtask test, which builds the program")]
fn a_key_that_the_operator_keeps_stops_the_run() {
    let place = |grants: &str| step("place", grants);
    let with = |with: &str| format!("with: {{ do: nothing, {with} }}\n");
    for (what, step, words) in [
        ("the secret", place(ANY), r#"secrets: [ "token" ]"#),
        (
            "the rule",
            place("secrets: [token]"),
            r#"kubernetes: [{ verbs: ["patch"], apiGroups: [""], resources: ["secrets"], namespaces: ["default"] }]"#,
        ),
        ("a rule for all names", place(&format!("secrets: [token], {RULE}")), r#"resources: ["secrets"], namespaces: ["default"] }]"#),
        ("both", place("secrets: []"), r#"secrets: [ "token" ]"#),
        ("a chart", with("charts: [charts/a]"), r#"charts: [ "charts/a" ]"#),
        ("releases", with("releases: [\"default/*\"]"), r#"releases: [ "default/*" ]"#),
        (
            "the half of it",
            with("namespaces: [default, other]")
                + "grants: { kubernetes: [{ verbs: [get, watch], apiGroups: [\"\"], resources: [configmaps], namespaces: [default] }] }",
            r#"namespaces: ["other"]"#,
        ),
    ] {
        let run = boot(repository("{ env: TOKEN }", &step).path(), "json");
        assert_eq!((run.code, run.stdout.as_str()), (2, ""), "{what}: {}", run.stderr);
        assert!(run.stderr.contains("requests what the manifest does not grant") && run.stderr.contains(words), "{what}: {}", run.stderr);
        assert_silent(&run);
    }
    let absent = boot(repository("{ env: NOT_SET }", &place(&format!("secrets: [token], {ANY}"))).path(), "json");
    assert_eq!((absent.code, absent.stdout.as_str()), (2, ""), "{}", absent.stderr);
    assert!(absent.stderr.contains("secret token: the environment has no variable NOT_SET"), "{}", absent.stderr);
}

const FLUX: &str = "apiVersion: v1
kind: Secret
metadata: { name: web-values, namespace: default }
stringData:
  values.yaml: |
    password: correct horse battery staple
    enabled: true
---
apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: { name: web, namespace: default }
spec:
  interval: 1h
  chart: { spec: { chart: ./charts/web, sourceRef: { kind: GitRepository, name: flux-system, namespace: flux-system } } }
  valuesFrom: [{ kind: Secret, name: web-values }]
  values: { color: green }
";

const TEMPLATE: &str = r#"apiVersion: v1
kind: Secret
metadata: { name: {{ .Release.Name }}, labels: { enabled: "{{ .Values.enabled }}" } }
data: { password: {{ .Values.password | default "none" | b64enc }}, random: {{ randAlphaNum 20 | b64enc }} }
---
apiVersion: v1
kind: ConfigMap
metadata: { name: {{ .Release.Name }} }
data:
  url: "https://user:{{ .Values.password }}@host/{{ .Values.color }}"
  found: {{ (lookup "v1" "Secret" "default" "placed").data | toJson | quote }}
  listed: {{ (lookup "v1" "Secret" "default" "").items | toJson | quote }}
  readable: {{ (lookup "v1" "ConfigMap" "default" "kube-root-ca.crt").data | keys | toJson | quote }}
"#;

fn with_chart(step: &str) -> TempDir {
    let folder = repository("{ env: TOKEN }", step);
    let path = |name: &str| folder.path().join(name);
    fs::create_dir_all(path("charts/web/templates")).unwrap();
    fs::create_dir_all(path("flux")).unwrap();
    fs::write(path("charts/web/Chart.yaml"), "apiVersion: v2\nname: web\nversion: 1.0.0\n").unwrap();
    fs::write(path("charts/web/templates/all.yaml"), TEMPLATE).unwrap();
    fs::write(path("flux/all.yaml"), FLUX).unwrap();
    folder
}

#[test]
#[cfg_attr(not(has_binary), ignore = "skipped: run by cargo xtask test, which builds the program")]
fn a_release_shows_a_module_no_secret_values() {
    let folder = with_chart("with: { do: peek, releases: [default/web] }\ngrants: { releases: [default/web] }\n");
    let run = boot(folder.path(), "json");
    assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
    assert_silent(&run);
    for shown in [r#"values: {\"color\":\"green\",\"enabled\":true,"#, "render: ", "kind: Secret", "@host/green", r#"enabled: \"true\""#] {
        assert!(run.stdout.contains(shown), "{shown}: {}", run.stdout);
    }
}

#[test]
#[cfg_attr(not(has_binary), ignore = "skipped: run by cargo xtask test, which builds the program")]
fn a_chart_of_a_module_looks_up_what_the_module_may_see() {
    let rules = "kubernetes: [{ verbs: [get, watch], apiGroups: [\"\"], resources: [configmaps], namespaces: [default] }]";
    let folder = with_chart(&step("place", &format!("secrets: [token], {ANY}")));
    assert_eq!(boot(folder.path(), "json").code, 0);
    let render = with_chart(&format!(
        "with: {{ do: render-parts, charts: [charts/web], releases: [\"default/*\"], namespaces: [default] }}\ngrants: {{ charts: [charts/web], releases: [\"default/*\"], {rules} }}\n"
    ));
    fs::copy(folder.path().join("state.json"), render.path().join("state.json")).unwrap();
    let run = boot(render.path(), "json");
    assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
    assert_silent(&run);
    for shown in [r#"found: \"null\""#, r#"listed: \"[]\""#, "readable: ", "ca.crt"] {
        assert!(run.stdout.contains(shown), "{shown}: {}", run.stdout);
    }
}
