//! Two keys for every capability: what the module requests, and what the operator grants. A call needs both.

use std::collections::BTreeMap;

use bootstrap::{Grants, Rule, Step};
use globset::{GlobBuilder, GlobMatcher};
use serde::Deserialize;
use serde_json::Value;

use crate::shown::shown;

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

impl RequestedRule {
    fn words(&self) -> impl Iterator<Item = &String> {
        let RequestedRule { verbs, api_groups, resources, namespaces, resource_names } = self;
        [verbs, api_groups, resources, namespaces, resource_names].into_iter().flatten()
    }
}

impl Request {
    /// Returns every word of it.
    pub fn words(&self) -> impl Iterator<Item = &String> {
        let Request { kubernetes, files, charts, releases, secrets } = self;
        kubernetes.iter().flat_map(RequestedRule::words).chain([files, charts, releases, secrets].into_iter().flatten())
    }

    /// Returns the request of one step: `$release`, `$release.namespace` and `$with.KEY` replaced by what the step says.
    ///
    /// Paths from `$with` are relative to `folder`, as the modules read them; one that leaves the repository is a mistake of the step.
    pub fn for_step(&self, step: &Step, folder: &str) -> Result<Grants, String> {
        let words = |items: &[String]| items.iter().flat_map(|item| expand(item, step)).collect::<Vec<_>>();
        let rule = |rule: &RequestedRule| {
            let (namespaces, resource_names) = (words(&rule.namespaces), words(&rule.resource_names));
            // An empty list means all: a rule for namespaces that the step does not name must not become one for every namespace.
            let vanished = |before: &[String], after: &[String]| !before.is_empty() && after.is_empty();
            if vanished(&rule.namespaces, &namespaces) || vanished(&rule.resource_names, &resource_names) {
                return None;
            }
            let (verbs, api_groups, resources) = (rule.verbs.clone(), rule.api_groups.clone(), rule.resources.clone());
            Some(Rule { verbs, api_groups, resources, namespaces, resource_names })
        };
        let mut files = Vec::new();
        for item in &self.files {
            match item.strip_prefix("$with.") {
                None => files.push(item.clone()),
                Some(key) => {
                    for path in expand(item, step) {
                        files.push(join(folder, &path).ok_or_else(|| format!("with.{key}: {path} leads out of the repository"))?);
                    }
                }
            }
        }
        Ok(Grants {
            kubernetes: self.kubernetes.iter().filter_map(rule).collect(),
            files,
            charts: words(&self.charts),
            releases: words(&self.releases),
            secrets: words(&self.secrets),
        })
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
    let rules = requested.kubernetes.iter().flat_map(|rule| uncovered(rule, &granted.kubernetes));
    let mut missing: Vec<String> = rules.map(|rule| format!("kubernetes: {}", yaml_rule(&rule))).collect();
    let mut words = |name: &str, requested: &[String], granted: &[String], covers: fn(&str, &str) -> bool| {
        for word in requested.iter().filter(|word| !granted.iter().any(|grant| covers(grant, word))) {
            missing.push(format!("{name}: [ \"{word}\" ]"));
        }
    };
    words("files", &requested.files, &granted.files, covers_file);
    // A `*` in the end of a request is one more character that the rest of the grant stands for.
    words("charts", &requested.charts, &granted.charts, allows_chart);
    words("releases", &requested.releases, &granted.releases, covers_word);
    words("secrets", &requested.secrets, &granted.secrets, covers_word);
    missing
}

/// Tells whether a word stands for others.
pub fn is_pattern(word: &str) -> bool {
    word.contains(['*', '?', '[', '{'])
}

/// Tells whether a granted path allows everything that a requested one may stand for, where that can be told without doubt: a request that is a
/// pattern is more than any of the words it stands for, and only the same pattern or a whole folder covers it.
fn covers_file(grant: &str, word: &str) -> bool {
    if grant == word || !is_pattern(word) {
        return grant == word || allows_file(grant, word);
    }
    let folder = grant.trim_end_matches("**").trim_end_matches('/');
    let whole = grant.ends_with("/**") || !is_pattern(grant);
    grant == "**" || (whole && !is_pattern(folder) && word.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/')))
}

/// Tells the same of releases and secrets.
///
/// A `*` of a request stands for any text without `/`, and so does one of a grant: where the grant matches the request with its `*` read as a letter
/// that nothing else holds, it matches whatever stands in its place. Other patterns are only covered by themselves.
fn covers_word(grant: &str, word: &str) -> bool {
    let has_only_stars = |text: &str| !text.contains("**") && !text.contains(['?', '[', '{', '\\']);
    if grant == word || matches!(grant, "*" | "**") || !is_pattern(word) {
        return allows_word(grant, word);
    }
    word != "*" && has_only_stars(grant) && has_only_stars(word) && allows_word(grant, word)
}

/// How many single permissions of one rule are looked at one by one.
const MAX_PERMISSIONS: usize = 1000;

/// Returns what of a requested rule no granted rule covers. Several granted rules may each cover a part.
fn uncovered(rule: &Rule, granted: &[Rule]) -> Vec<Rule> {
    if granted.iter().any(|grant| covers(grant, rule)) {
        return Vec::new();
    }
    let lists = [&rule.verbs, &rule.api_groups, &rule.resources, &rule.namespaces, &rule.resource_names];
    let count = lists.iter().fold(1_usize, |count, list| count.saturating_mul(list.len().max(1)));
    if count > MAX_PERMISSIONS || lists[..3].iter().any(|list| list.is_empty()) {
        return vec![rule.clone()];
    }
    let mut left = vec![rule.clone()];
    for field in FIELDS {
        left = left.iter().flat_map(|rule| field.split(rule)).collect();
    }
    left.retain(|single| !granted.iter().any(|grant| covers(grant, single)));
    for field in FIELDS {
        left = field.join(left);
    }
    left
}

/// One of the lists of a rule.
#[derive(Clone, Copy)]
struct Field {
    of: fn(&mut Rule) -> &mut Vec<String>,
}

const FIELDS: [Field; 5] = [
    Field { of: |rule| &mut rule.verbs },
    Field { of: |rule| &mut rule.api_groups },
    Field { of: |rule| &mut rule.resources },
    Field { of: |rule| &mut rule.namespaces },
    Field { of: |rule| &mut rule.resource_names },
];

impl Field {
    /// Returns a rule for each item of the list. An empty list, which means all, stays.
    fn split(self, rule: &Rule) -> Vec<Rule> {
        let mut rest = rule.clone();
        let items = std::mem::take((self.of)(&mut rest));
        if items.is_empty() {
            return vec![rest];
        }
        let single = |item: String| {
            let mut rule = rest.clone();
            (self.of)(&mut rule).push(item);
            rule
        };
        items.into_iter().map(single).collect()
    }

    /// Makes one of the rules that differ in this list only.
    fn join(self, rules: Vec<Rule>) -> Vec<Rule> {
        let mut joined: Vec<Rule> = Vec::new();
        let mut known: BTreeMap<String, usize> = BTreeMap::new();
        for mut rule in rules {
            let items = std::mem::take((self.of)(&mut rule));
            let position = *known.entry(format!("{rule:?}")).or_insert(joined.len());
            if position == joined.len() {
                joined.push(rule);
            }
            (self.of)(&mut joined[position]).extend(items);
        }
        joined
    }
}

fn yaml_rule(rule: &Rule) -> String {
    let list = |items: &[String]| items.iter().map(|item| format!("\"{item}\"")).collect::<Vec<_>>().join(", ");
    let mut text =
        format!("[{{ verbs: [{}], apiGroups: [{}], resources: [{}]", list(&rule.verbs), list(&rule.api_groups), list(&rule.resources));
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

/// Tells whether a granted release or secret, which may hold `*`, allows a whole word. `*` alone stands for all.
fn allows_word(grant: &str, word: &str) -> bool {
    grant == word || grant == "*" || glob(grant).is_some_and(|glob| glob.is_match(word))
}

/// Tells whether a granted chart allows a reference. A `*` in the end stands for any rest.
fn allows_chart(grant: &str, reference: &str) -> bool {
    match grant.strip_suffix('*') {
        Some(prefix) => reference.starts_with(prefix),
        None => reference == grant,
    }
}

/// Tells whether a granted path allows a path: the same, a folder above it, or a glob that matches.
fn allows_file(grant: &str, path: &str) -> bool {
    allows_below(grant, path) || glob(grant).is_some_and(|glob| glob.is_match(path))
}

fn allows_below(grant: &str, path: &str) -> bool {
    let folder = grant.trim_end_matches('/');
    path == folder || folder.is_empty() || path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
}

/// Tells whether something that a granted path allows may lie below a folder.
fn leads(grant: &str, folder: &str) -> bool {
    let mut pattern = grant.split('/').filter(|part| !part.is_empty());
    for part in folder.split('/').filter(|part| !part.is_empty()) {
        match pattern.next() {
            Some("**") => return true,
            // A part that is no glob by itself, as of braces across folders, is not looked into further.
            Some(wanted) if wanted == part || glob(wanted).is_none_or(|glob| glob.is_match(part)) => {}
            _ => return false,
        }
    }
    pattern.next().is_some()
}

/// Tells whether a path is written in the one way that the grants are compared with: relative, no part of it `.`, `..` or empty, nothing that
/// some system reads as another separator. What git keeps for itself (`.git` may hold credentials) is no part of the repository either.
fn is_plain(path: &str) -> bool {
    let plain = |part: &str| !part.is_empty() && part != "." && part != ".." && !part.eq_ignore_ascii_case(".git");
    path.len() <= MAX_PATH && !path.contains(['\\', '\0']) && (path.is_empty() || path.split('/').all(plain))
}

/// The longest path that is looked at: the limit of Linux.
pub const MAX_PATH: usize = 4096;

/// Tells whether a chart reference has no part that a URL or a file system would resolve to something else than what the grant was compared with.
fn is_plain_reference(reference: &str) -> bool {
    let rest = reference.split_once("://").map_or(reference, |(_, rest)| rest);
    let lower = reference.to_ascii_lowercase();
    let is_git = |part: &str| part.eq_ignore_ascii_case(".git") && !reference.contains("://");
    reference.len() <= MAX_PATH
        && !rest.split('/').any(is_git)
        && !rest.split(['/', ' ']).any(|part| part == "..")
        && !reference.contains(['\\', '#', '?'])
        && !reference.chars().any(char::is_control)
        && !["%2e", "%2f", "%5c"].iter().any(|escape| lower.contains(escape))
        && !rest.split('/').next().is_some_and(|host| host.contains('@') && reference.contains("://"))
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
        let globs = grants.files.iter().map(|pattern| (pattern.clone(), glob(pattern))).collect();
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
        let glob = |pattern: &String| self.globs.get(pattern).is_some_and(|glob| glob.as_ref().is_some_and(|glob| glob.is_match(path)));
        self.grants.files.iter().any(|pattern| allows_below(pattern, path) || glob(pattern))
    }

    fn word(words: &[String], word: &str) -> bool {
        words.iter().any(|item| allows_word(item, word))
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
pub struct Denied(String);

impl Denied {
    /// Returns a refusal of `what`, which a module made up: of that the beginning is shown, in one line.
    pub fn new(what: &str, why: &str) -> Self {
        Denied(format!("{}: {why}", shown(what, MAX_SHOWN)))
    }

    /// Returns the refusal of something that stands behind what was asked for.
    pub fn behind(what: &str, why: &Denied) -> Self {
        Denied::new(what, &why.0)
    }

    /// Returns the words.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// How many characters of a text that a module made up are shown in a denial.
const MAX_SHOWN: usize = 200;

impl Gate {
    /// Returns the gate of a step.
    pub fn new(requested: Grants, granted: Grants) -> Self {
        Gate { requested: Key::new(requested), granted: Key::new(granted) }
    }

    /// Checks a call to the cluster.
    pub fn kubernetes(&self, access: Access<'_>) -> Result<(), Denied> {
        self.ask(
            |key| key.kubernetes(access),
            || {
                let group = if access.group.is_empty() { String::new() } else { format!(".{}", access.group) };
                let place = access.namespace.map(|namespace| format!(" in namespace {namespace}")).unwrap_or_default();
                let name = access.name.map(|name| format!(" {name}")).unwrap_or_default();
                format!("{} {}{group}{name}{place}", access.verb, access.resource)
            },
        )
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

    /// Checks that some rule is about an API group at all, so that its kinds may be asked for.
    pub fn api_group(&self, group: &str) -> Result<(), Denied> {
        let could = |key: &Key| key.grants.kubernetes.iter().any(|rule| rule.api_groups.iter().any(|item| item == "*" || item == group));
        self.ask(could, || format!("anything in API group \"{group}\""))
    }

    /// Checks a path of the repository.
    pub fn file(&self, path: &str) -> Result<(), Denied> {
        plain(path, "file")?;
        self.ask(|key| key.path(path), || format!("file {path}"))
    }

    /// Checks that anything inside a folder may be read, so that it may be listed.
    pub fn folder(&self, path: &str) -> Result<(), Denied> {
        plain(path, "folder")?;
        let could = |key: &Key| key.path(path) || key.grants.files.iter().any(|pattern| leads(pattern, path));
        self.ask(could, || format!("folder {path}"))
    }

    /// Checks a chart reference.
    pub fn chart(&self, reference: &str) -> Result<(), Denied> {
        if !is_plain_reference(reference) {
            let why = "a reference has no `..` or `.git` in its path, no escapes, no query and no user";
            return Err(Denied::new(&format!("chart {reference}"), why));
        }
        self.ask(|key| key.grants.charts.iter().any(|grant| allows_chart(grant, reference)), || format!("chart {reference}"))
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
            (false, _) => Err(Denied::new(&what(), "the module did not request it")),
            (true, false) => Err(Denied::new(&what(), "the manifest does not grant it")),
        }
    }
}

fn plain(path: &str, what: &str) -> Result<(), Denied> {
    if is_plain(path) {
        return Ok(());
    }
    let why = format!("not a plain path of the repository (no `..`, no `.git`, at most {MAX_PATH} bytes)");
    Err(Denied::new(&format!("{what} {path}"), &why))
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
        assert_eq!(missing(&requested, &granted), [r#"kubernetes: [{ verbs: ["patch"], apiGroups: [""], resources: ["configmaps"] }]"#]);
        assert!(missing(&requested, &requested).is_empty());
    }

    fn files(granted: &[&str]) -> Gate {
        let grants = Grants { files: words(granted), ..Grants::default() };
        Gate::new(grants.clone(), grants)
    }

    #[test]
    fn no_way_to_write_a_path_gets_around_a_grant() {
        let long = "a/".repeat(10_000);
        for gate in [files(&["apps"]), files(&["apps/**"]), files(&["**"]), files(&[""])] {
            for path in [
                "apps/../secret",
                "..",
                ".",
                "apps/.",
                "./apps/x",
                "apps//x",
                "/apps/x",
                "apps/x/",
                "apps\\..\\secret",
                "apps/x\0.yaml",
                ".git",
                ".git/config",
                "apps/.git/config",
                "apps/.GIT/config",
                &long,
            ] {
                let Err(Denied(text)) = gate.file(path) else { panic!("{path} was allowed") };
                assert!(text.len() < 600, "the message is short: {text}");
                assert!(gate.folder(path).is_err(), "{path}");
            }
            assert!(gate.file("apps/\u{ff0e}\u{ff0e}/x").is_ok(), "other dots are letters of a name");
        }
    }

    #[test]
    fn folders_are_listed_as_far_as_something_granted_is_below() {
        for (grant, yes, no) in [
            ("apps/cilium", vec!["", "apps", "apps/cilium", "apps/cilium/app"], vec!["apps/other", "app"]),
            ("apps/*/values.yaml", vec!["", "apps", "apps/any"], vec!["apps/any/deeper", "other"]),
            ("apps/**/values.yaml", vec!["apps", "apps/a/b/c"], vec!["other"]),
            ("**", vec!["", "a/b"], vec![]),
            ("crds/*.yaml", vec!["", "crds"], vec!["crds/sub"]),
        ] {
            let gate = files(&[grant]);
            for folder in yes {
                assert!(gate.folder(folder).is_ok(), "{grant}: {folder}");
            }
            for folder in no {
                assert!(gate.folder(folder).is_err(), "{grant}: {folder}");
            }
        }
        assert!(files(&[]).folder("").is_err());
    }

    #[test]
    fn charts_are_compared_as_they_will_be_fetched() {
        let charts = words(&["oci://ghcr.io/ours/*", "charts/*", "https://charts.example NAME"]);
        let grants = Grants { charts, ..Grants::default() };
        let gate = Gate::new(grants.clone(), grants);
        for allowed in ["oci://ghcr.io/ours/a", "oci://ghcr.io/ours/deep/a:1.0.0", "charts/a", "https://charts.example NAME"] {
            assert!(gate.chart(allowed).is_ok(), "{allowed}");
        }
        for refused in [
            "oci://ghcr.io/theirs/a",
            "oci://ghcr.io/ours/../theirs/a",
            "oci://ghcr.io/ours/%2E%2e/theirs/a",
            "charts/../secret",
            "charts/a\\..\\..\\b",
            "charts/\n",
            "oci://ghcr.io/ours/a?x",
            "https://charts.example OTHER",
            "/etc",
        ] {
            assert!(gate.chart(refused).is_err(), "{refused}");
        }
        let wide = Grants { charts: words(&["oci://ghcr.io*"]), ..Grants::default() };
        assert!(Gate::new(wide.clone(), wide).chart("oci://ghcr.io@evil.example/a").is_err());
    }

    fn step(with: &str) -> Step {
        let text = format!(
            "apiVersion: launchway.dev/v1alpha1\nkind: Bootstrap\nmetadata: {{ name: t }}\nspec:\n  repository: .\n  steps:\n    - name: s\n      module: ./m.wasm\n      with: {with}\n"
        );
        bootstrap::parse("launchway.yaml", &text).unwrap().steps.remove(0)
    }

    #[test]
    fn a_rule_without_the_namespaces_it_names_is_no_rule_for_all() {
        let rule = RequestedRule {
            verbs: words(&["get"]),
            api_groups: words(&[""]),
            resources: words(&["secrets"]),
            namespaces: words(&["$with.namespaces"]),
            resource_names: Vec::new(),
        };
        let by_release = RequestedRule { namespaces: words(&["$release.namespace"]), ..rule.clone() };
        let by_name = RequestedRule { namespaces: Vec::new(), resource_names: words(&["$with.name"]), ..rule.clone() };
        let request = Request { kubernetes: vec![rule, by_release, by_name], ..Request::default() };
        assert!(request.for_step(&step("{}"), "").unwrap().kubernetes.is_empty());
        assert!(request.for_step(&step("{ namespaces: [] }"), "").unwrap().kubernetes.is_empty());
        let named = request.for_step(&step("{ namespaces: [a] }"), "").unwrap().kubernetes;
        assert_eq!(named.iter().map(|rule| rule.namespaces.clone()).collect::<Vec<_>>(), [words(&["a"])]);
    }

    #[test]
    fn paths_from_parameters_stay_in_the_repository() {
        let request = Request { files: words(&["$with.paths", "fixed"]), ..Request::default() };
        let inside = request.for_step(&step("{ paths: [x.yaml, ../y, /z] }"), "apps/a").unwrap();
        assert_eq!(inside.files, ["apps/a/x.yaml", "apps/y", "z", "fixed"]);
        let error = request.for_step(&step("{ paths: [../../../etc/passwd] }"), "apps/a").unwrap_err();
        assert_eq!(error, "with.paths: ../../../etc/passwd leads out of the repository");
    }

    #[test]
    fn a_requested_pattern_needs_all_of_it_granted() {
        let lacks = |requested: &str, granted: &str| {
            let files = |word: &str| Grants { files: words(&[word]), ..Grants::default() };
            !missing(&files(requested), &files(granted)).is_empty()
        };
        for (requested, granted) in [("**", "*"), ("apps/**", "apps/*"), ("apps/*", "apps/a"), ("**", "apps/**"), ("apps-2/*", "apps")] {
            assert!(lacks(requested, granted), "{granted} does not cover {requested}");
        }
        for (requested, granted) in [("apps/*", "apps"), ("apps/*/x", "apps/**"), ("apps/a", "apps/*"), ("a[b", "a[b"), ("*", "**")] {
            assert!(!lacks(requested, granted), "{granted} covers {requested}");
        }
    }

    #[test]
    fn patterns_of_charts_releases_and_secrets_are_no_paths() {
        let covered = |list: fn(&mut Grants) -> &mut Vec<String>, requested: &str, granted: &str| {
            let grants = |word: &str| {
                let mut grants = Grants::default();
                list(&mut grants).push(word.to_owned());
                grants
            };
            missing(&grants(requested), &grants(granted)).is_empty()
        };
        let lists: [fn(&mut Grants) -> &mut Vec<String>; 2] = [|grants| &mut grants.releases, |grants| &mut grants.secrets];
        for list in lists {
            for (requested, granted) in [
                ("hello/*", "*"),
                ("hello/*", "**"),
                ("hello/*", "hello/*"),
                ("hello/a*", "hello/*"),
                ("hello/a-*", "*/a*"),
                ("hello/greeter", "hello/*"),
                ("hello/greeter", "*"),
                ("*", "*"),
            ] {
                assert!(covered(list, requested, granted), "{granted} covers {requested}");
            }
            for (requested, granted) in [
                ("hello/*", "hello"),
                ("hello/greeter", "hello"),
                ("hello/*", "hello/a*"),
                ("hello/*", "hello/?"),
                ("hello/*", "hello/[*]"),
                ("hello/**", "hello/*"),
                ("hello/*", "hello/greeter"),
                ("*", "hello/*"),
                ("*", "*/*"),
            ] {
                assert!(!covered(list, requested, granted), "{granted} does not cover {requested}");
            }
        }
        let charts: fn(&mut Grants) -> &mut Vec<String> = |grants| &mut grants.charts;
        for (requested, granted) in [
            ("oci://ghcr.io/a/*", "oci://ghcr.io/*"),
            ("oci://ghcr.io/a/b", "oci://ghcr.io/*"),
            ("oci://ghcr.io/a*", "oci://ghcr.io/a*"),
            ("charts/*", "*"),
        ] {
            assert!(covered(charts, requested, granted), "{granted} covers {requested}");
        }
        for (requested, granted) in
            [("oci://ghcr.io/*", "oci://ghcr.io/a/*"), ("charts/*", "charts"), ("charts/a/b", "charts"), ("charts/a*", "charts/a")]
        {
            assert!(!covered(charts, requested, granted), "{granted} does not cover {requested}");
        }
    }

    #[test]
    fn several_rules_may_cover_one_and_only_the_rest_is_missing() {
        let requested = rule(&["get", "patch", "watch"], &["", "apps"], &["configmaps"], &["a", "b"]);
        let lacks = |granted: &[Rule]| {
            let grants = |rules: &[Rule]| Grants { kubernetes: rules.to_vec(), ..Grants::default() };
            missing(&grants(std::slice::from_ref(&requested)), &grants(granted))
        };
        let read = rule(&["get", "watch"], &["*"], &["*"], &[]);
        let in_a = rule(&["patch"], &["", "apps"], &["configmaps"], &["a"]);
        let in_b = rule(&["patch"], &["", "apps"], &["configmaps"], &["b"]);
        assert!(lacks(&[read.clone(), in_a.clone(), in_b]).is_empty());
        assert_eq!(
            lacks(&[read.clone(), in_a]),
            [r#"kubernetes: [{ verbs: ["patch"], apiGroups: ["", "apps"], resources: ["configmaps"], namespaces: ["b"] }]"#]
        );
        assert_eq!(
            lacks(&[read]),
            [r#"kubernetes: [{ verbs: ["patch"], apiGroups: ["", "apps"], resources: ["configmaps"], namespaces: ["a", "b"] }]"#]
        );
        let everywhere = rule(&["get"], &[""], &["configmaps"], &[]);
        let parts = [rule(&["get"], &[""], &["configmaps"], &["a"]), rule(&["get"], &[""], &["configmaps"], &["*"])];
        let grants = |rules: &[Rule]| Grants { kubernetes: rules.to_vec(), ..Grants::default() };
        assert_eq!(missing(&grants(&[everywhere]), &grants(&parts)).len(), 1, "named namespaces are not all there is");
        let many: Vec<String> = (0..500).map(|n| format!("r{n}")).collect();
        let many = Rule { resources: many.clone(), resource_names: many, ..rule(&["get"], &[""], &[], &[]) };
        assert_eq!(missing(&grants(&[many]), &grants(&parts)).len(), 1, "a huge rule is not taken apart");
    }

    #[test]
    fn a_denial_is_one_short_line_whatever_was_asked_for() {
        let gate = Gate::new(Grants::default(), Grants::default());
        let odd = format!("a\u{1b}[2J\n::error::\u{202e}{}", "x".repeat(100_000));
        let denials = [
            gate.secret(&odd),
            gate.release(&odd),
            gate.chart(&odd),
            gate.chart(&odd.replace('\n', "")),
            gate.file(&odd),
            gate.folder(&format!("../{odd}")),
            gate.kubernetes(Access { verb: "get", group: &odd, resource: &odd, namespace: Some(&odd), name: Some(&odd) }),
            gate.kubernetes_group("get", &odd),
            gate.api_group(&odd),
            Err(Denied::behind(&odd, &Denied::new(&odd, "no"))),
        ];
        for denied in denials {
            let text = denied.unwrap_err().as_str().to_owned();
            assert!(text.len() < 600, "{text}");
            assert!(!text.chars().any(|c| c.is_control() || c == '\u{202e}'), "{text}");
            assert!(text.contains(r"a\u{1b}[2J"), "{text}");
        }
    }
}
