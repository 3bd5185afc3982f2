//! Which subcharts take part and what they hand up: tags, conditions, aliases, import-values (`pkg/chart/v2/util/dependencies.go`).

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::coalesce::{coalesce_values, merge_tables, merge_values};
use super::{ValuesError, path_value, table};
use crate::chart::{Chart, Dependency, is_compatible};
use crate::compat::HelmCompat;

/// Applies the declared dependencies of a chart: removes what is disabled, renames what has an alias, imports values. The chart
/// afterwards is what Helm renders and stores in the release record.
pub fn process_dependencies(chart: &mut Chart, values: &Map<String, Value>, compat: &HelmCompat) -> Result<(), ValuesError> {
    choose_dependencies(chart, values, compat)?;
    import_values(chart, compat)
}

/// Does the first half of [`process_dependencies`], after which it is known which charts take part.
pub(crate) fn choose_dependencies(chart: &mut Chart, values: &Map<String, Value>, compat: &HelmCompat) -> Result<(), ValuesError> {
    enable(chart, values, "", compat)
}

fn enable(chart: &mut Chart, values: &Map<String, Value>, path: &str, compat: &HelmCompat) -> Result<(), ValuesError> {
    let Some(mut declared) = chart.metadata.dependencies.take() else {
        return Ok(());
    };
    chart.dependencies = chosen(&chart.dependencies, &declared);
    for dependency in &mut declared {
        if !dependency.alias.is_empty() {
            dependency.name.clone_from(&dependency.alias);
        }
        dependency.enabled = true;
    }
    let values = coalesce_values(chart, values, compat)?;
    for dependency in &mut declared {
        apply_tags(dependency, &values);
    }
    for dependency in &mut declared {
        apply_conditions(dependency, &values, path);
    }
    let removed: BTreeSet<String> =
        declared.iter().filter(|dependency| !dependency.enabled).map(|dependency| dependency.name.clone()).collect();
    chart.dependencies.retain(|dependency| !removed.contains(dependency.name()));
    declared.retain(|dependency| !removed.contains(&dependency.name));
    for dependency in &mut chart.dependencies {
        let path = format!("{path}{}.", dependency.name());
        enable(dependency, &values, &path, compat)?;
    }
    // Helm appends what is left to a nil list, so none left is as if none had been declared.
    chart.metadata.dependencies = (!declared.is_empty()).then_some(declared);
    Ok(())
}

/// Returns the undeclared subcharts, then the declared ones in their order and under their aliases.
fn chosen(present: &[Chart], declared: &[Dependency]) -> Vec<Chart> {
    let fits = |chart: &Chart, wanted: &Dependency| chart.name() == wanted.name && is_compatible(&wanted.version, &chart.metadata.version);
    let undeclared = present.iter().filter(|chart| !declared.iter().any(|wanted| fits(chart, wanted))).cloned();
    let found = declared.iter().filter_map(|wanted| {
        let mut chart = present.iter().find(|chart| fits(chart, wanted))?.clone();
        if !wanted.alias.is_empty() {
            chart.metadata.name.clone_from(&wanted.alias);
        }
        Some(chart)
    });
    undeclared.chain(found).collect()
}

fn apply_tags(dependency: &mut Dependency, values: &Map<String, Value>) {
    let Some(tags) = table(values, "tags") else { return };
    let flags: Vec<bool> = dependency.tags.iter().filter_map(|tag| tags.get(tag)?.as_bool()).collect();
    dependency.enabled = flags.contains(&true) || !flags.contains(&false);
}

fn apply_conditions(dependency: &mut Dependency, values: &Map<String, Value>, path: &str) {
    let mut conditions = dependency.condition.trim().split(',').filter(|condition| !condition.is_empty());
    if let Some(flag) = conditions.find_map(|condition| path_value(values, &format!("{path}{condition}"))?.as_bool()) {
        dependency.enabled = flag;
    }
}

