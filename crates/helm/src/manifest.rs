//! From rendered files to documents: splitting, reading heads, hooks, the order of kinds, and the text of a manifest
//! (`pkg/release/v1/util`).

use std::collections::BTreeMap;
use std::sync::LazyLock;

use go_encoding::yaml;
use regex::Regex;
use serde_json::{Map, Value};

use crate::compat::{HelmCompat, Splitting};

/// One document of a rendered chart.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Document {
    /// The template it came from, e.g. `app/templates/service.yaml`.
    pub path: String,
    /// Its kind; empty where the document has none, as one of comments only.
    pub kind: String,
    /// Its API version.
    pub api_version: String,
    /// `metadata.name`
    pub name: String,
    /// `metadata.namespace`, where it says one.
    pub namespace: Option<String>,
    /// Its annotations.
    pub annotations: BTreeMap<String, String>,
    /// The document as rendered.
    pub text: String,
}

/// A document that is run at certain moments instead of being part of the manifest.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Hook {
    /// The document.
    pub document: Document,
    /// When it runs: `pre-install`, `test`, and so on.
    pub events: Vec<String>,
    /// Lower ones run first.
    pub weight: i64,
    /// When it is deleted; empty means before it is created again.
    pub delete_policies: Vec<String>,
    /// When the output of its containers is shown.
    pub output_log_policies: Vec<String>,
}

impl Hook {
    /// Tells whether this is a test.
    pub fn is_test(&self) -> bool {
        self.events.iter().any(|event| event == "test")
    }
}

/// The documents and hooks of a render, in install order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Sorted {
    pub documents: Vec<Document>,
    pub hooks: Vec<Hook>,
}

const EVENTS: &[&str] = &[
    "post-delete",
    "post-install",
    "post-rollback",
    "post-upgrade",
    "pre-delete",
    "pre-install",
    "pre-rollback",
    "pre-upgrade",
    "test",
    "test-success",
];

const INSTALL_ORDER: &[&str] = &[
    "PriorityClass",
    "Namespace",
    "NetworkPolicy",
    "ResourceQuota",
    "LimitRange",
    "PodSecurityPolicy",
    "PodDisruptionBudget",
    "ServiceAccount",
    "Secret",
    "SecretList",
    "ConfigMap",
    "StorageClass",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "CustomResourceDefinition",
    "ClusterRole",
    "ClusterRoleList",
    "ClusterRoleBinding",
    "ClusterRoleBindingList",
    "Role",
    "RoleList",
    "RoleBinding",
    "RoleBindingList",
    "Service",
    "DaemonSet",
    "Pod",
    "ReplicationController",
    "ReplicaSet",
    "Deployment",
    "HorizontalPodAutoscaler",
    "StatefulSet",
    "Job",
    "CronJob",
    "IngressClass",
    "Ingress",
    "APIService",
];

const WEBHOOKS: &[&str] = &["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"];

/// Returns the kinds in the order in which Helm installs them.
pub fn install_order(compat: &HelmCompat) -> Vec<&'static str> {
    let webhooks = if compat.orders_webhooks() { WEBHOOKS } else { &[] };
    INSTALL_ORDER.iter().chain(webhooks).copied().collect()
}

/// Returns the kinds in the order in which Helm deletes them.
pub fn uninstall_order(compat: &HelmCompat) -> Vec<&'static str> {
    let webhooks: &[&str] =
        if compat.orders_webhooks() { &["ValidatingWebhookConfiguration", "MutatingWebhookConfiguration"] } else { &[] };
    webhooks.iter().chain(INSTALL_ORDER.iter().rev()).copied().collect()
}

/// Sorts by a list of kinds, unknown ones last and by name; equal ones keep their order.
pub fn sort_by_kind<T>(items: &mut [T], order: &[&str], kind: impl Fn(&T) -> &str) {
    let rank = |item: &T| order.iter().position(|known| *known == kind(item)).unwrap_or(order.len());
    items.sort_by(|left, right| {
        let (first, second) = (rank(left), rank(right));
        first.cmp(&second).then_with(|| if first == order.len() { kind(left).cmp(kind(right)) } else { std::cmp::Ordering::Equal })
    });
}

