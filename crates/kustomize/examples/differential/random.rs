//! Random trees: few names, so that things meet; every feature of a kustomization, so that they meet in every order.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::Tree;

/// A small generator of numbers; the same seed gives the same tree for ever.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound.max(1) as u64).unwrap_or(0)
    }

    fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }
}

const NAMES: &[&str] = &["web", "api", "db"];
const NAMESPACES: &[&str] = &["apps", "infra"];
const KINDS: &[&str] = &[
    "Deployment",
    "Deployment",
    "StatefulSet",
    "DaemonSet",
    "CronJob",
    "Job",
    "Pod",
    "Service",
    "ConfigMap",
    "ConfigMap",
    "Secret",
    "Ingress",
    "HorizontalPodAutoscaler",
    "PersistentVolumeClaim",
    "ServiceAccount",
    "Role",
    "RoleBinding",
    "ClusterRole",
    "ClusterRoleBinding",
    "NetworkPolicy",
    "PodDisruptionBudget",
    "Namespace",
    "CustomResourceDefinition",
    "ValidatingWebhookConfiguration",
    "HelmRelease",
    "HelmRelease",
    "Widget",
    "Widget",
    "ReplicaSet",
    "PersistentVolume",
    "StorageClass",
    "MutatingWebhookConfiguration",
    "APIService",
    "HTTPRoute",
    "OCIRepository",
    "Endpoints",
];

/// Widgets merge by key, and live outside namespaces.
const SCHEMA: &str = r##"
definitions:
  w:
    x-kubernetes-group-version-kind: [{group: example.com, version: v1, kind: Widget}]
    properties:
      spec:
        properties:
          list: {type: array, items: {type: string}, x-kubernetes-patch-strategy: merge}
          ref:
            properties:
              spec: {properties: {template: {$ref: "#/definitions/t"}}}
  t:
    properties:
      spec:
        properties:
          containers:
            type: array
            items: {type: object}
            x-kubernetes-patch-strategy: merge
            x-kubernetes-patch-merge-key: name
paths:
  /apis/example.com/v1/widgets:
    get: {x-kubernetes-group-version-kind: {group: example.com, version: v1, kind: Widget}}
"##;

const DEFINITIONS: &str = "\
example.com/v1.Widget:
  Schema:
    properties:
      apiVersion: {}
      kind: {}
      metadata: {}
      spec: {$ref: example.com/v1.WidgetSpec}
