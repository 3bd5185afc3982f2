//! The steps of `launchway.yaml`: what the manifest says wrongly, what steps name and is not there, and kinds that come too late.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bootstrap::{Bootstrap, Place, Problems, Step};
use flux::check::{Finding, Rule, Severity};
use serde_json::Value;

use crate::boot;
use crate::check::namespaces;
use crate::check::rehearsal::Scene;
use crate::check::renders::{Rendered, is_definition};
use crate::engine;
use crate::failure::Failure;
use crate::module_source::ModuleSource;
use crate::plan::{self, Sources};
use crate::release_source::ReleaseSource;
use crate::secret_source::SecretSource;

/// The manifest, where there is one, and what is known of its releases.
#[derive(Default)]
pub struct Steps {
    manifest: Option<(String, PathBuf, Result<Bootstrap, Problems>)>,
    pub rendered: Vec<Rendered>,
    /// Charts that are not at hand.
    pub absent_charts: Vec<String>,
}

impl Steps {
    /// Takes the manifest: how its file is shown, its folder, and what was read.
    pub fn manifest(&mut self, shown: String, folder: PathBuf, bootstrap: Result<Bootstrap, Problems>) {
        self.manifest = Some((shown, folder, bootstrap));
    }

    /// Whether the manifest cannot be read.
    pub fn are_faulty(&self) -> bool {
        matches!(self.manifest, Some((_, _, Err(_))))
    }

    /// Returns what is wrong with the manifest alone.
    pub fn faults(&self) -> Vec<Finding> {
        match &self.manifest {
            Some((file, _, Err(problems))) => of_problems(file, problems),
            _ => Vec::new(),
        }
    }

    /// Checks the steps.
    pub async fn check(&self, scene: &Scene<'_>) -> Result<Vec<Finding>, Failure> {
        let Some((file, folder, bootstrap)) = &self.manifest else { return Ok(Vec::new()) };
        let bootstrap = match bootstrap {
            Ok(bootstrap) => bootstrap,
            Err(problems) => return Ok(of_problems(file, problems)),
        };
        let mut findings = planned(scene, file, folder, bootstrap).await?;
        findings.extend(self.suspended(scene, bootstrap));
        findings.extend(self.late_kinds(scene, file, bootstrap));
        Ok(findings)
    }

    fn release(&self, step: &Step) -> Option<&Rendered> {
        let name = step.release.as_ref()?;
        self.rendered.iter().find(|release| release.spec.namespace == name.namespace && release.spec.name == name.name)
    }

    /// A suspended release is installed here and then looked after by nobody.
    fn suspended(&self, scene: &Scene<'_>, bootstrap: &Bootstrap) -> Vec<Finding> {
        let named = bootstrap.steps.iter().filter_map(|step| step.release.as_ref());
        let specs = named.filter_map(|name| scene.tree.release(&name.namespace, &name.name).ok());
        specs
            .filter_map(|spec| {
                let by = scene.tree.suspended_by(&spec)?;
                let message =
                    format!("HelmRelease {}/{}: {by} is suspended, so Flux never takes the release over", spec.namespace, spec.name);
                let found =
                    Finding { severity: Severity::Warning, ..Finding::error(Rule::NotAdoptable, &spec.file, spec.line, 1, message) };
                Some(found.hint("take `spec.suspend` back"))
            })
            .collect()
    }

    /// Objects of a step whose kind neither the step nor one that it needs defines. Nothing is said where a chart is missing.
    fn late_kinds(&self, scene: &Scene<'_>, file: &str, bootstrap: &Bootstrap) -> Vec<Finding> {
        let mut findings = Vec::new();
        for step in &bootstrap.steps {
            let before = ancestors(bootstrap, step);
            let complete = before.iter().chain([&step]).all(|step| self.is_known(step));
            if !complete {
                continue;
            }
            let known: BTreeSet<(String, String)> =
                before.iter().chain([&step]).flat_map(|step| self.provides(scene, step)).filter_map(|value| defined(&value)).collect();
            let everything: BTreeMap<(String, String), &str> = bootstrap
                .steps
                .iter()
                .flat_map(|step| self.provides(scene, step).into_iter().filter_map(|value| Some((defined(&value)?, step.name.as_str()))))
                .collect();
            let mut told = BTreeSet::new();
            for (value, origin) in self.applies(scene, step) {
                let Some(kind) = custom_kind(&value).filter(|kind| !known.contains(kind) && told.insert(kind.clone())) else { continue };
                let message = format!("step {}: {origin} {} is of a kind that no step before it defines", step.name, title(&value));
                let hint = match everything.get(&kind) {
                    Some(other) => format!("step {other} defines it: add it to `needs:`"),
                    None => {
                        let defining =
                            self.rendered.iter().find(|release| release.definitions.iter().any(|it| defined(it).as_ref() == Some(&kind)));
                        let of = defining.map_or_else(
                            || "the release whose chart defines it".to_owned(),
                            |release| format!("{}/{}, whose chart defines it", release.spec.namespace, release.spec.name),
                        );
                        format!("add a step `crds` for {of}, and need that")
                    }
                };
                let at = step.place;
                findings.push(Finding::error(Rule::UnknownKind, file, at.line, at.column, message).hint(hint));
            }
        }
        findings
    }

