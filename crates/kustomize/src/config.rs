//! Which fields the transformers touch: kustomize's defaults (`api/internal/konfig/builtinpluginconsts`) and what `configurations` add.

use serde::Deserialize;

use crate::error::Error;
use crate::fields::FieldSpec;
use crate::read;

/// A kind and the fields of other kinds that hold names of it.
#[derive(Debug, Clone, Default, Deserialize, PartialEq)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct NameReference {
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) kind: String,
    pub(crate) field_specs: Vec<FieldSpec>,
}

/// Fields added by `configurations`.
#[derive(Debug, Clone, Default, Deserialize, PartialEq)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Config {
    pub(crate) name_prefix: Vec<FieldSpec>,
    pub(crate) name_suffix: Vec<FieldSpec>,
    pub(crate) namespace: Vec<FieldSpec>,
    pub(crate) labels: Vec<FieldSpec>,
    pub(crate) common_labels: Vec<FieldSpec>,
    pub(crate) template_labels: Vec<FieldSpec>,
    pub(crate) common_annotations: Vec<FieldSpec>,
    pub(crate) name_reference: Vec<NameReference>,
    pub(crate) images: Vec<FieldSpec>,
    pub(crate) replicas: Vec<FieldSpec>,
    var_reference: Vec<FieldSpec>,
}

impl Config {
    pub(crate) fn parse(file: &str, text: &[u8]) -> Result<Config, Error> {
        let mut config = Config::default();
        for manifest in read::manifests(file, text)? {
            config.merge(serde_json::from_value(manifest.value).map_err(|error| Error::path(file, error.to_string()))?);
        }
        Ok(config)
    }

    pub(crate) fn merge(&mut self, other: Config) {
        fn add<T: PartialEq>(into: &mut Vec<T>, from: Vec<T>) {
            from.into_iter().for_each(|item| {
                if !into.contains(&item) {
                    into.push(item);
                }
            });
        }
        add(&mut self.name_prefix, other.name_prefix);
        add(&mut self.name_suffix, other.name_suffix);
        add(&mut self.namespace, other.namespace);
        add(&mut self.labels, other.labels);
        add(&mut self.common_labels, other.common_labels);
        add(&mut self.template_labels, other.template_labels);
        add(&mut self.common_annotations, other.common_annotations);
        add(&mut self.name_reference, other.name_reference);
        add(&mut self.images, other.images);
        add(&mut self.replicas, other.replicas);
    }
}

fn specs(table: &[(&str, &str, &str, bool)]) -> Vec<FieldSpec> {
    table.iter().map(|(group, kind, path, create)| FieldSpec::new(group, kind, path, *create)).collect()
}

/// Kinds with a pod template, and where it is.
const WORKLOADS: &[(&str, &str, &str)] = &[
    ("", "ReplicationController", "spec/template"),
    ("", "DaemonSet", "spec/template"),
    ("", "Deployment", "spec/template"),
    ("", "ReplicaSet", "spec/template"),
    ("apps", "StatefulSet", "spec/template"),
    ("batch", "CronJob", "spec/jobTemplate/spec/template"),
    ("batch", "Job", "spec/template"),
];

/// Returns where labels go: everywhere on the object itself, on templates and on selectors as asked.
pub(crate) fn label_fields(selectors: bool, templates: bool, config: &Config) -> Vec<FieldSpec> {
    let mut fields = specs(&[("", "", "metadata/labels", true)]);
    if selectors {
        fields.extend(specs(SELECTORS));
        fields.extend(config.common_labels.iter().cloned());
    }
    if selectors || templates {
        fields.extend(template_fields("metadata/labels"));
        fields.extend(specs(&[
            ("apps", "StatefulSet", "spec/volumeClaimTemplates[]/metadata/labels", true),
            ("batch", "CronJob", "spec/jobTemplate/metadata/labels", true),
        ]));
        if !selectors {
            fields.extend(config.template_labels.iter().cloned());
        }
    }
    fields
}

