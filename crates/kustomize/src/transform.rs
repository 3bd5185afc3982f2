//! The built-in transformers that change single fields: namespace, name prefix and suffix, labels, annotations, replicas, images.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::fields::FieldSpec;
use crate::kustomization::{Image, Replica};
use crate::resource::{Resource, object};
use crate::scalar;

/// Where a namespace goes.
#[derive(Default)]
pub(crate) struct Namespace<'a> {
    pub(crate) name: &'a str,
    pub(crate) fields: &'a [FieldSpec],
    pub(crate) subjects: Subjects,
    /// Whether only what has none gets it.
    pub(crate) unset_only: bool,
}

/// Which subjects of role bindings get the namespace; others follow as references.
#[derive(Default, Clone, Copy, PartialEq)]
pub(crate) enum Subjects {
    /// Those of the name `default`.
    #[default]
    Default,
    ServiceAccounts,
    None,
}

impl Namespace<'_> {
    fn put(&self, value: &mut Value) {
        if !self.unset_only || scalar::is_null(value) || scalar::as_text(value).is_empty() {
            *value = scalar::text_as(value, self.name);
        }
    }
}

pub(crate) fn namespace(namespace: &Namespace<'_>, resources: &mut [Resource]) -> Result<(), String> {
    for resource in resources.iter_mut() {
        resource.remember();
        put_namespace(namespace, resource)?;
    }
    conflict(resources)
}

pub(crate) fn put_namespace(namespace: &Namespace<'_>, resource: &mut Resource) -> Result<(), String> {
    let is_core = scalar::text_at(&resource.value, &["apiVersion"]) == "v1";
    let is_binding = matches!(resource.kind(), "RoleBinding" | "ClusterRoleBinding");
    if !resource.is_cluster_scoped() {
        FieldSpec::new("", "", "metadata/namespace", true).visit(resource, &mut |value| namespace.put(value))?;
    }
    if is_binding {
        put_subjects(namespace, resource);
    }
    for field in namespace.fields {
        let is_handled = match field.path.as_str() {
            "metadata/namespace" => true,
            "metadata/name" => !is_core,
            "subjects/namespace" => is_binding && matches!(field.kind.as_str(), "RoleBinding" | "ClusterRoleBinding"),
            _ => false,
        };
        if !is_handled {
            field.visit(resource, &mut |value| namespace.put(value))?;
        }
    }
    Ok(())
}

fn put_subjects(namespace: &Namespace<'_>, resource: &mut Resource) {
    let Some(Value::Array(subjects)) = resource.value.get_mut("subjects") else { return };
    for subject in subjects {
        let is = |key: &str, text: &str| scalar::text_at(subject, &[key]) == text;
        let is_meant = match namespace.subjects {
            Subjects::Default => is("name", "default"),
            Subjects::ServiceAccounts => is("kind", "ServiceAccount"),
            Subjects::None => false,
        };
        if is_meant {
            namespace.put(object(subject).entry("namespace").or_insert(Value::Null));
        }
    }
}

fn conflict(resources: &[Resource]) -> Result<(), String> {
    let mut seen: BTreeMap<(String, String, String, String), &Resource> = BTreeMap::new();
    for resource in resources {
        let id = resource.id();
        let key = (format!("{}/{}", resource.group(), resource.version()), id.kind, id.namespace, id.name);
        if let Some(other) = seen.insert(key, resource) {
            let places = format!("{}:{} and {}:{}", other.file, other.line, resource.file, resource.line);
            return Err(format!("the namespace makes one {} of {places}", resource.title()));
        }
    }
    Ok(())
}

pub(crate) fn prefix(prefix: &str, fields: &[FieldSpec], resources: &mut [Resource]) -> Result<(), String> {
    let record = |resource: &mut Resource| resource.prefixes.push(prefix.to_string());
    resources.iter_mut().try_for_each(|resource| rename(resource, fields, prefix.is_empty(), |name| format!("{prefix}{name}"), record))
}

