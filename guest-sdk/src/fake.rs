//! A host for unit tests: it has the objects, files and releases it was given, and remembers every call.

use std::cell::RefCell;
use std::collections::BTreeMap;

use serde_json::Value;

use crate::{
    Activity, Apply, Change, Entry, Failure, Host, Level, ObjectRef, Outcome, PatchType, ReleaseInfo, ReleaseName, Result, Selection, Wait,
};

/// Answers from memory. What it was not given is not found.
#[derive(Debug, Default)]
pub struct FakeHost {
    objects: RefCell<BTreeMap<ObjectRef, Value>>,
    files: BTreeMap<String, String>,
    releases: BTreeMap<String, (ReleaseInfo, Value, String)>,
    refused: BTreeMap<String, Failure>,
    calls: RefCell<Vec<String>>,
}

impl FakeHost {
    /// Returns a host that has nothing.
    pub fn new() -> Self {
        FakeHost::default()
    }

    /// Adds an object, as it is in the cluster.
    #[must_use]
    pub fn with_object(self, object: Value) -> Self {
        let reference = reference(&object);
        self.objects.borrow_mut().insert(reference, object);
        self
    }

    /// Adds a file of the repository.
    #[must_use]
    pub fn with_file(mut self, path: &str, text: &str) -> Self {
        self.files.insert(path.into(), text.into());
        self
    }

    /// Adds a release whose HelmRelease lies in `folder`, with its values and rendered manifest.
    #[must_use]
    pub fn with_release(mut self, release: &str, folder: &str, values: Value, manifest: &str) -> Self {
        let (namespace, name) = release.split_once('/').expect("a release is NAMESPACE/NAME");
        let info = ReleaseInfo {
            namespace: namespace.into(),
            name: name.into(),
            chart: name.into(),
            version: "1.0.0".into(),
            folder: Some(folder.into()),
        };
        self.releases.insert(release.into(), (info, values, manifest.into()));
        self
    }

    /// Makes every call of a name (`apply`, `ensure`, ...) fail.
    #[must_use]
    pub fn with_failure(mut self, call: &str, failure: Failure) -> Self {
        self.refused.insert(call.into(), failure);
        self
    }

    /// Returns the calls so far, a line each.
    pub fn calls(&self) -> Vec<String> {
        self.calls.borrow().clone()
    }

    fn call(&self, name: &str, rest: impl std::fmt::Display) -> Result<()> {
        self.calls.borrow_mut().push(format!("{name} {rest}").trim_end().to_owned());
        self.refused.get(name).map_or(Ok(()), |failure| Err(failure.clone()))
    }

    fn release(&self, release: &ReleaseName) -> Result<&(ReleaseInfo, Value, String)> {
        self.releases.get(&release.to_string()).ok_or_else(|| Failure::new("not-found", format!("no HelmRelease {release}")))
    }

    fn file(&self, path: &str) -> Result<&String> {
        self.files.get(path).ok_or_else(|| Failure::new("not-found", format!("{path}: no such file")))
    }
}

fn reference(object: &Value) -> ObjectRef {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    ObjectRef {
        api_version: text("/apiVersion").unwrap_or_default(),
        kind: text("/kind").unwrap_or_default(),
        namespace: text("/metadata/namespace"),
        name: text("/metadata/name").unwrap_or_default(),
    }
}

fn documents(manifests: &str) -> Result<Vec<Value>> {
    let mut objects = Vec::new();
    for document in yaml_serde::Deserializer::from_str(manifests) {
        let object: Value = serde::Deserialize::deserialize(document).map_err(|error| Failure::invalid(format!("manifest: {error}")))?;
        objects.extend((!object.is_null()).then_some(object));
    }
    Ok(objects)
}

fn holds(object: Option<&Value>, condition: &str) -> bool {
    let Some(object) = object else { return condition == "absent" };
    match condition.split_once('=') {
        Some(("condition", wanted)) => {
            let (kind, status) = wanted.split_once('=').unwrap_or((wanted, "True"));
            let conditions = object.pointer("/status/conditions").and_then(Value::as_array).cloned().unwrap_or_default();
            conditions.iter().any(|condition| condition["type"] == kind && condition["status"] == status)
        }
        _ => condition != "absent",
    }
}

impl Host for FakeHost {
    fn get(&self, object: &ObjectRef) -> Result<Option<Value>> {
        self.call("get", object)?;
        Ok(self.objects.borrow().get(object).cloned())
    }

    fn list(&self, selection: &Selection) -> Result<Vec<Value>> {
        self.call("list", &selection.kind)?;
        let objects = self.objects.borrow();
        let wanted = |object: &ObjectRef| {
            object.kind == selection.kind
                && object.api_version == selection.api_version
                && selection.namespace.as_ref().is_none_or(|namespace| object.namespace.as_ref() == Some(namespace))
        };
        Ok(objects.iter().filter(|(object, _)| wanted(object)).map(|(_, value)| value.clone()).collect())
    }

    fn discover(&self, api_version: &str) -> Result<Vec<Value>> {
        self.call("discover", api_version)?;
        Ok(Vec::new())
    }

    fn create(&self, object: &Value) -> Result<Change> {
        let reference = reference(object);
        self.call("create", &reference)?;
        self.objects.borrow_mut().insert(reference.clone(), object.clone());
        Ok(Change { object: reference, action: "created".into() })
    }

    fn patch(&self, object: &ObjectRef, patch_type: PatchType, _body: &Value, _subresource: Option<&str>) -> Result<Change> {
        self.call("patch", format!("{object} {}", patch_type.as_str()))?;
        Ok(Change { object: object.clone(), action: "configured".into() })
    }

