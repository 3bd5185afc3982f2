//! Walks from folder to folder and runs generators and transformers in the order of kustomize's `api/internal/target/kusttarget.go`.

use crate::config::Config;
use crate::error::Error;
use crate::kustomization::{FILE_NAMES, Kustomization, Overlay, Place, Placed};
use crate::openapi::OpenApi;
use crate::origin::{self, Metadata};
use crate::output::Order;
use crate::read::Document;
use crate::resource::{Resource, effective, object};
use crate::scalar::text_at;
use crate::transformers::{self, Context};
use crate::vars::Vars;
use crate::{Absent, Build, Files, Object, crds, generate, path, plugins, read, references, scalar};
use serde_json::Value;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

/// How many folders may lie inside each other by reference.
const MAX_DEPTH: usize = 64;
/// How many folders one build may visit; references without cycles can still double at every level.
const MAX_FOLDERS: usize = 20_000;
/// How many objects one build may hold.
const MAX_OBJECTS: usize = 20_000;

pub(crate) fn build(files: &dyn Files, folder: &str, overlay: &Overlay) -> Result<Build, Error> {
    let mut builder = Builder {
        files,
        absent: Vec::new(),
        stack: Vec::new(),
        folders: 0,
        order: Order::default(),
        openapi: Arc::default(),
        metadata: Metadata::default(),
        origin: None,
    };
    let folder = path::join("", folder).ok_or_else(|| Error::path(folder, "the path leaves the repository"))?;
    let mut state = builder.root(&folder, overlay)?;
    generate::add_hashes(&mut state.resources);
    references::fix(&mut state.resources, &state.config).map_err(|message| Error::path(&folder, message))?;
    state.vars.resolve(&mut state.resources, &state.config.all(|config| &config.var_reference))?;
    if let (Order::Legacy { .. }, Some(twice)) = (&builder.order, duplicate(&state.resources)) {
        return Err(Error::path(&folder, format!("there are two of {twice} in the end")));
    }
    state.resources.retain(|resource| !is_local(resource));
    for resource in &mut state.resources {
        if let Some((place, message)) = resource.unprintable().or_else(|| resource.unprintable_annotation()) {
            return Err(Error::at(&place, format!("{}: {message}", resource.title())));
        }
        annotations_as_text(&mut resource.value);
        scalar::settle(&mut resource.value);
        builder.metadata.settle(resource);
    }
    let objects =
        state.resources.into_iter().map(|Resource { value, file, line, changes, .. }| Object { value, file, line, changes }).collect();
    Ok(Build { objects, absent: builder.absent, order: builder.order })
}

/// What has been gathered so far.
#[derive(Debug, Clone, Default)]
struct State {
    resources: Vec<Resource>,
    config: Config,
    vars: Vars,
    /// Where each object is, as long as none is renamed.
    index: Option<HashMap<String, usize>>,
}

/// Returns the title of an object that is there twice.
pub(crate) fn duplicate(resources: &[Resource]) -> Option<String> {
    let mut seen = std::collections::HashSet::new();
    resources.iter().find(|resource| !seen.insert(key(resource))).map(Resource::title)
}

fn key(resource: &Resource) -> String {
    let namespace = if resource.is_cluster_scoped() { "" } else { effective(resource.namespace()) };
    [resource.group(), resource.version(), resource.kind(), namespace, resource.name()].join("\0")
}

impl State {
    /// Lets a schema that was chosen meanwhile count for what is there already.
    fn use_schema(&mut self, openapi: &Arc<OpenApi>) {
        for resource in self.resources.iter_mut().filter(|resource| !Arc::ptr_eq(&resource.openapi, openapi)) {
            resource.openapi = Arc::clone(openapi);
            self.index = None;
        }
    }

    fn append(&mut self, resource: Resource) -> Result<(), Error> {
        if self.resources.len() >= MAX_OBJECTS {
            return Err(Error::path(&resource.file, format!("the build has more than {MAX_OBJECTS} objects")));
        }
        // Nothing is renamed while resources are gathered; what changes names throws the index away.
        let (resources, index) = (&self.resources, &mut self.index);
        let index = index.get_or_insert_with(|| resources.iter().enumerate().map(|(at, resource)| (key(resource), at)).collect());
        if let Some(at) = index.insert(key(&resource), self.resources.len()) {
            let other = &self.resources[at];
            let place = Place { file: resource.file.clone(), line: resource.line, column: 1 };
            return Err(Error::at(&place, format!("{} is also in {}:{}", resource.title(), other.file, other.line)));
        }
        self.resources.push(resource);
        Ok(())
    }
}

