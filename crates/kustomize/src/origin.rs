//! What `buildMetadata` asks for: annotations that say where an object comes from and what changed it, and a label that names kustomize
//! (`api/resource/origin.go`, `api/krusty/kustomizer.go`).
//!
//! As in kustomize the annotations are there during the whole build, where patches and selectors meet them.

use serde_json::Value;

use crate::resource::{Resource, object};
use crate::scalar::written;

/// How `buildMetadata` asks for them.
pub(crate) const METADATA: &str = "originAnnotations";
pub(crate) const ORIGIN: &str = "config.kubernetes.io/origin";
pub(crate) const TRANSFORMATIONS: &str = "alpha.config.kubernetes.io/transformations";

/// What `managedByLabel` puts on everything.
pub(crate) const MANAGED_BY: (&str, &str) = ("app.kubernetes.io/managed-by", "kustomize-v5.8.1");

/// What kustomize and kyaml note among annotations, and take away from those that bring them along (`api/resource/resource.go`,
/// BuildAnnotations).
const OF_BUILD: [&str; 18] = [
    "internal.config.kubernetes.io/previousKinds",
    "internal.config.kubernetes.io/previousNames",
    "internal.config.kubernetes.io/prefixes",
    "internal.config.kubernetes.io/suffixes",
    "internal.config.kubernetes.io/previousNamespaces",
    "internal.config.kubernetes.io/allowNameChange",
    "internal.config.kubernetes.io/allowKindChange",
    "internal.config.kubernetes.io/refBy",
    "internal.config.kubernetes.io/generatorBehavior",
    "internal.config.kubernetes.io/needsHashSuffix",
    "internal.config.kubernetes.io/path",
    "internal.config.kubernetes.io/index",
    "internal.config.kubernetes.io/seqindent",
    "internal.config.kubernetes.io/id",
    "internal.config.kubernetes.io/annotations-migration-resource-id",
    "config.kubernetes.io/path",
    "config.kubernetes.io/index",
    "config.k8s.io/id",
];

/// Which annotations and labels a build leaves on its objects.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Metadata {
    pub(crate) origins: bool,
    pub(crate) transformations: bool,
    pub(crate) managed_by: bool,
}

impl Metadata {
    pub(crate) fn of(names: &[String]) -> Metadata {
        let has = |name: &str| names.iter().any(|one| one == name);
        Metadata { origins: has(METADATA), transformations: has("transformerAnnotations"), managed_by: has("managedByLabel") }
    }

    /// Takes away what was only noted for the build, and adds the label.
    pub(crate) fn settle(self, resource: &mut Resource) {
        let annotations = resource.value.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut);
        if let Some(annotations) = annotations {
            for (key, _) in [(ORIGIN, self.origins), (TRANSFORMATIONS, self.transformations)].iter().filter(|(_, stays)| !stays) {
                annotations.remove(*key);
            }
            OF_BUILD.iter().for_each(|key| drop(annotations.remove(*key)));
        }
        crate::accumulate::drop_empty_annotations(&mut resource.value);
        if self.managed_by {
            let metadata = object(&mut resource.value).entry("metadata").or_insert(Value::Null);
            object(object(metadata).entry("labels").or_insert(Value::Null)).insert(MANAGED_BY.0.to_string(), Value::from(MANAGED_BY.1));
        }
    }
}

/// Joins paths as Go's `filepath.Join` does: unlike paths inside a repository, these may lead out of the folder that is built.
pub(crate) fn join(folder: &str, path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in folder.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// Returns the annotation of what is read from a file.
pub(crate) fn of_file(path: &str) -> String {
    format!("path: {}\n", scalar(path))
}

/// Returns the annotation of what a field of a kustomization, or an object that configures a plugin, made.
pub(crate) fn of_plugin(configured_in: &str, plugin: &Value) -> String {
    let text = |path: &str| plugin.pointer(path).and_then(Value::as_str).map(written).filter(|text| !text.is_empty());
    let mut out = format!("configuredIn: {}\nconfiguredBy:\n", scalar(configured_in));
    for (key, path) in [("apiVersion", "/apiVersion"), ("kind", "/kind"), ("name", "/metadata/name"), ("namespace", "/metadata/namespace")]
    {
        if let Some(text) = text(path) {
            out += &format!("  {key}: {}\n", scalar(text));
        }
    }
    out
}

fn scalar(text: &str) -> String {
    go_encoding::yaml::to_string(&Value::from(text)).trim_end().to_string()
}

/// Returns the path that the origin of a plugin's configuration names.
pub(crate) fn path_of(resource: &Resource) -> Option<String> {
    let (_, text) = resource.strings("annotations").find(|(key, _)| *key == ORIGIN)?;
    Some(go_encoding::yaml::parse(text).ok()?.get("path")?.as_str().unwrap_or("").to_string())
}

/// Sets the origin of an object, unless it has one.
pub(crate) fn set(resource: &mut Resource, origin: &str) {
    if !has(resource, ORIGIN) {
        annotate(resource, ORIGIN, origin.to_string());
    }
}

/// Overwrites the origin of an object.
pub(crate) fn replace(resource: &mut Resource, origin: &str) {
    annotate(resource, ORIGIN, origin.to_string());
}

/// Notes on all objects what ran over them. What has no origin is taken for its work. kustomize writes all annotations anew for it.
pub(crate) fn transformed(resources: &mut [Resource], by: &str) {
    for resource in resources {
        crate::accumulate::annotations_as_text(&mut resource.value);
        resource.unquote_annotations();
        if !has(resource, ORIGIN) {
            annotate(resource, ORIGIN, by.to_string());
            continue;
        }
        let mut all: String =
            resource.strings("annotations").find(|(key, _)| *key == TRANSFORMATIONS).map_or("", |(_, text)| text).to_string();
        for (at, line) in by.lines().enumerate() {
            all += &format!("{} {line}\n", if at == 0 { "-" } else { " " });
        }
        annotate(resource, TRANSFORMATIONS, all);
    }
}

fn has(resource: &Resource, key: &str) -> bool {
    resource.strings("annotations").any(|(one, _)| one == key)
}

fn annotate(resource: &mut Resource, key: &str, text: String) {
    let metadata = object(&mut resource.value).entry("metadata").or_insert(Value::Null);
    object(object(metadata).entry("annotations").or_insert(Value::Null)).insert(key.to_string(), Value::from(text));
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn texts_of_annotations() {
        assert_eq!(
            (join("", "../a/./b"), join("../a", "../c"), join("../..", "../d")),
            ("../a/b".into(), "../c".into(), "../../../d".into())
        );
        assert_eq!(of_file("a.yaml"), "path: a.yaml\n");
        let plugin = json!({"apiVersion": "builtin", "kind": "HashTransformer", "metadata": {"name": "h"}});
        let expected = "configuredIn: k.yaml\nconfiguredBy:\n  apiVersion: builtin\n  kind: HashTransformer\n  name: h\n";
        assert_eq!(of_plugin("k.yaml", &plugin), expected);
    }
}
