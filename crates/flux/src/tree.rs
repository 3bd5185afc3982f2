//! Walks a Flux tree: from the root through Kustomizations, each built, patched and substituted as kustomize-controller does it
//! (`internal/controller/kustomization_controller.go`). Other repositories are named, not followed.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::OnceLock;

use kustomize::{Absent, Files, Image, Object, Overlay, PatchEntry, Target};
use serde_json::{Map, Value, json};

use crate::artifact::Artifact;
use crate::error::{Error, Place};
use crate::fields::{flag, get, group, items, kind, name, namespace, object, text};
use crate::release::{ReleaseId, ReleaseSpec};
use crate::sops::{self, DataKeys, Decrypted};
use crate::substitute::{self, Unset};
use crate::{check, gates, origin, producers, release, root, values};

const FLUX_GROUP: &str = "kustomize.toolkit.fluxcd.io";
const SOURCE_GROUP: &str = "source.toolkit.fluxcd.io";

/// A source that a controller makes, such as source-watcher for an ArtifactGenerator.
pub(crate) const EXTERNAL: &str = "ExternalArtifact";

/// An object and who applies it.
#[derive(Debug, Clone)]
pub(crate) struct Located {
    pub(crate) object: Object,
    /// Namespace and name of the Flux Kustomization.
    pub(crate) kustomization: Option<(String, String)>,
    /// What substitution could not know.
    pub(crate) unknown: Vec<String>,
    /// Whether it holds values that are encrypted in the repository, and why they could not be decrypted.
    pub(crate) secrecy: Secrecy,
    /// What variables from Secrets stand for that were filled in.
    pub(crate) secrets: Vec<String>,
}

/// What of an object is secret.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) enum Secrecy {
    /// Nothing that is known to be.
    #[default]
    Plain,
    /// It was encrypted and is decrypted.
    Decrypted,
    /// It is encrypted, for a reason where decrypting it was tried.
    Encrypted(Option<String>),
}

impl Located {
    /// Returns whether a text of the object holds what substitution could not know.
    pub(crate) fn is_open(&self, text: &str) -> bool {
        !self.unknown.is_empty() && text.contains("${")
    }

    /// Tells whether the content is encrypted, all of it or under a key.
    fn is_closed(&self) -> bool {
        self.encrypted().is_some() || values::entries(&self.object.value).iter().any(|(_, text)| sops::is_encrypted_text(text))
    }

    /// Returns kind, namespace, name and place, for people.
    pub(crate) fn title(&self) -> String {
        let Object { value, file, line, .. } = &self.object;
        format!("{} {}/{} ({file}:{line})", kind(value), namespace(value), name(value))
    }

    /// Returns, for something that its content is needed for, why that is not known.
    pub(crate) fn encrypted(&self) -> Option<String> {
        match &self.secrecy {
            Secrecy::Encrypted(Some(why)) => Some(format!("is encrypted: {why}")),
            Secrecy::Encrypted(None) => Some("is encrypted".to_string()),
            _ => None,
        }
    }
}

/// Objects in their order, found by group, kind, namespace and name.
#[derive(Debug, Clone, Default)]
struct Objects {
    list: Vec<Located>,
    index: HashMap<String, usize>,
    /// Where the first FluxInstance is.
    instance: Option<usize>,
    /// Where the first HelmRelease is that makes one.
    makes_instance: Option<usize>,
}

impl Objects {
    fn push(&mut self, located: Located) {
        let value = &located.object.value;
        let key = Objects::key(group(value), kind(value), namespace(value), name(value));
        let at = self.list.len();
        if is_instance(value) {
            self.instance.get_or_insert(at);
        }
        if is_release(value) && root::makes_instance(value) {
            self.makes_instance.get_or_insert(at);
        }
        self.index.entry(key).or_insert(at);
        self.list.push(located);
    }

    /// Returns the first one.
    fn find(&self, in_group: &str, of_kind: &str, inside: &str, wanted: &str) -> Option<&Located> {
        self.index.get(&Objects::key(in_group, of_kind, inside, wanted)).map(|at| &self.list[*at])
    }

    fn key(in_group: &str, of_kind: &str, inside: &str, wanted: &str) -> String {
        [in_group, of_kind, inside, wanted].join("\0")
    }
}

/// A Flux tree, read.
#[derive(Debug, Clone)]
pub struct Tree {
    root: String,
    objects: Objects,
    /// What [`Reading::given`] holds.
    given: Objects,
    absent: Vec<Absent>,
    failures: Vec<Error>,
    elsewhere: Vec<Place>,
    source: Option<Source>,
    /// Namespace and name of the Kustomization that builds the root.
    root_id: Option<(String, String)>,
    /// The folders that were built, in the order in which they were.
    folders: Vec<String>,
    /// Whether everything is read.
    is_read: bool,
    known: Known,
}

/// What the FluxInstance says and is asked for again and again; kept once everything is read.
#[derive(Debug, Clone, Default)]
struct Known {
    source: OnceLock<Option<Source>>,
    helm_gates: OnceLock<BTreeMap<String, bool>>,
}

/// A source object by kind, namespace and name.
#[derive(Debug, Clone, PartialEq)]
struct Source {
    kind: String,
    namespace: String,
    name: String,
}

