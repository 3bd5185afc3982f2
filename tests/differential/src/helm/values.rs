//! Random values through trees of charts: defaults, nulls, globals, conditions, tags, imports, aliases.

use serde_json::{Map, Value, json};

use super::{Case, Question};
use crate::random::Random;

const TEXTS: &[&str] = &[
    "",
    "a",
    "yes",
    "no",
    "~",
    "null",
    "true",
    "1",
    "1.10",
    "0x1f",
    "08",
    "1:20",
    "2020-01-01",
    " lead",
    "trail ",
    "a: b",
    "a #b",
    "- a",
    "? a",
    "# a",
    "a\nb",
    "a\nb\n",
    "a\n\n",
    "\na",
    " a\nb",
    "a\n b",
    "a \nb",
    "a\tb",
    "\ta",
    "a\r\nb",
    "\r",
    "é",
    "日本",
    "😀",
    "\u{1}",
    "\u{7f}",
    "\u{85}",
    "\u{a0}",
    "\u{2028}",
    "\u{feff}",
    "'",
    "\"",
    "a'b",
    "\\",
    "{{ x }}",
    "[a",
    "{a",
    "&a",
    "*a",
    "!a",
    "|",
    ">",
    "%a",
    "@a",
    "`a",
    "---",
    "...",
    "--- a",
    "a:",
    ":",
    "-",
    "?",
    "<<",
    "=",
    "<b>&",
    "a  b",
    "key: \"v\"",
    "1e3",
    "1e400",
    ".5",
    ".inf",
    "0b2",
    "1_000",
    "+1",
    "a,b",
    "[]",
    "{}",
    "\n",
    "\n\n",
    " ",
    "  ",
    "a\u{2029}b",
    "a: \nb",
    "x\n\ty",
    "$a",
    "${b}",
    "%d",
    "the quick brown fox jumps over the lazy dog and then the quick brown fox jumps over the lazy dog again and again",
    "the quick brown fox jumps over the lazy dog 'and' then  the quick: brown fox jumps over the lazy dog again and again # no comment",
    "Lorem ipsum dolor sit amet, consectetur adipiscing elit, sed do eiusmod tempor\nincididunt ut labore et dolore magna aliqua.\n\n  Ut enim ad minim veniam\n",
];

fn text(random: &mut Random) -> String {
    if random.one_in(4) {
        return random.several(4, |random| random.pick(TEXTS).to_owned());
    }
    random.pick(TEXTS).to_owned()
}

fn number(random: &mut Random) -> Value {
    match random.below(6) {
        0 => json!(random.below(100)),
        1 => json!(random.next() as i64),
        2 => json!(random.next() >> random.below(64)),
        3 => json!(f64::from_bits(random.next())).as_f64().filter(|f| f.is_finite()).map_or(json!(0.5), |f| json!(f)),
        4 => json!((random.below(2_000_001) as f64 - 1e6) / [1.0, 10.0, 1e3, 1e7, 1e-9][random.below(5)]),
        _ => [
            json!(0),
            json!(-0.0),
            json!(1e6),
            json!(1e21),
            json!(1e20),
            json!(123_456_789.123),
            json!(1e-7),
            json!(9_007_199_254_740_993_i64),
            json!(0.1),
            json!(-1),
        ][random.below(10)]
        .clone(),
    }
}

/// Makes any value.
pub fn any(random: &mut Random, depth: usize) -> Value {
    match random.below(if depth > 3 { 6 } else { 9 }) {
        0 => Value::Null,
        1 => Value::Bool(random.one_in(2)),
        2 | 3 => number(random),
        4 | 5 => Value::String(text(random)),
        6 => Value::Array((0..random.below(4)).map(|_| any(random, depth + 1)).collect()),
        _ => object(random, depth + 1),
    }
}

/// Makes an object with odd keys.
pub fn object(random: &mut Random, depth: usize) -> Value {
    let mut map = Map::new();
    for _ in 0..random.below(5) {
        let key = if random.one_in(3) {
            text(random)
        } else {
            random.pick(&["a", "b", "a1", "a10", "a2", "B", "_x", "a-b", "a/b", "1", "10", "2", "é", "true", "a.b", "aa"]).to_owned()
        };
        map.insert(key, any(random, depth));
    }
    Value::Object(map)
}

