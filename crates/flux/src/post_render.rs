//! What helm-controller does to the documents of a chart before Helm sorts and stores them (`internal/postrender/*.go`):
//! `spec.postRenderers`, then `spec.commonMetadata`, then labels that name the HelmRelease. It renders nothing itself.

use std::collections::BTreeSet;

use kustomize::{Manifest, MemoryFiles};
use serde_json::{Map, Value, json};

use crate::fields::{get, group, items, kind, name, namespace, object, text};

/// Helm's mark of the file that a document came from.
const FILE: &str = "postrenderer.helm.sh/postrender-filename";
const INPUT: &str = "helm-output.yaml";

/// What is done to the documents of one HelmRelease.
#[derive(Debug, Clone, PartialEq)]
pub struct PostRender {
    kustomizations: Vec<Value>,
    labels: Map<String, Value>,
    annotations: Map<String, Value>,
    origin: Map<String, Value>,
    /// `spec.postRenderStrategy`, where it is set.
    pub strategy: Option<String>,
}

impl PostRender {
    /// Reads what a HelmRelease asks for.
    pub fn of(release: &Value) -> PostRender {
        let map = |field: &str| get(release, &["spec", "commonMetadata", field]).and_then(Value::as_object).cloned().unwrap_or_default();
        PostRender {
            kustomizations: items(release, &["spec", "postRenderers"]).iter().filter_map(|one| get(one, &["kustomize"])).cloned().collect(),
            labels: map("labels"),
            annotations: map("annotations"),
            origin: origin_labels(release),
            strategy: text(release, &["spec", "postRenderStrategy"]).map(str::to_string),
        }
    }

    /// Changes a stream of documents, each with its file, and returns them in the form in which they are stored.
    pub fn run(&self, documents: &[(String, String)]) -> Result<Vec<(String, String)>, String> {
        let mut objects = read(documents)?;
        for kustomization in &self.kustomizations {
            objects = kustomized(&objects, kustomization)?;
        }
        check_unique(&objects)?;
        for (field, pairs) in [("labels", &self.labels), ("annotations", &self.annotations), ("labels", &self.origin)] {
            objects.iter_mut().for_each(|value| add(value, field, pairs));
        }
        Ok(objects.into_iter().map(written).collect())
    }
}

/// Returns the labels that helm-controller gives everything of a HelmRelease, CRDs under `crds/` included.
pub fn origin_labels(release: &Value) -> Map<String, Value> {
    const GROUP: &str = "helm.toolkit.fluxcd.io";
    let pairs = [("name", name(release)), ("namespace", namespace(release))];
    pairs.into_iter().map(|(key, value)| (format!("{GROUP}/{key}"), Value::from(value))).collect()
}

fn read(documents: &[(String, String)]) -> Result<Vec<Value>, String> {
    let mut objects = Vec::new();
    for (path, text) in documents {
        for part in parts(text).map_err(|separator| format!("{path}: invalid document separator: {separator}"))? {
            // Of a part that the parser would split once more, the first document counts.
            let Some(Manifest { value, .. }) = first(path, &part)? else { continue };
            let mut all = Vec::new();
            flatten(value, &mut all);
            for mut value in all {
                if kind(&value).is_empty() || name(&value).is_empty() {
                    let what = if kind(&value).is_empty() { "kind" } else { "metadata.name" };
                    return Err(format!("{path}: a document has no {what}"));
                }
                add(&mut value, "annotations", &Map::from_iter([(FILE.to_string(), json!(path))]));
                objects.push(value);
            }
        }
    }
    Ok(objects)
}

/// Splits a stream as kyaml does (`kio/byteio_reader.go`, splitDocuments): at lines that start with `---`, on which only a comment may
/// follow.
fn parts(text: &str) -> Result<Vec<String>, String> {
    let mut parts = vec![String::new()];
    for (index, line) in text.split_inclusive('\n').enumerate() {
        let separates = index > 0 && line.ends_with('\n');
        match (line.strip_prefix("---").filter(|_| separates), parts.last_mut()) {
            (Some(rest), _) if rest.trim().is_empty() || rest.trim_start().starts_with('#') => parts.push(String::new()),
            (Some(_), _) => return Err(line.trim().to_string()),
            (None, Some(part)) => part.push_str(line),
            (None, None) => {}
        }
    }
    Ok(parts)
}

fn first(path: &str, part: &str) -> Result<Option<Manifest>, String> {
    let end = part.match_indices("\n---").map(|(at, _)| at + 1).find(|at| part[*at + 3..].chars().next().is_none_or(char::is_whitespace));
    let text = &part[..end.unwrap_or(part.len())];
    let found = kustomize::manifests(path, text.as_bytes()).map_err(|error| error.to_string())?;
    Ok(found.into_iter().next())
}

/// Kustomize takes lists apart.
fn flatten(value: Value, all: &mut Vec<Value>) {
    match value {
        Value::Object(mut list)
            if list.get("kind").and_then(Value::as_str).is_some_and(|kind| kind.ends_with("List")) && list.contains_key("items") =>
        {
            if let Some(Value::Array(items)) = list.remove("items") {
                items.into_iter().for_each(|item| flatten(item, all));
            }
        }
        value => all.push(value),
    }
}