/// Reads the tree below `root`, or below the folder that the FluxInstance synchronises.
///
/// A Kustomization that does not build is kept in [`Tree::failures`] and the others are read nonetheless; only the root must build.
///
/// What is encrypted stays so, and what depends on it is unknown.
pub fn read(files: &dyn Files, root: Option<&str>) -> Result<Tree, Error> {
    read_with(files, root, Reading::default())
}

/// What a tree is read with beside its files.
#[derive(Default, Clone, Copy)]
pub struct Reading<'a> {
    /// What opens that which kustomize-controller would decrypt by SOPS.
    pub keys: Option<&'a dyn DataKeys>,
    /// ConfigMaps and Secrets as the cluster will have them, for variables and values of which the tree does not tell: those that something in
    /// the cluster makes, that cannot be decrypted, or that are nowhere.
    pub given: &'a [Object],
}

/// Reads the tree as [`read`] does, with more than its files.
pub fn read_with(files: &dyn Files, root: Option<&str>, reading: Reading<'_>) -> Result<Tree, Error> {
    let root = match root {
        Some(root) => kustomize::join_path("", root).ok_or_else(|| Error::NoFolder(root.to_string()))?,
        None => root::find(files)?,
    };
    let tree = walk_artifact(files, &root, reading, "")?;
    // What the source leaves out is written in the tree, mostly in the root, which is then all that was read.
    match tree.ignored().map(str::to_string) {
        Some(ignored) => walk_artifact(files, &root, reading, &ignored),
        None => Ok(tree),
    }
}

fn walk_artifact(files: &dyn Files, root: &str, reading: Reading<'_>, ignored: &str) -> Result<Tree, Error> {
    let root = root.to_string();
    let files = &Artifact::of(files, ignored).map_err(|message| Error::Read { path: root.clone(), message })?;
    if files.list(&root).map_err(|message| Error::Read { path: root.clone(), message })?.is_none() {
        return Err(Error::NoFolder(root));
    }
    let goes_on = |tree: &Tree| !ignored.is_empty() || tree.ignored().is_none();
    let tree = walk_below(files, &root, reading, Unset::Refuse, &goes_on)?;
    let stumbled = tree.failures.iter().any(|failure| matches!(failure, Error::Variable { .. }));
    // What an unset variable means is written in the tree itself.
    if stumbled && !tree.is_strict() { walk_below(files, &root, reading, Unset::Empty, &goes_on) } else { Ok(tree) }
}

/// Walks the tree, or builds the root only where that tells not to go on.
fn walk_below(files: &dyn Files, root: &str, reading: Reading<'_>, unset: Unset, goes_on: &dyn Fn(&Tree) -> bool) -> Result<Tree, Error> {
    let tree = Tree {
        root: root.to_string(),
        objects: Objects::default(),
        given: given(reading.given),
        absent: Vec::new(),
        failures: Vec::new(),
        elsewhere: Vec::new(),
        source: None,
        root_id: None,
        folders: Vec::new(),
        is_read: false,
        known: Known::default(),
    };
    let (seen, open, waiting, absent) = (BTreeSet::new(), VecDeque::new(), Vec::new(), BTreeSet::new());
    let mut walk = Walk { files, keys: reading.keys, unset, tree, seen, open, waiting, absent };
    walk.root()?;
    if !goes_on(&walk.tree) {
        return Ok(walk.tree);
    }
    walk.run();
    walk.tree.objects = outside_namespaces(std::mem::take(&mut walk.tree.objects));
    walk.tree.is_read = true;
    Ok(walk.tree)
}

fn given(objects: &[Object]) -> Objects {
    let mut given = Objects::default();
    for object in objects {
        let secrecy = if kind(&object.value) == "Secret" { Secrecy::Decrypted } else { Secrecy::Plain };
        given.push(Located { object: object.clone(), kustomization: None, unknown: Vec::new(), secrecy, secrets: Vec::new() });
    }
    given
}

/// Takes the namespace off objects that have none. kustomize puts one on every kind that it does not know; the API server drops it.
fn outside_namespaces(objects: Objects) -> Objects {
    let of = |located: &Located| {
        let value = &located.object.value;
        let is = kind(value) == "CustomResourceDefinition" && text(value, &["spec", "scope"]) == Some("Cluster");
        let names = (text(value, &["spec", "group"])?.to_string(), text(value, &["spec", "names", "kind"])?.to_string());
        is.then_some(names)
    };
    let defined: BTreeSet<(String, String)> = objects.list.iter().filter_map(of).collect();
    let mut settled = Objects::default();
    for mut located in objects.list {
        let value = &mut located.object.value;
        let (in_group, of_kind) = (group(value).to_string(), kind(value).to_string());
        if kustomize::is_cluster_scoped(&in_group, &of_kind) || defined.contains(&(in_group, of_kind)) {
            object(object(value).entry("metadata").or_insert(Value::Null)).remove("namespace");
        }
        settled.push(located);
    }
    settled
}

struct Walk<'a> {
    files: &'a dyn Files,
    keys: Option<&'a dyn DataKeys>,
    unset: Unset,
    tree: Tree,
    /// Kustomizations that are read or about to be, by namespace and name.
    seen: BTreeSet<(String, String)>,
    open: VecDeque<Located>,
    /// Those whose variables or source are not there yet.
    waiting: Vec<Located>,
    /// What is absent and was told.
    absent: BTreeSet<(String, String, usize)>,
}