    fn is_known(&self, step: &Step) -> bool {
        let named = crd_releases(step);
        let has = |namespace: &str, name: &str| {
            let of = |release: &&Rendered| release.spec.namespace == namespace && release.spec.name == name;
            self.rendered.iter().find(of).is_some_and(|release| !release.hides_definitions)
        };
        let own = step.release.as_ref().is_none_or(|name| has(&name.namespace, &name.name));
        let is_stock = matches!(&step.module, bootstrap::ModuleRef::Stock(_));
        own && is_stock && named.iter().all(|(namespace, name)| has(namespace, name))
    }

    /// The definitions that exist once a step is done.
    fn provides(&self, scene: &Scene<'_>, step: &Step) -> Vec<Value> {
        let mut found = Vec::new();
        if let Some(release) = self.release(step) {
            found.extend(release.definitions.iter().chain(&release.effects).cloned());
        }
        for (namespace, name) in crd_releases(step) {
            let of = self.rendered.iter().filter(|release| release.spec.namespace == namespace && release.spec.name == name);
            found.extend(of.flat_map(|release| release.definitions.iter().cloned()));
        }
        found.extend(self.manifests(scene, step).into_iter().map(|(value, _)| value).filter(is_definition));
        found
    }

    /// What a step applies, and where it comes from.
    fn applies(&self, scene: &Scene<'_>, step: &Step) -> Vec<(Value, String)> {
        let rendered = self.release(step).into_iter().flat_map(|release| &release.objects);
        let mut found: Vec<(Value, String)> = rendered.map(|value| (value.clone(), "the chart's".to_owned())).collect();
        found.extend(self.manifests(scene, step).into_iter().filter(|(value, _)| !is_definition(value)));
        found
    }

    /// Returns where the objects are that steps apply themselves, which an API server must take as they are.
    pub fn places(&self, scene: &Scene<'_>) -> BTreeSet<String> {
        let Some((_, _, Ok(bootstrap))) = &self.manifest else { return BTreeSet::new() };
        bootstrap.steps.iter().flat_map(|step| self.manifests(scene, step)).map(|(_, place)| place).collect()
    }

    /// Returns the namespaces that the steps make.
    pub fn namespaces(&self, scene: &Scene<'_>) -> BTreeSet<String> {
        let Some((_, _, Ok(bootstrap))) = &self.manifest else { return BTreeSet::new() };
        let applied: Vec<Value> = bootstrap.steps.iter().flat_map(|step| self.manifests(scene, step)).map(|(value, _)| value).collect();
        namespaces::of_steps(bootstrap, &self.rendered, &applied)
    }

    fn manifests(&self, scene: &Scene<'_>, step: &Step) -> Vec<(Value, String)> {
        let folder = self.release(step).map(|release| release.spec.folder.clone()).unwrap_or_default();
        let listed = step.with.get("manifests").or(step.with.get("paths")).and_then(Value::as_array);
        let mut found = Vec::new();
        for path in listed.into_iter().flatten().filter_map(Value::as_str) {
            let at = match path.strip_prefix('/') {
                Some(absolute) => Some(absolute.to_owned()),
                None => kustomize::join_path(&folder, path),
            };
            let Some(at) = at else { continue };
            found.extend(objects(&scene.subject.repository, &at));
        }
        found
    }
}

