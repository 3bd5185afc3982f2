//! `launchway template` as `helm template`: goldens of Helm through the program, and every option that changes what is printed, each
//! derived from a golden.

use std::path::{Path, PathBuf};

use launchway_tests::{Run, command, files, launchway, read_packed, root, run, temporary};
use serde_json::Value;

const REL: [&str; 8] = ["template", "rel", "chart", "--namespace", "ns", "--kube-version", "v1.33.1", "--helm-compat=4.2.3"];

/// The chart with a bit of everything; `defaults/expect.yaml` is what Helm prints of it.
fn features() -> PathBuf {
    root().join("crates/helm/tests/render/features")
}

fn golden() -> String {
    std::fs::read_to_string(features().join("defaults/expect.yaml")).expect("the golden")
}

fn template(more: &[&str]) -> Run {
    let found = launchway(&features(), REL.iter().chain(more));
    assert_eq!(found.code, 0, "{more:?}: {}", found.stderr);
    found
}

/// Returns the documents of an output with the path in front.
fn documents(text: &str) -> Vec<(&str, String)> {
    let parts = text.split("---\n# Source: ").skip(1);
    let parts = parts.map(|part| part.split_once('\n').expect("a document has lines"));
    parts.map(|(path, text)| (path, text.trim_end().to_owned())).collect()
}

fn printed<'a>(documents: impl IntoIterator<Item = &'a (&'a str, String)>) -> String {
    documents.into_iter().map(|(path, text)| format!("---\n# Source: {path}\n{text}\n")).collect()
}

fn field<'a>(text: &'a str, name: &str) -> &'a str {
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("  {name}: ")));
    line.unwrap_or_else(|| panic!("no {name} in\n{text}"))
}

/// Compares with `Error: …` as Helm prints it, hints left out; the library behind Helm's schemas reports properties in any order.
fn same_error(found: &Run, expected: &str) -> bool {
    let lines = |text: &str| {
        let mut lines: Vec<String> = text.trim().lines().map(str::to_owned).collect();
        if text.contains("schema(s)") {
            lines.sort();
        }
        lines
    };
    let ours = found.stderr.replacen("error: ", "Error: ", 1);
    let ours = ours.split("\n  hint: ").next().unwrap_or_default();
    found.code == 1 && found.stdout.is_empty() && lines(ours) == lines(expected)
}

#[test]
#[cfg_attr(not(has_binary), ignore = "skipped: run by cargo xtask test, which builds the program")]
fn prints_what_helm_prints() {
    let cases = files(&root().join("crates/helm/tests/render")).expect("the cases");
    let (mut rendered, mut refused, mut failures) = (0, 0, Vec::new());
    for file in
        cases.iter().filter(|file| file.parent().is_some_and(|case| case.parent().is_some_and(|group| group.join("chart").is_dir())))
    {
        let folder = file.parent().expect("a folder");
        // The last of REL says which Helm; some cases are of another one.
        let (options, newest) = REL.split_at(REL.len() - 1);
        let of_helm = std::fs::read_to_string(folder.join("version")).map(|version| format!("--helm-compat={}", version.trim()));
        let of_helm = of_helm.unwrap_or_else(|_| newest.concat());
        let run = || {
            let all = options.iter().copied().chain([of_helm.as_str(), "-f"]).map(PathBuf::from);
            launchway(folder.parent().expect("a group"), all.chain([folder.join("values.yaml")]))
        };
        let expected = || std::fs::read_to_string(file).expect("a golden");
        if file.ends_with("expect.yaml") {
            rendered += 1;
            let found = run();
            if found.code != 0 || found.stdout != expected() {
                failures.push(format!("{}: {}", file.display(), found.stderr));
            }
        } else if file.ends_with("expect.err") {
            refused += 1;
            let found = run();
            if !same_error(&found, &expected()) {
                failures.push(format!("{}: exit {}\n{}\nHelm:\n{}", file.display(), found.code, found.stderr, expected()));
            }
        }
    }
    assert!(rendered > 0 && refused > 0);
    assert!(failures.is_empty(), "of {rendered} outputs and {refused} refusals:\n{}", failures.join("\n"));
}

#[test]
#[cfg_attr(not(has_binary), ignore = "skipped: run by cargo xtask test, which builds the program")]
fn one_argument_is_the_chart() {
    let found = launchway(&features(), ["template", "chart", "--helm-compat=4.2.3"]);
    assert_eq!(found.code, 0, "{}", found.stderr);
    assert!(field(&found.stdout, "release").starts_with("release-name default "), "{}", found.stdout);
}

