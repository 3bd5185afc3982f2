//! What the server remembers: objects, the history that watches replay, the revision and uid counters.
//!
//! Everything lives behind one mutex that is never held across an await. History is bounded; who asks for more gets `Expired`.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use serde_json::Value;

use crate::effects::Effects;
use crate::kinds::{Kinds, Resource, ResourceId};
use crate::{Options, Write};

/// How many changes of one resource are kept for watches and for the pages of a list.
const HISTORY: usize = 20_000;

/// Namespace and name; the namespace is empty for cluster-scoped objects.
pub(crate) type ObjectKey = (String, String);

/// One change of one object.
#[derive(Debug, Clone)]
pub(crate) struct Change {
    pub(crate) revision: u64,
    pub(crate) before: Option<Arc<Value>>,
    pub(crate) after: Option<Arc<Value>>,
    /// The last state of a deleted object, with the revision of its deletion.
    pub(crate) last: Option<Arc<Value>>,
}

impl Change {
    pub(crate) fn key(&self) -> ObjectKey {
        let object = self.after.as_ref().or(self.before.as_ref());
        object.map(|object| key_of(object)).unwrap_or_default()
    }
}

#[derive(Debug, Default)]
pub(crate) struct Collection {
    pub(crate) objects: BTreeMap<ObjectKey, Arc<Value>>,
    pub(crate) history: VecDeque<Change>,
    /// Changes up to this revision are forgotten.
    pub(crate) forgotten: u64,
}

impl Collection {
    /// Returns the objects as they were at a revision, or nothing if that is too long ago.
    pub(crate) fn at(&self, revision: u64) -> Option<BTreeMap<ObjectKey, Arc<Value>>> {
        if revision < self.forgotten {
            return None;
        }
        let mut objects = self.objects.clone();
        for change in self.history.iter().rev().take_while(|change| change.revision > revision) {
            match &change.before {
                Some(before) => objects.insert(change.key(), Arc::clone(before)),
                None => objects.remove(&change.key()),
            };
        }
        Some(objects)
    }

    fn record(&mut self, change: Change) {
        self.history.push_back(change);
        if self.history.len() > HISTORY
            && let Some(dropped) = self.history.pop_front()
        {
            self.forgotten = dropped.revision;
        }
    }
}

pub(crate) struct State {
    pub(crate) options: Options,
    pub(crate) kinds: Kinds,
    pub(crate) collections: BTreeMap<ResourceId, Collection>,
    pub(crate) revision: u64,
    pub(crate) uids: u64,
    /// How many objects name an owner, by the uid of the owner.
    pub(crate) dependents: HashMap<String, usize>,
    /// What definitions define, by name, with the uid and generation that was read.
    pub(crate) defined: BTreeMap<String, (Value, Value, Vec<Resource>)>,
    pub(crate) writes: Vec<Write>,
    /// Workloads that never become ready: kind, namespace, name.
    pub(crate) held: BTreeSet<(String, String, String)>,
    pub(crate) effects: Effects,
    /// Revision up to which the actors have seen everything.
    pub(crate) settled: u64,
}

pub(crate) fn key_of(object: &Value) -> ObjectKey {
    let text = |key: &str| object["metadata"][key].as_str().unwrap_or_default().to_owned();
    (text("namespace"), text("name"))
}

impl State {
    pub(crate) fn new(options: Options) -> State {
        State {
            options,
            kinds: Kinds::built_in(),
            collections: BTreeMap::new(),
            revision: 0,
            uids: 0,
            dependents: HashMap::new(),
            defined: BTreeMap::new(),
            writes: Vec::new(),
            held: BTreeSet::new(),
            effects: Effects::default(),
            settled: 0,
        }
    }

    /// Returns the time as Kubernetes writes it, to the second.
    pub(crate) fn now(&self) -> String {
        (self.options.clock)().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
    }

    /// Returns the next uid: a version 4 UUID that depends on the seed and the count only.
    pub(crate) fn next_uid(&mut self) -> String {
        self.uids += 1;
        let high = mix(self.options.seed ^ mix(self.uids));
        let low = mix(high ^ self.uids.rotate_left(32));
        format!(
            "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
            high >> 32,
            (high >> 16) & 0xffff,
            high & 0xfff,
            0x8000 | (low >> 48) & 0x3fff,
            low & 0xffff_ffff_ffff
        )
    }

    /// Returns five letters for `generateName`, from the alphabet Kubernetes uses.
    pub(crate) fn next_suffix(&mut self) -> String {
        const LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
        self.uids += 1;
        let mut bits = mix(self.options.seed.rotate_left(17) ^ mix(self.uids));
        let mut suffix = String::new();
        for _ in 0..5 {
            suffix.push(char::from(LETTERS[(bits % LETTERS.len() as u64) as usize]));
            bits /= LETTERS.len() as u64;
        }
        suffix
    }

    pub(crate) fn get(&self, id: &ResourceId, namespace: &str, name: &str) -> Option<&Arc<Value>> {
        self.collections.get(id)?.objects.get(&(namespace.to_owned(), name.to_owned()))
    }

    /// Finds a built-in object by group and plural name.
    pub(crate) fn find(&self, group: &str, plural: &str, namespace: &str, name: &str) -> Option<&Arc<Value>> {
        self.get(&ResourceId::new(group, plural), namespace, name)
    }

    pub(crate) fn objects(&self, id: &ResourceId) -> Vec<Arc<Value>> {
        self.collections.get(id).map(|c| c.objects.values().cloned().collect()).unwrap_or_default()
    }

    /// Stores an object under a new revision and returns it as stored.
    pub(crate) fn put(&mut self, resource: &Resource, mut object: Value) -> Arc<Value> {
        self.revision += 1;
        object["metadata"]["resourceVersion"] = self.revision.to_string().into();
        let object = Arc::new(object);
        let key = key_of(&object);
        let collection = self.collections.entry(resource.id.clone()).or_default();
        let before = collection.objects.insert(key, Arc::clone(&object));
        count_owners(&mut self.dependents, before.as_deref(), Some(&object));
        collection.record(Change { revision: self.revision, before, after: Some(Arc::clone(&object)), last: None });
        object
    }

    /// Removes an object and returns its last state.
    pub(crate) fn remove(&mut self, id: &ResourceId, key: &ObjectKey) -> Option<Arc<Value>> {
        let collection = self.collections.get_mut(id)?;
        let before = collection.objects.remove(key)?;
        count_owners(&mut self.dependents, Some(&before), None);
        self.revision += 1;
        let mut last = (*before).clone();
        last["metadata"]["resourceVersion"] = self.revision.to_string().into();
        let last = Arc::new(last);
        collection.record(Change { revision: self.revision, before: Some(before), after: None, last: Some(Arc::clone(&last)) });
        Some(last)
    }
}

/// Keeps the count of dependents when one object replaces another.
pub(crate) fn count_owners(counts: &mut HashMap<String, usize>, before: Option<&Value>, after: Option<&Value>) {
    let owners = |object: Option<&Value>| {
        let refs = object.and_then(|object| object["metadata"]["ownerReferences"].as_array());
        let uids = refs.into_iter().flatten().filter_map(|owner| owner["uid"].as_str().map(str::to_owned));
        uids.collect::<Vec<_>>()
    };
    for uid in owners(after) {
        *counts.entry(uid).or_default() += 1;
    }
    for uid in owners(before) {
        if let Some(count) = counts.get_mut(&uid) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&uid);
            }
        }
    }
}

/// SplitMix64's finaliser.
fn mix(mut bits: u64) -> u64 {
    bits = bits.wrapping_add(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}