struct Builder<'a> {
    files: &'a dyn Files,
    absent: Vec<Absent>,
    stack: Vec<String>,
    folders: usize,
    order: Order,
    openapi: Arc<OpenApi>,
    metadata: Metadata,
    /// The folder that is being built as origins name it, where they are noted.
    origin: Option<String>,
}

impl Builder<'_> {
    fn root(&mut self, folder: &str, overlay: &Overlay) -> Result<State, Error> {
        let mut kustomization = match self.kustomization(folder)? {
            Some(mut kustomization) => {
                if overlay.marks_generated && kustomization.resources.is_empty() {
                    kustomization.build_metadata = vec![origin::METADATA.to_string()];
                    kustomization.is_empty = false;
                }
                kustomization
            }
            None => self.generated(folder)?,
        };
        kustomization.overlay(overlay);
        self.order = Order::of(kustomization.sort.as_ref()).map_err(|message| Error::at(&Place::start(&kustomization.file), message))?;
        if overlay.ignore_missing_components {
            let mut there = Vec::new();
            for component in std::mem::take(&mut kustomization.components) {
                let at = path::join(folder, &component.value);
                if component.place.file != overlay.file || at.is_some_and(|at| matches!(self.files.list(&at), Ok(Some(_)))) {
                    there.push(component);
                }
            }
            kustomization.components = there;
        }
        self.stack.push(folder.to_string());
        self.metadata = Metadata::of(&kustomization.build_metadata);
        self.origin = (!kustomization.build_metadata.is_empty()).then(String::new);
        self.choose_schema(folder, &kustomization)?;
        self.accumulate(folder, &kustomization, State::default())
    }

    /// Reads the kustomization file of a folder.
    fn kustomization(&self, folder: &str) -> Result<Option<Kustomization>, Error> {
        let mut found: Option<Kustomization> = None;
        for name in FILE_NAMES {
            let file = path::join(folder, name).expect("a name does not leave its folder");
            let Some(text) = read::text(self.files, &file)? else { continue };
            if found.is_some() {
                return Err(Error::path(folder, format!("there is more than one of {}", FILE_NAMES.join(", "))));
            }
            found = Some(Kustomization::parse(&file, &text)?);
        }
        Ok(found)
    }

    /// Lists all manifests below a folder, as `fluxcd/pkg/kustomize` does where there is no kustomization file.
    fn generated(&self, folder: &str) -> Result<Kustomization, Error> {
        let mut kustomization = Kustomization { file: path::join(folder, FILE_NAMES[0]).unwrap_or_default(), ..Kustomization::default() };
        let mut open = vec![String::new()];
        let mut paths = Vec::new();
        while let Some(below) = open.pop() {
            let at = path::join(folder, &below).unwrap_or_default();
            let entries = self.files.list(&at).map_err(|message| Error::path(&at, message))?;
            let Some(entries) = entries else { return Err(Error::path(&at, "there is no such folder")) };
            for entry in entries.into_iter().filter(|entry| !is_left_out_of_artifacts(&entry.name)) {
                let inner = path::join(&below, &entry.name).unwrap_or_default();
                if !entry.directory {
                    if inner.ends_with(".yaml") || inner.ends_with(".yml") {
                        paths.push(inner);
                    }
                } else if self.has_kustomization(&path::join(folder, &inner).unwrap_or_default())? {
                    paths.push(inner);
                } else {
                    open.push(inner);
                }
            }
        }
        paths.sort_by(|left, right| left.split('/').cmp(right.split('/')));
        let place = Place::start(&kustomization.file);
        kustomization.resources = paths.into_iter().map(|value| Placed { value, place: place.clone() }).collect();
        Ok(kustomization)
    }

    fn has_kustomization(&self, folder: &str) -> Result<bool, Error> {
        let entries = self.files.list(folder).map_err(|message| Error::path(folder, message))?;
        Ok(entries.is_some_and(|entries| entries.iter().any(|entry| !entry.directory && FILE_NAMES.contains(&entry.name.as_str()))))
    }

    fn accumulate(&mut self, folder: &str, kustomization: &Kustomization, mut state: State) -> Result<State, Error> {
        self.folders += 1;
        if self.folders > MAX_FOLDERS || self.stack.len() > MAX_DEPTH {
            return Err(Error::path(folder, "kustomizations refer to each other too often or too deeply"));
        }
        if kustomization.is_empty {
            return Err(Error::path(&kustomization.file, "the kustomization is empty"));
        }
        for entry in &kustomization.resources {
            self.resource(folder, entry, &mut state)?;
        }
        for entry in &kustomization.configurations {
            let (at, text) = self.text(folder, entry)?;
            let config = Config::parse(&at, &text)?;
            state.config.merge(config).map_err(|message| Error::at(&entry.place, message))?;
        }
        for entry in &kustomization.crds {
            let (at, text) = self.text(folder, entry)?;
            let config = crds::parse(&text).map_err(|message| Error::path(&at, message))?;
            state.config.merge(config).map_err(|message| Error::at(&entry.place, message))?;
        }
        let generators = self.plugins(folder, kustomization, &kustomization.generators)?;
        for entry in kustomization.config_maps.iter().chain(&kustomization.secrets) {
            generate::remote_files(&entry.value).for_each(|address| self.elsewhere(address, &entry.place));
        }
        let context = self.context(folder, kustomization);
        for made in generate::all(&context, kustomization)? {
            generate::add(&mut state.resources, made)?;
        }
        for plugin in &generators {
            generate::add(&mut state.resources, plugins::generate(&context, plugin)?)?;
        }
        state.index = None;
        for entry in &kustomization.components {
            state = self.component(folder, entry, state)?;
        }
        state.index = None;
        transformers::run(&self.context(folder, kustomization), kustomization, &state.config, &mut state.resources)?;
        for plugin in self.plugins(folder, kustomization, &kustomization.transformers)? {
            plugins::transform(&self.context(folder, kustomization), &plugin, &mut state.resources)?;
        }
        for plugin in self.plugins(folder, kustomization, &kustomization.validators)? {
            self.validate(folder, kustomization, &plugin, &mut state.resources)?;
        }
        state.vars.add(&kustomization.vars, &mut state.resources)?;
        Ok(state)
    }

    fn context<'a>(&'a self, folder: &'a str, kustomization: &Kustomization) -> Context<'a> {
        let noted_as = self.origin.as_deref().map(|origin| origin::join(origin, path::name(&kustomization.file)));
        Context { files: self.files, folder, openapi: &self.openapi, noted_as, is_incomplete: !self.absent.is_empty() }
    }

    /// Reads the objects that configure plugins: an entry is the text of some, or names a file or folder.
    fn plugins(&mut self, folder: &str, kustomization: &Kustomization, entries: &[Placed<String>]) -> Result<Vec<Resource>, Error> {
        let mut state = State::default();
        let mut paths = Vec::new();
        for entry in entries {
            match load(&kustomization.file, entry.value.as_bytes(), &self.openapi) {
                Ok(found) => {
                    for mut resource in found {
                        resource.line += entry.place.line;
                        if let Some(path) = self.context(folder, kustomization).noted_as {
                            origin::replace(&mut resource, &origin::of_file(&path));
                        }
                        state.append(resource)?;
                    }
                }
                Err(error) if entry.value.contains('\n') => return Err(Error::at(&entry.place, error.parts().3)),
                Err(_) => paths.push(entry),
            }
        }
        paths.into_iter().try_for_each(|entry| self.resource(folder, entry, &mut state))?;
        Ok(state.resources)
    }

    /// Runs a validator, which may change nothing but the label that says it ran.
    fn validate(&self, folder: &str, kustomization: &Kustomization, plugin: &Resource, resources: &mut Vec<Resource>) -> Result<(), Error> {
        let without_label = |resource: &Resource| {
            let mut value = resource.value.clone();
            // Labels beside it kustomize writes anew, and then finds them changed.
            let labels = value.pointer("/metadata/labels").and_then(Value::as_object);
            if labels.is_some_and(|labels| labels.len() == 1 && labels.contains_key("validated-by")) {
                object(&mut value["metadata"]).remove("labels");
            }
            value
        };
        let before: Vec<Value> = resources.iter().map(|resource| resource.value.clone()).collect();
        plugins::transform(&self.context(folder, kustomization), plugin, resources)?;
        if before.iter().ne(resources.iter().map(without_label).collect::<Vec<_>>().iter()) {
            let place = Place { file: plugin.file.clone(), line: plugin.line, column: 1 };
            return Err(Error::at(&place, format!("{}: a validator must not change objects", plugin.title())));
        }
        Ok(())
    }

    /// Chooses the schema that a kustomization asks for, unless one was chosen before it.
    fn choose_schema(&mut self, folder: &str, kustomization: &Kustomization) -> Result<(), Error> {
        let Some(Placed { value, place }) = &kustomization.openapi else { return Ok(()) };
        let file = value.get("path").map(|path| self.text(folder, &Placed { value: path.clone(), place: place.clone() })).transpose()?;
        if self.openapi.is_chosen() {
            return Ok(());
        }
        let version = value.get("version").filter(|version| file.is_some() || !version.is_empty());
        let chosen = match (&file, version) {
            (Some(_), Some(_)) => Err("openapi: path and version exclude each other".to_string()),
            (Some((at, text)), None) => self.openapi.with_file(text).map_err(|message| format!("{at}: {message}")),
            (None, Some(version)) => self.openapi.with_version(version),
            (None, None) => return Ok(()),
        };
        self.openapi = Arc::new(chosen.map_err(|message| Error::at(place, message))?);
        Ok(())
    }

    /// Reads a file that an entry names.
    fn text(&self, folder: &str, entry: &Placed<String>) -> Result<(String, Vec<u8>), Error> {
        let at = self.inside(folder, entry)?;
        let text = read::text(self.files, &at)?.ok_or_else(|| Error::at(&entry.place, format!("there is no file {at}")))?;
        Ok((at, text))
    }

    fn inside(&self, folder: &str, entry: &Placed<String>) -> Result<String, Error> {
        path::join(folder, &entry.value).ok_or_else(|| Error::at(&entry.place, format!("{} leaves the repository", entry.value)))
    }

    fn resource(&mut self, folder: &str, entry: &Placed<String>, state: &mut State) -> Result<(), Error> {
        if is_remote(&entry.value) {
            self.elsewhere(&entry.value, &entry.place);
            return Ok(());
        }
        let at = self.inside(folder, entry)?;
        if let Some(text) = read::text(self.files, &at)? {
            let origin = self.origin.as_deref().map(|origin| origin::of_file(&origin::join(origin, &entry.value)));
            return load(&at, &text, &self.openapi)?.into_iter().try_for_each(|mut resource| {
                if let Some(origin) = &origin {
                    origin::replace(&mut resource, origin);
                }
                state.append(resource)
            });
        }
        let Some(kustomization) = self.folder(&at, entry)? else { return Ok(()) };
        if kustomization.is_component {
            return Err(Error::at(&entry.place, format!("{at} is a Component; list it under components")));
        }
        self.choose_schema(&at, &kustomization)?;
        let inner = self.inside_of(entry, |builder| builder.accumulate(&at, &kustomization, State::default()))?;
        self.stack.pop();
        state.use_schema(&self.openapi);
        inner.resources.into_iter().try_for_each(|resource| state.append(resource))?;
        state.config.merge(inner.config).map_err(|message| Error::at(&entry.place, message))?;
        state.vars.merge(inner.vars)
    }

    fn component(&mut self, folder: &str, entry: &Placed<String>, mut state: State) -> Result<State, Error> {
        if is_remote(&entry.value) {
            self.elsewhere(&entry.value, &entry.place);
            return Ok(state);
        }
        let at = self.inside(folder, entry)?;
        let Some(kustomization) = self.folder(&at, entry)? else { return Ok(state) };
        if !kustomization.is_component {
            return Err(Error::at(&entry.place, format!("{at} is no Component; list it under resources")));
        }
        self.choose_schema(&at, &kustomization)?;
        state.use_schema(&self.openapi);
        let state = self.inside_of(entry, |builder| builder.accumulate(&at, &kustomization, state))?;
        self.stack.pop();
        let twice = duplicate(&state.resources);
        twice.map_or(Ok(state), |twice| Err(Error::at(&entry.place, format!("there are two of {twice} after this component"))))
    }

    /// Notes what kustomize fetches from a network.
    fn elsewhere(&mut self, address: &str, place: &Place) {
        let Place { file, line, column } = place.clone();
        self.absent.push(Absent { path: address.to_string(), is_remote: true, listed_in: file, line, column });
    }

    /// Does something with origins counted from the folder that an entry names.
    fn inside_of<T>(&mut self, entry: &Placed<String>, act: impl FnOnce(&mut Self) -> T) -> T {
        let outer = self.origin.clone();
        self.origin = outer.as_deref().map(|origin| origin::join(origin, &entry.value));
        let done = act(self);
        self.origin = outer;
        done
    }

    /// Enters a folder that an entry names; nothing if it is not there.
    fn folder(&mut self, at: &str, entry: &Placed<String>) -> Result<Option<Kustomization>, Error> {
        if self.stack.iter().any(|open| open == at) {
            let Place { file, line, column } = entry.place.clone();
            return Err(Error::Cycle { file, line, column, path: if at.is_empty() { ".".to_string() } else { at.to_string() } });
        }
        if self.files.list(at).map_err(|message| Error::path(at, message))?.is_none() {
            let Place { file, line, column } = entry.place.clone();
            self.absent.push(Absent { path: at.to_string(), is_remote: false, listed_in: file, line, column });
            return Ok(None);
        }
        let found = self.kustomization(at)?;
        let found = found.ok_or_else(|| Error::at(&entry.place, format!("there is none of {} in {at}", FILE_NAMES.join(", "))))?;
        self.stack.push(at.to_string());
        Ok(Some(found))
    }
}