impl Walk<'_> {
    /// Builds the root, with what a Kustomization in it says about the root itself.
    fn root(&mut self) -> Result<(), Error> {
        let overlay = Overlay { marks_generated: true, ..Overlay::default() };
        let plain = kustomize::build_with(self.files, &self.tree.root, &overlay)?;
        self.tree.folders.push(self.tree.root.clone());
        let itself =
            plain.objects.iter().find(|object| is_kustomization(&object.value) && path(&object.value).as_ref() == Some(&self.tree.root));
        let Some(itself) = itself.cloned() else {
            let instance = plain.objects.iter().find(|object| kind(&object.value) == "FluxInstance");
            let name = instance.and_then(|object| text(&object.value, &["spec", "sync", "name"])).unwrap_or("flux-system").to_string();
            let id = Some(("flux-system".to_string(), name));
            self.tree.root_id = id.clone();
            self.add(plain, id, &Value::Null, None);
            return Ok(());
        };
        let id = (namespace(&itself.value).to_string(), name(&itself.value).to_string());
        self.tree.source = source_of(&itself.value);
        self.tree.root_id = Some(id.clone());
        self.seen.insert(id.clone());
        let build = self.build(&self.tree.root, &itself)?;
        // Its variables may come from the root itself, which is then needed before it is substituted.
        let mut all = Objects::default();
        for object in &build.objects {
            let mut object = object.clone();
            let secrecy = self.decrypt(&mut object, &itself.value);
            all.push(Located { object, kustomization: None, unknown: Vec::new(), secrecy, secrets: Vec::new() });
        }
        let held = std::mem::replace(&mut self.tree.objects, all);
        let variables = self.variables(&itself.value);
        self.tree.objects = held;
        self.add(build, Some(id), &itself.value, variables);
        Ok(())
    }

    fn run(&mut self) {
        loop {
            while let Some(located) = self.open.pop_front() {
                if self.is_ready(&located) { self.kustomization(&located) } else { self.waiting.push(located) }
            }
            if self.waiting.is_empty() {
                return;
            }
            let ready = self.waiting.iter().position(|located| self.is_ready(located)).unwrap_or(0);
            // Where none is ready, nothing more will turn up for the first one.
            let located = self.waiting.remove(ready);
            self.kustomization(&located);
        }
    }

    fn is_ready(&self, located: &Located) -> bool {
        let value = &located.object.value;
        let there = |reference: &Value| {
            let (of_kind, wanted) = (text(reference, &["kind"]).unwrap_or(""), text(reference, &["name"]).unwrap_or(""));
            self.tree.content(of_kind, namespace(value), wanted).is_some()
        };
        let is_known = |Source { kind, namespace, name }: Source| {
            kind == EXTERNAL
                || self.tree.is_made_by_instance(&kind, &namespace, &name)
                || self.tree.find(SOURCE_GROUP, &kind, &namespace, &name).is_some()
        };
        items(value, &["spec", "postBuild", "substituteFrom"]).iter().all(there) && source_of(value).is_none_or(is_known)
    }

    fn kustomization(&mut self, located: &Located) {
        let value = &located.object.value;
        let wanted = text(value, &["spec", "path"]).unwrap_or("");
        if located.is_open(wanted) {
            let title = format!("Kustomization {}/{} with the path {wanted}, which is not known", namespace(value), name(value));
            self.tree.elsewhere.push(Place { title, file: located.object.file.clone(), line: located.object.line });
            return;
        }
        if let Some(source) = source_of(value).filter(|source| !self.tree.is_own_source(&source.kind, &source.namespace, &source.name)) {
            let title =
                format!("Kustomization {}/{} from {} {}/{}", namespace(value), name(value), source.kind, source.namespace, source.name);
            self.tree.elsewhere.push(Place { title, file: located.object.file.clone(), line: located.object.line });
            return;
        }
        if get(value, &["spec", "kubeConfig"]).is_some() {
            let title = format!("Kustomization {}/{} for another cluster", namespace(value), name(value));
            self.tree.elsewhere.push(Place { title, file: located.object.file.clone(), line: located.object.line });
            return;
        }
        let Some(folder) = path(value) else {
            self.tree.failures.push(Error::at(&located.object, "spec.path leaves the repository"));
            return;
        };
        if !matches!(self.files.list(&folder), Ok(Some(_))) {
            self.tree.absent.push(Absent {
                path: folder,
                is_remote: false,
                listed_in: located.object.file.clone(),
                line: located.object.line,
                column: 1,
            });
            return;
        }
        self.tree.folders.push(folder.clone());
        match self.build(&folder, &located.object) {
            Ok(build) => {
                let variables = self.variables(value);
                if let Some(bad) = variables.as_ref().and_then(Variables::bad_name).filter(|_| !build.objects.is_empty()) {
                    self.tree.failures.push(Error::at(&located.object, format!("postBuild: {bad:?} is no name of a variable")));
                    return;
                }
                self.add(build, Some((namespace(value).to_string(), name(value).to_string())), value, variables);
            }
            Err(error) => self.tree.failures.push(error),
        }
    }

    /// Builds a folder as a Flux Kustomization asks.
    fn build(&self, folder: &str, kustomization: &Object) -> Result<kustomize::Build, Error> {
        let overlay = overlay(self.files, kustomization)?;
        Ok(match self.keys.filter(|_| sops::decrypts(&kustomization.value)) {
            Some(keys) => kustomize::build_with(&Decrypted { files: self.files, keys }, folder, &overlay)?,
            None => kustomize::build_with(self.files, folder, &overlay)?,
        })
    }

    /// Decrypts an object where its Kustomization says so.
    fn decrypt(&self, found: &mut Object, kustomization: &Value) -> Secrecy {
        let Some(keys) = self.keys.filter(|_| sops::decrypts(kustomization)) else {
            return if sops::is_encrypted(&found.value) { Secrecy::Encrypted(None) } else { Secrecy::Plain };
        };
        match sops::decrypt_object(&mut found.value, keys) {
            Ok(true) => Secrecy::Decrypted,
            Ok(false) => Secrecy::Plain,
            Err(why) => Secrecy::Encrypted(Some(why)),
        }
    }

    /// Adds what a Kustomization builds, changed as its remaining fields ask, and remembers the Kustomizations in it.
    fn add(&mut self, build: kustomize::Build, id: Option<(String, String)>, spec: &Value, variables: Option<Variables>) {
        for absent in build.absent {
            if self.absent.insert((absent.path.clone(), absent.listed_in.clone(), absent.line)) {
                self.tree.absent.push(absent);
            }
        }
        for mut found in build.objects {
            let mut unknown = Vec::new();
            let secrecy = self.decrypt(&mut found, spec);
            let mut secrets = Vec::new();
            if let Some(variables) = &variables {
                secrets = variables.secrets_in(&found.value);
                if let Err(error) = variables.apply(&mut found, self.unset, &mut unknown) {
                    self.tree.failures.push(error);
                    continue;
                }
            }
            common_metadata(&mut found.value, spec);
            let located = Located { object: found, kustomization: id.clone(), unknown, secrecy, secrets };
            let value = &located.object.value;
            if is_kustomization(value) && self.seen.insert((namespace(value).to_string(), name(value).to_string())) {
                self.open.push_back(located.clone());
            }
            self.tree.objects.push(located);
        }
    }

    /// Gathers the variables of a Kustomization: those of `substituteFrom` in order, then `substitute`.
    fn variables(&self, value: &Value) -> Option<Variables> {
        let post_build = get(value, &["spec", "postBuild"])?;
        let mut variables = Variables::default();
        for reference in items(post_build, &["substituteFrom"]) {
            let (of_kind, wanted) = (text(reference, &["kind"]).unwrap_or(""), text(reference, &["name"]).unwrap_or(""));
            let title = format!("{of_kind} {}/{wanted}", namespace(value));
            match self.tree.content(of_kind, namespace(value), wanted) {
                Some(found) => match found.encrypted() {
                    Some(why) => variables.unknown.push(format!("{title}, which substituteFrom names, {why}")),
                    None => {
                        let is_secret = of_kind == "Secret" || found.secrecy == Secrecy::Decrypted;
                        for (name, value) in values::entries(&found.object.value) {
                            if is_secret {
                                variables.secret.insert(name.clone())
                            } else {
                                variables.secret.remove(&name)
                            };
                            variables.values.insert(name, value);
                        }
                    }
                },
                None => match producers::of(&self.tree, of_kind, namespace(value), wanted) {
                    Some(maker) => variables.unknown.push(format!("{title}, which substituteFrom names, is made by {}", maker.title())),
                    None if flag(reference, &["optional"]) => {}
                    None => variables.unknown.push(format!("{title}, which substituteFrom names, is not in the tree")),
                },
            }
        }
        for (key, value) in get(post_build, &["substitute"]).and_then(Value::as_object).into_iter().flatten() {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_string);
            variables.secret.remove(key);
            variables.values.insert(key.clone(), text);
        }
        variables.values.values_mut().for_each(|value| value.retain(|c| c != '\n'));
        variables.is_strict = get(post_build, &["substituteStrategy"]).and_then(Value::as_str) == Some("Always");
        Some(variables)
    }
}

