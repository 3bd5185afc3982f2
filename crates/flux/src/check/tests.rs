use kustomize::MemoryFiles;

use super::*;

/// Returns the findings of a tree as lines; `files` are path and content.
fn findings(files: &[(&str, &str)]) -> Vec<String> {
    let files = MemoryFiles(files.iter().map(|(path, text)| (path.to_string(), text.as_bytes().to_vec())).collect());
    let checked = check(&files, Some("cluster")).expect("a root");
    let line = |found: &Finding| format!("{}:{}:{} {} {}", found.file, found.line, found.column, found.severity, found.rule.id());
    checked.findings.iter().map(line).collect()
}

fn ks(name: &str, more: &str) -> String {
    format!(
        "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {{ name: {name}, namespace: flux-system }}\nspec:\n  path: ./{name}\n  sourceRef: {{ kind: GitRepository, name: flux-system }}\n{more}"
    )
}

const OBJECT: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: one, namespace: x }\n";

#[test]
fn rules_are_sorted_and_named_once() {
    let ids: Vec<&str> = RULES.iter().map(|(_, id, _)| *id).collect();
    let mut sorted = ids.clone();
    sorted.sort_unstable();
    assert_eq!(ids, sorted);
}

#[test]
fn a_sound_tree_has_no_findings() {
    assert_eq!(findings(&[("cluster/a.yaml", &ks("a", "")), ("a/one.yaml", OBJECT)]), Vec::<String>::new());
}

#[test]
fn waiting_for_what_it_applies() {
    let parent = ks("parent", "  wait: true\n");
    let child = ks("child", "  dependsOn:\n    - name: parent\n");
    let found = findings(&[("cluster/p.yaml", &parent), ("parent/c.yaml", &child), ("child/one.yaml", OBJECT)]);
    assert_eq!(found, ["parent/c.yaml:8:7 error cycle"]);
}

#[test]
fn long_chains_are_no_cycles() {
    let texts: Vec<(String, String)> = (0..2000)
        .map(|at| (format!("cluster/{at}.yaml"), ks(&format!("k{at}"), &format!("  dependsOn: [{{ name: k{} }}]\n", (at + 1).min(1999)))))
        .collect();
    let files: Vec<(&str, &str)> = texts.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    let found = findings(&files);
    assert_eq!(found.iter().filter(|line| line.ends_with(" cycle")).count(), 1, "k1999 depends on itself");
    assert_eq!(found.iter().filter(|line| line.ends_with("absent-resource")).count(), 2000);
}

#[test]
fn what_external_secrets_make_is_there() {
    let release = "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: { name: web, namespace: x }\nspec:\n  chart: { spec: { chart: ./chart, sourceRef: { kind: GitRepository, name: flux-system, namespace: flux-system } } }\n  valuesFrom:\n    - { kind: Secret, name: web-values }\n";
    let secret = "apiVersion: external-secrets.io/v1\nkind: ExternalSecret\nmetadata: { name: any, namespace: x }\nspec: { target: { name: web-values } }\n";
    assert_eq!(findings(&[("cluster/web.yaml", release)]), ["cluster/web.yaml:7:7 warning dangling-values-from"]);
    assert_eq!(findings(&[("cluster/web.yaml", release), ("cluster/secret.yaml", secret)]), Vec::<String>::new());
}

#[test]
fn a_source_that_values_of_the_instance_name_elsewhere_is_there() {
    let release = "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: { name: flux-instance, namespace: flux-system }\nspec:\n  chartRef: { kind: OCIRepository, name: flux-instance }\n  valuesFrom:\n    - { kind: ConfigMap, name: v }\n---\napiVersion: source.toolkit.fluxcd.io/v1\nkind: OCIRepository\nmetadata: { name: flux-instance, namespace: flux-system }\nspec: { url: oci://x/flux-instance, ref: { tag: 1.0.0 } }\n";
    let values = |name: &str| {
        format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {{ name: v, namespace: flux-system }}\ndata:\n  values.yaml: '{{instance: {{sync: {{name: {name}, path: cluster}}}}}}'\n"
        )
    };
    let apps = ks("apps", "").replace("name: flux-system }", "name: home }");
    let found = |name: &str| {
        findings(&[("cluster/f.yaml", release), ("cluster/v.yaml", &values(name)), ("cluster/k.yaml", &apps), ("apps/o.yaml", OBJECT)])
    };
    assert_eq!(found("home"), Vec::<String>::new());
    assert_eq!(found("other"), ["cluster/k.yaml:6:14 error dangling-source-ref"]);
}
