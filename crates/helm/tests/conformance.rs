//! Renders every template under `tests/conformance` and compares with what real Helm made of it: text or error, byte for byte.
//!
//! A file is about one function, one action or one kind of trap; a line has a `template`, perhaps the text `in` of a file that it
//! reads, perhaps a `schema` and `values`, and what Helm 4.2.3 `expect`s. Helm fills that in: `cargo xtask differential render`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use helm::{Capabilities, Chart, HelmCompat, KubeVersion, RenderError, RenderRequest, values};
use serde_json::Value;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance")
}

fn read(name: &str) -> String {
    std::fs::read_to_string(folder().join(name)).expect("a file of the tests")
}

/// Returns the names of the files with cases, without their extension, and the cases.
fn cases() -> Vec<(String, Vec<Value>)> {
    let mut names: Vec<String> = std::fs::read_dir(folder())
        .expect("the folder")
        .filter_map(|entry| Some(entry.expect("an entry").file_name().to_str()?.strip_suffix(".jsonl")?.to_owned()))
        .collect();
    names.sort();
    let lines = |name: &String| read(&format!("{name}.jsonl")).lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    names.iter().map(|name| (name.clone(), lines(name))).collect()
}

fn render(case: &Value, values: &str, helpers: &str) -> String {
    let compat = HelmCompat::of("4.2.3");
    let text = |key: &str| case[key].as_str().unwrap_or_default();
    let schema = case.get("schema").map(Value::to_string);
    let given = case.get("values").map_or_else(|| values.to_owned(), Value::to_string);
    let mut files = vec![
        ("Chart.yaml", include_str!("conformance/Chart.yaml")),
        ("templates/NOTES.txt", text("template")),
        ("templates/_helpers.tpl", helpers),
        ("f.txt", "line one\nzwei é\n\nend\n"),
        ("d/g.txt", "g"),
        ("in", text("in")),
    ];
    files.extend(schema.as_deref().map(|schema| ("values.schema.json", schema)));
    let files = files.into_iter().map(|(name, text)| (name.to_owned(), text.as_bytes().to_vec()));
    let chart = Chart::from_files(files).expect("a chart");
    let mut request = RenderRequest::new("rel", "ns");
    request.capabilities = Capabilities::offline(&compat).with_kube_version(KubeVersion::parse("v1.33.1", &compat).expect("a version"));
    request.compat = compat;
    request.environment = Some(sprig::Environment { seconds: 1_800_000_000, nanoseconds: 5, entropy: sprig::Entropy::from_seed([9; 32]) });
    if let Value::Object(given) = values::as_floats(serde_json::from_str(&given).expect("JSON")) {
        request.values = given;
    }
    let rendered = helm::render(&chart, &request);
    // What no cluster decides is refused before a render, in the same words.
    let early = helm::check_values(&chart, &request.values, request.skip_schema_validation, &request.compat);
    assert_eq!(early.err().as_ref(), rendered.as_ref().err().filter(|error| is_early(error)), "{case}");
    match rendered {
        Ok(rendered) => rendered.notes,
        Err(error) => format!("Error: {error}"),
    }
}

fn is_early(error: &RenderError) -> bool {
    use RenderError::{MissingDependencies, NotInstallable, Schema, Values};
    matches!(error, NotInstallable { .. } | MissingDependencies { .. } | Values(_) | Schema(_))
}

#[test]
fn makes_of_every_template_what_helm_makes() {
    let (values, helpers) = (read("values.json"), read("_helpers.tpl"));
    let (mut count, mut wrong) = (0, Vec::new());
    for (name, cases) in cases() {
        for (line, case) in cases.iter().enumerate() {
            count += 1;
            let (found, expect) = (render(case, &values, &helpers), case["expect"].as_str().expect("what Helm said"));
            if found != expect {
                wrong.push(format!("{name}.jsonl:{}: {}\n ours {found:?}\n Helm {expect:?}", line + 1, case["template"]));
            }
        }
    }
    assert!(count > 2000, "only {count} cases found");
    assert!(wrong.is_empty(), "{} of {count} differ:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn every_function_has_its_cases() {
    let cases = cases();
    let called: BTreeSet<&str> = cases
        .iter()
        .filter(|(name, cases)| {
            let calls = |case: &Value| case["template"].as_str().is_some_and(|text| text.contains(name.as_str()));
            cases.len() > 1 && cases.iter().all(calls)
        })
        .map(|(name, _)| name.as_str())
        .collect();
    let missing: Vec<_> = helm::function_names(&HelmCompat::of("4.2.3")).into_iter().filter(|name| !called.contains(name)).collect();
    assert!(missing.is_empty(), "no cases in tests/conformance call {missing:?}");
}