/// Splits the text of a file into documents, as this generation of Helm does.
pub fn split(text: &str, compat: &HelmCompat) -> Vec<String> {
    static ANYWHERE: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"(?:^|[\t\n\f\r ]*\n)---[\t\n\f\r ]*").expect("a constant pattern"));
    match compat.splitting() {
        Splitting::Trimmed => ANYWHERE
            .split(text.trim_matches(is_space))
            .filter(|document| !document.is_empty())
            .map(|document| document.trim_matches(is_space).to_owned())
            .collect(),
        Splitting::LeftTrimmed => kept(ANYWHERE.split(text.trim_start_matches(is_space))),
        Splitting::Lines => kept(between_lines(text.trim_start_matches(is_space))),
    }
}

/// Splits at `(?m)^---[ \t]*`.
fn between_lines(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    let mut at_start = true;
    std::iter::from_fn(move || {
        let here = rest?;
        let starts_with_line = std::mem::replace(&mut at_start, false) && here.starts_with("---");
        let found = if starts_with_line { Some(0) } else { memchr::memmem::find(here.as_bytes(), b"\n---").map(|at| at + 1) };
        let Some(at) = found else { return rest.take() };
        rest = Some(here[at + 3..].trim_start_matches([' ', '\t']));
        Some(&here[..at])
    })
}

fn kept<'t>(documents: impl Iterator<Item = &'t str>) -> Vec<String> {
    documents
        .filter(|document| !document.trim_matches(is_space).is_empty())
        .map(|document| document.trim_start_matches(is_space).to_owned())
        .collect()
}

/// Go's `unicode.IsSpace`.
fn is_space(c: char) -> bool {
    c.is_whitespace()
}

/// Splits and sorts rendered files; what is no YAML is an error that names the file.
pub(crate) fn sort(files: &BTreeMap<String, String>, compat: &HelmCompat) -> Result<Sorted, String> {
    sort_rendered(files, &BTreeMap::new(), BTreeMap::new(), compat)
}

/// Does the same where some files are no UTF-8, those are in `broken` too, as bytes; and where the documents of some are `known`.
pub(crate) fn sort_rendered(
    files: &BTreeMap<String, String>,
    broken: &BTreeMap<String, Vec<u8>>,
    mut known: BTreeMap<String, Result<Vec<Document>, String>>,
    compat: &HelmCompat,
) -> Result<Sorted, String> {
    let mut sorted = Sorted::default();
    for (path, text) in files {
        let found = known.remove(path).unwrap_or_else(|| documents(path, text, broken.get(path), compat));
        let found = found.map_err(|error| format!("YAML parse error on {path}: {error}"))?;
        found.into_iter().for_each(|document| classify(document, &mut sorted));
    }
    let order = install_order(compat);
    sort_by_kind(&mut sorted.documents, &order, |document| &document.kind);
    sort_by_kind(&mut sorted.hooks, &order, |hook| &hook.document.kind);
    Ok(sorted)
}

/// Returns the documents of a file, those that are no UTF-8 looked at as they were too.
pub(crate) fn documents(path: &str, text: &str, broken: Option<&Vec<u8>>, compat: &HelmCompat) -> Result<Vec<Document>, String> {
    let base = path.rsplit('/').next().unwrap_or(path);
    if base.starts_with('_') || text.trim_matches(is_space).is_empty() {
        return Ok(Vec::new());
    }
    if let Some(bytes) = broken {
        check_bytes(path, bytes, compat)?;
    }
    split(text, compat).into_iter().map(|document| head(path, document, compat)).collect()
}

/// Looks at the documents of a file that is no UTF-8, and returns the first error.
fn check_bytes(path: &str, bytes: &[u8], compat: &HelmCompat) -> Result<(), String> {
    let separator = match compat.splitting() {
        Splitting::Lines => r"(?m-u)^---[ \t]*",
        Splitting::Trimmed | Splitting::LeftTrimmed => r"(?-u)(?:^|[\t\n\f\r ]*\n)---[\t\n\f\r ]*",
    };
    let separator = regex::bytes::Regex::new(separator).map_err(|error| error.to_string())?;
    for document in separator.split(bytes.trim_ascii_start()) {
        match std::str::from_utf8(document) {
            Ok(text) => head(path, text.trim_matches(is_space).to_owned(), compat).map(|_| ())?,
            Err(_) => yaml::parse_bytes(document.trim_ascii_start())
                .map(|_| ())
                .map_err(|error| format!("error converting YAML to JSON: {error}"))?,
        }
    }
    Ok(())
}

