//! `launchway.yaml`: which steps, with which modules, in which order.
//!
//! [`parse`] is strict and reports everything that is wrong at once, each with file, line, column and the way out. It does not
//! know what modules there are or what parameters they take; [`Step::locate`] gives those who do the place to complain about.

mod field;
mod grants;
mod order;
mod problem;
mod step;

pub use grants::{Grants, Rule};
pub use order::order;
pub use problem::{Place, Problem, Problems};
pub use step::{Limits, ModuleRef, ReleaseRef, Step};

use std::collections::BTreeMap;

use field::Fields;
use go_encoding::yaml::{
    self,
    node::{self, Node},
};

/// The `apiVersion` of the manifest.
pub const API_VERSION: &str = "launchway.dev/v1alpha1";

/// A manifest that holds together by itself.
#[derive(Debug, Clone)]
pub struct Bootstrap {
    pub name: String,
    /// The GitOps repository, relative to the manifest's folder. None: the git work tree that holds the manifest.
    pub repository: Option<String>,
    /// The root of the Flux tree, relative to the repository. None: the FluxInstance's `spec.sync.path`.
    pub flux_path: Option<String>,
    pub handoff: Handoff,
    /// Where secrets come from that modules may place, by name.
    pub secrets: BTreeMap<String, SecretSource>,
    /// In the order written; [`order`] says in which they may run.
    pub steps: Vec<Step>,
}

/// How Flux comes to know the releases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Handoff {
    /// They are made known to Flux before it runs, so that it has nothing to do.
    #[default]
    Seed,
    /// They are left to Flux as they are: it runs one upgrade each, in which no object changes.
    Match,
}

/// Where a secret comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretSource {
    /// An environment variable of the program.
    Env(String),
    /// A file, relative to the manifest's folder.
    File(String),
}

/// Reads a manifest. `file` is only named in problems.
pub fn parse(file: &str, text: &str) -> Result<Bootstrap, Problems> {
    let mut problems = Problems::new(file);
    let documents = match node::parse(text) {
        Ok(documents) => documents,
        Err(error) => {
            problems.add(place_of(&error), error.to_string(), None);
            return Err(problems);
        }
    };
    let [root] = documents.as_slice() else {
        let place = documents.get(1).map_or(Place { line: 1, column: 1 }, Place::of);
        let found = if documents.is_empty() { "the file is empty" } else { "the file has more than one document" };
        problems.add(place, found, Some(format!("write one document with apiVersion: {API_VERSION} and kind: Bootstrap")));
        return Err(problems);
    };
    let bootstrap = read(root, &mut problems);
    match bootstrap {
        Some(bootstrap) if problems.is_empty() => Ok(bootstrap),
        _ => Err(problems),
    }
}

fn place_of(error: &yaml::Error) -> Place {
    let (line, column) = match error {
        yaml::Error::Syntax { at: Some(place), .. } => *place,
        _ => (1, 1),
    };
    Place { line, column }
}

fn read(root: &Node, problems: &mut Problems) -> Option<Bootstrap> {
    let mut top = Fields::of(root, "the manifest", problems)?;
    for (key, expected) in [("apiVersion", API_VERSION), ("kind", "Bootstrap")] {
        if let Some((found, place)) = top.required_text(key, problems).filter(|(found, _)| found != expected) {
            problems.add(place, format!("{key}: {found} is not {expected}"), Some(format!("write `{key}: {expected}`")));
        }
    }
    let name = top.take("metadata").and_then(|node| {
        let mut metadata = Fields::of(node, "metadata", problems)?;
        let name = metadata.required_text("name", problems);
        metadata.finish(problems);
        name
    });
    let spec = top.required("spec", problems);
    top.finish(problems);
    let mut spec = Fields::of(spec?, "spec", problems)?;
    let repository = spec.text("repository", problems);
    let flux_path = spec.take("flux").and_then(|node| {
        let mut flux = Fields::of(node, "spec.flux", problems)?;
        let path = flux.required_text("path", problems);
        flux.finish(problems);
        path
    });
    let handoff = spec.text("handoff", problems).and_then(|(text, place)| handoff(&text, place, problems)).unwrap_or_default();
    let secrets = spec.take("secrets").map(|node| secrets(node, problems)).unwrap_or_default();
    let steps = spec.required("steps", problems).map(|node| step::steps(node, problems)).unwrap_or_default();
    spec.finish(problems);
    order::check(&steps, problems);
    check_secrets(&steps, &secrets, problems);
    Some(Bootstrap {
        name: name.map_or_else(|| "bootstrap".into(), |(name, _)| name),
        repository: repository.map(|(text, _)| text),
        flux_path: flux_path.map(|(text, _)| text),
        handoff,
        secrets,
        steps,
    })
}

fn handoff(text: &str, place: Place, problems: &mut Problems) -> Option<Handoff> {
    match text {
        "seed" => Some(Handoff::Seed),
        "match" => Some(Handoff::Match),
        other => {
            problems.add(place, format!("spec.handoff: {other} is neither seed nor match"), Some("leave it out for seed".into()));
            None
        }
    }
}

fn secrets(node: &Node, problems: &mut Problems) -> BTreeMap<String, SecretSource> {
    let mut sources = BTreeMap::new();
    for (name, source) in field::entries(node, "spec.secrets", problems) {
        let Some(mut fields) = Fields::of(source, &format!("secret {name}"), problems) else { continue };
        let (env, file) = (fields.text("env", problems), fields.text("file", problems));
        fields.finish(problems);
        match (env, file) {
            (Some((env, _)), None) => sources.insert(name, SecretSource::Env(env)),
            (None, Some((file, _))) => sources.insert(name, SecretSource::File(file)),
            _ => {
                problems.add(
                    Place::of(source),
                    format!("secret {name}: needs either env or file"),
                    Some("write `env: VARIABLE` or `file: PATH`".into()),
                );
                None
            }
        };
    }
    sources
}

fn check_secrets(steps: &[Step], secrets: &BTreeMap<String, SecretSource>, problems: &mut Problems) {
    for step in steps {
        for secret in step.grants.secrets.iter().filter(|secret| !secrets.contains_key(*secret)) {
            problems.add(
                step.place,
                format!("step {}: grants secret {secret}, which is not defined", step.name),
                Some(format!("define it under spec.secrets: `{secret}: {{ env: VARIABLE }}`")),
            );
        }
    }
}

#[cfg(test)]
mod tests;
