//! The program `launchway`: options, modules, capabilities, the order of steps, and what a person sees of it.

mod age_keys;
mod bindings;
mod boot;
mod both;
mod bounded;
mod capability;
mod chart_links;
mod chart_source;
mod check;
mod disclosed;
mod distribution;
mod engine;
mod failure;
mod grant;
mod graph;
#[cfg(test)]
mod guide;
mod handoff;
mod heap;
mod hidden;
mod hints;
mod holder;
mod init;
mod inspect;
mod module;
mod module_source;
mod namespaces;
mod options;
mod plan;
mod post_render;
mod release_source;
mod render;
mod report;
mod repository;
mod runner;
mod secret_source;
mod shown;
mod status;
mod template;
mod values_files;
mod verify;

use std::path::PathBuf;
use std::process::ExitCode;

use crate::failure::{Blame, Failure};
use crate::options::{Command, ModuleCommand, Options};

/// What the program is told by its surroundings: the only place that reads them.
pub struct Surroundings {
    pub folder: PathBuf,
    /// Where compiled modules and fetched charts are kept; private to the user.
    pub cache: Option<PathBuf>,
    pub docker_config: Option<PathBuf>,
    /// Where a user keeps the age keys that SOPS looks for.
    pub age_keys: Option<PathBuf>,
    /// The kubeconfig files of the user, whether they are there or not.
    pub kubeconfigs: Vec<PathBuf>,
    /// The error stream is a terminal that a person looks at.
    pub terminal: bool,
    /// The log is read by GitHub.
    pub github: bool,
    /// Environment variables, for secrets that the manifest names.
    pub variable: fn(&str) -> Option<String>,
}

fn main() -> ExitCode {
    let options = match Options::read(&std::env::args_os().collect::<Vec<_>>()) {
        Ok(options) => options,
        Err(code) => return code,
    };
    let is_template = matches!(options.command, Command::Template(_));
    let runtime = runtime(&options.command).enable_all().build();
    let outcome = match runtime {
        Ok(runtime) => runtime.block_on(run(options)),
        Err(error) => Err(Failure::bug(format!("no runtime: {error}"))),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        // The run has said what failed already.
        Err(failure) if failure.message.is_empty() => ExitCode::from(failure.blame.exit_code()),
        Err(failure) => {
            eprintln!("{failure}");
            // `helm template`, which it stands in for, knows one code.
            ExitCode::from(if is_template { 1 } else { failure.blame.exit_code() })
        }
    }
}

/// Threads are started only for what has work for them.
fn runtime(command: &Command) -> tokio::runtime::Builder {
    match command {
        Command::Check(_) | Command::Init(_) | Command::Graph(_) | Command::Render(_) | Command::Template(_) => {
            tokio::runtime::Builder::new_current_thread()
        }
        Command::Boot(_) | Command::Module(_) | Command::Status(_) | Command::Verify(_) => tokio::runtime::Builder::new_multi_thread(),
    }
}

async fn run(options: Options) -> Result<(), Failure> {
    let around = surroundings()?;
    match options.command {
        Command::Boot(options) => {
            tokio::select! {
                outcome = boot::boot(*options, &around) => outcome,
                _ = tokio::signal::ctrl_c() => Err(Failure::new(Blame::Interrupted, "interrupted")
                    .hint("run the same command again: what is done is not done twice, and a release that was begun is taken over")),
            }
        }
        Command::Init(options) => init::init(&options, &around),
        Command::Graph(options) => graph::graph(&options, &around),
        Command::Render(options) => render::render(*options, &around).await,
        Command::Check(options) => check::check(*options, &around).await,
        Command::Status(options) => status::status(*options, &around).await,
        Command::Verify(options) => verify::verify(options, &around).await,
        Command::Template(options) => template::template(*options, &around).await,
        Command::Module(ModuleCommand::List) => inspect::list(),
        Command::Module(ModuleCommand::Inspect { module, json, modules, registries }) => {
            inspect::inspect(&inspect::Wanted { reference: &module, modules: &modules, registries: &registries }, json, &around).await
        }
        Command::Module(ModuleCommand::Bench { module, runs, modules, registries }) => {
            inspect::bench(&inspect::Wanted { reference: &module, modules: &modules, registries: &registries }, runs, &around).await
        }
    }
}

fn surroundings() -> Result<Surroundings, Failure> {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let folder = std::env::current_dir().map_err(|error| Failure::user(format!("the working directory cannot be read: {error}")))?;
    let home = variable("HOME").map(PathBuf::from);
    let cache = variable("LAUNCHWAY_CACHE")
        .map(PathBuf::from)
        .or_else(|| variable("XDG_CACHE_HOME").map(|cache| PathBuf::from(cache).join("launchway")))
        .or_else(|| home.as_ref().map(|home| home.join(".cache/launchway")));
    let docker_config = variable("DOCKER_CONFIG").map(PathBuf::from).or_else(|| home.as_ref().map(|home| home.join(".docker")));
    let kubeconfigs = match (variable("KUBECONFIG"), &home) {
        (Some(files), _) => std::env::split_paths(&files).map(|file| folder.join(file)).collect(),
        (None, home) => home.iter().map(|home| home.join(".kube/config")).collect(),
    };
    let own = home.map(|home| home.join(if cfg!(target_os = "macos") { "Library/Application Support" } else { ".config" }));
    let config = variable("XDG_CONFIG_HOME").map(PathBuf::from).or(own);
    Ok(Surroundings {
        folder,
        cache,
        docker_config: docker_config.map(|folder| folder.join("config.json")),
        kubeconfigs,
        age_keys: config.map(|folder| folder.join("sops/age/keys.txt")),
        terminal: console::user_attended_stderr() && console::user_attended() && variable("CI").is_none(),
        github: variable("GITHUB_ACTIONS").is_some(),
        variable,
    })
}