fn classify(document: Document, sorted: &mut Sorted) {
    let Some(types) = document.annotations.get("helm.sh/hook") else {
        sorted.documents.push(document);
        return;
    };
    let mut events = Vec::new();
    for event in types.split(',') {
        let event = event.trim().to_lowercase();
        if !EVENTS.contains(&event.as_str()) {
            // Neither hook nor manifest: Helm logs it and goes on.
            return;
        }
        events.push(if event == "test-success" { "test".to_owned() } else { event });
    }
    let weight = document.annotations.get("helm.sh/hook-weight").and_then(|text| atoi(text)).unwrap_or(0);
    let delete_policies = words(&document, "helm.sh/hook-delete-policy");
    let output_log_policies = words(&document, "helm.sh/hook-output-log-policy");
    sorted.hooks.push(Hook { document, events, weight, delete_policies, output_log_policies });
}

/// Go's `strconv.Atoi`.
fn atoi(text: &str) -> Option<i64> {
    text.strip_prefix('+').filter(|rest| rest.starts_with(|c: char| c.is_ascii_digit())).unwrap_or(text).parse().ok()
}

fn words(document: &Document, annotation: &str) -> Vec<String> {
    let text = document.annotations.get(annotation);
    text.map(|text| text.split(',').map(|word| word.trim().to_lowercase()).collect()).unwrap_or_default()
}

fn head(path: &str, text: String, compat: &HelmCompat) -> Result<Document, String> {
    let is_head = |key: &str| ["apiVersion", "kind", "metadata"].iter().any(|name| key.eq_ignore_ascii_case(name));
    let value = yaml::parse_top(&text, is_head).map_err(|error| format!("error converting YAML to JSON: {error}"))?;
    let mut document = Document { path: path.to_owned(), text, ..Document::default() };
    let fields = match &value {
        Value::Null => return Ok(document),
        Value::Object(map) => map,
        other => {
            return Err(mismatch(
                other,
                if compat.is_v3() { "value of type releaseutil.SimpleHead" } else { "value of type util.SimpleHead" },
            ));
        }
    };
    document.api_version = word(fields, "apiVersion", "SimpleHead.apiVersion")?;
    document.kind = word(fields, "kind", "SimpleHead.kind")?;
    let metadata = match field(fields, "metadata") {
        None => return Ok(document),
        Some(Value::Object(map)) => map,
        Some(other) => {
            return Err(mismatch(
                other,
                "struct field SimpleHead.metadata of type struct { Name string \"json:\\\"name\\\"\"; Annotations map[string]string \"json:\\\"annotations\\\"\" }",
            ));
        }
    };
    document.name = word(metadata, "name", ".metadata.name")?;
    document.namespace = metadata.get("namespace").and_then(Value::as_str).map(str::to_owned);
    match field(metadata, "annotations") {
        None => {}
        Some(Value::Object(map)) => {
            for key in map.keys() {
                document.annotations.insert(key.clone(), word(map, key, ".metadata.annotations")?);
            }
        }
        Some(other) => return Err(mismatch(other, "struct field .metadata.annotations of type map[string]string")),
    }
    Ok(document)
}

/// JSON names match in any case where none matches exactly.
fn field<'a>(map: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    map.get(name)
        .or_else(|| map.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value))
        .filter(|value| !value.is_null())
}

/// A text field; other scalars are bent into text.
fn word(map: &Map<String, Value>, name: &str, place: &str) -> Result<String, String> {
    match field(map, name) {
        None => Ok(String::new()),
        Some(Value::String(text)) => Ok(text.clone()),
        Some(Value::Bool(flag)) => Ok(flag.to_string()),
        Some(Value::Number(number)) => Ok(match number.as_f64() {
            Some(float) if number.is_f64() => go_encoding::float::general_32(float),
            _ => number.to_string(),
        }),
        Some(other) => Err(mismatch(other, &format!("struct field {place} of type string"))),
    }
}