pub(crate) fn suffix(suffix: &str, fields: &[FieldSpec], resources: &mut [Resource]) -> Result<(), String> {
    let record = |resource: &mut Resource| resource.suffixes.push(suffix.to_string());
    resources.iter_mut().try_for_each(|resource| rename(resource, fields, suffix.is_empty(), |name| format!("{name}{suffix}"), record))
}

/// Some kinds keep their names, whatever the fields say.
fn rename(
    resource: &mut Resource,
    fields: &[FieldSpec],
    is_nothing: bool,
    change: impl Fn(&str) -> String,
    record: impl Fn(&mut Resource),
) -> Result<(), String> {
    let original = resource.original().kind;
    let is_kept = matches!(original.as_str(), "CustomResourceDefinition" | "Namespace")
        || original == "APIService" && resource.group() == "apiregistration.k8s.io";
    if is_kept || is_nothing {
        return Ok(());
    }
    for field in fields {
        if !field.kind.is_empty() && field.kind != original {
            continue;
        }
        let is_of_group = field.group.is_empty() || field.group == resource.group();
        if field.path == "metadata/name" && is_of_group && (field.version.is_empty() || field.version == resource.version()) {
            record(resource);
            resource.remember();
        }
        let title = resource.title();
        let mut failed = None;
        field.visit(resource, &mut |value| {
            if value.is_object() || value.is_array() {
                failed.get_or_insert(format!("{title}: {}: a mapping or list gets no prefix or suffix", field.path));
            } else {
                *value = scalar::replaced(value, &change(&scalar::as_text(value)));
            }
        })?;
        failed.map_or(Ok(()), Err)?;
    }
    Ok(())
}

pub(crate) fn set_strings(pairs: &BTreeMap<String, String>, fields: &[FieldSpec], resources: &mut [Resource]) -> Result<(), String> {
    if let (Some(key), false) = (pairs.keys().find(|key| !scalar::is_text(key)), resources.is_empty()) {
        return Err(format!("the key {key:?} of a label or annotation is no text without quotes, which kustomize cannot print"));
    }
    for resource in resources {
        for (key, text) in pairs {
            let mut places = Vec::new();
            for field in fields {
                places.extend(field.places(resource)?);
            }
            resource.set_entry(&places, key, &Value::from(text.as_str()))?;
        }
    }
    Ok(())
}

pub(crate) fn replicas(replica: &Replica, fields: &[FieldSpec], resources: &mut [Resource]) -> Result<(), String> {
    let mut found = false;
    for field in fields {
        for resource in resources.iter_mut() {
            let is_meant = |id: &crate::resource::Id| id.name == replica.name && (field.kind.is_empty() || field.kind == id.kind);
            let is_of_group = (field.group.is_empty() || field.group == resource.group())
                && (field.version.is_empty() || field.version == resource.version());
            if is_of_group && resource.ids().iter().any(is_meant) {
                found = true;
                field.visit(resource, &mut |value| *value = counted(value, replica.count))?;
            }
        }
    }
    if found { Ok(()) } else { Err(format!("nothing named {} has replicas", replica.name)) }
}

/// Quotes that are there stay.
fn counted(value: &Value, count: i64) -> Value {
    if value.as_str().is_some_and(scalar::is_quoted) { scalar::replaced(value, &count.to_string()) } else { Value::from(count) }
}

pub(crate) fn images(image: &Image, fields: &[FieldSpec], resources: &mut [Resource]) -> Result<(), String> {
    // An image is never created.
    let fields: Vec<FieldSpec> = fields.iter().map(|field| FieldSpec { create: false, ..field.clone() }).collect();
    for resource in resources.iter_mut().filter(|resource| resource.kind() != "CustomResourceDefinition") {
        let title = resource.title();
        let mut failed = None;
        let mut act = |value: &mut Value| {
            if value.is_object() || value.is_array() {
                failed.get_or_insert("an image is a text, not a mapping or list");
            }
            set_image(image, value);
        };
        in_containers(&mut resource.value, &mut act);
        // Most of these were set above already: kustomize does it twice, which a tag's suffix shows.
        for field in &fields {
            field.visit(resource, &mut act)?;
        }
        if let Some(message) = failed {
            return Err(format!("{title}: {message}"));
        }
    }
    Ok(())
}

