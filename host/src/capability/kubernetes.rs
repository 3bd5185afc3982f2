//! The cluster, as far as the step's grant reaches.

use std::time::Duration;

use kube_engine::wait::{self, Condition, Pending, WaitError};
use kube_engine::{Action, ObjectRef, PatchType, Propagation, Resource, Selection};
use serde_json::{Value, json};
use wasmtime::component::Resource as Handle;

use super::{Answer, Call, failure, invalid, write_failure};
use crate::bindings::launchway::bootstrap::{kubernetes, types};
use crate::grant::Access;
use crate::module::StepState;
use crate::shown::{is_unseen, shown};

/// Who owns the fields of manifests that modules apply: the controller that will take them over (`specs` of Flux: kustomize-controller applies
/// raw manifests under this name), so that it finds nothing to change.
const MANAGER: &str = "kustomize-controller";

/// A server-side apply being put together.
pub struct Apply {
    manifests: String,
    default_namespace: Option<String>,
    force: bool,
}

/// A wait being put together.
#[derive(Default)]
pub struct Wait {
    conditions: Vec<(ObjectRef, Condition)>,
    timeout: Option<Duration>,
}

impl kubernetes::Host for StepState {
    async fn get(&mut self, object: types::ObjectRef) -> wasmtime::Result<Answer<Option<String>>> {
        let powers = self.enter("kubernetes.get")?;
        Ok(get(&powers, object.into()).await)
    }

    async fn list(&mut self, objects: kubernetes::Selection) -> wasmtime::Result<Answer<Vec<String>>> {
        let powers = self.enter("kubernetes.list")?;
        Ok(list(&powers, objects.into()).await)
    }

    async fn discover(&mut self, api_version: String) -> wasmtime::Result<Answer<Vec<String>>> {
        let powers = self.enter("kubernetes.discover")?;
        Ok(discover(&powers, &api_version).await)
    }

    async fn create(&mut self, object: String) -> wasmtime::Result<Answer<kubernetes::Change>> {
        let powers = self.enter("kubernetes.create")?;
        Ok(create(&powers, &object).await)
    }

    async fn patch(
        &mut self,
        object: types::ObjectRef,
        patch_type: String,
        body: String,
        subresource: Option<String>,
    ) -> wasmtime::Result<Answer<kubernetes::Change>> {
        let powers = self.enter("kubernetes.patch")?;
        Ok(patch(&powers, object.into(), &patch_type, &body, subresource.as_deref()).await)
    }

    async fn delete(&mut self, object: types::ObjectRef, propagation: Option<String>) -> wasmtime::Result<Answer<kubernetes::Change>> {
        let powers = self.enter("kubernetes.delete")?;
        Ok(delete(&powers, object.into(), propagation.as_deref()).await)
    }
}

impl kubernetes::HostApply for StepState {
    async fn new(&mut self, manifests: String) -> wasmtime::Result<Handle<Apply>> {
        self.hold(manifests.len())?;
        self.push(Apply { manifests, default_namespace: None, force: false })
    }

    async fn default_namespace(&mut self, this: Handle<Apply>, namespace: String) -> wasmtime::Result<()> {
        self.hold(namespace.len())?;
        self.table.get_mut(&this)?.default_namespace = Some(namespace);
        Ok(())
    }

    async fn force_conflicts(&mut self, this: Handle<Apply>, on: bool) -> wasmtime::Result<()> {
        self.table.get_mut(&this)?.force = on;
        Ok(())
    }

    async fn send(&mut self, this: Handle<Apply>) -> wasmtime::Result<Answer<Vec<kubernetes::Change>>> {
        let powers = self.enter("kubernetes.apply")?;
        let request = self.table.get(&this)?;
        Ok(apply(&powers, request).await)
    }

    async fn drop(&mut self, this: Handle<Apply>) -> wasmtime::Result<()> {
        self.table.delete(this)?;
        Ok(())
    }
}

