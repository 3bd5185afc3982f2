//! Small trees that use what Flux can do to a HelmRelease on its way: patches, substitution, generated values, names, sources.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use flux::{ChartRef, CrdPolicy, Error, Remediation, ValuesFiles};
use go_encoding::json::as_integers;
use kustomize::MemoryFiles;
use serde_json::{Map, Value, json};

fn load(name: &str) -> MemoryFiles {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/trees").join(name);
    let mut files = BTreeMap::new();
    let mut open: Vec<PathBuf> = vec![root.clone()];
    while let Some(at) = open.pop() {
        for entry in std::fs::read_dir(&at).unwrap().map(Result::unwrap) {
            if entry.file_type().unwrap().is_dir() {
                open.push(entry.path());
            } else {
                let path = entry.path().strip_prefix(&root).unwrap().to_string_lossy().into_owned();
                files.insert(path, std::fs::read(entry.path()).unwrap());
            }
        }
    }
    MemoryFiles(files)
}

/// Reads a tree of the HelmRelease apps/web, and of a helm-controller with feature gates.
fn with_gates(spec: &str, gates: &str) -> flux::Tree {
    let release = format!(
        "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {{ name: web, namespace: apps }}\nspec:\n  chart: {{ spec: {{ chart: ./web, sourceRef: {{ kind: GitRepository, name: x }} }} }}\n  {spec}\n"
    );
    let controller = format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{ name: helm-controller, namespace: flux-system }}\nspec: {{ template: {{ spec: {{ containers: [{{ name: manager, args: ['--feature-gates={gates}'] }}] }} }} }}\n"
    );
    let files = [("release.yaml".to_owned(), release.into_bytes()), ("flux.yaml".to_owned(), controller.into_bytes())];
    flux::read(&MemoryFiles(files.into()), Some(".")).unwrap()
}

#[test]
fn what_is_done_about_the_last_failure_is_what_flux_does() {
    let check = |spec: &str, gates: &str, expected: (Option<Remediation>, Option<Remediation>)| {
        let tree = with_gates(spec, gates);
        let web = tree.release("apps", "web").unwrap();
        assert_eq!((web.install.remediation, web.upgrade.remediation), expected, "{spec} {gates}");
    };
    let (rollback, uninstall) = (Some(Remediation::Rollback), Some(Remediation::Uninstall));
    check("interval: 1h", "", (None, None));
    check("upgrade: { remediation: { retries: 3 } }", "", (None, rollback));
    check("upgrade: { remediation: { retries: -1, strategy: rollback } }", "", (None, rollback));
    check("upgrade: { remediation: { retries: 3, remediateLastFailure: false } }", "", (None, None));
    check("upgrade: { remediation: { remediateLastFailure: true, strategy: uninstall } }", "", (None, uninstall));
    check("install: { remediation: { retries: -1 } }", "", (None, None));
    check("install: { remediation: { retries: 3, remediateLastFailure: true } }", "", (uninstall, None));
    check("upgrade: { strategy: { name: RetryOnFailure }, remediation: { retries: 3 } }", "", (None, None));
    check("upgrade: { remediation: { retries: 3 } }", "DefaultToRetryOnFailure=true", (None, None));
    let named = "upgrade: { strategy: { name: RemediateOnFailure }, remediation: { retries: 3 } }";
    check(named, "DefaultToRetryOnFailure=true", (None, rollback));
}

