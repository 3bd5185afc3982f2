//! Renders small templates through the public API.

use std::sync::Arc;

use go_template::{Functions, Limits, Map, Render, Str, TemplateSet, Value};

fn render(text: &str, data: &serde_json::Value) -> Result<String, String> {
    let mut set = TemplateSet::new("gotpl", Arc::new(Functions::new()));
    set.parse("t", text).map_err(|error| error.to_string())?;
    let out = Render::new().execute(&Arc::new(set), "t", &Value::from_json(data)).map_err(|error| error.to_string())?;
    Ok(String::from_utf8_lossy(&out).into_owned())
}

#[test]
fn renders_values_conditions_and_loops() {
    let data = serde_json::json!({"a": 1e6, "l": ["x", "y"], "m": {"b": 1, "a": null}});
    assert_eq!(render("{{ .a }} {{ range $i, $e := .l }}{{ $i }}{{ $e }} {{ end }}", &data).as_deref(), Ok("1e+06 0x 1y "));
    assert_eq!(render("{{ range $k, $v := .m }}{{ $k }}={{ $v }};{{ end }}", &data).as_deref(), Ok("a=<no value>;b=1;"));
    assert_eq!(render("{{ if .zz }}a{{ else if eq .a 1e6 }}b{{ end }}", &data).as_deref(), Ok("b"));
}

#[test]
fn places_errors_as_go_does() {
    let data = serde_json::json!({"Values": {}});
    assert_eq!(
        render("{{ .Values.zz.yy }}", &data),
        Err("template: t:1:10: executing \"t\" at <.Values.zz.yy>: nil pointer evaluating interface {}.yy".to_owned())
    );
    assert_eq!(render("{{ nope }}", &data), Err("template: t:1: function \"nope\" not defined".to_owned()));
}

#[test]
fn overlays_see_the_base_and_keep_their_own() {
    let mut set = TemplateSet::new("gotpl", Arc::new(Functions::new()));
    set.parse("a", "{{ define \"x\" }}base{{ end }}").expect("parses");
    let set = Arc::new(set);
    let mut over = set.overlay();
    over.parse("gotpl", "{{ template \"x\" }}{{ template \"y\" }}{{ define \"y\" }}over{{ end }}").expect("parses");
    let out = Render::new().execute(&Arc::new(over), "gotpl", &Value::Nil).expect("executes");
    assert_eq!(out, b"baseover");
    assert!(!set.contains("y"));
}

#[test]
fn budgets_stop_what_does_not_end() {
    let mut set = TemplateSet::new("gotpl", Arc::new(Functions::new()));
    set.parse("t", "{{ range 1000000000 }}{{ range 1000000000 }}x{{ end }}{{ end }}").expect("parses");
    set.parse("r", "{{ template \"r\" . }}").expect("parses");
    let set = Arc::new(set);
    let limits = Limits { steps: 10_000, ..Limits::default() };
    let error = Render::new().limits(limits).execute(&set, "t", &Value::Nil).expect_err("runs out of steps");
    assert!(error.to_string().contains("template t:1: the render exceeds its limit: too many steps"), "{error}");
    let limits = Limits { output: 100, ..Limits::default() };
    let error = Render::new().limits(limits).execute(&set, "t", &Value::Nil).expect_err("writes too much");
    assert!(error.to_string().contains("too much output"), "{error}");
    let error = Render::new().execute(&set, "r", &Value::Nil).expect_err("recurses");
    assert!(error.to_string().contains("nested too deep"), "{error}");
}

#[test]
fn maps_that_contain_themselves_are_an_error_and_not_a_crash() {
    let map = Map::new();
    map.set(Str::from("self"), Value::Map(map.clone()));
    map.set(Str::from("twice"), Value::Map(map.clone()));
    let mut set = TemplateSet::new("gotpl", Arc::new(Functions::new()));
    set.parse("t", "{{ . }}").expect("parses");
    let error = Render::new().execute(&Arc::new(set), "t", &Value::Map(map.clone())).expect_err("cannot print");
    assert!(error.to_string().contains("too much output"), "{error}");
    assert!(Value::Map(map.clone()).to_json().is_err());
    map.remove(b"self");
    map.remove(b"twice");
}
