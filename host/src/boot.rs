//! `launchway boot`: understand, connect, run.

mod connect;
mod sandbox;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Instant;

use bootstrap::Bootstrap;
use helm::HelmCompat;
use wasmtime::component::Linker;

use self::connect::Reached;
pub use self::connect::live;
pub use self::sandbox::is_cidr;
use crate::Surroundings;
use crate::bounded;
use crate::capability::Powers;
use crate::chart_source::ChartSource;
use crate::disclosed::Disclosed;
use crate::engine;
use crate::failure::{Failure, chain};
use crate::handoff::Handoff;
use crate::module::StepState;
use crate::module_source::ModuleSource;
use crate::namespaces::Namespaces;
use crate::options::{self, Output};
use crate::plan::{self, PlannedStep, Sources};
use crate::release_source::ReleaseSource;
use crate::report::{Event, JsonLines, PlainLines, Reporter, StepReporter, Tree, Writer};
use crate::repository::Repository;
use crate::runner::{self, Run};
use crate::secret_source::SecretSource;

/// The names under which a manifest is looked for.
pub const NAMES: &[&str] = &["launchway.yaml", "bootstrap/launchway.yaml"];

/// Boots a cluster.
pub async fn boot(options: options::Boot, around: &Surroundings) -> Result<(), Failure> {
    let understood = understand(&options, around).await?;
    let reporter = Reporter::new(writer(options.output, around));
    let reached = connect::connect(&options, &understood, &reporter, around).await?;
    run(&options, understood, reached, reporter).await
}

/// Everything that is known before a cluster is met.
struct Understood {
    /// What the manifest calls the cluster.
    name: String,
    handoff: bootstrap::Handoff,
    linker: Linker<StepState>,
    repository: Arc<Repository>,
    charts: Arc<ChartSource>,
    releases: Arc<ReleaseSource>,
    secrets: Arc<SecretSource>,
    /// As the manifest has them.
    steps: Vec<Arc<PlannedStep>>,
    /// The order in which they may run.
    order: Vec<usize>,
}

/// Reads the manifest and everything it names, and plans the steps.
async fn understand(options: &options::Boot, around: &Surroundings) -> Result<Understood, Failure> {
    let (bootstrap, shown, folder) = read_manifest(options.file.as_deref(), around)?;
    let root = bootstrap.repository.as_ref().map_or_else(|| Repository::around(&folder), |path| folder.join(path));
    let repository = Arc::new(Repository::open(&root)?);
    let engine = engine::engine(private(around.cache.as_deref(), engine::COMPILED).as_deref())
        .map_err(|error| Failure::bug(format!("{error:#}")))?;
    let linker = engine::linker(&engine).map_err(|error| Failure::bug(format!("{error:#}")))?;
    let mut modules = ModuleSource::new(engine, linker.clone(), &options.modules.replaced);
    let charts = Arc::new(ChartSource::new(registry(&options.charts, around), root));
    let compat = options.helm_compat.as_deref().map_or_else(HelmCompat::newest, HelmCompat::of);
    let seed = if options.sandbox.sandbox { [0; 32] } else { random_seed()? };
    // A sandbox needs no key for what no step asks for.
    let disclosed = Some(Disclosed::read(&options.secrets, around, !options.sandbox.sandbox)?);
    let releases = ReleaseSource::new(repository.clone(), bootstrap.flux_path.clone(), charts.clone(), compat, seed, disclosed);
    let releases = Arc::new(releases);
    let secrets = Arc::new(SecretSource::new(bootstrap.secrets.clone(), &around.variable, folder.clone()));
    let (name, handoff) = (bootstrap.name.clone(), bootstrap.handoff);
    let order = bootstrap::order(&bootstrap.steps);
    if bootstrap.steps.iter().any(|step| step.release.is_some()) {
        // Said once here, and not once for every step.
        releases.tree()?;
    }
    let mut sources = Sources {
        modules: &mut modules,
        releases: &releases,
        secrets: &secrets,
        repository: &repository,
        registry: charts.source(),
        folder: &folder,
    };
    let steps = plan::plan(&shown, bootstrap, &mut sources).await?.into_iter().map(Arc::new).collect();
    Ok(Understood { name, handoff, linker, repository, charts, releases, secrets, steps, order })
}

/// Runs the steps and says how they went.
async fn run(options: &options::Boot, understood: Understood, reached: Reached, reporter: Reporter) -> Result<(), Failure> {
    let Reached { cluster, sandbox, title } = &reached;
    let steps = understood.steps.clone();
    let names: Vec<&str> = understood.order.iter().map(|index| steps[*index].step.name.as_str()).collect();
    reporter.event(&Event::RunStarted { cluster: title, steps: &names });
    for message in understood.releases.warnings().await {
        reporter.event(&Event::Warning { message: &message });
    }
    let linker = understood.linker.clone();
    let powers = Box::new(powers(options, understood, &reached));
    let outcome = runner::run(Arc::new(Run { linker, reporter: reporter.clone(), powers }), steps).await;
    if let Err(error) = cluster.release_lease().await {
        reporter.event(&Event::Warning { message: &chain(&error) });
    }
    if let (Some(sandbox), Some(state)) = (sandbox, &options.sandbox.sandbox_state) {
        sandbox::save(state, &sandbox.save())?;
    }
    let writes = sandbox.as_ref().map(|sandbox| sandbox.writes().len());
    reporter.event(&Event::RunFinished { rows: &outcome.rows, took: reporter.elapsed(), failed: outcome.failed.is_some(), writes });
    // Everything was said where it happened: only the exit code is left.
    outcome.failed.map_or(Ok(()), |blame| Err(Failure::new(blame, "")))
}