/// The variables of a Kustomization.
#[derive(Debug, Default)]
struct Variables {
    values: BTreeMap<String, String>,
    /// The names of those whose value comes from a Secret.
    secret: BTreeSet<String>,
    /// Sources that are not known.
    unknown: Vec<String>,
    /// Whether to substitute even without variables.
    is_strict: bool,
}

impl Variables {
    /// Returns a name that is none. One is enough for Flux to apply nothing (fluxcd/pkg kustomize/kustomize_varsub.go).
    fn bad_name(&self) -> Option<&str> {
        self.values.keys().map(String::as_str).find(|name| !substitute::is_name(name))
    }

    /// Returns what the secret variables that an object names stand for.
    fn secrets_in(&self, object: &Value) -> Vec<String> {
        if self.secret.is_empty() {
            return Vec::new();
        }
        let text = object.to_string();
        let named = self.secret.iter().filter(|name| text.contains(&format!("${{{name}")));
        named.filter_map(|name| self.values.get(name)).filter(|value| !value.is_empty()).cloned().collect()
    }

    fn apply(&self, found: &mut Object, unset: Unset, unknown: &mut Vec<String>) -> Result<(), Error> {
        const DISABLED: &str = "kustomize.toolkit.fluxcd.io/substitute";
        let marked = |field: &str| text(&found.value, &["metadata", field, DISABLED]) == Some("disabled");
        if self.values.is_empty() && self.unknown.is_empty() && !self.is_strict || marked("labels") || marked("annotations") {
            return Ok(());
        }
        let before = go_encoding::yaml::to_string(&found.value);
        if !before.contains('$') {
            return Ok(());
        }
        let title = format!("{} {}", kind(&found.value), name(&found.value));
        let unset = if self.unknown.is_empty() { unset } else { Unset::Keep };
        let after = substitute::substitute(&before, &self.values, unset)
            .map_err(|message| Error::variable(found, format!("{title}: {message}")))?;
        match go_encoding::yaml::parse(&after.text) {
            Ok(value) => found.value = value,
            // What is not known may be quotes, for one.
            Err(_) if after.keeps => {}
            Err(error) => return Err(Error::at(found, format!("{title} is no YAML after substitution: {error}"))),
        }
        if after.keeps {
            unknown.extend(self.unknown.iter().cloned());
        }
        Ok(())
    }
}

