//! Everything that can be known before the first write: modules loaded, parameters checked, grants compared, releases and charts at hand.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use boon::{Compiler, SchemaIndex, Schemas, UrlLoader};
use bootstrap::{Bootstrap, Grants, ModuleRef, Place, Problems, ReleaseRef, Step};
use kustomize::Files;
use serde_json::{Value, json};

use crate::failure::{Blame, Failure};
use crate::grant::{self, Gate};
use crate::module::{Limits, Module};
use crate::module_source::ModuleSource;
use crate::release_source::{OpenRelease, ReleaseSource};
use crate::repository::Repository;
use crate::secret_source::SecretSource;

/// A step that is ready to run.
pub struct PlannedStep {
    pub step: Step,
    pub module: Arc<Module>,
    pub gate: Arc<Gate>,
    pub limits: Limits,
    pub release: Option<Arc<OpenRelease>>,
}

impl PlannedStep {
    /// Returns how long the step may take: what the manifest says, else long enough for the waits of its HelmRelease.
    pub fn timeout(&self) -> Duration {
        let of_release = self.release.as_ref().map(|open| open.wanted.install.timeout.max(open.wanted.upgrade.timeout));
        self.step.timeout.unwrap_or(Step::TIMEOUT.max(of_release.unwrap_or_default()))
    }

    /// Returns what the module is told, by how much of the step's time is left.
    pub fn params(&self, time_left: Duration) -> Value {
        let release = self.step.release.as_ref().map(|release| json!({ "namespace": release.namespace, "name": release.name }));
        let timeout = u64::try_from(time_left.as_millis()).unwrap_or(u64::MAX);
        json!({ "step": self.step.name, "release": release, "timeoutMs": timeout, "with": self.step.with })
    }
}

/// Where the parts of a plan come from.
pub struct Sources<'a> {
    pub modules: &'a mut ModuleSource,
    pub releases: &'a ReleaseSource,
    pub secrets: &'a SecretSource,
    pub repository: &'a Repository,
    pub registry: &'a charts::Source,
    /// The folder of the manifest.
    pub folder: &'a Path,
}

/// Plans all steps. Everything wrong is reported at once, by its place in the manifest.
pub async fn plan(file: &str, bootstrap: Bootstrap, sources: &mut Sources<'_>) -> Result<Vec<PlannedStep>, Failure> {
    let mut problems = Problems::new(file);
    let mut blamed = Vec::new();
    let mut planned = Vec::new();
    for step in bootstrap.steps {
        match plan_step(file, step, sources, &mut problems).await {
            Ok(Some(step)) => planned.push(step),
            // The step as it is written is among the problems.
            Ok(None) => blamed.push(Blame::User),
            Err((place, failure)) => {
                blamed.push(failure.blame);
                problems.add(place, failure.message, (!failure.hints.is_empty()).then(|| failure.hints.join("; ")));
            }
        }
    }
    if problems.is_empty() {
        return Ok(planned);
    }
    Err(Failure::new(together(&blamed), problems.to_string()))
}

/// Returns who has to act on several faults: the one that all of them blame, else the person, who chose what is to blame.
fn together(blamed: &[Blame]) -> Blame {
    match blamed {
        [first, others @ ..] if others.iter().all(|other| other == first) => *first,
        _ => Blame::User,
    }
}

/// Returns everything wrong with the steps that can be known without charts.
pub async fn problems(file: &str, bootstrap: &Bootstrap, sources: &mut Sources<'_>) -> Problems {
    let mut problems = Problems::new(file);
    for step in &bootstrap.steps {
        if let Err((place, failure)) = understand(file, step, sources, &mut problems).await {
            problems.add(place, failure.message, (!failure.hints.is_empty()).then(|| failure.hints.join("; ")));
        }
    }
    problems
}

type Faulty = (Place, Failure);

async fn plan_step(file: &str, step: Step, sources: &mut Sources<'_>, problems: &mut Problems) -> Result<Option<PlannedStep>, Faulty> {
    let Some((module, gate, others)) = understand(file, &step, sources, problems).await? else { return Ok(None) };
    let named = |place: Place| {
        let name = step.name.clone();
        move |failure: Failure| (place, Failure { message: format!("step {name}: {}", failure.message), ..failure })
    };
    let release = match &step.release {
        Some(name) => Some(open(sources.releases, name).await.map_err(named(step.locate("/release")))?),
        None => None,
    };
    for name in &others {
        open(sources.releases, name).await.map_err(named(step.locate("/with")))?;
    }
    let limits = Limits::of(&step.limits);
    Ok(Some(PlannedStep { gate: Arc::new(gate), limits, release, module, step }))
}

