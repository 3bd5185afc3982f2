//! Random manifests: documents, separators, hooks, kinds; through splitting and sorting.

use super::{Case, Question};
use crate::random::Random;

const KINDS: &[&str] = &[
    "ConfigMap",
    "Secret",
    "Service",
    "Deployment",
    "Namespace",
    "CustomResourceDefinition",
    "Job",
    "ValidatingWebhookConfiguration",
    "MutatingWebhookConfiguration",
    "Zebra",
    "Alpha",
    "Ingress",
    "",
    "pod",
    "ServiceAccount",
    "APIService",
    "PriorityClass",
    "IngressClass",
    "ConfigMapList",
];
const SEPARATORS: &[&str] = &[
    "\n---\n",
    "\n---\n",
    "---\n",
    "\n--- \n",
    "\n---\t\n",
    "\n  ---\n",
    "\n\n---\n\n",
    "\n--- # c\n",
    "\n---apiVersion: v1\n",
    "\n----\n",
    "\r\n---\r\n",
    "\n---\n---\n",
    "\n...\n---\n",
    "\n# c\n---\n",
    "\n---\n# only a comment\n---\n",
    "\n---\u{a0}\n",
    "\n--- a: b\n",
    "\n \n---\n",
    "\n---",
];
const HOOKS: &[&str] = &[
    "pre-install",
    "post-install",
    "test",
    "test-success",
    "crd-install",
    "pre-install,post-upgrade",
    " Pre-Install ",
    "pre-install, nope",
    "",
    "5",
    "true",
    "post-delete,post-delete",
    "test-failure",
    "pre-rollback",
];

fn document(random: &mut Random) -> String {
    if random.one_in(10) {
        return random
            .pick(&[
                "# nothing",
                "",
                "null",
                "a",
                "[]",
                "kind: [x]",
                "kind: 1\nmetadata: null",
                "metadata: x",
                "KIND: Pod",
                "kind: Pod\nKind: Job",
                "{",
                "kind: Pod\nkind: Job",
                "a: |\n  x\n  ---\n  y",
                "a: |\n---\nb",
                "- kind: Pod",
                "metadata: {annotations: []}",
                "\t",
                "a: \"\u{85}\"",
                "apiVersion: [1]",
                "metadata: {name: 5}",
                "metadata: {name: {a: 1}}",
                "metadata: {annotations: {a: null}}",
                "metadata: {annotations: {a: [1]}}",
                "metadata: {annotations: {a: 1.50, b: true}}",
            ])
            .to_owned();
    }
    let mut text =
        format!("apiVersion: v1\nkind: {}\nmetadata:\n  name: {}\n", random.pick(KINDS), random.pick(&["a", "b", "\"\"", "5", "null"]));
    if random.one_in(2) {
        text += "  annotations:\n";
        if random.one_in(3) {
            text += "    x: y\n";
        }
        text += &format!("    helm.sh/hook: \"{}\"\n", random.pick(HOOKS));
        if random.one_in(2) {
            text += &format!(
                "    helm.sh/hook-weight: {}\n",
                random.pick(&["\"5\"", "-1", "x", "\"+2\"", "1.5", "\"\"", "\"99999999999999999999\"", "\" 1\"", "0x1"])
            );
        }
        if random.one_in(3) {
            text += &format!(
                "    helm.sh/hook-delete-policy: \"{}\"\n",
                random.pick(&["hook-succeeded", "before-hook-creation,hook-failed", "x", " Hook-Failed "])
            );
        }
    }
    text += random.pick(&["", "\n", "\n\n", "data: {}", "  \n", "data:\n  x: |\n    a\n\n", "# end"]);
    text
}

/// Makes a chart that prints documents as they stand.
pub fn case(random: &mut Random) -> Case {
    let mut case = Case::render("manifests", random.pick(&["notes\n", "", " \n", "{{ .Release.IsUpgrade }}"]));
    case.question = Question::Template;
    let names = [
        "a.yaml",
        "b.yaml",
        "z.txt",
        "_p.yaml",
        "d/a.yaml",
        "B.yaml",
        "x.json",
        "noext",
        "d/NOTES.txt",
        "MYNOTES.txt",
        "é.yaml",
        "d/_q.yaml",
    ];
    for _ in 0..1 + random.below(3) {
        let name = format!("templates/{}", random.pick(&names));
        if case.files.iter().any(|(other, _)| *other == name) {
            continue;
        }
        let mut text = random.pick(&["", "", "", "---\n", "\n", "# c\n", " \n---\n", "\u{feff}"]).to_owned();
        for at in 0..1 + random.below(4) {
            if at > 0 {
                text += random.pick(SEPARATORS);
            }
            text += &document(random);
        }
        case = case.with(&name, text);
    }
    case
}
