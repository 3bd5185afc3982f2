//! What the workloads of a release will do at run time, declared so that a sandbox can play it.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::ObjectRef;

/// Everything that a release's workloads do, in the order it is declared.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Effects {
    pub effects: Vec<Effect>,
}

impl Effects {
    /// Returns no effects.
    pub fn none() -> Self {
        Effects::default()
    }

    /// Adds one effect.
    #[must_use]
    pub fn and(mut self, effect: Effect) -> Self {
        self.effects.push(effect);
        self
    }
}

/// When an object reaches a condition, objects appear or get a status.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Effect {
    pub when: Value,
    pub then: Vec<Value>,
}

impl Effect {
    /// Starts an effect. `condition` is `exists`, `ready` or `condition=TYPE[=STATUS]`.
    pub fn when(object: &ObjectRef, condition: &str) -> Self {
        let mut when = reference(object);
        when["condition"] = condition.into();
        Effect { when, then: Vec::new() }
    }

    /// An object that is created, with its status where it has one.
    #[must_use]
    pub fn creates(mut self, object: Value) -> Self {
        self.then.push(json!({ "apply": object }));
        self
    }

    /// A status that is set.
    #[must_use]
    pub fn sets_status(mut self, object: &ObjectRef, status: Value) -> Self {
        self.then.push(json!({ "status": reference(object), "set": status }));
        self
    }
}

fn reference(object: &ObjectRef) -> Value {
    let mut value = json!({ "apiVersion": object.api_version, "kind": object.kind, "name": object.name });
    if let Some(namespace) = &object.namespace {
        value["namespace"] = namespace.as_str().into();
    }
    value
}
