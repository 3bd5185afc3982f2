//! What was applied on the client's side becomes what is applied on the server's (client-go `util/csaupgrade/upgrade.go`).

use serde_json::{Value, json};

use crate::cluster::{Cluster, PatchType};
use crate::error::Error;
use crate::object::ObjectRef;

/// How often it is tried again when somebody else wrote to the object meanwhile (client-go `util/retry`, DefaultRetry).
const TRIES: usize = 5;

impl Cluster {
    /// Hands over what a manager owns of an object by updates to its applies: what it then no longer applies goes. Nothing is written where it
    /// owns nothing that way; tells whether something was.
    pub(crate) async fn hand_updates_to_applies(&self, object: &ObjectRef, live: &Value, manager: &str) -> Result<bool, Error> {
        let mut live = live.clone();
        let mut tries = 1;
        while let Some(fields) = updates_as_applies(&live, manager) {
            // With the version that was read, so that nobody's fields get lost.
            let patch = json!({ "metadata": { "managedFields": fields, "resourceVersion": live.pointer("/metadata/resourceVersion") } });
            match self.patch_known(object, Some(&live), PatchType::Merge, &patch, None, manager).await {
                Err(error) if error.code() == "conflict" && tries < TRIES => {}
                patched => return patched.map(|_| true),
            }
            tries += 1;
            let Some(now) = self.get(object).await? else { return Ok(false) };
            live = now;
        }
        Ok(false)
    }
}

/// Returns an object's managed fields with what a manager updated as what it applied; none where it updated nothing.
///
/// What it updated in another version of the kind than it applies is given up, as in client-go.
fn updates_as_applies(object: &Value, manager: &str) -> Option<Vec<Value>> {
    let entries = object.pointer("/metadata/managedFields")?.as_array()?;
    let is = |entry: &Value, operation: &str| {
        entry["manager"] == manager && entry["operation"] == operation && entry["subresource"].as_str().unwrap_or_default().is_empty()
    };
    let first = entries.iter().position(|entry| is(entry, "Update"))?;
    let target = entries.iter().position(|entry| is(entry, "Apply")).unwrap_or(first);
    let mut applied = entries[target].clone();
    if let Some(updated) = entries.iter().find(|entry| is(entry, "Update") && entry["apiVersion"] == applied["apiVersion"]) {
        unite(&mut applied["fieldsV1"], &updated["fieldsV1"]);
    }
    applied["operation"] = "Apply".into();
    let kept = entries.iter().enumerate().filter(|(index, entry)| *index == target || !is(entry, "Update"));
    Some(kept.map(|(index, entry)| if index == target { applied.clone() } else { entry.clone() }).collect())
}

/// Adds a set of fields to another one.
fn unite(fields: &mut Value, more: &Value) {
    match (fields, more) {
        (Value::Object(fields), Value::Object(more)) => {
            for (key, more) in more {
                unite(fields.entry(key).or_insert(Value::Null), more);
            }
        }
        (fields @ Value::Null, more) => *fields = more.clone(),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(manager: &str, operation: &str, version: &str, fields: Value) -> Value {
        json!({ "manager": manager, "operation": operation, "apiVersion": version, "fieldsType": "FieldsV1", "fieldsV1": fields })
    }

    fn check(entries: &[Value], expected: Option<&[Value]>) {
        let object = json!({ "metadata": { "managedFields": entries } });
        assert_eq!(updates_as_applies(&object, "me").as_deref(), expected);
    }

    #[test]
    fn the_first_update_becomes_the_apply() {
        let other = entry("other", "Update", "v1", json!({ "f:data": { "f:c": {} } }));
        let status = json!({ "manager": "me", "operation": "Update", "apiVersion": "v1", "subresource": "status", "fieldsV1": {} });
        let mine = json!({ "f:data": { ".": {}, "f:a": {} } });
        check(
            &[other.clone(), entry("me", "Update", "v1", mine.clone()), entry("me", "Update", "v2", json!({})), status.clone()],
            Some(&[other.clone(), entry("me", "Apply", "v1", mine), status.clone()]),
        );
        check(&[other, status], None);
        check(&[], None);
    }

    #[test]
    fn updates_join_what_is_applied_in_their_version() {
        let list = |key: &str| json!({ "f:spec": { "f:ports": { key: { ".": {}, "f:port": {} } } } });
        let both = json!({ "f:spec": { "f:ports": {
            "k:{\"port\":1}": { ".": {}, "f:port": {} }, "k:{\"port\":2}": { ".": {}, "f:port": {} } } } });
        check(
            &[entry("me", "Update", "v1", list("k:{\"port\":1}")), entry("me", "Apply", "v1", list("k:{\"port\":2}"))],
            Some(&[entry("me", "Apply", "v1", both)]),
        );
        check(
            &[entry("me", "Update", "v1", list("k:{\"port\":1}")), entry("me", "Apply", "v2", json!({}))],
            Some(&[entry("me", "Apply", "v2", json!({}))]),
        );
        check(&[entry("me", "Apply", "v1", json!({}))], None);
    }
}
