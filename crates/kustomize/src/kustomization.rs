//! The kustomization file: its fields with their places. Unknown fields are errors, as in kustomize; fields that need charts are
//! refused by name.

use std::collections::BTreeMap;

use go_encoding::yaml::node::{Data, Node};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::Error;
use crate::fields::FieldSpec;
use crate::read;
use crate::scalar;
use crate::vars::Var;

/// A place in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) file: String,
    pub(crate) line: usize,
    pub(crate) column: usize,
}

impl Place {
    pub(crate) fn of(file: &str, node: &Node) -> Place {
        Place { file: file.to_string(), line: node.line, column: node.column }
    }

    pub(crate) fn start(file: &str) -> Place {
        Place { file: file.to_string(), line: 1, column: 1 }
    }
}

/// Something and where it is written.
#[derive(Debug, Clone)]
pub(crate) struct Placed<T> {
    pub(crate) value: T,
    pub(crate) place: Place,
}

/// What a Flux Kustomization adds to the kustomization file at its path.
#[derive(Debug, Clone, Default)]
pub struct Overlay {
    /// `spec.targetNamespace`, which replaces `namespace`.
    pub namespace: Option<String>,
    /// `spec.namePrefix`, which replaces the file's.
    pub name_prefix: Option<String>,
    /// `spec.nameSuffix`, which replaces the file's.
    pub name_suffix: Option<String>,
    /// `spec.patches`, appended.
    pub patches: Vec<PatchEntry>,
    /// `spec.components`, appended.
    pub components: Vec<String>,
    /// `spec.images`, whose fields replace those of the same name.
    pub images: Vec<Image>,
    /// `spec.buildMetadata`, which replaces the file's.
    pub build_metadata: Vec<String>,
    /// Whether objects say where they come from when the file lists no resources. kustomize-controller does so to keep kustomize from
    /// refusing an empty file (`fluxcd/pkg/kustomize` 1.35 `kustomize_generator.go`).
    pub marks_generated: bool,
    /// Whether components that are not there are passed over.
    pub ignore_missing_components: bool,
    /// The file in which the Flux Kustomization is written.
    pub file: String,
    /// The line of the Flux Kustomization.
    pub line: usize,
}

/// One entry of `patches`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PatchEntry {
    /// The file that holds the patch.
    pub path: Option<String>,
    /// The patch itself.
    pub patch: Option<String>,
    /// What it applies to.
    pub target: Option<Target>,
    /// What it may change beyond the usual.
    #[serde(default)]
    pub options: BTreeMap<String, bool>,
    /// The file and line of the text of `patch`.
    #[serde(skip)]
    pub origin: Option<(String, usize)>,
}

/// Selects objects; empty fields select everything. Names are whole regular expressions.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Target {
    /// The API group.
    pub group: Option<String>,
    /// The API version.
    pub version: Option<String>,
    /// The kind.
    pub kind: Option<String>,
    /// The name.
    pub name: Option<String>,
    /// The namespace.
    pub namespace: Option<String>,
    /// A label selector.
    pub label_selector: Option<String>,
    /// A selector over annotations, in the syntax of labels.
    pub annotation_selector: Option<String>,
}

impl Target {
    pub(crate) fn has_selectors(&self) -> bool {
        [&self.label_selector, &self.annotation_selector].iter().any(|field| field.as_deref().is_some_and(|text| !text.is_empty()))
    }

    pub(crate) fn has_identity(&self) -> bool {
        let fields = [&self.group, &self.version, &self.kind, &self.name, &self.namespace];
        fields.iter().any(|field| field.as_deref().is_some_and(|text| !text.is_empty()))
    }
}

/// One entry of `images`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Image {
    /// The image as it is written.
    #[serde(default)]
    pub name: String,
    /// What replaces its name.
    pub new_name: Option<String>,
    /// What replaces its tag.
    pub new_tag: Option<String>,
    /// What replaces tag or digest.
    pub digest: Option<String>,
    /// Appended to the present tag.
    pub tag_suffix: Option<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Labels {
    #[serde(default)]
    pub(crate) pairs: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) include_selectors: bool,
    #[serde(default)]
    pub(crate) include_templates: bool,
    #[serde(default)]
    pub(crate) fields: Vec<FieldSpec>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct GeneratorOptions {
    #[serde(default)]
    pub(crate) labels: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) annotations: BTreeMap<String, String>,
    pub(crate) disable_name_suffix_hash: Option<bool>,
    pub(crate) immutable: Option<bool>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Generator {
    #[serde(default)]
    pub(crate) name: String,
    pub(crate) namespace: Option<String>,
    pub(crate) behavior: Option<String>,
    #[serde(default)]
    pub(crate) literals: Vec<String>,
    #[serde(default)]
    pub(crate) files: Vec<String>,
    #[serde(default)]
    pub(crate) envs: Vec<String>,
    pub(crate) env: Option<String>,
    pub(crate) options: Option<GeneratorOptions>,
    #[serde(rename = "type")]
    pub(crate) secret_type: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Replica {
    #[serde(default)]
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) count: i64,
}

