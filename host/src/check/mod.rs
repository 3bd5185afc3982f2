//! `launchway check`: what is wrong with a repository, found without a cluster.
//!
//! The tree is checked by `flux::check`. Here its objects are shown to an API server in this process, the charts at hand are rendered, and
//! the steps of `launchway.yaml` are planned.

mod kinds;
mod namespaces;
mod output;
mod refusals;
mod rehearsal;
mod renders;
mod runtime_config;
mod service_range;
mod steps;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use flux::check::{Checked, Finding, Rule, Severity, merged};
use helm::HelmCompat;

use crate::Surroundings;
use crate::boot;
use crate::bounded;
use crate::chart_source::ChartSource;
use crate::failure::{Blame, Failure};
use crate::options;
use crate::repository::{Repository, unread};

/// What is checked, understood.
pub struct Subject {
    pub repository: Arc<Repository>,
    /// The root of the repository.
    pub root: PathBuf,
    /// The folder that Flux synchronises, where it was said.
    pub flux_path: Option<String>,
    /// The manifest, where there is one.
    pub manifest: Option<PathBuf>,
}

/// Checks a repository.
pub async fn check(options: options::Check, around: &Surroundings) -> Result<(), Failure> {
    if let Some(cidr) = options.service_cidr.as_ref().filter(|cidr| !cidr.split(',').all(boot::is_cidr)) {
        let hint = "write it as 10.96.0.0/12, or with both families as 10.96.0.0/12,fd00:96::/112";
        return Err(Failure::user(format!("--service-cidr {cidr}: is no range of addresses")).hint(hint));
    }
    let compat = options.helm_compat.as_deref().map_or_else(HelmCompat::newest, HelmCompat::of);
    if helm::KubeVersion::parse(&options.kube_version, &compat).is_err() {
        return Err(Failure::user(format!("--kube-version {}: is no version", options.kube_version)).hint("write it as v1.36.3"));
    }
    // Read beside the tree, which takes as long.
    std::thread::spawn(kube_sandbox::read_kinds);
    let mut steps = steps::Steps::default();
    let subject = subject(&options, around, &mut steps)?;
    let charts = Arc::new(offline_charts(&options, around, &subject));
    let (mut trees, mut findings, mut not_checked) = (Vec::new(), Vec::new(), Vec::new());
    for root in roots(&subject) {
        let checked = match flux::check::check(&*subject.repository, root.as_deref()) {
            Ok(checked) => checked,
            // What is wrong with the manifest may be why there is no tree.
            Err(_) if steps.are_faulty() => {
                output::print(&options, &subject, &[], &steps.faults(), &[]);
                return Err(Failure::new(Blame::User, ""));
            }
            // A folder that the person named is a slip of theirs; what the repository says is a finding.
            Err(error @ flux::Error::NoFolder(_)) if subject.flux_path.is_some() => return Err(unread(&error)),
            Err(error) => match flux::check::of_root(&*subject.repository, &error).filter(|_| subject.manifest.is_none()) {
                Some(found) => {
                    findings.push(found);
                    continue;
                }
                None => return Err(unread(&error)),
            },
        };
        let Checked { tree, findings: mut found, not_checked: mut notes } = checked;
        let scene = rehearsal::Scene { options: &options, around, subject: &subject, tree: &tree, charts: &charts, compat: &compat };
        rehearsal::run(&scene, &mut steps, &mut found, &mut notes).await?;
        found.extend(steps.check(&scene).await?);
        findings.extend(found);
        not_checked.extend(notes);
        trees.push(tree);
    }
    keep_unreached(&mut findings, &trees);
    if options.strict {
        findings.iter_mut().for_each(|finding| finding.severity = Severity::Error);
    }
    let findings = merged(findings);
    // Several clusters say the same of what they share.
    let mut said = std::collections::BTreeSet::new();
    not_checked.retain(|note| said.insert(note.clone()));
    output::print(&options, &subject, &trees, &findings, &not_checked);
    let fails = |finding: &Finding| finding.severity == Severity::Error;
    if findings.iter().any(fails) { Err(Failure::new(Blame::User, "")) } else { Ok(()) }
}

