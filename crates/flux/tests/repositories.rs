//! Two real repositories, read from the root that their FluxInstance names, and what helm-controller recorded for real releases.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::Path;

use flux::handoff::{self, Decision, StoredRelease, Wanted};
use flux::{ChartRef, CrdPolicy, Tree};
use go_encoding::json::as_integers;
use kustomize::{Entry, Files, MemoryFiles};
use serde_json::Value;

fn tree(shared: &Path, repository: &str) -> (MemoryFiles, Tree) {
    let files = MemoryFiles(shared_data::files(&shared.join("repos").join(repository)));
    let tree = flux::read(&files, None).unwrap();
    assert_eq!(tree.failures(), [], "{repository}");
    (files, tree)
}

/// The values as they are written in the file of the release.
fn written(files: &MemoryFiles, file: &str) -> Value {
    let text = files.read(file).unwrap().unwrap();
    let documents = go_encoding::yaml::documents(std::str::from_utf8(&text).unwrap()).unwrap();
    documents[0].value["spec"].get("values").cloned().unwrap_or_else(|| serde_json::json!({}))
}

fn check_releases(shared: &Path, repository: &str, expected: &[(&str, &str)]) {
    let (files, tree) = tree(shared, repository);
    assert_eq!(tree.root(), "kubernetes/flux/cluster");
    let found: BTreeSet<(String, String)> = tree.releases().into_iter().map(|id| (id.namespace, id.name)).collect();
    let expected: BTreeSet<(String, String)> = expected.iter().map(|(namespace, name)| (namespace.to_string(), name.to_string())).collect();
    assert_eq!(found, expected);
    for (namespace, name) in expected {
        let spec = tree.release(&namespace, &name).unwrap();
        // One release takes a part of its values from a generated ConfigMap.
        let mut values = as_integers(&Value::Object(spec.values.clone()));
        if spec.helm_release["spec"].get("valuesFrom").is_some() {
            let state = values["kube-state-metrics"].as_object_mut().unwrap();
            assert!(state.remove("customResourceState").is_some() && state.remove("enabled").is_some() | state.remove("rbac").is_some());
            state.retain(|key, _| key == "fullnameOverride");
        }
        assert_eq!(values, written(&files, &spec.file), "{name}");
        assert_eq!((spec.install.crds, spec.upgrade.crds), (CrdPolicy::CreateReplace, CrdPolicy::CreateReplace), "{name}");
        assert_eq!((&spec.release_name, &spec.release_namespace, &spec.storage_namespace), (&name, &namespace, &namespace));
        assert_eq!(spec.unknown, Vec::<String>::new());
        assert!(spec.kustomization.is_some_and(|(inside, _)| inside == namespace), "{name}");
        let source = files.read(&format!("{}/ocirepository.yaml", spec.folder)).unwrap().unwrap();
        let source = go_encoding::yaml::parse(std::str::from_utf8(&source).unwrap()).unwrap();
        let ChartRef::Oci { url, tag, .. } = &spec.chart else { panic!("{name}: {}", spec.chart) };
        assert_eq!((url.as_str(), tag.as_deref()), (source["spec"]["url"].as_str().unwrap(), source["spec"]["ref"]["tag"].as_str()));
    }
    let gates = tree.feature_gates("helm-controller");
    assert_eq!(gates.keys().collect::<Vec<_>>(), ["DefaultToRetryOnFailure", "DisableChartDigestTracking", "OOMWatch"]);
    assert!(gates.values().all(|state| *state));
}

/// Every resource of the namespaces' kustomizations that has no file, by folder.
fn check_absent(shared: &Path, repository: &str, expected: &[(&str, usize)]) {
    let (files, tree) = tree(shared, repository);
    let mut found: BTreeMap<&str, usize> = BTreeMap::new();
    for absent in tree.absent() {
        assert!(files.read(&absent.path).unwrap().is_none() && files.list(&absent.path).unwrap().is_none(), "{absent:?}");
        let text = files.read(&absent.listed_in).unwrap().unwrap();
        let line = std::str::from_utf8(&text).unwrap().lines().nth(absent.line - 1).unwrap();
        assert!(absent.path.ends_with(line.trim().trim_start_matches("- ./")), "{absent:?}: {line}");
        let folder = absent.listed_in.strip_prefix("kubernetes/apps/").unwrap().strip_suffix("/kustomization.yaml").unwrap();
        *found.entry(folder).or_default() += 1;
    }
    assert_eq!(found.into_iter().collect::<Vec<_>>(), expected);
}

const ONEDR0P: &[(&str, &str)] = &[
    ("kube-system", "cilium"),
    ("kube-system", "coredns"),
    ("kube-system", "spegel"),
    ("kube-system", "snapshot-controller"),
    ("cert-manager", "cert-manager"),
    ("external-secrets", "external-secrets"),
    ("external-secrets", "onepassword-connect"),
    ("flux-system", "flux-operator"),
    ("flux-system", "flux-instance"),
    ("network", "envoy-gateway"),
    ("o11y", "grafana-operator"),
    ("o11y", "kube-prometheus-stack"),
    ("kopiur-system", "kopiur"),
];

