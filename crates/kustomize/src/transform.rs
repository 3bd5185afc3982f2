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
            rename(
                resource,
                config,
                &config.name_prefix,
                |name| format!("{prefix}{name}"),
                |resource| resource.prefixes.push(prefix.clone()),
            );
        }
        if let Some(suffix) = &kustomization.name_suffix {
            rename(
                resource,
                config,
                &config.name_suffix,
                |name| format!("{name}{suffix}"),
                |resource| resource.suffixes.push(suffix.clone()),
            );
        }
    }
    for entry in &kustomization.labels {
        let labels = &entry.value;
        let mut fields = config::label_fields(labels.include_selectors, labels.include_templates, config);
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
    let custom = cluster_scoped_customs(resources);
    for resource in resources.iter_mut() {
        resource.remember();
        let (group, kind) = (resource.group().to_string(), resource.kind().to_string());
        match (group.as_str(), kind.as_str()) {
            ("", "Namespace") => resource.set_name(namespace),
            ("apiregistration.k8s.io", "APIService") => put(resource, "spec/service/namespace", namespace, true),
            ("apiextensions.k8s.io", "CustomResourceDefinition") => {
                put(resource, "spec/conversion/webhook/clientConfig/service/namespace", namespace, false);
            }
            ("rbac.authorization.k8s.io", "RoleBinding" | "ClusterRoleBinding") => default_subjects(resource, namespace),
            _ => {}
        }
        if !resource.is_cluster_scoped() && !custom.contains(&(group, kind)) {
            resource.set_namespace(namespace);
        }
        for field in config.namespace.iter().filter(|field| field.path != "metadata/namespace") {
            field.visit(resource, &mut |value| *value = Value::from(namespace));
        }
    }
}

/// Returns the kinds that definitions in the same build place outside namespaces. kustomize does not look at them; the API server does.
fn cluster_scoped_customs(resources: &[Resource]) -> Vec<(String, String)> {
    let of = |resource: &Resource| {
        let spec = resource.value.get("spec").filter(|_| resource.kind() == "CustomResourceDefinition")?;
        let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_string);
        (spec.get("scope").and_then(Value::as_str) == Some("Cluster"))
            .then_some((text(spec.get("group"))?, text(spec.get("names").and_then(|names| names.get("kind")))?))
    };
    resources.iter().filter_map(of).collect()
}

fn put(resource: &mut Resource, path: &str, text: &str, create: bool) {
    fields::visit(&mut resource.value, &fields::split(path), create, &mut |value| *value = Value::from(text));
}

/// Only the account `default` follows the namespace blindly; others do as references.
fn default_subjects(resource: &mut Resource, namespace: &str) {
    let Some(Value::Array(subjects)) = resource.value.get_mut("subjects") else { return };
    for subject in subjects {
        let is = |key: &str, text: &str| subject.get(key).and_then(Value::as_str) == Some(text);
        if is("kind", "ServiceAccount") && is("name", "default") {
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

fn rename(
    resource: &mut Resource,
    _config: &Config,
    extra: &[FieldSpec],
    change: impl Fn(&str) -> String,
    record: impl FnOnce(&mut Resource),
) {
    let kept = matches!(
        (resource.group(), resource.kind()),
        ("apiextensions.k8s.io", "CustomResourceDefinition") | ("apiregistration.k8s.io", "APIService") | ("", "Namespace")
    );
    if !kept {
        resource.remember();
        record(resource);
        let name = change(resource.name());
        resource.set_name(&name);
    }
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
        for field in fields {
            field.visit(resource, &mut |value| {
                object(value).extend(pairs.iter().map(|(key, text)| (key.clone(), Value::from(text.as_str()))));
            });
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
        for resource in resources.iter_mut().filter(|resource| resource.ids().iter().any(|id| id.name == entry.value.name)) {
            for field in &fields {
                found |= field.selects(resource);
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
    let volumes = ["spec/volumes[]/image/reference", "spec/template/spec/volumes[]/image/reference"];
    let volumes = volumes.iter().map(|path| FieldSpec::new("", "", path, false));
    for field in volumes.chain(config.images.iter().cloned()) {
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
    let Some(text) = value.as_str() else { return };
    let (rest, digest) = text.split_once('@').map_or((text, None), |(rest, digest)| (rest, Some(digest)));
    let (name, tag) = match rest.rfind(':').filter(|at| !rest[*at..].contains('/')) {
        Some(at) => (&rest[..at], Some(&rest[at + 1..])),
        None => (rest, None),
    };
    if name != image.name {
        return;
    }
    let set = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let (mut tag, mut digest) = (tag.map(str::to_string), digest.map(str::to_string));
    match (set(&image.new_tag), set(&image.digest)) {
        (Some(new), None) => (tag, digest) = (Some(new), None),
        (None, Some(new)) => (tag, digest) = (None, Some(new)),
        (Some(new), Some(sum)) => (tag, digest) = (Some(new), Some(sum)),
        (None, None) => {
            if let (Some(suffix), Some(present)) = (set(&image.tag_suffix), &tag) {
                tag = Some(format!("{present}{suffix}"));
            }
        }
    }
    let mut out = set(&image.new_name).unwrap_or_else(|| name.to_string());
    if let Some(tag) = tag {
        out = format!("{out}:{tag}");
    }
    if let Some(digest) = digest {
        out = format!("{out}@{digest}");
    }
    *value = Value::from(out);
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