impl kubernetes::HostWait for StepState {
    async fn new(&mut self) -> wasmtime::Result<Handle<Wait>> {
        self.push(Wait::default())
    }

    async fn until(&mut self, this: Handle<Wait>, object: types::ObjectRef, condition: String) -> wasmtime::Result<Answer<()>> {
        let types::ObjectRef { api_version, kind, namespace, name } = &object;
        let texts =
            [api_version, kind, name, &condition].iter().map(|text| text.len()).sum::<usize>() + namespace.as_ref().map_or(0, String::len);
        self.hold(texts + size_of::<(ObjectRef, Condition)>())?;
        let parsed = parse_condition(&condition);
        let wait = self.table.get_mut(&this)?;
        Ok(parsed.map(|condition| wait.conditions.push((object.into(), condition))))
    }

    async fn timeout_ms(&mut self, this: Handle<Wait>, ms: u64) -> wasmtime::Result<()> {
        self.table.get_mut(&this)?.timeout = Some(Duration::from_millis(ms));
        Ok(())
    }

    async fn done(&mut self, this: Handle<Wait>) -> wasmtime::Result<Answer<Vec<String>>> {
        let powers = self.enter("kubernetes.wait")?;
        let request = self.table.get(&this)?;
        Ok(wait(&powers, request).await)
    }

    async fn drop(&mut self, this: Handle<Wait>) -> wasmtime::Result<()> {
        self.table.delete(this)?;
        Ok(())
    }
}

async fn get(powers: &Call, object: ObjectRef) -> Answer<Option<String>> {
    if permitted(powers, "kubernetes.get", "get", &object).await?.is_none() {
        return Ok(None);
    }
    Ok(powers.cluster.get(&object).await?.map(|object| object.to_string()))
}

async fn list(powers: &Call, selection: Selection) -> Answer<Vec<String>> {
    let call = "kubernetes.list";
    let any = ObjectRef {
        api_version: selection.api_version.clone(),
        kind: selection.kind.clone(),
        namespace: selection.namespace.clone(),
        name: String::new(),
    };
    let Some(resource) = known(powers, call, "list", &any).await? else { return Ok(Vec::new()) };
    let namespace = selection.namespace.as_deref().filter(|_| resource.namespaced);
    let access = Access { verb: "list", group: any.group(), resource: &resource.plural, namespace, name: None };
    powers.gate.kubernetes(access).map_err(|denied| powers.refuse(call, denied))?;
    Ok(powers.cluster.list(&selection).await?.iter().map(Value::to_string).collect())
}

/// Who has any business with an API group may ask for its kinds.
async fn discover(powers: &Call, api_version: &str) -> Answer<Vec<String>> {
    check_api_version(api_version)?;
    let group = api_version.split_once('/').map_or("", |(group, _)| group);
    powers.gate.api_group(group).map_err(|denied| powers.refuse("kubernetes.discover", denied))?;
    let kinds = powers.cluster.kinds(api_version).await?;
    let line = |kind: &Resource| {
        json!({ "kind": kind.kind, "plural": kind.plural, "namespaced": kind.namespaced, "verbs": kind.verbs }).to_string()
    };
    Ok(kinds.iter().map(line).collect())
}

async fn create(powers: &Call, object: &str) -> Answer<kubernetes::Change> {
    let mut object: Value = serde_json::from_str(object).map_err(|error| invalid(format!("create: not JSON: {error}")))?;
    let reference = reference(&object)?;
    must_be_permitted(powers, "kubernetes.create", "create", &reference).await?;
    begins_flux(powers, &reference);
    if !as_flux_applies(powers, &reference, &mut object)? || powers.cluster.get(&reference).await?.is_some() {
        return changed(powers, powers.cluster.create(&object, MANAGER).await.map_err(|error| write_failure(&reference, error))?);
    }
    // Created by another verb, it would have other field owners than Flux expects.
    let options = kube_engine::Apply { manager: MANAGER, force: true, creates: false, default_namespace: None };
    changed(powers, powers.cluster.apply(&object, &options).await.map_err(|error| write_failure(&reference, error))?)
}

