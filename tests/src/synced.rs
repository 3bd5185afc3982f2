//! A repository that real source- and kustomize-controller have synced into a real API server, beside what `flux` reads of the same files.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Read as _;
use std::path::Path;

use age::IdentityFile;
use age::armor::ArmoredReader;
use anyhow::{Context, Result, anyhow, bail};
use flux::{DataKeys, ReleaseSpec, Tree};
use go_encoding::json::as_integers;
use helm::{Chart, RenderRequest};
use kustomize::MemoryFiles;
use real_cluster::{Cluster, Controller, Options, Registry, program};
use serde_json::{Value, json};

use crate::root;
use crate::takeover::{archive, push_charts};

/// The Flux whose definitions the API server gets.
const FLUX: &str = "v2.9.4";
const KUSTOMIZATIONS: &str = "/apis/kustomize.toolkit.fluxcd.io/v1";
const SOURCES: &str = "/apis/source.toolkit.fluxcd.io/v1";
const RELEASES: &str = "/apis/helm.toolkit.fluxcd.io/v2";
const MERGE: &str = "application/merge-patch+json";
/// What Kustomizations wait for: nothing of it happens on an API server alone.
const WAITS: [&str; 4] = ["wait", "healthChecks", "healthCheckExprs", "retryInterval"];

/// Keys that open what is encrypted with SOPS.
pub struct Keys(Vec<Box<dyn age::Identity + Send + Sync>>);

impl Keys {
    /// Reads a file as `age-keygen` writes it.
    pub fn read(file: &Path) -> Result<Keys> {
        let file = IdentityFile::from_buffer(fs::read(file)?.as_slice())?;
        Ok(Keys(file.into_identities()?))
    }
}

impl DataKeys for Keys {
    fn open(&self, encrypted: &[&str]) -> Result<Vec<u8>, String> {
        let open = |armored: &&str| {
            let decryptor = age::Decryptor::new(ArmoredReader::new(armored.as_bytes())).ok()?;
            let mut key = Vec::new();
            decryptor.decrypt(self.0.iter().map(|identity| &**identity as &dyn age::Identity)).ok()?.read_to_end(&mut key).ok()?;
            Some(key)
        };
        encrypted.iter().find_map(open).ok_or_else(|| "no key opens it".into())
    }
}

/// A cluster with everything that kustomize-controller applies, and our reading of it.
pub struct Synced {
    pub cluster: Cluster,
    pub registry: Registry,
    pub tree: Tree,
    /// Kustomizations as they were applied, before their waits were taken off.
    applied: BTreeMap<String, Value>,
    /// What the server calls each kind, and whether it is in namespaces, by apiVersion and kind.
    resources: BTreeMap<(String, String), (String, bool)>,
}

impl Synced {
    /// Syncs a repository in a folder; `REGISTRY` in its files becomes the address of a registry that has `tests/reads_like_flux/charts`.
    pub fn start(folder: &Path, age_keys: Option<&Path>) -> Result<Synced> {
        let registry = Registry::start()?;
        for file in crate::files(folder)? {
            if let Ok(text) = fs::read_to_string(&file)
                && text.contains("REGISTRY")
            {
                fs::write(&file, text.replace("REGISTRY", registry.address()))?;
            }
        }
        push_charts(&registry, &root().join("tests/reads_like_flux/charts"))?;
        let names: Vec<String> =
            fs::read_dir(folder)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect::<Result<_>>()?;
        let folders: Vec<&str> = names.iter().map(String::as_str).filter(|name| folder.join(name).is_dir()).collect();
        registry.push_artifact("home", "latest", &archive(folder, &folders)?)?;
        let files = MemoryFiles(shared_data::files(folder));
        let keys = age_keys.map(Keys::read).transpose()?;
        let tree = match &keys {
            Some(keys) => flux::read_with(&files, None, flux::Reading { keys: Some(keys), given: &[] })?,
            None => flux::read(&files, None)?,
        };
        let cluster = Cluster::start(&Options { nodes: 0, feature_gates: "HPAScaleToZero=true".into(), ..Options::default() })?;
        let mut synced = Synced { cluster, registry, tree, applied: BTreeMap::new(), resources: BTreeMap::new() };
        synced.prepare(age_keys)?;
        synced.sync()?;
        Ok(synced)
    }

