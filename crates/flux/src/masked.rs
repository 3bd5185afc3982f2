//! Knows which values of a release are secret: what was decrypted, what comes from a Secret, and what is made with a variable from one.

use go_encoding::json::{as_integers, map_as_integers};
use serde_json::{Map, Value};

use crate::error::Error;
use crate::explain::leaves;
use crate::fields::{items, namespace, text};
use crate::sops::MASK;
use crate::tree::{Located, Secrecy, Tree};
use crate::values;

/// Returns the values of a release as Helm holds them, with [`MASK`] in the place of every text and number that is secret.
///
/// What is true or false stays: it chooses between the ways in which a chart can be installed.
pub fn masked_values(tree: &Tree, inside: &str, wanted: &str) -> Result<Map<String, Value>, Error> {
    let spec = tree.release(inside, wanted)?;
    let mut masked = Value::Object(spec.values);
    if let Some(release) = tree.find("helm.toolkit.fluxcd.io", "HelmRelease", inside, wanted) {
        let secrets = Secrets::of(tree, release);
        for pointer in secrets.places(&masked) {
            if let Some(value @ (Value::String(_) | Value::Number(_))) = masked.pointer_mut(&pointer) {
                *value = MASK.into();
            }
        }
    }
    match masked {
        Value::Object(values) => Ok(values),
        _ => Ok(Map::new()),
    }
}

/// Where the values of a release were written, as far as that matters.
pub(crate) struct Secrets<'a> {
    release: &'a Located,
    /// In the order of `valuesFrom`.
    references: Vec<Written<'a>>,
}

/// What one entry of `valuesFrom` gives.
struct Written<'a> {
    source: &'a Located,
    is_secret: bool,
    at: At,
}

enum At {
    /// All values of a text.
    Root(Value),
    /// One value at a JSON pointer.
    Target(String, String),
}

impl<'a> Secrets<'a> {
    pub(crate) fn of(tree: &'a Tree, release: &'a Located) -> Self {
        let written = |reference: &Value| {
            let (kind, name) = (text(reference, &["kind"])?, text(reference, &["name"])?);
            let key = text(reference, &["valuesKey"]).unwrap_or("values.yaml");
            let source = tree.content(kind, namespace(&release.object.value), name)?;
            let content = values::entries(&source.object.value).into_iter().find(|(name, _)| name == key)?.1;
            let at = match text(reference, &["targetPath"]) {
                Some(target) => At::Target(format!("/{}", target.replace('.', "/")), content),
                None => At::Root(as_integers(&go_encoding::yaml::parse(&content).ok()?)),
            };
            Some(Written { source, is_secret: kind == "Secret" || source.secrecy == Secrecy::Decrypted, at })
        };
        let references = items(&release.object.value, &["spec", "valuesFrom"]).iter().filter_map(written).collect();
        Secrets { release, references }
    }

    /// Returns the JSON pointers of all values that are secret.
    fn places(&self, values: &Value) -> Vec<String> {
        let is_plain = |located: &Located| located.secrecy != Secrecy::Decrypted && located.secrets.is_empty();
        let mut places = Vec::new();
        if is_plain(self.release) && self.references.iter().all(|written| !written.is_secret && is_plain(written.source)) {
            return places;
        }
        let values = values.as_object().map(map_as_integers).unwrap_or_default();
        leaves(&values, String::new(), &mut |pointer, value| {
            if self.holds(pointer, value) {
                places.push(pointer.to_owned());
            }
        });
        places
    }

    /// Tells whether a value is secret, with whole numbers as integers.
    pub(crate) fn holds(&self, pointer: &str, value: &Value) -> bool {
        let release = self.release;
        let is_inline = |written: &Value| as_integers(written) == *value;
        if release.object.value.pointer(&format!("/spec/values{pointer}")).is_some_and(is_inline) {
            return release.secrecy == Secrecy::Decrypted || is_made_with(release, value);
        }
        match self.references.iter().rev().find(|written| written.gives(pointer, value)) {
            Some(written) => written.is_secret || is_made_with(written.source, value),
            // It was merged out of several, of which any may be secret.
            None => {
                let may_be = |written: &Written<'_>| written.is_secret || is_made_with(written.source, value);
                release.secrecy == Secrecy::Decrypted || is_made_with(release, value) || self.references.iter().any(may_be)
            }
        }
    }
}

impl Written<'_> {
    fn gives(&self, pointer: &str, value: &Value) -> bool {
        match &self.at {
            At::Root(values) => values.pointer(pointer) == Some(value),
            At::Target(target, content) => pointer == target && plain(value) == content.trim_matches(['\'', '"']),
        }
    }
}

/// Tells whether a value holds what a secret variable stands for. A short one is a secret only by itself: it is part of too many words.
fn is_made_with(located: &Located, value: &Value) -> bool {
    const SHORT: usize = 4;
    let text = plain(value);
    located.secrets.iter().any(|secret| text == *secret || (secret.len() >= SHORT && text.contains(secret.as_str())))
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const TREE: &str = "
apiVersion: v1
kind: Secret
metadata: {name: more, namespace: a}
stringData:
  values.yaml: |
    password: hidden-one
    port: 5432
    enabled: true
    both: {a: hidden-two}
  token: hidden-three
---
apiVersion: v1
kind: ConfigMap
metadata: {name: plain, namespace: a}
data: {values.yaml: 'shown: yes-sir', url: 'https://${DOMAIN}/'}
---
apiVersion: v1
kind: Secret
metadata: {name: variables, namespace: flux-system}
stringData: {DOMAIN: hidden.example}
---
apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: {name: web, namespace: a}
spec:
  chartRef: {kind: OCIRepository, name: web}
  valuesFrom:
    - {kind: Secret, name: more}
    - {kind: ConfigMap, name: plain}
    - {kind: Secret, name: more, valuesKey: token, targetPath: auth.token}
    - {kind: ConfigMap, name: plain, valuesKey: url, targetPath: url}
  values: {replicas: 2, host: 'x.${DOMAIN}', name: web}
---
apiVersion: source.toolkit.fluxcd.io/v1
kind: OCIRepository
metadata: {name: web, namespace: a}
spec: {url: 'oci://x/web', ref: {tag: 1.0.0}}
---
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: flux-system, namespace: flux-system}
spec:
  path: ./c
  sourceRef: {kind: GitRepository, name: flux-system}
  postBuild: {substituteFrom: [{kind: Secret, name: variables}]}
";

    #[test]
    fn what_comes_from_a_secret_is_masked_and_nothing_else() {
        let files = kustomize::MemoryFiles([("c/all.yaml".to_owned(), TREE.as_bytes().to_vec())].into_iter().collect());
        let tree = crate::read(&files, Some("c")).unwrap();
        let real = Value::Object(tree.release("a", "web").unwrap().values);
        assert_eq!(real.pointer("/auth/token"), Some(&json!("hidden-three")));
        assert_eq!(real.pointer("/host"), Some(&json!("x.hidden.example")));
        let masked = Value::Object(masked_values(&tree, "a", "web").unwrap());
        assert_eq!(
            masked,
            json!({
                "password": MASK, "port": MASK, "enabled": true, "both": { "a": MASK }, "auth": { "token": MASK },
                "shown": "yes-sir", "url": MASK, "host": MASK, "replicas": 2.0, "name": "web",
            })
        );
    }
}