/// What source-controller never puts into an artifact (`pkg/sourceignore`), as far as it could be taken for manifests.
fn is_left_out_of_artifacts(name: &str) -> bool {
    matches!(
        name,
        ".git"
            | ".github"
            | ".circleci"
            | ".travis.yml"
            | ".gitlab-ci.yml"
            | "appveyor.yml"
            | ".drone.yml"
            | "cloudbuild.yaml"
            | "codeship-services.yml"
            | "codeship-steps.yml"
            | ".goreleaser.yml"
            | ".sops.yaml"
            | ".flux.yaml"
    )
}

fn is_remote(entry: &str) -> bool {
    entry.contains("://") || entry.starts_with("git@") || entry.starts_with("github.com/") || entry.starts_with("git::")
}

/// Reads the objects of a file; lists are taken apart.
pub(crate) fn load(file: &str, text: &[u8], openapi: &Arc<OpenApi>) -> Result<Vec<Resource>, Error> {
    let mut found = Vec::new();
    let mut open: VecDeque<Document> = read::objects(file, text)?.into();
    while let Some(document) = open.pop_front() {
        // What is in a list comes after everything else in the file.
        match document.is_list() {
            true => {
                let place = Place { file: file.to_string(), line: document.line, column: 1 };
                open.extend(document.rewritten_items().map_err(|message| Error::at(&place, message))?);
            }
            false => found.push(single(file, document, openapi)?),
        }
    }
    Ok(found)
}

