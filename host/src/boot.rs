//! `launchway boot`: understand, connect, run.

use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bootstrap::Bootstrap;
use helm::HelmCompat;
use kube_engine::{Cluster, Way, nodes};
use kube_sandbox::Sandbox;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::Surroundings;
use crate::age_keys::AgeKeys;
use crate::capability::Powers;
use crate::chart_source::ChartSource;
use crate::engine;
use crate::failure::{Failure, chain};
use crate::handoff::Handoff;
use crate::holder;
use crate::module_source::ModuleSource;
use crate::namespaces::Namespaces;
use crate::options::{self, Output};
use crate::plan::{self, PlannedStep, Sources};
use crate::release_source::ReleaseSource;
use crate::report::{Event, JsonLines, PlainLines, Reporter, Tree, Writer, seconds};
use crate::repository::Repository;
use crate::runner::{self, Run};
use crate::secret_source::SecretSource;

/// The names under which a manifest is looked for.
pub const NAMES: &[&str] = &["launchway.yaml", "bootstrap/launchway.yaml"];

/// Boots a cluster.
pub async fn boot(options: options::Boot, around: &Surroundings) -> Result<(), Failure> {
    // Understand.
    let (bootstrap, shown, folder) = read_manifest(options.file.as_deref(), around)?;
    let root = bootstrap.repository.as_ref().map_or_else(|| Repository::around(&folder), |path| folder.join(path));
    let repository = Arc::new(Repository::open(&root)?);
    let engine = engine::engine(private(around.cache.as_deref(), engine::COMPILED).as_deref())
        .map_err(|error| Failure::bug(format!("{error:#}")))?;
    let linker = engine::linker(&engine).map_err(|error| Failure::bug(format!("{error:#}")))?;
    let mut modules = ModuleSource::new(engine, linker.clone(), &options.modules.replaced);
    let charts = Arc::new(ChartSource::new(registry(&options.charts, around), root.clone()));
    let compat = options.helm_compat.as_deref().map_or_else(HelmCompat::newest, HelmCompat::of);
    let seed = if options.sandbox.sandbox { [0; 32] } else { random_seed()? };
    let keys = AgeKeys::read(options.keys.age_key_file.as_ref(), around)?;
    let releases = Arc::new(ReleaseSource::new(repository.clone(), bootstrap.flux_path.clone(), charts.clone(), compat, seed, keys));
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
    let steps = plan::plan(&shown, bootstrap, &mut sources).await?;
    let steps: Vec<Arc<PlannedStep>> = steps.into_iter().map(Arc::new).collect();

    // Connect.
    let reporter = Reporter::new(writer(options.output, around));
    let (cluster, sandbox) = match options.sandbox.sandbox {
        true => {
            let sandbox = open_sandbox(&options.sandbox)?;
            declare_effects(&sandbox, &steps, &options.sandbox.without_effects).await?;
            (Cluster::over(sandbox.clone()), Some(sandbox))
        }
        false => (arrive(&options, &reporter).await?.exclusive(holder::this()?), None),
    };
    let version = cluster.version().await.map_err(|error| Failure::cluster(chain(&error)))?;
    let place = if sandbox.is_some() { "sandbox" } else { "cluster" };
    if sandbox.is_none() {
        confirm(&options, &name, &version.git_version, around)?;
    }

    // Run.
    let names: Vec<&str> = order.iter().map(|index| steps[*index].step.name.as_str()).collect();
    let title = format!("{name} on the {place} ({})", version.git_version);
    reporter.event(&Event::RunStarted { cluster: &title, steps: &names });
    for message in releases.warnings().await {
        reporter.event(&Event::Warning { message: &message });
    }
    // A sandbox has no Flux that could come, unless somebody says which.
    let seeds = handoff == bootstrap::Handoff::Seed && (sandbox.is_none() || options.flux_manifests.is_some());
    let handoff = Arc::new(Handoff::new(cluster.clone(), charts.clone(), releases.clone(), seeds, options.flux_manifests.clone()));
    let namespaces = Arc::new(Namespaces::new(cluster.clone(), releases.clone()));
    let run_of = cluster.clone();
    let powers = move |step: &PlannedStep, reporter, deadline, cpu_spent| Powers {
        gate: step.gate.clone(),
        cluster: cluster.clone(),
        repository: repository.clone(),
        charts: charts.clone(),
        releases: releases.clone(),
        namespaces: namespaces.clone(),
        secrets: secrets.clone(),
        handoff: handoff.clone(),
        reporter,
        deadline,
        cpu_spent,
    };
    let run = Arc::new(Run { linker, reporter: reporter.clone(), powers: Box::new(powers) });
    let outcome = runner::run(run, steps).await;
    if let Err(error) = run_of.release_lease().await {
        reporter.event(&Event::Warning { message: &chain(&error) });
    }
    if let (Some(sandbox), Some(state)) = (&sandbox, &options.sandbox.sandbox_state) {
        save(state, &sandbox.save())?;
    }
    let writes = sandbox.map(|sandbox| sandbox.writes().len());
    reporter.event(&Event::RunFinished { rows: &outcome.rows, took: reporter.elapsed(), failed: outcome.failed.is_some(), writes });
    // Everything was said where it happened: only the exit code is left.
    outcome.failed.map_or(Ok(()), |blame| Err(Failure::new(blame, "")))
}

