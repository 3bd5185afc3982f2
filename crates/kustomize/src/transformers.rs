//! The transformers that the fields of a kustomization stand for, in kustomize's order (`api/internal/target/kusttarget_configplugin.go`).

use std::sync::Arc;

use serde_json::json;

use crate::config::Config;
use crate::error::Error;
use crate::kustomization::{Kustomization, Place};
use crate::openapi::OpenApi;
use crate::resource::Resource;
use crate::transform::{self, Namespace};
use crate::{Files, origin, patches, replacements};

/// Where transformers and generators run.
pub(crate) struct Context<'a> {
    pub(crate) files: &'a dyn Files,
    /// The folder of the kustomization.
    pub(crate) folder: &'a str,
    pub(crate) openapi: &'a Arc<OpenApi>,
    /// The kustomization file as origins name it, where they are noted.
    pub(crate) noted_as: Option<String>,
    /// Whether something is not there: then it is no fault that a patch finds nothing.
    pub(crate) is_incomplete: bool,
}

impl Context<'_> {
    /// Returns the origin of what a built-in plugin makes, where origins are noted.
    pub(crate) fn origin(&self, kind: &str) -> Option<String> {
        Some(origin::of_plugin(self.noted_as.as_ref()?, &json!({"apiVersion": "builtin", "kind": kind})))
    }

    fn ran(&self, kind: &str, resources: &mut [Resource]) {
        if let Some(by) = self.origin(kind) {
            origin::transformed(resources, &by);
        }
    }
}

pub(crate) fn run(context: &Context<'_>, of: &Kustomization, config: &Config, resources: &mut Vec<Resource>) -> Result<(), Error> {
    patch(context, of, resources)?;
    names(context, of, config, resources)?;
    labels(context, of, config, resources)?;
    for entry in &of.json6902 {
        patches::json6902(context.files, context.folder, entry, resources)?;
        context.ran("PatchJson6902Transformer", resources);
    }
    for entry in &of.replicas {
        let fields = config.all(|config| &config.replicas);
        transform::replicas(&entry.value, &fields, resources).map_err(|message| Error::at(&entry.place, message))?;
        context.ran("ReplicaCountTransformer", resources);
    }
    for entry in &of.images {
        let fields = config.all(|config| &config.images);
        transform::images(&entry.value, &fields, resources).map_err(|message| Error::at(&entry.place, message))?;
        context.ran("ImageTagTransformer", resources);
    }
    if !of.replacements.is_empty() {
        replacements::apply(context, &of.replacements, resources)?;
        context.ran("ReplacementTransformer", resources);
    }
    Ok(())
}

fn patch(context: &Context<'_>, of: &Kustomization, resources: &mut Vec<Resource>) -> Result<(), Error> {
    if !of.strategic.is_empty() {
        patches::strategic_merge(context, &of.strategic, resources)?;
        context.ran("PatchStrategicMergeTransformer", resources);
    }
    for entry in &of.patches {
        patches::one(context, entry, resources)?;
        context.ran("PatchTransformer", resources);
    }
    Ok(())
}

fn names(context: &Context<'_>, of: &Kustomization, config: &Config, resources: &mut [Resource]) -> Result<(), Error> {
    if let Some(name) = &of.namespace {
        let fields = config.all(|config| &config.namespace);
        let namespace = Namespace { name, fields: &fields, ..Namespace::default() };
        transform::namespace(&namespace, resources).map_err(|message| at_start(of, message))?;
        context.ran("NamespaceTransformer", resources);
    }
    if let Some(prefix) = &of.name_prefix {
        transform::prefix(prefix, &config.all(|config| &config.name_prefix), resources).map_err(|message| at_start(of, message))?;
        context.ran("PrefixTransformer", resources);
    }
    if let Some(suffix) = &of.name_suffix {
        transform::suffix(suffix, &config.all(|config| &config.name_suffix), resources).map_err(|message| at_start(of, message))?;
        context.ran("SuffixTransformer", resources);
    }
    Ok(())
}

fn labels(context: &Context<'_>, of: &Kustomization, config: &Config, resources: &mut [Resource]) -> Result<(), Error> {
    for entry in &of.labels {
        let labels = &entry.value;
        let fields = config.label_fields(labels.fields.clone(), labels.include_selectors, labels.include_templates);
        let fields = fields.map_err(|message| Error::at(&entry.place, message))?;
        transform::set_strings(&labels.pairs, &fields, resources).map_err(|message| Error::at(&entry.place, message))?;
        context.ran("LabelTransformer", resources);
    }
    if !of.labels.is_empty() || !of.common_labels.is_empty() {
        transform::set_strings(&of.common_labels, &config.all(|config| &config.common_labels), resources)
            .map_err(|message| at_start(of, message))?;
        context.ran("LabelTransformer", resources);
    }
    if !of.common_annotations.is_empty() {
        let fields = config.all(|config| &config.common_annotations);
        transform::set_strings(&of.common_annotations, &fields, resources).map_err(|message| at_start(of, message))?;
        context.ran("AnnotationsTransformer", resources);
    }
    Ok(())
}

fn at_start(of: &Kustomization, message: String) -> Error {
    Error::at(&Place::start(&of.file), message)
}
