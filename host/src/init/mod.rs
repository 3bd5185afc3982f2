//! `launchway init`: proposes a `launchway.yaml` for a repository, from a helmfile bootstrap if it has one, else from the HelmReleases that a
//! cluster needs before Flux.

mod helmfile;
mod hooks;
mod loops;
mod templates;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

use flux::Tree;
use kustomize::Files as _;

use crate::Surroundings;
use crate::boot;
use crate::failure::Failure;
use crate::module_source::ModuleSource;
use crate::options;
use crate::repository::{Repository, unread};
use crate::shown::plural;

/// A step to be written.
#[derive(Debug, Default)]
pub struct Proposal {
    pub name: String,
    pub module: String,
    /// Namespace and name of its HelmRelease.
    pub release: Option<(String, String)>,
    pub needs: Vec<String>,
    /// Parameters, each a list of texts.
    pub with: BTreeMap<&'static str, Vec<String>>,
    /// What could not be converted, and why.
    pub comments: Vec<String>,
}

/// Everything that is written.
#[derive(Debug, Default)]
pub struct Plan {
    pub steps: Vec<Proposal>,
    /// What stands above the steps.
    pub comments: Vec<String>,
}

/// Proposes a manifest and writes it.
pub fn init(options: &options::Init, around: &Surroundings) -> Result<(), Failure> {
    let root = options.path.as_ref().map_or_else(|| Repository::around(&around.folder), |path| around.folder.join(path));
    if !root.is_dir() {
        return Err(Failure::user(format!("{}: there is no such folder", root.display())).hint("name the folder of the GitOps repository"));
    }
    let repository = Repository::open(&root)?;
    let tree = flux::read(&repository, options.flux_path.as_deref()).map_err(|error| unread(&error))?;
    let helmfiles = helmfile::find(&repository, tree.root());
    let mut plan = helmfile::convert(&repository, &helmfiles, &tree);
    let is_from_tree = plan.steps.is_empty();
    if is_from_tree {
        plan.steps = from_tree(&tree).steps;
    }
    plan.steps.extend(instance(&tree, &plan.steps));
    if plan.steps.is_empty() {
        return Err(Failure::user(
            "the tree has none of the releases that a cluster needs before Flux: cilium, coredns, flux-operator, flux-instance",
        )
        .hint("write launchway.yaml by hand; a step is `{ name: NAME, module: helm-release, release: NAMESPACE/NAME }`"));
    }
    let in_bootstrap = matches!(repository.list("bootstrap"), Ok(Some(_)));
    let name = root.canonicalize().ok().and_then(|path| Some(path.file_name()?.to_string_lossy().into_owned())).unwrap_or_default();
    let text = manifest(&plan, &label(&name), if in_bootstrap { ".." } else { "." }, options.flux_path.as_deref());
    if options.stdout {
        print!("{text}");
        return Ok(());
    }
    let file: PathBuf = root.join(if in_bootstrap { boot::NAMES[1] } else { boot::NAMES[0] });
    if file.exists() && !options.force {
        return Err(Failure::user(format!("{}: is there already", file.display())).hint("`--force` writes over it, `--stdout` only prints"));
    }
    std::fs::write(&file, text).map_err(|error| Failure::user(format!("{}: {error}", file.display())))?;
    let shown = boot::shown(&file, &around.folder);
    println!(
        "wrote {shown}: {}, {}",
        plural(plan.steps.len(), "step"),
        if is_from_tree { "from the tree".to_owned() } else { format!("from {}", helmfiles.join(", ")) }
    );
    let left: usize = plan.comments.len() + plan.steps.iter().map(|step| step.comments.len()).sum::<usize>();
    if left > 0 {
        println!("{} could not be converted: look for `#` in it", plural(left, "thing"));
    }
    println!("try it: launchway check {shown}, then launchway boot --sandbox --file {shown}");
    Ok(())
}

