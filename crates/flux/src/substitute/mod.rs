//! Variable substitution in the text of an object, as `postBuild` of a Flux Kustomization asks for it (`fluxcd/pkg/kustomize`
//! `kustomize_varsub.go`, `fluxcd/pkg/envsubst`). Only `${…}` is a variable; `$$` is a dollar sign.

mod functions;
mod parse;
mod pattern;

use std::collections::BTreeMap;

use parse::{Expression, Node};
pub(crate) use pattern::fits as pattern_fits;

/// What a variable without value and default does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unset {
    /// It is an error, as in kustomize-controller 1.9.
    Refuse,
    /// It counts as empty, as before that version or without its gate `StrictPostBuildSubstitutions`.
    Empty,
    /// The expression stays as it is, its default too, because a source of variables is not known.
    Keep,
}

/// How long the result may get.
const MAX_LENGTH: usize = 64 << 20;

/// A text whose variables are replaced.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Substituted {
    pub(crate) text: String,
    /// Whether an expression was kept, which is another one than `$${…}` that became text.
    pub(crate) keeps: bool,
}

/// Replaces the variables in `text`.
pub(crate) fn substitute(text: &str, variables: &BTreeMap<String, String>, unset: Unset) -> Result<Substituted, String> {
    let nodes = parse::parse(text)?;
    let mut evaluation = Evaluation { text, variables, unset, written: 0, keeps: false };
    let mut out = Vec::with_capacity(text.len());
    for node in &nodes {
        evaluation.put(node, &mut out)?;
    }
    let text = String::from_utf8(out).map_err(|_| "what comes out is no UTF-8 text".to_string())?;
    Ok(Substituted { text, keeps: evaluation.keeps })
}

/// Returns whether a name may be the name of a variable.
pub(crate) fn is_name(name: &str) -> bool {
    let mut chars = name.chars();
    chars.next().is_some_and(|c| c == '_' || c.is_ascii_alphabetic()) && chars.all(|c| c == '_' || c.is_ascii_alphanumeric())
}

struct Evaluation<'a> {
    text: &'a str,
    variables: &'a BTreeMap<String, String>,
    unset: Unset,
    written: usize,
    keeps: bool,
}

impl Evaluation<'_> {
    fn put(&mut self, node: &Node, out: &mut Vec<u8>) -> Result<(), String> {
        let before = out.len();
        match node {
            Node::Text(text) => out.extend_from_slice(text),
            Node::Expression(expression) => out.extend(self.value(expression)?),
        }
        // Nested expressions may each be within bounds and together not.
        self.written += out.len() - before;
        if self.written > MAX_LENGTH { Err("the text gets too long".to_string()) } else { Ok(()) }
    }

    fn value(&mut self, expression: &Expression) -> Result<Vec<u8>, String> {
        let kept_before = std::mem::take(&mut self.keeps);
        let mut arguments = Vec::with_capacity(expression.arguments.len());
        for argument in &expression.arguments {
            let mut value = Vec::new();
            self.put(argument, &mut value)?;
            arguments.push(value);
        }
        let arguments_keep = std::mem::replace(&mut self.keeps, kept_before);
        let (name, operator) = (&expression.name, expression.operator.as_str());
        let is_default = functions::is_default(operator);
        let value = match self.variables.get(name) {
            // The default of what has a value does not matter.
            Some(value) if !arguments_keep || is_default && !value.is_empty() => value.as_str(),
            _ if self.unset == Unset::Keep => {
                self.keeps = true;
                return Ok(self.text[expression.at.clone()].as_bytes().to_vec());
            }
            None if self.unset == Unset::Refuse && !is_default => {
                let hint = format!("set it under postBuild or give it a default, as in ${{{name}:=…}}");
                return Err(format!("the variable {name} is not set; {hint}"));
            }
            _ => "",
        };
        functions::apply(operator, value.as_bytes(), &arguments).map_err(|why| format!("{}: {why}", &self.text[expression.at.clone()]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<&str, &str>) {
        let variables = [("V", "a.b.c"), ("E", ""), ("N", "3"), ("U", "ßü"), ("P", "a/b/c")]
            .map(|(name, value)| (name.to_string(), value.to_string()))
            .into();
        let found = substitute(text, &variables, Unset::Refuse).map(|found| found.text);
        match (found, expected) {
            (Ok(found), Ok(expected)) => assert_eq!(found, expected, "{text}"),
            (Err(found), Err(expected)) => assert!(found.contains(expected), "{text}: {found}"),
            (found, _) => panic!("{text}: {found:?}"),
        }
    }

    #[test]
    fn expressions() {
        check("$V $${V} x${V}y $", Ok("$V ${V} xa.b.cy $"));
        check("${E:-d} ${E:=d} ${E=d} ${X:-${V}} ${X:=} ${X:?a${V}b${N}} ${V:+no}", Ok("d d d a.b.c  aa.b.cb3 a.b.c"));
        check("${#V} ${V^} ${V^^} ${V,} ${V,,}", Ok("5 A.b.c A.B.C a.b.c a.b.c"));
        check("${#U} ${U^^} ${U:2}", Ok("4 ßÜ \u{fc}"));
        check("${V:2} ${V:0:3} ${V:9} ${V: -3} ${V:-3} ${V:1:-1} ${V:4:-3} ${V:x}", Ok("b.c a.b  a.b.c a.b.c .b.  a.b.c"));
        check("${V:${N}} ${V:0:${N}}", Ok(".c a.b"));
        check("${V#*.} ${V##*.} ${V%.*} ${V%%.*}", Ok("b.c c a.b a"));
        check("${V#[a-b]} ${V#[^a]} ${V#?.} ${V#[} ${V%.[c]}", Ok(".b.c a.b.c b.c a.b.c a.b.c"));
        check("${V/./-} ${V//./-} ${V/#a/x} ${V/%c/x}", Ok("a-b.c a-b-c x.b.c a.b.x"));
        check("${V//./} ${V/b/$$} ${P/\\//-} ${P//\\//} ${V/${E}/x} ${V//${E}/-}", Ok("abc a.$.c a-b/c abc xa.b.c -a-.-b-.-c-"));
        check("${X}", Err("the variable X is not set"));
        check("${#X}", Err("the variable X is not set"));
        check("${V", Err("closing brace"));
        check("${V-x} more", Err("${V-x}: a closing brace"));
        check("${}", Err("a name of a variable is expected"));
        check("${V/b}", Err("a slash"));
        check("${V:}", Err("an argument is expected"));
        check("${V#a${N}}", Err("closing brace"));
        check("${V!}", Err("closing brace"));
    }

    #[test]
    fn unknown_variables_may_stay() {
        let check = |text: &str, expected: &str, keeps: bool| {
            let variables = [("V", "a"), ("E", "")].map(|(name, value)| (name.to_string(), value.to_string())).into();
            assert_eq!(substitute(text, &variables, Unset::Keep), Ok(Substituted { text: expected.to_string(), keeps }), "{text}");
        };
        check("${X} ${V}", "${X} a", true);
        check("${Y:=1} ${Y^^}", "${Y:=1} ${Y^^}", true);
        check("${V:=${Y}} $${Y}", "a ${Y}", false);
        check("${E:=${Y:=1}} ${V/a/${Y}}", "${E:=${Y:=1}} ${V/a/${Y}}", true);
        assert!(substitute(&"${A:-".repeat(100), &BTreeMap::new(), Unset::Keep).is_err());
    }
}