/// Returns what makes the powers of a step.
fn powers(
    options: &options::Boot,
    understood: Understood,
    reached: &Reached,
) -> impl Fn(&PlannedStep, StepReporter, Instant, Arc<AtomicU64>) -> Powers + Send + Sync + use<> {
    let Understood { handoff, repository, charts, releases, secrets, .. } = understood;
    let cluster = reached.cluster.clone();
    // A sandbox has no Flux that could come, unless somebody says which.
    let seeds = handoff == bootstrap::Handoff::Seed && (reached.sandbox.is_none() || options.flux_manifests.is_some());
    let handoff = Arc::new(Handoff::new(cluster.clone(), charts.clone(), releases.clone(), seeds, options.flux_manifests.clone()));
    let namespaces = Arc::new(Namespaces::new(cluster.clone(), releases.clone()));
    move |step, reporter, deadline, cpu_spent| Powers {
        gate: step.gate.clone(),
        cluster: cluster.clone(),
        repository: repository.clone(),
        charts: charts.clone(),
        releases: releases.clone(),
        namespaces: namespaces.clone(),
        secrets: secrets.clone(),
        handoff: handoff.clone(),
        reporter,
        rolls_back_on_failure: step.step.rolls_back_on_failure,
        says_how_long: step.step.timeout.is_some(),
        deadline,
        cpu_spent,
    }
}

/// Reads the manifest and returns it with its name for people and its folder.
pub fn read_manifest(given: Option<&Path>, around: &Surroundings) -> Result<(Bootstrap, String, PathBuf), Failure> {
    let file = manifest(given, &around.folder)?;
    let text = bounded::text(bounded::any(&file, bounded::TEXT)).map_err(|error| Failure::user(format!("{}: {error}", file.display())))?;
    let shown = shown(&file, &around.folder);
    let bootstrap = bootstrap::parse(&shown, &text).map_err(|problems| Failure::user(problems.to_string()))?;
    Ok((bootstrap, shown, file.parent().map(Path::to_owned).unwrap_or_default()))
}

/// Finds the manifest: the given file, or upwards from the working directory.
pub fn manifest(given: Option<&Path>, folder: &Path) -> Result<PathBuf, Failure> {
    if let Some(given) = given {
        let file = folder.join(given);
        return if file.is_dir() { Ok(file.join("launchway.yaml")) } else { Ok(file) };
    }
    let candidates = folder.ancestors().flat_map(|folder| NAMES.iter().map(move |name| folder.join(name)));
    candidates.into_iter().find(|file| file.is_file()).ok_or_else(|| {
        Failure::user(format!("there is no launchway.yaml in {}, in its bootstrap/, or above", folder.display()))
            .hint("give one with `--file FILE`")
    })
}

/// Returns a path as the person would write it.
pub fn shown(file: &Path, folder: &Path) -> String {
    file.strip_prefix(folder).unwrap_or(file).display().to_string()
}

/// Returns a folder below the cache that nobody else can look into.
pub fn private(cache: Option<&Path>, name: &str) -> Option<PathBuf> {
    let folder = cache?.join(name);
    std::fs::create_dir_all(&folder).ok()?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o700)).ok()?;
    }
    Some(folder)
}

/// Returns the source of charts that the options describe.
pub fn registry(options: &options::Charts, around: &Surroundings) -> charts::Source {
    charts::Source::new(chart_options(options, around))
}

/// Returns where charts may come from.
pub fn chart_options(options: &options::Charts, around: &Surroundings) -> charts::Options {
    let directories = options.chart_dir.iter().map(|folder| around.folder.join(folder)).collect();
    charts::Options { directories, ..registry_options(&options.registries, around) }
}

/// Returns how registries are spoken to.
pub fn registry_options(options: &options::Registries, around: &Surroundings) -> charts::Options {
    charts::Options {
        directories: Vec::new(),
        cache: private(around.cache.as_deref(), "charts"),
        docker_config: around.docker_config.clone(),
        plain_http: options.plain_http.clone(),
        offline: false,
    }
}

fn random_seed() -> Result<[u8; 32], Failure> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|error| Failure::bug(format!("the system has no randomness: {error}")))?;
    Ok(seed)
}

fn writer(output: Output, around: &Surroundings) -> Box<dyn Writer> {
    match output {
        Output::Json => Box::new(JsonLines(io::stdout())),
        Output::Auto if around.terminal => Box::new(Tree::new()),
        _ => Box::new(PlainLines::new(io::stdout(), around.github)),
    }
}
