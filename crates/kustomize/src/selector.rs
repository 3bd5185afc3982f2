//! Which objects a patch is meant for: regular expressions over names and kinds, selectors over labels and annotations.

use regex::Regex;

use crate::kustomization::Target;
use crate::resource::{Resource, effective};

/// A target, compiled.
pub(crate) struct Selector {
    group: Option<Whole>,
    version: Option<Whole>,
    kind: Option<Whole>,
    name: Option<Whole>,
    namespace: Option<Whole>,
    labels: Vec<Requirement>,
    annotations: Vec<Requirement>,
}

impl Selector {
    pub(crate) fn new(target: &Target) -> Result<Selector, String> {
        Ok(Selector {
            group: whole(&target.group)?,
            version: whole(&target.version)?,
            kind: whole(&target.kind)?,
            name: whole(&target.name)?,
            namespace: whole(&target.namespace)?,
            labels: requirements(target.label_selector.as_deref().unwrap_or(""))?,
            annotations: requirements(target.annotation_selector.as_deref().unwrap_or(""))?,
        })
    }

    /// Returns whether labels and annotations fit.
    pub(crate) fn has_labels(&self, resource: &Resource) -> bool {
        self.labels.iter().all(|requirement| requirement.holds(resource, "labels"))
            && self.annotations.iter().all(|requirement| requirement.holds(resource, "annotations"))
    }

    /// Returns whether one of the identities that an object has or had fits; an absent namespace counts as none here.
    pub(crate) fn selects_an_id(&self, resource: &Resource) -> bool {
        let fits = |pattern: &Option<Whole>, text: &str| pattern.as_ref().is_none_or(|pattern| pattern.fits(text));
        let current = resource.id();
        let all = resource.previous.iter().map(|id| (id, id.namespace.as_str())).chain([(&current, resource.namespace())]);
        fits(&self.group, resource.group()) && fits(&self.version, resource.version()) && { all }
            .any(|(id, namespace)| fits(&self.kind, &id.kind) && fits(&self.name, &id.name) && fits(&self.namespace, namespace))
    }

    pub(crate) fn selects(&self, resource: &Resource) -> bool {
        let fits = |pattern: &Option<Whole>, text: &str| pattern.as_ref().is_none_or(|pattern| pattern.fits(text));
        let (original, current) = (resource.original(), resource.id());
        fits(&self.group, resource.group())
            && fits(&self.version, resource.version())
            && fits(&self.kind, resource.kind())
            && (fits(&self.name, &original.name) || fits(&self.name, &current.name))
            && (fits(&self.namespace, effective(&original.namespace)) || fits(&self.namespace, effective(&current.namespace)))
            && self.labels.iter().all(|requirement| requirement.holds(resource, "labels"))
            && self.annotations.iter().all(|requirement| requirement.holds(resource, "annotations"))
    }
}

fn whole(pattern: &Option<String>) -> Result<Option<Whole>, String> {
    pattern.as_deref().filter(|pattern| !pattern.is_empty()).map(Whole::new).transpose()
}

/// A regular expression that must fit the whole of a text, as those in the targets of patches must (`kyaml/resid`, `anchorRegex`).
#[derive(Debug, Clone)]
pub struct Whole(Form);

#[derive(Debug, Clone)]
enum Form {
    /// Nothing in it has a meaning but the dot. Most are so, and compiling one takes longer than everything it is held against.
    Plain(String),
    Pattern(Regex),
}

impl Whole {
    /// Reads a regular expression, or says that it is none.
    pub fn new(pattern: &str) -> Result<Whole, String> {
        if pattern.chars().all(|c| c.is_ascii_alphanumeric() || "-_/:.".contains(c)) {
            return Ok(Whole(Form::Plain(pattern.to_string())));
        }
        let compiled = Regex::new(&format!("^(?:{pattern})$")).map_err(|_| format!("{pattern:?} is no regular expression"))?;
        Ok(Whole(Form::Pattern(compiled)))
    }

    /// Returns whether it fits.
    pub fn fits(&self, text: &str) -> bool {
        match &self.0 {
            Form::Pattern(pattern) => pattern.is_match(text),
            Form::Plain(pattern) => {
                let mut text = text.chars();
                let fits = |wanted| text.next().is_some_and(|c| c == wanted || wanted == '.' && c != '\n');
                pattern.chars().all(fits) && text.next().is_none()
            }
        }
    }
}

#[derive(Debug, PartialEq)]
enum Test {
    Present,
    Missing,
    In(Vec<String>),
    NotIn(Vec<String>),
    Above(i64),
    Below(i64),
}

/// One requirement of a selector, as `k8s.io/apimachinery/pkg/labels` reads them.
#[derive(Debug, PartialEq)]
struct Requirement {
    key: String,
    test: Test,
}

