//! Templates that are nearly templates: what the lexer and the parser say to them.

use super::{Case, templates};
use crate::random::Random;

const PIECES: &[&str] = &[
    "{{",
    "}}",
    "{{-",
    "-}}",
    "{{- ",
    " -}}",
    "/*",
    "*/",
    "\"",
    "`",
    "'",
    "(",
    ")",
    "|",
    ":=",
    "=",
    ",",
    ".",
    "$",
    "$x",
    "end",
    "else",
    "if",
    "range",
    "with",
    "define",
    "block",
    "template",
    "break",
    "continue",
    "nil",
    "true",
    "0x",
    "1e",
    "1.",
    ".5",
    "'a'",
    "'ab'",
    "\\",
    "\n",
    "\r\n",
    "\0",
    "é",
    "😀",
    "\u{feff}",
    "\u{a0}",
    "$é",
    ".é",
    "a-b",
    "-",
    "+",
    "1_",
    "0b2",
    "08",
    "0o8",
    "1i",
    "1e+",
    "0x1p-2",
    "''",
    "'\\x41'",
    "'\\u00e9'",
    "\"\\q\"",
    "\"a\nb\"",
    "%",
    "!",
    "@",
    "#",
    "&",
    "~",
    "[",
    "]",
    "{",
    "}",
    "else if 1",
    "else with 1",
    "{{end}}",
    "{{else}}",
    "{{if 1}}",
    "{{define \"x\"}}",
    "{{template \"x\"}}",
    "{{range 1}}",
    "{{/**/}}",
    "nope",
    "..",
    ".a.b",
    "$.a",
    "(1).a",
    "\"s\".x",
    "1.a",
    "nil.a",
    "quote",
    "| quote",
    "| 1",
    "{{break}}",
    "{{continue}}",
    "{{block \"x\" 1}}",
    "elseif",
    "end x",
    "_",
    "_a",
    "99999999999999999999",
    "1 2",
    ".x 1",
];

/// Makes a template with some bytes wrong.
pub fn case(random: &mut Random) -> Case {
    let mut text = if random.one_in(3) {
        format!("{{{{{}}}}}", random.several(4, |random| format!("{} ", random.pick(PIECES))))
    } else {
        templates::body(random, 2, false)
    };
    for _ in 0..random.below(4) {
        let places: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
        if places.is_empty() {
            break;
        }
        let at = places[random.below(places.len())];
        if random.one_in(2) {
            text.insert_str(at, random.pick(PIECES));
        } else {
            text.remove(at);
        }
    }
    let mut bytes = text.into_bytes();
    if random.one_in(15) && !bytes.is_empty() {
        let at = random.below(bytes.len());
        bytes[at] = [0xff, 0xc3, 0x80, 0][random.below(4)];
    }
    Case::render("syntax", bytes)
}
