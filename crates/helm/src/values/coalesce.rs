//! How user values and the defaults of a chart and its subcharts become one tree (`pkg/chart/common/util/coalesce.go` of 4.2, with the
//! null rules of older generations). Warnings, which Helm prints to its log, are not kept.

use serde_json::{Map, Value};

use super::ValuesError;
use crate::chart::Chart;
use crate::compat::HelmCompat;

type Table = Map<String, Value>;

const GLOBAL: &str = "global";

/// Coalesces user values with the defaults of a chart and its subcharts: the user wins, and a null of the user removes a default.
pub fn coalesce_values(chart: &Chart, values: &Table, compat: &HelmCompat) -> Result<Table, ValuesError> {
    Rules { compat, merge: false, cleans: false }.whole(chart, values)
}

/// Does the same, but keeps nulls for a later coalescing.
pub fn merge_values(chart: &Chart, values: &Table, compat: &HelmCompat) -> Result<Table, ValuesError> {
    Rules { compat, merge: true, cleans: false }.whole(chart, values)
}

/// Fills `into` from `from`, which is overridden; nulls are kept.
pub fn merge_tables(into: &mut Table, from: &Table, compat: &HelmCompat) {
    Rules { compat, merge: true, cleans: false }.tables(into, from);
}

#[derive(Clone, Copy)]
struct Rules<'a> {
    compat: &'a HelmCompat,
    merge: bool,
    /// Whether nulls among what fills in are as if they were not there.
    cleans: bool,
}

impl Rules<'_> {
    fn whole(self, chart: &Chart, values: &Table) -> Result<Table, ValuesError> {
        let mut values = values.clone();
        self.chart(chart, &mut values)?;
        hand_down(chart, &mut values);
        Ok(values)
    }

    fn chart(self, chart: &Chart, values: &mut Table) -> Result<(), ValuesError> {
        self.defaults(chart, values);
        self.dependencies(chart, values)
    }

    fn dependencies(self, chart: &Chart, values: &mut Table) -> Result<(), ValuesError> {
        for dependency in &chart.dependencies {
            let name = dependency.name();
            let mut inner = match values.remove(name) {
                None => Table::new(),
                Some(Value::Object(inner)) => inner,
                Some(other) => return Err(ValuesError(format!("type mismatch on {name}: {}", as_bool_verb(&other)))),
            };
            globals(self, &mut inner, values);
            let result = self.chart(dependency, &mut inner);
            for_shared(values, &mut inner, |own, inner| own.clone_from(inner));
            values.insert(name.to_owned(), Value::Object(inner));
            result?;
        }
        Ok(())
    }

    fn defaults(self, chart: &Chart, values: &mut Table) {
        for (key, default) in &*chart.default_values(self.compat) {
            // What is meant for a subchart keeps its nulls: the subchart's own coalescing needs them.
            let is_for_subchart = || chart.dependencies.iter().any(|dependency| dependency.name() == key);
            match values.get_mut(key) {
                Some(Value::Null) if !self.merge => {
                    values.remove(key);
                }
                Some(Value::Object(wanted)) => {
                    if let Value::Object(default) = default {
                        self.merging(self.merge || is_for_subchart()).tables(wanted, default);
                    }
                }
                Some(_) => {}
                None => {
                    values.extend(self.merging(self.merge).copy(default).map(|default| (key.clone(), default)));
                }
            }
        }
    }

    fn merging(self, merge: bool) -> Self {
        Rules { merge, cleans: !merge && self.compat.cleans_default_nulls(), ..self }
    }

    fn tables(self, into: &mut Table, from: &Table) {
        let is_absent = |value: &Value| self.cleans && value.is_null();
        let removes_foreign_nulls = !self.merge && !self.compat.keeps_foreign_nulls();
        if removes_foreign_nulls {
            into.retain(|key, value| !value.is_null() || from.get(key).is_some_and(|value| !is_absent(value)));
        }
        for (key, value) in from.iter().filter(|(_, value)| !is_absent(value)) {
            match into.get_mut(key) {
                Some(Value::Null) if !self.merge && (!value.is_null() || removes_foreign_nulls) => {
                    into.remove(key);
                }
                None => into.extend(self.copy(value).map(|value| (key.clone(), value))),
                Some(Value::Object(inner)) => {
                    if let Value::Object(value) = value {
                        self.tables(inner, value);
                    }
                }
                Some(_) => {}
            }
        }
    }

    /// Copies what fills in, if it is there.
    fn copy(self, value: &Value) -> Option<Value> {
        let mut value = value.clone();
        match &mut value {
            Value::Null if self.cleans => return None,
            Value::Object(table) if self.cleans => remove_nulls(table),
            _ => {}
        }
        Some(value)
    }
}

