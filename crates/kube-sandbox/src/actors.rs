//! Controllers and nodes, played in process after each write, until nothing is left to do.
//!
//! What the API server itself does (establishing definitions, emptying namespaces) always happens; the rest only where actors are wanted.
//! Everything is decided by the stored objects, so the same requests give the same objects. No pods are made for workloads: a workload's
//! status says what it would be with all of them running.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::kinds::{Resource, ResourceId};
use crate::objects::{self, Ownership, text};
use crate::request::Caller;
use crate::store::{Change, ObjectKey, State};
use crate::{crd, effects, workloads};

/// Rounds after which actors that keep reacting to each other are left alone.
const ROUNDS: usize = 64;

/// Makes the objects that every cluster has.
pub(crate) fn start(state: &mut State) {
    for name in ["default", "kube-node-lease", "kube-public", "kube-system"] {
        make(state, "v1", "Namespace", "", json!({ "metadata": { "name": name } }));
    }
    if state.options.actors {
        let conditions = json!([{
            "type": "Ready", "status": "True", "reason": "KubeletReady", "message": "kubelet is posting ready status",
            "lastHeartbeatTime": state.now(), "lastTransitionTime": state.now(),
        }]);
        let capacity = json!({ "cpu": "8", "memory": "32Gi", "pods": "110" });
        let status = json!({
            "conditions": conditions, "capacity": capacity, "allocatable": capacity,
            "addresses": [{ "type": "InternalIP", "address": "192.0.2.10" }, { "type": "Hostname", "address": "node-1" }],
            "nodeInfo": { "kubeletVersion": state.options.kube_version, "operatingSystem": "linux", "architecture": "amd64" },
        });
        let labels = json!({ "kubernetes.io/hostname": "node-1", "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64" });
        make(state, "v1", "Node", "", json!({ "metadata": { "name": "node-1", "labels": labels }, "spec": {}, "status": status }));
    }
    settle(state);
}

/// Creates an object as the server's own controller; one that is there already is left alone.
fn make(state: &mut State, api_version: &str, kind: &str, namespace: &str, object: Value) {
    if let Some(resource) = state.kinds.by_kind(api_version, kind) {
        let exists = state.get(&resource.id, namespace, text(&object, "name")).is_some();
        if !exists {
            let mut caller = Caller::internal("kube-controller-manager");
            // Refused only where the namespace is going away; then nothing is to be made.
            drop(objects::create(state, &mut caller, &resource, namespace, object));
        }
    }
}

/// Lets the actors react to everything that happened since the last time.
pub(crate) fn settle(state: &mut State) {
    for _ in 0..ROUNDS {
        let changes = changes_since(state, state.settled);
        let before = state.revision;
        state.settled = before;
        for (id, key, last) in changes {
            react(state, &id, &key, last);
        }
        empty_namespaces(state);
        effects::play(state);
        if state.revision == before {
            return;
        }
    }
}

type Seen = (ResourceId, ObjectKey, Option<Change>);

/// Returns what changed, each object once, in a fixed order.
fn changes_since(state: &State, revision: u64) -> Vec<Seen> {
    let mut seen = Vec::new();
    for (id, collection) in &state.collections {
        if revision == 0 {
            seen.extend(collection.objects.keys().map(|key| (id.clone(), key.clone(), None)));
            continue;
        }
        let start = collection.history.partition_point(|change| change.revision <= revision);
        let mut keys = BTreeSet::new();
        for change in collection.history.iter().skip(start).rev() {
            if keys.insert(change.key()) {
                seen.push((id.clone(), change.key(), Some(change.clone())));
            }
        }
    }
    seen
}

fn react(state: &mut State, id: &ResourceId, key: &ObjectKey, change: Option<Change>) {
    let live = state.get(id, &key.0, &key.1).cloned();
    match (id.group.as_str(), id.plural.as_str(), live) {
        (crd::GROUP, crd::PLURAL, live) => definition(state, live, change),
        (_, _, None) => {}
        _ if !state.options.actors => {}
        ("", "namespaces", Some(namespace)) => new_namespace(state, &namespace),
        (_, _, Some(live)) => workload(state, id, &live),
    }
}

