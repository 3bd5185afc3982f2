//! The state as one JSON value, so that another process can continue.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::kinds::ResourceId;
use crate::store::{State, count_owners, key_of};
use crate::{Clock, Options, crd, effects};

/// Saved state that cannot be loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The value is not what `save` returns.
    #[error("saved sandbox: {0} is missing or of the wrong type; start without saved state")]
    Malformed(&'static str),
}

/// The form of what is saved; another number is refused.
const FORM: u64 = 1;

/// Returns everything the server remembers, except history and the log of writes.
pub(crate) fn save(state: &State) -> Value {
    let collections: Vec<Value> = state
        .collections
        .iter()
        .filter(|(_, c)| !c.objects.is_empty())
        .map(|(id, collection)| {
            let objects: Vec<&Value> = collection.objects.values().map(|object| &**object).collect();
            json!({ "group": id.group, "resource": id.plural, "objects": objects })
        })
        .collect();
    let held: Vec<Value> = state.held.iter().map(|(kind, namespace, name)| json!([kind, namespace, name])).collect();
    json!({
        "form": FORM, "kubeVersion": state.options.kube_version, "serviceCidr": state.options.service_cidr, "seed": state.options.seed,
        "actors": state.options.actors, "revision": state.revision, "uids": state.uids, "collections": collections, "held": held,
        "effects": state.effects.declared(),
    })
}

/// Restores a state.
pub(crate) fn load(clock: Clock, saved: &Value) -> Result<State, LoadError> {
    let number = |key: &'static str| saved[key].as_u64().ok_or(LoadError::Malformed(key));
    let text = |value: &Value, key: &'static str| value[key].as_str().map(str::to_owned).ok_or(LoadError::Malformed(key));
    if number("form")? != FORM {
        return Err(LoadError::Malformed("form"));
    }
    let options = Options {
        kube_version: text(saved, "kubeVersion")?,
        service_cidr: text(saved, "serviceCidr")?,
        clock,
        seed: number("seed")?,
        actors: saved["actors"].as_bool().ok_or(LoadError::Malformed("actors"))?,
    };
    let mut state = State::new(options);
    state.revision = number("revision")?;
    state.uids = number("uids")?;
    for collection in saved["collections"].as_array().ok_or(LoadError::Malformed("collections"))? {
        let id = ResourceId { group: text(collection, "group")?, plural: text(collection, "resource")? };
        let objects = collection["objects"].as_array().ok_or(LoadError::Malformed("objects"))?;
        for object in objects {
            count_owners(&mut state.dependents, None, Some(object));
        }
        let entry = state.collections.entry(id).or_default();
        entry.objects.extend(objects.iter().map(|object| (key_of(object), Arc::new(object.clone()))));
    }
    for held in saved["held"].as_array().ok_or(LoadError::Malformed("held"))? {
        let part = |at: usize| held[at].as_str().unwrap_or_default().to_owned();
        state.held.insert((part(0), part(1), part(2)));
    }
    // What came before is not remembered: watches from earlier revisions start anew.
    let revision = state.revision;
    state.collections.values_mut().for_each(|collection| collection.forgotten = revision);
    effects::declare(&mut state, &saved["effects"]).map_err(|_| LoadError::Malformed("effects"))?;
    crd::refresh_kinds(&mut state);
    state.settled = state.revision;
    Ok(state)
}
