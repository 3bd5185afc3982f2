//! Repairs fields that hold names of other objects after those were renamed or moved (`api/filters/nameref`,
//! `api/internal/accumulator/namereferencetransformer.go`).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use serde_json::Value;

use crate::config::{Config, NameReference};
use crate::fields::{self, FieldSpec};
use crate::resource::{Id, Resource};
use crate::{output, scalar};

/// An object, as far as references to it need it.
struct Candidate {
    group: String,
    version: String,
    previous: Vec<Id>,
    /// The namespace it was written with, with the default; nothing for what has none.
    original_namespace: Option<String>,
    current_namespace: Option<String>,
    /// The namespace as it stands.
    written_namespace: String,
    kind: String,
    name: String,
    prefixes: Vec<String>,
    suffixes: Vec<String>,
}

impl Candidate {
    fn of(resource: &Resource) -> Candidate {
        let inside = |id: &Id| (!resource.is_cluster_scoped()).then(|| id.namespace.clone());
        Candidate {
            group: resource.group().to_string(),
            version: resource.version().to_string(),
            previous: resource.previous.clone(),
            original_namespace: inside(&resource.original()),
            current_namespace: inside(&resource.id()),
            written_namespace: resource.namespace().to_string(),
            kind: resource.kind().to_string(),
            name: resource.name().to_string(),
            prefixes: resource.prefixes.clone(),
            suffixes: resource.suffixes.clone(),
        }
    }

    fn was(&self, group: &str, version: &str, kind: &str) -> bool {
        (group.is_empty() || group == self.group)
            && (version.is_empty() || version == self.version)
            && self.previous.iter().any(|id| kind.is_empty() || id.kind == kind)
    }
}

/// The objects of a build by the names they had.
struct Candidates {
    all: Vec<Candidate>,
    by_name: BTreeMap<String, Vec<usize>>,
    original: BTreeSet<String>,
}

/// What a referrer and the field say of what is looked for.
struct Wanted<'a> {
    reference: &'a NameReference,
    /// Group and kind that `roleRef` asks for, where the field is its name.
    role: Option<(String, String)>,
    /// The namespace of the referrer; nothing for one that has none.
    namespace: Option<String>,
    /// Namespaces of the service accounts that a RoleBinding names.
    accounts: BTreeSet<String>,
    prefixes: &'a [String],
    suffixes: &'a [String],
}

pub(crate) fn fix(resources: &mut [Resource], config: &Config) -> Result<(), String> {
    let all: Vec<Candidate> = resources.iter().map(Candidate::of).collect();
    let mut by_name: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (at, candidate) in all.iter().enumerate() {
        let names: BTreeSet<&str> = candidate.previous.iter().map(|id| id.name.as_str()).collect();
        names.into_iter().for_each(|name| by_name.entry(name.to_string()).or_default().push(at));
    }
    if by_name.is_empty() {
        return Ok(());
    }
    let original = all.iter().filter_map(|candidate| candidate.original_namespace.clone()).collect();
    let candidates = Candidates { all, by_name, original };
    let mut table: Vec<&NameReference> = defaults().iter().chain(&config.name_reference).collect();
    // A field may hold the name of any of several kinds: the first that fits counts.
    let or = |text: &str, none: &str| if text.is_empty() { none.to_string() } else { text.to_string() };
    table.sort_by_cached_key(|NameReference { group, version, kind, .. }| {
        (output::rank(kind), format!("{}_{}_{}", or(group, "~G"), or(version, "~V"), or(kind, "~K")))
    });
    let mut by_referrer: BTreeMap<&str, Vec<(&NameReference, &FieldSpec)>> = BTreeMap::new();
    for reference in &table {
        for field in &reference.field_specs {
            by_referrer.entry(&field.kind).or_default().push((reference, field));
        }
    }
    for resource in resources {
        let original = resource.original().kind;
        let fields = by_referrer.get(original.as_str()).into_iter().chain(by_referrer.get("").filter(|_| !original.is_empty())).flatten();
        for (reference, field) in fields {
            update(resource, reference, field, &candidates)?;
        }
    }
    Ok(())
}

fn update(resource: &mut Resource, reference: &NameReference, field: &FieldSpec, candidates: &Candidates) -> Result<(), String> {
    let fits = |wanted: &str, is: &str| wanted.is_empty() || wanted == is;
    if !fits(&field.group, resource.group()) || !fits(&field.version, resource.version()) {
        return Ok(());
    }
    let mut value = resource.value.take();
    let text = |key: &str| value.pointer(&format!("/roleRef/{key}")).and_then(Value::as_str).map(|text| scalar::written(text).to_string());
    let role = text("apiGroup").zip(text("kind")).filter(|_| field.path.ends_with("roleRef/name"));
    let accounts = accounts(&value);
    resource.value = std::mem::take(&mut value);
    let (prefixes, suffixes) = (resource.prefixes.clone(), resource.suffixes.clone());
    let namespace = (!resource.is_cluster_scoped()).then(|| resource.id().namespace);
    let wanted = Wanted { reference, role, namespace, accounts, prefixes: &prefixes, suffixes: &suffixes };
    let mut failure = None;
    let visited = fields::visit(&mut resource.value, &fields::split(&field.path), false, &mut |value| {
        if let Err(message) = set(value, &wanted, candidates) {
            failure.get_or_insert(message);
        }
    });
    visited.err().or(failure).map_or(Ok(()), |message| Err(format!("{}: {}: {message}", resource.title(), field.path)))
}

