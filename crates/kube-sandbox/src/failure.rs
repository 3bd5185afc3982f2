//! Errors as the API server says them: a `Status` object with code, reason, message and details.
//!
//! The words follow k8s.io/apimachinery v0.36 `pkg/api/errors` and `pkg/util/validation/field`.

use serde_json::{Value, json};

/// A request that failed.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Failure {
    pub(crate) code: u16,
    pub(crate) reason: &'static str,
    pub(crate) message: String,
    pub(crate) details: Value,
}

/// One thing that is wrong with an object.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Cause {
    pub(crate) reason: &'static str,
    pub(crate) message: String,
    pub(crate) field: String,
}

impl Cause {
    pub(crate) fn required(field: impl Into<String>, why: &str) -> Cause {
        let message = if why.is_empty() { "Required value".into() } else { format!("Required value: {why}") };
        Cause { reason: "FieldValueRequired", message, field: field.into() }
    }

    pub(crate) fn invalid(field: impl Into<String>, value: &Value, why: impl AsRef<str>) -> Cause {
        Cause { reason: "FieldValueInvalid", message: format!("Invalid value: {}: {}", shown(value), why.as_ref()), field: field.into() }
    }

    pub(crate) fn unsupported(field: impl Into<String>, value: &Value, choices: &[String]) -> Cause {
        let message = format!("Unsupported value: {}: supported values: {}", shown(value), choices.join(", "));
        Cause { reason: "FieldValueNotSupported", message, field: field.into() }
    }

    pub(crate) fn duplicate(field: impl Into<String>, value: &Value) -> Cause {
        Cause { reason: "FieldValueDuplicate", message: format!("Duplicate value: {}", shown(value)), field: field.into() }
    }

    pub(crate) fn forbidden(field: impl Into<String>, why: &str) -> Cause {
        Cause { reason: "FieldValueForbidden", message: format!("Forbidden: {why}"), field: field.into() }
    }

    pub(crate) fn wrong_type(field: impl Into<String>, value: &Value, why: &str) -> Cause {
        Cause { reason: "FieldValueTypeInvalid", message: format!("Invalid value: {}: {why}", shown(value)), field: field.into() }
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::Array(_) | Value::Object(_) => serde_json::to_string(value).unwrap_or_default(),
        other => other.to_string(),
    }
}

/// Writes a resource with its group as the API server does: `deployments.apps`, `pods`.
pub(crate) fn qualified(group: &str, name: &str) -> String {
    if group.is_empty() { name.to_owned() } else { format!("{name}.{group}") }
}

impl Failure {
    pub(crate) fn new(code: u16, reason: &'static str, message: impl Into<String>) -> Failure {
        Failure { code, reason, message: message.into(), details: Value::Null }
    }

    fn about(self, group: &str, resource: &str, name: &str) -> Failure {
        let mut details = json!({ "name": name, "kind": resource });
        if !group.is_empty() {
            details["group"] = group.into();
        }
        Failure { details, ..self }
    }

    pub(crate) fn bad_request(message: impl Into<String>) -> Failure {
        Failure::new(400, "BadRequest", message)
    }

    pub(crate) fn no_such_resource() -> Failure {
        Failure { details: json!({}), ..Failure::new(404, "NotFound", "the server could not find the requested resource") }
    }

    pub(crate) fn not_found(group: &str, resource: &str, name: &str) -> Failure {
        let message = format!("{} \"{name}\" not found", qualified(group, resource));
        Failure::new(404, "NotFound", message).about(group, resource, name)
    }

    pub(crate) fn already_exists(group: &str, resource: &str, name: &str) -> Failure {
        let message = format!("{} \"{name}\" already exists", qualified(group, resource));
        Failure::new(409, "AlreadyExists", message).about(group, resource, name)
    }

    pub(crate) fn conflict(group: &str, resource: &str, name: &str, why: &str) -> Failure {
        let message = format!("Operation cannot be fulfilled on {} \"{name}\": {why}", qualified(group, resource));
        Failure::new(409, "Conflict", message).about(group, resource, name)
    }

    pub(crate) fn stale(group: &str, resource: &str, name: &str) -> Failure {
        let why = "the object has been modified; please apply your changes to the latest version and try again";
        Failure::conflict(group, resource, name, why)
    }

    pub(crate) fn forbidden(group: &str, resource: &str, name: &str, why: &str) -> Failure {
        let message = format!("{} \"{name}\" is forbidden: {why}", qualified(group, resource));
        Failure::new(403, "Forbidden", message).about(group, resource, name)
    }

    pub(crate) fn invalid(group: &str, kind: &str, name: &str, causes: Vec<Cause>) -> Failure {
        let words: Vec<String> = causes.iter().map(|c| format!("{}: {}", c.field, c.message)).collect();
        let all = if words.len() == 1 { words[0].clone() } else { format!("[{}]", words.join(", ")) };
        let message = format!("{} \"{name}\" is invalid: {all}", qualified(group, kind));
        let mut failure = Failure::new(422, "Invalid", message).about(group, kind, name);
        failure.details["causes"] = causes_json(&causes);
        failure
    }

    pub(crate) fn method_not_allowed() -> Failure {
        let message = "the server does not allow this method on the requested resource";
        Failure { details: json!({}), ..Failure::new(405, "MethodNotAllowed", message) }
    }

    pub(crate) fn gone(message: impl Into<String>) -> Failure {
        Failure::new(410, "Expired", message)
    }

    pub(crate) fn with_causes(mut self, causes: &[Cause]) -> Failure {
        if self.details.is_null() {
            self.details = json!({});
        }
        self.details["causes"] = causes_json(causes);
        self
    }

    /// Returns the `Status` object.
    pub(crate) fn status(&self) -> Value {
        let mut status = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": self.message, "reason": self.reason, "code": self.code,
        });
        if !self.details.is_null() {
            status["details"] = self.details.clone();
        }
        status
    }
}

fn causes_json(causes: &[Cause]) -> Value {
    causes.iter().map(|c| json!({ "reason": c.reason, "message": c.message, "field": c.field })).collect()
}
