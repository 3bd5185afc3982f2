//! Schemas that refer to others elsewhere: which ones are needed, and what is said of values. Helm 4.2.4 said the same, from a server.

use std::collections::BTreeMap;

use helm::{Chart, HelmCompat};

const A: &str = r#"{"type": "object", "properties": {"port": {"$ref": "b.json#/definitions/port"}, "name": {"type": "string", "pattern": "^\\pL+$"}},
    "additionalProperties": false}"#;
const B: &str = r#"{"definitions": {"port": {"type": "integer", "maximum": 10}}}"#;

fn chart(schema: &str) -> Chart {
    let files = [("Chart.yaml", "{apiVersion: v2, name: c, version: 1.0.0}"), ("values.schema.json", schema)];
    Chart::from_files(files.map(|(name, text)| (name.to_owned(), text.into()))).expect("a chart")
}

fn complete(chart: &mut Chart, elsewhere: &BTreeMap<&str, &'static str>) -> Vec<String> {
    let mut asked = Vec::new();
    while let Some(address) = helm::missing_schema(chart) {
        let found = elsewhere.get(address.as_str()).map(|text| text.as_bytes().into()).ok_or_else(|| "not here".to_owned());
        chart.foreign_schemas.insert(address.clone(), found);
        asked.push(address);
    }
    asked
}

fn said(chart: &Chart, values: &str) -> String {
    let values = helm::values::from_yaml(values).expect("values");
    let error = helm::check_values(chart, &values, false, &HelmCompat::newest()).err().map(|error| error.to_string());
    let start = "values don't meet the specifications of the schema(s) in the following chart(s):\nc:\n";
    error.map(|error| error.strip_prefix(start).expect("the start").to_owned()).unwrap_or_default()
}

#[test]
fn values_are_checked_against_schemas_elsewhere() {
    let elsewhere = BTreeMap::from([("https://example.com/s/a.json", A), ("https://example.com/s/b.json", B)]);
    let mut chart = chart(r#"{"$ref": "https://example.com/s/a.json"}"#);
    assert_eq!(
        said(&chart, "{}"),
        "failing loading \"https://example.com/s/a.json\": the schema is not at hand; skip schema validation to render this chart"
    );
    assert_eq!(complete(&mut chart, &elsewhere), ["https://example.com/s/a.json", "https://example.com/s/b.json"]);
    assert_eq!(said(&chart, "port: 3"), "");
    assert_eq!(
        said(&chart, "{port: 30, name: 1, zz: 2}"),
        "- at '': validation failed\n  - at '/name': got number, want string\n  - at '/port': maximum: got 30, want 10\n  \
         - at '': additional properties 'zz' not allowed\n"
    );
    assert_eq!(said(&chart, "name: a-b"), "- at '/name': 'a-b' does not match pattern '^\\\\pL+$'\n");
}

#[test]
fn what_cannot_be_had_is_an_error_only_where_values_are_checked() {
    let mut absent = chart(r#"{"$ref": "https://example.com/absent.json"}"#);
    assert_eq!(complete(&mut absent, &BTreeMap::new()), ["https://example.com/absent.json"]);
    assert_eq!(said(&absent, "{}"), "failing loading \"https://example.com/absent.json\": not here");
    let values = helm::values::from_yaml("{}").expect("values");
    assert_eq!(helm::check_values(&absent, &values, true, &HelmCompat::newest()), Ok(()));
    let mut nowhere = chart(r#"{"properties": {"p": {"$ref": "https://example.com/a.json#/properties/nothing"}}}"#);
    complete(&mut nowhere, &BTreeMap::from([("https://example.com/a.json", A)]));
    assert_eq!(said(&nowhere, "{}"), "json-pointer in \"https://example.com/a.json#/properties/nothing\" not found");
}

#[test]
fn most_schemas_need_nothing_elsewhere() {
    for schema in [
        r##"{"$schema": "http://json-schema.org/draft-07/schema#", "properties": {"a": {"$ref": "#/definitions/a"}}, "definitions": {"a": {}}}"##,
        r#"{"properties": {"url": {"default": "https://example.com/$ref"}}, "$comment": "see https://example.com"}"#,
        r#"{"$ref": "urn:example:a"}"#,
        r#"{"$ref": "file:///etc/schema.json"}"#,
        "{",
    ] {
        assert_eq!(helm::missing_schema(&chart(schema)), None, "{schema}");
    }
}