fn label(name: &str) -> String {
    let kept: String = name.to_lowercase().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let kept = kept.trim_matches('-');
    if kept.is_empty() { "home".to_owned() } else { kept.to_owned() }
}

/// Returns the stock module for a chart.
fn module_of(chart: &str) -> String {
    let own = ["cilium", "coredns", "flux-operator", "flux-instance"];
    if own.contains(&chart) || ModuleSource::stock().contains(&chart) && chart != "crds" {
        chart.to_owned()
    } else {
        "helm-release".to_owned()
    }
}

/// The chart that makes a FluxInstance, and its module.
const INSTANCE: &str = "flux-instance";

/// The releases before Flux, in the order in which a cluster needs them.
const ORDER: [&str; 6] = ["cilium", "coredns", "spegel", "cert-manager", "flux-operator", "flux-instance"];

fn from_tree(tree: &Tree) -> Plan {
    let mut plan = Plan::default();
    for wanted in ORDER {
        for id in tree.releases() {
            let Ok(spec) = tree.release(&id.namespace, &id.name) else { continue };
            if spec.chart.name() == wanted || id.name == wanted && module_of(wanted) == "helm-release" {
                let needs = plan.steps.last().map(|step| vec![step.name.clone()]).unwrap_or_default();
                let module = module_of(spec.chart.name());
                plan.steps.push(Proposal {
                    name: id.name.clone(),
                    module,
                    release: Some((id.namespace, id.name)),
                    needs,
                    ..Proposal::default()
                });
                break;
            }
        }
    }
    plan
}

/// Returns the step that applies a FluxInstance which the tree itself holds, where the steps bring its operator and do not apply it.
fn instance(tree: &Tree, steps: &[Proposal]) -> Option<Proposal> {
    let operator = steps.iter().find(|step| step.module == "flux-operator")?;
    let found = tree.objects().find(|object| flux::is_instance(&object.value))?;
    let place = format!("/{}", found.file);
    let applies = |path: &String| place.contains(&format!("/{}", path.trim_start_matches('/')));
    if steps.iter().any(|step| step.module == INSTANCE || step.with.get("manifests").into_iter().flatten().any(applies)) {
        return None;
    }
    let needs = steps.last().map_or(&operator.name, |last| &last.name);
    Some(Proposal {
        name: INSTANCE.into(),
        module: "manifests".into(),
        needs: vec![needs.clone()],
        with: BTreeMap::from([("paths", vec![found.file.clone()])]),
        ..Proposal::default()
    })
}

fn manifest(plan: &Plan, name: &str, repository: &str, flux_path: Option<&str>) -> String {
    let mut out =
        format!("apiVersion: {}\nkind: Bootstrap\nmetadata:\n  name: {name}\nspec:\n  repository: {repository}\n", bootstrap::API_VERSION);
    if let Some(path) = flux_path {
        let _ = writeln!(out, "  flux:\n    path: {path}");
    }
    for comment in &plan.comments {
        let _ = writeln!(out, "  # {comment}");
    }
    out += "  steps:\n";
    for (index, step) in plan.steps.iter().enumerate() {
        if index > 0 {
            out.push('\n');
        }
        write_step(step, &mut out);
    }
    out
}

fn write_step(step: &Proposal, out: &mut String) {
    for comment in &step.comments {
        let _ = writeln!(out, "    # {comment}");
    }
    let _ = writeln!(out, "    - name: {}\n      module: {}", step.name, step.module);
    if let Some((namespace, name)) = &step.release {
        let _ = writeln!(out, "      release: {namespace}/{name}");
    }
    if !step.needs.is_empty() {
        let _ = writeln!(out, "      needs: [{}]", step.needs.join(", "));
    }
    let given: Vec<_> = step.with.iter().filter(|(_, values)| !values.is_empty()).collect();
    if !given.is_empty() {
        out.push_str("      with:\n");
    }
    for (key, values) in given {
        let _ = writeln!(out, "        {key}:");
        for value in values {
            let _ = writeln!(out, "          - {value}");
        }
    }
}