#[test]
fn objects_are_applied_where_flux_does() {
    let read = |spec: &str, gates: &str| {
        let tree = with_gates(spec, gates);
        tree.release("apps", "web").map(|web| (web.install.apply, web.upgrade.apply)).map_err(|error| error.to_string())
    };
    use flux::ApplyMethod::{AsBefore, Client, Server};
    assert_eq!(read("interval: 1h", ""), Ok((Server, AsBefore)));
    assert_eq!(read("interval: 1h", "UseHelm3Defaults=true"), Ok((Client, AsBefore)));
    assert_eq!(read("install: { serverSideApply: true }", "UseHelm3Defaults=true"), Ok((Server, AsBefore)));
    assert_eq!(read("install: { serverSideApply: false }", ""), Ok((Client, AsBefore)));
    assert_eq!(read("upgrade: { serverSideApply: disabled }", ""), Ok((Server, Client)));
    assert_eq!(read("upgrade: { serverSideApply: enabled }", "UseHelm3Defaults=true"), Ok((Client, Server)));
    assert_eq!(read("upgrade: { serverSideApply: auto }", ""), Ok((Server, AsBefore)));
    let said = read("upgrade: { serverSideApply: 'true' }", "").unwrap_err();
    assert!(said.ends_with("spec.upgrade.serverSideApply is enabled, disabled or auto"), "{said}");
    assert!(read("install: { serverSideApply: auto }", "").unwrap_err().ends_with("spec.install.serverSideApply is true or false"));
}

#[test]
fn waits_end_when_those_of_flux_do() {
    let read = |spec: &str| {
        let release = format!(
            "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {{ name: web, namespace: apps }}\nspec:\n  chart: {{ spec: {{ chart: ./web, sourceRef: {{ kind: GitRepository, name: x }} }} }}\n  {spec}\n"
        );
        let tree = flux::read(&MemoryFiles([("release.yaml".to_owned(), release.into_bytes())].into()), Some(".")).unwrap();
        let times = |web: flux::ReleaseSpec| [web.install.timeout, web.upgrade.timeout, web.rollback.timeout, web.uninstall.timeout];
        tree.release("apps", "web").map(|web| times(web).map(|time| time.as_secs()))
    };
    assert_eq!(read("interval: 1h").unwrap(), [300; 4]);
    assert_eq!(read("timeout: 15m").unwrap(), [900; 4]);
    let each =
        "timeout: 15m\n  install: { timeout: 1m }\n  upgrade: { timeout: 2m }\n  rollback: { timeout: 3m }\n  uninstall: { timeout: 1h4m }";
    assert_eq!(read(each).unwrap(), [60, 120, 180, 3840]);
    // Helm takes no time for its own default.
    assert_eq!(read("timeout: 0s\n  install: { timeout: 1m }").unwrap(), [60, 30, 30, 30]);
    let said = read("install: { timeout: soon }").unwrap_err().to_string();
    assert!(said.contains("release.yaml:1") && said.contains("spec.install.timeout \"soon\" is no duration"), "{said}");
}

#[test]
fn charts_of_a_source_with_revisions_take_its_revision() {
    let check = |chart: &str, expected: bool| {
        let release = format!(
            "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {{ name: web, namespace: apps }}\nspec:\n  {chart}\n---\napiVersion: source.toolkit.fluxcd.io/v1\nkind: HelmChart\nmetadata: {{ name: web, namespace: apps }}\nspec: {{ chart: ./web, reconcileStrategy: Revision, sourceRef: {{ kind: GitRepository, name: x }} }}\n---\napiVersion: source.toolkit.fluxcd.io/v1\nkind: HelmRepository\nmetadata: {{ name: x, namespace: apps }}\nspec: {{ url: https://example.com }}\n"
        );
        let tree = flux::read(&MemoryFiles([("release.yaml".to_owned(), release.into_bytes())].into()), Some(".")).unwrap();
        assert_eq!(tree.release("apps", "web").unwrap().takes_revision, expected, "{chart}");
    };
    let of = |kind: &str, strategy: &str| {
        format!("chart: {{ spec: {{ chart: ./web, reconcileStrategy: {strategy}, sourceRef: {{ kind: {kind}, name: x }} }} }}")
    };
    check(&of("GitRepository", "Revision"), true);
    check(&of("Bucket", "Revision"), true);
    check(&of("GitRepository", "ChartVersion"), false);
    check(&of("HelmRepository", "Revision"), false);
    check("chartRef: { kind: HelmChart, name: web }", true);
}