fn definition(state: &mut State, live: Option<Arc<Value>>, change: Option<Change>) {
    match live {
        Some(live) if !crd::is_established(&live) => {
            let status = crd::established_status(&live, &state.now());
            // That is a change which comes back here.
            return set_status(state, &ResourceId::new(crd::GROUP, crd::PLURAL), &live, status, "kube-apiserver");
        }
        Some(_) => {}
        None => {
            let before = change.and_then(|change| change.before);
            // A definition may have been deleted and made again since.
            if let Some(id) = before.map(|definition| crd::defines(&definition)) {
                let keys: Vec<ObjectKey> = state.collections.get(&id).map(|c| c.objects.keys().cloned().collect()).unwrap_or_default();
                for key in keys {
                    state.remove(&id, &key);
                }
            }
        }
    }
    crd::refresh_kinds(state);
}

fn new_namespace(state: &mut State, namespace: &Value) {
    if namespace["metadata"]["deletionTimestamp"].is_string() {
        return;
    }
    let name = text(namespace, "name").to_owned();
    make(state, "v1", "ServiceAccount", &name, json!({ "metadata": { "name": "default" } }));
    let certificate = json!({ "ca.crt": "" });
    make(state, "v1", "ConfigMap", &name, json!({ "metadata": { "name": "kube-root-ca.crt" }, "data": certificate }));
}

fn workload(state: &mut State, id: &ResourceId, live: &Arc<Value>) {
    let held = (live["kind"].as_str().unwrap_or_default().to_owned(), text(live, "namespace").to_owned(), text(live, "name").to_owned());
    let held = state.held.contains(&held);
    let nodes = state.objects(&ResourceId::new("", "nodes")).len();
    let now = state.now();
    if let Some(status) = workloads::status(id, live, &workloads::Surroundings { held, nodes, now: &now }) {
        set_status(state, id, live, status, "kube-controller-manager");
    }
}

/// Writes a status as a controller would; one that is there already is not written again.
pub(crate) fn set_status(state: &mut State, id: &ResourceId, live: &Arc<Value>, status: Value, manager: &str) {
    let Some(resource) = state.kinds.preferred(id) else { return };
    let mut object = (**live).clone();
    object["status"] = status;
    let mut caller = Caller::internal(manager);
    let subresource = if resource.has_status() { "status" } else { "" };
    // An actor's status can be refused only by a custom resource's schema; the object then stays as it is.
    drop(objects::update_decoded(state, &mut caller, &resource, subresource, live, object, Ownership::Compare));
}

/// Deletes what is in namespaces that are going, and then the namespaces.
fn empty_namespaces(state: &mut State) {
    let namespaces = state.objects(&ResourceId::new("", "namespaces"));
    for namespace in namespaces.iter().filter(|namespace| namespace["metadata"]["deletionTimestamp"].is_string()) {
        let name = text(namespace, "name").to_owned();
        if delete_contents(state, &name) {
            finish_namespace(state, &name);
        }
    }
}

/// Returns whether nothing is left.
fn delete_contents(state: &mut State, namespace: &str) -> bool {
    for resource in state.kinds.all_preferred().iter().filter(|resource| resource.namespaced) {
        for object in in_namespace(state, resource, namespace) {
            objects::delete_anyway(state, resource, &object);
        }
    }
    !state.collections.values().any(|collection| collection.objects.keys().any(|(of, _)| of == namespace))
}

fn in_namespace(state: &State, resource: &Resource, namespace: &str) -> Vec<Arc<Value>> {
    let collection = state.collections.get(&resource.id);
    let objects = collection.into_iter().flat_map(|c| c.objects.iter());
    objects.filter(|((of, _), _)| of == namespace).map(|(_, object)| Arc::clone(object)).collect()
}

fn finish_namespace(state: &mut State, name: &str) {
    let id = ResourceId::new("", "namespaces");
    let (Some(live), Some(resource)) = (state.get(&id, "", name).cloned(), state.kinds.preferred(&id)) else { return };
    let mut object = (*live).clone();
    object["spec"]["finalizers"] = json!([]);
    if !objects::has_finalizers(&object) {
        objects::remove(state, &resource, &object);
    }
}
