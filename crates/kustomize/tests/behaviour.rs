//! What differs from `kustomize build` on purpose, and errors: absent resources, generated kustomizations, limits.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use kustomize::{MemoryFiles, build};

fn files(list: &[(&str, &str)]) -> MemoryFiles {
    MemoryFiles(list.iter().map(|(path, text)| (path.to_string(), text.as_bytes().to_vec())).collect())
}

fn map(name: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\n")
}

fn fails(list: &[(&str, &str)], expected: &str) {
    let error = build(&files(list), "").unwrap_err().to_string();
    assert!(error.contains(expected), "{error:?} is not {expected:?}");
}

#[test]
fn absent_resources_are_collected() {
    let text = "resources:\n  - a.yaml\n  - ./gone.yaml\n  - ../x/folder\ncomponents: [c]\n";
    let build = build(&files(&[("k/kustomization.yaml", text), ("k/a.yaml", &map("a"))]), "./k/").unwrap();
    let absent: Vec<String> = build.absent.iter().map(|absent| format!("{} {}:{}", absent.path, absent.listed_in, absent.line)).collect();
    let expected = ["k/gone.yaml k/kustomization.yaml:3", "x/folder k/kustomization.yaml:4", "k/c k/kustomization.yaml:5"];
    assert_eq!(absent, expected);
    assert_eq!((build.objects.len(), build.objects[0].file.as_str(), build.objects[0].line), (1, "k/a.yaml", 1));
}

#[test]
fn what_is_on_a_network_is_collected() {
    let text = "resources:\n  - a.yaml\n  - https://example.com/x.yaml\n  - github.com/a/b//deploy?ref=v1\ncomponents: [https://example.com/c]\n\
                configMapGenerator:\n  - name: made\n    files: [k=https://example.com/f.json]\n  - name: here\n    literals: [a=b=https://x]\n\
                patches:\n  - patch: '{apiVersion: v1, kind: ConfigMap, metadata: {name: elsewhere}, data: {a: b}}'\n\
                replacements:\n  - source: {kind: ConfigMap, name: elsewhere}\n    targets: [{select: {name: a}, fieldPaths: [data.x]}]\n";
    let build = build(&files(&[("kustomization.yaml", text), ("a.yaml", &map("a"))]), "").unwrap();
    let absent: Vec<String> = build.absent.iter().map(|absent| format!("{} {} {}", absent.path, absent.line, absent.is_remote)).collect();
    let expected = [
        "https://example.com/x.yaml 3 true",
        "github.com/a/b//deploy?ref=v1 4 true",
        "https://example.com/f.json 7 true",
        "https://example.com/c 5 true",
    ];
    assert_eq!(absent, expected);
    let names: Vec<&str> = build.objects.iter().map(|object| object.value["metadata"]["name"].as_str().unwrap()).collect();
    assert_eq!((names.len(), names[0], &names[1][..5]), (2, "a", "here-"));
}

#[test]
fn fields_are_found_whatever_their_case() {
    let text = "apiversion: kustomize.config.k8s.io/v1beta1\nKind: Kustomization\nRESOURCES: [a.yaml]\nnameprefix: x-\n";
    let build = build(&files(&[("kustomization.yaml", text), ("a.yaml", &map("a"))]), "").unwrap();
    assert_eq!(build.objects[0].value["metadata"]["name"], "x-a");
}

