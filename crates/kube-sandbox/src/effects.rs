//! What operators do at run time, as data.
//!
//! ```json
//! { "effects": [ {
//!     "when": { "apiVersion": "apps/v1", "kind": "Deployment", "namespace": "kube-system", "name": "operator", "condition": "condition=Available" },
//!     "then": [ { "apply": { "…": "a whole object, its status too" } },
//!               { "status": { "apiVersion": "v1", "kind": "…", "namespace": "…", "name": "…" }, "set": { "…": "status" } } ] } ] }
//! ```
//!
//! A condition is `exists`, `ready` or `condition=Type[=Status]`. What follows happens in order, once each time the condition becomes true; a
//! step whose kind or object is not there yet waits, and the ones behind it with it. A step that would change nothing writes nothing.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::actors::set_status;
use crate::decode;
use crate::managed::{self, ApplyOptions};
use crate::objects::{self, Ownership, identify, text};
use crate::request::Caller;
use crate::store::State;
use crate::workloads::{condition_status, is_ready};

/// Effects that are not understood.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EffectsError {
    /// A key that has no meaning.
    #[error("{at}: unknown key {key:?}; known are {known}")]
    UnknownKey {
        /// Where it is.
        at: String,
        /// The key.
        key: String,
        /// What could stand there.
        known: &'static str,
    },
    /// A value that is missing or of the wrong kind.
    #[error("{at}: {expected} is expected")]
    Expected {
        /// Where it is.
        at: String,
        /// What should be there.
        expected: &'static str,
    },
}

#[derive(Debug, Clone)]
struct Reference {
    api_version: String,
    kind: String,
    namespace: String,
    name: String,
}

#[derive(Debug, Clone)]
enum Condition {
    Exists,
    Ready,
    Status(String, String),
}

#[derive(Debug, Clone)]
enum Step {
    Apply(Value),
    Status(Reference, Value),
}

#[derive(Debug, Clone)]
struct Effect {
    when: Reference,
    condition: Condition,
    then: Vec<Step>,
    /// How many steps have happened since the condition became true.
    done: usize,
    source: Value,
}

/// The declared effects.
#[derive(Debug, Default)]
pub(crate) struct Effects(Vec<Effect>);

impl Effects {
    /// Returns what was declared, and how far each effect has come, in a form that `declare` reads.
    pub(crate) fn declared(&self) -> Value {
        let with_progress = |effect: &Effect| {
            let mut source = effect.source.clone();
            source["done"] = effect.done.into();
            source
        };
        json!({ "effects": self.0.iter().map(with_progress).collect::<Vec<_>>() })
    }
}

fn object<'a>(value: &'a Value, at: &str, known: &'static str) -> Result<&'a Map<String, Value>, EffectsError> {
    let map = value.as_object().ok_or_else(|| EffectsError::Expected { at: at.to_owned(), expected: "an object" })?;
    if let Some(key) = map.keys().find(|key| !known.split(", ").any(|name| name == *key)) {
        return Err(EffectsError::UnknownKey { at: at.to_owned(), key: key.clone(), known });
    }
    Ok(map)
}

fn list<'a>(value: &'a Value, at: &str) -> Result<&'a Vec<Value>, EffectsError> {
    value.as_array().ok_or_else(|| EffectsError::Expected { at: at.to_owned(), expected: "a list" })
}

fn word(value: &Value, key: &str, at: &str) -> Result<String, EffectsError> {
    let text = value[key].as_str().filter(|text| !text.is_empty());
    text.map(str::to_owned).ok_or_else(|| EffectsError::Expected { at: format!("{at}.{key}"), expected: "a string" })
}

fn reference(value: &Value, at: &str) -> Result<Reference, EffectsError> {
    let namespace = match &value["namespace"] {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        _ => return Err(EffectsError::Expected { at: format!("{at}.namespace"), expected: "a string" }),
    };
    Ok(Reference { api_version: word(value, "apiVersion", at)?, kind: word(value, "kind", at)?, namespace, name: word(value, "name", at)? })
}

fn condition(text: &str, at: &str) -> Result<Condition, EffectsError> {
    let expected = "\"exists\", \"ready\" or \"condition=Type[=Status]\"";
    match text {
        "exists" => Ok(Condition::Exists),
        "ready" => Ok(Condition::Ready),
        other => match other.strip_prefix("condition=").filter(|rest| !rest.is_empty() && !rest.starts_with('=')) {
            Some(rest) => {
                let (kind, status) = rest.split_once('=').unwrap_or((rest, "True"));
                Ok(Condition::Status(kind.to_owned(), status.to_owned()))
            }
            None => Err(EffectsError::Expected { at: at.to_owned(), expected }),
        },
    }
}

fn step(value: &Value, at: &str) -> Result<Step, EffectsError> {
    let map = object(value, at, "apply, status, set")?;
    match (map.get("apply"), map.get("status"), map.get("set")) {
        (Some(applied), None, None) => {
            let at = format!("{at}.apply");
            word(applied, "apiVersion", &at)?;
            word(applied, "kind", &at)?;
            word(&applied["metadata"], "name", &format!("{at}.metadata"))?;
            Ok(Step::Apply(applied.clone()))
        }
        (None, Some(target), Some(set)) if set.is_object() => {
            let at = format!("{at}.status");
            object(target, &at, "apiVersion, kind, namespace, name")?;
            Ok(Step::Status(reference(target, &at)?, set.clone()))
        }
        _ => Err(EffectsError::Expected { at: at.to_owned(), expected: "either apply, or status with set" }),
    }
}

