//! Who owns which field: `metadata.managedFields`, and server-side apply.
//!
//! Mirrors k8s.io/apimachinery v0.36 `pkg/util/managedfields/internal` and structured-merge-diff v6 `merge/update.go`. Conversion between
//! versions relabels only, so sets of all versions are compared in the schema of the request.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::failure::{Cause, Failure};
use crate::fields::{FieldSet, Step};
use crate::kinds::Resource;
use crate::request::Caller;
use crate::schema::Schema;
use crate::typed::{check_applied, compare, fields_of, merge, remove_fields, same};

/// What makes two entries the same one. The version counts for updates only.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Owner {
    name: String,
    applied: bool,
    version: String,
    subresource: String,
}

#[derive(Debug, Clone, PartialEq)]
struct Owned {
    version: String,
    time: Option<String>,
    fields: FieldSet,
}

type Owners = BTreeMap<Owner, Owned>;

impl Owner {
    fn updater(resource: &Resource, name: &str, subresource: &str) -> Owner {
        Owner { name: name.to_owned(), applied: false, version: resource.api_version(), subresource: subresource.to_owned() }
    }

    fn applier(name: &str, subresource: &str) -> Owner {
        Owner { name: name.to_owned(), applied: true, version: String::new(), subresource: subresource.to_owned() }
    }

    /// As conflicts name a manager.
    fn described(&self) -> String {
        let mut words = format!("{:?}", self.name);
        if !self.subresource.is_empty() {
            words = format!("{words} with subresource {:?}", self.subresource);
        }
        if self.applied { words } else { format!("{words} using {}", self.version) }
    }
}

fn read(object: &Value) -> Owners {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let entries = object["metadata"]["managedFields"].as_array().into_iter().flatten();
    let pairs = entries.filter(|entry| entry["operation"].is_string()).map(|entry| {
        let applied = entry["operation"] == "Apply";
        let version = text(&entry["apiVersion"]);
        let owner = Owner {
            name: text(&entry["manager"]),
            applied,
            version: if applied { String::new() } else { version.clone() },
            subresource: text(&entry["subresource"]),
        };
        let time = entry["time"].as_str().map(str::to_owned);
        (owner, Owned { version, time, fields: FieldSet::from_json(&entry["fieldsV1"]) })
    });
    pairs.collect()
}

fn write(object: &mut Value, owners: &Owners) {
    let Some(meta) = object["metadata"].as_object_mut() else { return };
    if owners.is_empty() {
        meta.remove("managedFields");
        return;
    }
    let mut sorted: Vec<(&Owner, &Owned)> = owners.iter().collect();
    sorted.sort_by_key(|(owner, owned)| {
        (!owner.applied, owned.time.clone(), owner.name.clone(), owned.version.clone(), owner.subresource.clone())
    });
    let entries = sorted.into_iter().map(|(owner, owned)| {
        let mut entry = json!({
            "manager": owner.name,
            "operation": if owner.applied { "Apply" } else { "Update" },
            "apiVersion": owned.version,
            "fieldsType": "FieldsV1",
            "fieldsV1": owned.fields.to_json(),
        });
        if let Some(time) = &owned.time {
            entry["time"] = time.clone().into();
        }
        if !owner.subresource.is_empty() {
            entry["subresource"] = owner.subresource.clone().into();
        }
        entry
    });
    meta.insert("managedFields".into(), entries.collect());
}

/// Fields that nobody owns (stripmeta.go).
fn strip(fields: &FieldSet) -> FieldSet {
    let stripped = FieldSet::of_fields(&[
        &["apiVersion"],
        &["kind"],
        &["metadata"],
        &["metadata", "name"],
        &["metadata", "namespace"],
        &["metadata", "creationTimestamp"],
        &["metadata", "selfLink"],
        &["metadata", "uid"],
        &["metadata", "clusterName"],
        &["metadata", "generation"],
        &["metadata", "managedFields"],
        &["metadata", "resourceVersion"],
    ]);
    fields.difference(&stripped)
}

/// Takes out the fields that a write to this endpoint cannot set.
fn settable(resource: &Resource, subresource: &str, mut fields: FieldSet) -> FieldSet {
    let status = Step::field("status");
    if subresource == "status" {
        fields.members.retain(|step| *step == status);
        fields.children.retain(|step, _| *step == status);
    } else if resource.has_status() {
        fields.members.remove(&status);
        fields.children.remove(&status);
    }
    fields
}

/// The object without its ownership record, as comparisons see it.
fn bare(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(meta) = object["metadata"].as_object_mut() {
        meta.remove("managedFields");
    }
    object
}

