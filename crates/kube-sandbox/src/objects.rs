//! The verbs that change objects: create, update, delete.
//!
//! Mirrors k8s.io/apiserver v0.36 `pkg/registry/generic/registry/store.go`: what is the server's is taken from the stored object, generations
//! count what the user asked for, and a write that changes nothing is no write.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::decode::{self, decode, validate_custom};
use crate::failure::Failure;
use crate::kinds::Resource;
use crate::managed;
use crate::request::Caller;
use crate::store::{State, key_of};
use crate::{defaults, validation};

/// An object after a write, and whether the write changed anything.
pub(crate) type Outcome = (Arc<Value>, bool);

/// How the fields of an update are to be recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ownership {
    /// By comparison with the stored object, as manager of operation Update.
    Compare,
    /// Already recorded by server-side apply.
    Recorded,
}

pub(crate) fn text<'a>(object: &'a Value, key: &str) -> &'a str {
    object["metadata"][key].as_str().unwrap_or_default()
}

/// Checks that the body is what the path says, and fills in what the path knows.
pub(crate) fn identify(resource: &Resource, namespace: &str, name: &str, object: &mut Value) -> Result<(), Failure> {
    if !object.is_object() {
        return Err(Failure::bad_request("the object provided is not a JSON object"));
    }
    for (key, expected) in [("apiVersion", resource.api_version()), ("kind", resource.kind.clone())] {
        match object[key].as_str().unwrap_or_default() {
            "" => object[key] = expected.into(),
            is if is == expected => {}
            is if key == "kind" => {
                return Err(Failure::bad_request(format!("{is} in version {:?} cannot be handled as a {expected}", resource.version)));
            }
            is => {
                return Err(Failure::bad_request(format!(
                    "the API version in the data ({is}) does not match the expected API version ({expected})"
                )));
            }
        }
    }
    if !object["metadata"].is_object() {
        object["metadata"] = json!({});
    }
    let is = text(object, "namespace").to_owned();
    if !resource.namespaced {
        if let Some(meta) = object["metadata"].as_object_mut() {
            meta.remove("namespace");
        }
    } else if is.is_empty() {
        object["metadata"]["namespace"] = namespace.into();
    } else if is != namespace {
        return Err(Failure::bad_request("the namespace of the provided object does not match the namespace sent on the request"));
    }
    if !name.is_empty() {
        match text(object, "name") {
            "" => object["metadata"]["name"] = name.into(),
            is if is == name => {}
            is => return Err(Failure::bad_request(format!("the name of the object ({is}) does not match the name on the URL ({name})"))),
        }
    }
    Ok(())
}

/// Creates an object.
pub(crate) fn create(
    state: &mut State,
    caller: &mut Caller,
    resource: &Resource,
    namespace: &str,
    mut object: Value,
) -> Result<Outcome, Failure> {
    identify(resource, namespace, "", &mut object)?;
    decode(resource, &mut object, caller)?;
    create_decoded(state, caller, resource, object, Ownership::Compare)
}

/// Creates an object that has been decoded already.
pub(crate) fn create_decoded(
    state: &mut State,
    caller: &mut Caller,
    resource: &Resource,
    mut object: Value,
    ownership: Ownership,
) -> Result<Outcome, Failure> {
    let (group, plural) = (resource.group(), resource.plural());
    if !text(&object, "resourceVersion").is_empty() && text(&object, "resourceVersion") != "0" {
        return Err(Failure::bad_request("resourceVersion should not be set on objects to be created"));
    }
    name_new(state, &mut object);
    let (namespace, name) = key_of(&object);
    require_namespace(state, resource, &namespace, &name)?;
    if state.get(&resource.id, &namespace, &name).is_some() {
        return Err(Failure::already_exists(group, plural, &name));
    }
    if resource.has_status() && !keeps_status(resource) {
        clear_status(resource, &mut object);
    }
    defaults::apply(resource, &mut object);
    stamp_new(state, resource, &mut object);
    if ownership == Ownership::Compare {
        managed::record_update(resource, None, &mut object, caller, "", &state.now());
    }
    defaults::prepare_new(resource, &mut object);
    validate(state, resource, None, &mut object)?;
    if caller.dry_run {
        return Ok((Arc::new(object), true));
    }
    let stored = state.put(resource, object);
    Ok((stored, true))
}