/// Reads the number at the start of what follows the major version.
fn minor(text: &str) -> Option<u32> {
    text.split(['.', '-']).next()?.parse().ok()
}

pub(crate) fn is_kustomization(value: &Value) -> bool {
    group(value) == FLUX_GROUP && kind(value) == "Kustomization"
}

/// Returns the folder of a Flux Kustomization.
pub(crate) fn path(value: &Value) -> Option<String> {
    kustomize::join_path("", text(value, &["spec", "path"]).unwrap_or("").trim_start_matches('/'))
}

/// Returns what of its address a source takes, a Git reference as Git names it.
fn revision_of(source: &Value) -> String {
    let said = |field: &str| text(source, &["spec", "ref", field]).filter(|text| !text.is_empty());
    let of_git = || match (said("commit"), said("name"), said("semver"), said("tag"), said("branch")) {
        (Some(commit), ..) => commit.to_string(),
        (_, Some(name), ..) => name.to_string(),
        (_, _, Some(range), ..) => range.to_string(),
        (_, _, _, Some(tag), _) => format!("refs/tags/{tag}"),
        (.., branch) => format!("refs/heads/{}", branch.unwrap_or("master")),
    };
    match kind(source) {
        "GitRepository" => of_git(),
        _ => get(source, &["spec", "ref"]).map(Value::to_string).unwrap_or_default(),
    }
}

fn source_of(value: &Value) -> Option<Source> {
    let reference = get(value, &["spec", "sourceRef"])?;
    Some(Source {
        kind: text(reference, &["kind"])?.to_string(),
        namespace: text(reference, &["namespace"]).unwrap_or(namespace(value)).to_string(),
        name: text(reference, &["name"])?.to_string(),
    })
}

/// Returns what a Flux Kustomization merges into the kustomization file at its path.
fn overlay(files: &dyn Files, found: &Object) -> Result<Overlay, Error> {
    let value = &found.value;
    let own = |key: &str| text(value, &["spec", key]).map(str::to_string);
    let field = |value: &Value, key: &str| text(value, &[key]).map(str::to_string);
    let target = |value: &Value| Target {
        group: field(value, "group"),
        version: field(value, "version"),
        kind: field(value, "kind"),
        name: field(value, "name"),
        namespace: field(value, "namespace"),
        label_selector: field(value, "labelSelector"),
        annotation_selector: field(value, "annotationSelector"),
    };
    let patch = |(index, value): (usize, &Value)| {
        let origin = origin::of(files, found, &format!("/spec/patches/{index}/patch"));
        PatchEntry {
            patch: field(value, "patch"),
            target: get(value, &["target"]).map(target),
            origin: Some((origin.file, origin.line)),
            ..PatchEntry::default()
        }
    };
    let image = |value: &Value| Image {
        name: field(value, "name").unwrap_or_default(),
        new_name: field(value, "newName"),
        new_tag: field(value, "newTag"),
        digest: field(value, "digest"),
        tag_suffix: None,
    };
    Ok(Overlay {
        namespace: own("targetNamespace"),
        name_prefix: own("namePrefix"),
        name_suffix: own("nameSuffix"),
        patches: items(value, &["spec", "patches"]).iter().enumerate().map(patch).collect(),
        components: items(value, &["spec", "components"]).iter().filter_map(Value::as_str).map(str::to_string).collect(),
        images: items(value, &["spec", "images"]).iter().map(image).collect(),
        build_metadata: items(value, &["spec", "buildMetadata"]).iter().filter_map(Value::as_str).map(str::to_string).collect(),
        marks_generated: true,
        ignore_missing_components: flag(value, &["spec", "ignoreMissingComponents"]),
        file: found.file.clone(),
        line: found.line,
    })
}

