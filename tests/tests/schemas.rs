//! Charts whose schema is continued at an address: fetched where values are checked, as by Helm.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::Path;

use launchway_tests::{Run, launchway, temporary};

const SCHEMA: &str = r#"{"properties": {"port": {"type": "integer", "maximum": 10}}}"#;

/// Serves the schema at every path until the test ends; returns host and port.
fn serve() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let lines = BufReader::new(&stream).lines().map_while(Result::ok);
            lines.take_while(|line| !line.is_empty()).for_each(drop);
            let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{SCHEMA}", SCHEMA.len());
            // Who does not listen shows in the test.
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    address
}

fn write(folder: &Path, files: &[(&str, &str)]) {
    for (name, text) in files {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(path, text).expect("a file");
    }
}

fn write_chart(folder: &Path, address: &str) {
    let schema = format!(r#"{{"$ref": "http://{address}/values.schema.json"}}"#);
    let config = "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: web }\ndata: { port: '{{ .Values.port }}' }\n";
    write(
        folder,
        &[
            ("chart/Chart.yaml", "apiVersion: v2\nname: web\nversion: 1.0.0\n"),
            ("chart/values.schema.json", &schema),
            ("chart/templates/config.yaml", config),
        ],
    );
}

fn assert_refused(run: &Run, code: i32) {
    assert_eq!(run.code, code, "{}{}", run.stdout, run.stderr);
    assert!(run.stderr.contains("- at '/port': maximum: got 30, want 10"), "{}", run.stderr);
}

#[test]
fn template_fetches_a_schema() {
    let (folder, address) = (temporary().expect("a folder"), serve());
    write_chart(folder.path(), &address);
    let template = |more: &[&str]| launchway(folder.path(), ["template", "web", "chart"].iter().chain(more));
    assert_refused(&template(&["--plain-http", &address, "--set", "port=30"]), 1);
    assert_eq!(template(&["--plain-http", &address, "--set", "port=3"]).code, 0);
    let denied = template(&["--set", "port=3"]);
    assert!(denied.code == 1 && denied.stderr.contains("is plain HTTP, which is not allowed for this host"), "{}", denied.stderr);
    assert_eq!(template(&["--set", "port=30", "--skip-schema-validation"]).code, 0);
}

#[test]
fn boot_fetches_a_schema_before_it_writes() {
    let (folder, address) = (temporary().expect("a folder"), serve());
    write_chart(folder.path(), &address);
    let flux = "apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: { name: flux-system, namespace: flux-system }
spec: { path: ./cluster, prune: true, interval: 1h, sourceRef: { kind: GitRepository, name: flux-system } }
";
    let release = |port: u8| {
        format!(
            "apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: {{ name: web, namespace: apps }}
spec:
  interval: 1h
  chart: {{ spec: {{ chart: ./chart, sourceRef: {{ kind: GitRepository, name: flux-system, namespace: flux-system }} }} }}
  values: {{ port: {port} }}
"
        )
    };
    let manifest = "apiVersion: launchway.dev/v1alpha1
kind: Bootstrap
metadata: { name: home }
spec: { repository: ., flux: { path: cluster }, steps: [{ name: web, module: helm-release, release: apps/web }] }
";
    write(folder.path(), &[("cluster/flux.yaml", flux), ("cluster/web.yaml", &release(30)), ("launchway.yaml", manifest)]);
    let boot = || launchway(folder.path(), ["boot", "--sandbox", "--output", "plain", "--plain-http", address.as_str()]);
    assert_refused(&boot(), 2);
    write(folder.path(), &[("cluster/web.yaml", &release(3))]);
    let run = boot();
    assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
}