fn clear_status(resource: &Resource, object: &mut Value) {
    let Some(map) = object.as_object_mut() else { return };
    map.remove("status");
    if let Some(default) = resource.schema.member("status").and_then(|status| status.default.clone()) {
        map.insert("status".into(), default);
    }
    // Statuses that are Go structs have members that are structs.
    decode::set_defaults(&resource.schema, object, resource.custom);
}

/// Kinds whose create takes a status along (the node's strategy; kinds without such a strategy have no status subresource).
fn keeps_status(resource: &Resource) -> bool {
    resource.is("", "nodes")
}

fn name_new(state: &mut State, object: &mut Value) {
    let prefix = text(object, "generateName").to_owned();
    if text(object, "name").is_empty() && !prefix.is_empty() {
        let kept: String = prefix.chars().take(58).collect();
        object["metadata"]["name"] = format!("{kept}{}", state.next_suffix()).into();
    }
}

fn require_namespace(state: &State, resource: &Resource, namespace: &str, name: &str) -> Result<(), Failure> {
    if !resource.namespaced {
        return Ok(());
    }
    let found = state.find("", "namespaces", "", namespace).ok_or_else(|| Failure::not_found("", "namespaces", namespace))?;
    if found["metadata"]["deletionTimestamp"].is_string() {
        let why = format!("unable to create new content in namespace {namespace} because it is being terminated");
        return Err(Failure::forbidden(resource.group(), resource.plural(), name, &why));
    }
    Ok(())
}

fn stamp_new(state: &mut State, resource: &Resource, object: &mut Value) {
    let (uid, now) = (state.next_uid(), state.now());
    let Some(meta) = object["metadata"].as_object_mut() else { return };
    for key in ["deletionTimestamp", "deletionGracePeriodSeconds", "selfLink", "resourceVersion", "generation"] {
        meta.remove(key);
    }
    meta.insert("uid".into(), uid.into());
    meta.insert("creationTimestamp".into(), now.into());
    if resource.has_generation() {
        meta.insert("generation".into(), 1.into());
    }
}

fn validate(state: &mut State, resource: &Resource, old: Option<&Value>, object: &mut Value) -> Result<(), Failure> {
    let mut causes = validation::check(resource, old, object);
    if resource.custom {
        causes.extend(validate_custom(&resource.schema, object));
    } else {
        causes.extend(crate::services::allocate(state, resource, old, object));
    }
    if causes.is_empty() {
        return Ok(());
    }
    Err(Failure::invalid(resource.group(), &resource.kind, text(object, "name"), causes))
}

/// Replaces an object by what a client sent.
pub(crate) fn update(
    state: &mut State,
    caller: &mut Caller,
    resource: &Resource,
    subresource: &str,
    live: &Arc<Value>,
    mut object: Value,
) -> Result<Outcome, Failure> {
    decode(resource, &mut object, caller)?;
    update_decoded(state, caller, resource, subresource, live, object, Ownership::Compare)
}

/// Replaces an object by one that has been decoded already.
pub(crate) fn update_decoded(
    state: &mut State,
    caller: &mut Caller,
    resource: &Resource,
    subresource: &str,
    live: &Arc<Value>,
    mut object: Value,
    ownership: Ownership,
) -> Result<Outcome, Failure> {
    check_preconditions(resource, live, &object)?;
    keep_server_fields(resource, live, &mut object);
    defaults::apply(resource, &mut object);
    reset_other_half(resource, subresource, live, &mut object);
    if ownership == Ownership::Compare {
        managed::record_update(resource, Some(live), &mut object, caller, subresource, &state.now());
    }
    count_generation(resource, live, &mut object);
    validate(state, resource, Some(live), &mut object)?;
    if managed::same_apart_from_times(live, &object) {
        return Ok((Arc::clone(live), false));
    }
    if caller.dry_run {
        return Ok((Arc::new(object), true));
    }
    if object["metadata"]["deletionTimestamp"].is_string() && !has_finalizers(&object) {
        state.put(resource, object.clone());
        let last = remove(state, resource, &object).unwrap_or_else(|| Arc::new(object));
        return Ok((last, true));
    }
    Ok((state.put(resource, object), true))
}

