//! What an API server refuses, a finding for each cause at its field.

use flux::check::{Finding, Rule, position};
use kube_engine::Error;
use kustomize::Object;
use serde_json::{Value, json};

use crate::check::kinds::{Served, is_of_flux};
use crate::check::rehearsal::{Scene, Stage, show};
use crate::check::renders::{Rendered, title};
use crate::failure::chain;

/// Returns what is wrong with an object that Flux applies. What kustomize-controller passes over itself is a warning: labels with a value
/// that is no text, of which it keeps none (`fluxcd/pkg/ssa` `SetOwnerLabels`), and fields that a built-in kind does not have, which it
/// loses on the way through Go's types (`fluxcd/pkg/ssa/normalize`).
pub async fn faults(scene: &Scene<'_>, stage: &Stage, object: &Object) -> Vec<Finding> {
    let mut applied = object.clone();
    let mut found = lost_labels(scene, &mut applied);
    let Err(mut error) = show(stage, &applied.value, "kustomize-controller").await else { return found };
    if loses_fields(&object.value) {
        let unknown: Vec<String> = causes(&error).into_iter().filter(|(_, message)| message == UNKNOWN).map(|(field, _)| field).collect();
        for field in &unknown {
            let at = pointer_of(&applied.value, field);
            let (line, column) = position(&*scene.subject.repository, object, &at);
            let message =
                format!("{}: {field}: {} has no such field, so Flux drops it", object_title(&object.value), text_of(&object.value, "kind"));
            found.push(Finding::warning(Rule::InvalidObject, &object.file, line, column, message).hint("correct the name, or remove it"));
        }
        let mut pointers: Vec<String> = unknown.iter().map(|field| pointer_of(&applied.value, field)).collect();
        // Items of lists from the back, as each moves those behind it.
        pointers.sort_by(|one, other| other.cmp(one));
        pointers.iter().for_each(|at| remove(&mut applied.value, at));
        match show(stage, &applied.value, "kustomize-controller").await {
            Ok(()) => return found,
            Err(other) => error = other,
        }
    }
    found.extend(refusal(scene, stage, object, &error));
    found
}

/// Returns what is wrong with an object that a step applies as it is.
pub async fn strict_faults(scene: &Scene<'_>, stage: &Stage, object: &Object) -> Vec<Finding> {
    match show(stage, &object.value, "kustomize-controller").await {
        Ok(()) => Vec::new(),
        Err(error) => refusal(scene, stage, object, &error),
    }
}

const UNKNOWN: &str = "field not declared in schema";

/// Returns whether kustomize-controller takes an object through Go's types: those of Kubernetes, without the two whose rules it leaves alone.
fn loses_fields(value: &Value) -> bool {
    let (group, _) = text_of(value, "apiVersion").split_once('/').unwrap_or_default();
    let is_role = group == "rbac.authorization.k8s.io" && ["Role", "ClusterRole"].contains(&text_of(value, "kind"));
    kustomize::is_built_in_group(group) && !is_role
}

fn lost_labels(scene: &Scene<'_>, object: &mut Object) -> Vec<Finding> {
    let Some(labels) = object.value.pointer("/metadata/labels").and_then(Value::as_object) else { return Vec::new() };
    let bad: Vec<String> = labels.iter().filter(|(_, value)| !value.is_string()).map(|(key, _)| key.clone()).collect();
    let mut found = Vec::new();
    for key in &bad {
        let at = format!("/metadata/labels/{}", key.replace('~', "~0").replace('/', "~1"));
        let (line, column) = position(&*scene.subject.repository, object, &at);
        let message = format!("{}: metadata.labels.{key} is no text, so Flux drops all labels of the object", object_title(&object.value));
        found.push(Finding::warning(Rule::InvalidObject, &object.file, line, column, message).hint("put the value into quotes"));
    }
    if !bad.is_empty() {
        object.value["metadata"]["labels"] = json!({});
    }
    found
}

/// Removes the field at a pointer.
fn remove(value: &mut Value, pointer: &str) {
    let Some((above, token)) = pointer.rsplit_once('/') else { return };
    match value.pointer_mut(above) {
        Some(Value::Object(fields)) => drop(fields.remove(&token.replace("~1", "/").replace("~0", "~"))),
        Some(Value::Array(items)) => {
            if let Some(at) = token.parse().ok().filter(|at| *at < items.len()) {
                items.remove(at);
            }
        }
        _ => {}
    }
}

/// Returns what to say of a refusal, a finding for each cause at its field.
fn refusal(scene: &Scene<'_>, stage: &Stage, object: &Object, error: &Error) -> Vec<Finding> {
    let title = object_title(&object.value);
    causes(error)
        .into_iter()
        .filter_map(|(field, message)| {
            let rule = rule_of(stage, &message)?;
            let pointer = pointer_of(&object.value, &field);
            let (line, column) = position(&*scene.subject.repository, object, &pointer);
            let text = if field.is_empty() || message.contains(&field) { message } else { format!("{field}: {message}") };
            let found = Finding::error(rule, &object.file, line, column, format!("{title}: {text}"));
            Some(match rule {
                Rule::ServiceAddress => found.hint(format!("the range is {}", stage.range)),
                // Kubernetes itself defines metadata.
                _ if is_of_flux(text_of(&object.value, "apiVersion")) && !field.starts_with("metadata") => {
                    found.hint(format!("Flux {} defines it so; put other definitions into the tree", flux::DEFINITIONS_OF))
                }
                _ => found,
            })
        })
        .collect()
}