/// What an empty Go object looks like: structs are there, required lists are null.
fn skeleton(schema: &Schema) -> Value {
    let schema = schema.resolved();
    let mut map = Map::new();
    for (name, field) in &schema.fields {
        if field.default.as_ref().is_some_and(|default| *default == json!({})) {
            map.insert(name.clone(), skeleton(field));
        } else if schema.required.contains(name) && field.resolved().shape == crate::schema::Shape::List {
            map.insert(name.clone(), Value::Null);
        }
    }
    Value::Object(map)
}

/// Records an update: the caller owns what it changed, and nobody else does any more.
pub(crate) fn record_update(resource: &Resource, live: Option<&Value>, object: &mut Value, caller: &Caller, subresource: &str, now: &str) {
    let mut owners = match (&object["metadata"]["managedFields"], live) {
        // An explicitly emptied list resets the record; later updates are not tracked then, as in skipnonapplied.go.
        (Value::Array(list), Some(_)) if list.is_empty() || list.len() == 1 && list[0] == json!({}) => {
            write(object, &Owners::new());
            return;
        }
        (Value::Array(list), _) if subresource.is_empty() && !list.is_empty() => read(object),
        (_, Some(live)) => read(live),
        (_, None) => Owners::new(),
    };
    if live.is_some() && owners.is_empty() {
        write(object, &owners);
        return;
    }
    let before = match live {
        Some(live) => bare(live),
        None if resource.custom => json!({ "metadata": {} }),
        None => skeleton(&resource.schema),
    };
    let difference = compare(&resource.schema, &before, &bare(object));
    let taken = settable(resource, subresource, difference.modified.union(&difference.added));
    let gone = settable(resource, subresource, difference.removed);
    disown(&mut owners, &taken, &gone, None);
    let taken = strip(&taken);
    if !taken.is_empty() {
        let owner = Owner::updater(resource, &caller.manager, subresource);
        let entry =
            owners.entry(owner).or_insert_with(|| Owned { version: resource.api_version(), time: None, fields: FieldSet::default() });
        entry.fields = entry.fields.union(&taken);
        entry.time = Some(now.to_owned());
    }
    write(object, &owners);
}

fn disown(owners: &mut Owners, taken: &FieldSet, gone: &FieldSet, except: Option<&Owner>) {
    for (_, owned) in owners.iter_mut().filter(|(owner, _)| Some(*owner) != except) {
        owned.fields = owned.fields.difference(taken).difference(gone);
    }
    owners.retain(|_, owned| !owned.fields.is_empty());
}

/// What a request to apply says besides the configuration.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ApplyOptions<'a> {
    pub(crate) subresource: &'a str,
    pub(crate) force: bool,
    pub(crate) now: &'a str,
}

/// Applies a configuration to an object (`{}` if there is none yet) and records ownership in the result.
///
/// Returns the live object untouched, times and all, if nothing changes.
pub(crate) fn apply(
    resource: &Resource,
    live: Option<&Value>,
    config: &Value,
    caller: &Caller,
    options: ApplyOptions<'_>,
) -> Result<Value, Failure> {
    check_config(resource, config)?;
    let schema = &*resource.schema;
    let empty = if resource.custom { json!({ "metadata": {} }) } else { skeleton(schema) };
    let base = live.map_or_else(|| empty.clone(), bare);
    let mut owners = live.map(read).unwrap_or_default();
    if let Some(live) = live.filter(|_| owners.is_empty()) {
        adopt_unowned(resource, &empty, live, &mut owners);
    }
    let me = Owner::applier(&caller.manager, options.subresource);
    let merged = merge(schema, Some(&base), Some(config)).unwrap_or(Value::Null);
    let last = owners.get(&me).cloned();
    let fields = settable(resource, options.subresource, fields_of(schema, config));
    let time = last.as_ref().and_then(|last| last.time.clone());
    owners.insert(me.clone(), Owned { version: resource.api_version(), time, fields });
    let pruned = match &last {
        Some(last) => prune(schema, &merged, &owners, &last.fields),
        None => merged,
    };
    let difference = compare(schema, &base, &pruned);
    let taken = settable(resource, options.subresource, difference.modified.union(&difference.added));
    let gone = settable(resource, options.subresource, difference.removed);
    if !options.force {
        refuse_conflicts(&owners, &me, &taken)?;
    }
    disown(&mut owners, &taken, &gone, Some(&me));
    let mut object = pruned;
    let changed = live.is_none() || !same(&base, &object);
    if let Some(mine) = owners.get_mut(&me) {
        mine.fields = strip(&mine.fields);
        // Who applies what is so already gets no time (managedfieldsupdater.go).
        if changed {
            mine.time = Some(options.now.to_owned());
        }
    }
    owners.retain(|_, owned| !owned.fields.is_empty());
    if let Some(map) = object.as_object_mut() {
        map.entry("metadata").or_insert_with(|| json!({}));
    }
    write(&mut object, &owners);
    Ok(object)
}

