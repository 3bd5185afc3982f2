//! What names something that is nowhere in the tree: dependencies, sources, charts, values, variables.

use std::collections::{BTreeMap, BTreeSet};

use kustomize::{Absent, Files, KUSTOMIZATION_FILES};
use serde_json::Value;

use crate::check::finding::{Finding, Rule, Severity};
use crate::check::is_resource_set;
use crate::check::locate::{self, At};
use crate::error::Place;
use crate::fields::{flag, get, group, items, kind, name, namespace, text};
use crate::producers;
use crate::tree::{self, EXTERNAL, Located, Tree, is_kustomization, is_release};
use crate::values;

const KUSTOMIZE: &str = "kustomize.toolkit.fluxcd.io";
const HELM: &str = "helm.toolkit.fluxcd.io";
const SOURCE: &str = "source.toolkit.fluxcd.io";
const NOTIFICATION: &str = "notification.toolkit.fluxcd.io";
const IMAGE: &str = "image.toolkit.fluxcd.io";

/// One reference from an object to another.
struct Reference<'a> {
    from: &'a Located,
    at: Vec<At<'a>>,
    rule: Rule,
    /// The field, for people.
    field: &'static str,
    group: &'a str,
    kind: String,
    namespace: String,
    name: String,
}

impl Reference<'_> {
    fn title(&self) -> String {
        format!("{} {}/{}", self.kind, self.namespace, self.name)
    }

    /// Returns whether substitution could not know what it names.
    fn is_open(&self) -> bool {
        [&self.kind, &self.namespace, &self.name].into_iter().any(|text| self.from.is_open(text))
    }

    /// Returns whether more than what is in a tree makes objects of the kind: charts and operators do.
    fn is_of_others(&self) -> bool {
        self.rule == Rule::DanglingHealthCheck && !self.group.ends_with("toolkit.fluxcd.io")
    }

    fn referrer_title(&self) -> String {
        let value = &self.from.object.value;
        format!("{} {}/{}", kind(value), namespace(value), name(value))
    }
}

pub(crate) fn dangling(files: &dyn Files, tree: &Tree) -> Vec<Finding> {
    let (index, absences) = (Index::of(tree), Absences::of(files, tree));
    let mut found = Vec::new();
    for reference in all(tree).iter().filter(|reference| !reference.is_open() && !index.has(tree, reference)) {
        if absences.behind(reference).is_none() && !(reference.is_of_others() && index.may_be_of_chart(reference)) {
            found.push(finding(files, tree, &index, reference));
        }
    }
    found.extend(missing_keys(files, tree));
    found
}

/// Returns, for people, the references of which substitution could not know what they name.
pub(crate) fn open(tree: &Tree) -> Vec<String> {
    let note = |reference: &Reference<'_>| {
        let Reference { from, field, .. } = reference;
        format!("{}: {field} names {}, which is not known", from.title(), reference.title())
    };
    all(tree).iter().filter(|reference| reference.is_open()).map(note).collect()
}

/// Returns for absent resources, by their place in the list, what refers to something that is probably in them.
pub(crate) fn of_absences(files: &dyn Files, tree: &Tree) -> BTreeMap<usize, Vec<String>> {
    let (index, absences) = (Index::of(tree), Absences::of(files, tree));
    let mut needed: BTreeMap<usize, Vec<String>> = BTreeMap::new();
    for reference in all(tree).iter().filter(|reference| !reference.is_open() && !index.has(tree, reference)) {
        if let Some(at) = absences.behind(reference) {
            let text = format!("{} ({})", reference.referrer_title(), reference.field);
            let list = needed.entry(at).or_default();
            if !list.contains(&text) {
                list.push(text);
            }
        }
    }
    needed
}

/// Returns the end of an absent path that says what is missing: what a kustomization file lists below its own folder, else what is below
/// the folder that is there.
fn missing_part<'a>(files: &dyn Files, absent: &'a Absent) -> &'a str {
    let below = |folder: &str| absent.path.strip_prefix(folder).and_then(|rest| rest.strip_prefix('/'));
    let is_file = |file: &str| KUSTOMIZATION_FILES.contains(&file);
    if let Some((folder, file)) = absent.listed_in.rsplit_once('/')
        && let Some(listed) = below(folder).filter(|_| is_file(file))
    {
        return listed;
    }
    let folders = absent.path.match_indices('/').map(|(at, _)| &absent.path[..at]);
    let there = folders.take_while(|folder| matches!(files.list(folder), Ok(Some(_)))).last();
    there.and_then(below).unwrap_or(&absent.path)
}