    /// Makes what Flux needs and nobody in the tree makes: definitions, namespaces, sources, keys, the root.
    fn prepare(&mut self, age_keys: Option<&Path>) -> Result<()> {
        self.define_flux()?;
        self.define_others()?;
        self.make_namespaces()?;
        let keys = age_keys.map(fs::read_to_string).transpose()?;
        if let Some(keys) = keys {
            let secret = json!({ "metadata": { "name": "sops-age" }, "stringData": { "keys.agekey": keys } });
            self.cluster.api().create("/api/v1/namespaces/flux-system/secrets", &secret)?;
        }
        self.make_sources()?;
        self.make_root()
    }

    fn define_flux(&self) -> Result<()> {
        let path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
        for controller in ["source", "kustomize", "helm"] {
            let file = program("flux")?.join(format!("{FLUX}/{controller}-controller.yaml"));
            for document in go_encoding::yaml::documents(&fs::read_to_string(&file).with_context(|| file.display().to_string())?)? {
                if document.value["kind"] == "CustomResourceDefinition" {
                    self.cluster.api().create(path, &document.value)?;
                }
            }
        }
        let served = |path: &str| -> Result<bool> { Ok(self.cluster.api().get(path)?.is_some()) };
        self.cluster.wait("the CRDs of Flux", || {
            Ok(served(&format!("{KUSTOMIZATIONS}/kustomizations"))?
                && served("/apis/helm.toolkit.fluxcd.io/v2/helmreleases")?
                && served(&format!("{SOURCES}/helmcharts"))?)
        })
    }

    /// Defines the kinds of the tree that nobody serves and no definition in the tree makes; those with a namespace are in namespaces.
    fn define_others(&mut self) -> Result<()> {
        let objects: Vec<Value> = self.tree.applied().collect();
        let is_defined = |api_version: &str, kind: &str| {
            objects.iter().filter(|object| object["kind"] == "CustomResourceDefinition").any(|object| {
                let spec = &object["spec"];
                spec["names"]["kind"] == kind && spec["group"].as_str().is_some_and(|group| api_version.starts_with(&format!("{group}/")))
            })
        };
        for object in &objects {
            let (api_version, kind) = (text(&object["apiVersion"]), text(&object["kind"]));
            if self.resource(&api_version, &kind).is_ok() || is_defined(&api_version, &kind) {
                continue;
            }
            let (group, version) = api_version.split_once('/').with_context(|| format!("{api_version} {kind}"))?;
            let namespaced = objects.iter().any(|other| other["kind"] == object["kind"] && other["metadata"]["namespace"].is_string());
            self.cluster.define_version(group, version, &kind, &format!("{}s", kind.to_lowercase()), namespaced)?;
        }
        Ok(())
    }

    /// Returns what the server calls a kind, and whether it is in namespaces.
    fn resource(&mut self, api_version: &str, kind: &str) -> Result<(String, bool)> {
        let key = (api_version.to_owned(), kind.to_owned());
        if !self.resources.contains_key(&key) {
            let listed = self.cluster.api().get(&root_of(api_version))?.unwrap_or_default();
            for found in listed["resources"].as_array().into_iter().flatten().filter(|found| !text(&found["name"]).contains('/')) {
                let served = (text(&found["name"]), found["namespaced"] == true);
                self.resources.insert((api_version.to_owned(), text(&found["kind"])), served);
            }
        }
        self.resources.get(&key).cloned().with_context(|| format!("nobody serves {kind} ({api_version})"))
    }

