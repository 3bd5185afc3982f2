//! Releases that Flux could never take over, whatever a bootstrap installs.

use std::collections::BTreeMap;

use kustomize::Files;
use serde_json::Value;

use crate::check::finding::{Finding, Rule};
use crate::check::locate::{self, At};
use crate::fields::{get, name, namespace, text};
use crate::release::release_name;
use crate::tree::{Located, Tree, is_release};

pub(crate) fn find(files: &dyn Files, tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut records: BTreeMap<(String, String, Option<String>), &Located> = BTreeMap::new();
    for located in tree.located().filter(|located| is_release(&located.object.value)) {
        found.extend(faults(files, located));
        let value = &located.object.value;
        // Releases of other clusters are kept there.
        let cluster = get(value, &["spec", "kubeConfig"]).map(Value::to_string);
        let record = (text(value, &["spec", "storageNamespace"]).unwrap_or(namespace(value)).to_string(), release_name(value), cluster);
        if [&record.0, &record.1].into_iter().any(|text| located.is_open(text)) {
            continue;
        }
        let same_object = |other: &Located| (namespace(&other.object.value), name(&other.object.value)) == (namespace(value), name(value));
        match records.get(&record) {
            Some(other) if !same_object(other) => found.push(shared_record(files, other, located, (&record.0, &record.1))),
            Some(_) => {}
            None => drop(records.insert(record, located)),
        }
    }
    found
}

fn faults(files: &dyn Files, located: &Located) -> Vec<Finding> {
    let value = &located.object.value;
    let title = format!("HelmRelease {}/{}", namespace(value), name(value));
    let finding = |at: &[At<'_>], message: String, hint: &str| {
        let (line, column) = locate::of(files, &located.object, at);
        Finding::error(Rule::NotAdoptable, &located.object.file, line, column, format!("{title}: {message}")).hint(hint)
    };
    let has = |path: &[&str]| get(value, path).is_some();
    let mut found = Vec::new();
    match (has(&["spec", "chart"]), has(&["spec", "chartRef"])) {
        (true, true) => found.push(finding(
            &[At::Key("spec"), At::Key("chartRef")],
            "has both spec.chart and spec.chartRef, which the API server refuses".to_string(),
            "keep one of them",
        )),
        (false, false) => found.push(finding(
            &[At::Key("spec")],
            "has neither spec.chart nor spec.chartRef, which the API server refuses".to_string(),
            "name an OCIRepository: `chartRef: { kind: OCIRepository, name: NAME }`",
        )),
        _ => {}
    }
    for field in ["targetNamespace", "storageNamespace", "releaseName"] {
        let most = if field == "releaseName" { 53 } else { 63 };
        if let Some(long) = text(value, &["spec", field]).filter(|text| text.len() > most && !located.is_open(text)) {
            let message = format!("spec.{field} {long} is longer than {most} characters, which the API server refuses");
            found.push(finding(&[At::Key("spec"), At::Key(field)], message, "shorten it"));
        }
    }
    found
}

fn shared_record(files: &dyn Files, first: &Located, second: &Located, (storage, release): (&str, &str)) -> Finding {
    let value = &second.object.value;
    let (line, column) = locate::of(files, &second.object, &[At::Key("spec"), At::Key("releaseName")]);
    let other = &first.object;
    let message = format!(
        "HelmRelease {}/{}: Helm release {release} in namespace {storage} is also that of HelmRelease {}/{} ({}:{})",
        namespace(value),
        name(value),
        namespace(&other.value),
        name(&other.value),
        other.file,
        other.line
    );
    Finding::error(Rule::NotAdoptable, &second.object.file, line, column, message)
        .hint("give one of them another name or spec.releaseName: each would upgrade the other's release for ever")
}
