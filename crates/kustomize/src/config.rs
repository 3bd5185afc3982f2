//! Which fields the transformers touch: kustomize's defaults (`api/internal/konfig/builtinpluginconsts`) and what `configurations` add.

use std::sync::OnceLock;

use serde::Deserialize;

use crate::error::Error;
use crate::fields::FieldSpec;
use crate::kustomization::Place;
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
    pub(crate) var_reference: Vec<FieldSpec>,
}

/// One of the lists of a configuration.
type List = (fn(&Config) -> &Vec<FieldSpec>, fn(&mut Config) -> &mut Vec<FieldSpec>);

const LISTS: [List; 10] = [
    (|config| &config.name_prefix, |config| &mut config.name_prefix),
    (|config| &config.name_suffix, |config| &mut config.name_suffix),
    (|config| &config.namespace, |config| &mut config.namespace),
    (|config| &config.labels, |config| &mut config.labels),
    (|config| &config.common_labels, |config| &mut config.common_labels),
    (|config| &config.template_labels, |config| &mut config.template_labels),
    (|config| &config.common_annotations, |config| &mut config.common_annotations),
    (|config| &config.images, |config| &mut config.images),
    (|config| &config.replicas, |config| &mut config.replicas),
    (|config| &config.var_reference, |config| &mut config.var_reference),
];

impl Config {
    pub(crate) fn parse(file: &str, text: &[u8]) -> Result<Config, Error> {
        let mut config = Config::default();
        for node in read::nodes(file, text)? {
            // Unlike objects it is read as Kubernetes reads YAML: `y` is true.
            let value = node.to_value().map_err(|error| Error::at(&Place::of(file, &node), error.to_string()))?;
            if value.is_null() {
                continue;
            }
            let read = crate::folded::from_value(value).map_err(|error| Error::at(&Place::of(file, &node), error.to_string()))?;
            config.merge(read).map_err(|message| Error::path(file, message))?;
        }
        Ok(config)
    }

    /// Adds what another configuration adds to the defaults.
    pub(crate) fn merge(&mut self, mut other: Config) -> Result<(), String> {
        for (list, list_mut) in LISTS {
            for field in std::mem::take(list_mut(&mut other)) {
                add(list_mut(self), field, list(defaults()))?;
            }
        }
        for reference in other.name_reference {
            self.add_reference(reference)?;
        }
        Ok(())
    }

    fn add_reference(&mut self, reference: NameReference) -> Result<(), String> {
        let is_same =
            |other: &&NameReference| (&other.group, &other.version, &other.kind) == (&reference.group, &reference.version, &reference.kind);
        let defaults = crate::references::defaults().iter().find(is_same).map_or(&[][..], |found| &found.field_specs);
        let at = self.name_reference.iter().position(|other| is_same(&other)).unwrap_or(self.name_reference.len());
        if at == self.name_reference.len() {
            self.name_reference.push(NameReference { field_specs: Vec::new(), ..reference.clone() });
        }
        let into = &mut self.name_reference[at].field_specs;
        reference.field_specs.into_iter().try_for_each(|field| add(into, field, defaults))
    }

    /// Returns the defaults and what was added to them.
    pub(crate) fn all(&self, list: fn(&Config) -> &Vec<FieldSpec>) -> Vec<FieldSpec> {
        list(defaults()).iter().chain(list(self)).cloned().collect()
    }

    /// Returns where labels go that are not meant for selectors alone.
    pub(crate) fn label_fields(&self, own: Vec<FieldSpec>, selectors: bool, templates: bool) -> Result<Vec<FieldSpec>, String> {
        let mut fields = own;
        let mut extend = |more: Vec<FieldSpec>| more.into_iter().try_for_each(|field| add(&mut fields, field, &[]));
        extend(self.all(|config| &config.labels))?;
        if selectors {
            extend(self.all(|config| &config.common_labels))?;
        } else {
            if templates {
                extend(self.all(|config| &config.template_labels))?;
            }
            extend(specs(&[("", "", "metadata/labels", true)]))?;
        }
        Ok(fields)
    }
}