/// Copies the globals of a parent into a subchart's values; here the parent wins.
fn globals(rules: Rules, subchart: &mut Table, parent: &Table) {
    let empty = Table::new();
    let from = match parent.get(GLOBAL) {
        None => &empty,
        Some(Value::Object(table)) => table,
        Some(_) => return,
    };
    let into = subchart.entry(GLOBAL).or_insert_with(|| Value::Object(Table::new()));
    let Value::Object(into) = into else { return };
    for (key, value) in from {
        match (value, into.get_mut(key)) {
            (Value::Object(table), Some(Value::Object(old))) => {
                let mut merged = table.clone();
                Rules { merge: true, ..rules }.tables(&mut merged, old);
                *old = merged;
            }
            (Value::Object(_), Some(_)) | (_, Some(Value::Object(_))) => {}
            (value, _) => {
                into.insert(key.clone(), value.clone());
            }
        }
    }
}

/// Visits the tables that a parent and its subchart share. Helm copies the tables of `global` for a subchart, but not the tables in them:
/// what the subchart fills in there, the parent has too.
fn for_shared(parent: &mut Table, subchart: &mut Table, copy: fn(&mut Value, &mut Value)) {
    let (Some(Value::Object(own)), Some(Value::Object(inner))) = (parent.get_mut(GLOBAL), subchart.get_mut(GLOBAL)) else { return };
    for (key, own) in own {
        let (Value::Object(own), Some(Value::Object(inner))) = (own, inner.get_mut(key)) else { continue };
        for (key, own) in own.iter_mut().filter(|(_, own)| own.is_object()) {
            if let Some(inner) = inner.get_mut(key).filter(|inner| inner.is_object()) {
                copy(own, inner);
            }
        }
    }
}

/// Gives every subchart what its siblings filled into the tables that all of them share.
fn hand_down(chart: &Chart, values: &mut Table) {
    for dependency in &chart.dependencies {
        if let Some(Value::Object(mut inner)) = values.remove(dependency.name()) {
            for_shared(values, &mut inner, |own, inner| inner.clone_from(own));
            hand_down(dependency, &mut inner);
            values.insert(dependency.name().to_owned(), Value::Object(inner));
        }
    }
}

fn remove_nulls(table: &mut Table) {
    table.retain(|_, value| !value.is_null());
    for value in table.values_mut() {
        if let Value::Object(inner) = value {
            remove_nulls(inner);
        }
    }
}