/// What a kustomization says of itself, which means nothing.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "it is read to refuse what is wrong")]
struct Metadata {
    name: Option<String>,
    namespace: Option<String>,
    labels: Option<BTreeMap<String, String>>,
    annotations: Option<BTreeMap<String, String>>,
}

/// What is set for all charts.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[expect(dead_code, reason = "it is read to refuse what is wrong")]
struct HelmGlobals {
    chart_home: Option<String>,
    config_home: Option<String>,
}

/// An entry of the old `patchesJson6902`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Json6902 {
    target: Target,
    path: Option<String>,
    patch: Option<String>,
}

/// A kustomization file.
#[derive(Debug, Clone, Default)]
pub(crate) struct Kustomization {
    pub(crate) file: String,
    pub(crate) is_component: bool,
    /// Whether nothing is set but version and kind, which kustomize refuses.
    pub(crate) is_empty: bool,
    pub(crate) resources: Vec<Placed<String>>,
    pub(crate) components: Vec<Placed<String>>,
    pub(crate) configurations: Vec<Placed<String>>,
    pub(crate) crds: Vec<Placed<String>>,
    pub(crate) openapi: Option<Placed<BTreeMap<String, String>>>,
    pub(crate) namespace: Option<String>,
    pub(crate) name_prefix: Option<String>,
    pub(crate) name_suffix: Option<String>,
    pub(crate) labels: Vec<Placed<Labels>>,
    pub(crate) common_labels: BTreeMap<String, String>,
    pub(crate) common_annotations: BTreeMap<String, String>,
    pub(crate) images: Vec<Placed<Image>>,
    pub(crate) replicas: Vec<Placed<Replica>>,
    pub(crate) patches: Vec<Placed<PatchEntry>>,
    pub(crate) strategic: Vec<Placed<String>>,
    pub(crate) json6902: Vec<Placed<PatchEntry>>,
    pub(crate) config_maps: Vec<Placed<Generator>>,
    pub(crate) secrets: Vec<Placed<Generator>>,
    pub(crate) generator_options: GeneratorOptions,
    pub(crate) replacements: Vec<Placed<Value>>,
    pub(crate) sort: Option<SortOptions>,
    pub(crate) build_metadata: Vec<String>,
    pub(crate) vars: Vec<Placed<Var>>,
    pub(crate) generators: Vec<Placed<String>>,
    pub(crate) transformers: Vec<Placed<String>>,
    pub(crate) validators: Vec<Placed<String>>,
}

/// In which order a build is printed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct SortOptions {
    #[serde(default)]
    pub(crate) order: String,
    pub(crate) legacy_sort_options: Option<LegacySort>,
}

/// The kinds that come first and last.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub(crate) struct LegacySort {
    pub(crate) order_first: Vec<String>,
    pub(crate) order_last: Vec<String>,
}

/// The names a kustomization file may have.
pub const FILE_NAMES: [&str; 3] = ["kustomization.yaml", "kustomization.yml", "Kustomization"];

/// Returns the name of a field. Upper and lower case are one in JSON as Go reads it.
fn canonical(name: &str) -> &str {
    FIELDS.into_iter().find(|field| field.eq_ignore_ascii_case(name)).unwrap_or(name)
}

const FIELDS: [&str; 34] = [
    "apiVersion",
    "kind",
    "metadata",
    "sortOptions",
    "resources",
    "bases",
    "components",
    "buildMetadata",
    "vars",
    "generators",
    "transformers",
    "validators",
    "crds",
    "openapi",
    "configurations",
    "namespace",
    "namePrefix",
    "nameSuffix",
    "labels",
    "commonLabels",
    "commonAnnotations",
    "images",
    "imageTags",
    "replicas",
    "patches",
    "patchesStrategicMerge",
    "patchesJson6902",
    "configMapGenerator",
    "secretGenerator",
    "replacements",
    "generatorOptions",
    "helmChartInflationGenerator",
    "helmCharts",
    "helmGlobals",
];

const REFUSED: [&str; 2] = ["helmChartInflationGenerator", "helmCharts"];