#[test]
fn everything_on_the_way_to_a_release_counts() {
    let files = load("features");
    let tree = flux::read(&files, None).unwrap();
    assert_eq!(tree.failures(), []);
    assert_eq!(tree.root(), "clusters/one");
    let names: Vec<String> = tree.releases().iter().map(|id| format!("{}/{}", id.namespace, id.name)).collect();
    assert_eq!(names, ["apps/pre-web", "apps/pre-worker", "default/local"]);

    let web = tree.release("apps", "pre-web").unwrap();
    let chart = ChartRef::Oci {
        url: "oci://registry.example.com/charts/web".into(),
        tag: Some("1.2.3".into()),
        semver: None,
        filter: None,
        digest: None,
        insecure: true,
    };
    assert_eq!(web.chart, chart);
    assert_eq!(web.chart.to_string(), "oci://registry.example.com/charts/web:1.2.3");
    assert_eq!(
        (web.release_name.as_str(), web.release_namespace.as_str(), web.storage_namespace.as_str()),
        ("front-pre-web", "front", "apps")
    );
    let values = json!({
        "domain": "one.example.com", "replicas": 3, "port": 8080, "fromFile": {"kept": 1, "overridden": 2}, "escaped": "${KEEP}",
        "token": "s3cret", "labels": {"team": "x"}, "nested": {"flag": true, "inline": "yes"},
    });
    assert_eq!(as_integers(&Value::Object(web.values)), values);
    assert_eq!(web.unknown, ["Secret apps/not-here, which valuesFrom names, is not in the tree"]);
    assert_eq!((web.install.skip_schema_validation, web.upgrade.skip_schema_validation), (true, false));
    assert_eq!((web.install.cleanup_on_fail, web.upgrade.cleanup_on_fail), (false, true));
    assert_eq!((web.install.crds, web.upgrade.crds), (CrdPolicy::Skip, CrdPolicy::CreateReplace));
    assert_eq!((web.install.timeout, web.max_history, web.suspended, web.create_namespace), (Duration::from_secs(150), 3, true, true));
    assert_eq!(web.helm_release["metadata"]["labels"], json!({"team": "platform"}));
    assert_eq!((web.file.as_str(), web.folder.as_str(), web.line), ("apps/web/release.yaml", "apps/web", 1));
    assert_eq!(web.kustomization, Some(("flux-system".into(), "apps".into())));

    let worker = tree.release("apps", "pre-worker").unwrap();
    assert_eq!(
        worker.chart,
        ChartRef::Repository { url: "https://charts.example.com".into(), name: "worker".into(), version: "2.x".into() }
    );
    assert_eq!((worker.install.crds, worker.max_history, worker.values), (CrdPolicy::Create, 5, Map::new()));

    let local = tree.release("default", "local").unwrap();
    assert_eq!(local.chart, ChartRef::Path { path: "charts/local".into() });

    let namespace = tree.namespace("apps").unwrap();
    let labels =
        json!({"team": "platform", "kustomize.toolkit.fluxcd.io/name": "apps", "kustomize.toolkit.fluxcd.io/namespace": "flux-system"});
    assert_eq!(namespace["metadata"]["labels"], labels);
    assert_eq!(tree.elsewhere()[0].title, "Kustomization flux-system/other from GitRepository flux-system/other");
    assert_eq!(tree.absent()[0].path, "apps/gone");
    assert_eq!(tree.feature_gates("helm-controller"), [("OOMWatch".to_string(), true)].into());
    assert_eq!(tree.feature_gates("source-controller"), BTreeMap::new());
}

fn files(list: &[(&str, &str)]) -> MemoryFiles {
    MemoryFiles(list.iter().map(|(path, text)| (path.to_string(), text.as_bytes().to_vec())).collect())
}

const RELEASE: &str = "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {name: web, namespace: a}\nspec: {chartRef: {kind: OCIRepository, name: web}}\n";