#[test]
#[cfg_attr(not(has_binary), ignore = "skipped: run by cargo xtask test, which builds the program")]
fn show_only_prints_the_named_templates() {
    let golden = golden();
    let all = documents(&golden);
    let named = ["app/templates/many.yaml", "app/charts/first/templates/sub.yaml"];
    // In the order of the options, not of the manifest.
    let wanted = named.iter().flat_map(|name| all.iter().filter(move |(path, _)| path == name));
    let found = template(&["-s", "templates/many.yaml", "--show-only", "charts/first/templates/sub.yaml"]);
    assert_eq!(found.stdout, printed(wanted));
    let missing = launchway(&features(), REL.iter().chain(&["--show-only", "templates/absent.yaml"]));
    assert_eq!((missing.code, missing.stdout.as_str()), (1, ""));
    assert_eq!(missing.stderr, "error: could not find template templates/absent.yaml in chart\n");
}

#[test]
#[cfg_attr(not(has_binary), ignore = "skipped: run by cargo xtask test, which builds the program")]
fn include_crds_puts_them_first() {
    let found = template(&["--include-crds"]);
    let crds = found.stdout.strip_suffix(&golden()).expect("the rest is as without them");
    let paths: Vec<&str> = documents(crds).iter().map(|(path, _)| *path).collect();
    assert_eq!(paths, ["app/crds/thing.yaml", "app/charts/first/crds/other.json", "app/charts/sub/crds/other.json"]);
    for (path, text) in documents(crds) {
        let folder =
            path.replace("app/charts/first", "chart/charts/sub").replace("app/charts/sub", "chart/charts/sub").replace("app/", "chart/");
        assert_eq!(text, std::fs::read_to_string(features().join(folder)).expect("a CRD").trim_end());
    }
}

