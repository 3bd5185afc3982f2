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
    /// The expression stays as it is, because a source of variables is not known.
    Keep,
}

/// How long the result may get.
const MAX_LENGTH: usize = 64 << 20;

/// Replaces the variables in `text`.
pub(crate) fn substitute(text: &str, variables: &BTreeMap<String, String>, unset: Unset) -> Result<String, String> {
    let nodes = parse::parse(text)?;
    let mut evaluation = Evaluation { text, variables, unset, written: 0 };
    let mut out = Vec::with_capacity(text.len());
    for node in &nodes {
        evaluation.put(node, &mut out)?;
    }
    String::from_utf8(out).map_err(|_| "what comes out is no UTF-8 text".to_string())
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
        let mut arguments = Vec::with_capacity(expression.arguments.len());
        for argument in &expression.arguments {
            let mut value = Vec::new();
            self.put(argument, &mut value)?;
            arguments.push(value);
        }
        let (name, operator) = (&expression.name, expression.operator.as_str());
        let value = match self.variables.get(name) {
            Some(value) => value.as_str(),
            None if functions::is_default(operator) => "",
            None => match self.unset {
                Unset::Empty => "",
                Unset::Keep => return Ok(self.text[expression.at.clone()].as_bytes().to_vec()),
                Unset::Refuse => {
                    let hint = format!("set it under postBuild or give it a default, as in ${{{name}:=…}}");
                    return Err(format!("the variable {name} is not set; {hint}"));
                }
            },
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
        assert_eq!(substitute("${X} ${Y:=1}", &BTreeMap::new(), Unset::Keep), Ok("${X} 1".to_string()));
        assert!(substitute(&"${A:-".repeat(100), &BTreeMap::new(), Unset::Keep).is_err());
    }
}
