//! Variable substitution in the text of an object, as `postBuild` of a Flux Kustomization asks for it (`fluxcd/pkg/kustomize`
//! `kustomize_varsub.go`, `fluxcd/pkg/envsubst`). Only `${…}` is a variable; `$$` is a dollar sign.

use std::collections::BTreeMap;

/// What a variable without value and default does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unset {
    /// It is an error, as in kustomize-controller 1.9.
    Refuse,
    /// It counts as empty, as before that version or without its gate `StrictPostBuildSubstitutions`.
    Empty,
    /// The expression stays as it is, because a source of variables is not known.
    Keep,
}

/// How deep defaults may hold expressions.
const MAX_DEPTH: usize = 32;
/// How long the result may get.
const MAX_LENGTH: usize = 64 << 20;

/// Replaces the variables in `text`.
pub(crate) fn substitute(text: &str, variables: &BTreeMap<String, String>, unset: Unset) -> Result<String, String> {
    Evaluation { variables, unset, written: std::cell::Cell::new(0) }.text(text, 0)
}

/// Returns whether a name may be the name of a variable.
pub(crate) fn is_name(name: &str) -> bool {
    let mut chars = name.chars();
    chars.next().is_some_and(|c| c == '_' || c.is_ascii_alphabetic()) && chars.all(|c| c == '_' || c.is_ascii_alphanumeric())
}

struct Evaluation<'a> {
    variables: &'a BTreeMap<String, String>,
    unset: Unset,
    written: std::cell::Cell<usize>,
}

impl Evaluation<'_> {
    fn text(&self, text: &str, depth: usize) -> Result<String, String> {
        if depth > MAX_DEPTH {
            return Err("expressions nest too deeply".to_string());
        }
        let mut out = String::new();
        let mut rest = text;
        while let Some(at) = rest.find('$') {
            out.push_str(&rest[..at]);
            rest = &rest[at + 1..];
            if let Some(after) = rest.strip_prefix('$') {
                out.push('$');
                rest = after;
            } else if let Some(after) = rest.strip_prefix('{') {
                let end = closing(after).ok_or_else(|| format!("${{{} is not closed", first_line(after)))?;
                out.push_str(&self.expression(&after[..end], depth)?);
                rest = &after[end + 1..];
            } else {
                out.push('$');
            }
            if out.len() > MAX_LENGTH {
                return Err("the text gets too long".to_string());
            }
        }
        out.push_str(rest);
        // Nested expressions may each be within bounds and together not.
        self.written.set(self.written.get() + out.len());
        if self.written.get() > 4 * MAX_LENGTH { Err("the text gets too long".to_string()) } else { Ok(out) }
    }

    fn expression(&self, inner: &str, depth: usize) -> Result<String, String> {
        let empty = String::new();
        let or_empty = |value| if self.unset == Unset::Empty { Some(value).flatten().or(Some(&empty)) } else { value };
        if let Some(name) = inner.strip_prefix('#') {
            return match or_empty(self.value(name)?) {
                Some(value) => Ok(value.chars().count().to_string()),
                None => self.missing(name, inner),
            };
        }
        let end = inner.find(|c: char| c != '_' && !c.is_ascii_alphanumeric()).unwrap_or(inner.len());
        let (name, rest) = inner.split_at(end);
        let value = self.value(name)?;
        if let Some(default) = default_of(rest) {
            return match value.filter(|value| !value.is_empty()) {
                Some(value) => Ok(value.clone()),
                None => self.text(default, depth + 1),
            };
        }
        match or_empty(value) {
            Some(value) => self.change(value, rest, depth).ok_or_else(|| format!("${{{inner}}} is no expression"))?,
            None => self.missing(name, inner),
        }
    }

    fn value(&self, name: &str) -> Result<Option<&String>, String> {
        if !is_name(name) {
            return Err(format!("{name:?} is no name of a variable"));
        }
        Ok(self.variables.get(name))
    }

    fn missing(&self, name: &str, inner: &str) -> Result<String, String> {
        match self.unset {
            Unset::Refuse => {
                Err(format!("the variable {name} is not set; set it under postBuild or give it a default, as in ${{{name}:=…}}"))
            }
            Unset::Keep | Unset::Empty => Ok(format!("${{{inner}}}")),
        }
    }

    fn change(&self, value: &str, rest: &str, depth: usize) -> Option<Result<String, String>> {
        let argument = |text: &str| self.text(text, depth + 1);
        Some(match rest {
            "" => Ok(value.to_string()),
            "^^" => Ok(value.to_uppercase()),
            "," => Ok(first(value, |c| c.to_lowercase().collect())),
            ",," => Ok(value.to_lowercase()),
            "^" => Ok(first(value, |c| c.to_uppercase().collect())),
            _ if rest.starts_with(':') => return part(value, &rest[1..]).map(Ok),
            _ if rest.starts_with("##") => argument(&rest[2..]).map(|pattern| cut_start(value, &pattern, true)),
            _ if rest.starts_with('#') => argument(&rest[1..]).map(|pattern| cut_start(value, &pattern, false)),
            _ if rest.starts_with("%%") => argument(&rest[2..]).map(|pattern| cut_end(value, &pattern, true)),
            _ if rest.starts_with('%') => argument(&rest[1..]).map(|pattern| cut_end(value, &pattern, false)),
            _ if rest.starts_with('/') => {
                let (mode, body) = match rest.as_bytes().get(1) {
                    Some(b'/' | b'#' | b'%') => (rest.as_bytes()[1], &rest[2..]),
                    _ => (b' ', &rest[1..]),
                };
                let (old, new) = body.split_once('/').unwrap_or((body, ""));
                match (argument(old), argument(new)) {
                    (Ok(old), Ok(new)) => Ok(replaced(value, &old, &new, mode)),
                    (Err(error), _) | (_, Err(error)) => Err(error),
                }
            }
            _ => return None,
        })
    }
}