fn check_preconditions(resource: &Resource, live: &Value, object: &Value) -> Result<(), Failure> {
    let (group, plural, name) = (resource.group(), resource.plural(), text(live, "name"));
    let version = text(object, "resourceVersion");
    if !version.is_empty() && version != "0" && version != text(live, "resourceVersion") {
        return Err(Failure::stale(group, plural, name));
    }
    let uid = text(object, "uid");
    if !uid.is_empty() && uid != text(live, "uid") {
        let why = format!("Precondition failed: UID in precondition: {uid}, UID in object meta: {}", text(live, "uid"));
        return Err(Failure::conflict(group, plural, name, &why));
    }
    Ok(())
}

fn keep_server_fields(resource: &Resource, live: &Value, object: &mut Value) {
    for key in [
        "uid",
        "creationTimestamp",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "generation",
        "resourceVersion",
        "selfLink",
        "generateName",
    ] {
        copy_member(&live["metadata"], &mut object["metadata"], key);
    }
    if resource.is("", "secrets") && object["data"].is_null() && object["stringData"].is_null() && live["type"] != object["type"] {
        copy_member(live, object, "type");
    }
}

fn copy_member(from: &Value, to: &mut Value, key: &str) {
    if let Some(map) = to.as_object_mut() {
        match from.get(key) {
            Some(value) => map.insert(key.to_owned(), value.clone()),
            None => map.remove(key),
        };
    }
}

/// A write to `status` changes only the status, any other write does not.
fn reset_other_half(resource: &Resource, subresource: &str, live: &Value, object: &mut Value) {
    if subresource == "status" {
        let status = object.get("status").cloned();
        let managed = object["metadata"].get("managedFields").cloned();
        *object = live.clone();
        if let Some(map) = object.as_object_mut() {
            match status {
                Some(status) => map.insert("status".into(), status),
                None => map.remove("status"),
            };
        }
        if let Some(managed) = managed {
            object["metadata"]["managedFields"] = managed;
        }
    } else if resource.has_status() {
        copy_member(live, object, "status");
    }
}

/// The generation counts changes outside metadata and status.
fn count_generation(resource: &Resource, live: &Value, object: &mut Value) {
    let body = |value: &Value| {
        let keep = |key: &str| {
            !matches!(key, "metadata" | "apiVersion" | "kind") && !(key == "status" && (resource.has_status() || !resource.custom))
        };
        value.as_object().into_iter().flatten().filter(|(key, _)| keep(key)).map(|(k, v)| (k.clone(), v.clone())).collect::<Value>()
    };
    if resource.has_generation() && body(live) != body(object) {
        object["metadata"]["generation"] = (live["metadata"]["generation"].as_i64().unwrap_or(0) + 1).into();
    }
}

pub(crate) fn has_finalizers(object: &Value) -> bool {
    let pending = |list: &Value| list.as_array().is_some_and(|list| !list.is_empty());
    pending(&object["metadata"]["finalizers"]) || object["kind"] == "Namespace" && pending(&object["spec"]["finalizers"])
}

/// What a delete request asks for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Deletion {
    pub(crate) policy: String,
    pub(crate) uid: String,
    pub(crate) resource_version: String,
}

impl Deletion {
    pub(crate) fn read(body: &Value, policy: &str) -> Result<Deletion, Failure> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let policy = match (body["propagationPolicy"].as_str(), policy, &body["orphanDependents"]) {
            (Some(policy), _, _) => policy.to_owned(),
            (None, "", Value::Bool(true)) => "Orphan".into(),
            (None, policy, _) => policy.to_owned(),
        };
        if !matches!(policy.as_str(), "" | "Orphan" | "Background" | "Foreground") {
            return Err(Failure::new(
                422,
                "Invalid",
                format!(
                    "DeleteOptions.meta.k8s.io \"\" is invalid: propagationPolicy: Unsupported value: {policy:?}: supported values: \"Background\", \"Foreground\", \"Orphan\""
                ),
            ));
        }
        Ok(Deletion { policy, uid: text(&body["preconditions"]["uid"]), resource_version: text(&body["preconditions"]["resourceVersion"]) })
    }
}