pub(crate) fn import_values(chart: &mut Chart, compat: &HelmCompat) -> Result<(), ValuesError> {
    for dependency in &mut chart.dependencies {
        import_values(dependency, compat)?;
    }
    if chart.metadata.dependencies.is_none() {
        return Ok(());
    }
    let mut values = merge_values(chart, &Map::new(), compat)?;
    let mut imported = Map::new();
    for dependency in chart.metadata.dependencies.iter_mut().flatten() {
        let items = std::mem::take(&mut dependency.import_values);
        for item in items {
            let Some((child, parent)) = import_paths(&item) else { continue };
            dependency.import_values.push(json!({"child": child, "parent": parent}));
            if let Some(found) = table(&values, &format!("{}.{child}", dependency.name)) {
                merge_tables(&mut imported, &nested(&parent, found.clone()), compat);
            }
        }
    }
    // The parent's own values win over what it imports.
    merge_tables(&mut values, &imported, compat);
    chart.set_values(values);
    Ok(())
}

/// Returns the table to take from the child and where to put it.
fn import_paths(item: &Value) -> Option<(String, String)> {
    match item {
        Value::String(name) => Some((format!("exports.{name}"), ".".to_owned())),
        Value::Object(map) => Some((printed(map.get("child")), printed(map.get("parent")))),
        _ => None,
    }
}

/// Go's `%v` of a scalar.
fn printed(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => "<nil>".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => go_encoding::float::general(number.as_f64().unwrap_or(f64::NAN)),
        Some(other) => other.to_string(),
    }
}

fn nested(path: &str, table: Map<String, Value>) -> Map<String, Value> {
    if path == "." {
        return table;
    }
    path.rsplit('.').fold(table, |inner, key| Map::from_iter([(key.to_owned(), Value::Object(inner))]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(declared: &str, values: &str) -> Chart {
        let file = |name: &str, text: &str| (name.to_owned(), text.as_bytes().to_vec());
        Chart::from_files([
            file("Chart.yaml", &format!("apiVersion: v2\nname: c\nversion: 1.0.0\ndependencies: {declared}\n")),
            file("values.yaml", values),
            file("charts/s/Chart.yaml", "{apiVersion: v2, name: s, version: 1.2.0}"),
            file("charts/s/values.yaml", "a: {b: 1}\nexports: {data: {x: child, w: child}}\n"),
            file("charts/t/Chart.yaml", "{apiVersion: v2, name: t, version: 2.0.0}"),
        ])
        .expect("a chart")
    }

    fn names(declared: &str, values: &str) -> Vec<String> {
        let mut chart = chart(declared, values);
        process_dependencies(&mut chart, &Map::new(), &HelmCompat::newest()).expect("processes");
        chart.dependencies.iter().map(|dependency| dependency.name().to_owned()).collect()
    }

    #[test]
    fn orders_and_renames() {
        assert_eq!(names("null", ""), ["s", "t"]);
        assert_eq!(names("[{name: s, version: ^1.0.0, alias: x}]", ""), ["t", "x"]);
        assert_eq!(names("[{name: t, version: 2.0.0}, {name: s, version: 1.x}]", ""), ["t", "s"]);
        assert_eq!(names("[{name: s, version: ^9.0.0}]", ""), ["s", "t"]);
        assert_eq!(names("[{name: s, version: 1.x, alias: x}, {name: s, version: 1.x}]", ""), ["t", "x", "s"]);
    }

    #[test]
    fn honours_conditions_and_tags() {
        let declared = "[{name: s, version: 1.x, condition: 's.go,other.go', tags: [back]}]";
        assert_eq!(names(declared, "s: {go: false}"), ["t"]);
        assert_eq!(names(declared, "s: {go: maybe}\nother: {go: false}"), ["t"]);
        assert_eq!(names(declared, "tags: {back: false}"), ["t"]);
        assert_eq!(names(declared, "tags: {back: false}\ns: {go: true}"), ["t", "s"]);
        assert_eq!(names(declared, "tags: {back: 1}"), ["t", "s"]);
    }

    #[test]
    fn imports_values() {
        let mut chart = chart("[{name: s, version: 1.x, import-values: [data, {child: a, parent: p.q}]}]", "x: parent\n");
        let compat = HelmCompat::newest();
        process_dependencies(&mut chart, &Map::new(), &compat).expect("processes");
        let values = chart.values(&compat);
        assert_eq!((&values["x"], &values["w"], &values["p"]), (&json!("parent"), &json!("child"), &json!({"q": {"b": 1.0}})));
        let declared = &chart.metadata.dependencies.as_ref().expect("still there")[0];
        assert_eq!(declared.import_values[0], json!({"child": "exports.data", "parent": "."}));
    }
}