    fn make_namespaces(&self) -> Result<()> {
        let releases =
            self.tree.applied().flat_map(|object| [text(&object["spec"]["targetNamespace"]), text(&object["spec"]["storageNamespace"])]);
        let objects = self.tree.applied().map(|object| text(&object["metadata"]["namespace"]));
        let all: BTreeSet<String> = objects.chain(releases).chain(["flux-system".to_owned()]).filter(|name| !name.is_empty()).collect();
        for name in all {
            if self.cluster.api().get(&format!("/api/v1/namespaces/{name}"))?.is_none() {
                self.cluster.api().create("/api/v1/namespaces", &json!({ "metadata": { "name": name } }))?;
            }
        }
        Ok(())
    }

    /// Has source-controller fetch the repository from the registry. The sources that Kustomizations name are suspended ones with the same
    /// artifact: there is no Git server here.
    fn make_sources(&self) -> Result<()> {
        self.cluster.start_controller(Controller::Source, &["--requeue-dependency=1s"])?;
        let api = self.cluster.api();
        let source = json!({
            "apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "OCIRepository", "metadata": { "name": "the-repository" },
            "spec": { "interval": "1h", "insecure": true, "url": format!("oci://{}/home", self.registry.address()), "ref": { "tag": "latest" } },
        });
        let collection = format!("{SOURCES}/namespaces/flux-system/ocirepositories");
        api.create(&collection, &source)?;
        let fetched =
            || -> Result<Value> { Ok(api.get(&format!("{collection}/the-repository"))?.unwrap_or_default()["status"]["artifact"].clone()) };
        self.cluster.wait("the artifact", || Ok(fetched()?.is_object()))?;
        let artifact = fetched()?;
        let named = self.tree.applied().filter(is_kustomization).map(|found| {
            let reference = &found["spec"]["sourceRef"];
            let namespace = reference["namespace"].as_str().map_or_else(|| text(&found["metadata"]["namespace"]), str::to_owned);
            (text(&reference["kind"]), namespace, text(&reference["name"]))
        });
        for (kind, namespace, name) in named.chain([own_source()]).collect::<BTreeSet<_>>() {
            if kind != "GitRepository" {
                bail!("the source {kind} {namespace}/{name} is no GitRepository");
            }
            let collection = format!("{SOURCES}/namespaces/{namespace}/gitrepositories");
            let spec = json!({ "interval": "1h", "url": "https://git.example.com/home", "suspend": true });
            api.create(
                &collection,
                &json!({ "apiVersion": "source.toolkit.fluxcd.io/v1", "kind": kind, "metadata": { "name": name }, "spec": spec }),
            )?;
            let ready = json!({ "type": "Ready", "status": "True", "reason": "Succeeded", "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z" });
            let status = json!({ "status": { "observedGeneration": 1, "artifact": artifact, "conditions": [ready] } });
            api.patch(&format!("{collection}/{name}/status"), MERGE, &status)?;
        }
        Ok(())
    }

    /// Applies the Kustomization of the root: the one in the tree that builds it, or one as flux-operator makes it.
    fn make_root(&self) -> Result<()> {
        let folder = self.tree.root();
        let is_root = |object: &Value| {
            is_kustomization(object) && text(&object["spec"]["path"]).trim_start_matches("./").trim_end_matches('/') == folder
        };
        let (kind, _, name) = own_source();
        let own = json!({
            "apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization", "metadata": { "name": "flux-system", "namespace": "flux-system" },
            "spec": { "interval": "1h", "path": folder, "prune": true, "sourceRef": { "kind": kind, "name": name } },
        });
        let found = self.tree.objects().map(|object| &object.value).find(|object| is_root(object)).cloned().unwrap_or(own);
        let namespace = text(&found["metadata"]["namespace"]);
        self.cluster.api().create(&format!("{KUSTOMIZATIONS}/namespaces/{namespace}/kustomizations"), &found).map(drop)
    }

    /// Returns what of the tree Flux applies: all but what is below something suspended.
    pub fn expected(&self) -> Vec<Value> {
        let all: Vec<Value> = self.tree.applied().collect();
        let mut suspended: BTreeSet<String> = BTreeSet::new();
        loop {
            let is_below = |object: &Value| suspended.contains(&owner(object));
            let found: BTreeSet<String> = all
                .iter()
                .filter(|object| is_kustomization(object) && (object["spec"]["suspend"] == true || is_below(object)))
                .map(|object| format!("{}/{}", text(&object["metadata"]["namespace"]), text(&object["metadata"]["name"])))
                .collect();
            if found == suspended {
                return all.into_iter().filter(|object| !suspended.contains(&owner(object))).collect();
            }
            suspended = found;
        }
    }