fn kustomization(name: &str, path: &str, more: &str) -> String {
    format!(
        "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {{name: {name}, namespace: f}}\nspec:\n  path: {path}\n  sourceRef: {{kind: GitRepository, name: flux-system}}\n{more}"
    )
}

#[test]
fn errors_name_places() {
    let check = |list: &[(&str, &str)], root: Option<&str>, expected: &str| {
        let error = flux::read(&files(list), root).and_then(|tree| tree.release("a", "web")).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    };
    check(&[("x.yaml", "a: 1\n")], None, "name the folder");
    check(&[], Some("c"), "c: there is no such folder");
    check(&[("c/r.yaml", RELEASE)], Some("../c"), "no such folder");
    check(&[("c/r.yaml", RELEASE)], Some("./c/"), "c/r.yaml:1: the tree has no OCIRepository a/web");
    check(&[("c/r.yaml", &RELEASE.replace("name: web,", "name: web2,"))], Some("c"), "near: a/web2 (c/r.yaml:1)");
    let (one, two) = (kustomization("one", "one", ""), kustomization("two", "two", ""));
    let both = [("c/one.yaml", one.as_str()), ("c/two.yaml", &two), ("one/r.yaml", RELEASE), ("two/r.yaml", RELEASE)];
    check(&both, Some("c"), "more than once: by Kustomization f/one (one/r.yaml:1), by Kustomization f/two (two/r.yaml:1)");
    let strict = kustomization("one", "one", "  postBuild: {substitute: {A: b}}\n");
    let release = format!("# note\n{RELEASE}# ${{C}}\n").replace("name: web}}", "name: \"${B}\"}}");
    check(&[("c/one.yaml", &strict), ("one/r.yaml", &release)], Some("c"), "one/r.yaml:2: HelmRelease web: the variable B is not set");
    let instance = |path: &str| {
        format!("apiVersion: fluxcd.controlplane.io/v1\nkind: FluxInstance\nmetadata: {{name: flux}}\nspec: {{sync: {{path: {path}}}}}\n")
    };
    let (left, right) = (instance("x"), instance("y"));
    check(&[("l.yaml", &left), ("r.yaml", &right)], None, "x by FluxInstance flux (l.yaml:1), y by FluxInstance flux (r.yaml:1)");
}

#[test]
fn the_root_is_found_wherever_it_is_named() {
    let check = |list: &[(&str, &str)], expected: &[&str]| assert_eq!(flux::find_roots(&files(list)).unwrap(), expected);
    let source =
        "---\napiVersion: source.toolkit.fluxcd.io/v1\nkind: GitRepository\nmetadata: {name: flux-system, namespace: flux-system}\n";
    let own = format!("{}{source}", kustomization("cluster", "k/flux", ""));
    let apps = kustomization("apps", "k/apps", "");
    let list = [("k/flux/config/cluster.yaml", own.as_str()), ("k/flux/apps.yaml", &apps), ("k/apps/x/own.yaml", &apps)];
    check(&list, &["k/flux"]);
    // Flux itself, from an artifact of its own.
    let published = format!(
        "{}{}",
        kustomization("flux", "./", "").replace("GitRepository", "OCIRepository"),
        source.replace("GitRepository", "OCIRepository")
    );
    check(&[list[0], ("k/flux/config/flux.yaml", &published)], &["k/flux"]);
    check(&[("k/flux/config/flux.yaml", &published)], &[""]);
    let values = "instance:\n  sync: {kind: GitRepository, path: k/flux/cluster}\n";
    check(&[list[0], ("k/apps/flux/values.yaml", values)], &["k/flux/cluster"]);
    // Of what gotk-sync.yaml holds, the one that synchronises it counts.
    let (itself, other) = (kustomization("flux-system", "k/flux", ""), kustomization("more", "k/more", ""));
    let both = format!("{itself}---\n{other}");
    check(&[("k/flux/gotk-sync.yaml", &both)], &["k/flux"]);
    check(&[("elsewhere/gotk-sync.yaml", &both)], &["k/flux", "k/more"]);
    check(&list[1..], &[]);
}