impl Kustomization {
    pub(crate) fn parse(file: &str, text: &[u8]) -> Result<Kustomization, Error> {
        let nodes = read::nodes(file, text)?;
        let mut kustomization = Kustomization { file: file.to_string(), is_empty: true, ..Kustomization::default() };
        // Further documents are not looked at, as in kustomize.
        let mut documents = nodes.iter().filter(|node| !matches!(&node.data, Data::Scalar { value: Value::Null, .. }));
        let Some(root) = documents.next() else {
            return Err(Error::path(file, "kustomization file is empty"));
        };
        let Data::Mapping(entries) = &root.data else {
            return Err(Error::at(&Place::of(file, root), "a kustomization file must be a mapping"));
        };
        for (at, (key, node)) in entries.iter().enumerate() {
            // Of equal keys the last one counts.
            if entries[at + 1..].iter().any(|(later, _)| later.text() == key.text()) {
                continue;
            }
            kustomization.field(key, node)?;
            let is_set = !matches!(&node.data, Data::Scalar { value, .. } if value.is_null() || value == "");
            kustomization.is_empty &= !is_set || matches!(canonical(key.text().unwrap_or("")), "apiVersion" | "kind");
        }
        kustomization.enforce(root)?;
        Ok(kustomization)
    }

    /// Refuses other kinds and versions (`api/types/kustomization.go`, EnforceFields).
    fn enforce(&self, root: &Node) -> Result<(), Error> {
        let text = |key: &str| root.get(key).and_then(Node::text).filter(|text| !text.is_empty());
        let fail = |key: &str, message: &str| {
            Err(Error::at(&root.get(key).map_or_else(|| Place::start(&self.file), |node| Place::of(&self.file, node)), message))
        };
        let wanted = match text("kind") {
            None | Some("Kustomization") => "kustomize.config.k8s.io/v1beta1",
            Some("Component") => "kustomize.config.k8s.io/v1alpha1",
            Some(_) => return fail("kind", "the kind of a kustomization file is Kustomization or Component"),
        };
        match text("apiVersion") {
            Some(version) if version != wanted => fail("apiVersion", &format!("the apiVersion here is {wanted}")),
            _ => Ok(()),
        }
    }

    fn field(&mut self, key: &Node, node: &Node) -> Result<(), Error> {
        let file = self.file.clone();
        let name = canonical(key.text().unwrap_or(""));
        match name {
            "apiVersion" => {}
            "metadata" => drop(one::<Metadata>(&file, node)?),
            // Without an order they are refused, and not as good as none.
            "sortOptions" if matches!(node.data, Data::Mapping(_)) => self.sort = Some(one(&file, node)?.unwrap_or_default()),
            "sortOptions" => self.sort = one(&file, node)?,
            "kind" => self.is_component = node.text() == Some("Component"),
            // What the older fields list comes last, wherever they stand.
            "resources" => drop(self.resources.splice(0..0, items(&file, node)?)),
            "bases" => self.resources.extend(items(&file, node)?),
            "components" => self.components = items(&file, node)?,
            "buildMetadata" => self.build_metadata = one(&file, node)?.unwrap_or_default(),
            "vars" => self.vars = items(&file, node)?,
            "generators" => self.generators = items(&file, node)?,
            "transformers" => self.transformers = items(&file, node)?,
            "validators" => self.validators = items(&file, node)?,
            "crds" => self.crds = items(&file, node)?,
            "openapi" => self.openapi = one(&file, node)?.map(|value| Placed { value, place: Place::of(&file, node) }),
            "configurations" => self.configurations = items(&file, node)?,
            "namespace" => self.namespace = text(&file, node)?,
            "namePrefix" => self.name_prefix = text(&file, node)?,
            "nameSuffix" => self.name_suffix = text(&file, node)?,
            "labels" => self.labels = items(&file, node)?,
            "commonLabels" => self.common_labels = one(&file, node)?.unwrap_or_default(),
            "commonAnnotations" => self.common_annotations = one(&file, node)?.unwrap_or_default(),
            "images" => drop(self.images.splice(0..0, items(&file, node)?)),
            "imageTags" => self.images.extend(items(&file, node)?),
            "replicas" => self.replicas = items(&file, node)?,
            "patches" => {
                self.patches = items(&file, node)?;
                if let Data::Sequence(nodes) = &node.data {
                    for (patch, node) in self.patches.iter_mut().zip(nodes) {
                        patch.value.origin = node.get("patch").map(|text| (file.clone(), text.line));
                    }
                }
            }
            "patchesStrategicMerge" => self.strategic = items(&file, node)?,
            "patchesJson6902" => {
                self.json6902 = items::<Json6902>(&file, node)?
                    .into_iter()
                    .map(|Placed { value, place }| {
                        let Json6902 { target, path, patch } = value;
                        Placed { value: PatchEntry { path, patch, target: Some(target), options: BTreeMap::new(), origin: None }, place }
                    })
                    .collect();
            }
            "configMapGenerator" => {
                self.config_maps = items::<Generator>(&file, node)?;
                if let Some(Placed { place, .. }) = self.config_maps.iter().find(|entry| entry.value.secret_type.is_some()) {
                    return Err(Error::at(place, "unknown field `type` of a ConfigMap: only Secrets have one"));
                }
            }
            // Only charts need them.
            "helmGlobals" => drop(one::<HelmGlobals>(&file, node)?),
            "secretGenerator" => self.secrets = items(&file, node)?,
            "replacements" => self.replacements = items(&file, node)?,
            "generatorOptions" => self.generator_options = one(&file, node)?.unwrap_or_default(),
            name if REFUSED.contains(&name) => {
                return if is_empty(node) {
                    Ok(())
                } else {
                    Err(Error::at(
                        &Place::of(&file, key),
                        format!("{name} is not supported; build that part beforehand and list its output"),
                    ))
                };
            }
            name => return Err(Error::at(&Place::of(&file, key), format!("unknown field {name:?} of a kustomization"))),
        }
        Ok(())
    }

