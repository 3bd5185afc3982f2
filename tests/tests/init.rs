//! Copies of two repositories of real clusters get a manifest from `launchway init`, and boot with it as it is. Charts that are not here are
//! played by small ones with the same name and version.

use std::fs;
use std::path::Path;

use launchway_tests::{ARCHIVES, copy_of, files, launchway, temporary};
use shared_data::folder as shared;

/// What charts that are not here define, as far as the bootstraps need it.
const DEFINED: &[(&str, &str, &str)] =
    &[("external-secrets.io", "ClusterSecretStore", "Cluster"), ("external-secrets.io", "ExternalSecret", "Namespaced")];

fn definition(group: &str, kind: &str, scope: &str) -> String {
    let plural = format!("{}s", kind.to_lowercase());
    format!(
        "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {{ name: {plural}.{group} }}\nspec:\n  group: {group}\n  scope: {scope}\n  names: {{ kind: {kind}, plural: {plural} }}\n  versions: [{{ name: v1, served: true, storage: true, schema: {{ openAPIV3Schema: {{ type: object, x-kubernetes-preserve-unknown-fields: true }} }} }}]\n---\n"
    )
}

/// Writes a chart that defines something and makes one ConfigMap.
fn play(charts: &Path, name: &str, version: &str) {
    let definitions = match name {
        "external-secrets" => DEFINED.iter().map(|(group, kind, scope)| definition(group, kind, scope)).collect(),
        name => definition(&format!("{name}.example.com"), "Thing", "Cluster"),
    };
    let content = [
        ("Chart.yaml", format!("apiVersion: v2\nname: {name}\nversion: {version}\n")),
        ("crds/definitions.yaml", definitions),
        ("templates/map.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Release.Name }}\n".to_owned()),
    ];
    let file = fs::File::create(charts.join(format!("{name}-{version}.tgz"))).expect("an archive");
    let mut archive = tar::Builder::new(flate2::write::GzEncoder::new(file, flate2::Compression::fast()));
    for (path, text) in content {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        archive.append_data(&mut header, format!("{name}/{path}"), text.as_bytes()).expect("an entry");
    }
    archive.into_inner().and_then(flate2::write::GzEncoder::finish).expect("an archive");
}

/// Sets the tags of sources to the archives that are here, and plays the charts of the others.
fn use_charts(repository: &Path, charts: &Path) {
    for file in files(repository).expect("files") {
        let text = fs::read_to_string(&file).unwrap_or_default();
        if !text.contains("kind: OCIRepository") {
            continue;
        }
        let field = |document: &str, key: &str| {
            document.lines().find_map(|line| Some(line.trim().strip_prefix(key)?.trim().to_owned())).unwrap_or_default()
        };
        let document = |document: &str| {
            let (url, tag) = (field(document, "url:"), field(document, "tag:"));
            let name = url.rsplit('/').next().unwrap_or_default();
            match ARCHIVES.iter().find(|(known, _)| *known == name) {
                Some((_, version)) => document.replace(&format!("tag: {tag}"), &format!("tag: {version}")),
                None => {
                    if !name.is_empty() {
                        play(charts, name, &tag);
                    }
                    document.to_owned()
                }
            }
        };
        fs::write(&file, text.split("\n---").map(document).collect::<Vec<_>>().join("\n---")).expect("a source");
    }
}

fn boots(folder: &str, service_cidr: &str, expected: &[&str]) {
    let copy = copy_of(&shared("repos").join(folder)).expect("a copy");
    let played = temporary().expect("a folder");
    use_charts(copy.path(), played.path());
    let init = launchway(copy.path(), ["init", "."]);
    assert_eq!(init.code, 0, "{}", init.stderr);
    let (charts, played) = (shared("charts"), played.path().to_string_lossy().into_owned());
    let charts = charts.to_string_lossy().into_owned();
    let more = ["--chart-dir", &charts, "--chart-dir", &played, "--output", "json", "--sandbox-service-cidr", service_cidr];
    let run = launchway(copy.path(), ["boot", "--sandbox", "--file", "bootstrap/launchway.yaml"].iter().chain(&more));
    assert_eq!(run.code, 0, "{}\n{}", run.stdout, run.stderr);
    let events = run.stdout.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let started = events.into_iter().find(|event| event["event"] == "run-started").expect("a run");
    let steps: Vec<&str> = started["steps"].as_array().expect("steps").iter().filter_map(|step| step.as_str()).collect();
    assert_eq!(steps, expected);
}

#[test]
#[cfg_attr(not(all(has_binary, has_shared)), ignore = "skipped: run by cargo xtask test; ../shared is not here")]
fn onedr0p_boots_with_what_init_writes() {
    let steps = [
        "crds",
        "cilium",
        "coredns",
        "spegel",
        "cert-manager",
        "external-secrets",
        "onepassword-connect",
        "flux-operator",
        "flux-instance",
    ];
    boots("onedr0p-home-ops", "10.43.0.0/16", &steps);
}

#[test]
#[cfg_attr(not(all(has_binary, has_shared)), ignore = "skipped: run by cargo xtask test; ../shared is not here")]
fn buroa_boots_with_what_init_writes() {
    let steps = ["crds", "cilium", "coredns", "spegel", "cert-manager", "external-secrets", "flux-operator", "flux-instance"];
    boots("buroa-k8s-gitops", "10.245.0.0/16", &steps);
}