fn objects(repository: &crate::repository::Repository, at: &str) -> Vec<(Value, String)> {
    if let Ok(Some(bytes)) = repository.bytes(at) {
        let manifests = kustomize::manifests(at, &bytes).unwrap_or_default();
        return manifests.into_iter().map(|manifest| (manifest.value, format!("{at}:{}:", manifest.line))).collect();
    }
    let build = kustomize::build(repository, at);
    build
        .map(|build| build.objects.into_iter().map(|object| (object.value, format!("{}:{}:", object.file, object.line))).collect())
        .unwrap_or_default()
}

fn title(value: &Value) -> String {
    let text = |pointer: &str| value.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    format!("{} {}", text("/kind"), text("/metadata/name"))
}

/// Returns group and kind of what a definition defines.
fn defined(value: &Value) -> Option<(String, String)> {
    let text = |pointer: &str| value.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    Some((text("/spec/group")?, text("/spec/names/kind")?))
}

/// Returns group and kind of a custom resource.
fn custom_kind(value: &Value) -> Option<(String, String)> {
    let (api, kind) = (value["apiVersion"].as_str()?, value["kind"].as_str()?);
    let (group, _) = api.split_once('/')?;
    (!kustomize::is_built_in_group(group)).then(|| (group.to_owned(), kind.to_owned()))
}

/// The releases whose definitions a step `crds` applies.
fn crd_releases(step: &Step) -> Vec<(String, String)> {
    if step.module != bootstrap::ModuleRef::Stock("crds".into()) {
        return Vec::new();
    }
    let listed = step.with.get("releases").and_then(Value::as_array);
    let names = listed.into_iter().flatten().filter_map(Value::as_str).filter_map(|name| name.split_once('/'));
    names.map(|(namespace, name)| (namespace.to_owned(), name.to_owned())).collect()
}

/// Returns everything that is done before a step begins.
fn ancestors<'a>(bootstrap: &'a Bootstrap, step: &'a Step) -> Vec<&'a Step> {
    let (mut open, mut found): (Vec<&Step>, Vec<&Step>) = (vec![step], Vec::new());
    while let Some(next) = open.pop() {
        for need in &next.needs {
            let Some(before) = bootstrap.steps.iter().find(|other| other.name == *need) else { continue };
            if !found.iter().any(|known| known.name == before.name) {
                found.push(before);
                open.push(before);
            }
        }
    }
    found
}

fn of_problems(file: &str, problems: &Problems) -> Vec<Finding> {
    let finding = |problem: &bootstrap::Problem| {
        let Place { line, column } = problem.place;
        let rule = if problem.message.contains("wait for each other") { Rule::Cycle } else { Rule::Manifest };
        let found = Finding::error(rule, file, line, column, problem.message.clone());
        match &problem.hint {
            Some(hint) => found.hint(hint.clone()),
            None => found,
        }
    };
    problems.list().iter().map(finding).collect()
}

/// Everything `boot` would find in the steps before it asks for a chart.
async fn planned(scene: &Scene<'_>, file: &str, folder: &Path, bootstrap: &Bootstrap) -> Result<Vec<Finding>, Failure> {
    let bug = |error: anyhow::Error| Failure::bug(format!("{error:#}"));
    let engine = engine::engine(boot::private(scene.around.cache.as_deref(), engine::COMPILED).as_deref()).map_err(bug)?;
    let linker = engine::linker(&engine).map_err(bug)?;
    let mut modules = ModuleSource::new(engine, linker, &scene.options.modules.replaced);
    let charts = Arc::new(crate::chart_source::ChartSource::new(
        charts::Source::new(charts::Options { offline: true, ..boot::chart_options(&scene.options.charts, scene.around) }),
        scene.subject.root.clone(),
    ));
    let releases = ReleaseSource::new(
        scene.subject.repository.clone(),
        scene.subject.flux_path.clone(),
        charts.clone(),
        scene.compat.clone(),
        [0; 32],
        None,
    );
    let secrets = SecretSource::new(bootstrap.secrets.clone(), &scene.around.variable, folder.to_owned());
    let mut sources = Sources {
        modules: &mut modules,
        releases: &releases,
        secrets: &secrets,
        repository: &scene.subject.repository,
        registry: charts.source(),
        folder,
    };
    let problems = plan::problems(file, bootstrap, &mut sources).await;
    Ok(of_problems(file, &problems))
}
