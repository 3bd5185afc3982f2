//! Charts that are odd as charts: metadata, files, names, `.helmignore`, CRDs.

use super::{Case, Question, yaml};
use crate::random::Random;

const FIELDS: &[(&str, &[&str])] = &[
    ("apiVersion", &["v2", "v1", "\"\"", "v2", "null"]),
    ("name", &["c", "a b", "\"\"", "../c", "c/d", "5", "c", "é", ".", "a.b", "\"a\\tb\"", "null"]),
    ("version", &["1.0.0", "1.0", "v1", "x", "\"\"", "1.2.3-é", "1.2.3+a_b", "1.10", "01.2.3", "null"]),
    ("appVersion", &["1.20", "\"1.20\"", "true", "0x10", "1e3", "2020-01-01", "null", "[1]", "1_000", "123456789.123"]),
    ("description", &["012", "\"a\\nb\\u00a0c\\u200bd\"", "x: y", "1.5", "null"]),
    ("type", &["application", "library", "Library", "x", "\"\""]),
    ("kubeVersion", &["\">=1.20\"", "\">=1.20-0\"", "\"<1.0\"", "\"x\"", "1.33", "\"^1.33\"", "\">=1.33.2\""]),
    ("keywords", &["[a, b]", "[1, true]", "a", "null", "[]", "[null]"]),
    ("home", &["http://x", "5"]),
    ("icon", &["http://x"]),
    ("sources", &["[http://x, 1]", "[]"]),
    ("maintainers", &["[{name: a, email: b}]", "[null]", "[{name: 1}]", "[{}]", "x", "[{Name: q, URL: u}]"]),
    ("annotations", &["{a: 1.10, b: yes}", "{a: null}", "{a: [1]}", "[]", "null", "{}"]),
    ("deprecated", &["true", "yes", "\"x\"", "1", "null"]),
    ("condition", &["a.b"]),
    ("tags", &["x"]),
    ("engine", &["gotpl"]),
    ("unknown", &["1"]),
    ("NAME", &["q"]),
    (
        "dependencies",
        &[
            "[]",
            "null",
            "[{name: s}]",
            "[{name: s, alias: \"a b\"}]",
            "[null]",
            "[{name: s, version: 1.0.0}]",
            "x",
            "[{name: s, enabled: true}, {name: s}]",
            "[{version: 1}]",
        ],
    ),
];
const NAMES: &[&str] = &[
    "README.md",
    "LICENSE",
    "crds/a.yaml",
    "crds/b.json",
    "crds/d/c.YML",
    "crds/x.txt",
    "templates/.hidden.yaml",
    "templates/sub/.h.yaml",
    "templates/a.tpl",
    "ci/values.yaml",
    "requirements.yaml",
    "Chart.lock",
    "requirements.lock",
    "charts/README.md",
    "charts/_x/Chart.yaml",
    "charts/.y/z",
    "charts/s/Chart.yaml",
    "charts/s.tgz",
    "values.schema.json",
    "a b.txt",
    "é.txt",
    "templates/é.yaml",
    "templates/a b.yaml",
    "x.prov",
    "charts/x.prov",
    "templates/sub/deep/x.yaml",
    "b/../c.txt",
    "./d.txt",
    "values.yml",
    "Values.yaml",
    "templates",
    "charts/s/templates/s.yaml",
    "d/e/f.txt",
    "a[1].txt",
    "templates/x/",
];
const RULES: &[&str] = &[
    "*.txt",
    "# c",
    "",
    "!a.txt",
    "templates/",
    "/README.md",
    "a/b",
    "**/x",
    "[a-z]*.md",
    "[",
    "templates/sub/.h*",
    "d/",
    "/d/e",
    "*",
    "!*.yaml",
    "?.txt",
    "\\*.txt",
    "crds/",
    "  LICENSE  ",
    "d/e/*",
    "!README.md",
    "/*.md",
    "*/",
    ".",
];

fn metadata(random: &mut Random) -> Vec<u8> {
    if random.one_in(10) {
        return yaml::document(random);
    }
    let mut text = String::new();
    for (at, (name, choices)) in FIELDS.iter().enumerate() {
        if at < 3 {
            text += &format!("{name}: {}\n", if random.one_in(6) { random.pick(choices) } else { choices[0] });
        } else if random.one_in(5) {
            text += &format!("{name}: {}\n", random.pick(choices));
        }
    }
    text.into_bytes()
}

fn content(random: &mut Random, name: &str) -> Vec<u8> {
    match name {
        "charts/s/Chart.yaml" => b"{apiVersion: v2, name: s, version: 1.0.0}".to_vec(),
        "requirements.yaml" => {
            random.pick(&["dependencies: [{name: s, version: 1.0.0}]", "x", "", "dependencies: [{name: s, alias: t}]"]).into()
        }
        "values.schema.json" => random.pick(&["{}", "{", "{\"type\":\"object\"}"]).into(),
        _ => random.pick(&["text", "", "a: {{ .Chart.Name }}\n", "\u{feff}bom: 1\n", "x: \r\n", "kind: X\n"]).into(),
    }
}

/// Makes a chart with something odd about it.
pub fn case(random: &mut Random) -> Case {
    let show = "c: {{ omit .Chart \"x\" | toJson }}\nf: {{ range $n, $_ := .Files }}{{ $n }} {{ end }}\ng: {{ range $n, $_ := .Files.Glob \"**\" }}{{ $n | quote }}{{ end }}\nt: {{ .Template.Name }} {{ .Template.BasePath }}\n";
    let mut case = Case::render("charts", "n").with("templates/show.yaml", show);
    case.files[0].1 = metadata(random);
    case.question = if random.one_in(2) { Question::Folder } else { Question::Template };
    case.include_crds = random.one_in(2);
    for _ in 0..random.below(5) {
        let name = random.pick(NAMES);
        let clashes = |other: &str| other == name || other.starts_with(&format!("{name}/")) || name.starts_with(&format!("{other}/"));
        // What cannot be in a folder can still be in an archive.
        let impossible = case.question == Question::Folder && (name.contains("..") || name.starts_with("./") || name.ends_with('/'));
        if !impossible && !case.files.iter().any(|(other, _)| clashes(other)) {
            let content = content(random, name);
            case = case.with(name, content);
        }
    }
    if random.one_in(2) {
        let rules = random.several(4, |random| format!("{}\n", random.pick(RULES)));
        case = case.with(".helmignore", rules);
    }
    case
}
