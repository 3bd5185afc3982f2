//! Random texts for `--set` and its kin.

use super::{Case, Question};
use crate::random::Random;

const PIECES: &[&str] = &[
    "a",
    "b",
    "a.b",
    "a[0]",
    "a[2].c",
    "[0]",
    "a[-1]",
    "a[x]",
    "=",
    "=",
    "=",
    "=",
    ",",
    ",",
    ".",
    "1",
    "1.5",
    "true",
    "null",
    "\"q\"",
    "{a,b}",
    "{",
    "}",
    "{}",
    "\\,",
    "\\.",
    "\\",
    "a b",
    "é",
    "0x10",
    "012",
    "1e3",
    "-1",
    "9223372036854775808",
    "[",
    "]",
    "\n",
    "TRUE",
    "0",
    "{1,true,null}",
    "[1,2]",
    "{\"x\":1}",
    "a[0][1]",
    "a[65537]",
    "==",
    " ",
    "a\\.b",
    "{\"x\":[null,1.5]}",
    "\"",
    "a.b.c",
    "a[1]",
    "c.0",
    "{a=1}",
    "+1",
    "00",
    "NULL",
    "b.c",
];

/// Makes the text of an option.
pub fn case(random: &mut Random) -> Case {
    let mut case = Case::render("options", "");
    case.question = Question::Set(random.pick(&["set", "set", "set-string", "set-json", "set-literal"]));
    case.text = if random.one_in(2) {
        let pairs: Vec<String> = (0..1 + random.below(3)).map(|_| format!("{}={}", random.pick(PIECES), random.pick(PIECES))).collect();
        pairs.join(",")
    } else {
        random.several(8, |random| random.pick(PIECES).to_owned())
    };
    // A whole object is the program's business, not that of the parser that the SDK shows.
    if case.question == Question::Set("set-json") {
        case.text = case.text.trim_start_matches(['{', ' ', '\n']).to_owned();
    }
    case
}