/// Returns a release whose chart takes its values.
async fn open(releases: &ReleaseSource, name: &ReleaseRef) -> Result<Arc<OpenRelease>, Failure> {
    let open = releases.open(name).await?;
    releases.check(&open)?;
    Ok(open)
}

/// A step's module, what it may do, and the releases beside its own that it asks for.
type Understood = (Arc<Module>, Gate, Vec<ReleaseRef>);

async fn understand(file: &str, step: &Step, sources: &mut Sources<'_>, problems: &mut Problems) -> Result<Option<Understood>, Faulty> {
    let at_module = step.locate("/module");
    let named = |place: Place| {
        let name = step.name.clone();
        move |failure: Failure| (place, Failure { message: format!("step {name}: {}", failure.message), ..failure })
    };
    let module = sources.modules.load(&step.module, sources.folder, sources.registry).await.map_err(named(at_module))?;
    let before = problems.list().len();
    check_parameters(step, &module, problems);
    if module.description.release && step.release.is_none() {
        let message = format!("step {}: module {} needs a release", step.name, module.description.name);
        problems.add(step.place, message, Some("add `release: NAMESPACE/NAME` of a HelmRelease".into()));
    }
    if problems.list().len() > before {
        return Ok(None);
    }
    let folder = match &step.release {
        Some(name) => sources.releases.spec(name).map_err(named(step.locate("/release")))?.folder,
        None => String::new(),
    };
    let requested = module.description.capabilities.for_step(step, &folder);
    let requested = requested.map_err(|message| (step.locate("/with"), Failure::user(format!("step {}: {message}", step.name))))?;
    let names = requested.releases.iter().filter(|name| !grant::is_pattern(name));
    let others = names.filter_map(|name| name.parse::<ReleaseRef>().ok());
    let others: Vec<ReleaseRef> = others.filter(|name| Some(name) != step.release.as_ref()).collect();
    for name in &others {
        sources.releases.spec(name).map_err(named(step.locate("/with")))?;
    }
    let absent = absent_files(step, &requested, sources.repository);
    if !absent.is_empty() {
        let message = format!("step {}: {}: no such file or folder in the repository", step.name, absent.join(", "));
        let hint = "paths are relative to the folder of the HelmRelease; a leading / means the repository";
        return Err((step.locate("/with"), Failure::user(message).hint(hint)));
    }
    let granted = match &step.module {
        // A stock module comes with its grants; what the operator adds is added.
        ModuleRef::Stock(_) => join(requested.clone(), &step.grants),
        _ => step.grants.clone(),
    };
    let missing = grant::missing(&requested, &granted);
    if !missing.is_empty() {
        let message = format!("step {}: module {} requests what the manifest does not grant", step.name, module.description.name);
        // The manifest names files from where it lies, the command line from where the person is.
        let module = match &step.module {
            ModuleRef::File(path) => {
                Path::new(file).parent().unwrap_or(Path::new("")).join(path).components().collect::<PathBuf>().display().to_string()
            }
            other => other.to_string(),
        };
        let hint = format!("look at `launchway module inspect {module}`, then add under `grants:` {}", missing.join(" and "));
        let failure = Failure::user(message).hint(hint);
        return Err((step.locate("/grants"), failure));
    }
    let secrets = sources.secrets.missing(&requested.secrets);
    if !secrets.is_empty() {
        return Err((step.place, Failure::user(format!("step {}: {}", step.name, secrets.join("; ")))));
    }
    Ok(Some((module, Gate::new(requested, granted), others)))
}

/// Returns the files that a step names itself and that are not there. Patterns may match nothing.
fn absent_files(step: &Step, requested: &Grants, repository: &Repository) -> Vec<String> {
    if !matches!(step.module, ModuleRef::Stock(_)) {
        return Vec::new();
    }
    let is_there = |path: &str| matches!(repository.bytes(path), Ok(Some(_))) || matches!(repository.list(path), Ok(Some(_)));
    let literal = requested.files.iter().filter(|path| !path.contains(['*', '?', '[', '{']));
    literal.filter(|path| !is_there(path)).cloned().collect()
}