    /// Runs kustomize-controller until every Kustomization was applied.
    fn sync(&mut self) -> Result<()> {
        self.cluster.start_controller(Controller::Kustomize, &["--requeue-dependency=1s", "--concurrent=20"])?;
        let active = |object: &Value| is_kustomization(object) && object["spec"]["suspend"] != true;
        let names: Vec<String> = self.expected().iter().filter(|object| active(object)).map(crate::cluster::title).collect();
        let mut applied = std::mem::take(&mut self.applied);
        let result = self.cluster.wait("Kustomizations that are applied", || {
            let found = self.cluster.api().list(&format!("{KUSTOMIZATIONS}/kustomizations"))?;
            let mut ready = BTreeSet::new();
            for object in &found {
                let title = crate::cluster::title(object);
                if !owner(object).starts_with('/') {
                    applied.entry(title.clone()).or_insert_with(|| object.clone());
                }
                if !self.unwait(object, &names)? && is_ready(object)? {
                    ready.insert(title);
                }
            }
            Ok(names.iter().all(|name| ready.contains(name)))
        });
        self.applied = applied;
        result.with_context(|| errors(&self.cluster.log(Controller::Kustomize)))
    }

    /// Takes off what a Kustomization waits for, but for other Kustomizations that are there. Returns whether there was anything.
    fn unwait(&self, object: &Value, names: &[String]) -> Result<bool> {
        let is_there = |needed: &Value| {
            let namespace = needed["namespace"].as_str().map_or_else(|| text(&object["metadata"]["namespace"]), str::to_owned);
            names.contains(&format!("Kustomization {namespace}/{}", text(&needed["name"])))
        };
        let mut found: Vec<&str> =
            WAITS.into_iter().filter(|field| object["spec"].get(field).is_some_and(|value| *value != false)).collect();
        if object["spec"]["dependsOn"].as_array().is_some_and(|needed| !needed.iter().all(is_there)) {
            found.push("dependsOn");
        }
        if found.is_empty() {
            return Ok(false);
        }
        let patch: serde_json::Map<String, Value> = found.iter().map(|field| ((*field).to_owned(), Value::Null)).collect();
        let (namespace, name) = (text(&object["metadata"]["namespace"]), text(&object["metadata"]["name"]));
        self.cluster.api().patch(
            &format!("{KUSTOMIZATIONS}/namespaces/{namespace}/kustomizations/{name}"),
            MERGE,
            &json!({ "spec": patch }),
        )?;
        Ok(true)
    }

    /// Returns how what is in the API server differs from the tree: as kustomize-controller would, ours is applied in a dry run, and nothing
    /// may change.
    pub fn differences(&mut self) -> Result<Vec<String>> {
        let mut found = Vec::new();
        let mut titles = BTreeSet::new();
        for object in self.expected() {
            let (plural, namespaced) = self.resource(&text(&object["apiVersion"]), &text(&object["kind"]))?;
            let (namespace, name) = (text(&object["metadata"]["namespace"]), text(&object["metadata"]["name"]));
            let inside = if namespaced { format!("/namespaces/{namespace}") } else { String::new() };
            let path = format!("{}{inside}/{plural}/{name}", root_of(&text(&object["apiVersion"])));
            let title = crate::cluster::title(&object);
            titles.insert(title.clone());
            match self.cluster.api().get(&path)? {
                None => found.push(format!("{title} is not in the API server")),
                Some(stored) => found.extend(self.difference(&path, &title, &object, &stored)?),
            }
        }
        for object in self.cluster.api().everything()? {
            let title = crate::cluster::title(&object);
            if object["metadata"]["labels"]["kustomize.toolkit.fluxcd.io/name"].is_string() && !titles.contains(&title) {
                found.push(format!("{title} is not in our tree"));
            }
        }
        Ok(found)
    }