const BUROA: &[(&str, &str)] = &[
    ("kube-system", "cilium"),
    ("kube-system", "coredns"),
    ("kube-system", "spegel"),
    ("cert-manager", "cert-manager"),
    ("external-secrets", "external-secrets"),
    ("flux-system", "flux-operator"),
    ("flux-system", "flux-instance"),
    ("networking", "envoy-gateway"),
    ("observability", "grafana-operator"),
    ("observability", "kube-prometheus-stack"),
];

#[test]
#[cfg_attr(not(has_shared), ignore = "skipped: ../shared is not here")]
fn all_releases_are_found_with_what_flux_installs() {
    let shared = shared_data::folder(".");
    check_releases(&shared, "onedr0p-home-ops", ONEDR0P);
    check_releases(&shared, "buroa-k8s-gitops", BUROA);
}

#[test]
#[cfg_attr(not(has_shared), ignore = "skipped: ../shared is not here")]
fn absent_resources_are_those_left_out_of_the_copies() {
    let shared = shared_data::folder(".");
    let onedr0p = [("external-secrets", 1), ("flux-system", 1), ("kube-system", 8), ("network", 5), ("o11y", 8)];
    check_absent(&shared, "onedr0p-home-ops", &onedr0p);
    check_absent(&shared, "buroa-k8s-gitops", &[("kube-system", 7), ("networking", 5), ("observability", 10)]);
}

#[test]
#[cfg_attr(not(has_shared), ignore = "skipped: ../shared is not here")]
fn injected_patches_and_namespaces() {
    let shared = shared_data::folder(".");
    let (_, tree) = tree(&shared, "onedr0p-home-ops");
    let (release, file, line) = tree.object("helm.toolkit.fluxcd.io/v2", "HelmRelease", Some("kube-system"), "cilium").unwrap();
    assert_eq!((file, line), ("kubernetes/apps/kube-system/cilium/app/helmrelease.yaml", 3));
    assert_eq!(release.pointer("/spec/upgrade/remediation/retries"), Some(&Value::from(2)));
    let namespace = tree.namespace("kube-system").unwrap();
    assert_eq!(namespace.pointer("/metadata/labels/kustomize.toolkit.fluxcd.io~1name"), Some(&Value::from("cluster-apps")));
    assert_eq!(namespace.pointer("/metadata/annotations/kustomize.toolkit.fluxcd.io~1prune"), Some(&Value::from("disabled")));
    let error = tree.release("kube-system", "metrics-server").unwrap_err().to_string();
    assert!(
        error.contains("kubernetes/apps/kube-system/metrics-server/ks.yaml (listed in kubernetes/apps/kube-system/kustomization.yaml:1"),
        "{error}"
    );
}

fn gunzip(path: &Path) -> Value {
    let mut text = String::new();
    flate2::read::GzDecoder::new(std::fs::File::open(path).unwrap()).read_to_string(&mut text).unwrap();
    serde_json::from_str(&text).unwrap()
}

#[test]
#[cfg_attr(not(has_shared), ignore = "skipped: ../shared is not here")]
fn what_helm_controller_recorded_is_in_sync() {
    let shared = shared_data::folder(".");
    let mut seen = 0;
    for generation in ["hc-1.4.5", "hc-1.5.0", "hc-1.6.3"] {
        for entry in std::fs::read_dir(shared.join("captured").join(generation)).unwrap().map(Result::unwrap) {
            let release = gunzip(&entry.path().join("helmrelease.json.gz"));
            let record = gunzip(&entry.path().join("release.json.gz"));
            let title = entry.path().display().to_string();
            let snapshot = &release["status"]["history"][0];
            let values = release["spec"]["values"].as_object().unwrap();
            let config_digest = flux::config_digest(values);
            assert_eq!(snapshot["configDigest"].as_str(), Some(config_digest.as_str()), "{title}");
            let observed = |key: &str| release["status"].get(key).and_then(Value::as_str).map(str::to_string);
            assert_eq!(
                flux::post_renderers_digest(release["spec"].get("postRenderers")),
                observed("observedPostRenderersDigest"),
                "{title}"
            );
            assert_eq!(
                flux::common_metadata_digest(release["spec"].get("commonMetadata")),
                observed("observedCommonMetadataDigest"),
                "{title}"
            );
            let text = |value: &Value| value.as_str().unwrap().to_string();
            let stored = StoredRelease {
                name: text(&record["name"]),
                namespace: text(&record["namespace"]),
                version: record["version"].as_i64().unwrap(),
                status: text(&record["info"]["status"]),
                chart_name: text(&record["chart"]["metadata"]["name"]),
                chart_version: text(&record["chart"]["metadata"]["version"]),
                digest: Some(text(&snapshot["digest"])),
            };
            let wanted = Wanted {
                chart_name: text(&snapshot["chartName"]),
                chart_version: text(&snapshot["chartVersion"]),
                config_digest,
                verifies_legacy_snapshots: generation == "hc-1.4.5",
            };
            let mut changed = release.clone();
            changed["metadata"]["generation"] = Value::from(2);
            assert_eq!(handoff::decide(Some(&changed), Some(&stored), &wanted), Decision::InSync, "{title}");
            seen += 1;
        }
    }
    assert!(seen >= 19, "{seen}");
}

/// A folder on disk, as the host offers it.
#[test]
fn a_listing_of_a_missing_folder_is_none() {
    let files = MemoryFiles::default();
    assert_eq!(files.list("x"), Ok(None));
    assert_eq!(files.list(""), Ok(Some(Vec::<Entry>::new())));
}