/// Absent resources by the names of their folders and files. One is taken to hold what it is named after.
struct Absences<'a> {
    tree: &'a Tree,
    by_name: BTreeMap<&'a str, Vec<usize>>,
}

impl<'a> Absences<'a> {
    fn of(files: &dyn Files, tree: &'a Tree) -> Absences<'a> {
        let mut by_name: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (at, absent) in tree.absent().iter().enumerate() {
            for part in missing_part(files, absent).split('/') {
                by_name.entry(part.split_once('.').map_or(part, |(stem, _)| stem)).or_default().push(at);
            }
        }
        Absences { tree, by_name }
    }

    /// Returns the place in the list of the absent resource that probably holds what is referred to.
    fn behind(&self, reference: &Reference<'_>) -> Option<usize> {
        let name = reference.name.as_str();
        // `db` in the folder `db`, and `db-cluster` too.
        let starts = name.match_indices('-').map(|(at, _)| &name[..at]).filter(|start| start.len() > 2);
        let found = std::iter::once(name).chain(starts).find_map(|start| self.by_name.get(start))?;
        let is_near = |at: &&usize| self.tree.absent()[**at].path.split('/').any(|part| part == reference.namespace);
        found.iter().find(is_near).or(found.first()).copied()
    }
}

/// The objects of the tree by group, kind, namespace and name.
struct Index<'a>(BTreeMap<(&'a str, &'a str, &'a str, &'a str), &'a Located>);

impl<'a> Index<'a> {
    fn of(tree: &'a Tree) -> Index<'a> {
        let key = |located: &'a Located| {
            let value = &located.object.value;
            ((group(value), kind(value), namespace(value), name(value)), located)
        };
        Index(tree.located().map(key).collect())
    }

    fn has(&self, tree: &Tree, reference: &Reference<'_>) -> bool {
        let (inside, wanted) = (reference.namespace.as_str(), reference.name.as_str());
        self.0.contains_key(&(reference.group, reference.kind.as_str(), inside, wanted))
            || reference.group == SOURCE && tree.is_made_by_instance(&reference.kind, inside, wanted)
            || reference.group == SOURCE && reference.kind == EXTERNAL && producers::of_artifact(tree, inside, wanted).is_some()
            || reference.group == KUSTOMIZE && tree.root_kustomization() == Some((inside, wanted))
            || reference.group.is_empty() && producers::of(tree, &reference.kind, inside, wanted).is_some()
    }

    /// Returns whether something in the namespace may make an object, or nothing says that its name is a slip.
    fn may_be_of_chart(&self, reference: &Reference<'_>) -> bool {
        let is_elsewhere = self.0.keys().any(|(in_group, of_kind, inside, named)| {
            (*in_group, *of_kind, *named) == (reference.group, reference.kind.as_str(), reference.name.as_str())
                && *inside != reference.namespace
        });
        let installs_there = |(_, located): (_, &&Located)| {
            let value = &located.object.value;
            is_release(value) && text(value, &["spec", "targetNamespace"]).unwrap_or(namespace(value)) == reference.namespace
        };
        !is_elsewhere || self.0.iter().any(installs_there)
    }

