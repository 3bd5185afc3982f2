//! What a person knows beside the files of the repository: age keys, and objects that only the cluster will have.

use std::io;
use std::path::Path;

use flux::Reading;
use kustomize::Object;
use serde_json::Value;

use crate::Surroundings;
use crate::age_keys::AgeKeys;
use crate::bounded;
use crate::failure::Failure;
use crate::options;

/// What is known beside the repository. None of it is ever printed.
pub struct Disclosed {
    keys: AgeKeys,
    objects: Vec<Object>,
    must_decrypt: bool,
}

impl Disclosed {
    /// Reads the age keys and the files of `--objects`. Where there is no key at all, what is encrypted is either a fault, with `must_decrypt`, or
    /// simply not known.
    pub fn read(options: &options::Secrets, around: &Surroundings, must_decrypt: bool) -> Result<Self, Failure> {
        let mut objects = Vec::new();
        for file in &options.objects {
            let read = match file.to_str() {
                Some("-") => bounded::stream(io::stdin(), bounded::TEXT),
                _ => bounded::any(&around.folder.join(file), bounded::TEXT),
            };
            let place = file.display().to_string();
            let text = bounded::text(read).map_err(|error| Failure::user(format!("--objects {place}: {error}")))?;
            objects.extend(objects_in(&text, file).map_err(|error| error.hint("`--objects` takes ConfigMaps and Secrets in plain YAML"))?);
        }
        Ok(Disclosed { keys: AgeKeys::read(options.age_key_file.as_ref(), around)?, objects, must_decrypt })
    }

    /// Returns how a tree is read with it.
    pub fn reading(&self) -> Reading<'_> {
        Reading { keys: (self.must_decrypt || !self.keys.is_empty()).then_some(&self.keys), given: &self.objects }
    }
}

fn objects_in(text: &str, file: &Path) -> Result<Vec<Object>, Failure> {
    let file = file.display();
    let documents = go_encoding::yaml::documents(text).map_err(|error| Failure::user(format!("{file}: {error}")))?;
    let mut objects = Vec::new();
    for document in documents.into_iter().filter(|document| !document.value.is_null()) {
        let value = document.value;
        let at = |pointer: &str| value.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let wrong = |what: &str| Err(Failure::user(format!("{file}:{}: {what}", document.line)));
        if at("/apiVersion") != "v1" || !matches!(at("/kind"), "ConfigMap" | "Secret") {
            return wrong("is no ConfigMap and no Secret of v1");
        }
        if at("/metadata/name").is_empty() || at("/metadata/namespace").is_empty() {
            return wrong("needs metadata.name and metadata.namespace");
        }
        if !at("/sops/mac").is_empty() {
            return wrong("is encrypted");
        }
        objects.push(Object { value, file: file.to_string(), line: document.line, changes: Vec::new() });
    }
    Ok(objects)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> String {
        objects_in(text, Path::new("given.yaml")).err().map(|failure| failure.message).unwrap_or_default()
    }

    #[test]
    fn only_whole_objects_with_values_are_taken() {
        let secret = "apiVersion: v1\nkind: Secret\nmetadata: { name: a, namespace: b }\nstringData: { A: a }\n";
        assert_eq!(said(&format!("---\n{secret}---\n")), "");
        assert_eq!(said(&format!("{secret}---\nkind: Secret\n")), "given.yaml:6: is no ConfigMap and no Secret of v1");
        assert_eq!(
            said("apiVersion: v1\nkind: Secret\nmetadata: { name: a }\n"),
            "given.yaml:1: needs metadata.name and metadata.namespace"
        );
        assert_eq!(said(&format!("{secret}sops: {{ mac: x }}\n")), "given.yaml:1: is encrypted");
        assert!(said("a: [\n").starts_with("given.yaml:"));
    }
}