/// Returns where annotations go.
pub(crate) fn annotation_fields(config: &Config) -> Vec<FieldSpec> {
    let mut fields = specs(&[("", "", "metadata/annotations", true), ("batch", "CronJob", "spec/jobTemplate/metadata/annotations", true)]);
    fields.extend(template_fields("metadata/annotations"));
    // Labels ask for the group of a StatefulSet, annotations do not.
    fields.push(FieldSpec::new("", "StatefulSet", "spec/template/metadata/annotations", true));
    fields.extend(config.common_annotations.iter().cloned());
    fields
}

fn template_fields(last: &str) -> Vec<FieldSpec> {
    WORKLOADS.iter().map(|(group, kind, template)| FieldSpec::new(group, kind, &format!("{template}/{last}"), true)).collect()
}

const SELECTORS: &[(&str, &str, &str, bool)] = &[
    ("", "Service", "spec/selector", true),
    ("", "ReplicationController", "spec/selector", true),
    ("", "Deployment", "spec/selector/matchLabels", true),
    ("", "ReplicaSet", "spec/selector/matchLabels", true),
    ("", "DaemonSet", "spec/selector/matchLabels", true),
    ("apps", "StatefulSet", "spec/selector/matchLabels", true),
    ("batch", "Job", "spec/selector/matchLabels", false),
    ("batch", "CronJob", "spec/jobTemplate/spec/selector/matchLabels", false),
    ("policy", "PodDisruptionBudget", "spec/selector/matchLabels", false),
    ("networking.k8s.io", "NetworkPolicy", "spec/podSelector/matchLabels", false),
    ("networking.k8s.io", "NetworkPolicy", "spec/ingress/from/podSelector/matchLabels", false),
    ("networking.k8s.io", "NetworkPolicy", "spec/egress/to/podSelector/matchLabels", false),
    (
        "apps",
        "Deployment",
        "spec/template/spec/affinity/podAffinity/preferredDuringSchedulingIgnoredDuringExecution/podAffinityTerm/labelSelector/matchLabels",
        false,
    ),
    (
        "apps",
        "Deployment",
        "spec/template/spec/affinity/podAffinity/requiredDuringSchedulingIgnoredDuringExecution/labelSelector/matchLabels",
        false,
    ),
    (
        "apps",
        "Deployment",
        "spec/template/spec/affinity/podAntiAffinity/preferredDuringSchedulingIgnoredDuringExecution/podAffinityTerm/labelSelector/matchLabels",
        false,
    ),
    (
        "apps",
        "Deployment",
        "spec/template/spec/affinity/podAntiAffinity/requiredDuringSchedulingIgnoredDuringExecution/labelSelector/matchLabels",
        false,
    ),
    ("apps", "Deployment", "spec/template/spec/topologySpreadConstraints/labelSelector/matchLabels", false),
    (
        "apps",
        "StatefulSet",
        "spec/template/spec/affinity/podAffinity/preferredDuringSchedulingIgnoredDuringExecution/podAffinityTerm/labelSelector/matchLabels",
        false,
    ),
    (
        "apps",
        "StatefulSet",
        "spec/template/spec/affinity/podAffinity/requiredDuringSchedulingIgnoredDuringExecution/labelSelector/matchLabels",
        false,
    ),
    (
        "apps",
        "StatefulSet",
        "spec/template/spec/affinity/podAntiAffinity/preferredDuringSchedulingIgnoredDuringExecution/podAffinityTerm/labelSelector/matchLabels",
        false,
    ),
    (
        "apps",
        "StatefulSet",
        "spec/template/spec/affinity/podAntiAffinity/requiredDuringSchedulingIgnoredDuringExecution/labelSelector/matchLabels",
        false,
    ),
    ("apps", "StatefulSet", "spec/template/spec/topologySpreadConstraints/labelSelector/matchLabels", false),
];