#[test]
fn folders_without_a_file_are_built_from_all_manifests() {
    let (a, b, c, d) = (map("a"), map("b"), map("c"), map("d"));
    let list = [
        ("p/a.yaml", a.as_str()),
        ("p/sub/b.yml", &b),
        ("p/unit/kustomization.yml", "resources: [c.yaml]\nnamePrefix: x-\n"),
        ("p/unit/c.yaml", &c),
        ("p/unit/ignored.yaml", &d),
        ("p/.sops.yaml", "creation_rules: []\n"),
        ("p/notes.txt", "no"),
    ];
    let built = build(&files(&list), "p").unwrap();
    let names: Vec<&str> = built.objects.iter().map(|object| object.value["metadata"]["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["a", "b", "x-c"]);
    fails(&[("values.yaml", "replicas: 1\n")], "values.yaml:1:1: this is no Kubernetes object");
    assert!(build(&files(&[]), "nowhere").unwrap_err().to_string().contains("no such folder"));
}

#[test]
fn errors_name_file_line_and_column() {
    let kustomization = "kustomization.yaml";
    fails(
        &[(kustomization, "resources: [a.yaml]\npatches:\n  - path: https://example.com/x.yaml\n"), ("a.yaml", &map("a"))],
        "kustomization.yaml:3:5: https://example.com/x.yaml is fetched from a network",
    );
    fails(&[(kustomization, "resources: [../x.yaml]\n")], "kustomization.yaml:1:13: ../x.yaml leaves the repository");
    fails(&[(kustomization, "resources: [/etc/passwd]\n")], "/etc/passwd leaves the repository");
    fails(
        &[
            (kustomization, "resources: [a]\n"),
            ("a/kustomization.yaml", "resources:\n- ../b\n"),
            ("b/kustomization.yaml", "resources: [../a]\n"),
        ],
        "b/kustomization.yaml:1:13: cycle: a",
    );
    fails(&[(kustomization, "resources: [.]\n")], "cycle: .");
    fails(&[(kustomization, "resources: [a]\n"), ("a/x.txt", "")], "there is none of kustomization.yaml");
    fails(&[(kustomization, "resource: [a]\n")], "kustomization.yaml:1:1: unknown field \"resource\"");
    fails(&[(kustomization, "helmCharts: [{name: x}]\n")], "helmCharts is not supported");
    fails(&[(kustomization, "patches:\n- ptch: x\n")], "kustomization.yaml:2:3: unknown field `ptch`");
    fails(&[(kustomization, "resources: [a.yaml\n")], "kustomization.yaml:");
    fails(&[(kustomization, "resources: [a.yaml, a.yaml]\n"), ("a.yaml", &map("a"))], "ConfigMap a is also in a.yaml:1");
    fails(
        &[(kustomization, "resources: [a.yaml]\npatches:\n- path: p.yaml\n"), ("a.yaml", &map("a"))],
        "kustomization.yaml:3:3: there is no file p.yaml",
    );
    let patch = "resources: [a.yaml]\npatches:\n- patch: '[{\"op\": \"remove\", \"path\": \"/data/x\"}]'\n  target: {kind: ConfigMap}\n";
    fails(&[(kustomization, patch), ("a.yaml", &map("a"))], "kustomization.yaml:3:3: ConfigMap a: remove /data/x: there is no such parent");
    fails(&[(kustomization, "namespace: x\n"), ("kustomization.yml", "")], "more than one of");
    fails(&[(kustomization, "resources: [c]\n"), ("c/kustomization.yaml", "kind: Component\n")], "list it under components");
    fails(&[(kustomization, "components: [c]\n"), ("c/kustomization.yaml", "resources: []\n")], "list it under resources");
    fails(
        &[(kustomization, "kind: Kustomisation\n")],
        "kustomization.yaml:1:7: the kind of a kustomization file is Kustomization or Component",
    );
    fails(&[(kustomization, "\napiVersion: v1\n")], "kustomization.yaml:2:13: the apiVersion here is kustomize.config.k8s.io/v1beta1");
}

#[test]
fn what_kustomize_cannot_read_or_print_is_an_error() {
    let tree = |object: &str| [("kustomization.yaml", "resources: [a.yaml]\n".to_string()), ("a.yaml", object.to_string())];
    let fails_on = |object: &str, expected: &str| {
        let tree = tree(object);
        fails(&tree.each_ref().map(|(path, text)| (*path, text.as_str())), expected);
    };
    fails_on(
        &format!("{}data:\n  a: b\n  8080: http\n", map("a")),
        "a.yaml:7:3: ConfigMap a: the key data.8080 is no text, which kustomize cannot print; put \"8080\" in quotes",
    );
    fails_on(&format!("{}--- {{}}\n", map("a")), "a.yaml:5:1: kustomize wants nothing but a comment behind ---");
    fails_on(&format!("%YAML 1.2\n---\n{}", map("a")), "a.yaml:1:1: kustomize does not understand directives");
    fails_on(&format!("{}data:\n  <<: {{a: b}}\n  <<: {{c: d}}\n", map("a")), "a.yaml:7:3: there are two merge keys (<<)");
    fails_on(
        &format!("{}data:\n  one: a\n  two: b\n  one: c\n", map("a")),
        "a.yaml:8:3: mapping key \"one\" is defined twice, the first time on line 6",
    );
    let patch = "resources: [a.yaml]\npatches:\n- patch: '[{op: remove, path: /data}]'\n  target: {kind: ConfigMap}\n";
    fails(
        &[("kustomization.yaml", patch), ("a.yaml", &map("a"))],
        "kustomization.yaml:3:3: a patch that starts with a bracket must be JSON",
    );
}

#[test]
fn what_the_api_server_refuses_anyway_is_an_error() {
    for object in ["kind: ConfigMap\nmetadata: {name: a}\n", "apiVersion: 1\nkind: X\nmetadata: {name: a}\n"] {
        fails(&[("kustomization.yaml", "resources: [a.yaml]\n"), ("a.yaml", object)], "has no apiVersion");
    }
    let object = "apiVersion: v1\nkind: 1\nmetadata: {name: a}\n";
    fails(&[("kustomization.yaml", "resources: [a.yaml]\n"), ("a.yaml", object)], "it has no kind");
}

#[test]
fn an_annotation_that_starts_with_a_tab_is_an_error() {
    // kustomize 5.8.1 refuses it only where it writes the annotations as a block.
    for metadata in ["{name: a, annotations: {k: \"\\ta\\nb\"}}", "\n  name: a\n  annotations: {k: \"\\ta\\nb\"}"] {
        let object = format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {metadata}\n");
        fails(&[("kustomization.yaml", "resources: [a.yaml]\n"), ("a.yaml", &object)], "ConfigMap a: the annotation k starts with a tab");
    }
}

#[test]
fn a_validator_that_labels_what_has_labels_is_an_error() {
    let validator = "- |-\n  apiVersion: builtin\n  kind: LabelTransformer\n  metadata: {name: v}\n  labels: {validated-by: me}\n  \
                     fieldSpecs: [{path: metadata/labels, create: true}]\n";
    let kustomization = format!("resources: [a.yaml]\ncommonLabels: {{a: b}}\nvalidators:\n{validator}");
    // kustomize 5.8.1 builds this, but not where the file has the label a.
    fails(&[("kustomization.yaml", &kustomization), ("a.yaml", &map("a"))], "LabelTransformer v: a validator must not change objects");
}

#[test]
fn a_broken_schema_is_an_error() {
    let tree = |schema: &'static str| [("kustomization.yaml", "resources: [a.yaml]\nopenapi:\n  path: s.json\n"), ("s.json", schema)];
    fails(&tree("{"), "kustomization.yaml:3:3: s.json: the schema is not JSON");
    fails(&tree("- definitions\n"), "a schema must be a mapping with definitions");
}

#[test]
fn plugins_that_are_programs_are_errors() {
    let kustomization = "resources: [a.yaml]\ntransformers:\n- |-\n  apiVersion: example.com/v1\n  kind: Thing\n  metadata: {name: t}\n";
    let a = map("a");
    let message = "kustomization.yaml:4:1: Thing t: plug-ins that are programs or containers are not run; build that part beforehand";
    fails(&[("kustomization.yaml", kustomization), ("a.yaml", &a)], message);
    let chart = "apiVersion: builtin\nkind: HelmChartInflationGenerator\nmetadata: {name: c}\n";
    let files = [("kustomization.yaml", "generators: [c.yaml]\n"), ("c.yaml", chart)];
    fails(&files, "c.yaml:1:1: HelmChartInflationGenerator c: charts are not inflated");
}

#[test]
fn vars_that_cannot_be_resolved_are_errors() {
    let object = map("a");
    let tree = |vars: &'static str| [("kustomization.yaml", vars), ("a.yaml", object.as_str())];
    let vars = "resources: [a.yaml]\nvars:\n- {name: V, objref: {apiVersion: v1, kind: ConfigMap, name: gone}}\n";
    fails(&tree(vars), "kustomization.yaml:3:3: the var V is of no object that is there");
    let vars =
        "resources: [a.yaml]\nvars:\n- {name: V, objref: {apiVersion: v1, kind: ConfigMap, name: a}, fieldref: {fieldPath: data.x}}\n";
    fails(&tree(vars), "the var V: ConfigMap a has no field data.x");
}

#[test]
fn the_label_names_kustomize() {
    let build =
        build(&files(&[("kustomization.yaml", "resources: [a.yaml]\nbuildMetadata: [managedByLabel]\n"), ("a.yaml", &map("a"))]), "");
    let label = &build.unwrap().objects[0].value["metadata"]["labels"]["app.kubernetes.io/managed-by"];
    assert_eq!(label, "kustomize-v5.8.1");
}

#[test]
fn replacements_inside_yaml_text_drop_comments() {
    let kustomization =
        "resources: [a.yaml]\nreplacements:\n- sourceValue: new\n  targets:\n  - select: {name: a}\n    fieldPaths: [data.t.k]\n";
    let object = format!("{}data:\n  t: |\n    # why\n    k: 'old'\n    list: [1]\n", map("a"));
    let build = build(&files(&[("kustomization.yaml", kustomization), ("a.yaml", &object)]), "").unwrap();
    assert_eq!(build.objects[0].value["data"]["t"], "k: new\nlist:\n- 1");
}

#[test]
fn a_generated_object_of_another_kind_has_another_hash() {
    let kustomization = "secretGenerator: [{name: made, literals: [a=b]}]\npatches:\n- target: {kind: Secret}\n  \
                         options: {allowKindChange: true}\n  patch: |-\n    {apiVersion: v1, kind: Widget, metadata: {name: any}}\n";
    let build = build(&files(&[("kustomization.yaml", kustomization)]), "").unwrap();
    let value = &build.objects[0].value;
    // kustomize 5.8.1 says made-md582g6469.
    assert_eq!((value["kind"].as_str(), value["metadata"]["name"].as_str()), (Some("Widget"), Some("made-ht8t2bdk6d")));
}

#[test]
fn references_that_double_at_every_level_end() {
    let mut list = vec![("l0/kustomization.yaml".to_string(), "resources: []\n".to_string())];
    for level in 1..40 {
        let below = level - 1;
        list.push((format!("l{level}/kustomization.yaml"), format!("resources: [../l{below}, ../l{below}]\n")));
    }
    let files = MemoryFiles(list.into_iter().map(|(path, text)| (path, text.into_bytes())).collect());
    assert!(build(&files, "l39").unwrap_err().to_string().contains("too often"));
}
