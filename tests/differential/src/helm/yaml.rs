//! Random YAML, JSON and TOML texts, read by the functions of templates and as `values.yaml`.

use super::{Case, Question};
use crate::random::Random;

const SCALARS: &[&str] = &[
    "a",
    "1",
    "-1",
    "1.5",
    "1e3",
    "1e21",
    "1e400",
    "0x1F",
    "0o17",
    "017",
    "08",
    "0b11",
    "1_000",
    "1:20",
    "12:30:45",
    "-1:20",
    "1:60",
    "9007199254740993",
    "18446744073709551616",
    "9223372036854775808",
    ".5",
    "5.",
    "+1",
    ".inf",
    "-.INF",
    ".nan",
    "~",
    "null",
    "Null",
    "true",
    "True",
    "yes",
    "YES",
    "y",
    "n",
    "on",
    "off",
    "No",
    "2020-01-01",
    "2020-1-2",
    "2020-01-01T00:00:00Z",
    "2001-12-14 21:59:43.10 -5",
    "\"q\"",
    "'q'",
    "\"a\\nb\"",
    "\"\\x41\\u00e9\\U0001F600\"",
    "\"\\/\"",
    "\"\\q\"",
    "'it''s'",
    "\"multi\n  line\"",
    "'multi\n\n  line'",
    "plain\n  multi",
    "a b",
    "a:b",
    "a#b",
    "a #c",
    "- b",
    "é",
    "😀",
    "!!str 1",
    "!!int \"3\"",
    "!!float 1",
    "!!bool yes",
    "!!null x",
    "!!binary aGk=",
    "!!binary !!",
    "!foo bar",
    "!!map {}",
    "!!seq []",
    "!!timestamp 2020-01-01",
    "!<tag:yaml.org,2002:str> 1",
    "*x",
    "&x 1",
    "&x",
    "=",
    "<<",
    "@a",
    "`a",
    "%a",
    "|",
    ">",
    "\"",
    "'",
    "{",
    "[",
    "\"unclosed",
    "''",
    "\"\"",
    "a\tb",
    "\ta",
    "0",
    "-0",
    "0.0",
    "1.0",
    "-0.0",
    "1.10",
    "0x",
    "0b",
    "0o",
    "1e",
    "+.inf",
    ".",
    "..",
    "...",
    "---",
    "1,000",
    "a,b",
    "a?b",
    "?a",
    ":a",
    "-a",
    "[a?b]",
    "{a?b: c}",
    "a: b",
    "\u{85}",
    "a\u{2028}b",
    "\u{7f}",
    "\0",
    "\u{feff}a",
    "0x_1",
    "_1",
    "1__0",
    "1e+3",
    "1E3",
    "0x1p4",
    "0777",
    "0888",
    "-0x10",
    "-017",
    "+0b1",
    "190:20:30",
    "!!str",
    "!!merge a",
    "!!int a",
    "!!float 1:20",
    "!!str null",
    "!",
    "! a",
    "!a!b c",
    "TRUE",
    "tRue",
    "NULL",
    "~a",
    "Infinity",
    "NaN",
];
const KEYS: &[&str] = &[
    "a",
    "b",
    "c",
    "a",
    "1",
    "1.5",
    "true",
    "y",
    "no",
    "null",
    "\"q\"",
    "'k'",
    "<<",
    "? a",
    "[1]",
    "{a: 1}",
    "\"\"",
    "a b",
    "é",
    "0x10",
    "1_0",
    "123456789.5",
    "*x",
    "&k a",
    "!!str 1",
    "-",
    "very long key",
    "2020-01-01",
    "a\n",
    "~",
    ".inf",
    "1e3",
    "=",
];

fn scalar(random: &mut Random) -> String {
    random.pick(SCALARS).to_owned()
}

fn flow(random: &mut Random, depth: usize) -> String {
    if depth > 3 {
        return scalar(random);
    }
    match random.below(5) {
        0 => format!("[{}]", random.several(3, |random| format!("{}, ", flow(random, depth + 1)))),
        1 => format!("{{{}}}", random.several(3, |random| format!("{}: {}, ", random.pick(KEYS), flow(random, depth + 1)))),
        2 => format!("{{a: {}, b}}", flow(random, depth + 1)),
        3 => format!("[{}, {}: {}]", scalar(random), random.pick(KEYS), scalar(random)),
        _ => scalar(random),
    }
}