    fn delete(&self, object: &ObjectRef) -> Result<Change> {
        self.call("delete", object)?;
        let action = if self.objects.borrow_mut().remove(object).is_some() { "deleted" } else { "absent" };
        Ok(Change { object: object.clone(), action: action.into() })
    }

    fn apply(&self, apply: &Apply) -> Result<Vec<Change>> {
        let mut changes = Vec::new();
        for object in documents(&apply.manifests)? {
            let reference = reference(&object);
            self.call("apply", &reference)?;
            let known = self.objects.borrow_mut().insert(reference.clone(), object).is_some();
            changes.push(Change { object: reference, action: if known { "configured" } else { "created" }.into() });
        }
        Ok(changes)
    }

    fn wait(&self, wait: &Wait) -> Result<Vec<Value>> {
        let objects = self.objects.borrow();
        let mut seen = Vec::new();
        for (object, condition) in &wait.conditions {
            self.call("wait", format!("{object} {condition}"))?;
            if !holds(objects.get(object), condition) {
                return Err(Failure::new("timeout", format!("{object}: not {condition}")));
            }
            seen.extend(objects.get(object).cloned());
        }
        Ok(seen)
    }

    fn read_text(&self, path: &str) -> Result<String> {
        self.call("read", path)?;
        self.file(path).cloned()
    }

    fn read_bytes(&self, path: &str) -> Result<Vec<u8>> {
        self.call("read", path)?;
        Ok(self.file(path)?.clone().into_bytes())
    }

    fn list_folder(&self, path: &str) -> Result<Vec<Entry>> {
        self.call("list-folder", path)?;
        let prefix = format!("{path}/");
        let entry = |(file, text): (&String, &String)| {
            let rest = file.strip_prefix(&prefix)?;
            Some(match rest.split_once('/') {
                Some((folder, _)) => Entry { name: folder.into(), directory: true, size: 0 },
                None => Entry { name: rest.into(), directory: false, size: text.len() as u64 },
            })
        };
        let mut entries: Vec<Entry> = self.files.iter().filter_map(entry).collect();
        entries.dedup();
        if entries.is_empty() { Err(Failure::new("not-found", format!("{path}: no such folder"))) } else { Ok(entries) }
    }

    fn glob(&self, pattern: &str) -> Result<Vec<String>> {
        self.call("glob", pattern)?;
        let (before, after) = pattern.split_once('*').unwrap_or((pattern, ""));
        let after = after.trim_start_matches('*');
        Ok(self.files.keys().filter(|path| path.starts_with(before) && path.ends_with(after)).cloned().collect())
    }

    fn kustomize(&self, path: &str) -> Result<String> {
        self.call("kustomize", path)?;
        self.file(&format!("{path}/kustomization.yaml")).cloned()
    }

    fn read_chart(&self, reference: &str, _version: Option<&str>, path: &str) -> Result<String> {
        self.call("read-chart", format!("{reference} {path}"))?;
        self.file(&format!("{reference}/{path}")).cloned()
    }

    fn release_info(&self, release: &ReleaseName) -> Result<ReleaseInfo> {
        Ok(self.release(release)?.0.clone())
    }

    fn release_values(&self, release: &ReleaseName) -> Result<Value> {
        Ok(self.release(release)?.1.clone())
    }

    fn release_computed_values(&self, release: &ReleaseName) -> Result<Value> {
        self.release_values(release)
    }

    fn release_objects(&self, release: &ReleaseName) -> Result<Vec<ObjectRef>> {
        Ok(documents(&self.release(release)?.2)?.iter().map(reference).collect())
    }

    fn render(&self, release: &ReleaseName) -> Result<String> {
        self.call("render", release)?;
        Ok(self.release(release)?.2.clone())
    }

    fn release_crds(&self, release: &ReleaseName) -> Result<String> {
        self.call("crds", release)?;
        let manifest = &self.release(release)?.2;
        let documents: Vec<&str> = manifest.split("---\n").filter(|document| document.contains("kind: CustomResourceDefinition")).collect();
        Ok(documents.join("---\n"))
    }

    fn ensure(&self, release: &ReleaseName) -> Result<Outcome> {
        let is_there = self.calls.borrow().contains(&format!("ensure {release}"));
        self.call("ensure", release)?;
        if is_there {
            return Ok(Outcome { action: "unchanged".into(), revision: 1, changes: Vec::new() });
        }
        let manifests = self.release(release)?.2.clone();
        self.apply(&Apply { manifests, default_namespace: Some(release.namespace.clone()), force_conflicts: false })?;
        Ok(Outcome { action: "installed".into(), revision: 1, changes: Vec::new() })
    }

    fn wait_ready(&self, release: &ReleaseName) -> Result<()> {
        self.call("wait-ready", release)
    }

    fn handoff(&self, release: &ReleaseName) -> Result<Value> {
        self.call("handoff", release)?;
        Ok(Value::Null)
    }

    fn place_secret(&self, secret: &str, target: &ObjectRef, key: &str) -> Result<()> {
        self.call("place-secret", format!("{secret} {target} {key}"))
    }

    fn log(&self, level: Level, message: &str) {
        self.calls.borrow_mut().push(format!("log {level:?} {message}"));
    }

    fn activity(&self, _title: &str) -> Box<dyn Activity> {
        Box::new(Silent)
    }
}

struct Silent;

impl Activity for Silent {
    fn note(&self, _text: &str) {}
}
