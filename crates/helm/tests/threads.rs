//! What is done in two threads is what is done in one: output, errors, and which of several errors.

use std::io::Write as _;

use flate2::{Compression, write::GzEncoder};
use helm::both::{self, Both, First, Second};
use helm::{Chart, Parsed, RenderRequest, TemplateOutput};

fn in_threads(first: First<'_>, second: Second<'_>) {
    std::thread::scope(|scope| {
        scope.spawn(second);
        first();
    });
}

fn archive(files: &[(&str, &str)]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (name, text) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, format!("c/{name}"), text.as_bytes()).expect("a file");
    }
    let mut packed = GzEncoder::new(Vec::new(), Compression::default());
    packed.write_all(&tar.into_inner().expect("an archive")).expect("gzip");
    packed.finish().expect("gzip")
}

fn rendered(bytes: &[u8], both: Both) -> Result<String, String> {
    let mut request = RenderRequest::new("r", "n");
    let mut parsed = Parsed::ahead(&request.compat);
    let chart = Chart::from_archive_in("c.tgz", bytes, both, &mut |path, text| parsed.parse(path, text));
    let chart = chart.map_err(|error| error.to_string())?;
    request.both = both;
    let rendered = helm::render_parsed(&chart, &request, &mut parsed).map_err(|error| error.to_string())?;
    rendered.template_output(&TemplateOutput::default()).map_err(|error| error.to_string())
}

const CHART: (&str, &str) = ("Chart.yaml", "{apiVersion: v2, name: c, version: 1.0.0}");

/// Gives the same in one thread as in two, however those take turns, and returns it.
fn same(files: &[(&str, &str)]) -> Result<String, String> {
    let bytes = archive(files);
    let expect = rendered(&bytes, both::in_turn);
    for _ in 0..20 {
        assert_eq!(rendered(&bytes, in_threads), expect);
    }
    expect
}

fn refused(files: &[(&str, &str)], expect: &str) {
    let error = same(&[&[CHART], files].concat()).expect_err("an error");
    assert!(error.contains(expect), "{error}");
}

#[test]
fn renders_the_same() {
    let names: Vec<String> = (0..60).map(|number| format!("templates/t{number}.yaml")).collect();
    let template =
        "a: {{ include \"shared\" . }}\nb: {{ .Values.b }}\n---\nkind: {{ .Template.Name | base | trimSuffix \".yaml\" | title }}\n";
    let mut files =
        vec![CHART, ("values.yaml", "b: [1, 2]\n"), ("templates/_shared.tpl", "{{ define \"shared\" }}{{ .Values.b | len }}{{ end }}")];
    files.extend(names.iter().map(|name| (name.as_str(), template)));
    let text = same(&files).expect("renders");
    assert_eq!(text.matches("a: 2\nb: [1 2]\n").count(), 60);
    assert!(text.contains("kind: T59\n"));
}

#[test]
fn the_last_definition_counts() {
    // Of files as deep as each other the one whose name comes first is read last.
    let define = |text: &str| format!("{{{{ define \"x\" }}}}{text}{{{{ end }}}}");
    let (first, last) = (define("first"), define("last"));
    let files = [CHART, ("templates/_a.tpl", &*first), ("templates/_z.tpl", &*last), ("templates/m.yaml", "x: {{ include \"x\" . }}\n")];
    assert!(same(&files).expect("renders").contains("x: first\n"));
}

#[test]
fn needs_no_values() {
    assert!(same(&[CHART, ("templates/a.yaml", "a: {{ .Values.b }}\n")]).expect("renders").ends_with("\na:\n"));
}

#[test]
fn the_first_error_counts() {
    let broken = ("templates/a.yaml", "a: {{ nothing }}\n");
    refused(&[("templates/z.yaml", "{{ if }}"), broken], "(c/templates/z.yaml:1): missing value for if");
    refused(&[("values.schema.json", "{\"required\": [\"x\"]}"), broken], "missing property 'x'");
    refused(&[("values.yaml", "a: b: c"), broken], "cannot load values.yaml");
    refused(&[("templates/b.yaml", "a: b: c\n"), ("templates/d.yaml", "{")], "YAML parse error on c/templates/b.yaml");
    refused(
        &[("templates/b.yaml", "a: b: c\n"), ("templates/a.yaml", "{{ fail \"no\" }}")],
        "execution error at (c/templates/a.yaml:1:3): no",
    );
}

/// Gives so many templates that two threads execute them, and returns what each gives, in the order in which Helm executes them.
fn each(template: &str, others: &[(&str, &str)]) -> Result<Vec<String>, String> {
    let names: Vec<String> = (100..140).map(|number| format!("templates/t{number}.yaml")).collect();
    let files = others.iter().copied().chain(names.iter().map(|name| (name.as_str(), template)));
    let text = same(&[&[CHART], &*files.collect::<Vec<_>>()].concat())?;
    let found = text.split("---\n").filter_map(|document| Some(document.trim_end().split_once("\nis: ")?.1.to_owned()));
    Ok(found.collect::<Vec<_>>().into_iter().rev().collect())
}