fn mismatch(value: &Value, place: &str) -> String {
    let found = go_encoding::json::type_name(value);
    format!("error unmarshaling JSON: while decoding JSON: json: cannot unmarshal {found} into Go {place}")
}

/// Returns the text of a manifest: every document under a line that says where it came from.
pub(crate) fn assemble<'a>(documents: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    pieces(documents).collect()
}

/// Returns the pieces of [`assemble`].
pub(crate) fn pieces<'a>(documents: impl Iterator<Item = (&'a str, &'a str)>) -> impl Iterator<Item = &'a str> {
    documents.flat_map(|(path, document)| ["---\n# Source: ", path, "\n", document, "\n"])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(version: &str, text: &str, expect: &[&str]) {
        assert_eq!(split(text, &HelmCompat::of(version)), expect, "{version}");
    }

    #[test]
    fn splits_by_generation() {
        let text = "\n---\na: 1\n\n---  # note\nb: 2\n---\n\n---apiVersion: v1\n\n";
        check("4.1", text, &["a: 1", "# note\nb: 2", "---apiVersion: v1"]);
        check("4.2.0", text, &["a: 1", "# note\nb: 2", "---apiVersion: v1\n\n"]);
        check("4.2.4", text, &["a: 1\n\n", "# note\nb: 2\n", "apiVersion: v1\n\n"]);
        check("4.2.4", "a: |\n  x\n ---\n", &["a: |\n  x\n ---\n"]);
        check("4.2.4", "---\n\n\n  a: 1\n", &["a: 1\n"]);
        check("4.2.4", "a\n---\n---b\n------\n--- \t---\n\n---", &["a\n", "b\n", "---\n", "---\n\n"]);
    }

    fn sorted(text: &str, version: &str) -> Result<Sorted, String> {
        sort(&BTreeMap::from([("c/templates/a.yaml".to_owned(), text.to_owned())]), &HelmCompat::of(version))
    }

    #[test]
    fn orders_kinds() {
        let text = "kind: Zebra\n---\nkind: ValidatingWebhookConfiguration\n---\nkind: Apple\n---\nkind: Service\n---\nkind: Secret\n---\n# nothing\n";
        let kinds = |version| sorted(text, version).expect("sorts").documents.into_iter().map(|document| document.kind).collect::<Vec<_>>();
        assert_eq!(kinds("4.2.4"), ["Secret", "Service", "ValidatingWebhookConfiguration", "", "Apple", "Zebra"]);
        assert_eq!(kinds("3.22"), ["Secret", "Service", "", "Apple", "ValidatingWebhookConfiguration", "Zebra"]);
    }

    #[test]
    fn tells_hooks_from_manifests() {
        let text = "kind: Job\nmetadata:\n  name: a\n  annotations:\n    helm.sh/hook: Pre-Install, test-success\n    helm.sh/hook-weight: \"-5\"\n    helm.sh/hook-delete-policy: hook-succeeded, hook-failed\n---\nkind: Job\nmetadata: {annotations: {helm.sh/hook: crd-install}}\n---\nkind: Job\nmetadata: {name: b, namespace: ns, annotations: {x: 5}}\n";
        let found = sorted(text, "4.2.4").expect("sorts");
        assert_eq!((found.hooks.len(), found.documents.len()), (1, 1));
        let hook = &found.hooks[0];
        assert_eq!((&hook.events[..], hook.weight), (&["pre-install".to_owned(), "test".to_owned()][..], -5));
        assert_eq!(hook.delete_policies, ["hook-succeeded", "hook-failed"]);
        assert!(hook.is_test());
        assert_eq!((found.documents[0].namespace.as_deref(), found.documents[0].annotations["x"].as_str()), (Some("ns"), "5"));
    }

    #[test]
    fn names_the_file_that_is_no_yaml() {
        let error = sorted("a: b: c\n", "4.2.4").expect_err("no YAML");
        assert_eq!(
            error,
            "YAML parse error on c/templates/a.yaml: error converting YAML to JSON: yaml: mapping values are not allowed in this context"
        );
    }
}