fn single(file: &str, document: Document, openapi: &Arc<OpenApi>) -> Result<Resource, Error> {
    let Document { value, line, keys } = document;
    let fail = |message: &str| Error::at(&Place { file: file.to_string(), line, column: 1 }, message);
    let kind = text_at(&value, &["kind"]);
    if !value.is_object() || kind.is_empty() {
        return Err(fail("this is no Kubernetes object: it has no kind"));
    }
    if text_at(&value, &["apiVersion"]).is_empty() {
        return Err(fail(&format!("this {kind} has no apiVersion")));
    }
    if text_at(&value, &["metadata", "name"]).is_empty() {
        return Err(fail(&format!("this {kind} has no metadata.name")));
    }
    Ok(Resource { keys, ..Resource::new(value, file, line, openapi) })
}

/// Returns whether an object is for kustomize alone.
fn is_local(resource: &Resource) -> bool {
    resource.strings("annotations").any(|(key, text)| key == "config.kubernetes.io/local-config" && text != "false")
}

/// kustomize writes the annotations anew when it takes its notes away, as texts all of them; what is none has none.
pub(crate) fn annotations_as_text(value: &mut Value) {
    let annotations = value.get_mut("metadata").and_then(|metadata| metadata.get_mut("annotations")).and_then(Value::as_object_mut);
    annotations.into_iter().flat_map(|map| map.values_mut()).for_each(|value| *value = Value::from(scalar::as_text(value)));
}

/// kustomize keeps notes among the annotations and leaves none behind where there are no others.
pub(crate) fn drop_empty_annotations(value: &mut Value) {
    let annotations = value.get("metadata").and_then(|metadata| metadata.get("annotations"));
    if annotations.is_some_and(|annotations| annotations.as_object().is_none_or(serde_json::Map::is_empty)) {
        object(object(value).entry("metadata").or_insert(Value::Null)).remove("annotations");
    }
}
