//! What a fuzzer does with its input, one function a target. None may panic, hang or take all memory, whatever the input.
//!
//! `cargo xtask fuzz` runs them under a fuzzer (`tests/fuzz/`); the test beside this file runs what earlier fuzzing found worth keeping
//! (`tests/fuzz/corpus/`), so that every build does.

use std::io::Write as _;
use std::sync::Arc;

use flate2::Compression;
use flate2::write::GzEncoder;
use go_encoding::yaml;
use go_template::{Functions, Limits, TemplateSet};
use helm::chart::IgnoreRules;
use helm::{Chart, HelmCompat, RenderError, RenderRequest, Rendered, values};
use serde_json::{Map, Value};

/// A target by its name.
pub struct Target {
    /// The name, which is that of its corpus too.
    pub name: &'static str,
    /// What it does with an input.
    pub run: fn(&[u8]),
}

/// All targets.
pub const TARGETS: &[Target] = &[
    Target { name: "archive", run: archive },
    Target { name: "execute", run: execute },
    Target { name: "parse", run: parse },
    Target { name: "values", run: merge },
    Target { name: "yaml", run: read_yaml },
];

/// Small bounds, so that an input that makes much work ends soon.
const LIMITS: Limits = Limits { steps: 100_000, output: 1 << 20, depth: 200, memory: 64 << 20 };

/// Parses a template with every function known.
pub fn parse(input: &[u8]) {
    let mut functions = Functions::new();
    functions.add(&sprig::FUNCS);
    let mut set = TemplateSet::new("fuzz", Arc::new(functions));
    if let Err(error) = set.parse("input", input) {
        assert!(!error.to_string().is_empty());
    }
}

/// Executes a template as the only one of a chart.
pub fn execute(input: &[u8]) {
    let files = [
        ("Chart.yaml", &b"{apiVersion: v2, name: c, version: 1.0.0, appVersion: \"1.2\"}"[..]),
        ("values.yaml", b"a: 1\nb: [x, 2, {c: true}]\nm: {n: {o: p}, z: null}\ns: \"a b\"\nf: 1.5\nl: []\n"),
        ("templates/_helpers.tpl", b"{{ define \"h\" }}{{ . }}{{ end }}{{ define \"r\" }}{{ include \"r\" . }}{{ end }}"),
        ("templates/input.yaml", input),
        ("conf/a.txt", b"line\nline"),
    ];
    let Ok(chart) = Chart::from_files(files.map(|(name, data)| (name.to_owned(), data.to_vec()))) else { return };
    if let Ok(rendered) = render(&chart, Map::new()) {
        assert_eq!(render(&chart, Map::new()).map(|again| again.files), Ok(rendered.files), "rendering twice differs");
    }
}

fn render(chart: &Chart, values: Map<String, Value>) -> Result<Rendered, RenderError> {
    let mut request = RenderRequest::new("rel", "ns");
    request.limits = LIMITS;
    request.values = values;
    helm::render(chart, &request)
}

/// Reads YAML in every way there is, and what was read again from what is written of it.
pub fn read_yaml(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let read = yaml::parse(text);
    let top = yaml::parse_top(text, |key| key.len() < 2);
    assert_eq!(read.as_ref().err(), top.as_ref().err(), "reading the top sees other faults");
    let _ = yaml::documents(text);
    let _ = yaml::node::parse(text);
    if let Ok(value) = read {
        let written = yaml::to_string(&value);
        let again = yaml::parse(&written).unwrap_or_else(|error| panic!("{error} in what was written:\n{written}"));
        assert_eq!(numbers_as_floats(again), numbers_as_floats(value), "{written}");
    }
}

/// Integral floats are written as integers.
fn numbers_as_floats(value: Value) -> Value {
    values::as_floats(value)
}

/// Coalesces: the user's values, then those of a chart, of its subchart, and a `--set`, with lines of `===` between.
pub fn merge(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let mut parts = text.split("===\n");
    let mut part = || parts.next().unwrap_or_default().to_owned();
    let (user, defaults, inner, set) = (part(), part(), part(), part());
    let manifest = "{apiVersion: v2, name: c, version: 1.0.0, dependencies: [{name: s, version: '*', condition: s.enabled, tags: [t], import-values: [d, {child: a, parent: b}]}]}";
    let files = [
        ("Chart.yaml", manifest.to_owned()),
        ("values.yaml", defaults),
        ("templates/a.yaml", "{{ .Values | toYaml }}".to_owned()),
        ("charts/s/Chart.yaml", "{apiVersion: v2, name: s, version: 1.0.0}".to_owned()),
        ("charts/s/values.yaml", inner),
    ];
    let Ok(chart) = Chart::from_files(files.map(|(name, text)| (name.to_owned(), text.into_bytes()))) else { return };
    let Ok(mut user) = values::from_yaml(&user) else { return };
    let _ = values::set(&mut user, &set);
    for version in ["3.19", "4.1", "4.2.4"] {
        let compat = HelmCompat::of(version);
        let mut chart = chart.clone();
        if values::process_dependencies(&mut chart, &user, &compat).is_ok() {
            let _ = values::coalesce_values(&chart, &user, &compat);
        }
    }
    let _ = render(&chart, user);
}

/// Reads an archive: the input as it is, as a tar that is not compressed yet, and as rules of a `.helmignore`.
pub fn archive(input: &[u8]) {
    let _ = Chart::from_archive("c.tgz", input);
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    if packed.write_all(input).is_ok()
        && let Ok(packed) = packed.finish()
        && let Ok(chart) = Chart::from_archive("c.tgz", &packed)
    {
        let _ = render(&chart, Map::new());
    }
    if let Ok(rules) = std::str::from_utf8(input).map_err(drop).and_then(|text| IgnoreRules::parse(text).map_err(drop)) {
        let _ = rules.ignores("templates/a.yaml", false);
    }
}