    /// Has every release installed with the one small chart that is here, whatever chart it names: what it is installed with are its values.
    pub fn use_any_chart(&self) -> Result<()> {
        let api = self.cluster.api();
        let layer = json!({ "mediaType": "application/vnd.cncf.helm.chart.content.v1.tar+gzip", "operation": "copy" });
        let source = json!({
            "apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "OCIRepository", "metadata": { "name": "any" },
            "spec": { "interval": "1h", "insecure": true, "url": format!("oci://{}/charts/any", self.registry.address()), "ref": { "tag": "1.0.0" }, "layerSelector": layer },
        });
        api.create(&format!("{SOURCES}/namespaces/flux-system/ocirepositories"), &source)?;
        let chart = json!({ "kind": "OCIRepository", "name": "any", "namespace": "flux-system" });
        let spec = json!({ "chart": null, "chartRef": chart, "dependsOn": null, "postRenderers": null });
        for release in api.list(&format!("{RELEASES}/helmreleases"))? {
            let (namespace, name) = (text(&release["metadata"]["namespace"]), text(&release["metadata"]["name"]));
            api.patch(&format!("{RELEASES}/namespaces/{namespace}/helmreleases/{name}"), MERGE, &json!({ "spec": spec }))?;
        }
        Ok(())
    }

    /// Runs helm-controller until it has installed every release whose values are known. Returns how many these are, and how the values of
    /// those differ whose digest in the status is not ours, or whose chart does not see ours.
    pub fn differing_values(&self) -> Result<(usize, Vec<String>)> {
        let mut ours = BTreeMap::new();
        for release in self.expected().iter().filter(|object| object["kind"] == "HelmRelease" && object["spec"]["suspend"] != true) {
            let spec = self.tree.release(&text(&release["metadata"]["namespace"]), &text(&release["metadata"]["name"]))?;
            if spec.unknown.is_empty() {
                ours.insert(format!("{}/{}", spec.namespace, spec.name), spec);
            }
        }
        self.cluster.start_controller(Controller::Helm, &["--requeue-dependency=1s", "--concurrent=10"])?;
        let mut theirs = BTreeMap::new();
        let waited = self.cluster.wait("releases that are installed", || {
            for release in self.cluster.api().list(&format!("{RELEASES}/helmreleases"))? {
                if let Some(digest) = release["status"]["history"][0]["configDigest"].as_str() {
                    let title = format!("{}/{}", text(&release["metadata"]["namespace"]), text(&release["metadata"]["name"]));
                    theirs.insert(title, digest.to_owned());
                }
            }
            Ok(ours.keys().all(|name| theirs.contains_key(name)))
        });
        let missing: Vec<&String> = ours.keys().filter(|name| !theirs.contains_key(*name)).collect();
        waited.with_context(|| format!("{missing:?} are not installed:\n{}", errors(&self.cluster.log(Controller::Helm))))?;
        let records = crate::cluster::records(&self.cluster.api().list("/api/v1/secrets")?);
        let print = |values: &Value| go_encoding::yaml::to_string(values);
        let mut differing = Vec::new();
        for (name, spec) in &ours {
            let record = records.iter().find(|record| record.name == spec.release_name && record.namespace == spec.release_namespace);
            let record = record.with_context(|| format!("{name} has no record"))?;
            if theirs.get(name) != Some(&flux::config_digest(&spec.values)) {
                let (stored, ours) = (print(&json!(record.config)), print(&as_integers(&json!(spec.values))));
                let differences = similar::TextDiff::from_lines(&stored, &ours);
                differing.push(format!("{name}:\n{}", differences.unified_diff().header("theirs", "ours")));
            }
            let chart = record.chart.as_ref().and_then(|chart| chart.metadata.as_ref()).map(|metadata| metadata.name.as_str());
            // Charts of the repository itself do not tell what they see.
            if chart != Some("any") {
                continue;
            }
            let (theirs, ours) = (annotated(&record.manifest)?, annotated(&rendered(spec)?)?);
            if theirs != ours {
                differing.push(format!("{name}: its chart sees\n{theirs}\nand not\n{ours}"));
            }
        }
        Ok((ours.len(), differing))
    }