impl Requirement {
    fn holds(&self, resource: &Resource, field: &str) -> bool {
        let value = resource.strings(field).find(|(key, _)| *key == self.key).map(|(_, value)| value);
        let number = || value.and_then(|value| value.parse::<i64>().ok());
        match &self.test {
            Test::Present => value.is_some(),
            Test::Missing => value.is_none(),
            Test::In(values) => value.is_some_and(|value| values.iter().any(|one| one == value)),
            Test::NotIn(values) => value.is_none_or(|value| values.iter().all(|one| one != value)),
            Test::Above(bound) => number().is_some_and(|number| number > *bound),
            Test::Below(bound) => number().is_some_and(|number| number < *bound),
        }
    }
}

fn requirements(text: &str) -> Result<Vec<Requirement>, String> {
    split(text).into_iter().map(|part| requirement(part).ok_or_else(|| format!("{part:?} is no selector"))).collect()
}

/// Splits at the commas outside parentheses.
fn split(text: &str) -> Vec<&str> {
    let (mut depth, mut start, mut parts) = (0usize, 0, Vec::new());
    for (at, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                parts.push(text[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(text[start..].trim());
    parts.retain(|part| !part.is_empty());
    parts
}

/// Returns whether a text may be the value of a label, or the name of one where it is not empty (`k8s.io/apimachinery/pkg/util/validation`).
fn is_label_value(text: &str) -> bool {
    let ends = |c: Option<char>| c.is_none_or(|c| c.is_ascii_alphanumeric());
    text.len() <= 63
        && ends(text.chars().next())
        && ends(text.chars().next_back())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
}

/// Returns whether a text may be the key of a label.
fn is_label_key(text: &str) -> bool {
    let is_domain = |text: &str| {
        text.len() <= 253
            && text.split('.').all(|part| {
                !part.is_empty()
                    && !part.starts_with('-')
                    && !part.ends_with('-')
                    && part.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
            })
    };
    let (domain, name) = text.split_once('/').map_or((None, text), |(domain, name)| (Some(domain), name));
    !name.is_empty() && is_label_value(name) && domain.is_none_or(is_domain)
}

fn requirement(text: &str) -> Option<Requirement> {
    let new = |key: &str, test: Test| {
        let key = key.trim();
        is_label_key(key).then(|| Requirement { key: key.to_string(), test })
    };
    let value = |text: &str| Some(text.trim()).filter(|text| is_label_value(text)).map(str::to_string);
    let list = |text: &str| -> Option<Vec<String>> {
        let inner = text.trim().strip_prefix('(')?.strip_suffix(')')?;
        inner.split(',').map(value).collect()
    };
    let one = |text: &str| value(text).map(|text| vec![text]);
    if let Some((key, values)) = text.split_once(" notin") {
        return new(key, Test::NotIn(list(values)?));
    }
    if let Some((key, values)) = text.split_once(" in").filter(|(_, values)| values.trim_start().starts_with('(')) {
        return new(key, Test::In(list(values)?));
    }
    if let Some((key, value)) = text.split_once("!=") {
        return new(key, Test::NotIn(one(value)?));
    }
    if let Some((key, value)) = text.split_once("==").or_else(|| text.split_once('=')) {
        return new(key, Test::In(one(value)?));
    }
    if let Some((key, value)) = text.split_once('>') {
        return new(key, Test::Above(value.trim().parse().ok()?));
    }
    if let Some((key, value)) = text.split_once('<') {
        return new(key, Test::Below(value.trim().parse().ok()?));
    }
    match text.strip_prefix('!') {
        Some(key) => new(key, Test::Missing),
        None => new(text, Test::Present),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn selectors_select() {
        let object =
            json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "labels": {"app": "web", "n": "3"}}});
        let resource = Resource::new(object, "f", 1, &std::sync::Arc::default());
        let check = |labels: &str, name: &str, expected: bool| {
            let target = Target { label_selector: Some(labels.into()), name: Some(name.into()), ..Target::default() };
            assert_eq!(Selector::new(&target).unwrap().selects(&resource), expected, "{labels} {name}");
        };
        check("app=web, n", "", true);
        check("app in (web, api),!x", "we.", true);
        check("app notin (web)", "", false);
        check("app!=web", "", false);
        check("x!=web,n>2,n<4", "", true);
        check("", "we", false);
        check("", "web|other", true);
        assert!(Selector::new(&Target { label_selector: Some("a b".into()), ..Target::default() }).is_err());
        assert!(Selector::new(&Target { name: Some("(".into()), ..Target::default() }).is_err());
    }

    #[test]
    fn plain_patterns_fit_what_regular_expressions_do() {
        for pattern in ["web", "we.", ".", "..", "a/b:c", "-a-", "w|e", "w.*", "[w]eb", ""] {
            let compiled = Regex::new(&format!("^(?:{pattern})$")).unwrap();
            for text in ["web", "wéb", "weé", "we", "webs", "we\n", "é", "\n", "", "a/b:c", "-a-", "w", "e"] {
                assert_eq!(Whole::new(pattern).unwrap().fits(text), compiled.is_match(text), "{pattern:?} {text:?}");
            }
        }
    }
}
