use super::*;

fn problems(text: &str) -> String {
    parse("launchway.yaml", text).map(|_| String::new()).unwrap_or_else(|problems| problems.to_string())
}

const HEAD: &str = "apiVersion: launchway.dev/v1alpha1\nkind: Bootstrap\nmetadata: { name: home }\nspec:\n";

fn with_steps(steps: &str) -> String {
    format!("{HEAD}  steps:\n{steps}")
}

#[test]
fn a_whole_manifest() {
    let text = r#"apiVersion: launchway.dev/v1alpha1
kind: Bootstrap
metadata: { name: home }
spec:
  repository: ..
  flux: { path: kubernetes/flux/cluster }
  secrets:
    token: { env: TOKEN }
  steps:
    - name: cilium
      module: cilium
      release: kube-system/cilium
      with: { manifests: [ networking.yaml ] }
      timeout: 1h30m
      limits: { memory: 32Mi, cpu: 2s }
    - name: other
      module: ./other.wasm
      needs: [cilium]
      grants:
        kubernetes: [{ verbs: [get], apiGroups: [""], resources: [configmaps], namespaces: [default] }]
        secrets: [token]
"#;
    let bootstrap = parse("launchway.yaml", text).unwrap();
    assert_eq!(bootstrap.flux_path.as_deref(), Some("kubernetes/flux/cluster"));
    let [cilium, other] = bootstrap.steps.as_slice() else { panic!() };
    assert_eq!(cilium.timeout.map(|timeout| timeout.as_secs()), Some(5400));
    assert_eq!(cilium.limits.memory, Some(32 << 20));
    assert_eq!(cilium.locate("/with/manifests/0"), Place { line: 13, column: 28 });
    assert_eq!(other.timeout, None);
    assert_eq!(other.module, ModuleRef::File("./other.wasm".into()));
    assert_eq!(other.grants.kubernetes[0].api_groups, [""]);
    assert_eq!(bootstrap.secrets["token"], SecretSource::Env("TOKEN".into()));
}

#[test]
fn everything_wrong_is_said_at_once() {
    let text = with_steps("    - { name: a, modul: cilium }\n    - { name: a, module: coredns, needs: [z], timeout: soon }\n");
    let expected = "launchway.yaml:6:7: step a: module is missing
  hint: add `module:`
launchway.yaml:6:18: step a: unknown key modul
  hint: did you mean module?
launchway.yaml:7:43: step a: needs z, which is no step
  hint: steps are \nlaunchway.yaml:7:56: step a: timeout: soon is not a duration
  hint: write it as 90s, 10m or 1h30m";
    assert_eq!(problems(&text), expected);
}

#[test]
fn cycles_are_named() {
    let text = with_steps(
        "    - { name: a, module: x, needs: [c] }\n    - { name: b, module: x, needs: [a] }\n    - { name: c, module: x, needs: [b] }\n    - { name: d, module: x }\n",
    );
    assert!(problems(&text).contains("the steps wait for each other: a needs c needs b needs a"), "{}", problems(&text));
    let own = with_steps("    - { name: a, module: x, needs: [a] }\n");
    assert!(problems(&own).contains("a needs a"), "{}", problems(&own));
}

#[test]
fn order_respects_needs_and_else_the_file() {
    let text =
        with_steps("    - { name: late, module: x, needs: [early] }\n    - { name: free, module: x }\n    - { name: early, module: x }\n");
    let steps = parse("f", &text).unwrap().steps;
    let names: Vec<&str> = order(&steps).into_iter().map(|index| steps[index].name.as_str()).collect();
    assert_eq!(names, ["free", "early", "late"]);
}

#[test]
fn bad_input_never_panics() {
    for text in
        ["", "[]", "a: b: c", "---\n---\n", "apiVersion: 1\nkind: [x]\nspec: 3", "spec: { steps: [1, {}, { name: 3 }] }", "\u{feff}"]
    {
        assert!(!problems(text).is_empty(), "{text:?} was accepted");
    }
    let duplicate = format!("{HEAD}  steps: []\n  steps: []\n");
    assert!(problems(&duplicate).contains("written twice"));
    let grant = with_steps("    - { name: a, module: x, grants: { kubernetes: [{ verbs: [read] }], network: [x], secrets: [s] } }\n");
    let said = problems(&grant);
    for part in ["unknown verb read", "unknown key network", "apiGroups is missing", "grants secret s, which is not defined"] {
        assert!(said.contains(part), "{part} not in {said}");
    }
}

#[test]
fn numbers_are_not_texts() {
    assert!(problems(&with_steps("    - { name: 1, module: x }\n")).contains("expected a text, found 1"));
}