/// Refuses a configuration that has fields which the schema lacks.
pub(crate) fn check_config(resource: &Resource, config: &Value) -> Result<(), Failure> {
    if config["metadata"].get("managedFields").is_some_and(|fields| !fields.is_null()) {
        return Err(Failure::bad_request("metadata.managedFields must be nil"));
    }
    let mut problems = Vec::new();
    check_applied(&resource.schema, config, "", &mut problems);
    if problems.is_empty() {
        return Ok(());
    }
    let text = |key: &str| config["metadata"][key].as_str().unwrap_or_default();
    let message = format!(
        "failed to create typed patch object ({}/{}; {}/{}, Kind={}): {}",
        text("namespace"),
        text("name"),
        resource.group(),
        resource.version,
        resource.kind,
        if problems.len() == 1 { problems.remove(0) } else { format!("errors:\n  {}", problems.join("\n  ")) }
    );
    Err(Failure::new(500, "", message))
}

/// An object without a record was written before anybody applied; that is recorded as one manager (skipnonapplied.go).
fn adopt_unowned(resource: &Resource, empty: &Value, live: &Value, owners: &mut Owners) {
    let difference = compare(&resource.schema, empty, &bare(live));
    let fields = strip(&settable(resource, "", difference.added.union(&difference.modified)));
    if !fields.is_empty() {
        let owner = Owner::updater(resource, "before-first-apply", "");
        owners.insert(owner, Owned { version: resource.api_version(), time: None, fields });
    }
}

fn refuse_conflicts(owners: &Owners, me: &Owner, taken: &FieldSet) -> Result<(), Failure> {
    let mut conflicts: Vec<(String, String)> = Vec::new();
    for (owner, owned) in owners.iter().filter(|(owner, _)| *owner != me) {
        owned.fields.intersection(taken).each(&mut Vec::new(), &mut |path| {
            conflicts.push((owner.described(), path.iter().map(Step::to_string).collect()));
        });
    }
    if conflicts.is_empty() {
        return Ok(());
    }
    let causes: Vec<Cause> = conflicts
        .iter()
        .map(|(owner, path)| Cause { reason: "FieldManagerConflict", message: format!("conflict with {owner}"), field: path.clone() })
        .collect();
    Err(Failure::new(409, "Conflict", conflict_message(&conflicts)).with_causes(&causes))
}

fn conflict_message(conflicts: &[(String, String)]) -> String {
    if let [(owner, path)] = conflicts {
        return format!("Apply failed with 1 conflict: conflict with {owner}: {path}");
    }
    let mut by_owner: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (owner, path) in conflicts {
        by_owner.entry(owner).or_default().push(path);
    }
    let lines: Vec<String> = by_owner.iter().map(|(owner, paths)| format!("conflicts with {owner}:\n- {}", paths.join("\n- "))).collect();
    format!("Apply failed with {} conflicts: {}", conflicts.len(), lines.join("\n"))
}

/// Removes what the manager applied last time and not this time, unless somebody else owns it (update.go `prune`).
fn prune(schema: &Schema, merged: &Value, owners: &Owners, last: &FieldSet) -> Value {
    if last.is_empty() {
        return merged.clone();
    }
    let named = |fields: &FieldSet| fields.with_named_fields(schema);
    let last = named(last);
    let all = named(&fields_of(schema, merged));
    let pruned = remove_fields(schema, merged, &last);
    let managed = owners.values().fold(FieldSet::default(), |sum, owned| sum.union(&owned.fields));
    let kept = named(&fields_of(schema, &pruned)).union(&named(&managed));
    let pruned = remove_fields(schema, merged, &all.difference(&kept));
    let kept = named(&fields_of(schema, &pruned));
    remove_fields(schema, merged, &all.difference(&kept).intersection(&last))
}

/// Compares two objects; times in the record do not count.
pub(crate) fn same_apart_from_times(live: &Value, object: &Value) -> bool {
    let timeless = |owners: Owners| owners.into_iter().map(|(owner, owned)| (owner, owned.version, owned.fields)).collect::<Vec<_>>();
    same(&bare(live), &bare(object)) && timeless(read(live)) == timeless(read(object))
}