/// Makes values with few keys, so that layers meet.
fn layer(random: &mut Random, depth: usize) -> Value {
    let mut map = Map::new();
    for _ in 0..random.below(6) {
        let key = random.pick(&["a", "b", "s", "t", "global", "u", "tags", "al", "exports", "enabled"]);
        let value = match random.below(8) {
            0 => Value::Null,
            1 => json!(random.below(3)),
            2 => json!(random.pick(&["x", "y", ""])),
            3 => json!(random.one_in(2)),
            4 => json!([1, null]),
            _ if depth < 4 => layer(random, depth + 1),
            _ => json!({}),
        };
        map.insert(key.to_owned(), value);
    }
    Value::Object(map)
}

fn metadata(random: &mut Random, name: &str, subcharts: &[&str]) -> String {
    let mut text = format!("apiVersion: v2\nname: {name}\nversion: {}\n", random.pick(&["1.0.0", "1.2.3", "0.1.0-rc1", "v2.0.0"]));
    if random.one_in(12) {
        text += "type: library\n";
    }
    if subcharts.is_empty() || random.one_in(4) {
        return text;
    }
    text += "dependencies:\n";
    for subchart in subcharts {
        for _ in 0..1 + usize::from(random.one_in(5)) {
            text += &format!(
                "- name: {subchart}\n  version: {}\n",
                random.pick(&["\"*\"", "\">=0.0.0-0\"", "1.x.x", "^1", "\"\"", ">=1", "~9"])
            );
            if random.one_in(3) {
                text += &format!(
                    "  condition: {}\n",
                    random.pick(&["s.enabled", "t.enabled", "a", "global.a,s.enabled", "a.b, b", "s.a.b", "tags.a", "\"\""])
                );
            }
            if random.one_in(4) {
                text += &format!("  tags: {}\n", random.pick(&["[a]", "[a, b]", "[s]", "[]"]));
            }
            if random.one_in(4) {
                text += &format!("  alias: {}\n", random.pick(&["al", "s2", "a", "al"]));
            }
            if random.one_in(3) {
                text += &format!(
                    "  import-values: {}\n",
                    random.pick(&[
                        "[a]",
                        "[{child: a, parent: b}]",
                        "[{child: exports, parent: .}]",
                        "[a, b, {child: s.a, parent: t}]",
                        "[{child: a, parent: a.b}]",
                        "[x]",
                        "[{child: global, parent: g}]",
                        "[1]",
                        "[{child: a}]"
                    ])
                );
            }
        }
    }
    text
}

const SHOW: &str = "v: {{ .Values | toJson }}\nc: {{ .Chart.Name }} {{ .Chart.IsRoot }} {{ keys .Subcharts | sortAlpha }}\n";

/// Makes a tree of charts, all of which print their values.
pub fn case(random: &mut Random) -> Case {
    let mut case = Case::render("values", "notes");
    case.question = if random.one_in(4) { Question::Folder } else { Question::Template };
    let has_inner = random.one_in(2);
    let subcharts: &[&str] = if random.one_in(3) { &["s", "t"] } else { &["s"] };
    case.files[0].1 = metadata(random, "c", subcharts).into_bytes();
    case = case.with("templates/show.yaml", SHOW).with("values.yaml", yaml_of(random));
    for name in subcharts {
        let inner: &[&str] = if has_inner && *name == "s" { &["u"] } else { &[] };
        case = case
            .with(&format!("charts/{name}/Chart.yaml"), metadata(random, name, inner))
            .with(&format!("charts/{name}/values.yaml"), yaml_of(random))
            .with(&format!("charts/{name}/templates/show.yaml"), SHOW)
            .with(&format!("charts/{name}/templates/_p.tpl"), "{{ define \"p\" }}{{ end }}");
        for below in inner {
            let at = format!("charts/{name}/charts/{below}");
            case = case
                .with(&format!("{at}/Chart.yaml"), metadata(random, below, &[]))
                .with(&format!("{at}/values.yaml"), yaml_of(random))
                .with(&format!("{at}/templates/show.yaml"), SHOW);
        }
    }
    case.values = layer(random, 0).to_string();
    case
}

fn yaml_of(random: &mut Random) -> String {
    let first = layer(random, 0).to_string();
    if random.one_in(6) { format!("{first}\n---\n{}", layer(random, 0)) } else { first }
}

impl Case {
    /// Replaces the user's values.
    pub fn with_values(mut self, values: String) -> Case {
        self.values = values;
        self
    }
}