/// Notes that an object sets Flux to work, before it is written.
fn begins_flux(powers: &Call, object: &ObjectRef) {
    if kube_engine::release::starts_flux(object) {
        powers.handoff.begins();
    }
}

/// Puts in the place of an object what Flux applies under its name, where the repository's tree has it; tells whether it has.
fn as_flux_applies(powers: &Call, reference: &ObjectRef, object: &mut Value) -> Answer<bool> {
    let known = powers.releases.as_flux_applies(reference);
    match known.map_err(|why| invalid(format!("{reference}: what Flux applies is not known: {why}")))? {
        Some(applied) => *object = applied,
        None => return Ok(false),
    }
    Ok(true)
}

async fn patch(powers: &Call, object: ObjectRef, patch_type: &str, body: &str, subresource: Option<&str>) -> Answer<kubernetes::Change> {
    let patch_type = match patch_type {
        "merge" => PatchType::Merge,
        "json" => PatchType::Json,
        "strategic" => PatchType::Strategic,
        other => return Err(invalid(format!("patch: unknown type {other}: use merge, json or strategic"))),
    };
    let body: Value = serde_json::from_str(body).map_err(|error| invalid(format!("patch of {object}: not JSON: {error}")))?;
    permitted_part(powers, "kubernetes.patch", "patch", &object, subresource).await?.ok_or_else(|| no_kind(&object))?;
    let patched = powers.cluster.patch(&object, patch_type, &body, subresource, MANAGER).await;
    changed(powers, patched.map_err(|error| write_failure(&object, error))?)
}

async fn delete(powers: &Call, object: ObjectRef, propagation: Option<&str>) -> Answer<kubernetes::Change> {
    let propagation = match propagation {
        None | Some("Background") => Propagation::Background,
        Some("Foreground") => Propagation::Foreground,
        Some("Orphan") => Propagation::Orphan,
        Some(other) => return Err(invalid(format!("delete: unknown propagation {other}: use Background, Foreground or Orphan"))),
    };
    must_be_permitted(powers, "kubernetes.delete", "delete", &object).await?;
    changed(powers, powers.cluster.delete(&object, propagation).await.map_err(|error| write_failure(&object, error))?)
}

async fn apply(powers: &Call, request: &Apply) -> Answer<Vec<kubernetes::Change>> {
    let call = "kubernetes.apply";
    let mut objects = objects(&request.manifests, request.default_namespace.as_deref())?;
    for (reference, object) in &mut objects {
        as_flux_applies(powers, reference, object)?;
    }
    // All are checked before the first is written; one whose kind an earlier one defines is checked again in its turn.
    for (object, _) in &objects {
        permitted(powers, call, "patch", object).await?;
    }
    let options = kube_engine::Apply {
        manager: MANAGER,
        force: request.force,
        creates: false,
        default_namespace: request.default_namespace.as_deref(),
    };
    let mut changes: Vec<kubernetes::Change> = Vec::new();
    for (reference, object) in &objects {
        let applied = async {
            must_be_permitted(powers, call, "patch", reference).await?;
            begins_flux(powers, reference);
            changed(powers, powers.cluster.apply(object, &options).await.map_err(|error| write_failure(reference, error))?)
        };
        match applied.await {
            Ok(change) => changes.push(change),
            Err(mut refused) => {
                let done: Vec<String> = changes.iter().map(|change| format!("{} {}", change.object.kind, change.object.name)).collect();
                refused.message = format!("{reference}: {}", refused.message);
                if !done.is_empty() {
                    refused.message.push_str(&format!(" (already applied: {})", done.join(", ")));
                }
                refused.details = Some(json!({ "object": reference.to_string(), "applied": done, "cause": refused.details }).to_string());
                return Err(refused);
            }
        }
    }
    Ok(changes)
}