fn common_metadata(value: &mut Value, spec: &Value) {
    for field in ["labels", "annotations"] {
        let Some(pairs) = get(spec, &["spec", "commonMetadata", field]).and_then(Value::as_object).filter(|pairs| !pairs.is_empty()) else {
            continue;
        };
        // With what is no text the API server refuses the Kustomization itself.
        let texts = pairs.iter().filter(|(_, value)| value.is_string());
        pairs_of(value, field).extend(texts.map(|(key, value)| (key.clone(), value.clone())));
    }
}

/// Returns the labels or annotations of an object to be added to. With one whose value is no text there are none, as
/// `unstructured.GetLabels` of Kubernetes has it.
fn pairs_of<'a>(value: &'a mut Value, field: &str) -> &'a mut Map<String, Value> {
    let metadata = object(object(value).entry("metadata").or_insert(Value::Null));
    let pairs = object(metadata.entry(field).or_insert(Value::Null));
    if !pairs.values().all(Value::is_string) {
        pairs.clear();
    }
    pairs
}

impl Tree {
    /// Returns the folder that Flux synchronises.
    pub fn root(&self) -> &str {
        &self.root
    }

    /// Returns resources that are listed and not in the repository.
    pub fn absent(&self) -> &[Absent] {
        &self.absent
    }

    /// Returns why some Kustomizations or objects of the tree could not be read.
    pub fn failures(&self) -> &[Error] {
        &self.failures
    }

    /// Returns Kustomizations that were not followed because they are of another repository, for another cluster, or of an unknown folder.
    pub fn elsewhere(&self) -> &[Place] {
        &self.elsewhere
    }

    /// Returns the folders that are built, the root first.
    pub fn folders(&self) -> impl Iterator<Item = &str> {
        self.folders.iter().map(String::as_str)
    }

    /// Returns every object of the tree, as Flux applies it but for its owner labels.
    pub fn objects(&self) -> impl Iterator<Item = &Object> {
        self.objects.list.iter().map(|located| &located.object)
    }

    /// Returns every object of the tree as kustomize-controller applies it, with its owner labels.
    pub fn applied(&self) -> impl Iterator<Item = Value> {
        self.located().map(owned)
    }

    /// Returns the objects whose content is known: neither encrypted nor with variables that only the cluster knows.
    pub fn known_objects(&self) -> impl Iterator<Item = &Object> {
        let known = self.located().filter(|located| located.unknown.is_empty() && located.encrypted().is_none());
        known.map(|located| &located.object)
    }

    /// Returns whether the chart of a release comes through `spec.chart` or a HelmChart, where its version is the chart's own.
    pub fn release_uses_helm_chart(&self, release: &ReleaseSpec) -> bool {
        text(&release.helm_release, &["spec", "chartRef", "kind"]) != Some("OCIRepository")
    }

    /// Returns what is suspended on the way to a release: itself, or a Kustomization above it.
    pub fn suspended_by(&self, release: &ReleaseSpec) -> Option<String> {
        if release.suspended {
            return Some("it".to_string());
        }
        let (mut next, mut seen) = (release.kustomization.clone(), BTreeSet::new());
        while let Some((inside, wanted)) = next.filter(|id| seen.insert(id.clone())) {
            let found = self.find(FLUX_GROUP, "Kustomization", &inside, &wanted)?;
            if flag(&found.object.value, &["spec", "suspend"]) {
                return Some(format!("Kustomization {inside}/{wanted}"));
            }
            next = found.kustomization.clone();
        }
        None
    }

    /// Returns whether a namespace is the one that Flux itself is in, which is there before the tree is applied.
    pub fn is_of_flux(&self, namespace: &str) -> bool {
        namespace == "flux-system"
            || self.root_kustomization().is_some_and(|(inside, _)| inside == namespace)
            || self.source_of_instance().is_some_and(|source| source.namespace == namespace)
    }

    /// Returns whether something in the tree makes objects that only a controller knows: a ResourceSet.
    pub fn makes_unknown_objects(&self) -> bool {
        self.located().any(|located| check::is_resource_set(&located.object.value))
    }

    /// Returns namespace and name of the Kustomization that builds the root.
    pub(crate) fn root_kustomization(&self) -> Option<(&str, &str)> {
        self.root_id.as_ref().map(|(namespace, name)| (namespace.as_str(), name.as_str()))
    }

    /// Returns a HelmRelease with the values of its `valuesFrom` too, as far as they are known; any other object as it is.
    fn with_all_values(&self, located: &Located) -> Value {
        let mut value = located.object.value.clone();
        if is_release(&value)
            && let Ok(spec) = release::spec(self, located)
        {
            object(object(&mut value).entry("spec").or_insert(Value::Null)).insert("values".to_string(), Value::Object(spec.values));
        }
        value
    }

    /// Returns `spec.ignore` of the source of the root.
    fn ignored(&self) -> Option<&str> {
        let Source { kind, namespace, name } = self.source.as_ref()?;
        let source = self.find(SOURCE_GROUP, kind, namespace, name)?;
        text(&source.object.value, &["spec", "ignore"]).filter(|text| !text.trim().is_empty())
    }

    /// Returns whether a source is one that nobody writes down: the one that flux-operator makes of the FluxInstance, or that the root
    /// itself is read from.
    pub(crate) fn is_made_by_instance(&self, of_kind: &str, inside: &str, wanted: &str) -> bool {
        let this = Source { kind: of_kind.to_string(), namespace: inside.to_string(), name: wanted.to_string() };
        let is_made = match self.source_of_instance() {
            Some(made) => made == this,
            None => match &self.source {
                Some(source) => *source == this,
                None => (inside, wanted) == ("flux-system", "flux-system"),
            },
        };
        is_made || self.source.as_ref() == Some(&this)
    }