    /// Returns an object of the kind whose own name substitution could not know.
    fn open(&self, reference: &Reference<'_>) -> Option<&'a Located> {
        let is_it = |((in_group, of_kind, inside, named), located): &(&(&str, &str, &str, &str), &&'a Located)| {
            let is_of_kind = *in_group == reference.group && *of_kind == reference.kind;
            is_of_kind && (located.is_open(named) || located.is_open(inside))
        };
        self.0.iter().find(is_it).map(|(_, located)| *located)
    }

    /// Returns what was probably meant: the same name elsewhere, another kind of that name, or nearly that name.
    fn near(&self, reference: &Reference<'_>) -> Option<String> {
        let of_kind = |(in_group, of_kind, ..): &(&str, &str, &str, &str)| *in_group == reference.group && *of_kind == reference.kind;
        let place = |located: &Located| format!("{}:{}", located.object.file, located.object.line);
        let same_name = self.0.iter().find(|(key, _)| of_kind(key) && key.3 == reference.name);
        if let Some(((_, _, inside, _), located)) = same_name {
            let way_out = match reference.rule {
                Rule::DanglingValuesFrom => format!("only namespace {} is looked in", reference.namespace),
                _ => format!("say `namespace: {inside}`"),
            };
            return Some(format!("there is one in namespace {inside} ({}); {way_out}", place(located)));
        }
        let nearly = |key: &(&str, &str, &str, &str)| of_kind(key) && key.2 == reference.namespace && is_near(key.3, &reference.name);
        if let Some((key, located)) = self.0.iter().find(|(key, _)| nearly(key)) {
            return Some(format!("did you mean {} ({})?", key.3, place(located)));
        }
        let other = self.0.iter().find(|((in_group, of_kind, _, named), _)| {
            in_group.ends_with("toolkit.fluxcd.io")
                && *of_kind != reference.kind
                && *named == reference.name
                && reference.rule == Rule::DanglingDependsOn
        });
        other.map(|((_, of_kind, ..), located)| {
            format!("there is a {of_kind} of that name ({}), but {}s depend on {}s only", place(located), reference.kind, reference.kind)
        })
    }
}

/// Whether one edit makes one name the other.
fn is_near(one: &str, other: &str) -> bool {
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
    if one.len().abs_diff(other.len()) > 1 || one.len().min(other.len()) < 3 {
        return false;
    }
    let head = one.iter().zip(&other).take_while(|(a, b)| a == b).count();
    let tail = one.iter().rev().zip(other.iter().rev()).take_while(|(a, b)| a == b).count();
    head + tail + 1 >= one.len().max(other.len())
}

fn finding(files: &dyn Files, tree: &Tree, index: &Index<'_>, reference: &Reference<'_>) -> Finding {
    let (line, column) = locate::of(files, &reference.from.object, &reference.at);
    let message = format!("{}: {} names {}, which is nowhere in the tree", reference.referrer_title(), reference.field, reference.title());
    let found = Finding::error(reference.rule, &reference.from.object.file, line, column, message);
    if let Some(open) = index.open(reference) {
        return Finding { severity: Severity::Warning, ..found }.hint(format!("it may be {}, whose name is not known", open.title()));
    }
    if reference.kind == EXTERNAL {
        return Finding { severity: Severity::Warning, ..found }.hint("no ArtifactGenerator of the tree makes it; another controller may");
    }
    let is_itself = |place: &&Place| (&place.file, place.line) == (&reference.from.object.file, reference.from.object.line);
    let others: Vec<String> = tree.elsewhere().iter().filter(|place| !is_itself(place)).map(ToString::to_string).collect();
    let sets = tree.located().any(|located| is_resource_set(&located.object.value));
    let found = match index.near(reference) {
        // A policy or controller that is not in the tree may copy it.
        Some(near) if reference.rule == Rule::DanglingValuesFrom && !others.is_empty() => {
            return Finding { severity: Severity::Warning, ..found }.hint(near);
        }
        Some(near) if reference.is_of_others() => return Finding { severity: Severity::Warning, ..found }.hint(near),
        Some(near) => return found.hint(near),
        None if !others.is_empty() => {
            Finding { severity: Severity::Warning, ..found }.hint(format!("it may come from what is not followed: {}", others.join(", ")))
        }
        None if sets => Finding { severity: Severity::Warning, ..found }.hint("it may come from a ResourceSet, which is not evaluated"),
        None => found,
    };
    if found.hint.is_some() {
        return found;
    }
    match (reference.rule, reference.kind.as_str()) {
        (Rule::DanglingValuesFrom, "Secret") => Finding { severity: Severity::Warning, ..found }
            .hint("Flux waits until something creates it; add it to the tree, or set `optional: true`"),
        (Rule::DanglingValuesFrom, _) => found.hint("add it to the tree, or set `optional: true`"),
        (Rule::DanglingDependsOn, _) => {
            found.hint("correct the name, or list what it means in a kustomization; until then this waits for ever")
        }
        (Rule::DanglingHealthCheck, _) => {
            found.hint("correct it, or list what it means in a kustomization; until then the Kustomization is never ready")
        }
        _ => found.hint("correct the name, or list the source in a kustomization"),
    }
}

fn all(tree: &Tree) -> Vec<Reference<'_>> {
    let mut found = Vec::new();
    let applying: BTreeSet<&(String, String)> = tree.located().filter_map(|located| located.kustomization.as_ref()).collect();
    for located in tree.located() {
        let value = &located.object.value;
        match (group(value), kind(value)) {
            _ if is_kustomization(value) => {
                of_kustomization(located, &mut found);
                // What is checked is mostly what it applies: that must be known.
                if applying.contains(&(namespace(value).to_string(), name(value).to_string())) && !lacks_something(tree, value) {
                    health_checks(located, &mut found);
                }
            }
            _ if is_release(value) => of_release(located, &mut found),
            (SOURCE, "HelmChart") => {
                source(located, &[At::Key("spec"), At::Key("sourceRef")], "spec.sourceRef", "HelmRepository", &mut found)
            }
            (IMAGE, "ImageUpdateAutomation") => {
                source(located, &[At::Key("spec"), At::Key("sourceRef")], "spec.sourceRef", "GitRepository", &mut found)
            }
            (IMAGE, "ImagePolicy") => {
                let of = |field: &str| text(value, &["spec", "imageRepositoryRef", field]);
                let at = vec![At::Key("spec"), At::Key("imageRepositoryRef")];
                let (inside, wanted) = (of("namespace").unwrap_or(namespace(value)), of("name").unwrap_or(""));
                let field = "spec.imageRepositoryRef";
                push(located, at, Rule::DanglingSourceRef, field, (IMAGE, "ImageRepository"), inside, wanted, &mut found);
            }
            (NOTIFICATION, "Alert") => {
                let at = vec![At::Key("spec"), At::Key("providerRef")];
                let wanted = text(value, &["spec", "providerRef", "name"]).unwrap_or("");
                push(
                    located,
                    at,
                    Rule::DanglingSourceRef,
                    "spec.providerRef",
                    (NOTIFICATION, "Provider"),
                    namespace(value),
                    wanted,
                    &mut found,
                );
            }
            _ => {}
        }
    }
    found
}