/// Reads the manifest and returns it with its name for people and its folder.
pub fn read_manifest(given: Option<&Path>, around: &Surroundings) -> Result<(Bootstrap, String, PathBuf), Failure> {
    let file = manifest(given, &around.folder)?;
    let text = std::fs::read_to_string(&file).map_err(|error| Failure::user(format!("{}: {error}", file.display())))?;
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

/// Returns the cluster that the options lead to.
pub async fn connect(options: &options::Connection) -> Result<Cluster, Failure> {
    let way = Way { kubeconfig: options.kubeconfig.as_deref(), context: options.context.as_deref(), server: options.server.as_deref() };
    Cluster::connect(&way).await.map_err(|error| Failure::user(chain(&error)))
}

/// How long nodes may take to register.
const NODES: Duration = Duration::from_secs(15 * 60);

/// Connects, and waits for what the options say must be there first.
async fn arrive(options: &options::Boot, reporter: &Reporter) -> Result<Cluster, Failure> {
    let cluster =
        connect(&options.connection).await.map_err(|failure| failure.hint("`--sandbox` boots a cluster in this process instead"))?;
    let say = |message: &str| reporter.event(&Event::Connecting { message });
    if let Some(patience) = options.wait_for_api.map(Duration::from_secs) {
        answers(&cluster, patience, &say).await?;
    }
    if let Some(count) = options.wait_for_nodes {
        let progress = |registered: usize| say(&format!("{registered} of {count} nodes have registered"));
        let registered = tokio::time::timeout(NODES, nodes::registered(&cluster, count, &progress)).await;
        let late = |_| Failure::cluster(format!("fewer than {count} nodes registered in {}", seconds(NODES)));
        registered.map_err(late)?.map_err(|error| Failure::cluster(chain(&error)))?;
    }
    Ok(cluster)
}

/// Waits until the API server answers.
async fn answers(cluster: &Cluster, patience: Duration, say: &(dyn Fn(&str) + Send + Sync)) -> Result<(), Failure> {
    let started = Instant::now();
    loop {
        let error = match cluster.version().await {
            Ok(_) => return Ok(()),
            Err(error) if error.code() == "unavailable" && started.elapsed() < patience => error,
            Err(error) => return Err(Failure::cluster(chain(&error))),
        };
        say(&format!("the API server does not answer yet, after {}: {}", seconds(started.elapsed()), chain(&error)));
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// Asks before the first write to a real cluster.
fn confirm(options: &options::Boot, name: &str, version: &str, around: &Surroundings) -> Result<(), Failure> {
    if options.yes {
        return Ok(());
    }
    if !around.terminal || !io::stdin().is_terminal() {
        return Err(Failure::user("a live cluster is written to only with --yes, or after a question on a terminal").hint("add `--yes`"));
    }
    eprint!("Boot {name} on this cluster ({version})? [y/N] ");
    // Without the question there is no answer.
    let _ = io::stderr().flush();
    let mut answer = String::new();
    let read = io::stdin().read_line(&mut answer);
    if read.is_ok() && matches!(answer.trim(), "y" | "Y" | "yes") { Ok(()) } else { Err(Failure::user("not booted")) }
}

fn writer(output: Output, around: &Surroundings) -> Box<dyn Writer> {
    match output {
        Output::Json => Box::new(JsonLines(io::stdout())),
        Output::Auto if around.terminal => Box::new(Tree::new()),
        _ => Box::new(PlainLines::new(io::stdout(), around.github)),
    }
}

/// Tells whether a text is `ADDRESS/BITS`.
pub fn is_cidr(text: &str) -> bool {
    let Some((address, bits)) = text.split_once('/') else { return false };
    let most = match address.parse::<std::net::IpAddr>() {
        Ok(std::net::IpAddr::V4(_)) => 32,
        Ok(std::net::IpAddr::V6(_)) => 128,
        Err(_) => return false,
    };
    bits.parse::<u8>().is_ok_and(|bits| bits <= most)
}

fn open_sandbox(options: &options::Sandbox) -> Result<Sandbox, Failure> {
    let (cidr, version) = (&options.sandbox_service_cidr, &options.sandbox_kube_version);
    if !is_cidr(cidr) {
        return Err(Failure::user(format!("--sandbox-service-cidr {cidr}: is no range of addresses")).hint("write it as 10.96.0.0/12"));
    }
    if helm::KubeVersion::parse(version, &HelmCompat::newest()).is_none() {
        return Err(Failure::user(format!("--sandbox-kube-version {version}: is no version")).hint("write it as v1.36.3"));
    }
    let saved = match &options.sandbox_state {
        Some(file) if file.exists() => {
            let wrong = |error: String| {
                Failure::user(format!("{}: {error}", file.display())).hint("remove the file to start with an empty sandbox")
            };
            let text = std::fs::read_to_string(file).map_err(|error| wrong(error.to_string()))?;
            let value: Value = serde_json::from_str(&text).map_err(|error| wrong(format!("not a saved sandbox: {error}")))?;
            Some(Sandbox::load(&value).map_err(|error| wrong(chain(&error)))?)
        }
        _ => None,
    };
    Ok(saved.unwrap_or_else(|| {
        Sandbox::new(kube_sandbox::Options {
            kube_version: options.sandbox_kube_version.clone(),
            service_cidr: options.sandbox_service_cidr.clone(),
            ..kube_sandbox::Options::default()
        })
    }))
}

/// Tells the sandbox what the workloads of each step will do at run time.
async fn declare_effects(sandbox: &Sandbox, steps: &[Arc<PlannedStep>], without: &[String]) -> Result<(), Failure> {
    if let Some(unknown) = without.iter().find(|name| !steps.iter().any(|step| step.step.name == **name)) {
        return Err(Failure::user(format!("--without-effects {unknown}: there is no such step")));
    }
    for planned in steps.iter().filter(|planned| !without.contains(&planned.step.name)) {
        let values = match &planned.release {
            Some(release) => release.computed_values().map_err(|error| Failure::user(format!("step {}: {error}", planned.step.name)))?,
            None => Value::Null,
        };
        let effects = planned.module.effects(&planned.params(planned.step.timeout), &values).await?;
        let declared = sandbox.declare(&effects);
        declared.map_err(|error| Failure::module(format!("module {}: effects: {}", planned.module.title(), chain(&error))))?;
    }
    Ok(())
}

/// Writes the sandbox's state whole or not at all.
fn save(file: &Path, state: &Value) -> Result<(), Failure> {
    let text = state.to_string();
    let unique = hex::encode(&Sha256::digest(text.as_bytes())[..4]);
    let mut name = file.as_os_str().to_owned();
    name.push(format!(".{unique}"));
    let next = PathBuf::from(name);
    let written = std::fs::write(&next, text).and_then(|()| std::fs::rename(&next, file));
    written.map_err(|error| Failure::user(format!("--sandbox-state {}: {error}", file.display())))
}