fn offline_charts(options: &options::Check, around: &Surroundings, subject: &Subject) -> ChartSource {
    let offline = charts::Source::new(charts::Options { offline: true, ..boot::chart_options(&options.charts, around) });
    ChartSource::new(offline, subject.root.clone())
}

/// Returns the folders that Flux synchronises: of every cluster, where nothing says which one is meant.
fn roots(subject: &Subject) -> Vec<Option<String>> {
    if subject.flux_path.is_some() || subject.manifest.is_some() {
        return vec![subject.flux_path.clone()];
    }
    let found: Vec<Option<String>> = flux::find_roots(&*subject.repository).unwrap_or_default().into_iter().map(Some).collect();
    // Without any, reading the tree says so.
    if found.is_empty() { vec![None] } else { found }
}

/// What one cluster does not reach another one may.
fn keep_unreached(findings: &mut Vec<Finding>, trees: &[flux::Tree]) {
    let reached: std::collections::BTreeSet<&str> =
        trees.iter().flat_map(|tree| tree.objects()).map(|object| object.file.as_str()).collect();
    findings.retain(|finding| finding.rule != Rule::Unreachable || !reached.contains(finding.file.as_str()));
}

/// Finds out what is to be checked.
fn subject(options: &options::Check, around: &Surroundings, steps: &mut steps::Steps) -> Result<Subject, Failure> {
    let path = options.path.as_ref().map(|path| around.folder.join(path));
    let manifest = match &path {
        Some(path) if path.is_dir() => boot::NAMES.iter().map(|name| path.join(name)).find(|file| file.is_file()),
        Some(path) if path.is_file() => Some(path.clone()),
        Some(path) => return Err(Failure::user(format!("{}: there is no such file or folder", path.display()))),
        None => boot::manifest(None, &around.folder).ok(),
    };
    if let Some(file) = manifest {
        return of_manifest(options, around, &file, steps);
    }
    let folder = path.unwrap_or_else(|| around.folder.clone());
    let root = root_of(&folder, options.flux_path.as_deref())?;
    Ok(Subject { repository: Arc::new(Repository::open(&root)?), root, flux_path: options.flux_path.clone(), manifest: None })
}

fn of_manifest(options: &options::Check, around: &Surroundings, file: &Path, steps: &mut steps::Steps) -> Result<Subject, Failure> {
    let text = bounded::text(bounded::any(file, bounded::TEXT)).map_err(|error| Failure::user(format!("{}: {error}", file.display())))?;
    let shown = boot::shown(file, &around.folder);
    let bootstrap = bootstrap::parse(&shown, &text);
    let folder = file.parent().map(Path::to_owned).unwrap_or_default();
    let (repository, flux_path) = match &bootstrap {
        Ok(bootstrap) => (bootstrap.repository.clone(), bootstrap.flux_path.clone()),
        Err(_) => (None, None),
    };
    let root = repository.map_or_else(|| Repository::around(&folder), |path| folder.join(path));
    let repository = Arc::new(Repository::open(&root)?);
    steps.manifest(shown, folder, bootstrap);
    Ok(Subject { repository, root, flux_path: options.flux_path.clone().or(flux_path), manifest: Some(file.to_owned()) })
}

/// Paths in a tree start at the root of its repository: the folder itself, or the git work tree around it.
fn root_of(folder: &Path, flux_path: Option<&str>) -> Result<PathBuf, Failure> {
    let around = Repository::around(folder);
    if around == folder {
        return Ok(around);
    }
    let here = Repository::open(folder)?;
    let is_root = match flux_path {
        Some(path) => folder.join(path).is_dir(),
        None => flux::find_roots(&here).is_ok_and(|roots| !roots.is_empty() && roots.iter().all(|root| folder.join(root).is_dir())),
    };
    Ok(if is_root { folder.to_owned() } else { around })
}