#[expect(clippy::too_many_arguments, reason = "a reference is that many words")]
fn push<'a>(
    from: &'a Located,
    at: Vec<At<'a>>,
    rule: Rule,
    field: &'static str,
    (group, kind): (&'a str, &str),
    namespace: &str,
    name: &str,
    found: &mut Vec<Reference<'a>>,
) {
    if !name.is_empty() {
        let (kind, namespace, name) = (kind.to_string(), namespace.to_string(), name.to_string());
        found.push(Reference { from, at, rule, field, group, kind, namespace, name });
    }
}

fn of_kustomization<'a>(located: &'a Located, found: &mut Vec<Reference<'a>>) {
    let value = &located.object.value;
    depends_on(located, (KUSTOMIZE, "Kustomization"), found);
    source(located, &[At::Key("spec"), At::Key("sourceRef")], "spec.sourceRef", "GitRepository", found);
    for (index, reference) in items(value, &["spec", "postBuild", "substituteFrom"]).iter().enumerate() {
        let at = vec![At::Key("spec"), At::Key("postBuild"), At::Key("substituteFrom"), At::Item(index)];
        data(located, at, "spec.postBuild.substituteFrom", reference, found);
    }
}

/// Returns whether something below the folder of a Kustomization is absent.
fn lacks_something(tree: &Tree, kustomization: &Value) -> bool {
    let Some(folder) = tree::path(kustomization) else { return true };
    tree.absent().iter().any(|absent| absent.listed_in.starts_with(&folder))
}

/// With `wait` everything that is applied is checked in place of these; a Kustomization itself is passed over (kustomize-controller
/// `checkHealth`).
fn health_checks<'a>(located: &'a Located, found: &mut Vec<Reference<'a>>) {
    let value = &located.object.value;
    if flag(value, &["spec", "wait"]) {
        return;
    }
    for (index, check) in items(value, &["spec", "healthChecks"]).iter().enumerate() {
        let at = vec![At::Key("spec"), At::Key("healthChecks"), At::Item(index)];
        let inside = text(check, &["namespace"]).unwrap_or(namespace(value));
        if (kind(check), inside, text(check, &["name"])) == ("Kustomization", namespace(value), Some(name(value))) {
            continue;
        }
        let wanted = (group(check), kind(check));
        push(located, at, Rule::DanglingHealthCheck, "spec.healthChecks", wanted, inside, text(check, &["name"]).unwrap_or(""), found);
    }
}