/// Returns where the brace closes that is open, others inside it left out.
fn closing(text: &str) -> Option<usize> {
    let (mut depth, bytes, mut at) = (0usize, text.as_bytes(), 0);
    while at < bytes.len() {
        match bytes[at] {
            b'$' if bytes.get(at + 1) == Some(&b'{') => {
                depth += 1;
                at += 1;
            }
            b'}' if depth == 0 => return Some(at),
            b'}' => depth -= 1,
            _ => {}
        }
        at += 1;
    }
    None
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or("")
}

/// Returns what stands after an operator that gives a default; all of them act alike.
fn default_of(rest: &str) -> Option<&str> {
    let operators = [":-", ":=", ":+", ":?", "-", "=", "+", "?"];
    operators.iter().find_map(|operator| rest.strip_prefix(operator))
}

fn first(value: &str, change: impl Fn(char) -> String) -> String {
    let mut chars = value.chars();
    chars.next().map_or_else(String::new, |c| change(c) + chars.as_str())
}

/// Cuts `offset` or `offset:length` out of a value.
fn part(value: &str, range: &str) -> Option<String> {
    let (offset, length) = range.split_once(':').map_or((range, None), |(offset, length)| (offset, Some(length)));
    let offset: usize = offset.trim().parse().ok()?;
    let length = match length {
        Some(length) => length.trim().parse().ok()?,
        None => usize::MAX,
    };
    Some(value.chars().skip(offset).take(length).collect())
}

fn cuts(value: &str) -> Vec<usize> {
    value.char_indices().map(|(at, _)| at).chain([value.len()]).collect()
}

fn cut_start(value: &str, pattern: &str, longest: bool) -> String {
    let mut ends = cuts(value);
    if longest {
        ends.reverse();
    }
    let found = ends.into_iter().find(|end| matches(pattern, &value[..*end]));
    found.map_or_else(|| value.to_string(), |end| value[end..].to_string())
}

fn cut_end(value: &str, pattern: &str, longest: bool) -> String {
    let mut starts = cuts(value);
    if !longest {
        starts.reverse();
    }
    let found = starts.into_iter().find(|start| matches(pattern, &value[*start..]));
    found.map_or_else(|| value.to_string(), |start| value[..start].to_string())
}

fn replaced(value: &str, old: &str, new: &str, mode: u8) -> String {
    if old.is_empty() {
        return value.to_string();
    }
    match mode {
        b'/' => value.replace(old, new),
        b'#' => value.strip_prefix(old).map_or_else(|| value.to_string(), |rest| format!("{new}{rest}")),
        b'%' => value.strip_suffix(old).map_or_else(|| value.to_string(), |rest| format!("{rest}{new}")),
        _ => value.replacen(old, new, 1),
    }
}

/// Matches `*` and `?`; it takes time proportional to the product of both lengths at most.
fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut p, mut t, mut star, mut mark) = (0, 0, None, 0);
    while t < text.len() {
        if p < pattern.len() && pattern[p] == '*' {
            (star, mark) = (Some(p), t);
            p += 1;
        } else if p < pattern.len() && (pattern[p] == '?' || pattern[p] == text[t]) {
            p += 1;
            t += 1;
        } else if let Some(at) = star {
            mark += 1;
            (p, t) = (at + 1, mark);
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<&str, &str>) {
        let variables = [("V", "a.b.c"), ("E", ""), ("N", "3")].map(|(name, value)| (name.to_string(), value.to_string())).into();
        let found = substitute(text, &variables, Unset::Refuse);
        match (found, expected) {
            (Ok(found), Ok(expected)) => assert_eq!(found, expected, "{text}"),
            (Err(found), Err(expected)) => assert!(found.contains(expected), "{text}: {found}"),
            (found, _) => panic!("{text}: {found:?}"),
        }
    }

    #[test]
    fn expressions() {
        check("$V $${V} x${V}y $", Ok("$V ${V} xa.b.cy $"));
        check("${E:-d} ${E:=d} ${E-d} ${X:-${V}} ${X:=}", Ok("d d d a.b.c "));
        check("${#V} ${V^} ${V^^} ${V,} ${V,,}", Ok("5 A.b.c A.B.C a.b.c a.b.c"));
        check("${V:2} ${V:0:3} ${V:9}", Ok("b.c a.b "));
        check("${V#*.} ${V##*.} ${V%.*} ${V%%.*}", Ok("b.c c a.b a"));
        check("${V/./-} ${V//./-} ${V/#a/x} ${V/%c/x}", Ok("a-b.c a-b-c x.b.c a.b.x"));
        check("${X}", Err("the variable X is not set"));
        check("${#X}", Err("the variable X is not set"));
        check("${V", Err("not closed"));
        check("${1}", Err("no name"));
        check("${V!}", Err("no expression"));
    }

    #[test]
    fn unknown_variables_may_stay() {
        assert_eq!(substitute("${X} ${Y:=1}", &BTreeMap::new(), Unset::Keep), Ok("${X} 1".to_string()));
        assert!(substitute(&"${A:-".repeat(100), &BTreeMap::new(), Unset::Keep).is_err());
    }
}