    fn source_of_instance(&self) -> Option<Source> {
        let find = || {
            let instance = self.with_all_values(self.instance()?);
            let (kind, namespace, name) = root::source_of_instance(&instance);
            Some(Source { kind: kind.to_string(), namespace: namespace.to_string(), name: name.to_string() })
        };
        if self.is_read { self.known.source.get_or_init(find).clone() } else { find() }
    }

    pub(crate) fn located(&self) -> impl Iterator<Item = &Located> {
        self.objects.list.iter()
    }

    pub(crate) fn find(&self, in_group: &str, of_kind: &str, inside: &str, wanted: &str) -> Option<&Located> {
        self.objects.find(in_group, of_kind, inside, wanted)
    }

    /// Returns the ConfigMap or Secret that variables or values come from: the tree's own, or the given one where that cannot be read.
    pub(crate) fn content(&self, of_kind: &str, inside: &str, wanted: &str) -> Option<&Located> {
        let own = self.find("", of_kind, inside, wanted);
        match own {
            Some(own) if !own.is_closed() => Some(own),
            _ => self.given.find("", of_kind, inside, wanted).or(own),
        }
    }

    /// Returns the place of each given object that the tree tells of itself, with that of its own.
    pub fn given_in_vain(&self) -> impl Iterator<Item = (String, String)> {
        self.given.list.iter().filter_map(|given| {
            let value = &given.object.value;
            let own = self.content(kind(value), namespace(value), name(value))?;
            (own.object.file != given.object.file).then(|| (given.title(), own.title()))
        })
    }

    /// Returns whether a source is the repository the tree is in: the one the root names, one with the same address, or one that is not
    /// an object of the tree, as the FluxInstance makes it.
    pub(crate) fn is_own_source(&self, of_kind: &str, inside: &str, wanted: &str) -> bool {
        let this = Source { kind: of_kind.to_string(), namespace: inside.to_string(), name: wanted.to_string() };
        if self.source.as_ref() == Some(&this) {
            return true;
        }
        if of_kind == EXTERNAL {
            return false;
        }
        let Some(found) = self.find(SOURCE_GROUP, of_kind, inside, wanted) else { return true };
        let Some(theirs) = text(&found.object.value, &["spec", "url"]) else { return false };
        let revision = revision_of(&found.object.value);
        let own = self.source.as_ref().and_then(|own| self.find(SOURCE_GROUP, &own.kind, &own.namespace, &own.name));
        let is_own =
            |own: &Located| text(&own.object.value, &["spec", "url"]) == Some(theirs) && revision_of(&own.object.value) == revision;
        let is_synchronised = |instance: &Located| {
            let value = &instance.object.value;
            let sync = get(value, &["spec", "sync"]).or(get(value, &["spec", "values", "instance", "sync"]));
            let said = |field: &str| sync.and_then(|sync| text(sync, &[field]));
            said("url") == Some(theirs) && (of_kind != "GitRepository" || said("ref").is_none_or(|said| said == revision))
        };
        own.is_some_and(is_own) || self.instance().is_some_and(is_synchronised)
    }

    /// Returns the FluxInstance, or the HelmRelease that makes it.
    fn instance(&self) -> Option<&Located> {
        let Objects { list, instance, makes_instance, .. } = &self.objects;
        instance.or(*makes_instance).map(|at| &list[at])
    }

    /// Returns the feature gates of a controller: those that the FluxInstance's own patches set, or a Deployment of it in the tree.
    pub fn feature_gates(&self, controller: &str) -> BTreeMap<String, bool> {
        match self.instance() {
            Some(instance) => gates::of(gates::patches(&instance.object.value), controller),
            None => self.controller(controller).map(|found| gates::of_deployment(&found.object.value)).unwrap_or_default(),
        }
    }

    /// Tells whether helm-controller has a gate switched on.
    pub fn has_helm_gate(&self, gate: &str) -> bool {
        let all = || self.feature_gates("helm-controller");
        let is_on = |gates: &BTreeMap<String, bool>| gates.get(gate).copied().unwrap_or(false);
        if self.is_read { is_on(self.known.helm_gates.get_or_init(all)) } else { is_on(&all()) }
    }

    /// Returns the Deployment of a controller, where the tree holds Flux itself as `flux bootstrap` writes it.
    fn controller(&self, controller: &str) -> Option<&Located> {
        self.find("apps", "Deployment", "flux-system", controller)
    }

    /// Returns whether a variable without value and default is an error to the kustomize-controller of this tree: from 1.9 on, which
    /// Flux 2.9 brought, unless a gate says otherwise.
    fn is_strict(&self) -> bool {
        const CONTROLLER: &str = "kustomize-controller";
        if let Some(is_strict) = self.feature_gates(CONTROLLER).get("StrictPostBuildSubstitutions") {
            return *is_strict;
        }
        self.flux_minor().is_none_or(|minor| minor >= 9)
    }

