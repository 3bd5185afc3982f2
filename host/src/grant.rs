//! Two keys for every capability: what the module requests, and what the operator grants. A call needs both.

use std::collections::BTreeMap;

use bootstrap::{Grants, Rule, Step};
use globset::{GlobBuilder, GlobMatcher};
use serde::Deserialize;
use serde_json::Value;

/// What a module asks for in `describe`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Request {
    pub kubernetes: Vec<RequestedRule>,
    pub files: Vec<String>,
    pub charts: Vec<String>,
    pub releases: Vec<String>,
    pub secrets: Vec<String>,
}

/// One requested rule in RBAC's words.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct RequestedRule {
    pub verbs: Vec<String>,
    pub api_groups: Vec<String>,
    pub resources: Vec<String>,
    pub namespaces: Vec<String>,
    pub resource_names: Vec<String>,
}

impl Request {
    /// Returns the request of one step: `$release`, `$release.namespace` and `$with.KEY` replaced by what the step says.
    ///
    /// Paths from `$with` are relative to `folder`, as the modules read them.
    pub fn for_step(&self, step: &Step, folder: &str) -> Grants {
        let words = |items: &[String]| items.iter().flat_map(|item| expand(item, step)).collect::<Vec<_>>();
        let rules = self.kubernetes.iter().map(|rule| Rule {
            verbs: rule.verbs.clone(),
            api_groups: rule.api_groups.clone(),
            resources: rule.resources.clone(),
            namespaces: words(&rule.namespaces),
            resource_names: words(&rule.resource_names),
        });
        let path = |item: &String| match item.starts_with('$') {
            true => expand(item, step).iter().filter_map(|path| join(folder, path)).collect(),
            false => vec![item.clone()],
        };
        Grants {
            kubernetes: rules.collect(),
            files: self.files.iter().flat_map(path).collect(),
            charts: words(&self.charts),
            releases: words(&self.releases),
            secrets: words(&self.secrets),
        }
    }
}

fn expand(word: &str, step: &Step) -> Vec<String> {
    let release = step.release.as_ref();
    match word {
        "$release" => release.map(ToString::to_string).into_iter().collect(),
        "$release.namespace" => release.map(|release| release.namespace.clone()).into_iter().collect(),
        _ => match word.strip_prefix("$with.") {
            Some(key) => texts(step.with.get(key)),
            None => vec![word.to_owned()],
        },
    }
}