/// Deletes an object: at once, or when its finalizers are gone.
pub(crate) fn delete(
    state: &mut State,
    caller: &Caller,
    resource: &Resource,
    live: &Arc<Value>,
    deletion: &Deletion,
) -> Result<Outcome, Failure> {
    let (group, plural, name) = (resource.group(), resource.plural(), text(live, "name"));
    for (what, wanted, key) in [("UID", &deletion.uid, "uid"), ("ResourceVersion", &deletion.resource_version, "resourceVersion")] {
        let is = text(live, key);
        if !wanted.is_empty() && wanted != is {
            let why = format!("Precondition failed: {what} in precondition: {wanted}, {what} in object meta: {is}");
            return Err(Failure::conflict(group, plural, name, &why));
        }
    }
    if caller.dry_run {
        return Ok((Arc::clone(live), true));
    }
    if deletion.policy == "Orphan" {
        orphan_dependents(state, text(live, "uid"));
    }
    Ok(delete_anyway(state, resource, live))
}

/// Deletes an object whatever its revision.
pub(crate) fn delete_anyway(state: &mut State, resource: &Resource, live: &Arc<Value>) -> Outcome {
    let mut object = (**live).clone();
    if !has_finalizers(&object) {
        let last = remove(state, resource, &object).unwrap_or_else(|| Arc::clone(live));
        return (last, true);
    }
    if object["metadata"]["deletionTimestamp"].is_string() {
        return (Arc::clone(live), false);
    }
    object["metadata"]["deletionTimestamp"] = state.now().into();
    object["metadata"]["deletionGracePeriodSeconds"] = 0.into();
    if resource.is("", "namespaces") {
        object["status"]["phase"] = "Terminating".into();
    } else if resource.has_generation() {
        object["metadata"]["generation"] = (object["metadata"]["generation"].as_i64().unwrap_or(0) + 1).into();
    }
    (state.put(resource, object), true)
}

/// Takes an object out of the store, and with it what it owned.
pub(crate) fn remove(state: &mut State, resource: &Resource, object: &Value) -> Option<Arc<Value>> {
    let last = state.remove(&resource.id, &key_of(object))?;
    collect_garbage(state, text(object, "uid"));
    Some(last)
}

fn owned_by(state: &State, uid: &str) -> Vec<(Arc<Resource>, Arc<Value>)> {
    if !state.dependents.contains_key(uid) {
        return Vec::new();
    }
    let owns = |object: &Value| object["metadata"]["ownerReferences"].as_array().is_some_and(|refs| refs.iter().any(|r| r["uid"] == uid));
    let mut found = Vec::new();
    for (id, collection) in &state.collections {
        let Some(resource) = state.kinds.preferred(id) else { continue };
        found.extend(collection.objects.values().filter(|o| owns(o)).map(|o| (Arc::clone(&resource), Arc::clone(o))));
    }
    found
}

fn orphan_dependents(state: &mut State, uid: &str) {
    for (resource, object) in owned_by(state, uid) {
        let mut object = (*object).clone();
        drop_owner(&mut object, uid);
        state.put(&resource, object);
    }
}

fn drop_owner(object: &mut Value, uid: &str) {
    if let Some(meta) = object["metadata"].as_object_mut()
        && let Some(Value::Array(refs)) = meta.get_mut("ownerReferences")
    {
        refs.retain(|r| r["uid"] != uid);
        if refs.is_empty() {
            meta.remove("ownerReferences");
        }
    }
}

/// Deletes what was owned by nothing but the object that went.
fn collect_garbage(state: &mut State, uid: &str) {
    for (resource, object) in owned_by(state, uid) {
        // An earlier round of this loop may have taken it along.
        let (namespace, name) = key_of(&object);
        let Some(live) = state.get(&resource.id, &namespace, &name).cloned() else { continue };
        if live["metadata"]["ownerReferences"].as_array().is_some_and(|refs| refs.len() > 1) {
            let mut kept = (*live).clone();
            drop_owner(&mut kept, uid);
            state.put(&resource, kept);
        } else {
            delete_anyway(state, &resource, &live);
        }
    }
}