    fn difference(&self, path: &str, title: &str, ours: &Value, stored: &Value) -> Result<Option<String>> {
        let query = "?dryRun=All&force=true&fieldManager=kustomize-controller";
        let answer = self.cluster.api().send("PATCH", &format!("{path}{query}"), "application/apply-patch+yaml", &ours.to_string())?;
        if answer.code != 200 {
            return Ok(Some(format!("{title}: the API server refuses ours: {}", answer.body["message"])));
        }
        let theirs = self.applied.get(title).unwrap_or(stored);
        let print = |object: &Value| go_encoding::yaml::to_string(&asked_for(object));
        let (ours, theirs) = (print(&answer.body), print(theirs));
        Ok((ours != theirs)
            .then(|| format!("{title}:\n{}", similar::TextDiff::from_lines(&theirs, &ours).unified_diff().header("theirs", "ours"))))
    }
}

/// Returns the errors in the log of a controller.
fn errors(log: &str) -> String {
    log.lines().filter(|line| line.contains("\"level\":\"error\"")).collect::<Vec<_>>().join("\n")
}

/// Returns an object without what the server and others fill in.
fn asked_for(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(map) = object.as_object_mut() {
        map.remove("status");
    }
    // A source that Kustomizations name was there before.
    if object["kind"] == "GitRepository"
        && let Some(spec) = object["spec"].as_object_mut()
    {
        spec.remove("suspend");
    }
    if let Some(metadata) = object["metadata"].as_object_mut() {
        metadata.retain(|key, _| ["name", "namespace", "labels", "annotations"].contains(&key.as_str()));
    }
    object
}

/// The source that flux-operator would make.
fn own_source() -> (String, String, String) {
    ("GitRepository".into(), "flux-system".into(), "flux-system".into())
}

fn owner(object: &Value) -> String {
    let labels = &object["metadata"]["labels"];
    format!("{}/{}", text(&labels["kustomize.toolkit.fluxcd.io/namespace"]), text(&labels["kustomize.toolkit.fluxcd.io/name"]))
}

fn is_kustomization(object: &Value) -> bool {
    object["kind"] == "Kustomization" && text(&object["apiVersion"]).starts_with("kustomize.toolkit.fluxcd.io/")
}

/// Tells whether a Kustomization was applied; that it cannot be is an error.
fn is_ready(object: &Value) -> Result<bool> {
    let conditions = object["status"]["conditions"].as_array().into_iter().flatten();
    let Some(ready) = conditions.into_iter().find(|condition| condition["type"] == "Ready") else { return Ok(false) };
    if ready["observedGeneration"] != object["metadata"]["generation"] {
        return Ok(false);
    }
    match (text(&ready["status"]).as_str(), text(&ready["reason"]).as_str()) {
        ("True", _) => Ok(true),
        ("Unknown", _) | (_, "DependencyNotReady") => Ok(false),
        (_, reason) => bail!("{}: {reason}: {}", crate::cluster::title(object), text(&ready["message"])),
    }
}

fn root_of(api_version: &str) -> String {
    if api_version.contains('/') { format!("/apis/{api_version}") } else { format!("/api/{api_version}") }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// Returns what our render of the chart in `tests/reads_like_flux/charts` gives for a release.
fn rendered(spec: &ReleaseSpec) -> Result<String> {
    let chart = Chart::from_archive("any", &archive(&root().join("tests/reads_like_flux/charts"), &["any"])?)?;
    let mut request = RenderRequest::new(&spec.release_name, &spec.release_namespace);
    request.values.clone_from(&spec.values);
    Ok(helm::render(&chart, &request)?.manifest())
}

/// Returns the values that the chart wrote into a manifest.
fn annotated(manifest: &str) -> Result<String> {
    let object = go_encoding::yaml::parse(manifest).map_err(|error| anyhow!("{error}"))?;
    object.pointer("/metadata/annotations/values").and_then(Value::as_str).map(str::to_owned).context("no values were written")
}