/// Prints a value as `%t` does, which Helm uses for what is no table.
fn as_bool_verb(value: &Value) -> String {
    let value = go_template::Value::from_json_int64(value);
    go_template::fmt::sprintf(b"%t", &[value]).map_or_else(|error| error.to_string(), |text| String::from_utf8_lossy(&text).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn chart(defaults: &str, subchart: Option<&str>) -> Chart {
        let mut files = vec![
            ("Chart.yaml".to_owned(), b"{apiVersion: v2, name: c, version: 1.0.0}".to_vec()),
            ("values.yaml".to_owned(), defaults.as_bytes().to_vec()),
        ];
        if let Some(defaults) = subchart {
            files.push(("charts/s/Chart.yaml".to_owned(), b"{apiVersion: v2, name: s, version: 1.0.0}".to_vec()));
            files.push(("charts/s/values.yaml".to_owned(), defaults.as_bytes().to_vec()));
        }
        Chart::from_files(files).expect("a chart")
    }

    fn check(chart: &Chart, version: &str, values: Value, expect: Value) {
        let values = values.as_object().expect("a map").clone();
        let found = coalesce_values(chart, &values, &HelmCompat::of(version)).map(Value::Object).map_err(|error| error.0);
        assert_eq!(found, Ok(expect), "{version}: {values:?}");
    }

    /// Helm 4.2.4 printed what is expected.
    #[test]
    fn tables_in_tables_of_globals_are_shared() {
        let metadata = |name: &str| format!("{{apiVersion: v2, name: {name}, version: 1.0.0}}");
        let files = [
            ("Chart.yaml", metadata("c")),
            ("values.yaml", "global: {x: {yy: {w: 2}, v: 1}}".to_owned()),
            ("charts/s/Chart.yaml", metadata("s")),
            ("charts/s/values.yaml", "global: {x: {yy: {z: 1}, u: 3}}".to_owned()),
            ("charts/t/Chart.yaml", metadata("t")),
            ("charts/t/values.yaml", "global: {x: {yy: {q: 5}}}".to_owned()),
        ];
        let c = Chart::from_files(files.map(|(name, text)| (name.to_owned(), text.into_bytes()))).expect("a chart");
        let shared = json!({"q": 5.0, "w": 2.0, "z": 1.0});
        let expect = json!({
            "global": {"x": {"yy": shared, "v": 1.0}},
            "s": {"global": {"x": {"yy": shared, "u": 3.0, "v": 1.0}}},
            "t": {"global": {"x": {"yy": shared, "v": 1.0}}},
        });
        check(&c, "4.2.4", json!({}), expect);
    }

    #[test]
    fn user_values_win() {
        let c = chart("a: {b: x, c: v}\nl: [p]\nm: z\n", None);
        check(&c, "4.2.4", json!({"a": {"b": "q"}, "l": ["r"]}), json!({"a": {"b": "q", "c": "v"}, "l": ["r"], "m": "z"}));
        check(&c, "4.2.4", json!({"a": 1.0}), json!({"a": 1.0, "l": ["p"], "m": "z"}));
        check(&c, "4.2.4", json!({"m": {"k": "o"}}), json!({"a": {"b": "x", "c": "v"}, "l": ["p"], "m": {"k": "o"}}));
    }

    #[test]
    fn nulls_remove_defaults() {
        let c = chart("a: {b: x, c: v}\nd: {e: null, f: {g: null}}\nh: null\n", None);
        check(&c, "4.2.4", json!({"a": {"b": null}, "z": null}), json!({"a": {"c": "v"}, "d": {"f": {}}, "z": null}));
        check(&c, "4.1.1", json!({"a": null, "z": null}), json!({"d": {"e": null, "f": {"g": null}}, "h": null, "z": null}));
        check(&c, "4.2.4", json!({"a": {"q": null}}), json!({"a": {"b": "x", "c": "v", "q": null}, "d": {"f": {}}}));
        check(&c, "3.19", json!({"a": {"q": null}}), json!({"a": {"b": "x", "c": "v"}, "d": {"e": null, "f": {"g": null}}, "h": null}));
    }

    #[test]
    fn parents_and_subcharts() {
        let c = chart(
            "s: {num: null, a: parent}\nglobal: {g: {x: 1, w: 2}, h: up}\n",
            Some("num: 1\na: child\nb: child\nglobal: {g: {x: 9, z: 3}, h: down}\n"),
        );
        let globals = json!({"g": {"x": 1.0, "w": 2.0, "z": 3.0}, "h": "up"});
        let top = json!({"g": {"x": 1.0, "w": 2.0}, "h": "up"});
        // The parent's null for the subchart is cleaned away first from 4.2 on, unless the user gives that subchart anything.
        check(&c, "4.2.4", json!({}), json!({"global": top, "s": {"num": 1.0, "a": "parent", "b": "child", "global": globals}}));
        check(&c, "4.2.4", json!({"s": {"b": "user"}}), json!({"global": top, "s": {"a": "parent", "b": "user", "global": globals}}));
        check(&c, "4.1.1", json!({}), json!({"global": top, "s": {"a": "parent", "b": "child", "global": globals}}));
        let wrong = coalesce_values(&c, json!({"s": 5.0}).as_object().expect("a map"), &HelmCompat::newest());
        assert_eq!(wrong.map_err(|error| error.0), Err("type mismatch on s: %!t(float64=5)".to_owned()));
    }
}
