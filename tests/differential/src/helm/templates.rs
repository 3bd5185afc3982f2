//! Random templates: calls of functions, and programs of actions.

use super::Case;
use super::vocabulary::{self, FUNCTIONS, HELPERS, call_of, operand, unsteady};
use crate::random::Random;

fn chart(topic: &'static str, template: impl Into<Vec<u8>>) -> Case {
    Case::render(topic, template).with("templates/_helpers.tpl", HELPERS).with("f.txt", "line one\nzwei é\n\nend\n").with("d/g.txt", "g")
}

/// Writes one or two calls.
fn calls(random: &mut Random) -> String {
    let shown = |random: &mut Random| {
        let function = &FUNCTIONS[random.below(FUNCTIONS.len())];
        let text = vocabulary::call(random, 0, function);
        match random.below(8) {
            0 => format!("{{{{ {text} | toJson }}}}"),
            1 => format!("{{{{ $v := {text} }}}}{{{{ printf \"%T %v %q %#v\" $v $v $v $v }}}}"),
            2 => format!("{{{{ {text} | typeOf }}}}"),
            3 => format!("{{{{ {text} | toYaml | nindent 2 }}}}"),
            _ => format!("{{{{ {text} }}}}"),
        }
    };
    let first = shown(random);
    if random.one_in(3) { format!("{first}\n{}", shown(random)) } else { first }
}

/// Makes a case of one or two calls.
pub fn call(random: &mut Random) -> Case {
    if random.one_in(200) {
        return chart("unsteady", unsteady(random));
    }
    let template = calls(random);
    chart("calls", template)
}

/// Makes a case of actions in and after each other.
pub fn program(random: &mut Random) -> Case {
    let text = body(random, 0, false);
    chart("programs", text)
}

/// Writes actions and text.
pub fn body(random: &mut Random, depth: usize, in_range: bool) -> String {
    let count = 1 + random.below(if depth == 0 { 5 } else { 3 });
    (0..count).map(|_| node(random, depth, in_range)).collect()
}

fn open(random: &mut Random) -> &'static str {
    if random.one_in(5) { "{{- " } else { random.pick(&["{{ ", "{{", "{{ ", "{{\n  "]) }
}

fn close(random: &mut Random) -> &'static str {
    if random.one_in(5) { " -}}" } else { random.pick(&[" }}", "}}", " }}", "\t}}", "\r\n}}"]) }
}

fn action(random: &mut Random, inner: &str) -> String {
    format!("{}{inner}{}", open(random), close(random))
}

const FIELDS: &[&str] = &[
    ".",
    "$",
    ".Values",
    ".Values.m",
    ".Values.m.b.c",
    ".Values.zz",
    ".Values.zz.yy",
    ".Values.s.x",
    "(.Values.zz).yy",
    "$.Values.l",
    "$x",
    "$y.a",
    "$x.a.b",
    ".a",
    ".k",
    ".Release.Name",
    ".Release.Time",
    ".Chart.Nope",
    ".Chart.Version",
    ".Capabilities.KubeVersion.Minor",
    ".Capabilities.KubeVersion",
    ".Capabilities.APIVersions.Has \"v1\"",
    ".Files.Get \"f.txt\"",
    "(.Files.Glob \"**.txt\").AsConfig",
    "(.Files.Glob \"*\").AsSecrets",
    ".Files.Lines \"f.txt\"",
    "(index .Values.l 1)",
    "(index .Values \"m\" \"b\" \"c\")",
    ".Values.AsMap",
    ".Template.BasePath",
    ".Subcharts",
    "(dict \"a\" (dict \"b\" 7)).a.b",
    "(semver \"1.2.3\").Major",
    "nil",
    "true",
    "1",
    "-7",
    "1.5",
    "'x'",
    "\"s\"",
    "`r`",
    ".Values.l.x",
    ".Values.Table \"m\"",
    ".Values.PathValue \"m.a\"",
    "$.Values.n",
    ".Values.deep.x.y.z",
    ".Capabilities.KubeVersion.GitVersion",
    ".Values.s 1",
    "(.Values.t)",
    "((.Values.m).a)",
    "0x1F",
    "1_000",
    "1e3",
    "0b11",
    "0o17",
    "1i",
    "'\\n'",
    "99999999999999999999",
    ".Files",
    ".Capabilities.HelmVersion.Version",
];