/// Looks for lists named `containers` and `initContainers` at any depth, as `filters/imagetag/legacy.go` does.
fn in_containers(value: &mut Value, act: &mut dyn FnMut(&mut Value)) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| in_containers(item, act)),
        Value::Object(map) => {
            for (key, value) in map {
                in_containers(value, act);
                if let ("containers" | "initContainers", Value::Array(items)) = (key.as_str(), &mut *value) {
                    items.iter_mut().filter_map(|item| item.get_mut("image")).for_each(&mut *act);
                }
            }
        }
        _ => {}
    }
}

fn set_image(image: &Image, value: &mut Value) {
    let text = match &*value {
        value if scalar::is_null(value) => return,
        Value::String(text) => scalar::written(text).to_string(),
        value => go_encoding::json::to_string(value),
    };
    if !is_named(&text, &image.name) {
        return;
    }
    let (name, mut tag, mut digest) = parts(&text);
    let set = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    match (set(&image.new_tag), set(&image.digest), set(&image.tag_suffix)) {
        (Some(new), Some(sum), _) => (tag, digest) = (new, sum),
        (Some(new), None, _) => (tag, digest) = (new, String::new()),
        (None, Some(sum), _) => (tag, digest) = (String::new(), sum),
        (None, None, Some(suffix)) => (tag, digest) = (tag + &suffix, String::new()),
        (None, None, None) => {}
    }
    let mut out = set(&image.new_name).unwrap_or(name);
    if !tag.is_empty() {
        out = format!("{out}:{tag}");
    }
    if !digest.is_empty() {
        out = format!("{out}@{digest}");
    }
    *value = scalar::replaced(value, &out);
}

/// The name of an entry is a regular expression in kustomize; one that is none matches nothing here and stops kustomize.
fn is_named(text: &str, name: &str) -> bool {
    let is_plain = name.chars().all(|c| c.is_ascii_alphanumeric() || "/:-_".contains(c));
    if is_plain && !text.starts_with(name) {
        return false;
    }
    let pattern = format!("^{name}(:[a-zA-Z0-9_.{{}}-]*)?(@sha256:[a-zA-Z0-9_.{{}}-]*)?$");
    regex::Regex::new(&pattern).is_ok_and(|pattern| pattern.is_match(text))
}

/// Splits an image into name, tag and digest (`api/internal/image`).
fn parts(image: &str) -> (String, String, String) {
    let start = image.find('/').filter(|at| *at > 0).unwrap_or(0);
    let (colon, at) = (image[start..].find(':').map(|at| at + start), image[start..].find('@').map(|at| at + start));
    match (colon, at) {
        (None, None) => (image.to_string(), String::new(), String::new()),
        (Some(colon), None) => (image[..colon].to_string(), image[colon + 1..].to_string(), String::new()),
        (Some(colon), Some(at)) if colon < at => {
            (image[..colon].to_string(), image[colon + 1..at].to_string(), image[at + 1..].to_string())
        }
        (_, Some(at)) => (image[..at].to_string(), String::new(), image[at + 1..].to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn images_are_renamed() {
        let image = |new_name: &str, new_tag: &str, digest: &str| Image {
            name: "reg:5000/a/b".to_string(),
            new_name: Some(new_name.to_string()),
            new_tag: Some(new_tag.to_string()),
            digest: Some(digest.to_string()),
            tag_suffix: None,
        };
        let check = |image: &Image, text: &str, expected: &str| {
            let mut value = json!(text);
            set_image(image, &mut value);
            scalar::settle(&mut value);
            assert_eq!(value, expected);
        };
        check(&image("c", "", ""), "reg:5000/a/b:v1", "c:v1");
        check(&image("", "v2", ""), "reg:5000/a/b@sha256:0", "reg:5000/a/b:v2");
        check(&image("", "", "sha256:1"), "reg:5000/a/b:v1", "reg:5000/a/b@sha256:1");
        check(&image("c", "v2", ""), "other:v1", "other:v1");
    }
}
