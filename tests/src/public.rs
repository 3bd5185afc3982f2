//! Public GitOps repositories, cut down to what they bootstrap, so that real Flux can take them over on loopback.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use real_cluster::{Cluster, Registry};
use serde_json::{Value, json};

use crate::takeover::{Repository, push_flux};
use crate::{ARCHIVES, copy_of};

/// The releases that public repositories bootstrap.
pub const BOOTSTRAPPED: [(&str, &str); 5] = [
    ("kube-system", "cilium"),
    ("kube-system", "coredns"),
    ("cert-manager", "cert-manager"),
    ("flux-system", "flux-operator"),
    ("flux-system", "flux-instance"),
];

/// Defines the kinds that charts of public repositories use and that no release of theirs here brings.
pub fn define_kinds(cluster: &Cluster) -> Result<()> {
    for (group, kind, plural) in [
        ("monitoring.coreos.com", "ServiceMonitor", "servicemonitors"),
        ("monitoring.coreos.com", "PodMonitor", "podmonitors"),
        ("monitoring.coreos.com", "PrometheusRule", "prometheusrules"),
        ("gateway.networking.k8s.io", "HTTPRoute", "httproutes"),
    ] {
        cluster.define(group, kind, plural)?;
    }
    Ok(())
}

const APP_KUSTOMIZATION: &str =
    "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [helmrelease.yaml, ocirepository.yaml]\n";

impl Repository {
    /// Makes a copy of a public repository that holds the bootstrapped releases and nothing else, with their charts and itself in a registry.
    pub fn public(name: &str, handoff: &str) -> Result<Repository> {
        let folder = copy_of(&shared_data::folder("repos").join(name))?;
        let registry = Registry::start()?;
        keep_bootstrapped(&folder.path().join("kubernetes/apps"))?;
        for file in crate::files(&folder.path().join("kubernetes"))? {
            if file.extension().is_some_and(|end| end == "yaml") {
                localise(&file, registry.address())?;
            }
        }
        let steps: Vec<String> = BOOTSTRAPPED.iter().map(|(namespace, name)| step(namespace, name)).collect();
        let manifest = format!(
            "apiVersion: launchway.dev/v1alpha1\nkind: Bootstrap\nmetadata: {{ name: home }}\nspec:\n  repository: .\n  handoff: {handoff}\n  steps:\n{}",
            steps.concat()
        );
        fs::write(folder.path().join("launchway.yaml"), manifest)?;
        for (_, name) in BOOTSTRAPPED {
            registry.push_chart(&shared_data::folder("charts").join(format!("{name}-{}.tgz", version(name).context("its archive")?)))?;
        }
        push_flux(&registry, folder.path())?;
        Ok(Repository { folder, registry })
    }
}

fn step(namespace: &str, name: &str) -> String {
    // Nobody here runs what Cilium's operator and the agents would.
    let module = if name.starts_with("flux-") { name } else { "helm-release" };
    let needs = match name {
        "cilium" => "",
        "flux-instance" => ", needs: [flux-operator, cert-manager], timeout: 3m",
        _ => ", needs: [cilium]",
    };
    format!("    - {{ name: {name}, module: {module}, release: {namespace}/{name}{needs} }}\n")
}

fn version(name: &str) -> Option<&'static str> {
    ARCHIVES.iter().find(|(known, _)| *known == name).map(|(_, version)| *version)
}

/// Removes what is not bootstrapped.
fn keep_bootstrapped(apps: &Path) -> Result<()> {
    for namespace in fs::read_dir(apps)? {
        let namespace = namespace?.path();
        let is_in = |(place, _): &&(&str, &str)| namespace.file_name().is_some_and(|name| name == *place);
        let kept: Vec<&str> = BOOTSTRAPPED.iter().filter(is_in).map(|(_, name)| *name).collect();
        if kept.is_empty() {
            remove(&namespace)?;
            continue;
        }
        for app in fs::read_dir(&namespace)?.map(|entry| entry.map(|entry| entry.path())).collect::<std::io::Result<Vec<_>>>()? {
            let name = app.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            match app.is_dir() {
                true if kept.contains(&name) => keep_app(&app)?,
                true => remove(&app)?,
                false => {}
            }
        }
        let of = namespace.file_name().and_then(|name| name.to_str()).context("a name")?;
        let resources = kept.iter().map(|name| format!(", {name}/ks.yaml")).collect::<String>();
        let text = format!(
            "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nnamespace: {of}\nresources: [namespace.yaml{resources}]\n"
        );
        fs::write(namespace.join("kustomization.yaml"), text)?;
    }
    Ok(())
}

fn remove(path: &Path) -> std::io::Result<()> {
    if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }
}

/// Leaves a HelmRelease and its source: the rest is of kinds that nobody serves here.
fn keep_app(folder: &Path) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.path().is_dir() && entry.file_name() != "app" {
            remove(&entry.path())?;
        }
    }
    Ok(fs::write(folder.join("app/kustomization.yaml"), APP_KUSTOMIZATION)?)
}

/// Makes everything in a file come from the registry, charts in the versions that are here.
fn localise(file: &Path, registry: &str) -> Result<()> {
    let documents = go_encoding::yaml::documents(&fs::read_to_string(file)?)?;
    let mut kept = Vec::new();
    for mut object in documents.into_iter().map(|document| document.value).filter(|object| !object.is_null()) {
        match object["kind"].as_str().unwrap_or_default() {
            "Kustomization" if object["spec"].is_object() && !is_bootstrapped(&object["spec"]["path"]) => continue,
            "Kustomization" if object["spec"].is_object() => {
                object["spec"]["sourceRef"]["kind"] = "OCIRepository".into();
                object["spec"].as_object_mut().context("a spec")?.remove("dependsOn");
            }
            "OCIRepository" => localise_source(&mut object["spec"], registry)?,
            "HelmRelease" if object["spec"]["values"]["instance"].is_object() => {
                localise_instance(&mut object["spec"]["values"]["instance"], registry)
            }
            _ => {}
        }
        kept.push(go_encoding::yaml::to_string(&object));
    }
    Ok(fs::write(file, kept.join("---\n"))?)
}

fn is_bootstrapped(path: &Value) -> bool {
    path.as_str().is_some_and(|path| path.ends_with("/app") || path.ends_with("kubernetes/apps"))
}

fn localise_source(spec: &mut Value, registry: &str) -> Result<()> {
    let name = spec["url"].as_str().and_then(|url| url.rsplit('/').next()).context("a chart")?.to_owned();
    // What is not bootstrapped is not synchronised either.
    let Some(version) = version(&name) else { return Ok(()) };
    spec["url"] = format!("oci://{registry}/charts/{name}").into();
    spec["insecure"] = true.into();
    spec["ref"] = json!({ "tag": version });
    // Who signed the original does not know the copy.
    spec.as_object_mut().context("a spec")?.remove("verify");
    Ok(())
}

fn localise_instance(instance: &mut Value, registry: &str) {
    let path = instance["sync"]["path"].clone();
    instance["sync"] =
        json!({ "kind": "OCIRepository", "url": format!("oci://{registry}/home"), "ref": "latest", "path": path, "interval": "1h" });
    instance["distribution"] = json!({ "version": "2.9.x", "artifact": format!("oci://{registry}/flux-operator-manifests:latest") });
    let insecure = json!({ "target": { "kind": "OCIRepository" }, "patch": "- { op: add, path: /spec/insecure, value: true }\n" });
    if let Some(patches) = instance["kustomize"]["patches"].as_array_mut() {
        patches.push(insecure);
    }
}