    /// Merges the fields of a Flux Kustomization, as `fluxcd/pkg/kustomize` `kustomize_generator.go` does.
    pub(crate) fn overlay(&mut self, overlay: &Overlay) {
        let place = Place { file: overlay.file.clone(), line: overlay.line.max(1), column: 1 };
        let placed = |value: PatchEntry| Placed { value, place: place.clone() };
        self.namespace = overlay.namespace.clone().or(self.namespace.take());
        self.name_prefix = overlay.name_prefix.clone().or(self.name_prefix.take());
        self.name_suffix = overlay.name_suffix.clone().or(self.name_suffix.take());
        self.patches.extend(overlay.patches.iter().cloned().map(placed));
        self.components.extend(overlay.components.iter().map(|path| Placed { value: path.clone(), place: place.clone() }));
        self.is_empty &= overlay.namespace.is_none()
            && overlay.name_prefix.is_none()
            && overlay.name_suffix.is_none()
            && overlay.patches.is_empty()
            && overlay.components.is_empty()
            && overlay.images.is_empty();
        for image in &overlay.images {
            match self.images.iter_mut().find(|present| present.value.name == image.name) {
                Some(present) => present.value.override_with(image),
                None => self.images.push(Placed { value: image.clone(), place: place.clone() }),
            }
        }
        if !overlay.build_metadata.is_empty() {
            self.build_metadata = overlay.build_metadata.clone();
        }
    }
}

impl Image {
    /// Takes over what another one sets; tag and digest go together.
    fn override_with(&mut self, other: &Image) {
        let is_set = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.is_empty());
        if is_set(&other.new_name) {
            self.new_name.clone_from(&other.new_name);
        }
        if is_set(&other.new_tag) || is_set(&other.digest) {
            self.new_tag.clone_from(&other.new_tag);
            self.digest.clone_from(&other.digest);
        }
    }
}

fn is_empty(node: &Node) -> bool {
    match &node.data {
        Data::Scalar { value, .. } => value.is_null(),
        Data::Sequence(items) => items.is_empty(),
        Data::Mapping(entries) => entries.is_empty(),
    }
}

fn one<T: DeserializeOwned>(file: &str, node: &Node) -> Result<Option<T>, Error> {
    if is_empty(node) {
        return Ok(None);
    }
    let fail = |message: String| Error::at(&Place::of(file, node), message);
    // The kustomization file, unlike the objects, is read as Kubernetes reads YAML: `yes` is true.
    let mut value = node.to_value().map_err(|error| fail(error.to_string()))?;
    scalar::as_from_json(&mut value);
    crate::folded::from_value(value).map(Some).map_err(|error| fail(error.to_string()))
}

fn text(file: &str, node: &Node) -> Result<Option<String>, Error> {
    Ok(one::<String>(file, node)?.filter(|text| !text.is_empty()))
}

fn items<T: DeserializeOwned>(file: &str, node: &Node) -> Result<Vec<Placed<T>>, Error> {
    let nodes = match &node.data {
        Data::Sequence(nodes) => nodes,
        _ if is_empty(node) => return Ok(Vec::new()),
        _ => return Err(Error::at(&Place::of(file, node), "expected a list")),
    };
    let item = |node: &Node| -> Result<Placed<T>, Error> {
        let value = one(file, node)?.ok_or_else(|| Error::at(&Place::of(file, node), "an entry is empty"))?;
        Ok(Placed { value, place: Place::of(file, node) })
    };
    nodes.iter().map(item).collect()
}