fn of_release<'a>(located: &'a Located, found: &mut Vec<Reference<'a>>) {
    let value = &located.object.value;
    depends_on(located, (HELM, "HelmRelease"), found);
    if let Some(reference) = get(value, &["spec", "chartRef"]) {
        let (of_kind, wanted) = (text(reference, &["kind"]).unwrap_or("OCIRepository"), text(reference, &["name"]).unwrap_or(""));
        let inside = text(reference, &["namespace"]).unwrap_or(namespace(value));
        let at = vec![At::Key("spec"), At::Key("chartRef")];
        push(located, at, Rule::DanglingChartRef, "spec.chartRef", (SOURCE, of_kind), inside, wanted, found);
    }
    let at = [At::Key("spec"), At::Key("chart"), At::Key("spec"), At::Key("sourceRef")];
    source(located, &at, "spec.chart.spec.sourceRef", "HelmRepository", found);
    for (index, reference) in items(value, &["spec", "valuesFrom"]).iter().enumerate() {
        data(located, vec![At::Key("spec"), At::Key("valuesFrom"), At::Item(index)], "spec.valuesFrom", reference, found);
    }
}

fn depends_on<'a>(located: &'a Located, wanted: (&'static str, &str), found: &mut Vec<Reference<'a>>) {
    let value = &located.object.value;
    for (index, reference) in items(value, &["spec", "dependsOn"]).iter().enumerate() {
        let at = vec![At::Key("spec"), At::Key("dependsOn"), At::Item(index)];
        let inside = text(reference, &["namespace"]).unwrap_or(namespace(value));
        push(located, at, Rule::DanglingDependsOn, "spec.dependsOn", wanted, inside, text(reference, &["name"]).unwrap_or(""), found);
    }
}

fn source<'a>(located: &'a Located, at: &[At<'a>], field: &'static str, default: &str, found: &mut Vec<Reference<'a>>) {
    let value = &located.object.value;
    let path: Vec<&str> = at.iter().filter_map(|at| if let At::Key(key) = at { Some(*key) } else { None }).collect();
    let Some(reference) = get(value, &path) else { return };
    let inside = text(reference, &["namespace"]).unwrap_or(namespace(value));
    let of_kind = text(reference, &["kind"]).unwrap_or(default);
    let rule = if is_release(value) { Rule::DanglingChartRef } else { Rule::DanglingSourceRef };
    push(located, at.to_vec(), rule, field, (SOURCE, of_kind), inside, text(reference, &["name"]).unwrap_or(""), found);
}

fn data<'a>(located: &'a Located, at: Vec<At<'a>>, field: &'static str, reference: &Value, found: &mut Vec<Reference<'a>>) {
    if !flag(reference, &["optional"]) {
        let of_kind = text(reference, &["kind"]).unwrap_or("");
        let wanted = text(reference, &["name"]).unwrap_or("");
        push(located, at, Rule::DanglingValuesFrom, field, ("", of_kind), namespace(&located.object.value), wanted, found);
    }
}

/// Values that come from an object of the tree, and from a key that it does not have.
fn missing_keys(files: &dyn Files, tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    for located in tree.located().filter(|located| is_release(&located.object.value)) {
        let value = &located.object.value;
        for (index, reference) in items(value, &["spec", "valuesFrom"]).iter().enumerate().filter(|(_, one)| !flag(one, &["optional"])) {
            let (of_kind, wanted) = (text(reference, &["kind"]).unwrap_or(""), text(reference, &["name"]).unwrap_or(""));
            let key = text(reference, &["valuesKey"]).unwrap_or("values.yaml");
            let Some(source) = tree.find("", of_kind, namespace(value), wanted) else { continue };
            let keys: Vec<String> = values::entries(&source.object.value).into_iter().map(|(key, _)| key).collect();
            if keys.iter().any(|known| known == key) || source.encrypted().is_some() {
                continue;
            }
            let (line, column) = locate::of(files, &located.object, &[At::Key("spec"), At::Key("valuesFrom"), At::Item(index)]);
            let message = format!("HelmRelease {}/{}: {of_kind} {wanted} has no key {key}", namespace(value), name(value));
            let hint = if keys.is_empty() { "it has no keys at all".to_string() } else { format!("its keys are {}", keys.join(", ")) };
            // Controllers add keys to Secrets, such as generated passwords.
            let severity = if of_kind == "Secret" { Severity::Warning } else { Severity::Error };
            let finding = Finding::error(Rule::DanglingValuesFrom, &located.object.file, line, column, message).hint(hint);
            found.push(Finding { severity, ..finding });
        }
    }
    found
}