async fn wait(powers: &Call, request: &Wait) -> Answer<Vec<String>> {
    let call = "kubernetes.wait";
    for (object, _) in &request.conditions {
        permitted(powers, call, "watch", object).await?;
    }
    let timeout = request.timeout.unwrap_or(Duration::MAX).min(powers.time_left());
    let progress = |pending: &[Pending]| powers.reporter.waiting(pending);
    let outcome = wait::until(&powers.cluster, &request.conditions, timeout, &progress).await;
    // A kind that was unknown at first could not be checked by its resource then.
    for (object, _) in &request.conditions {
        permitted(powers, call, "watch", object).await?;
    }
    match outcome {
        Ok(seen) => Ok(seen.iter().map(Value::to_string).collect()),
        Err(WaitError::Cluster(error)) => Err(error.into()),
        Err(WaitError::Timeout { pending, waited, why }) => {
            powers.reporter.explained(&why);
            let message = format!("waited {} for {}", crate::report::seconds(waited), crate::report::pending_text(&pending));
            Err(with_pending(failure("timeout", message), &pending))
        }
        Err(WaitError::Failed { pending, why }) => {
            powers.reporter.explained(&why);
            Err(with_pending(failure("failed", crate::report::pending_text(&pending)), &pending))
        }
    }
}

/// The longest condition of a wait.
const MAX_CONDITION: usize = 1024;

/// Reads a condition. People are shown it while it is waited for.
fn parse_condition(text: &str) -> Answer<Condition> {
    if text.len() > MAX_CONDITION || text.contains(is_unseen) {
        return Err(invalid(format!("condition {}: has at most {MAX_CONDITION} bytes and no control characters", shown(text, 200))));
    }
    text.parse().map_err(invalid)
}

fn with_pending(mut failure: types::Failure, pending: &[Pending]) -> types::Failure {
    let line =
        |pending: &Pending| json!({ "object": pending.object.to_string(), "condition": pending.condition, "lastSeen": pending.reason });
    failure.details = Some(json!({ "pending": pending.iter().map(line).collect::<Vec<_>>() }).to_string());
    failure
}

/// Returns the kind behind an object, or none if the cluster has none such; refuses early what no rule could allow.
async fn known(powers: &Call, call: &'static str, verb: &str, object: &ObjectRef) -> Answer<Option<Resource>> {
    check_reference(object)?;
    powers.gate.kubernetes_group(verb, object.group()).map_err(|denied| powers.refuse(call, denied))?;
    Ok(powers.cluster.resource(&object.api_version, &object.kind).await?)
}

async fn permitted(powers: &Call, call: &'static str, verb: &str, object: &ObjectRef) -> Answer<Option<Resource>> {
    permitted_part(powers, call, verb, object, None).await
}

/// The same for a part of an object: a resource of its own in RBAC, `deployments/scale`.
async fn permitted_part(powers: &Call, call: &'static str, verb: &str, object: &ObjectRef, part: Option<&str>) -> Answer<Option<Resource>> {
    if let Some(part) = part.filter(|part| part.is_empty() || !part.bytes().all(|byte| byte.is_ascii_lowercase())) {
        return Err(invalid(format!("{object}: {} is no subresource", part.escape_debug())));
    }
    let Some(resource) = known(powers, call, verb, object).await? else { return Ok(None) };
    let namespace = object.namespace.as_deref().filter(|_| resource.namespaced);
    let plural = part.map_or_else(|| resource.plural.clone(), |part| format!("{}/{part}", resource.plural));
    let access = Access { verb, group: object.group(), resource: &plural, namespace, name: Some(&object.name) };
    powers.gate.kubernetes(access).map_err(|denied| powers.refuse(call, denied))?;
    Ok(Some(resource))
}

