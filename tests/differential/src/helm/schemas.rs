//! Random schemas and values.

use serde_json::{Map, Value, json};

use super::{Case, values};
use crate::random::Random;

fn schema(random: &mut Random, depth: usize) -> Value {
    if depth > 3 {
        return json!(random.one_in(2));
    }
    let mut map = Map::new();
    for _ in 0..1 + random.below(3) {
        let (key, value) = keyword(random, depth);
        map.insert(key.to_owned(), value);
    }
    Value::Object(map)
}

fn keyword(random: &mut Random, depth: usize) -> (&'static str, Value) {
    let texts = ["string", "number", "integer", "object", "array", "boolean", "null", "x"];
    match random.below(36) {
        0..=4 => ("type", if random.one_in(4) { json!([random.pick(&texts), random.pick(&texts)]) } else { json!(random.pick(&texts)) }),
        5..=9 => {
            let mut map = Map::new();
            for _ in 0..1 + random.below(3) {
                map.insert(random.pick(&["a", "b", "s", "l"]).to_owned(), schema(random, depth + 1));
            }
            ("properties", Value::Object(map))
        }
        10 => ("required", json!(["a", "zz"])),
        11 => ("additionalProperties", if random.one_in(2) { json!(false) } else { schema(random, depth + 1) }),
        12 => ("minimum", json!(random.below(10))),
        13 => ("maximum", json!(1.5)),
        14 => ("exclusiveMinimum", json!(3)),
        15 => ("multipleOf", [json!(2), json!(0.1), json!(0)][random.below(3)].clone()),
        16 => ("minLength", json!(random.below(4))),
        17 => ("maxLength", json!(2)),
        18 => ("pattern", json!(random.pick(PATTERNS))),
        19 => ("format", json!(FORMATS[random.below(FORMATS.len())].0)),
        20 => ("enum", json!(["x", 1, null, {"a": 1}])),
        21 => ("const", values::any(random, 3)),
        22 => ("items", if random.one_in(4) { json!([schema(random, depth + 1)]) } else { schema(random, depth + 1) }),
        23 => ("minItems", json!(2)),
        24 => ("maxItems", json!(1)),
        25 => ("uniqueItems", json!(true)),
        26 => ("allOf", json!([schema(random, depth + 1), schema(random, depth + 1)])),
        27 => ("anyOf", json!([schema(random, depth + 1), schema(random, depth + 1)])),
        28 => ("oneOf", json!([schema(random, depth + 1), schema(random, depth + 1)])),
        29 => ("not", schema(random, depth + 1)),
        30 => ("if", schema(random, depth + 1)),
        31 => ("then", schema(random, depth + 1)),
        32 => ("else", schema(random, depth + 1)),
        33 => ("$ref", json!(random.pick(&["#", "#/definitions/d", "#/nope", "#/properties/a", "#d"]))),
        34 => random.pick_pair(depth),
        _ => ("definitions", json!({"d": schema(random, depth + 1)})),
    }
}

impl Random {
    fn pick_pair(&mut self, depth: usize) -> (&'static str, Value) {
        match self.below(9) {
            0 => ("minProperties", json!(2)),
            1 => ("maxProperties", json!(1)),
            2 => ("patternProperties", json!({"^a": schema(self, depth + 1)})),
            3 => ("propertyNames", schema(self, depth + 1)),
            4 => ("contains", schema(self, depth + 1)),
            5 => ("dependencies", json!({"a": ["b"], "s": schema(self, depth + 1)})),
            6 => ("dependentRequired", json!({"a": ["b", "q"]})),
            7 => ("unevaluatedProperties", json!(false)),
            _ => ("prefixItems", json!([schema(self, depth + 1)])),
        }
    }
}

const PATTERNS: &[&str] = &[
    "^a",
    "[",
    "^[a-z]+$",
    "\\d",
    "(?i)x",
    "\\p{L}",
    "\\s",
    "^\\w*$",
    "\\bé",
    "^.$",
    "a{,2}",
    "a**",
    "(?!x)",
    "\\Qa.",
    "\\a",
    "[[:alpha:]]",
    "a\\z",
    "x{2}{2}",
    "\\/",
];

