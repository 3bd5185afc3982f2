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
        18 => ("pattern", json!(random.pick(&["^a", "[", "^[a-z]+$", "\\d", "(?i)x", "\\p{L}"]))),
        19 => ("format", json!(random.pick(&["email", "ipv4", "date", "uri", "hostname", "x", "date-time", "regex", "uuid", "ipv6"]))),
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

/// Makes a chart with a schema.
pub fn case(random: &mut Random) -> Case {
    let mut schema = schema(random, 0);
    let drafts = [
        "http://json-schema.org/draft-07/schema#",
        "http://json-schema.org/draft-04/schema#",
        "http://json-schema.org/draft-06/schema#",
        "https://json-schema.org/draft/2019-09/schema",
        "https://json-schema.org/draft/2020-12/schema",
        "http://json-schema.org/schema#",
    ];
    if random.one_in(2) {
        schema["$schema"] = json!(random.pick(&drafts));
    }
    let mut given = Map::new();
    for key in ["a", "b", "s", "l"] {
        if !random.one_in(3) {
            given.insert(key.to_owned(), values::any(random, 2));
        }
    }
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