fn literal(random: &mut Random, indent: &str) -> String {
    let head = random.pick(&["|", ">", "|-", ">-", "|+", ">+", "|2", "|1-", "> # c", "|-2", "|9", "|0"]);
    let lines = random.several(4, |random| {
        format!(
            "{indent}{}{}",
            random.pick(&["  ", "  ", "   ", "", " ", "\t"]),
            random.pick(&["x\n", "\n", "y: z\n", "  more\n", "# c\n", "---\n", "a b  \n", "\u{85}\n"])
        )
    });
    format!("{head}\n{lines}")
}

fn block(random: &mut Random, depth: usize, indent: &str) -> String {
    let deeper = format!("{indent}{}", random.pick(&["  ", "  ", "    ", " "]));
    let count = 1 + random.below(3);
    let is_list = random.one_in(3);
    let mut text = String::new();
    for _ in 0..count {
        if random.one_in(12) {
            text += random.pick(&[
                "# comment\n",
                "\n",
                "  \n",
                "\t\n",
                "---\n",
                "...\n",
                "%YAML 1.1\n",
                "%TAG ! x\n",
                "--- # c\n",
                "--- a\n",
                " # c\n",
            ]);
        }
        text += indent;
        if random.one_in(40) {
            text += random.pick(&["\t", " ", "  "]);
        }
        let anchor = random.pick(&["", "", "", "", "", "&x ", "&y ", "!!map ", "!t "]);
        let head = if is_list {
            "- ".to_owned()
        } else {
            format!("{}{}", random.pick(KEYS), random.pick(&[": ", ": ", ": ", ": ", ":", " : ", ":\t", " "]))
        };
        text += &head;
        text += anchor;
        match random.below(6) {
            0 if depth < 3 => {
                text += "\n";
                text += &block(random, depth + 1, &deeper);
            }
            1 if depth < 3 && is_list => text += block(random, depth + 1, &deeper).trim_start(),
            2 => text += &format!("{}\n", flow(random, 1)),
            3 => text += &literal(random, indent),
            4 => text += &format!("*x{}\n", random.pick(&["", " ", " # c"])),
            _ => text += &format!("{}{}\n", scalar(random), random.pick(&["", "", "", " # c", " ", "#c"])),
        }
    }
    text
}

/// Writes a document that is often valid.
pub fn document(random: &mut Random) -> Vec<u8> {
    let mut text = match random.below(8) {
        0 => flow(random, 0),
        1 => format!(
            "{}{}",
            random.pick(&["---\n", "--- ", "%YAML 1.1\n---\n", "\u{feff}", "# c\n", "%YAML 1.2\n---\n", "\n\n", "...\n"]),
            block(random, 0, "")
        ),
        2 => format!("x: &x {}\n{}", flow(random, 1), block(random, 0, "")),
        3 => format!(
            "base: &x\n  a: 1\n  b: {{c: 2}}\nd:\n  {}\n",
            random.pick(&[
                "<<: *x",
                "<<: *x\n  a: 2",
                "a: 2\n  <<: *x",
                "<<: [*x, {a: 3}]",
                "<<: [*x, *x]\n  z: 1",
                "<<: 1",
                "<<: *q",
                "\"<<\": *x",
                "<<: {a: 5, <<: *x}",
                "? <<\n  : *x",
                "<<: []",
                "<<: [1]",
                "<<:"
            ])
        ),
        _ => block(random, 0, ""),
    };
    if random.one_in(6) {
        text = text.replace('\n', "\r\n");
    }
    if random.one_in(12) {
        let places: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
        if !places.is_empty() {
            let at = places[random.below(places.len())];
            text.insert_str(
                at,
                random.pick(&["\t", "\u{1}", "\"", "'", ":", "\n", " ", "}", "]", "&", "*", "\u{2029}", "\u{feff}", "!", ","]),
            );
        }
    }
    if random.one_in(3) {
        text.truncate(text.trim_end().len());
    }
    let mut bytes = text.into_bytes();
    if random.one_in(60) && !bytes.is_empty() {
        let at = random.below(bytes.len());
        bytes[at] = [0xff, 0xc3, 0x80, 0xed][random.below(4)];
    }
    bytes
}