/// The formats, each with pieces that texts of it are made of.
const FORMATS: &[(&str, &[&str])] = &[
    ("date", DATES),
    ("time", DATES),
    ("date-time", DATES),
    ("period", DATES),
    ("duration", &["P", "1", "Y", "2", "M", "D", "T", "H", "S", "W", "é", ".", "-", "P1Y2M", "PT1H"]),
    ("email", NAMES),
    ("idn-email", NAMES),
    ("hostname", NAMES),
    ("idn-hostname", NAMES),
    ("ipv4", &["1.2.3.4", ".", "0", "01", "255", "256", "1", "-", "+", "é", "99999999999999999999", "x", "1.2.", " "]),
    ("ipv6", &["::", ":", "1", "ffff", "12345", "1.2.3.4", "%", "e", "g", ".", "1:2:3:4:5:6:7", "é", "0"]),
    ("uri", URLS),
    ("uri-reference", URLS),
    ("uri-template", URLS),
    ("iri", URLS),
    ("iri-reference", URLS),
    ("json-pointer", &["/", "~", "0", "1", "2", "a", "é", "#", "~1"]),
    ("relative-json-pointer", &["/", "~", "0", "1", "2", "a", "é", "#", "~1"]),
    ("uuid", &["123e4567", "-", "e89b", "12d3", "g", "426614174000", "é", "-4567-e89b-12d3-", "A"]),
    ("semver", &["1.2.3", ".", "1", "0", "01", "-", "+", "a", "é", "rc.1", "v", "-rc", "+b"]),
    ("regex", PATTERNS),
    ("x", &["x"]),
    ("", &["x"]),
];
const DATES: &[&str] = &[
    "2020-01-31",
    "T",
    "t",
    "12:30:45",
    "Z",
    "z",
    "+01:00",
    "-",
    ":",
    "2021-02-29",
    "23:59:60",
    ".5",
    "/",
    "P1D",
    "é",
    "2",
    "0",
    " ",
    "+24:00",
    "9999",
    "-1",
];
const NAMES: &[&str] = &[
    "a",
    "@",
    ".",
    "-",
    "b.c",
    "\"",
    "é",
    "_",
    "[",
    "]",
    "1.2.3.4",
    "IPv6:",
    "::1",
    " ",
    "x@y",
    "\\",
    "xn--a",
    "+",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
];
const URLS: &[&str] = &[
    "http",
    "://",
    ":",
    "/",
    "//",
    "?",
    "#",
    "@",
    "[",
    "]",
    "::1",
    "%",
    "25",
    "41",
    "é",
    " ",
    "a",
    "{",
    "}",
    "{a}",
    "80",
    "\\",
    "*",
    "urn:",
    "b.c",
    "\u{1}",
    "http://h",
    "%zz",
    "%c3%a9",
    "u:p@",
    "1.2.3.4",
    "http://[::1",
    "<",
    "&",
    "\u{7f}",
    ".",
    "+",
];

/// Makes a text that is of the format or almost.
fn text_of(random: &mut Random, pieces: &[&str]) -> String {
    match random.below(24) {
        0 => random.pick(&["", "😀", "\u{1}", "é", " "]).to_owned(),
        1 => random.pick(pieces).repeat(1 + random.below(300)),
        2 => random.several(3, |random| random.pick(pieces).to_owned()) + "😀",
        _ => random.several(8, |random| random.pick(pieces).to_owned()),
    }
}

/// Makes a schema that asks for formats, and values.
fn formats(random: &mut Random) -> (Value, Map<String, Value>) {
    let (mut properties, mut given) = (Map::new(), Map::new());
    for name in ["a", "b", "l"].iter().take(1 + random.below(3)) {
        let (format, pieces) = FORMATS[random.below(FORMATS.len())];
        let value = if random.one_in(20) { values::any(random, 2) } else { json!(text_of(random, pieces)) };
        properties.insert((*name).to_owned(), json!({"format": format}));
        given.insert((*name).to_owned(), value);
    }
    let schema = json!({"properties": properties, "$schema": DRAFTS[random.below(DRAFTS.len().min(3))]});
    (schema, given)
}

/// The dialects, those that check formats first.
const DRAFTS: &[&str] = &[
    "http://json-schema.org/draft-07/schema#",
    "http://json-schema.org/draft-04/schema#",
    "http://json-schema.org/draft-06/schema#",
    "https://json-schema.org/draft/2019-09/schema",
    "https://json-schema.org/draft/2020-12/schema",
    "http://json-schema.org/schema#",
];

/// Makes any schema, and values.
fn mixed(random: &mut Random) -> (Value, Map<String, Value>) {
    let mut schema = schema(random, 0);
    if random.one_in(2) {
        schema["$schema"] = json!(random.pick(DRAFTS));
    }
    let mut given = Map::new();
    for key in ["a", "b", "s", "l"] {
        if !random.one_in(3) {
            given.insert(key.to_owned(), values::any(random, 2));
        }
    }
    (schema, given)
}

/// Makes a chart with a schema.
pub fn case(random: &mut Random) -> Case {
    let (schema, given) = if random.one_in(3) { formats(random) } else { mixed(random) };
    let mut text = schema.to_string();
    if random.one_in(30) {
        text.pop();
    }
    let mut case = Case::render("schemas", "ok").with_values(Value::Object(given).to_string());
    if random.one_in(4) {
        case =
            case.with("charts/s/Chart.yaml", "{apiVersion: v2, name: s, version: 1.0.0}").with("charts/s/values.schema.json", text.clone());
    }
    case.with("values.schema.json", text)
}
