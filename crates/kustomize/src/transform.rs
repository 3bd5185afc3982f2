//! The built-in transformers that change single fields: namespace, name prefix and suffix, labels, annotations, replicas, images.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::config::{self, Config};
use crate::error::Error;
use crate::fields::{self, FieldSpec};
use crate::kustomization::{Image, Kustomization, Place};
use crate::resource::{Resource, object};

/// Runs the transformers that lie between the two kinds of patches.
pub(crate) fn names_and_labels(kustomization: &Kustomization, resources: &mut [Resource], config: &Config) -> Result<(), Error> {
    if let Some(namespace) = &kustomization.namespace {
        set_namespace(namespace, resources, config);
        conflict(kustomization, resources)?;
    }
    for resource in resources.iter_mut() {
        if let Some(prefix) = &kustomization.name_prefix {
            rename(resource, &config.name_prefix, |name| format!("{prefix}{name}"), |resource| resource.prefixes.push(prefix.clone()));
        }
        if let Some(suffix) = &kustomization.name_suffix {
            rename(resource, &config.name_suffix, |name| format!("{name}{suffix}"), |resource| resource.suffixes.push(suffix.clone()));
        }
    }
    for entry in &kustomization.labels {
        let labels = &entry.value;
        let mut fields = config::label_fields(labels.include_selectors, labels.include_templates, config);
        fields.extend(config.labels.iter().cloned());
        for field in &labels.fields {
            let field = serde_json::from_value(field.clone()).map_err(|error| Error::at(&entry.place, error.to_string()))?;
            fields.push(field);
        }
        set_strings(&labels.pairs, &fields, resources);
    }
    set_strings(&kustomization.common_labels, &config::label_fields(true, true, config), resources);
    set_strings(&kustomization.common_annotations, &config::annotation_fields(config), resources);
    Ok(())
}

fn set_namespace(namespace: &str, resources: &mut [Resource], config: &Config) {
    for resource in resources.iter_mut() {
        resource.remember();
        let (group, kind) = (resource.group().to_string(), resource.kind().to_string());
        match (group.as_str(), kind.as_str()) {
            ("", "Namespace") => resource.set_name(namespace),
            ("apiregistration.k8s.io", "APIService") => put(resource, "spec/service/namespace", namespace, true),
            ("apiextensions.k8s.io", "CustomResourceDefinition") => {
                put(resource, "spec/conversion/webhook/clientConfig/service/namespace", namespace, false);
            }
            (_, "RoleBinding" | "ClusterRoleBinding") => default_subjects(resource, namespace),
            _ => {}
        }
        if !resource.is_cluster_scoped() {
            resource.set_namespace(namespace);
        }
        for field in config.namespace.iter().filter(|field| field.path != "metadata/namespace") {
            field.visit(resource, &mut |value| *value = Value::from(namespace));
        }
    }
}

fn put(resource: &mut Resource, path: &str, text: &str, create: bool) {
    fields::visit(&mut resource.value, &fields::split(path), create, &mut |value| *value = Value::from(text));
}

/// Only the account `default` follows the namespace blindly; others do as references.
fn default_subjects(resource: &mut Resource, namespace: &str) {
    let Some(Value::Array(subjects)) = resource.value.get_mut("subjects") else { return };
    for subject in subjects {
        let is = |key: &str, text: &str| subject.get(key).and_then(Value::as_str) == Some(text);
        if is("name", "default") {
            object(subject).insert("namespace".to_string(), Value::from(namespace));
        }
    }
}

fn conflict(kustomization: &Kustomization, resources: &[Resource]) -> Result<(), Error> {
    let mut seen: BTreeMap<(String, String, String, String), &Resource> = BTreeMap::new();
    for resource in resources {
        let id = resource.id();
        let key = (format!("{}/{}", resource.group(), resource.version()), id.kind, id.namespace, id.name);
        if let Some(other) = seen.insert(key, resource) {
            let places = format!("{}:{} and {}:{}", other.file, other.line, resource.file, resource.line);
            return Err(Error::at(&Place::start(&kustomization.file), format!("the namespace makes one {} of {places}", resource.title())));
        }
    }
    Ok(())
}