fn effect(value: &Value, at: &str) -> Result<Effect, EffectsError> {
    object(value, at, "when, then, done")?;
    let when = &value["when"];
    let when_at = format!("{at}.when");
    object(when, &when_at, "apiVersion, kind, namespace, name, condition")?;
    let then = list(&value["then"], &format!("{at}.then"))?;
    let steps = then.iter().enumerate().map(|(index, value)| step(value, &format!("{at}.then[{index}]")));
    let mut source = value.clone();
    let done = source.as_object_mut().and_then(|map| map.remove("done")).and_then(|done| done.as_u64()).unwrap_or(0);
    Ok(Effect {
        when: reference(when, &when_at)?,
        condition: condition(&word(when, "condition", &when_at)?, &format!("{when_at}.condition"))?,
        then: steps.collect::<Result<_, _>>()?,
        done: usize::try_from(done).unwrap_or(usize::MAX),
        source,
    })
}

/// Adds effects; either all of them or none.
pub(crate) fn declare(state: &mut State, declared: &Value) -> Result<(), EffectsError> {
    object(declared, "effects", "effects")?;
    let effects = list(&declared["effects"], "effects")?;
    let read: Vec<Effect> =
        effects.iter().enumerate().map(|(at, value)| effect(value, &format!("effects[{at}]"))).collect::<Result<_, _>>()?;
    for effect in read {
        // Declaring the same again is no second effect.
        if !state.effects.0.iter().any(|known| known.source == effect.source) {
            state.effects.0.push(effect);
        }
    }
    Ok(())
}

fn find(state: &State, reference: &Reference) -> Option<Arc<Value>> {
    let resource = state.kinds.by_kind(&reference.api_version, &reference.kind)?;
    let namespace = if resource.namespaced { reference.namespace.as_str() } else { "" };
    state.get(&resource.id, namespace, &reference.name).cloned()
}

fn holds(condition: &Condition, object: &Value) -> bool {
    match condition {
        Condition::Exists => true,
        Condition::Ready => is_ready(object),
        Condition::Status(kind, status) => condition_status(object, kind) == Some(status),
    }
}

/// Lets happen what is due.
pub(crate) fn play(state: &mut State) {
    for at in 0..state.effects.0.len() {
        let effect = &state.effects.0[at];
        let due = find(state, &effect.when).is_some_and(|object| holds(&effect.condition, &object));
        if !due {
            state.effects.0[at].done = 0;
            continue;
        }
        let manager = effect.when.name.clone();
        while let Some(step) = state.effects.0[at].then.get(state.effects.0[at].done).cloned() {
            if !perform(state, &step, &manager) {
                break;
            }
            state.effects.0[at].done += 1;
        }
    }
}

/// Returns whether the step could be taken.
fn perform(state: &mut State, step: &Step, manager: &str) -> bool {
    match step {
        Step::Apply(object) => apply(state, object, manager),
        Step::Status(reference, set) => match find(state, reference) {
            Some(_) => write_status(state, reference, set, manager),
            None => false,
        },
    }
}

fn apply(state: &mut State, wanted: &Value, manager: &str) -> bool {
    let word = |key: &str| wanted[key].as_str().unwrap_or_default();
    let Some(resource) = state.kinds.by_kind(word("apiVersion"), word("kind")) else { return false };
    let namespace = if resource.namespaced { text(wanted, "namespace") } else { "" }.to_owned();
    let namespace = if resource.namespaced && namespace.is_empty() { "default".to_owned() } else { namespace };
    let mut config = wanted.clone();
    let status = config.as_object_mut().and_then(|map| map.remove("status"));
    if identify(&resource, &namespace, "", &mut config).is_err() {
        return false;
    }
    let live = state.get(&resource.id, &namespace, text(&config, "name")).cloned();
    let mut caller = Caller::internal(manager);
    let now = state.now();
    let options = ApplyOptions { subresource: "", force: true, now: &now };
    let Ok(mut object) = managed::apply(&resource, live.as_deref(), &config, &caller, options) else { return false };
    if decode::decode(&resource, &mut object, &mut caller).is_err() {
        return false;
    }
    let written = match live {
        Some(live) => objects::update_decoded(state, &mut caller, &resource, "", &live, object, Ownership::Recorded),
        None => objects::create_decoded(state, &mut caller, &resource, object, Ownership::Recorded),
    };
    let Ok((object, _)) = written else { return false };
    match status {
        None => true,
        Some(status) => {
            let reference = Reference {
                api_version: word("apiVersion").into(),
                kind: word("kind").into(),
                namespace,
                name: text(&object, "name").into(),
            };
            write_status(state, &reference, &status, manager)
        }
    }
}

/// Lays a declared status over the one that is there. Conditions without a time keep theirs, or get the present.
fn write_status(state: &mut State, reference: &Reference, set: &Value, manager: &str) -> bool {
    let (Some(live), Some(resource)) = (find(state, reference), state.kinds.by_kind(&reference.api_version, &reference.kind)) else {
        return false;
    };
    let mut status = live["status"].as_object().cloned().unwrap_or_default();
    for (key, value) in set.as_object().into_iter().flatten() {
        status.insert(key.clone(), value.clone());
    }
    let before = live["status"]["conditions"].as_array().cloned().unwrap_or_default();
    let now = state.now();
    for condition in status.get_mut("conditions").and_then(Value::as_array_mut).into_iter().flatten() {
        if condition.is_object() && condition["lastTransitionTime"].is_null() {
            let same = before.iter().find(|old| old["type"] == condition["type"] && old["status"] == condition["status"]);
            condition["lastTransitionTime"] = same.and_then(|old| old["lastTransitionTime"].as_str()).unwrap_or(&now).into();
        }
    }
    set_status(state, &resource.id, &live, Value::Object(status), manager);
    true
}
