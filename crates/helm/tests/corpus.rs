//! Renders the charts of `../shared/charts` and compares with what real Helm printed: the golden bytes of 4.2.3, and the digests of
//! all five generations.

use std::collections::BTreeMap;
use std::io::Read;
use std::num::NonZero;
use std::path::Path;
use std::sync::Mutex;

use helm::both::{First, Second};
use helm::chart::Chart;
use helm::values;
use helm::{HelmCompat, KubeVersion, RenderRequest, Rendered, TemplateOutput};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

/// The generations of `golden-sums.json`, and a version of each.
const GENERATIONS: &[(&str, &str)] = &[("3.19", "3.19.5"), ("3.22", "3.22.0"), ("4.1", "4.1.4"), ("4.2.0", "4.2.3"), ("4.2.4", "4.2.4")];

fn read(path: &Path) -> Option<Vec<u8>> {
    if let Ok(bytes) = std::fs::read(path) {
        return Some(bytes);
    }
    let packed = std::fs::read(format!("{}.gz", path.display())).ok()?;
    let mut bytes = Vec::new();
    flate2::read::GzDecoder::new(&packed[..]).read_to_end(&mut bytes).expect("gzip");
    Some(bytes)
}

fn request(folder: &Path, case: &Value, version: &str) -> RenderRequest {
    let compat = HelmCompat::of(version);
    let text = |key: &str| case[key].as_str().unwrap_or_default().to_owned();
    let mut request = RenderRequest::new(text("name"), text("namespace"));
    request.capabilities = helm::Capabilities::offline(&compat);
    if let Some(version) = case["kubeVersion"].as_str() {
        request.capabilities.kube_version = KubeVersion::parse(version, &compat).expect("a version");
    }
    let extra = case["apiVersions"].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned);
    request.capabilities = request.capabilities.with_api_versions(extra);
    request.compat = compat;
    let mut merged = Map::new();
    let files = case["valuesFiles"].as_array().into_iter().flatten().chain(case.get("valuesFile"));
    for file in files.filter_map(Value::as_str) {
        let text = std::fs::read_to_string(folder.join(file)).expect("values");
        values::merge_maps(&mut merged, values::from_yaml(&text).expect("values"));
    }
    if let Value::Object(inline) = values::as_floats(case["values"].clone()) {
        values::merge_maps(&mut merged, inline);
    }
    request.values = merged;
    request.is_upgrade = case["isUpgrade"].as_bool().unwrap_or(false);
    request.skip_schema_validation = case["skipSchemaValidation"].as_bool().unwrap_or(false);
    request
}

fn output(rendered: &Rendered) -> String {
    rendered.template_output(&TemplateOutput::default()).expect("nothing is left out")
}

/// Documents in any order, for charts whose order Helm itself does not fix.
fn as_set(text: &str) -> Vec<String> {
    let mut documents: Vec<String> = text.split("\n---\n").map(|document| document.trim().to_owned()).collect();
    documents.sort();
    documents
}

fn first_difference(found: &str, expect: &str) -> String {
    for (number, (left, right)) in found.lines().zip(expect.lines()).enumerate() {
        if left != right {
            return format!("line {}:\n   ours {left:?}\n   helm {right:?}", number + 1);
        }
    }
    format!("lengths differ: ours {} helm {}", found.len(), expect.len())
}

fn in_threads(first: First<'_>, second: Second<'_>) {
    std::thread::scope(|scope| {
        scope.spawn(second);
        first();
    });
}