fn counted() -> Vec<String> {
    (1..=40).map(|number| number.to_string()).collect()
}

#[test]
fn what_a_template_leaves_behind_is_met_by_the_next() {
    let values = ("values.yaml", "at: 0\ninner: {at: 0}\nlist: [{at: 0}]\n");
    let check = |template: &str| assert_eq!(each(template, &[values]).expect("renders"), counted(), "{template}");
    check("{{ $_ := set .Values \"at\" (add1 .Values.at) }}is: {{ .Values.at }}\n");
    check("{{ $_ := set .Values.inner \"at\" (add1 .Values.inner.at) }}is: {{ .Values.inner.at }}\n");
    check("{{ range .Values.list }}{{ $_ := set . \"at\" (add1 .at) }}is: {{ .at }}{{ end }}\n");
    check("{{ $_ := set $ \"seen\" (append (.seen | default list) 1) }}is: {{ len .seen }}\n");
    check("{{ $_ := set .Chart \"Seen\" (add1 (.Chart.Seen | default 0)) }}is: {{ .Chart.Seen }}\n");
    check("{{ $_ := set .Release \"Seen\" (add1 (.Release.Seen | default 0)) }}is: {{ .Release.Seen }}\n");
    // What is merged into a map of one's own is still everybody's below.
    check("{{ $own := merge (dict) .Values }}{{ $_ := set $own.inner \"at\" (add1 $own.inner.at) }}is: {{ .Values.inner.at }}\n");
    check("{{ $_ := mergeOverwrite .Values (dict \"at\" (add1 .Values.at)) }}is: {{ .Values.at }}\n");
}

#[test]
fn what_a_template_keeps_for_itself_is_its_own() {
    let own = "{{ $own := dict \"at\" 0 }}{{ $_ := set $own \"at\" (add1 $own.at) }}{{ $_ := unset .Values \"no\" }}is: {{ $own.at }}\n";
    assert!(each(own, &[("values.yaml", "at: 0\n")]).expect("renders").iter().all(|n| n == "1"));
}

#[test]
fn a_removed_value_stays_away() {
    let gone = "is: {{ hasKey .Values \"at\" }}{{ $_ := unset .Values \"at\" }}\n";
    let found = each(gone, &[("values.yaml", "at: 0\n")]).expect("renders");
    assert_eq!(found.iter().filter(|is| *is == "true").count(), 1, "{found:?}");
    assert_eq!(found[0], "true");
}

#[test]
fn randomness_is_drawn_in_order() {
    let random = each("is: {{ randAlphaNum 20 }}\n", &[]).expect("renders");
    assert!(random.iter().all(|text| text.len() == 20));
}

#[test]
fn a_subchart_tells_what_it_executed_last() {
    let subchart = ("charts/s/Chart.yaml", "{apiVersion: v2, name: s, version: 1.0.0}");
    let (first, last) = (("charts/s/templates/b.yaml", "b: 1\n"), ("charts/s/templates/a.yaml", "a: 1\n"));
    let found = each("is: {{ .Subcharts.s.Template.Name }}\n", &[subchart, first, last]).expect("renders");
    assert!(found.iter().all(|name| name == "c/charts/s/templates/a.yaml"), "{found:?}");
}

#[test]
fn the_first_failing_template_counts() {
    let fails = "{{ if regexMatch \"t1[0-3]5\" .Template.Name }}{{ fail .Template.Name }}{{ end }}is: 1\n";
    let error = each(fails, &[]).expect_err("fails");
    assert!(error.contains("execution error at (c/templates/t135.yaml:1:48): c/templates/t135.yaml"), "{error}");
}

#[test]
fn an_archive_that_breaks_off_is_an_error() {
    let bytes = archive(&[CHART, ("values.yaml", "a: 1\n"), ("templates/a.yaml", "a\n")]);
    for end in [20, bytes.len() / 2, bytes.len() - 9] {
        let (one, two) = (rendered(&bytes[..end], both::in_turn), rendered(&bytes[..end], in_threads));
        assert!(one.is_err(), "{end}");
        assert_eq!(one, two);
    }
}

#[test]
fn parses_ahead_what_may_not_be_needed() {
    let chart = "{apiVersion: v2, name: c, version: 1.0.0, dependencies: [{name: s, version: 1.x, condition: s.enabled}, {name: s, version: 1.x, alias: t}]}";
    let chart = ("Chart.yaml", chart);
    let files = [
        chart,
        ("values.yaml", "s: {enabled: false}\n"),
        ("charts/s/Chart.yaml", "{apiVersion: v2, name: s, version: 1.0.0}"),
        ("charts/s/templates/a.yaml", "a: {{ .Template.Name }}\n"),
    ];
    assert_eq!(same(&files), Ok("---\n# Source: c/charts/t/templates/a.yaml\na: c/charts/t/templates/a.yaml\n".to_owned()));
    let broken = [chart, ("values.yaml", "s: {enabled: false}\n"), files[2], ("charts/s/templates/a.yaml", "{{ if }}")];
    assert!(same(&broken).expect_err("an error").contains("c/charts/t/templates/a.yaml:1"));
}