    /// Returns the minor version of Flux 2 that the tree installs, where it says so; for any version of Flux 2, as in `2.x`, the highest
    /// number that there is.
    pub fn flux_minor(&self) -> Option<u32> {
        let deployed = self.controller("kustomize-controller").and_then(|found| {
            let containers = items(&found.object.value, &["spec", "template", "spec", "containers"]);
            // Its minor version is that of Flux.
            let (_, version) = containers.iter().find_map(|container| text(container, &["image"])?.rsplit_once(":v1."))?;
            minor(version)
        });
        let distributed = self.instance().and_then(|instance| {
            let version = gates::distribution_version(&instance.object.value)?.trim_start_matches(['v', '=', '~', '^', ' ']);
            match version.strip_prefix("2.") {
                Some("x" | "X" | "*") => Some(u32::MAX),
                rest => minor(rest?),
            }
        });
        deployed.or(distributed)
    }

    /// Returns every HelmRelease of the tree, sorted.
    pub fn releases(&self) -> Vec<ReleaseId> {
        let mut found: Vec<ReleaseId> = self.located().filter(|located| is_release(&located.object.value)).map(id).collect();
        found.sort();
        found
    }

    /// Reads the HelmRelease of a namespace and name, as they are after all kustomizations.
    pub fn release(&self, namespace: &str, name: &str) -> Result<ReleaseSpec, Error> {
        let found: Vec<&Located> = self
            .located()
            .filter(|located| is_release(&located.object.value))
            .filter(|located| {
                crate::fields::namespace(&located.object.value) == namespace && crate::fields::name(&located.object.value) == name
            })
            .collect();
        match found.as_slice() {
            [one] => release::spec(self, one),
            [] => Err(self.no_release(namespace, name)),
            several => Err(Error::Ambiguous {
                namespace: namespace.to_string(),
                name: name.to_string(),
                definitions: several.iter().map(|located| definition(located)).collect(),
            }),
        }
    }

    fn no_release(&self, namespace: &str, name: &str) -> Error {
        let all = self.releases();
        let mut near: Vec<&ReleaseId> = all.iter().filter(|id| id.name == name).collect();
        if near.is_empty() {
            near = all.iter().filter(|id| id.namespace == namespace || id.name.contains(name) || name.contains(&id.name)).collect();
        }
        if near.is_empty() {
            near = all.iter().collect();
        }
        let near = near.into_iter().take(8).map(place).collect();
        let suspect = |absent: &&Absent| absent.path.split('/').any(|part| part == name);
        let absent = self.absent.iter().filter(suspect).cloned().collect();
        Error::NoRelease {
            namespace: namespace.to_string(),
            name: name.to_string(),
            root: self.root.as_str().into(),
            near,
            absent,
            unbuilt: self.failures.first().cloned().map(Box::new),
        }
    }

    /// Returns a Namespace of the tree as kustomize-controller applies it, with its owner labels.
    pub fn namespace(&self, wanted: &str) -> Option<Value> {
        let is = |located: &&Located| {
            let value = &located.object.value;
            group(value).is_empty() && kind(value) == "Namespace" && name(value) == wanted
        };
        self.located().find(is).map(owned)
    }

    /// Returns an object of the tree with its file and line, without owner labels. Without a namespace, any one fits.
    pub fn object(&self, api_version: &str, of_kind: &str, namespace: Option<&str>, wanted: &str) -> Option<(&Value, &str, usize)> {
        let found = self.located().find(|located| {
            let value = &located.object.value;
            text(value, &["apiVersion"]) == Some(api_version)
                && kind(value) == of_kind
                && name(value) == wanted
                && namespace.is_none_or(|namespace| crate::fields::namespace(value) == namespace)
        })?;
        Some((&found.object.value, &found.object.file, found.object.line))
    }
}

/// Returns an object as kustomize-controller applies it, with its owner labels.
pub(crate) fn owned(found: &Located) -> Value {
    let mut value = found.object.value.clone();
    if let Some((namespace, name)) = &found.kustomization {
        let labels = pairs_of(&mut value, "labels");
        labels.insert(format!("{FLUX_GROUP}/name"), json!(name));
        labels.insert(format!("{FLUX_GROUP}/namespace"), json!(namespace));
    }
    value
}

/// Returns whether an object is a FluxInstance.
pub fn is_instance(value: &Value) -> bool {
    kind(value) == "FluxInstance" && group(value) == "fluxcd.controlplane.io"
}

/// Returns whether an object is a HelmRelease.
pub fn is_release(value: &Value) -> bool {
    group(value) == "helm.toolkit.fluxcd.io" && kind(value) == "HelmRelease"
}

fn id(located: &Located) -> ReleaseId {
    let Object { value, file, line, .. } = &located.object;
    ReleaseId { namespace: namespace(value).to_string(), name: name(value).to_string(), file: file.clone(), line: *line }
}

fn place(id: &ReleaseId) -> Place {
    Place { title: format!("{}/{}", id.namespace, id.name), file: id.file.clone(), line: id.line }
}

/// Returns who applies an object, and from where.
fn definition(located: &Located) -> Place {
    let title = match &located.kustomization {
        Some((inside, name)) => format!("by Kustomization {inside}/{name}"),
        None => id(located).name,
    };
    Place { title, file: located.object.file.clone(), line: located.object.line }
}