/// Builds the objects as resources of a kustomization with the given patches and images.
fn kustomized(objects: &[Value], kustomization: &Value) -> Result<Vec<Value>, String> {
    let mut file = json!({ "apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization", "resources": [INPUT] });
    for field in ["patches", "images"] {
        if let Some(value) = get(kustomization, &[field]) {
            file[field] = value.clone();
        }
    }
    let input = objects.iter().map(go_encoding::yaml::to_string).collect::<Vec<_>>().join("---\n");
    let files =
        MemoryFiles([(INPUT.to_string(), input.into_bytes()), ("kustomization.yaml".to_string(), file.to_string().into_bytes())].into());
    let build = kustomize::build(&files, "").map_err(|error| format!("spec.postRenderers: {error}"))?;
    Ok(build.objects.into_iter().map(|object| object.value).collect())
}

/// Kustomize refuses two objects of one name, also where one of them names the namespace `default` and the other none.
fn check_unique(objects: &[Value]) -> Result<(), String> {
    let mut seen = BTreeSet::new();
    for value in objects {
        let api_version = text(value, &["apiVersion"]).unwrap_or("");
        let scope = if kustomize::is_cluster_scoped(group(value), kind(value)) { "" } else { namespace(value) };
        if !seen.insert((api_version, kind(value), scope, name(value))) {
            return Err(format!("{api_version} {} {}/{} is rendered twice: kustomize refuses that", kind(value), scope, name(value)));
        }
    }
    Ok(())
}

fn add(value: &mut Value, field: &str, pairs: &Map<String, Value>) {
    if pairs.is_empty() {
        return;
    }
    let metadata = object(object(value).entry("metadata").or_insert(Value::Null));
    object(metadata.entry(field).or_insert(Value::Null)).extend(pairs.clone());
}

/// Takes the mark off an object and prints it.
fn written(mut value: Value) -> (String, String) {
    let metadata = object(object(&mut value).entry("metadata").or_insert(Value::Null));
    let annotations = metadata.get_mut("annotations").and_then(Value::as_object_mut);
    let path = annotations.and_then(|annotations| annotations.remove(FILE));
    if metadata.get("annotations").and_then(Value::as_object).is_some_and(Map::is_empty) {
        metadata.remove("annotations");
    }
    let path = path.and_then(|path| path.as_str().map(str::to_string)).unwrap_or_default();
    (path, go_encoding::yaml::to_string_unfolded(&value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(release: Value, text: &str) -> Result<String, String> {
        let documents = PostRender::of(&release).run(&[("c/templates/a.yaml".to_string(), text.to_string())])?;
        Ok(documents.into_iter().map(|(path, text)| format!("# {path}\n{text}")).collect())
    }

    fn release(spec: Value) -> Value {
        json!({"metadata": {"name": "web", "namespace": "apps"}, "spec": spec})
    }

    #[test]
    fn the_release_is_named_whatever_the_common_metadata_say() {
        let spec =
            json!({"commonMetadata": {"labels": {"team": "net", "helm.toolkit.fluxcd.io/name": "x"}, "annotations": {"note": "<a> & b"}}});
        let expected = "# c/templates/a.yaml\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  annotations:\n    note: <a> & b\n  labels:\n    helm.toolkit.fluxcd.io/name: web\n    helm.toolkit.fluxcd.io/namespace: apps\n    team: net\n  name: a\n";
        assert_eq!(run(release(spec), "kind: ConfigMap\napiVersion: v1\n# comment\nmetadata: {name: a}\n").unwrap(), expected);
    }

    #[test]
    fn patches_and_images_come_first() {
        let spec = json!({"postRenderers": [{"kustomize": {
            "images": [{"name": "example.com/web", "newTag": "9"}],
            "patches": [{"target": {"kind": "Pod"}, "patch": "- op: add\n  path: /spec/priorityClassName\n  value: high\n"}]}}]});
        let text = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {containers: [{name: c, image: 'example.com/web:1'}]}\n";
        let found = run(release(spec), text).unwrap();
        assert!(found.contains("image: example.com/web:9\n") && found.contains("priorityClassName: high\n"), "{found}");
        assert!(!found.contains("annotations"), "{found}");
    }

    #[test]
    fn one_name_is_one_object() {
        let text = "apiVersion: v1\nkind: Secret\nmetadata: {name: a}\n---\napiVersion: v1\nkind: Secret\nmetadata: {name: a, namespace: default}\n";
        assert_eq!(run(release(json!({})), text).unwrap_err(), "v1 Secret default/a is rendered twice: kustomize refuses that");
    }

    #[test]
    fn long_lines_are_not_folded() {
        let long = "word ".repeat(40);
        let found =
            run(release(json!({})), &format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: a}}\ndata: {{text: {long}}}\n")).unwrap();
        assert!(found.contains(&format!("text: {}\n", long.trim_end())), "{found}");
    }
}