async fn must_be_permitted(powers: &Call, call: &'static str, verb: &str, object: &ObjectRef) -> Answer<Resource> {
    permitted(powers, call, verb, object).await?.ok_or_else(|| no_kind(object))
}

fn no_kind(object: &ObjectRef) -> types::Failure {
    failure("not-found", format!("the cluster has no kind {} in {}: its CRD is missing", object.kind, object.api_version))
}

/// Refuses what would not stay one segment of a request's path: the grant was compared with the name, not with where a path leads.
pub(super) fn check_reference(object: &ObjectRef) -> Answer<()> {
    check_api_version(&object.api_version)?;
    let odd = |text: &str| text == "." || text == ".." || text.len() > 253 || text.chars().any(|c| c.is_control() || "/%?#\\ ".contains(c));
    let parts = [("kind", Some(&object.kind)), ("namespace", object.namespace.as_ref()), ("name", Some(&object.name))];
    match parts.into_iter().find_map(|(what, text)| Some((what, text.filter(|text| odd(text))?))) {
        Some((what, text)) => {
            Err(invalid(format!("{what} {:?} is not one that Kubernetes allows", text.chars().take(300).collect::<String>())))
        }
        None => Ok(()),
    }
}

fn check_api_version(text: &str) -> Answer<()> {
    let word = |part: &str| {
        part.chars().all(|c| c.is_ascii_alphanumeric() || c == '.' || c == '-') && part.starts_with(|c: char| c.is_ascii_alphanumeric())
    };
    if text.len() <= 253 && text.split('/').count() <= 2 && text.split('/').all(word) {
        return Ok(());
    }
    Err(invalid(format!("{:?} is no API version: write GROUP/VERSION, or v1", text.chars().take(300).collect::<String>())))
}

fn changed(powers: &Call, change: kube_engine::Change) -> Answer<kubernetes::Change> {
    powers.reporter.changed(&change);
    let ObjectRef { api_version, kind, namespace, name } = change.object;
    Ok(kubernetes::Change { object: types::ObjectRef { api_version, kind, namespace, name }, action: Action::as_str(change.action).into() })
}

fn reference(object: &Value) -> Answer<ObjectRef> {
    ObjectRef::of(object).ok_or_else(|| invalid("an object needs apiVersion, kind and metadata.name"))
}

/// Returns the objects of a YAML stream with their references, lists flattened.
fn objects(manifests: &str, default_namespace: Option<&str>) -> Answer<Vec<(ObjectRef, Value)>> {
    let documents = go_encoding::yaml::documents(manifests).map_err(|error| invalid(format!("manifest: {error}")))?;
    let mut objects = Vec::new();
    for document in documents {
        let items = match document.value {
            Value::Null => Vec::new(),
            Value::Object(mut list)
                if list.get("kind").and_then(Value::as_str).is_some_and(|kind| kind.ends_with("List")) && list.contains_key("items") =>
            {
                match list.remove("items") {
                    Some(Value::Array(items)) => items,
                    _ => Vec::new(),
                }
            }
            object => vec![object],
        };
        for object in items {
            let mut reference = ObjectRef::of(&object)
                .ok_or_else(|| invalid(format!("manifest, line {}: an object needs apiVersion, kind and metadata.name", document.line)))?;
            if reference.namespace.is_none() {
                reference.namespace = default_namespace.map(str::to_owned);
            }
            objects.push((reference, object));
        }
    }
    Ok(objects)
}

impl From<types::ObjectRef> for ObjectRef {
    fn from(object: types::ObjectRef) -> Self {
        let types::ObjectRef { api_version, kind, namespace, name } = object;
        ObjectRef { api_version, kind, namespace, name }
    }
}

impl From<kubernetes::Selection> for Selection {
    fn from(selection: kubernetes::Selection) -> Self {
        let kubernetes::Selection { api_version, kind, namespace, label_selector, field_selector } = selection;
        Selection { api_version, kind, namespace, label_selector, field_selector }
    }
}