/// Adds a field unless it is there (`api/types/fieldspec.go`, MergeOne).
fn add(into: &mut Vec<FieldSpec>, field: FieldSpec, defaults: &[FieldSpec]) -> Result<(), String> {
    let covers = |wanted: &str, is: &str| wanted.is_empty() || wanted == is;
    let is_same = |other: &&FieldSpec| {
        other.path == field.path
            && covers(&field.group, &other.group)
            && covers(&field.version, &other.version)
            && covers(&field.kind, &other.kind)
    };
    match defaults.iter().chain(&*into).find(is_same) {
        Some(other) if other.create != field.create => {
            Err(format!("conflicting fieldspecs: {} is there with another value of create", field.path))
        }
        Some(_) => Ok(()),
        None => {
            into.push(field);
            Ok(())
        }
    }
}

/// What kustomize touches without being told.
fn defaults() -> &'static Config {
    static DEFAULTS: OnceLock<Config> = OnceLock::new();
    let made = || Config {
        name_prefix: specs(&[("", "", "metadata/name", false)]),
        name_suffix: specs(&[("", "", "metadata/name", false)]),
        namespace: specs(&[
            ("", "Namespace", "metadata/name", true),
            ("apiregistration.k8s.io", "APIService", "spec/service/namespace", true),
            ("apiextensions.k8s.io", "CustomResourceDefinition", "spec/conversion/webhook/clientConfig/service/namespace", false),
        ]),
        common_labels: label_fields(true),
        template_labels: label_fields(false),
        common_annotations: annotation_fields(),
        images: image_fields(),
        replicas: REPLICATED.iter().map(|kind| FieldSpec::new("", kind, "spec/replicas", true)).collect(),
        var_reference: var_fields(),
        ..Config::default()
    };
    DEFAULTS.get_or_init(made)
}

const REPLICATED: [&str; 4] = ["Deployment", "ReplicationController", "ReplicaSet", "StatefulSet"];

fn image_fields() -> Vec<FieldSpec> {
    let fields = ["containers[]/image", "initContainers[]/image", "volumes[]/image/reference"];
    let of = |pod: &'static str| fields.iter().map(move |field| FieldSpec::new("", "", &format!("{pod}/{field}"), true));
    of("spec").chain(of("spec/template/spec")).collect()
}

/// `vars.txt` has kind and field.
fn var_fields() -> Vec<FieldSpec> {
    let of = |line: &str| {
        let (kind, path) = line.split_once(' ')?;
        Some(FieldSpec::new("", if kind == "-" { "" } else { kind }, path, false))
    };
    include_str!("vars.txt").lines().filter_map(of).collect()
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

/// Returns where labels go: on the object itself and on templates, on selectors as asked.
fn label_fields(selectors: bool) -> Vec<FieldSpec> {
    let mut fields = specs(&[("", "", "metadata/labels", true)]);
    if selectors {
        fields.extend(specs(SELECTORS));
    }
    fields.extend(template_fields("metadata/labels"));
    fields.extend(specs(&[
        ("apps", "StatefulSet", "spec/volumeClaimTemplates[]/metadata/labels", true),
        ("batch", "CronJob", "spec/jobTemplate/metadata/labels", true),
    ]));
    in_their_version(fields)
}

/// Returns where annotations go.
fn annotation_fields() -> Vec<FieldSpec> {
    let mut fields = specs(&[("", "", "metadata/annotations", true), ("batch", "CronJob", "spec/jobTemplate/metadata/annotations", true)]);
    fields.extend(template_fields("metadata/annotations"));
    // Labels ask for the group of a StatefulSet, annotations do not.
    fields.push(FieldSpec::new("", "StatefulSet", "spec/template/metadata/annotations", true));
    in_their_version(fields)
}

/// Of two kinds labels and annotations ask for the version (`api/internal/konfig/builtinpluginconsts/commonlabels.go`, commonannotations.go).
fn in_their_version(mut fields: Vec<FieldSpec>) -> Vec<FieldSpec> {
    for field in fields.iter_mut().filter(|field| ["Service", "ReplicationController"].contains(&field.kind.as_str())) {
        field.version = "v1".into();
    }
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