#[test]
fn what_sourceignore_leaves_out_is_not_there() {
    let object = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n";
    let list = [("a.yaml", object), (".forge/workflow.yml", "on: push\n"), ("deep/x.yml", "no: object\n")];
    let read = |ignore: &str| flux::read(&files(&[&list[..], &[(".sourceignore", ignore)]].concat()), Some("."));
    assert_eq!(read(".forge\n/deep/*.yml\n").unwrap().objects().count(), 1);
    let source = "---\napiVersion: source.toolkit.fluxcd.io/v1\nkind: GitRepository\nmetadata: {name: flux-system, namespace: f}\nspec: {ignore: \"/*\\n!/k\"}\n";
    let sync = format!("{}{source}", kustomization("sync", "k", ""));
    let inner = kustomization("all", "./", "");
    let tree = flux::read(&files(&[&list[..], &[("k/sync.yaml", &sync), ("k/all.yaml", &inner)]].concat()), Some("k")).unwrap();
    assert_eq!(tree.failures().iter().map(Error::to_string).collect::<Vec<_>>(), Vec::<String>::new());
    assert!(read("deep/\n").unwrap_err().to_string().starts_with(".forge/workflow.yml:1:1: this is no Kubernetes object"));
}

#[test]
fn a_kustomization_of_the_root_itself_acts_on_it() {
    let sync = "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: flux-system, namespace: flux-system}\nspec:\n  path: ./c\n  sourceRef: {kind: GitRepository, name: flux-system}\n  patches:\n    - patch: '[{\"op\": \"add\", \"path\": \"/spec/values\", \"value\": {\"a\": 1}}]'\n      target: {kind: HelmRelease}\n---\napiVersion: source.toolkit.fluxcd.io/v1\nkind: GitRepository\nmetadata: {name: flux-system, namespace: flux-system}\nspec: {url: u}\n";
    let source = "apiVersion: source.toolkit.fluxcd.io/v1\nkind: OCIRepository\nmetadata: {name: web, namespace: a}\nspec: {url: oci://x/web, ref: {semver: '>=1'}}\n";
    let tree = flux::read(&files(&[("c/flux-system/gotk-sync.yaml", sync), ("c/r.yaml", RELEASE), ("c/s.yaml", source)]), None).unwrap();
    let spec = tree.release("a", "web").unwrap();
    assert_eq!((Value::Object(spec.values), spec.chart.to_string()), (json!({"a": 1.0}), "oci://x/web >=1".to_string()));
    assert!(matches!(tree.release("a", "x"), Err(Error::NoRelease { .. })));
}

#[test]
fn every_value_says_where_it_comes_from() {
    let files = load("features");
    let tree = flux::read(&files, None).unwrap();
    let all = flux::explain(&files, &tree, "apps", "pre-web").unwrap();
    let place = |path: &str| {
        let one = all.iter().find(|one| one.path == path).unwrap_or_else(|| panic!("{path} is not in {all:?}"));
        let origin = one.origin.as_ref().map(|origin| format!("{}:{}", origin.file, origin.line));
        (one.value.to_string(), origin.unwrap_or_default(), one.via.clone().unwrap_or_default())
    };
    for one in &all {
        let Some(origin) = &one.origin else { continue };
        let text = kustomize::Files::read(&files, &origin.file).unwrap().unwrap();
        assert!(std::str::from_utf8(&text).unwrap().lines().count() >= origin.line, "{one:?}");
    }
    let (value, file, via) = place("values.fromFile.kept");
    assert_eq!((value.as_str(), file.starts_with("apps/web/values.yaml:"), via.contains("ConfigMap")), ("1", true, true), "{file} {via}");
    assert!(place("chart.url").1.starts_with("apps/web/source.yaml:"));
}