fn texts(value: Option<&Value>) -> Vec<String> {
    match value {
        Some(Value::String(text)) => vec![text.clone()],
        Some(Value::Array(items)) => items.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}

/// Joins a folder and a path lexically; none if the path leaves the repository. A leading `/` means the repository itself.
pub fn join(folder: &str, path: &str) -> Option<String> {
    let joined = path.strip_prefix('/').map_or_else(|| format!("{folder}/{path}"), str::to_owned);
    let mut parts: Vec<&str> = Vec::new();
    for part in joined.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// Returns what is requested and not granted, a line each.
pub fn missing(requested: &Grants, granted: &Grants) -> Vec<String> {
    let mut missing = Vec::new();
    for rule in requested.kubernetes.iter().filter(|rule| !granted.kubernetes.iter().any(|grant| covers(grant, rule))) {
        missing.push(format!("kubernetes: {}", yaml_rule(rule)));
    }
    let mut words = |name: &str, requested: &[String], granted: &[String]| {
        for word in requested.iter().filter(|word| !granted.iter().any(|grant| grant == *word || matches_word(grant, word))) {
            missing.push(format!("{name}: [ \"{word}\" ]"));
        }
    };
    words("files", &requested.files, &granted.files);
    words("charts", &requested.charts, &granted.charts);
    words("releases", &requested.releases, &granted.releases);
    words("secrets", &requested.secrets, &granted.secrets);
    missing
}

fn yaml_rule(rule: &Rule) -> String {
    let list = |items: &[String]| items.iter().map(|item| format!("\"{item}\"")).collect::<Vec<_>>().join(", ");
    let mut text = format!("[{{ verbs: [{}], apiGroups: [{}], resources: [{}]", list(&rule.verbs), list(&rule.api_groups), list(&rule.resources));
    for (key, items) in [("namespaces", &rule.namespaces), ("resourceNames", &rule.resource_names)] {
        if !items.is_empty() {
            text.push_str(&format!(", {key}: [{}]", list(items)));
        }
    }
    text + " }]"
}

fn covers(grant: &Rule, rule: &Rule) -> bool {
    let all = |grant: &[String], rule: &[String]| rule.iter().all(|item| grant.iter().any(|word| word == "*" || word == item));
    let narrow = |grant: &[String], rule: &[String]| grant.is_empty() || (!rule.is_empty() && all(grant, rule));
    all(&grant.verbs, &rule.verbs)
        && all(&grant.api_groups, &rule.api_groups)
        && all(&grant.resources, &rule.resources)
        && narrow(&grant.namespaces, &rule.namespaces)
        && narrow(&grant.resource_names, &rule.resource_names)
}

/// Tells whether a granted word, which may hold `*` and `**`, allows a whole word.
fn matches_word(grant: &str, word: &str) -> bool {
    glob(grant).is_some_and(|glob| glob.is_match(word)) || word.strip_prefix(grant.trim_end_matches('/')).is_some_and(|rest| rest.starts_with('/'))
}

fn glob(pattern: &str) -> Option<GlobMatcher> {
    GlobBuilder::new(pattern).literal_separator(true).build().ok().map(|glob| glob.compile_matcher())
}

/// What a Kubernetes call is about to do.
#[derive(Debug, Clone, Copy)]
pub struct Access<'a> {
    /// RBAC's word; a server-side apply is a `patch`.
    pub verb: &'a str,
    pub group: &'a str,
    /// Plural.
    pub resource: &'a str,
    /// None: a cluster-scoped object, or all namespaces.
    pub namespace: Option<&'a str>,
    /// None: any.
    pub name: Option<&'a str>,
}

/// One of the two keys, ready to be asked.
#[derive(Debug)]
pub struct Key {
    grants: Grants,
    globs: BTreeMap<String, Option<GlobMatcher>>,
}

impl Key {
    fn new(grants: Grants) -> Self {
        let words = grants.files.iter().chain(&grants.charts);
        let globs = words.map(|pattern| (pattern.clone(), glob(pattern))).collect();
        Key { grants, globs }
    }

    fn kubernetes(&self, access: Access<'_>) -> bool {
        let has = |list: &[String], word: &str| list.iter().any(|item| item == "*" || item == word);
        let narrow = |list: &[String], word: Option<&str>| list.is_empty() || word.is_some_and(|word| has(list, word));
        self.grants.kubernetes.iter().any(|rule| {
            has(&rule.verbs, access.verb)
                && has(&rule.api_groups, access.group)
                && has(&rule.resources, access.resource)
                && narrow(&rule.namespaces, access.namespace)
                && narrow(&rule.resource_names, access.name)
        })
    }

    fn path(&self, path: &str) -> bool {
        let inside = |pattern: &String| {
            let folder = pattern.trim_end_matches('/');
            path == folder || folder.is_empty() || path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
        };
        self.grants.files.iter().any(|pattern| inside(pattern) || self.globs.get(pattern).is_some_and(|glob| glob.as_ref().is_some_and(|glob| glob.is_match(path))))
    }

    fn chart(&self, reference: &str) -> bool {
        let allows = |grant: &String| match grant.strip_suffix('*') {
            Some(prefix) => reference.starts_with(prefix),
            None => reference == grant,
        };
        self.grants.charts.iter().any(allows)
    }

    fn word(words: &[String], word: &str) -> bool {
        words.iter().any(|item| item == word || item == "*" || matches_word(item, word))
    }
}

/// Both keys of a step. Every capability asks here first.
#[derive(Debug)]
pub struct Gate {
    requested: Key,
    granted: Key,
}

/// A refused call, in the words of the audit line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denied(pub String);

impl Gate {
    /// Returns the gate of a step.
    pub fn new(requested: Grants, granted: Grants) -> Self {
        Gate { requested: Key::new(requested), granted: Key::new(granted) }
    }

    /// Checks a call to the cluster.
    pub fn kubernetes(&self, access: Access<'_>) -> Result<(), Denied> {
        self.ask(|key| key.kubernetes(access), || {
            let group = if access.group.is_empty() { String::new() } else { format!(".{}", access.group) };
            let place = access.namespace.map(|namespace| format!(" in namespace {namespace}")).unwrap_or_default();
            let name = access.name.map(|name| format!(" {name}")).unwrap_or_default();
            format!("{} {}{group}{name}{place}", access.verb, access.resource)
        })
    }

    /// Checks that some rule could allow a verb in an API group at all, before the kind is known.
    pub fn kubernetes_group(&self, verb: &str, group: &str) -> Result<(), Denied> {
        let could = |key: &Key| {
            key.grants.kubernetes.iter().any(|rule| {
                rule.verbs.iter().any(|item| item == "*" || item == verb) && rule.api_groups.iter().any(|item| item == "*" || item == group)
            })
        };
        self.ask(could, || format!("{verb} in API group \"{group}\""))
    }

    /// Checks a path of the repository.
    pub fn file(&self, path: &str) -> Result<(), Denied> {
        self.ask(|key| key.path(path), || format!("file {path}"))
    }

    /// Tells whether anything inside a folder may be read, so that it may be listed.
    pub fn folder(&self, path: &str) -> Result<(), Denied> {
        let prefix = if path.is_empty() { String::new() } else { format!("{path}/") };
        let leads = |key: &Key| key.path(path) || key.grants.files.iter().any(|pattern| pattern.starts_with(&prefix) || pattern.starts_with("**"));
        self.ask(leads, || format!("folder {path}"))
    }

    /// Checks a chart reference.
    pub fn chart(&self, reference: &str) -> Result<(), Denied> {
        self.ask(|key| key.chart(reference), || format!("chart {reference}"))
    }

    /// Checks a release, as `NAMESPACE/NAME`.
    pub fn release(&self, release: &str) -> Result<(), Denied> {
        self.ask(|key| Key::word(&key.grants.releases, release), || format!("release {release}"))
    }

    /// Checks a secret by its name.
    pub fn secret(&self, name: &str) -> Result<(), Denied> {
        self.ask(|key| Key::word(&key.grants.secrets, name), || format!("secret {name}"))
    }

    fn ask(&self, allows: impl Fn(&Key) -> bool, what: impl Fn() -> String) -> Result<(), Denied> {
        match (allows(&self.requested), allows(&self.granted)) {
            (true, true) => Ok(()),
            (false, _) => Err(Denied(format!("{}: the module did not request it", what()))),
            (true, false) => Err(Denied(format!("{}: the manifest does not grant it", what()))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(items: &[&str]) -> Vec<String> {
        items.iter().map(|item| (*item).to_owned()).collect()
    }

    fn rule(verbs: &[&str], groups: &[&str], resources: &[&str], namespaces: &[&str]) -> Rule {
        Rule {
            verbs: words(verbs),
            api_groups: words(groups),
            resources: words(resources),
            namespaces: words(namespaces),
            resource_names: Vec::new(),
        }
    }

    fn access<'a>(verb: &'a str, resource: &'a str, namespace: Option<&'a str>) -> Access<'a> {
        Access { verb, group: "", resource, namespace, name: Some("x") }
    }

    #[test]
    fn a_call_needs_both_keys() {
        let narrow = Grants { kubernetes: vec![rule(&["get"], &[""], &["configmaps"], &["default"])], ..Grants::default() };
        let wide = Grants { kubernetes: vec![rule(&["*"], &["*"], &["*"], &[])], ..Grants::default() };
        for (requested, granted, who) in [(narrow.clone(), wide.clone(), "did not request"), (wide, narrow, "does not grant")] {
            let gate = Gate::new(requested, granted);
            assert!(gate.kubernetes(access("get", "configmaps", Some("default"))).is_ok());
            for refused in [
                access("patch", "configmaps", Some("default")),
                access("get", "secrets", Some("default")),
                access("get", "configmaps", Some("kube-system")),
                access("get", "configmaps", None),
            ] {
                let Err(Denied(text)) = gate.kubernetes(refused) else { panic!("{refused:?} was allowed") };
                assert!(text.contains(who), "{text}");
            }
        }
    }

    #[test]
    fn files_by_folder_and_glob() {
        let grants = Grants { files: words(&["apps/cilium", "crds/*.yaml"]), ..Grants::default() };
        let gate = Gate::new(grants.clone(), grants);
        for allowed in ["apps/cilium", "apps/cilium/app/x.yaml", "crds/a.yaml"] {
            assert!(gate.file(allowed).is_ok(), "{allowed}");
        }
        for refused in ["apps/cilium-2/x", "apps", "crds/sub/a.yaml", "secret.yaml", ""] {
            assert!(gate.file(refused).is_err(), "{refused}");
        }
    }

    #[test]
    fn paths_do_not_leave_the_repository() {
        assert_eq!(join("a/b", "../c").as_deref(), Some("a/c"));
        assert_eq!(join("a/b", "/c/./d").as_deref(), Some("c/d"));
        assert_eq!(join("a", "../../etc"), None);
    }

    #[test]
    fn what_is_not_granted_is_listed() {
        let requested = Grants {
            kubernetes: vec![rule(&["get", "patch"], &[""], &["configmaps"], &[])],
            secrets: words(&["token"]),
            ..Grants::default()
        };
        let granted = Grants { kubernetes: vec![rule(&["get"], &["*"], &["*"], &[])], secrets: words(&["*"]), ..Grants::default() };
        assert_eq!(missing(&requested, &granted), [r#"kubernetes: [{ verbs: ["get", "patch"], apiGroups: [""], resources: ["configmaps"] }]"#]);
        assert!(missing(&requested, &requested).is_empty());
    }
}