example.com/v1.WidgetSpec:
  Schema:
    properties:
      title: {x-kubernetes-identity: \"\"}
      map: {x-kubernetes-label-selector: \"\"}
      ref: {x-kubernetes-object-ref-api-version: v1, x-kubernetes-object-ref-kind: Deployment, x-kubernetes-object-ref-name-key: kind}
";

/// Scalars that are not what they look like, for places where a text belongs.
const ODD: &[&str] = &[
    "yes",
    "on",
    "\"on\"",
    "n",
    "1",
    "\"1\"",
    "1.10",
    "\"1.10\"",
    "0x1F",
    "0o17",
    "017",
    "1_000",
    "1e3",
    "+1",
    "-0",
    "true",
    "\"true\"",
    "True",
    "null",
    "~",
    "\"null\"",
    "\"\"",
    "''",
    "2024-01-02",
    "\"2024-01-02\"",
    ".5",
    "1:30",
    "'it''s'",
    "\"a: b\"",
    "\"a #b\"",
    "\"# c\"",
    "\"- d\"",
    "\"{e}\"",
    "\"two\\nlines\"",
    "\"ends\\n\"",
    "\" led\"",
    "\"tab\\t\"",
    "12345678901",
    "9007199254740993",
    "a=b",
    "=",
    "!!str 1",
    "\"*a\"",
];

/// Lines of a file of variables.
const LINES: &[&str] = &[
    "ONE=1",
    "TWO=a=b ",
    "THREE=\"q\"",
    "FOUR='s'",
    " FIVE=led",
    "SIX",
    "SEVEN=",
    "# comment",
    "",
    "EIGHT=carriage\r",
    "a.b-c=dots",
    "=none",
    "NINE= space",
    "\tTEN=tab",
    "1=number",
];

/// Further targets of a replacement.
const MORE_TARGETS: &[&str] = &[
    "  - select: {kind: ConfigMap}\n    reject: [{labelSelector: app=web}, {name: db}]\n    fieldPaths: [metadata.labels.copied, data.copied]\n    options: {create: true}\n",
    "  - select: {group: apps, name: w.*}\n    fieldPaths: [spec.template.metadata.annotations.copied]\n    options: {create: true}\n",
    "  - select: {namespace: apps}\n    fieldPaths: [metadata.annotations.a\\.b/c]\n    options: {create: true}\n",
    "  - select: {kind: Service}\n    fieldPaths: [\"spec.ports.[name=tls].port\", spec.ports.0.targetPort]\n    options: {create: true}\n",
    "  - select: {kind: Widget}\n    fieldPaths: [spec.list]\n",
    "  - select: {kind: Widget}\n    fieldPaths: [spec.list.1, spec.list.2]\n    options: {create: true}\n",
    "  - select: {kind: Widget}\n    fieldPaths: [\"spec.list.[=a]\", \"spec.list.[=z]\"]\n    options: {create: true}\n",
    "  - select: {kind: Widget}\n    fieldPaths: [spec.map]\n",
    "  - select: {kind: OCIRepository}\n    fieldPaths: [spec.url]\n    options: {delimiter: /, index: 2}\n",
    "  - select: {kind: OCIRepository}\n    fieldPaths: [spec.ref.tag]\n    options: {delimiter: ., index: 1}\n",
    "  - select: {kind: HTTPRoute}\n    fieldPaths: [\"spec.rules.*.backendRefs.*.name\"]\n",
    "  - select: {kind: Deployment}\n    fieldPaths: [\"spec.template.spec.containers.[name=web].env.[name=NEW].value\"]\n    options: {create: true}\n",
    "  - select: {kind: HelmRelease}\n    fieldPaths: [spec.values.new.deep.field, spec.valuesFrom.0.name]\n    options: {create: true}\n",
    "  - select: {name: missing}\n",
    "  - select: {kind: Secret, labelSelector: app}\n    fieldPaths: [stringData.copied]\n    options: {create: true}\n",
];

/// Further replacements.
const MORE_REPLACEMENTS: &[&str] = &[
    "- source: {kind: OCIRepository, fieldPath: spec.url, options: {delimiter: /, index: 3}}\n  targets: [{select: {kind: Widget}, fieldPaths: [spec.title]}]\n",
    "- source: {kind: Widget, fieldPath: spec.map}\n  targets: [{select: {kind: ConfigMap}, fieldPaths: [data]}]\n",
    "- source: {kind: Widget, fieldPath: spec.list}\n  targets: [{select: {kind: HelmRelease}, fieldPaths: [spec.values.list], options: {create: true}}]\n",
    "- source: {group: apps, fieldPath: spec.template.spec.containers.0.image, options: {delimiter: \":\", index: 1}}\n  targets: [{select: {kind: OCIRepository}, fieldPaths: [spec.ref.tag]}]\n",
    "- source: {kind: Service, version: v1, fieldPath: \"spec.ports.[port=443].name\"}\n  targets: [{select: {kind: ConfigMap}, fieldPaths: [data.port], options: {create: true}}]\n",
    "- sourceValue: text\n  targets: [{select: {}, fieldPaths: [metadata.labels.everywhere], options: {create: true}}]\n",
];

/// What files hold that maps and secrets are made of.
const CONTENTS: &[&str] = &[
    "k: v\n",
    "line one\nline two",
    "\u{e9}\n\n",
    "",
    "a\r\nb\r\n",
    " led\nby\n",
    "trailing \nspace\n",
    "\n\nblank first\n",
    "one line only, which is so long that one might be tempted to fold it somewhere, but nobody does: it stays one line # here",
    "{\"json\": [1, 2]}\n",
    "tab\there\n",
    "# comment\n",
    "12\n",
    "true",
    "\u{1f600} emoji\n",
    "nul\u{0}l",
    "- a: b\n",
];

struct Maker {
    random: Random,
    files: BTreeMap<String, String>,
    count: usize,
    vars: usize,
    /// Whether patches change kinds; then nothing is generated, whose hash would be one of Go's own making.
    changes_kinds: bool,
    /// Kind, name and namespace of what there is.
    known: Vec<(String, String, String)>,
    /// The first of them that the folder being written can see.
    first: usize,
}

/// Returns the tree of a seed.
pub fn tree(seed: u64) -> Tree {
    let mut maker =
        Maker { random: Random(seed), files: BTreeMap::new(), count: 0, vars: 0, changes_kinds: false, known: Vec::new(), first: 0 };
    maker.changes_kinds = maker.random.one_in(3);
    let bases: Vec<String> = (0..=maker.random.below(2)).map(|at| format!("base{at}")).collect();
    for base in &bases {
        maker.folder(base, &[], false);
    }
    let component = maker.random.one_in(3).then(|| {
        maker.folder("component", &[], true);
        "component".to_string()
    });
    if component.is_some() && maker.random.one_in(3) {
        // One inside the other, before what the outer one does itself.
        maker.folder("inner", &[], true);
        let outer = maker.files.get_mut("component/kustomization.yaml").map(std::mem::take).unwrap_or_default();
        maker.files.insert("component/kustomization.yaml".to_string(), format!("{outer}components: [../inner]\n"));
    }
    let mut lower = bases.clone();
    if maker.random.one_in(3) {
        maker.folder("middle", &bases, false);
        lower = vec!["middle".to_string()];
    }
    maker.folder("", &lower, false);
    if let Some(component) = component {
        let top = maker.files.get_mut("kustomization.yaml").map(std::mem::take).unwrap_or_default();
        maker.files.insert("kustomization.yaml".to_string(), format!("{top}components: [{component}]\n"));
    }
    maker.files
}

impl Maker {
    /// Writes a folder with a kustomization over some others.
    fn folder(&mut self, folder: &str, bases: &[String], is_component: bool) {
        let at = |name: &str| if folder.is_empty() { name.to_string() } else { format!("{folder}/{name}") };
        let mut out = String::new();
        // A patch of what is elsewhere is refused; now and then that is wanted.
        let sees_all = is_component || !bases.is_empty() || self.random.one_in(20);
        self.first = if sees_all { 0 } else { self.known.len() };
        if is_component {
            out += "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\n";
        }
        let mut resources: Vec<String> =
            bases.iter().map(|base| if folder.is_empty() { base.clone() } else { format!("../{base}") }).collect();
        let files = if bases.is_empty() { 1 + self.random.below(3) } else { self.random.below(2) };
        for index in 0..files {
            let name = format!("r{index}.yaml");
            let objects: Vec<String> = (0..=self.random.below(3)).filter_map(|_| self.object()).collect();
            let text = if self.random.one_in(12) {
                listed(&mut self.random, &objects)
            } else {
                objects.join(self.random.pick(&["---\n", "---\n", "---\n", "---\n# comment\n---\n", "\n--- # comment\n\n", "---\n\n---\n"]))
            };
            let text = self.restyled(text);
            self.files.insert(at(&name), text);
            resources.push(name);
        }
        if !resources.is_empty() {
            let _ = writeln!(out, "resources: [{}]", resources.join(", "));
        }
        self.settings(&mut out);
        self.generators(folder, &mut out);
        self.patches(folder, &mut out);
        self.old_patches(folder, &mut out);
        self.replacements(&mut out);
        self.schema(folder, &mut out);
        self.vars(&mut out);
        self.plugins(folder, &mut out);
        self.files.insert(at("kustomization.yaml"), out);
    }

    /// Sometimes writes a file as other editors do.
    fn restyled(&mut self, text: String) -> String {
        match self.random.below(60) {
            0 => text.replace('\n', "\r\n"),
            1 => format!("\u{feff}{text}"),
            2 => format!("---\n{text}"),
            3 => format!("{text}---\n"),
            4 => format!("# comment\n\n{text}...\n"),
            5 => text.trim_end().to_string(),
            _ => text,
        }
    }

    fn settings(&mut self, out: &mut String) {
        let random = &mut self.random;
        if random.one_in(3) {
            let namespace = if random.one_in(20) { "\"123\"" } else { random.pick(NAMESPACES) };
            let _ = writeln!(out, "namespace: {namespace}");
        }
        if random.one_in(3) {
            let _ = writeln!(out, "namePrefix: {}", if random.one_in(20) { "\"1\"" } else { random.pick(&["p-", "q-"]) });
        }
        if random.one_in(4) {
            let _ = writeln!(out, "nameSuffix: {}", random.pick(&["-s", "-v1"]));
        }
        if random.one_in(4) {
            let (selectors, templates) = (random.pick(&["true", "false"]), random.pick(&["true", "false"]));
            let _ = writeln!(out, "labels:\n- pairs: {{team: {}, tier: t1}}", random.pick(&["x", "\"1\"", "on1"]));
            if random.one_in(2) {
                let _ = writeln!(out, "  includeSelectors: {selectors}");
            } else {
                let _ = writeln!(out, "  includeTemplates: {templates}");
            }
            if random.one_in(3) {
                let _ = writeln!(out, "  fields:\n  - path: spec/extra/labels\n    kind: Widget\n    create: true");
            }
            if random.one_in(4) {
                out.push_str(random.pick(&[
                    "- pairs: {more: m}\n  includeTemplates: true\n",
                    "- pairs: {team: other}\n  fields: [{path: spec/commonMetadata/labels, group: helm.toolkit.fluxcd.io, version: v2, create: true}]\n",
                    "- pairs: {app: all}\n  includeSelectors: true\n  includeTemplates: true\n",
                    "- pairs: {}\n",
                ]));
            }
        }
        if random.one_in(6) {
            let _ = writeln!(out, "commonLabels: {{app: {}}}", random.pick(NAMES));
        }
        if random.one_in(4) {
            let _ = writeln!(out, "commonAnnotations: {{note: {}}}", random.pick(&["a", "\"true\"", "long words with spaces"]));
        }
        if random.one_in(4) {
            let _ = writeln!(out, "images:\n- name: {}", random.pick(&["img", "example.com/img", "localhost:5000/img"]));
            let change = random.pick(&[
                "  newTag: v2\n",
                "  newName: other/img\n",
                "  digest: sha256:0000\n",
                "  newName: new\n  newTag: \"3\"\n",
                "  newTag: v3\n  digest: sha256:1111\n",
                "  tagSuffix: -alpine\n",
                "  newTag: \"1.0\"\n  tagSuffix: -x\n",
                "  newName: \"12\"\n",
                "  newName: 127.0.0.1:5000/a\n  digest: sha256:2222\n",
            ]);
            out.push_str(change);
            if random.one_in(4) {
                out.push_str(random.pick(&[
                    "- {name: new, newTag: v9}\n",
                    "- {name: img, newTag: v4, tagSuffix: -b}\n",
                    "- {name: \"img.\", newName: dotted}\n",
                    "- {name: other/img, newName: img}\n",
                    "- {name: img}\n",
                ]));
            }
        }
        let scaled = self.known[self.first..].iter().find(|(kind, ..)| ["Deployment", "StatefulSet"].contains(&kind.as_str()));
        if let Some((_, name, _)) = scaled.filter(|_| random.one_in(5)) {
            let _ = writeln!(out, "replicas:\n- name: {name}\n  count: {}", random.below(5));
        }
        if random.one_in(8) {
            out.push_str(random.pick(&[
                "sortOptions:\n  order: fifo\n",
                "sortOptions:\n  order: legacy\n",
                "sortOptions:\n  order: legacy\n  legacySortOptions:\n    orderFirst: [Service, ConfigMap]\n    orderLast: [Deployment]\n",
            ]));
        }
        if random.one_in(8) {
            self.configuration(out);
        }
    }

    fn configuration(&mut self, out: &mut String) {
        self.count += 1;
        let name = format!("config{}.yaml", self.count);
        let _ = writeln!(out, "configurations: [{name}]");
        let text = self.random.pick(&[
            "nameReference:\n- kind: ConfigMap\n  version: v1\n  fieldSpecs:\n  - {kind: Widget, path: spec/configName}\n  - {kind: HelmRelease, path: spec/valuesFrom/name}\n",
            "images:\n- {kind: Widget, path: spec/image}\n",
            "commonLabels:\n- {kind: Widget, path: spec/selector, create: true}\n",
            "namePrefix:\n- {kind: Widget, path: spec/title}\n",
            "namespace:\n- {kind: Widget, path: spec/inNamespace, create: true}\n",
            "replicas:\n- {kind: Widget, path: spec/size, create: true}\n",
            "nameReference:\n- kind: OCIRepository\n  group: source.toolkit.fluxcd.io\n  fieldSpecs:\n  - {kind: HelmRelease, group: helm.toolkit.fluxcd.io, path: spec/chartRef/name}\n",
            "nameReference:\n- kind: Deployment\n  fieldSpecs:\n  - {path: metadata/annotations/note}\n  - {kind: HTTPRoute, path: spec/rules/backendRefs/name}\n",
            "varReference:\n- {kind: Widget, path: spec/map}\n- {kind: Widget, path: spec/list}\n- {path: spec/values/a}\n",
            "nameSuffix:\n- {path: metadata/name}\n- {kind: HelmRelease, path: spec/chartRef/name}\n",
            "commonAnnotations:\n- {kind: Widget, path: spec/ref/metadata/annotations, create: true}\n",
            "labels:\n- {kind: Widget, path: spec/map}\n- {kind: HelmRelease, path: spec/commonMetadata/labels, create: true}\n",
            "templateLabels:\n- {kind: Widget, path: spec/ref/spec/template/metadata/labels, create: true}\n",
        ]);
        let text = text.to_string();
        self.pending(name, text);
    }

    /// A file of the folder that is being written; it is put into all of them, which does no harm.
    fn pending(&mut self, name: String, text: String) {
        for folder in ["", "base0/", "base1/", "middle/", "component/", "inner/"] {
            self.files.insert(format!("{folder}{name}"), text.clone());
        }
    }

    fn generators(&mut self, folder: &str, out: &mut String) {
        let at = |name: &str| if folder.is_empty() { name.to_string() } else { format!("{folder}/{name}") };
        if self.random.one_in(3) && !self.changes_kinds {
            let random = &mut self.random;
            let field = random.pick(&["configMapGenerator", "secretGenerator"]);
            // One that is there already is merged with or replaced.
            let of_kind = if field == "secretGenerator" { "Secret" } else { "ConfigMap" };
            let present = self.known[self.first..].iter().find(|(kind, ..)| kind == of_kind).filter(|_| random.one_in(2));
            match present {
                Some((_, name, namespace)) => {
                    let _ = writeln!(out, "{field}:\n- name: {name}\n  behavior: {}", random.pick(&["merge", "replace"]));
                    if !namespace.is_empty() {
                        let _ = writeln!(out, "  namespace: {namespace}");
                    }
                }
                None => {
                    self.count += 1;
                    let _ = writeln!(
                        out,
                        "{field}:\n- name: {}",
                        if random.one_in(2) { "settings".to_string() } else { format!("made{}", self.count) }
                    );
                }
            }
            if present.is_none() && random.one_in(4) {
                let _ = writeln!(out, "  namespace: {}", random.pick(NAMESPACES));
            }
            if field == "secretGenerator" && random.one_in(2) {
                let _ = writeln!(out, "  type: {}", random.pick(&["Opaque", "kubernetes.io/tls"]));
            }
            let _ = writeln!(
                out,
                "  literals: [a={}, \"b='quoted'\", c=1]",
                random.pick(&["x", "y=z", "\\\"q\\\"", "", "~", "true", "1.0", "'two words'"]).replace('\\', "")
            );
            if random.one_in(2) {
                let content = random.pick(CONTENTS);
                out.push_str("  files: [data.txt, other=data.txt]\n");
                self.files.insert(at("data.txt"), content.to_string());
            }
            if self.random.one_in(3) {
                out.push_str("  envs: [vars.env]\n");
                let mut lines: Vec<&str> = (0..self.random.below(5)).map(|_| self.random.pick(LINES)).collect();
                lines.sort_unstable();
                lines.dedup();
                let start = self.random.pick(&["", "", "", "\u{feff}"]);
                let end = self.random.pick(&["\n", "", "\r\n"]);
                self.files.insert(at("vars.env"), format!("{start}{}{end}", lines.join("\n")));
            }
            if self.random.one_in(3) {
                out.push_str(self.random.pick(&[
                    "  options: {disableNameSuffixHash: true}\n",
                    "  options: {immutable: true, labels: {own: l}}\n",
                    "  options: {annotations: {own: a}}\n",
                ]));
            }
        }
        if self.random.one_in(6) {
            out.push_str(self.random.pick(&[
                "generatorOptions: {disableNameSuffixHash: true}\n",
                "generatorOptions: {labels: {all: g}, annotations: {all: g}}\n",
                "generatorOptions: {immutable: true}\n",
            ]));
        }
    }

    fn patches(&mut self, folder: &str, out: &mut String) {
        let count = self.random.below(4);
        if count == 0 || self.first == self.known.len() {
            return;
        }
        let _ = writeln!(out, "patches:");
        for index in 0..count {
            let is_json = self.random.one_in(3);
            let text = if is_json { self.json_patch() } else { self.merge_patch() };
            if self.random.one_in(3) {
                let name = format!("patch{index}.yaml");
                let _ = writeln!(out, "- path: {name}");
                self.files.insert(if folder.is_empty() { name } else { format!("{folder}/{name}") }, text);
            } else {
                let _ = writeln!(out, "- patch: |-");
                for line in text.lines() {
                    let _ = writeln!(out, "    {line}");
                }
            }
            if is_json || self.random.one_in(2) {
                let target = self.target();
                out.push_str(&target);
            }
            if !is_json && self.random.one_in(8) {
                let option = if self.changes_kinds { "allowKindChange" } else { "allowNameChange" };
                let _ = writeln!(out, "  options: {{{option}: true}}");
            }
        }
    }

    /// Patches in fields that kustomize would have called something else, and several of them in one file.
    fn old_patches(&mut self, folder: &str, out: &mut String) {
        if self.first == self.known.len() || !self.random.one_in(6) {
            return;
        }
        let at = |name: &str| if folder.is_empty() { name.to_string() } else { format!("{folder}/{name}") };
        let several: Vec<String> = (0..=self.random.below(2)).map(|_| self.merge_patch()).collect();
        let separator = self.random.pick(&["---\n", "---\n---\n", "# comment\n--- # comment\n"]);
        self.files.insert(at("several.yaml"), several.join(separator));
        match self.random.below(4) {
            0 => out.push_str("patchesStrategicMerge: [several.yaml]\n"),
            1 => {
                let _ = writeln!(out, "patchesStrategicMerge:\n- |-");
                for line in several.join("---\n").lines() {
                    let _ = writeln!(out, "  {line}");
                }
            }
            2 if !out.contains("\npatches:") => out.push_str("patches: [{path: several.yaml}]\n"),
            _ => {
                let Some((kind, name, _)) = self.known.get(self.first).cloned() else { return };
                let (api, text) = (api(&kind), self.json_patch());
                let version = api.rsplit_once('/').map_or(api, |(_, version)| version);
                self.files.insert(at("operations.yaml"), text);
                let target = format!("version: {version}, kind: {kind}, name: {name}");
                let _ = writeln!(out, "patchesJson6902:\n- {{target: {{{target}}}, path: operations.yaml}}");
            }
        }
    }

    /// Picks an object that the folder being written can see.
    fn visible(&mut self) -> Option<(String, String, String)> {
        let at = self.first + self.random.below(self.known.len() - self.first);
        self.known.get(at).cloned()
    }

    fn target(&mut self) -> String {
        let random = &mut self.random;
        let mut out = "  target:\n".to_string();
        if random.one_in(2) {
            let _ = writeln!(
                out,
                "    kind: {}",
                random.pick(&["Deployment", "ConfigMap", "Deployment|StatefulSet", ".*Set", "Widget", "HelmRelease", "Service"])
            );
        }
        if random.one_in(3) {
            let _ = writeln!(out, "    name: {}", random.pick(&["web", "w.*", "web|api", "p-web", "missing", ".*"]));
        }
        if random.one_in(5) {
            let _ = writeln!(out, "    namespace: {}", random.pick(&["apps", "infra", "default", "a.*"]));
        }
        if random.one_in(5) {
            let _ = writeln!(
                out,
                "    labelSelector: {}",
                random.pick(&["\"app=web\"", "\"app in (web,db)\"", "\"app!=api\"", "\"!app\"", "\"app\""])
            );
        }
        if random.one_in(8) {
            let _ = writeln!(out, "    annotationSelector: {}", random.pick(&["note=a", "\"!note\""]));
        }
        if random.one_in(6) {
            let _ = writeln!(out, "    group: {}", random.pick(&["apps", "example.com", "a.*"]));
        }
        if out.lines().count() == 1 {
            out.push_str("    kind: Deployment\n");
        }
        out
    }

    /// Operations that fail on some kinds are rare.
    fn json_patch(&mut self) -> String {
        let random = &mut self.random;
        if !random.one_in(6) {
            return format!(
                "{}\n",
                random.pick(&[
                    "- {op: add, path: /metadata/labels, value: {added: l}}",
                    "- {op: add, path: /metadata/annotations, value: {added: \"1\"}}",
                    "- {op: add, path: /spec, value: {replaced: yes, number: 1.0, big: 12345678901, list: [~, 0x1f]}}",
                    "- {op: add, path: /metadata/annotations, value: {}}\n- {op: add, path: /metadata/annotations/x~1y, value: z}",
                    "- {op: copy, from: /metadata/name, path: /metadata/namespace}",
                    "- {op: add, path: /list, value: [1]}\n- {op: add, path: /list/-, value: 2}\n- {op: add, path: /list/0, value: 0}",
                    "- {op: replace, path: /metadata/name, value: renamed}",
                    "[{\"op\": \"add\", \"path\": \"/extra\", \"value\": 1e2}]",
                    "- {op: add, path: /metadata/annotations/one, value: \"1\"}",
                    "- {op: add, path: /metadata/annotations/one, value: 1.50}",
                    "# a comment\n[{op: add, path: /extra, value: {on: 1.10, 8080: yes}}]",
                    "- {op: add, path: /spec, value: {a~b: 1, \"true\": 9007199254740993}}\n- {op: add, path: /spec/c~0~1d, value: [0o17, 1_0]}",
                ])
            );
        }
        let mut out = String::new();
        for _ in 0..=random.below(2) {
            let _ = writeln!(
                out,
                "{}",
                random.pick(&[
                    "- {op: add, path: /metadata/labels, value: {added: l}}",
                    "- {op: add, path: /metadata/annotations, value: {added: \"1\"}}",
                    "- {op: replace, path: /metadata/name, value: renamed}",
                    "- {op: add, path: /spec, value: {replaced: true, number: 1.0, big: 12345678901}}",
                    "- {op: test, path: /metadata/name, value: web}",
                    "- {op: remove, path: /metadata/labels}",
                    "- {op: add, path: /spec/template/spec/containers/0/args/-, value: --more}",
                    "- {op: add, path: /spec/template/spec/containers/-, value: {name: extra, image: img}}",
                    "- {op: replace, path: /spec/replicas, value: 7}",
                    "- {op: copy, from: /metadata/name, path: /metadata/namespace}",
                    "- {op: move, from: /metadata/labels, path: /metadata/annotations}",
                    "- {op: add, path: /data, value: {k~0: v}}",
                    "- {op: add, path: /metadata/labels/a~1b, value: c}",
                    "[{op: add, path: /extra, value: 1}]",
                    "- {op: remove, path: /metadata/annotations/note}",
                    "- {op: remove, path: /metadata/annotations}",
                    "- {op: remove, path: /kind}",
                    "- {op: add, path: metadata/extra, value: x}",
                    "- {op: add, path: /spec/values, value: {a: {b: [1, 2.50, \"3\"]}}}",
                    "- {op: replace, path: /spec/template/spec/containers/0/image, value: patched:v1}",
                    "- {op: remove, path: /spec/template/spec/containers/1}",
                    "- {op: move, from: /spec, path: /spec2}",
                    "- {op: test, path: /spec/replicas, value: 1}",
                    "- {op: add, path: /data, value: {\"1\": \"2\"}}",
                    "- {op: copy, from: /spec/template, path: /spec/copy}",
                    "- op: add\n  path: /metadata/annotations/text\n  value: |\n    two\n    lines",
                    "- op: add\n  path: /spec/list/-\n  value: {deep: [a, {b: c}]}",
                ])
            );
        }
        out
    }

    fn merge_patch(&mut self) -> String {
        let (kind, name, namespace) = self.visible().unwrap_or_default();
        let random = &mut self.random;
        let kind = kind.as_str();
        let mut out = format!("apiVersion: {}\nkind: {kind}\nmetadata:\n  name: {name}\n", api(kind));
        if !namespace.is_empty() {
            let _ = writeln!(out, "  namespace: {namespace}");
        }
        if random.one_in(3) {
            let _ = writeln!(
                out,
                "  {}",
                random.pick(&[
                    "labels: {patched: p}",
                    "labels: {app: null}",
                    "annotations: {patched: \"p\"}",
                    "labels: {$patch: replace, only: o}",
                    "finalizers: [one, two]",
                    "annotations: null"
                ])
            );
        }
        if random.one_in(12) {
            return format!("{out}$patch: delete\n");
        }
        match kind {
            "ConfigMap" => {
                out + random.pick(&[
                    "data: {a: 1.10, b: yes}\n",
                    "data: {a: 12, b: \"on\", c: 'x'}\n",
                    "data: {a: y, b: 0x1F}\n",
                    "data:\n  b: >-\n    folded\n    text\n  c: |+\n    kept\n\n",
                    "data: null\n",
                    "data: {a: patched, z: new}\n",
                    "data: {a: null}\n",
                    "data: {$patch: replace, o: o}\n",
                    "binaryData: {b: eA==}\n",
                ])
            }
            "Service" => {
                out + random.pick(&[
                    "spec: {ports: [{port: 80, name: other}]}\n",
                    "spec: {ports: [{port: 80, protocol: UDP}, {port: 81}]}\n",
                    "spec: {selector: {x: \"1\"}}\n",
                    "spec: {ports: [{$patch: replace}, {port: 9}]}\n",
                ])
            }
            "ServiceAccount" => out + random.pick(&["imagePullSecrets: [{name: pull}]\n", "secrets: [{name: db}]\n"]),
            "Ingress" => out + random.pick(&["spec: {tls: [{secretName: db}]}\n", "spec: {rules: []}\n"]),
            "Widget" | "HelmRelease" => {
                out + random.pick(&[
                    "spec: {list: [c], map: {k: v}}\n",
                    "spec: {list: null}\n",
                    "spec: {map: {$patch: delete}}\n",
                    "spec: {values: {a: {b: null}}}\n",
                    "spec: {list: [{$patch: delete, a: 1}]}\n",
                    "spec:\n  list:\n  - a # comment\n  - $patch: replace\n",
                    "spec: {values: {a: {$patch: replace, x: [1, {y: ~}]}, new: {z: 1.0}}}\n",
                    "spec: {chartRef: {kind: HelmChart, namespace: infra}, valuesFrom: [{kind: Secret, name: web, targetPath: a}]}\n",
                    "spec: {ref: {spec: {template: {spec: {containers: [{name: web, image: patched}]}}}}}\n",
                    "spec: {map: {k: 1.10}, title: 08}\n",
                ])
            }
            "CronJob" => format!("{out}spec: {{jobTemplate: {{spec: {{template: {}}}}}}}\n", template(random)),
            "Deployment" | "StatefulSet" | "DaemonSet" | "Job" => format!("{out}spec: {{template: {}}}\n", template(random)),
            _ => out,
        }
    }

    fn replacements(&mut self, out: &mut String) {
        if !self.random.one_in(5) {
            return;
        }
        let Some((kind, name, _)) = self.visible() else { return };
        let random = &mut self.random;
        let _ = write!(out, "replacements:\n- source: {{kind: {kind}, name: {name}");
        let field = match kind.as_str() {
            "ConfigMap" => random.pick(&["data.a", "data.b"]),
            "Deployment" => random.pick(&["spec.replicas", "spec.template.spec.containers.0.name", "spec.selector"]),
            "Service" => random.pick(&["spec.ports.0.port", "spec.ports.[name=tls].port", "spec.selector.app"]),
            _ => "metadata.name",
        };
        let options = if random.one_in(5) {
            format!(", options: {{delimiter: \"{}\", index: {}}}", random.pick(&["-", ":", ".", "e"]), random.below(2))
        } else {
            String::new()
        };
        let _ = writeln!(out, ", fieldPath: \"{field}\"{options}}}");
        if random.one_in(4) {
            let at = out.rfind("replacements:").unwrap_or(out.len());
            out.truncate(at);
            // What an empty text makes of a null depends on the style of the mapping around it.
            let text = Some(random.pick(ODD)).filter(|text| !["\"\"", "''"].contains(text)).unwrap_or("x");
            let _ = writeln!(
                out,
                "replacements:\n- sourceValue: {}",
                if text.starts_with(['"', '\'']) { text.to_string() } else { format!("\"{text}\"") }
            );
        }
        let (target, path) = match random.below(8) {
            0 => ("Deployment", "spec.template.spec.containers.[name=web].image"),
            1 => ("Widget", "spec.map.k"),
            2 => ("ConfigMap", "data.a"),
            3 => ("Deployment", "spec.template.spec.containers.*.name"),
            4 => ("Widget", "spec.list.0"),
            5 => ("Deployment", "spec.template.metadata.labels.app"),
            6 => ("HelmRelease", "spec.values.a.new"),
            _ => ("Service", "metadata.annotations.[a.b/c]"),
        };
        let _ = writeln!(out, "  targets:\n  - select: {{kind: {target}}}");
        if random.one_in(6) {
            let _ = writeln!(out, "    reject: [{{name: {}}}]", random.pick(NAMES));
        }
        let _ = writeln!(out, "    fieldPaths: [\"{path}\"]");
        if !random.one_in(5) {
            out.push_str("    options: {create: true}\n");
        } else {
            out.push_str(random.pick(&[
                "",
                "    options: {delimiter: \"-\", index: 0}\n",
                "    options: {delimiter: \".\", index: 5}\n",
                "    options: {delimiter: \"/\", index: -1}\n",
            ]));
        }
        if random.one_in(3) {
            out.push_str(random.pick(MORE_TARGETS));
        }
        if random.one_in(4) {
            out.push_str(random.pick(MORE_REPLACEMENTS));
        }
    }

    /// A schema, definitions of custom resources, and what is noted of the build.
    fn schema(&mut self, folder: &str, out: &mut String) {
        let at = |name: &str| if folder.is_empty() { name.to_string() } else { format!("{folder}/{name}") };
        if self.random.one_in(8) {
            self.files.insert(at("schema.yaml"), SCHEMA.to_string());
            out.push_str("openapi: {path: schema.yaml}\n");
        } else if self.random.one_in(20) {
            out.push_str(if self.random.one_in(9) { "openapi: {version: v1.20.4}\n" } else { "openapi: {version: v1.21.2}\n" });
        }
        if self.random.one_in(8) {
            self.files.insert(at("definitions.yaml"), DEFINITIONS.to_string());
            out.push_str("crds: [definitions.yaml]\n");
        }
        if self.random.one_in(5) {
            out.push_str(self.random.pick(&[
                "buildMetadata: [originAnnotations]\n",
                "buildMetadata: [transformerAnnotations, managedByLabel]\n",
                "buildMetadata: [originAnnotations, transformerAnnotations]\n",
                "buildMetadata: [managedByLabel]\n",
            ]));
        }
    }

    fn vars(&mut self, out: &mut String) {
        if !self.random.one_in(6) {
            return;
        }
        let Some((kind, name, namespace)) = self.visible() else { return };
        // Two of one name are refused; now and then that is wanted.
        let var = if self.random.one_in(12) { "A0".to_string() } else { format!("A{}", self.vars) };
        self.vars += 1;
        let namespace = if namespace.is_empty() { String::new() } else { format!(", namespace: {namespace}") };
        let field = self.random.pick(&["", ", fieldref: {fieldPath: metadata.name}", ", fieldref: {fieldPath: kind}"]);
        let _ =
            writeln!(out, "vars:\n- {{name: {var}, objref: {{apiVersion: {}, kind: {kind}, name: {name}{namespace}}}{field}}}", api(&kind));
    }

    /// Built-in transformers and generators as objects, inside the kustomization or in files.
    fn plugins(&mut self, folder: &str, out: &mut String) {
        let at = |name: &str| if folder.is_empty() { name.to_string() } else { format!("{folder}/{name}") };
        if self.random.one_in(4) {
            let mut texts = Vec::new();
            for index in 0..=self.random.below(2) {
                texts.push(self.transformer(index));
            }
            out.push_str("transformers:\n");
            if self.random.one_in(2) {
                self.files.insert(at("transformers.yaml"), texts.join("---\n"));
                out.push_str("- transformers.yaml\n");
            } else {
                for text in texts {
                    out.push_str("- |-\n");
                    text.lines().for_each(|line| {
                        let _ = writeln!(out, "  {line}");
                    });
                }
            }
        }
        if self.random.one_in(8) && !self.changes_kinds {
            self.count += 1;
            let (kind, count) = (self.random.pick(&["ConfigMapGenerator", "SecretGenerator"]), self.count);
            let text = format!("apiVersion: builtin\nkind: {kind}\nmetadata: {{name: made{count}}}\nliterals: [a=b, c=\"$(A0)\"]\n");
            self.files.insert(at("generator.yaml"), text);
            out.push_str("generators: [generator.yaml]\n");
        }
    }

    fn transformer(&mut self, index: usize) -> String {
        let has_map =
            self.known[self.first..].iter().any(|(kind, name, namespace)| kind == "ConfigMap" && name == "web" && namespace.is_empty());
        let random = &mut self.random;
        let (kind, settings) = match random.below(if has_map { 11 } else { 10 }) {
            0 => ("NamespaceTransformer", random.pick(&["unsetOnly: true\n", "setRoleBindingSubjects: allServiceAccounts\n", "setRoleBindingSubjects: none\n"])),
            1 => ("PrefixTransformer", random.pick(&["prefix: t-\nfieldSpecs: [{path: metadata/name}]\n", "prefix: t-\nfieldSpecs: [{path: metadata/name, kind: ConfigMap}, {path: spec/title}]\n"])),
            2 => ("SuffixTransformer", "suffix: -t\nfieldSpecs: [{path: metadata/name}]\n"),
            3 => ("LabelTransformer", random.pick(&["labels: {t: u}\nfieldSpecs: [{path: metadata/labels, create: true}]\n", "labels: {t: u, v: w}\nfieldSpecs: [{path: spec/template/metadata/labels, create: true, kind: Deployment}, {path: spec/selector, kind: Service}]\n"])),
            4 => ("AnnotationsTransformer", "annotations: {t: u}\nfieldSpecs: [{path: metadata/annotations, create: true}]\n"),
            5 => ("ImageTagTransformer", random.pick(&["imageTag: {name: img, newTag: v7}\n", "imageTag: {name: img, newName: n}\nfieldSpecs: [{path: spec/image, kind: Widget}, {path: data/a, kind: ConfigMap}]\n"])),
            6 => ("PatchTransformer", random.pick(&[
                "target: {kind: ConfigMap}\npatch: |-\n  - {op: add, path: /metadata/finalizers, value: [t]}\n",
                "target: {kind: Deployment}\npatch: |-\n  kind: Deployment\n  apiVersion: apps/v1\n  metadata: {name: any, annotations: {p: q}}\n",
            ])),
            7 => ("HashTransformer", ""),
            8 => ("ValueAddTransformer", random.pick(&[
                "value: v\ntargets: [{fieldPath: metadata/annotations/v}]\n",
                "value: v\ntargets: [{fieldPath: data/a, filePathPosition: 1, selector: {kind: ConfigMap}}, {fieldPath: metadata/namespace}]\n",
            ])),
            9 => ("ReplacementTransformer", "replacements:\n- sourceValue: r\n  targets: [{select: {kind: Widget}, fieldPaths: [spec.title], options: {create: true}}]\n"),
            _ => ("PatchStrategicMergeTransformer", "patches: |-\n  apiVersion: v1\n  kind: ConfigMap\n  metadata: {name: web}\n  data: {m: n}\n"),
        };
        let metadata = if kind == "NamespaceTransformer" { ", namespace: apps" } else { "" };
        format!("apiVersion: builtin\nkind: {kind}\nmetadata: {{name: t{index}{metadata}}}\n{settings}")
    }

    fn object(&mut self) -> Option<String> {
        let random = &mut self.random;
        let kind = random.pick(KINDS);
        let name = if kind == "CustomResourceDefinition" { "widgets.example.com" } else { random.pick(NAMES) };
        let namespace = if random.one_in(4) { random.pick(NAMESPACES) } else { "" };
        // Two of one name are refused sooner or later; now and then that is wanted.
        if self.known.iter().any(|(of_kind, named, _)| of_kind == kind && (named == name || kind == "Namespace")) && !random.one_in(40) {
            return None;
        }
        self.known.push((kind.to_string(), name.to_string(), namespace.to_string()));
        let mut out = format!("apiVersion: {}\nkind: {kind}\nmetadata:\n  name: {name}\n", api(kind));
        if !namespace.is_empty() {
            let _ = writeln!(out, "  namespace: {namespace}");
        }
        if random.one_in(2) {
            let _ = writeln!(out, "  labels: {}", random.pick(&["{app: web}", "{app: api, n: \"1\"}", "{}", "null", ""]));
        }
        if random.one_in(5) {
            let _ = writeln!(
                out,
                "  annotations: {}",
                random.pick(&[
                    "{note: a}",
                    "{}",
                    "{a.b/c: \"yes\"}",
                    "null",
                    "{config.kubernetes.io/local-config: \"true\"}",
                    "{nginx.ingress.kubernetes.io/auth-secret: db}"
                ])
            );
        }
        if random.one_in(12) && !out.contains("  annotations:") {
            let _ = writeln!(
                out,
                "  annotations: {{odd: {}, {}: x}}",
                random.pick(ODD),
                random.pick(&["k", "a.b/c", "k", "k", "on", "k", "k", "k", "k", "\"1\""])
            );
        }
        if random.one_in(12) && !out.contains("  labels:") {
            let _ = writeln!(
                out,
                "  labels: {{app: {}, {}: x}}",
                random.pick(ODD),
                random.pick(&["k", "\"on\"", "k", "\"1\"", "k", "k", "k", "1"])
            );
        }
        if random.one_in(10) {
            out.push_str("  creationTimestamp: null\n");
        }
        let body = body(random, kind);
        out.push_str(&if random.one_in(4) { in_blocks(&body) } else { body });
        if random.one_in(8) {
            let _ = writeln!(
                out,
                "{}",
                random.pick(&[
                    "status: {}",
                    "status: null",
                    "extra:",
                    "extra: ~",
                    "extra: 1e3",
                    "extra: 0o17",
                    "extra: 1_000",
                    "extra: 2024-01-02",
                    "extra: .5",
                    "extra: on",
                    "extra: 'x: y'"
                ])
            );
        }
        Some(out)
    }
}

/// Writes what is in braces as blocks, where it says the same that way.
fn in_blocks(text: &str) -> String {
    let has_odd = ODD.iter().any(|odd| {
        [" ", ": "].iter().any(|before| text.contains(&format!("{before}{odd},")) || text.contains(&format!("{before}{odd}}}")))
    });
    match go_encoding::yaml::parse(text) {
        Ok(value) if value.is_object() && !has_odd => go_encoding::yaml::to_string(&value),
        _ => text.to_string(),
    }
}

/// Puts objects into a list, but sometimes the last one behind it.
fn listed(random: &mut Random, objects: &[String]) -> String {
    let (inside, behind) = match objects.split_last() {
        Some((last, rest)) if random.one_in(3) => (rest, Some(last)),
        _ => (objects, None),
    };
    let mut out = format!("apiVersion: v1\nkind: {}\nitems:\n", random.pick(&["List", "ConfigMapList"]));
    for object in inside {
        for (at, line) in object.lines().enumerate() {
            let _ = writeln!(out, "{}{line}", if at == 0 { "- " } else { "  " });
        }
    }
    out + &behind.map_or_else(String::new, |object| format!("---\n{object}"))
}

fn api(kind: &str) -> &'static str {
    match kind {
        "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet" => "apps/v1",
        "CronJob" | "Job" => "batch/v1",
        "Ingress" | "NetworkPolicy" => "networking.k8s.io/v1",
        "HorizontalPodAutoscaler" => "autoscaling/v2",
        "PodDisruptionBudget" => "policy/v1",
        "Role" | "RoleBinding" | "ClusterRole" | "ClusterRoleBinding" => "rbac.authorization.k8s.io/v1",
        "CustomResourceDefinition" => "apiextensions.k8s.io/v1",
        "ValidatingWebhookConfiguration" => "admissionregistration.k8s.io/v1",
        "HelmRelease" => "helm.toolkit.fluxcd.io/v2",
        "Widget" => "example.com/v1",
        "StorageClass" => "storage.k8s.io/v1",
        "MutatingWebhookConfiguration" => "admissionregistration.k8s.io/v1",
        "APIService" => "apiregistration.k8s.io/v1",
        "HTTPRoute" => "gateway.networking.k8s.io/v1",
        "OCIRepository" => "source.toolkit.fluxcd.io/v1",
        _ => "v1",
    }
}

fn body(random: &mut Random, kind: &str) -> String {
    let name = random.pick(NAMES);
    match kind {
        "Deployment" | "StatefulSet" | "DaemonSet" => {
            let claims = if kind == "StatefulSet" && random.one_in(2) { ", volumeClaimTemplates: [{metadata: {name: data}}]" } else { "" };
            format!("spec: {{replicas: {}, selector: {{matchLabels: {{app: {name}}}}}, template: {}{claims}}}\n", random.below(4), template(random))
        }
        "ReplicaSet" => format!("spec: {{replicas: {}, selector: {{matchLabels: {{app: {name}}}}}, template: {}}}\n", random.below(4), template(random)),
        "PersistentVolume" => format!("spec: {{storageClassName: {name}, claimRef: {{name: {name}, namespace: apps}}}}\n"),
        "StorageClass" => "provisioner: example.com/disk\nparameters: {fsType: ext4}\n".to_string(),
        "APIService" => format!("spec: {{service: {{name: {name}, namespace: apps}}, group: example.com, version: v1}}\n"),
        "HTTPRoute" => format!("spec: {{parentRefs: [{{name: {name}}}], rules: [{{backendRefs: [{{name: {name}, port: 80}}]}}]}}\n"),
        "OCIRepository" => format!("spec:\n  interval: 1h\n  url: oci://example.com/{name}\n  ref: {{tag: {}}}\n  secretRef: {{name: {name}}}\n", random.pick(&["1.2.3", "1.10", "\"1.10\"", "v1"])),
        "Endpoints" => "subsets: [{addresses: [{ip: 10.0.0.1}], ports: [{port: 80}]}]\n".to_string(),
        "Job" => format!("spec: {{template: {}}}\n", template(random)),
        "CronJob" => format!("spec: {{schedule: \"* * * * *\", jobTemplate: {{spec: {{template: {}}}}}}}\n", template(random)),
        "Pod" => format!("spec: {}\n", pod(random)),
        "Service" => format!("spec: {{selector: {{app: {name}}}, ports: [{{port: 80{}}}, {{port: 443, protocol: TCP, name: tls}}]}}\n", random.pick(&["", ", protocol: TCP", ", name: http"])),
        "ConfigMap" if random.one_in(4) => {
            let key = random.pick(&["c", "c", "c", "c", "c", "c", "\"1\"", "on", "1", "true", "null"]);
            let mut odd = || random.pick(ODD);
            format!("data: {{a: {}, b: {}, {key}: {}}}\n", odd(), odd(), odd())
        }
        "ConfigMap" => format!("data: {{a: {}, b: \"{}\"}}\n", random.pick(&["x", "\"x\"", "'x'", "\"1\"", "img:v1", "\"img:v1\"", "\"true\""]), random.below(100)),
        "Secret" => random.pick(&["data: {a: eA==}\n", "stringData: {a: x}\n", "type: kubernetes.io/tls\ndata: {}\n"]).to_string(),
        "Ingress" => format!("spec: {{tls: [{{secretName: {name}}}], rules: [{{host: h, http: {{paths: [{{backend: {{service: {{name: {name}}}}}}}]}}}}]}}\n"),
        "HorizontalPodAutoscaler" => format!("spec: {{scaleTargetRef: {{kind: Deployment, name: {name}}}, metrics: [{{type: Resource}}]}}\n"),
        "RoleBinding" | "ClusterRoleBinding" => format!(
            "roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: {}, name: {name}}}\nsubjects: [{{kind: ServiceAccount, name: {}{}}}]\n",
            random.pick(&["Role", "ClusterRole"]),
            random.pick(&["default", "web", "api"]),
            random.pick(&["", ", namespace: apps", ", namespace: infra"]),
        ),
        "Role" | "ClusterRole" => format!("rules: [{{resources: [secrets], resourceNames: [{name}]}}]\n"),
        "NetworkPolicy" => format!("spec: {{podSelector: {{matchLabels: {{app: {name}}}}}, ingress: [{{from: [{{podSelector: {{matchLabels: {{app: x}}}}}}]}}]}}\n"),
        "PodDisruptionBudget" => format!("spec: {{selector: {{matchLabels: {{app: {name}}}}}}}\n"),
        "CustomResourceDefinition" => "spec: {group: example.com, scope: Cluster, names: {kind: Widget, plural: widgets}, conversion: {webhook: {clientConfig: {service: {name: web, namespace: apps}}}}}\n".to_string(),
        "ValidatingWebhookConfiguration" | "MutatingWebhookConfiguration" => format!("webhooks: [{{name: a.b.c, clientConfig: {{service: {{name: {name}, namespace: apps}}}}}}]\n"),
        "HelmRelease" => format!("spec: {{chartRef: {{kind: OCIRepository, name: {name}}}, valuesFrom: [{{kind: ConfigMap, name: settings}}], values: {{a: {{b: {}, c: {}}}}}}}\n", random.pick(&["1", "null", "1.5", "\"08\""]), random.pick(&["~", "{}", "[]", "yes"])),
        "Widget" => format!(
            "spec:\n  configName: {}\n  image: {}\n  title: t\n  list: [a, b]\n  map: {{k: {}}}\n  empty:\n  ref: {{apiVersion: apps/v1, kind: Deployment, spec: {{template: {}}}}}\n",
            random.pick(&["settings", "web"]),
            random.pick(&["img", "img:v1", "\"img\"", "'img:v1'"]),
            if random.one_in(3) { random.pick(ODD) } else { random.pick(&["v", "\"1\"", "null"]) },
            template(random)
        ),
        _ => String::new(),
    }
}

fn template(random: &mut Random) -> String {
    format!("{{metadata: {{labels: {{app: {}}}}}, spec: {}}}", random.pick(NAMES), pod(random))
}

fn pod(random: &mut Random) -> String {
    let mut out = "{containers: [".to_string();
    for index in 0..=random.below(2) {
        if index > 0 {
            out.push_str(", ");
        }
        let _ = write!(
            out,
            "{{name: {}, image: {}",
            random.pick(&["web", "side"]),
            random.pick(&["img", "img:v1", "example.com/img:v1", "img@sha256:2222", "localhost:5000/img:v1@sha256:3333", "imgx:v1"])
        );
        out.push_str(random.pick(&["", ", args: [--one, $(A0), $$(A1)]", ", command: null", ", resources: {}"]));
        out.push_str(random.pick(&[
            "",
            ", env: [{name: A, value: \"1\"}, {name: B, valueFrom: {configMapKeyRef: {name: settings, key: a}}}]",
            ", env: [{name: A, value: $(A0)}, {name: C, value: c-$(A1)-$(A2)}]",
            ", envFrom: [{configMapRef: {name: web}}, {secretRef: {name: settings}}]",
        ]));
        out.push_str(random.pick(&[
            "",
            ", ports: [{containerPort: 80}, {containerPort: 81, protocol: UDP}]",
            ", ports: [{containerPort: 80, protocol: TCP, name: http}]",
            ", ports: [{containerPort: 81, protocol: TCP}, {containerPort: 80, protocol: UDP}]",
        ]));
        out.push_str(random.pick(&[
            "",
            ", volumeMounts: [{name: data, mountPath: /data}, {name: tmp, mountPath: /tmp}]",
            ", volumeMounts: [{name: tmp, mountPath: /data}]",
        ]));
        out.push('}');
    }
    out.push(']');
    out.push_str(random.pick(&["", ", serviceAccountName: web", ", serviceAccountName: api"]));
    out.push_str(random.pick(&[
        "",
        ", volumes: [{name: data, configMap: {name: settings}}, {name: tmp, emptyDir: {}}]",
        ", volumes: [{name: tmp, secret: {secretName: web}}]",
        ", volumes: [{name: data, persistentVolumeClaim: {claimName: db}}]",
        ", volumes: [{name: data, emptyDir: null}]",
    ]));
    out.push_str(random.pick(&[
        "",
        ", initContainers: [{name: init, image: img:v1}]",
        ", tolerations: [{key: a}]",
        ", imagePullSecrets: [{name: web}]",
        ", topologySpreadConstraints: [{topologyKey: zone, whenUnsatisfiable: DoNotSchedule, maxSkew: 1}]",
    ]));
    out.push('}');
    out
}