#[test]
fn what_has_no_namespace_gets_none() {
    let crd = "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: pools.x.io}\nspec: {group: x.io, scope: Cluster, names: {kind: Pool}}\n---\napiVersion: x.io/v1\nkind: Pool\nmetadata: {name: p}\n---\napiVersion: x.io/v1\nkind: Other\nmetadata: {name: o}\n";
    let files = MemoryFiles(
        [("c/kustomization.yaml", "resources: [crd.yaml]\nnamespace: apps\n"), ("c/crd.yaml", crd)]
            .map(|(path, text)| (path.to_string(), text.as_bytes().to_vec()))
            .into(),
    );
    let tree = flux::read(&files, Some("c")).unwrap();
    let namespaces: Vec<Option<&str>> = tree.objects().map(|object| object.value["metadata"]["namespace"].as_str()).collect();
    assert_eq!(namespaces, [None, None, Some("apps")]);
}

#[test]
fn what_an_unset_variable_means_is_written_in_the_tree() {
    let release = "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {name: web, namespace: a}\nspec:\n  chartRef: {kind: OCIRepository, name: web}\n  values: {a: \"x${SET}${UNSET}\", b: \"${#UNSET}${UNSET^^}\"}\n";
    let sync = "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: flux-system, namespace: flux-system}\nspec:\n  path: ./c\n  postBuild: {substitute: {SET: \"1\"}}\n  sourceRef: {kind: GitRepository, name: flux-system}\n";
    let source = "apiVersion: source.toolkit.fluxcd.io/v1\nkind: OCIRepository\nmetadata: {name: web, namespace: a}\nspec: {url: oci://x/web, ref: {tag: 1.0.0}}\n";
    let instance = |version: &str, arguments: &str| {
        format!(
            "apiVersion: fluxcd.controlplane.io/v1\nkind: FluxInstance\nmetadata: {{name: flux, namespace: flux-system}}\nspec:\n  distribution: {{version: \"{version}\"}}\n  sync: {{kind: GitRepository, url: u, path: c}}\n  kustomize:\n    patches:\n      - target: {{kind: Deployment, name: kustomize-controller}}\n        patch: '[{{\"op\": \"add\", \"path\": \"/spec/template/spec/containers/0/args/-\", \"value\": \"{arguments}\"}}]'\n"
        )
    };
    let deployment = |image: &str, arguments: &str| {
        format!(
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: kustomize-controller, namespace: flux-system}}\nspec: {{template: {{spec: {{containers: [{{name: manager, image: \"ghcr.io/x/kustomize-controller:{image}\", args: [\"{arguments}\"]}}]}}}}}}\n"
        )
    };
    let check = |what: &str, text: &str, is_strict: bool| {
        let tree =
            flux::read(&files(&[("c/r.yaml", release), ("c/s.yaml", source), ("c/k.yaml", sync), ("c/f.yaml", text)]), Some("c")).unwrap();
        match is_strict {
            true => assert!(matches!(tree.failures(), [Error::Variable { .. }]), "{what}: {:?}", tree.failures()),
            false => {
                assert_eq!(tree.release("a", "web").map(|spec| Value::Object(spec.values)), Ok(json!({"a": "x1", "b": 0.0})), "{what}")
            }
        }
    };
    check("the newest", &instance("2.x", "--x"), true);
    check("2.9", &instance("2.9.1", "--x"), true);
    check("2.8", &instance("2.8.x", "--x"), false);
    check("a gate", &instance("2.x", "--feature-gates=StrictPostBuildSubstitutions=false"), false);
    check("a gate before 2.9", &instance("2.8.x", "--feature-gates=StrictPostBuildSubstitutions=true"), true);
    check("flux bootstrap", &deployment("v1.9.6", "--x"), true);
    check("an older flux bootstrap", &deployment("v1.7.3", "--x"), false);
    check("flux bootstrap with a gate", &deployment("v1.9.6", "--feature-gates=StrictPostBuildSubstitutions=false"), false);
}

#[test]
fn what_a_release_says_of_its_chart_is_carried() {
    let source = "apiVersion: source.toolkit.fluxcd.io/v1\nkind: OCIRepository\nmetadata: {name: web, namespace: a}\nspec: {url: oci://x/web, ref: {semver: '>=1.0.0-0', semverFilter: '.*-rc.*'}}\n";
    let chart = "apiVersion: source.toolkit.fluxcd.io/v1\nkind: HelmChart\nmetadata: {name: made, namespace: a}\nspec: {chart: made, valuesFiles: [values.yaml, more.yaml], sourceRef: {kind: HelmRepository, name: r}}\n---\napiVersion: source.toolkit.fluxcd.io/v1\nkind: HelmRepository\nmetadata: {name: r, namespace: a}\nspec: {url: https://x.io}\n";
    let made = RELEASE
        .replace("{name: web, namespace: a}", "{name: made, namespace: a}")
        .replace("{kind: OCIRepository, name: web}", "{kind: HelmChart, name: made}");
    let tree =
        flux::read(&files(&[("c/r.yaml", RELEASE), ("c/s.yaml", source), ("c/m.yaml", &made), ("c/h.yaml", chart)]), Some("c")).unwrap();
    let web = tree.release("a", "web").unwrap();
    assert!(matches!(web.chart, ChartRef::Oci { filter: Some(filter), .. } if filter == ".*-rc.*"));
    assert_eq!(web.values_files, ValuesFiles::default());
    let made = tree.release("a", "made").unwrap();
    assert_eq!(made.values_files, ValuesFiles { paths: vec!["values.yaml".into(), "more.yaml".into()], ignore_missing: false });
}

#[test]
fn labels_with_one_that_is_no_text_are_lost() {
    let object = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: x, labels: {kept: \"no\", number: 1}}\n";
    let tree = flux::read(&files(&[("c/a.yaml", object)]), Some("c")).unwrap();
    let labels: Vec<Value> = tree.applied().map(|object| object["metadata"]["labels"].clone()).collect();
    let own = json!({"kustomize.toolkit.fluxcd.io/name": "flux-system", "kustomize.toolkit.fluxcd.io/namespace": "flux-system"});
    assert_eq!(labels, [own]);
}

#[test]
fn a_default_does_not_stand_for_what_is_encrypted() {
    let secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: vars, namespace: f}\nstringData: {ZONE: 'ENC[AES256_GCM,data:eA==,type:str]'}\nsops: {mac: x}\n";
    let from = "  postBuild: {substitute: {SET: s}, substituteFrom: [{kind: Secret, name: vars, optional: true}]}\n";
    let object = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: x}\ndata: {a: '${ZONE:=UTC}', b: '${SET:=${ZONE}}', c: '$${ZONE}'}\n";
    let known = object.replace("a: '${ZONE:=UTC}', ", "").replace("{name: a,", "{name: b,");
    let sync = kustomization("sync", "a", from);
    let tree =
        flux::read(&files(&[("c/v.yaml", secret), ("c/k.yaml", &sync), ("a/a.yaml", object), ("a/b.yaml", &known)]), Some("c")).unwrap();
    let data = |name: &str| tree.object("v1", "ConfigMap", None, name).unwrap().0["data"].clone();
    assert_eq!(data("a"), json!({"a": "${ZONE:=UTC}", "b": "s", "c": "${ZONE}"}));
    let known: Vec<&str> = tree.known_objects().filter_map(|object| object.value["metadata"]["name"].as_str()).collect();
    assert_eq!(known, ["sync", "b"]);
}

#[test]
fn one_object_is_as_flux_applies_it() {
    let object = "apiVersion: x.example.com/v1\nkind: Pool\nmetadata: {name: pool}\nspec: {a: '${A}'}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: one, namespace: n}\n";
    let known = kustomization("one", "one", "  postBuild: {substitute: {A: b}}\n");
    let tree = flux::read(&files(&[("c/one.yaml", &known), ("one/all.yaml", object)]), Some("c")).unwrap();
    // Of a kind that is not known, a namespace may be said and be wrong.
    let pool = tree.applied_object("x.example.com", "Pool", Some("n"), "pool").unwrap().unwrap();
    assert_eq!((&pool["spec"]["a"], &pool["metadata"]["labels"]["kustomize.toolkit.fluxcd.io/name"]), (&json!("b"), &json!("one")));
    assert!(tree.applied_object("", "ConfigMap", Some("n"), "one").is_some());
    assert!(tree.applied_object("", "ConfigMap", Some("other"), "one").is_none());
    let unknown = kustomization("one", "one", "  postBuild: {substituteFrom: [{kind: Secret, name: gone}]}\n");
    let tree = flux::read(&files(&[("c/one.yaml", &unknown), ("one/all.yaml", object)]), Some("c")).unwrap();
    assert!(tree.applied_object("x.example.com", "Pool", None, "pool").unwrap().is_err());
}

#[test]
fn given_objects_tell_what_the_tree_does_not() {
    let release = "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: { name: web, namespace: apps }\nspec:\n  chart: { spec: { chart: ./web, sourceRef: { kind: GitRepository, name: x } } }\n  valuesFrom: [{ kind: Secret, name: made }, { kind: Secret, name: closed }, { kind: ConfigMap, name: plain }]\n  values: { host: 'web.${DOMAIN}' }\n";
    let own = "apiVersion: external-secrets.io/v1\nkind: ExternalSecret\nmetadata: { name: made, namespace: apps }\nspec: { target: { name: made } }\n---\napiVersion: v1\nkind: Secret\nmetadata: { name: closed, namespace: apps }\ndata: { values.yaml: 'ENC[AES256_GCM,data:x]' }\nsops: { mac: x }\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: { name: plain, namespace: apps }\ndata: { values.yaml: 'plain: own' }\n";
    let web = kustomization("web", "web", "  postBuild: {substituteFrom: [{kind: Secret, name: gone}]}\n");
    let files = files(&[("c/web.yaml", &web), ("web/release.yaml", release), ("web/own.yaml", own)]);
    let object = |kind: &str, namespace: &str, name: &str, key: &str, text: &str| kustomize::Object {
        value: json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": namespace},
            (if kind == "Secret" { "stringData" } else { "data" }): {key: text}}),
        file: "given.yaml".into(),
        line: 1,
        changes: Vec::new(),
    };
    let given = [
        object("Secret", "f", "gone", "DOMAIN", "example.org"),
        object("Secret", "apps", "made", "values.yaml", "made: told"),
        object("Secret", "apps", "closed", "values.yaml", "closed: told"),
        object("ConfigMap", "apps", "plain", "values.yaml", "plain: given"),
    ];
    let unknown = |given: &[kustomize::Object]| {
        let tree = flux::read_with(&files, Some("c"), flux::Reading { keys: None, given }).unwrap();
        (tree.release("apps", "web").unwrap().unknown.len(), tree)
    };
    for count in 0..3 {
        assert_eq!(unknown(&given[..count]).0, 3 - count, "{count} given");
    }
    let (count, tree) = unknown(&given);
    assert_eq!(count, 0);
    let told = json!({"host": "web.example.org", "made": "told", "closed": "told", "plain": "own"});
    assert_eq!(Value::Object(tree.release("apps", "web").unwrap().values), told);
    // What comes from a Secret is secret, wherever that is from.
    let masked = flux::masked_values(&tree, "apps", "web").unwrap();
    let open: Vec<&str> = masked.iter().filter(|(_, value)| *value != flux::MASK).map(|(key, _)| key.as_str()).collect();
    assert_eq!(open, ["plain"], "{masked:?}");
    let vain: Vec<_> = tree.given_in_vain().collect();
    assert_eq!(vain, [("ConfigMap apps/plain (given.yaml:1)".to_owned(), "ConfigMap apps/plain (web/own.yaml:12)".to_owned())]);
}