fn rename(resource: &mut Resource, extra: &[FieldSpec], change: impl Fn(&str) -> String, record: impl FnOnce(&mut Resource)) {
    let original = resource.original().kind;
    let is_kept = matches!(original.as_str(), "CustomResourceDefinition" | "Namespace")
        || original == "APIService" && resource.group() == "apiregistration.k8s.io";
    if is_kept {
        return;
    }
    resource.remember();
    record(resource);
    let name = change(resource.name());
    resource.set_name(&name);
    for field in extra.iter().filter(|field| field.path != "metadata/name") {
        field.visit(resource, &mut |value| {
            if let Some(name) = value.as_str().map(&change) {
                *value = Value::from(name);
            }
        });
    }
}

fn set_strings(pairs: &BTreeMap<String, String>, fields: &[FieldSpec], resources: &mut [Resource]) {
    if pairs.is_empty() {
        return;
    }
    for resource in resources {
        for (key, text) in pairs {
            let of = |field: &FieldSpec, resource: &mut Resource| {
                if field.selects(resource) {
                    fields::places(&mut resource.value, &fields::split(&field.path), field.create)
                } else {
                    Vec::new()
                }
            };
            let places: Vec<String> = fields.iter().flat_map(|field| of(field, resource)).collect();
            resource.set_entry(&places, key, &Value::from(text.as_str()));
        }
    }
}

/// Runs the transformers that come last.
pub(crate) fn replicas_and_images(kustomization: &Kustomization, resources: &mut [Resource], config: &Config) -> Result<(), Error> {
    for entry in &kustomization.replicas {
        let mut fields: Vec<FieldSpec> = ["Deployment", "ReplicationController", "ReplicaSet", "StatefulSet"]
            .iter()
            .map(|kind| FieldSpec::new("", kind, "spec/replicas", true))
            .collect();
        fields.extend(config.replicas.iter().cloned());
        let mut found = false;
        for resource in resources.iter_mut() {
            for field in &fields {
                let is_meant = |id: &crate::resource::Id| id.name == entry.value.name && (field.kind.is_empty() || field.kind == id.kind);
                if !resource.ids().iter().any(is_meant) {
                    continue;
                }
                found = true;
                field.visit(resource, &mut |value| {
                    *value = Value::from(entry.value.count);
                });
            }
        }
        if !found {
            return Err(Error::at(&entry.place, format!("nothing named {} has replicas", entry.value.name)));
        }
    }
    for entry in &kustomization.images {
        for resource in resources.iter_mut() {
            set_images(&entry.value, resource, config);
        }
    }
    Ok(())
}

fn set_images(image: &Image, resource: &mut Resource, config: &Config) {
    if resource.kind() != "CustomResourceDefinition" {
        in_containers(&mut resource.value, image);
    }
    // Most of these were set above already: kustomize does it twice, which a tag's suffix shows.
    let fields = ["containers[]/image", "initContainers[]/image", "volumes[]/image/reference"];
    let fields = ["spec", "spec/template/spec"]
        .into_iter()
        .flat_map(|pod| fields.map(|field| FieldSpec::new("", "", &format!("{pod}/{field}"), false)));
    for field in
        fields.chain(config.images.iter().cloned()).filter(|_| resource.value["kind"] != "CustomResourceDefinition").collect::<Vec<_>>()
    {
        field.visit(resource, &mut |value| set_image(image, value));
    }
}

/// Looks for lists named `containers` and `initContainers` at any depth, as `filters/imagetag/legacy.go` does.
fn in_containers(value: &mut Value, image: &Image) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| in_containers(item, image)),
        Value::Object(map) => {
            for (key, value) in map {
                if let ("containers" | "initContainers", Value::Array(items)) = (key.as_str(), &mut *value) {
                    items.iter_mut().filter_map(|item| item.get_mut("image")).for_each(|found| set_image(image, found));
                }
                in_containers(value, image);
            }
        }
        _ => {}
    }
}

fn set_image(image: &Image, value: &mut Value) {
    let Some(text) = value.as_str().filter(|text| is_named(text, &image.name)) else { return };
    let (name, mut tag, mut digest) = parts(text);
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
    *value = Value::from(out);
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
            assert_eq!(value, expected);
        };
        check(&image("c", "", ""), "reg:5000/a/b:v1", "c:v1");
        check(&image("", "v2", ""), "reg:5000/a/b@sha256:0", "reg:5000/a/b:v2");
        check(&image("", "", "sha256:1"), "reg:5000/a/b:v1", "reg:5000/a/b@sha256:1");
        check(&image("c", "v2", ""), "other:v1", "other:v1");
    }
}