fn toml(random: &mut Random) -> Vec<u8> {
    let values = [
        "1",
        "-1",
        "1.5",
        "1e3",
        "0x1f",
        "0o7",
        "0b1",
        "1_000",
        "inf",
        "-nan",
        "true",
        "\"a\"",
        "'a'",
        "\"\"\"a\nb\"\"\"",
        "'''a'''",
        "1979-05-27",
        "1979-05-27T07:32:00Z",
        "1979-05-27 07:32:00.5",
        "07:32:00",
        "[1, 2]",
        "[1, \"a\"]",
        "{a = 1}",
        "{}",
        "[]",
        "[[1], [\"a\"]]",
        "\"\\u00e9\\t\"",
        "\"\\q\"",
        "01",
        "1.",
        ".5",
        "tru",
        "",
        "\"unclosed",
        "1__0",
        "99999999999999999999",
        "[1,",
        "{a = 1,}",
        "1979-13-01",
        "+1",
        "0x",
        "[\n1,\n]",
        "1e400",
        "'é'",
        "\"\u{1}\"",
        "[{a=1},{b=2}]",
    ];
    let keys = ["a", "b", "a.b", "\"q r\"", "'k'", "c-d", "1", "é", "a. b", "", "a b", "x.y.z", "_"];
    random
        .several(6, |random| match random.below(6) {
            0 => format!("[{}]\n", random.pick(&keys)),
            1 => format!("[[{}]]\n", random.pick(&keys)),
            2 => random.pick(&["# c\n", "\n", "[a\n", "= 1\n", "a\n", "[a]]\n", "[]\n", "[ a . b ] # c\n"]).to_owned(),
            _ => format!("{} = {}{}\n", random.pick(&keys), random.pick(&values), random.pick(&["", "", " # c", " x"])),
        })
        .into_bytes()
}

fn json(random: &mut Random, depth: usize) -> String {
    let scalars = [
        "1",
        "-0",
        "1.5",
        "1e3",
        "1E400",
        "01",
        "true",
        "null",
        "\"a\"",
        "\"\\u00e9\\ud83d\\ude00\"",
        "\"\\ud800\"",
        "\"\\x\"",
        "\"\n\"",
        "nul",
        "\"",
        "-",
        "1.",
        ".5",
        "+1",
        "9007199254740993",
        "NaN",
        "'a'",
        "\"<>&\u{2028}\"",
        "1e-7",
        "123456789012345678901234567890",
        "\"\\/\\b\"",
        "tru e",
        "\"\u{7f}\"",
    ];
    if depth > 3 {
        return random.pick(&scalars).to_owned();
    }
    match random.below(4) {
        0 => format!(
            "[{}{}]",
            json(random, depth + 1),
            random.several(2, |random| format!("{}{}", random.pick(&[",", ", ", ",", ",", " "]), json(random, depth + 1)))
        ),
        1 => format!(
            "{{\"a\":{}{}}}",
            json(random, depth + 1),
            random.several(2, |random| format!(",\"{}\":{}", random.pick(&["a", "b", "é", "", "\\u0061"]), json(random, depth + 1)))
        ),
        2 => format!("{{{}}}", random.pick(&["", " ", "\"a\"", "\"a\":", "a:1", "\"a\":1,", "1:2", "\"a\" 1", ","])),
        _ => random.pick(&scalars).to_owned(),
    }
}

/// Makes a case that reads a text.
pub fn case(random: &mut Random) -> Case {
    let reader = |function: &str| {
        format!("{{{{ $v := .Files.Get \"in\" | {function} }}}}{{{{ $v | toJson }}}}\n{{{{ $v | toYaml }}}}\n{{{{ $v }}}}")
    };
    match random.below(12) {
        0 => Case::render("toml", reader("fromToml")).with("in", toml(random)),
        1 => Case::render("json", reader(random.pick(&["fromJson", "fromJsonArray", "mustFromJson"]))).with("in", json(random, 0)),
        2 => Case::render("yaml", reader("fromYamlArray")).with("in", document(random)),
        3 | 4 => Case { values: "{}".into(), ..Case::render("values.yaml", "{{ .Values | toJson }}").with("values.yaml", document(random)) },
        5 => {
            let document = document(random);
            let mut case = Case::render("heads", "").with("templates/a.yaml", "{{ .Files.Get \"in\" }}").with("in", document);
            case.question = Question::Template;
            case
        }
        6 => Case::render("prints", "{{ range $k, $v := .Values }}{{ $v | toYaml }}\n{{ $v | toJson }}{{ $v | toYamlPretty }}{{ quote $v }}{{ printf \"%v %q %#v\" $v $v $v }}{{ end }}{{ toToml .Values }}{{ toPrettyJson .Values }}")
            .with_values(super::values::object(random, 0).to_string()),
        _ => Case::render("yaml", reader("fromYaml")).with("in", document(random)),
    }
}