/// Renders in two threads; the digests are of renders in one.
fn check_golden(folder: &Path, case: &Value, id: &str, chart: &Chart) -> Result<(), String> {
    let mut request = request(folder, case, "4.2.3");
    request.both = in_threads;
    let result = helm::render(chart, &request);
    let golden = |extension: &str| {
        read(&folder.join("golden").join(format!("{id}.{extension}"))).map(|bytes| String::from_utf8(bytes).expect("UTF-8"))
    };
    if case["expect"] == "err" {
        let expect = golden("err").expect("golden");
        return match result {
            Ok(_) => Err("renders, Helm refuses".to_owned()),
            Err(error) => {
                let found = format!("Error: {error}\n");
                let sorted = |text: &str| {
                    // The library that checks schemas reports properties in any order.
                    let mut lines: Vec<String> = text.trim().lines().map(str::to_owned).collect();
                    if text.contains("schema(s)") {
                        lines.sort();
                    }
                    lines
                };
                if sorted(&found) == sorted(&expect) { Ok(()) } else { Err(first_difference(&found, &expect)) }
            }
        };
    }
    let rendered = result.map_err(|error| format!("fails: {error}"))?;
    let (found, expect) = (output(&rendered), golden("yaml").expect("golden"));
    match case["nondeterministic"].as_str() {
        Some("random") if found.matches("\n---\n").count() == expect.matches("\n---\n").count() => {}
        Some("keys") if as_set(&found) == as_set(&expect) => {}
        None if found == expect => {}
        _ => return Err(first_difference(&found, &expect)),
    }
    match golden("notes") {
        Some(notes) if case["nondeterministic"].is_null() && notes != rendered.notes => {
            Err(format!("notes: {}", first_difference(&rendered.notes, &notes)))
        }
        _ => Ok(()),
    }
}

/// What came of cases.
#[derive(Default)]
struct Tally {
    good: usize,
    sums_good: usize,
    sums_all: usize,
    failures: Vec<String>,
}

impl Tally {
    fn check(&mut self, folder: &Path, sums: &Sums, chart: &Chart, case: &Value) {
        let id = case["id"].as_str().expect("an id");
        match check_golden(folder, case, id, chart) {
            Ok(()) => self.good += 1,
            Err(error) => self.failures.push(format!("{id}: {error}")),
        }
        for (generation, version) in GENERATIONS {
            let Some(expect) = sums.get(id).and_then(|sums| sums.get(*generation)) else { continue };
            self.sums_all += 1;
            match helm::render(chart, &request(folder, case, version)) {
                Ok(rendered) => {
                    let digest = Sha256::digest(output(&rendered).as_bytes());
                    let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
                    if digest == *expect { self.sums_good += 1 } else { self.failures.push(format!("{id} as {generation}: differs")) }
                }
                Err(error) => self.failures.push(format!("{id} as {generation}: {error}")),
            }
        }
    }
}

/// Digests of what the generations of Helm print, by case.
type Sums = BTreeMap<String, BTreeMap<String, String>>;

#[test]
#[cfg_attr(not(has_shared), ignore = "skipped: ../shared is not here")]
fn renders_every_chart_as_helm_does() {
    let folder = shared_data::folder("charts");
    let only = std::env::var("LAUNCHWAY_CASE").unwrap_or_default();
    let sums: Sums = serde_json::from_slice(&std::fs::read(folder.join("golden-sums.json")).expect("sums")).expect("JSON");
    let mut by_chart: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for case in std::fs::read_to_string(folder.join("cases.jsonl")).expect("cases").lines() {
        let case: Value = serde_json::from_str(case).expect("JSON");
        if case["id"].as_str().expect("an id").contains(&only) {
            by_chart.entry(case["chart"].as_str().expect("a chart").to_owned()).or_default().push(case);
        }
    }
    let (next, tally) = (Mutex::new(by_chart.into_iter()), Mutex::new(Tally::default()));
    let work = || {
        let mut own = Tally::default();
        loop {
            let taken = next.lock().expect("nobody panicked").next();
            let Some((archive, cases)) = taken else { break };
            let bytes = std::fs::read(folder.join(&archive)).expect("archive");
            let chart = Chart::from_archive_in(&archive, &bytes, in_threads, &mut |_, _| ()).expect("a chart");
            cases.iter().for_each(|case| own.check(&folder, &sums, &chart, case));
        }
        let mut tally = tally.lock().expect("nobody panicked");
        tally.good += own.good;
        tally.sums_good += own.sums_good;
        tally.sums_all += own.sums_all;
        tally.failures.extend(own.failures);
    };
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, NonZero::get) {
            scope.spawn(work);
        }
    });
    let Tally { good, sums_good, sums_all, failures } = tally.into_inner().expect("nobody panicked");
    println!("{good} cases as 4.2.3, {sums_good} of {sums_all} digests of five generations");
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
}