/// Nothing is said of addresses where the range is not known.
fn rule_of(stage: &Stage, message: &str) -> Option<Rule> {
    let is_address = message.contains("does not match the current range");
    match (is_address, stage.knows_range) {
        (true, true) => Some(Rule::ServiceAddress),
        (true, false) => {
            stage.unjudged.set(true);
            None
        }
        (false, _) => Some(Rule::InvalidObject),
    }
}

fn causes(error: &Error) -> Vec<(String, String)> {
    let details = error.details();
    let all = details.as_ref().and_then(|status| status.pointer("/details/causes")).and_then(Value::as_array);
    let text = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let found: Vec<(String, String)> = all.into_iter().flatten().map(|cause| (text(cause, "field"), text(cause, "message"))).collect();
    if !found.is_empty() {
        return found;
    }
    let message = message_of(error, details.as_ref());
    let fields = typed_causes(&message);
    if fields.is_empty() { vec![(String::new(), message)] } else { fields }
}

/// Takes apart what server-side apply says of an object that does not fit its schema: `.spec.x: field not declared in schema`.
fn typed_causes(message: &str) -> Vec<(String, String)> {
    let Some((_, rest)) = message.strip_prefix("failed to create typed patch object").and_then(|rest| rest.split_once("): ")) else {
        return Vec::new();
    };
    let lines = rest.strip_prefix("errors:").unwrap_or(rest).lines().map(str::trim).filter(|line| !line.is_empty());
    lines
        .filter_map(|line| line.strip_prefix('.')?.split_once(": "))
        .map(|(field, message)| (field.to_owned(), message.to_owned()))
        .collect()
}

/// Returns the pointer of a field as the API server writes it: `spec.containers[0].image`, `spec.containers[name="web"].image`.
fn pointer_of(object: &Value, field: &str) -> String {
    let (mut value, mut pointer) = (object, String::new());
    let mut rest = field;
    while !rest.is_empty() {
        let (token, after) = match rest.strip_prefix('[') {
            Some(inner) => match inner.split_once(']') {
                Some((selector, after)) => (place_of(value, selector), after),
                None => break,
            },
            None => {
                let end = rest.find(['.', '[']).unwrap_or(rest.len());
                (rest[..end].replace('~', "~0").replace('/', "~1"), &rest[end..])
            }
        };
        pointer = format!("{pointer}/{token}");
        value = value.pointer(&format!("/{token}")).unwrap_or(&Value::Null);
        rest = after.strip_prefix('.').unwrap_or(after);
    }
    pointer
}

/// Returns which element of a list is meant by its place or by its keys.
fn place_of(list: &Value, selector: &str) -> String {
    if selector.bytes().all(|byte| byte.is_ascii_digit()) {
        return selector.to_owned();
    }
    let keys: Vec<(&str, &str)> = selector.split(',').filter_map(|pair| pair.split_once('=')).collect();
    let is = |item: &Value| keys.iter().all(|(key, wanted)| item.get(*key).is_some_and(|found| found.to_string().as_str() == *wanted));
    list.as_array().and_then(|items| items.iter().position(is)).map_or_else(|| selector.to_owned(), |at| at.to_string())
}

fn message_of(error: &Error, status: Option<&Value>) -> String {
    match status.and_then(|status| status.get("message")).and_then(Value::as_str) {
        Some(message) => message.to_owned(),
        None => chain(error),
    }
}

/// Returns kind, namespace and name, for people.
pub fn object_title(value: &Value) -> String {
    let text = |pointer: &str| value.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    match text("/metadata/namespace") {
        "" => format!("{} {}", text("/kind"), text("/metadata/name")),
        namespace => format!("{} {namespace}/{}", text("/kind"), text("/metadata/name")),
    }
}

fn text_of<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

/// What the chart of a release renders to and an API server refuses.
pub async fn of_chart(stage: &Stage, served: &Served, release: &Rendered, complete: bool, findings: &mut Vec<Finding>) {
    let spec = &release.spec;
    for object in &release.objects {
        let mut object = object.clone();
        if object.pointer("/metadata/namespace").is_none() && object["metadata"].is_object() {
            object["metadata"]["namespace"] = spec.release_namespace.as_str().into();
        }
        let found = |rule, message: String| Finding::error(rule, &spec.file, spec.line, 1, format!("{}: its {message}", title(spec)));
        if let Some((api_version, kind)) = served.lacks(&object) {
            if complete {
                let message = format!("{}: nothing defines {kind} in {api_version}", object_title(&object));
                findings.push(found(Rule::UnknownKind, message).hint("add the definition, or the chart that brings it"));
            }
            continue;
        }
        let Err(error) = show(stage, &object, "helm-controller").await else { continue };
        for (field, message) in causes(&error) {
            let Some(rule) = rule_of(stage, &message) else { continue };
            let text = if field.is_empty() || message.contains(&field) { message } else { format!("{field}: {message}") };
            let one = found(rule, format!("{}: {text}", object_title(&object)));
            findings.push(if rule == Rule::ServiceAddress { one.hint(format!("the range is {}", stage.range)) } else { one });
        }
    }
}