#[test]
#[cfg_attr(not(has_binary), ignore = "skipped: run by cargo xtask test, which builds the program")]
fn no_hooks_and_skip_tests_leave_out() {
    let golden = golden();
    let is_hook = |text: &str| text.contains("helm.sh/hook");
    let is_test = |text: &str| text.contains(r#""helm.sh/hook": test"#);
    let all = documents(&golden);
    assert!(all.iter().any(|(_, text)| is_hook(text)) && all.iter().any(|(_, text)| is_test(text)));
    let without: Vec<_> = all.iter().filter(|(_, text)| !is_hook(text)).cloned().collect();
    assert_eq!(documents(&template(&["--no-hooks"]).stdout), without);
    let without: Vec<_> = all.iter().filter(|(_, text)| !is_test(text)).cloned().collect();
    assert_eq!(documents(&template(&["--skip-tests"]).stdout), without);
}

#[test]
#[cfg_attr(not(has_binary), ignore = "skipped: run by cargo xtask test, which builds the program")]
fn capabilities_and_release_reach_the_templates() {
    let plain = template(&[]).stdout;
    assert_eq!(plain, golden());
    assert_eq!((field(&plain, "apps"), field(&plain, "release")), ("true false", "rel ns true false 1 Helm"));
    let told = template(&["--is-upgrade", "--api-versions", "other.io/v1,example.com/v1"]).stdout;
    assert_eq!((field(&told, "apps"), field(&told, "release")), ("true true", "rel ns false true 1 Helm"));
    let told = launchway(&features(), ["template", "rel", "chart", "-n", "ns", "--kube-version", "v1.31.4", "--helm-compat=4.2.3"]).stdout;
    assert_eq!(field(&told, "kube"), r#"v1.31.4 "v1.31.4" 31"#);
    let wrong = launchway(&features(), ["template", "rel", "chart", "--kube-version", "newest"]);
    assert_eq!((wrong.code, wrong.stdout.as_str()), (1, ""));
    assert!(wrong.stderr.contains("invalid kube version 'newest'"), "{}", wrong.stderr);
}

/// A chart that prints its values.
fn values_chart() -> tempfile::TempDir {
    let folder = temporary().expect("a folder");
    let write = |path: &str, text: &str| {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().expect("a folder")).and_then(|()| std::fs::write(path, text)).expect("a file");
    };
    write("chart/Chart.yaml", "apiVersion: v2\nname: shown\nversion: 1.0.0\n");
    write("chart/values.yaml", "a: chart\nb: chart\nkept: true\n");
    write("chart/templates/shown.yaml", "values: {{ .Values | toJson }}\n");
    write("one.yaml", "a: one\nb: one\n");
    write("two.yaml", "b: two\n");
    write("text.txt", "first, \"quoted\"\nsecond\n");
    folder
}

fn shown(more: &[&str]) -> Value {
    let folder = values_chart();
    let found = launchway(folder.path(), ["template", "chart"].iter().chain(more));
    assert_eq!(found.code, 0, "{more:?}: {}", found.stderr);
    let line = found.stdout.lines().find_map(|line| line.strip_prefix("values: ")).expect("the values");
    serde_json::from_str(line).expect("JSON")
}

#[test]
#[cfg_attr(not(has_binary), ignore = "skipped: run by cargo xtask test, which builds the program")]
fn values_are_merged_as_helm_merges_them() {
    use serde_json::json;
    assert_eq!(shown(&[]), json!({ "a": "chart", "b": "chart", "kept": true }));
    assert_eq!(shown(&["-f", "one.yaml", "--values", "two.yaml"]), json!({ "a": "one", "b": "two", "kept": true }));
    assert_eq!(shown(&["--set", "a=1,b.c={x,y},kept=null"]), json!({ "a": 1, "b": { "c": ["x", "y"] } }));
    assert_eq!(shown(&["--set-string", "a=1,b=true"]), json!({ "a": "1", "b": "true", "kept": true }));
    assert_eq!(
        shown(&["--set-json", r#"a={"x":[1,null]}"#, "--set-json", r#"{"b":2}"#]),
        json!({ "a": { "x": [1, null] }, "b": 2, "kept": true })
    );
    assert_eq!(shown(&["--set-literal", "a=1,b=2"]), json!({ "a": "1,b=2", "b": "chart", "kept": true }));
    assert_eq!(shown(&["--set-file", "a=text.txt"])["a"], "first, \"quoted\"\nsecond\n");
    // Whatever their order on the command line: files, --set-json, --set, --set-string, --set-file, --set-literal.
    assert_eq!(
        shown(&["--set-string", "a=2", "--set", "a=1,b=1", "-f", "one.yaml", "--set-json", "b=0"]),
        json!({ "a": "2", "b": 1, "kept": true })
    );
}

#[test]
#[cfg_attr(not(has_binary), ignore = "skipped: run by cargo xtask test, which builds the program")]
fn values_come_from_standard_input() {
    let folder = values_chart();
    let input = std::fs::File::open(folder.path().join("one.yaml")).expect("the values");
    let found = run(command(folder.path()).args(["template", "chart", "-f", "-"]).stdin(input));
    assert_eq!(found.code, 0, "{}", found.stderr);
    assert!(found.stdout.contains(r#"values: {"a":"one","b":"one","kept":true}"#), "{}", found.stdout);
}

#[test]
#[cfg_attr(not(has_binary), ignore = "skipped: run by cargo xtask test, which builds the program")]
fn output_dir_holds_what_would_be_printed() {
    let golden = golden();
    let folder = temporary().expect("a folder");
    for (more, below) in [(&[][..], "plain"), (&["--release-name"][..], "named/rel")] {
        let target = folder.path().join(below.split('/').next().expect("a name"));
        let mut args = vec!["--output-dir", target.to_str().expect("a path is UTF-8")];
        args.extend(more);
        let told = template(&args).stdout;
        let written = files(&target).expect("files");
        let mut names: Vec<String> = documents(&golden).iter().map(|(path, _)| (*path).to_owned()).collect();
        names.sort();
        names.dedup();
        let at = folder.path().join(below);
        assert_eq!(written, names.iter().map(|name| at.join(name)).collect::<Vec<_>>());
        for name in &names {
            let wanted: Vec<_> = documents(&golden).into_iter().filter(|(path, _)| path == name).collect();
            let found = std::fs::read_to_string(at.join(name)).expect("a file");
            assert_eq!(documents(&found), wanted, "{name}");
            assert!(told.contains(&format!("wrote {}\n", at.join(name).display())), "{told}");
        }
    }
}

#[test]
#[cfg_attr(not(has_binary), ignore = "skipped: run by cargo xtask test, which builds the program")]
fn the_schema_is_checked_unless_told_otherwise() {
    let chart = root().join("examples/home/charts/cilium");
    let chart = chart.to_str().expect("a path is UTF-8");
    let refused = launchway(root(), ["template", "cilium", chart, "--set", "operator.replicas=0"]);
    assert_eq!((refused.code, refused.stdout.as_str()), (1, ""));
    assert!(refused.stderr.contains("- at '/operator/replicas': minimum: got 0, want 1"), "{}", refused.stderr);
    let taken = launchway(root(), ["template", "cilium", chart, "--set", "operator.replicas=0", "--skip-schema-validation"]);
    assert_eq!(taken.code, 0, "{}", taken.stderr);
    assert!(taken.stdout.contains("replicas: 0"));
}

/// Renders the cases of one kind of chart of the reference corpus.
fn check_corpus(wanted: impl Fn(&str) -> bool, expected_cases: usize) {
    let folder = shared_data::folder("charts");
    let cases = std::fs::read_to_string(folder.join("cases.jsonl")).expect("the cases");
    let (mut count, mut failures) = (0, Vec::new());
    for case in cases
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON"))
        .filter(|case| wanted(case["chart"].as_str().expect("a chart")))
    {
        count += 1;
        if let Err(error) = check_case(&folder, &case) {
            failures.push(format!("{}: {error}", case["id"]));
        }
    }
    assert!(failures.is_empty(), "of {count} cases:\n{}", failures.join("\n"));
    assert!(count >= expected_cases, "the corpus shrank to {count} cases");
}

fn check_case(folder: &Path, case: &Value) -> Result<(), String> {
    let text = |key: &str| case[key].as_str().unwrap_or_default().to_owned();
    let chart = folder.join(text("chart"));
    let inline = temporary().expect("a folder");
    let mut args = vec!["template".to_owned(), text("name"), chart.display().to_string(), "--helm-compat=4.2.3".into()];
    args.extend(["--namespace".into(), text("namespace"), "--kube-version".into(), text("kubeVersion")]);
    let list = |key: &str| case[key].as_array().into_iter().flatten().filter_map(Value::as_str);
    for file in list("valuesFiles").chain(case["valuesFile"].as_str()) {
        args.extend(["-f".into(), folder.join(file).display().to_string()]);
    }
    if !case["values"].is_null() {
        let file = inline.path().join("inline.yaml");
        std::fs::write(&file, case["values"].to_string()).expect("values");
        args.extend(["-f".into(), file.display().to_string()]);
    }
    list("apiVersions").for_each(|version| args.extend(["--api-versions".into(), version.to_owned()]));
    args.extend(case["isUpgrade"].as_bool().unwrap_or(false).then(|| "--is-upgrade".into()));
    args.extend(case["skipSchemaValidation"].as_bool().unwrap_or(false).then(|| "--skip-schema-validation".into()));
    let found = launchway(inline.path(), &args);
    let golden = folder.join("golden").join(text("id"));
    if case["expect"] == "err" {
        let expected = read_packed(&golden.with_file_name(format!("{}.err", text("id")))).expect("a golden");
        return if same_error(&found, &expected) { Ok(()) } else { Err(format!("exit {}: {}", found.code, found.stderr)) };
    }
    let expected = read_packed(&golden.with_file_name(format!("{}.yaml", text("id")))).expect("a golden");
    if found.code != 0 {
        return Err(found.stderr);
    }
    let known = |text: &str| if case["nondeterministic"] == "random" { without_secrets(text) } else { text.to_owned() };
    let (found, expected) = (known(&found.stdout), known(&expected));
    if found == expected { Ok(()) } else { Err(format!("{:?}", found.lines().zip(expected.lines()).find(|(ours, helm)| ours != helm))) }
}

/// Returns a text without its certificates and keys, which nobody can render twice.
fn without_secrets(text: &str) -> String {
    let line = |line: &str| match line.rsplit_once(": ") {
        Some((key, value)) if value.len() > 400 && !value.trim().contains(' ') => format!("{key}: SECRET\n"),
        _ => format!("{line}\n"),
    };
    text.lines().map(line).collect()
}

#[test]
#[cfg_attr(not(all(has_binary, has_shared)), ignore = "skipped: needs ../shared, and cargo xtask test, which builds the program")]
fn renders_cilium_as_helm_does() {
    check_corpus(|chart| chart.starts_with("cilium-"), 46);
}

#[test]
#[cfg_attr(not(all(has_binary, has_shared)), ignore = "skipped: needs ../shared, and cargo xtask test, which builds the program")]
fn renders_coredns_and_flux_as_helm_does() {
    check_corpus(|chart| ["coredns-", "flux-operator-0", "flux-instance-"].iter().any(|name| chart.starts_with(name)), 16);
}