fn expression(random: &mut Random) -> String {
    match random.below(6) {
        0 | 1 => random.pick(FIELDS).to_owned(),
        2 => operand(random, 1, 'a'),
        3 => format!(
            "{} | {}",
            operand(random, 1, 'a'),
            random.pick(&[
                "quote",
                "toJson",
                "len",
                "default 1",
                "not",
                "printf \"%v\"",
                "typeOf",
                "upper",
                "first",
                "trunc 2",
                "x",
                "1",
                ".Values",
                "toYaml"
            ])
        ),
        _ => call_of(random, 1, 'a'),
    }
}

fn ranged(random: &mut Random) -> String {
    match random.below(4) {
        0 => operand(random, 1, 'l'),
        1 => operand(random, 1, 'd'),
        2 => random
            .pick(&[
                "3",
                "0",
                "-1",
                ".Values.n",
                "nil",
                ".Values.s",
                ".Values.nil",
                "1.5",
                "(int64 2)",
                "(until 3)",
                "\"abc\"",
                ".Files",
                ".Capabilities.APIVersions",
                "true",
                "(uint64 2)",
                "$",
            ])
            .to_owned(),
        _ => random.pick(&[".Values.l", ".Values.lom", ".Values.m", ".Values.mixed", ".Values.el", ".Values.deep.x.y.z"]).to_owned(),
    }
}

fn node(random: &mut Random, depth: usize, in_range: bool) -> String {
    let kind = if depth > 3 { random.below(7) } else { random.below(19) };
    match kind {
        0 => random.pick(&["text", "\n", "  \n\t", " a: b\n", "{ {", "}}", "é😀", "<no value>", "\r\n", "-", ""]).to_owned(),
        1..=3 => {
            let inner = expression(random);
            action(random, &inner)
        }
        4 => {
            let inner = format!("{} {} {}", random.pick(&["$x", "$y", "$x"]), random.pick(&[":=", "=", ":="]), expression(random));
            action(random, &inner)
        }
        5 => random.pick(&["{{/* c */}}", "{{- /* c */ -}}", "{{/* a\nb */}}", "{{ /* c */ }}", "{{/*}}*/}}", "{{-/* x */-}}"]).to_owned(),
        6 if in_range => {
            let inner = random.pick(&["break", "continue"]).to_owned();
            action(random, &inner)
        }
        6 | 7 => {
            let inner = format!(
                "{} {}",
                random.pick(&["include", "template", "template", "include"]),
                random.pick(&[
                    "\"plain\"",
                    "\"dot\" .",
                    "\"field\" $",
                    "\"lines\" .Values.m",
                    "\"bad\" .",
                    "\"fails\" .",
                    "\"nope\" .",
                    "\"d\" 1",
                    "\"recursive\" 3",
                    "\"dot\"",
                    "\"empty\" ."
                ])
            );
            action(random, &inner)
        }
        8..=10 => branch(random, depth, in_range, "if"),
        11 | 12 => branch(random, depth, in_range, "with"),
        13..=15 => {
            let variables = random.pick(&["", "", "$x := ", "$i, $x := ", "$x = ", "$k,$y:=", "$a, $b, $c := "]);
            let head = format!("range {variables}{}", ranged(random));
            let otherwise = if random.one_in(4) { format!("{{{{ else }}}}{}", body(random, depth + 1, in_range)) } else { String::new() };
            format!("{}{}{otherwise}{{{{ end }}}}", action(random, &head), body(random, depth + 1, true))
        }
        16 => format!("{{{{ define \"d\" }}}}{}{{{{ end }}}}", body(random, depth + 1, false)),
        17 => format!("{{{{ block \"e\" {} }}}}{}{{{{ end }}}}", expression(random), body(random, depth + 1, false)),
        _ => {
            let declared = format!("{{{{ $x := {} }}}}{{{{ $y := {} }}}}", expression(random), operand(random, 1, 'd'));
            declared + &body(random, depth + 1, in_range)
        }
    }
}

fn branch(random: &mut Random, depth: usize, in_range: bool, word: &str) -> String {
    let variable = random.pick(&["", "", "", "$x := ", "$y = "]);
    let head = format!("{word} {variable}{}", expression(random));
    let mut text = action(random, &head) + &body(random, depth + 1, in_range);
    for _ in 0..random.below(3) {
        let head = format!("else {} {}", random.pick(&["if", "with", "if"]), expression(random));
        if random.one_in(2) {
            text += &(action(random, &head) + &body(random, depth + 1, in_range));
        }
    }
    if random.one_in(2) {
        text += &(action(random, "else") + &body(random, depth + 1, in_range));
    }
    text + &action(random, "end")
}
