//! What a person reads when a run fails on a real cluster: every `live/*.case` is a command, what it meets, and what it prints. With `BLESS=1`
//! the expectation is written from what the program does; read the difference before it is committed.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use launchway_tests::cluster::records;
use launchway_tests::transcript::cases;
use launchway_tests::{Run, command, run};
use real_cluster::{Cluster, Options};
use regex::Regex;
use serde_json::{Value, json};

const STAGES: &str = include_str!("../../real/stages.yaml");

#[test]
#[cfg_attr(not(all(has_binary, has_real)), ignore = "skipped: needs Go, and cargo xtask test, which builds the program and the real ones")]
fn failures_on_a_real_cluster_are_told_as_recorded() {
    let cluster = Cluster::start(&Options { stages: STAGES.into(), ..Options::default() }).unwrap();
    let kubeconfig = with_reader(&cluster);
    let run_case = |(file, case): &(std::path::PathBuf, launchway_tests::transcript::Case)| {
        let folder = case.folder().unwrap();
        let found = run(command(folder.path()).args(&case.args).env("KUBECONFIG", &kubeconfig));
        case.difference(file, &without_chance(found), folder.path()).unwrap()
    };
    let failures: Vec<String> = cases("tests/live").unwrap().iter().filter_map(run_case).collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

const NAMESPACES: &str = "apiVersion: launchway.dev/v1alpha1
kind: Bootstrap
metadata: { name: home }
spec:
  repository: .
  steps:
    - { name: names, module: namespaces, with: { names: [made] } }
";

#[test]
#[cfg_attr(not(all(has_binary, has_real)), ignore = "skipped: needs Go, and cargo xtask test, which builds the program and the real ones")]
fn what_a_boot_needs_is_waited_for() {
    let cluster = Cluster::start(&Options { nodes: 0, ..Options::default() }).unwrap();
    let folder = launchway_tests::temporary().unwrap();
    std::fs::write(folder.path().join("launchway.yaml"), NAMESPACES).unwrap();
    let mut config: Value = serde_json::from_str(&std::fs::read_to_string(cluster.kubeconfig()).unwrap()).unwrap();
    let server = config["clusters"][0]["cluster"]["server"].as_str().unwrap().to_owned();
    // Nobody announces this address yet.
    config["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:9".into();
    let file = folder.path().join("kubeconfig");
    std::fs::write(&file, config.to_string()).unwrap();
    let boot = |more: &[&str]| {
        let mut command = command(folder.path());
        run(command.args(["boot", "--yes", "--output", "plain", "--kubeconfig"]).arg(&file).args(more))
    };
    let away = boot(&["--wait-for-api", "1"]);
    assert_eq!(away.code, 3, "{}", away.stderr);
    assert!(away.stderr.contains("the API server https://127.0.0.1:9 cannot be reached"), "{}", away.stderr);
    let booted = std::thread::scope(|scope| {
        let booting = scope.spawn(|| boot(&["--server", &server, "--wait-for-api", "60", "--wait-for-nodes", "1"]));
        std::thread::sleep(std::time::Duration::from_secs(3));
        let node = json!({ "apiVersion": "v1", "kind": "Node", "metadata": { "name": "first" } });
        cluster.api().create("/api/v1/nodes", &node).unwrap();
        booting.join().unwrap()
    });
    assert_eq!(booted.code, 0, "{}\n{}", booted.stdout, booted.stderr);
    for line in ["0 of 1 nodes have registered", "1 of 1 nodes have registered", "Namespace made created"] {
        assert!(booted.stdout.contains(line), "{line} is not in {}", booted.stdout);
    }
}

/// A repository with one release; what its manifest and its HelmRelease say of failures is filled in, and so is its image.
const FALLIBLE: [(&str, &str); 4] = [
    (
        "launchway.yaml",
        "apiVersion: launchway.dev/v1alpha1
kind: Bootstrap
metadata: { name: home }
spec:
  repository: .
  flux: { path: cluster }
  steps:
    - { name: app, module: helm-release, release: NAMESPACE/app, timeout: 15s, rollbackOnFailure: STEP }
",
    ),
    (
        "cluster/app.yaml",
        "apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: { name: app, namespace: NAMESPACE }
spec:
  interval: 1h
  chart: { spec: { chart: ./charts/app, sourceRef: { kind: GitRepository, name: home } } }
  upgrade: { remediation: RELEASE }
  values: { image: 'IMAGE' }
",
    ),
    ("charts/app/Chart.yaml", "apiVersion: v2\nname: app\nversion: 1.0.0\n"),
    (
        "charts/app/templates/app.yaml",
        "apiVersion: apps/v1
kind: Deployment
metadata: { name: app }
spec:
  selector: { matchLabels: { app: app } }
  template:
    metadata: { labels: { app: app } }
    spec: { containers: [{ name: web, image: {{ .Values.image | quote }} }] }
",
    ),
];

#[test]
#[cfg_attr(not(all(has_binary, has_real)), ignore = "skipped: needs Go, and cargo xtask test, which builds the program and the real ones")]
fn an_upgrade_that_fails_is_rolled_back_when_somebody_asks_for_it() {
    let cluster = Cluster::start(&Options { stages: STAGES.into(), ..Options::default() }).unwrap();
    let check = |namespace: &str, step: &str, release: &str, expected: &[&str]| {
        let folder = launchway_tests::temporary().unwrap();
        let boot = |image: &str| {
            for (file, text) in FALLIBLE {
                let text = text.replace("NAMESPACE", namespace).replace("STEP", step).replace("RELEASE", release).replace("IMAGE", image);
                std::fs::create_dir_all(folder.path().join(file).parent().unwrap()).unwrap();
                std::fs::write(folder.path().join(file), text).unwrap();
            }
            run(command(folder.path()).args(["boot", "--yes", "--output", "plain", "--kubeconfig"]).arg(cluster.kubeconfig()))
        };
        let first = boot("example.com/web:1");
        assert_eq!(first.code, 0, "{}\n{}", first.stdout, first.stderr);
        let of_app = format!("/apis/apps/v1/namespaces/{namespace}/deployments/app");
        let requests = cluster.requests("launchway/").unwrap();
        let looks = requests.iter().filter(|request| request.verb == "get" && request.uri.starts_with(&of_app)).count();
        assert_eq!(looks, 0, "a first install does not look at what it applies");
        let second = boot("example.com/cannot-be-pulled:1");
        assert_eq!(second.code, 3, "{}\n{}", second.stdout, second.stderr);
        let secrets = cluster.api().list(&format!("/api/v1/namespaces/{namespace}/secrets")).unwrap();
        let mut found = records(&secrets);
        found.sort_by_key(|record| record.version);
        assert_eq!(found.iter().map(|record| record.info.as_ref().unwrap().status.as_str()).collect::<Vec<_>>(), expected);
        let app = cluster.api().get(&format!("/apis/apps/v1/namespaces/{namespace}/deployments/app")).unwrap().unwrap();
        let is_back = app["spec"]["template"]["spec"]["containers"][0]["image"] == "example.com/web:1";
        assert_eq!(is_back, expected.len() == 3, "{namespace}");
        assert_eq!(second.stdout.contains("the upgrade failed and was rolled back to revision 1: waited"), is_back, "{}", second.stdout);
        assert!(second.stdout.contains("ErrImagePull"), "why it failed was looked up before: {}", second.stdout);
    };
    let undone = ["superseded", "failed", "deployed"];
    check("step-says-so", "true", "null", &undone);
    check("release-says-so", "null", "{ retries: 3 }", &undone);
    check("step-forbids", "false", "{ retries: 3 }", &["deployed", "failed"]);
}

/// Returns a kubeconfig with a second context, of somebody who may read only.
fn with_reader(cluster: &Cluster) -> std::path::PathBuf {
    let role = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": { "name": "reader" },
        "rules": [{ "apiGroups": ["*"], "resources": ["*"], "verbs": ["get", "list", "watch"] }],
    });
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": { "name": "reader" },
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "reader" },
        "subjects": [{ "apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "reader" }],
    });
    let group = "/apis/rbac.authorization.k8s.io/v1";
    cluster.api().create(&format!("{group}/clusterroles"), &role).unwrap();
    cluster.api().create(&format!("{group}/clusterrolebindings"), &binding).unwrap();
    let mut config: Value = serde_json::from_str(&std::fs::read_to_string(cluster.kubeconfig()).unwrap()).unwrap();
    let mut reader = config["users"][0].clone();
    reader["name"] = "reader".into();
    reader["user"]["as"] = "reader".into();
    config["users"].as_array_mut().unwrap().push(reader);
    let context = json!({ "name": "reader", "context": { "cluster": "tests", "user": "reader" } });
    config["contexts"].as_array_mut().unwrap().push(context);
    let file = cluster.folder().join("data/kubeconfig-reader");
    std::fs::write(&file, config.to_string()).unwrap();
    file
}

/// Takes away what a cluster chooses or does at a moment of its own: names of pods, and what is waited for in between.
fn without_chance(run: Run) -> Run {
    let of_deployment = Regex::new(r"-[0-9a-z]{7,10}-[0-9a-z]{5}\b").unwrap();
    let of_job = Regex::new(r"\bmigrate-[0-9a-z]{5}\b").unwrap();
    let lines = run.stdout.lines().filter(|line| !line.contains(": waiting for ")).map(|line| format!("{line}\n"));
    let text = lines.collect::<String>();
    let text = of_deployment.replace_all(&text, "-POD");
    Run { stdout: of_job.replace_all(&text, "migrate-POD").into_owned(), ..run }
}