fn join(mut one: Grants, other: &Grants) -> Grants {
    one.kubernetes.extend(other.kubernetes.iter().cloned());
    for (list, more) in [
        (&mut one.files, &other.files),
        (&mut one.charts, &other.charts),
        (&mut one.releases, &other.releases),
        (&mut one.secrets, &other.secrets),
    ] {
        list.extend(more.iter().cloned());
    }
    one
}

/// Refuses what a schema refers to outside of itself: the library's own loader would open any file of this machine for a module.
struct Nothing;

impl UrlLoader for Nothing {
    fn load(&self, _: &str) -> Result<Value, Box<dyn std::error::Error>> {
        Err("a schema of parameters can only refer to itself".into())
    }
}

fn compiled(parameters: &Value) -> Result<(Schemas, SchemaIndex), String> {
    let location = "module:///parameters.json";
    let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
    compiler.use_loader(Box::new(Nothing));
    // With `#` the library tells the cause, too.
    compiler.add_resource(location, parameters.clone()).map_err(|error| format!("{error:#}"))?;
    let index = compiler.compile(location, &mut schemas).map_err(|error| format!("{error:#}"))?;
    Ok((schemas, index))
}

/// Checks `with:` against the module's JSON Schema, each fault at its place.
fn check_parameters(step: &Step, module: &Module, problems: &mut Problems) {
    let (schemas, index) = match compiled(&module.description.parameters) {
        Ok(compiled) => compiled,
        Err(error) => {
            let message = format!("step {}: module {} has a faulty schema of its parameters: {error}", step.name, module.title());
            problems.add(step.locate("/module"), message, Some("tell the author of the module".into()));
            return;
        }
    };
    let with = if step.with.is_null() { json!({}) } else { step.with.clone() };
    let Err(error) = schemas.validate(&with, index) else { return };
    let mut leaves = Vec::new();
    collect(&error, &mut leaves);
    for (pointer, message) in leaves {
        let place = step.locate(&format!("/with{pointer}"));
        let path = format!("with{}", pointer.replace('/', "."));
        let known: Vec<&String> =
            module.description.parameters["properties"].as_object().map(|map| map.keys().collect()).unwrap_or_default();
        let hint = match known.as_slice() {
            [] => "the module takes no parameters".to_owned(),
            known => format!(
                "parameters of {} are {}",
                module.description.name,
                known.iter().map(|key| key.as_str()).collect::<Vec<_>>().join(", ")
            ),
        };
        problems.add(place, format!("step {}: {path}: {message}", step.name), Some(hint));
    }
}

fn collect(error: &boon::ValidationError<'_, '_>, leaves: &mut Vec<(String, String)>) {
    if error.causes.is_empty() {
        leaves.push((error.instance_location.to_string(), error.kind.to_string()));
    }
    for cause in &error.causes {
        collect(cause, leaves);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_of_several_are_the_persons() {
        assert_eq!(together(&[Blame::Module]), Blame::Module);
        assert_eq!(together(&[Blame::Module, Blame::Module]), Blame::Module);
        assert_eq!(together(&[Blame::Module, Blame::User, Blame::Module]), Blame::User);
        assert_eq!(together(&[Blame::User, Blame::Module]), Blame::User);
        assert_eq!(together(&[]), Blame::User);
    }

    #[test]
    fn a_schema_opens_no_file_and_no_connection() {
        let file = std::env::temp_dir().join(format!("launchway-schema-{}.json", std::process::id()));
        std::fs::write(&file, r#"{ "type": "object" }"#).unwrap();
        for elsewhere in [format!("file://{}", file.display()), "http://127.0.0.1:1/schema.json".into(), "other.json".into()] {
            for schema in [json!({ "$ref": elsewhere }), json!({ "properties": { "a": { "$ref": elsewhere } } })] {
                let wrong = compiled(&schema).map(drop).unwrap_err();
                assert!(wrong.contains("can only refer to itself"), "{wrong}");
            }
            assert!(compiled(&json!({ "$schema": elsewhere })).is_err());
        }
        std::fs::remove_file(&file).unwrap();
        compiled(&json!({ "$defs": { "a": { "type": "string" } }, "properties": { "a": { "$ref": "#/$defs/a" } } })).unwrap();
    }
}