fn accounts(value: &Value) -> BTreeSet<String> {
    let is = |value: &Value, key: &str, text: &str| scalar::text_at(value, &[key]) == text;
    let subjects = value.get("subjects").and_then(Value::as_array).filter(|_| is(value, "kind", "RoleBinding"));
    let accounts = subjects.into_iter().flatten().filter(|subject| is(subject, "kind", "ServiceAccount"));
    accounts.filter_map(|subject| Some(scalar::written(subject.get("namespace")?.as_str()?).to_string())).collect()
}

fn set(value: &mut Value, wanted: &Wanted<'_>, candidates: &Candidates) -> Result<(), String> {
    match value {
        value if scalar::is_null(value) => Ok(()),
        Value::String(name) => {
            let is = scalar::written(name);
            if let Some(found) = choose(is, candidates, wanted, None, false)?.filter(|found| found.name != is) {
                *value = scalar::replaced(value, &found.name);
            }
            Ok(())
        }
        Value::Array(items) => items.iter_mut().try_for_each(|item| set(item, wanted, candidates)),
        Value::Object(map) => {
            let before = map.get("name").ok_or("the field has no name in it")?.clone();
            let name = scalar::written(before.as_str().unwrap_or("")).to_string();
            let inside = map.get("namespace").map(|namespace| scalar::written(namespace.as_str().unwrap_or("")).to_string());
            let Some(found) = choose(&name, candidates, wanted, inside.as_deref(), true)? else { return Ok(()) };
            if found.name == name && found.written_namespace.is_empty() {
                return Ok(());
            }
            map.insert("name".to_string(), scalar::replaced(&before, &found.name));
            if !found.written_namespace.is_empty() {
                map.insert("namespace".to_string(), Value::from(found.written_namespace.as_str()));
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

/// Picks what a name refers to; several that would not give the same result are an error.
fn choose<'a>(
    name: &str,
    candidates: &'a Candidates,
    wanted: &Wanted<'_>,
    inside: Option<&str>,
    with_namespace: bool,
) -> Result<Option<&'a Candidate>, String> {
    let by_original = inside.is_some_and(|inside| candidates.original.contains(inside));
    let is_inside = |candidate: &&Candidate| match (inside, by_original) {
        (None, _) => true,
        (Some(inside), true) => candidate.original_namespace.as_deref() == Some(inside),
        (Some(inside), false) => candidate.current_namespace.as_deref() == Some(inside),
    };
    let of_name = candidates.by_name.get(name).into_iter().flatten().map(|at| &candidates.all[*at]);
    let mut found: Vec<&Candidate> = of_name.filter(is_inside).filter(|candidate| fits(candidate, wanted)).collect();
    if found.len() > 1 {
        found.retain(|candidate| affixes_fit(candidate, wanted, true));
    }
    if found.len() > 1 {
        found.retain(|candidate| affixes_fit(candidate, wanted, false));
    }
    let Some(first) = found.first() else { return Ok(None) };
    let same = |other: &&Candidate| other.name == first.name && (!with_namespace || other.written_namespace == first.written_namespace);
    if found.iter().all(same) {
        return Ok(Some(first));
    }
    let names: Vec<String> = found.iter().map(|candidate| format!("{} {}", candidate.kind, candidate.name)).collect();
    Err(format!("{name} may be any of {}", names.join(", ")))
}

fn fits(candidate: &Candidate, wanted: &Wanted<'_>) -> bool {
    let NameReference { group, version, kind, .. } = wanted.reference;
    let is_there = match (&wanted.namespace, &candidate.current_namespace) {
        (None, _) | (_, None) => true,
        (Some(referrer), Some(inside)) => {
            let same = referrer == inside;
            same || candidate.kind == "ServiceAccount" && wanted.accounts.contains(&candidate.written_namespace)
        }
    };
    is_there && candidate.was(group, version, kind) && wanted.role.as_ref().is_none_or(|(group, kind)| candidate.was(group, "", kind))
}

fn affixes_fit(candidate: &Candidate, wanted: &Wanted<'_>, or_empty: bool) -> bool {
    let fits = |one: &[String], other: &[String]| or_empty && (one.is_empty() || other.is_empty()) || ends_alike(one, other);
    fits(&candidate.prefixes, wanted.prefixes) && fits(&candidate.suffixes, wanted.suffixes)
}

/// Returns whether one list is the end of the other. None is the end of none only.
fn ends_alike(one: &[String], other: &[String]) -> bool {
    let (short, long) = if one.len() > other.len() { (other, one) } else { (one, other) };
    if short.is_empty() { long.is_empty() } else { long.ends_with(short) }
}

/// Which fields hold names of which kinds: `names.txt` has group, version and kind of what is named, then of what names it, then the field
/// (`api/internal/konfig/builtinpluginconsts/namereference.go`).
pub(crate) fn defaults() -> &'static [NameReference] {
    static TABLE: OnceLock<Vec<NameReference>> = OnceLock::new();
    TABLE.get_or_init(|| {
        let mut table: Vec<NameReference> = Vec::new();
        for line in include_str!("names.txt").lines() {
            let words: Vec<String> = line.split(' ').map(|word| if word == "-" { String::new() } else { word.to_string() }).collect();
            let [group, version, kind, of_group, of_version, of_kind, path] = words.as_slice() else { continue };
            let field = FieldSpec {
                group: of_group.clone(),
                version: of_version.clone(),
                kind: of_kind.clone(),
                path: path.clone(),
                create: false,
            };
            match table.last_mut().filter(|last| (&last.group, &last.version, &last.kind) == (group, version, kind)) {
                Some(last) => last.field_specs.push(field),
                None => table.push(NameReference {
                    group: group.clone(),
                    version: version.clone(),
                    kind: kind.clone(),
                    field_specs: vec![field],
                }),
            }
        }
        table
    })
}
