//! What can be typed. Understanding it is the commands' job.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Arg, ArgAction, Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueEnum};

use crate::template::OfHelm;

/// Takes a Kubernetes cluster from "the API server answers" to "Flux manages everything".
#[derive(Debug, Parser)]
#[command(name = "launchway", version, disable_help_subcommand = true)]
pub struct Options {
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    Boot(Box<Boot>),
    Check(Box<Check>),
    Init(Init),
    Graph(Graph),
    Render(Box<Render>),
    Status(Box<Status>),
    Verify(Verify),
    Template(Box<Template>),
    #[command(subcommand)]
    Module(ModuleCommand),
}

/// Runs the steps of launchway.yaml against a cluster.
///
/// The manifest is looked for upwards from the working directory, also in bootstrap/. A run can be repeated: what is as it should be is
/// not written to.
#[derive(Debug, Args)]
pub struct Boot {
    /// The manifest, instead of the one that is found.
    #[arg(short, long, value_name = "FILE")]
    pub file: Option<PathBuf>,
    #[command(flatten)]
    pub charts: Charts,
    #[command(flatten)]
    pub modules: Modules,
    /// Which Helm to render as; the newest if not given.
    #[arg(long, value_name = "VERSION")]
    pub helm_compat: Option<String>,
    /// How to show what happens.
    #[arg(long, value_enum, default_value_t = Output::Auto)]
    pub output: Output,
    #[command(flatten)]
    pub connection: Connection,
    /// Waits up to so many seconds until the API server answers.
    #[arg(long, value_name = "SECONDS", conflicts_with = "sandbox")]
    pub wait_for_api: Option<u64>,
    /// Waits until so many nodes have registered; they need not be ready.
    #[arg(long, value_name = "COUNT", conflicts_with = "sandbox")]
    pub wait_for_nodes: Option<usize>,
    /// The manifests of Flux as a tar.gz, instead of the artifact that the FluxInstance names.
    #[arg(long, value_name = "FILE")]
    pub flux_manifests: Option<PathBuf>,
    /// Does not ask before writing to a live cluster.
    #[arg(short, long)]
    pub yes: bool,
    #[command(flatten)]
    pub secrets: Secrets,
    #[command(flatten)]
    pub sandbox: Sandbox,
}

/// The way to a live cluster.
#[derive(Debug, Args)]
#[group(id = "live", multiple = true)]
pub struct Connection {
    /// The kubeconfig file, instead of $KUBECONFIG or the default one.
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// The context of the kubeconfig.
    #[arg(long, value_name = "NAME")]
    pub context: Option<String>,
    /// The API server's address, instead of the kubeconfig's: such as that of a node, while nobody announces the usual one.
    #[arg(long, value_name = "URL")]
    pub server: Option<String>,
}

/// Tells how far a bootstrap is: every release of launchway.yaml, whether it is as it should be, what is not ready, and what Flux knows of it.
///
/// The exit code is 0 when every release is in sync and ready.
#[derive(Debug, Args)]
pub struct Status {
    /// The manifest, instead of the one that is found.
    #[arg(short, long, value_name = "FILE")]
    pub file: Option<PathBuf>,
    #[command(flatten)]
    pub secrets: Secrets,
    #[command(flatten)]
    pub charts: Charts,
    #[command(flatten)]
    pub connection: Connection,
}

/// Finds what is wrong with a GitOps repository, without a cluster.
///
/// The Flux tree is read as Flux reads it, and checked for what is absent, refers to nothing, waits for itself, is defined twice or would be
/// refused by an API server; with a launchway.yaml, the steps are checked too. What needs a chart is checked where the chart is in --chart-dir
/// or in the cache; what was not checked is said. The exit code is 2 when something is wrong.
#[derive(Debug, Args)]
pub struct Check {
    /// A repository, or a launchway.yaml. Without it: the manifest that `boot` would find, else the working directory.
    #[arg(value_name = "PATH")]
    pub path: Option<PathBuf>,
    /// The folder that Flux synchronises, from the root of the repository, if nothing in it says which one.
    #[arg(long, value_name = "FOLDER")]
    pub flux_path: Option<String>,
    #[command(flatten)]
    pub charts: Charts,
    #[command(flatten)]
    pub modules: Modules,
    /// Which Helm to render as; the newest if not given.
    #[arg(long, value_name = "VERSION")]
    pub helm_compat: Option<String>,
    /// The Kubernetes version to check for.
    #[arg(long, value_name = "VERSION", default_value = "v1.36.3")]
    pub kube_version: String,
    /// The cluster's range of service addresses, or both with a comma, if no Talos, k3s or kubeadm configuration in the repository says it.
    #[arg(long, value_name = "CIDR")]
    pub service_cidr: Option<String>,
    /// Takes warnings for errors.
    #[arg(long)]
    pub strict: bool,
    /// How to show what was found.
    #[arg(long, value_enum, default_value_t = CheckOutput::Text)]
    pub output: CheckOutput,
}

/// Proposes a launchway.yaml for a GitOps repository.
///
/// A helmfile bootstrap is converted: releases, needs, and hooks that wait for CRDs or apply manifests; what cannot be converted is a comment with
/// the reason. Without a helmfile the steps are the releases that a cluster needs before Flux, in order.
#[derive(Debug, Args)]
pub struct Init {
    /// The repository; without it the git work tree around the working directory.
    #[arg(value_name = "FOLDER")]
    pub path: Option<PathBuf>,
    /// The folder that Flux synchronises, if nothing in the repository says which one.
    #[arg(long, value_name = "FOLDER")]
    pub flux_path: Option<String>,
    /// Prints the manifest instead of writing it.
    #[arg(long)]
    pub stdout: bool,
    /// Writes over a manifest that is there.
    #[arg(long)]
    pub force: bool,
}

/// Draws the steps of launchway.yaml, what each reads, and what Flux takes over.
#[derive(Debug, Args)]
pub struct Graph {
    /// The manifest, instead of the one that is found.
    #[arg(short, long, value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// The form of the drawing.
    #[arg(long, value_enum, default_value_t = GraphFormat::Mermaid)]
    pub format: GraphFormat,
}

/// The forms of a drawing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum GraphFormat {
    /// Mermaid, which Markdown shows on GitHub.
    Mermaid,
    /// DOT, for Graphviz.
    Dot,
    /// A picture.
    Svg,
}

/// Renders a HelmRelease of the repository with the chart and values that Flux would use.
#[derive(Debug, Args)]
pub struct Render {
    /// NAMESPACE/NAME of the HelmRelease.
    #[arg(value_name = "NAMESPACE/NAME")]
    pub release: String,
    /// The repository; without it the git work tree around the working directory.
    #[arg(long, value_name = "FOLDER")]
    pub repository: Option<PathBuf>,
    /// The folder that Flux synchronises, if nothing in the repository says which one.
    #[arg(long, value_name = "FOLDER")]
    pub flux_path: Option<String>,
    /// Says of chart, names and every value which file, line and patch it comes from, instead of rendering.
    #[arg(long)]
    pub explain: bool,
    /// Prints the values instead of rendering.
    #[arg(long, conflicts_with = "explain")]
    pub values: bool,
    /// The Kubernetes version to render for.
    #[arg(long, value_name = "VERSION")]
    pub kube_version: Option<String>,
    /// Which Helm to render as; the newest if not given.
    #[arg(long, value_name = "VERSION")]
    pub helm_compat: Option<String>,
    /// Decrypts what is encrypted with SOPS and prints values that come from it.
    #[arg(long)]
    pub show_secrets: bool,
    #[command(flatten)]
    pub secrets: Secrets,
    #[command(flatten)]
    pub charts: Charts,
}

/// What tells values that the repository does not show.
#[derive(Debug, Args)]
#[command(next_help_heading = "Secrets")]
pub struct Secrets {
    /// A file of age keys, instead of $SOPS_AGE_KEY, $SOPS_AGE_KEY_FILE and sops/age/keys.txt in the user's configuration folder.
    #[arg(long, value_name = "FILE")]
    pub age_key_file: Option<PathBuf>,
    /// ConfigMaps and Secrets as the cluster will have them, for values of which the repository does not tell; `-` is standard input. May be repeated.
    #[arg(long, value_name = "FILE")]
    pub objects: Vec<PathBuf>,
}

/// The ways to show findings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CheckOutput {
    /// Lines for people.
    Text,
    /// One JSON document.
    Json,
    /// SARIF 2.1.0, which code hosts read.
    Sarif,
    /// Annotations of GitHub Actions.
    Github,
}

/// Tells what Flux did to the releases that a bootstrap left behind, whatever tool made it.
///
/// It waits until the HelmReleases are ready, then says for each what helm-controller decided and which objects were rewritten. The exit
/// code is 0 only if nothing was.
#[derive(Debug, Args)]
pub struct Verify {
    /// The HelmReleases to look at; all of the cluster if none is named.
    #[arg(value_name = "NAMESPACE/NAME", value_parser = namespace_and_name)]
    pub releases: Vec<(String, String)>,
    /// How long HelmReleases may take to get ready.
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    pub timeout: u64,
    /// How to show what was found.
    #[arg(long, value_enum, default_value_t = VerifyOutput::Text)]
    pub output: VerifyOutput,
    #[command(flatten)]
    pub connection: Connection,
}

/// The ways to show what Flux did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum VerifyOutput {
    /// A table, and a line for each object that was rewritten.
    Text,
    /// One JSON object.
    Json,
}

/// The cluster in this process.
#[derive(Debug, Args)]
#[command(next_help_heading = "Sandbox")]
pub struct Sandbox {
    /// Boots a cluster in this process: no API server, no nodes, nothing is left behind.
    #[arg(long, conflicts_with = "live")]
    pub sandbox: bool,
    /// Keeps the sandbox between runs.
    #[arg(long, value_name = "FILE", requires = "sandbox")]
    pub sandbox_state: Option<PathBuf>,
    /// The range of service addresses in the sandbox.
    #[arg(long, value_name = "CIDR", requires = "sandbox", default_value = "10.96.0.0/12")]
    pub sandbox_service_cidr: String,
    /// The Kubernetes version of the sandbox.
    #[arg(long, value_name = "VERSION", requires = "sandbox", default_value = "v1.36.3")]
    pub sandbox_kube_version: String,
    /// The workloads of this step do nothing at run time: shows how the bootstrap fails then.
    #[arg(long, value_name = "STEP", requires = "sandbox")]
    pub without_effects: Vec<String>,
}

/// Where charts come from.
#[derive(Debug, Args)]
#[command(next_help_heading = "Charts")]
pub struct Charts {
    /// A folder whose archives NAME-VERSION.tgz stand in for any reference with that last path segment and version.
    #[arg(long, value_name = "DIR")]
    pub chart_dir: Vec<PathBuf>,
    #[command(flatten)]
    pub registries: Registries,
}

/// How registries are spoken to. Their credentials are Docker's.
#[derive(Debug, Args)]
pub struct Registries {
    /// A registry or repository host that is asked without TLS.
    #[arg(long, value_name = "HOST")]
    pub plain_http: Vec<String>,
}

/// Where modules come from.
#[derive(Debug, Args)]
#[command(next_help_heading = "Modules")]
pub struct Modules {
    /// Uses a file for a stock module.
    #[arg(long = "module", value_name = "NAME=FILE", value_parser = name_and_file)]
    pub replaced: Vec<(String, PathBuf)>,
}

/// The ways to show a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// A live tree on a terminal, plain lines otherwise.
    Auto,
    /// Plain lines.
    Plain,
    /// One JSON object a line.
    Json,
}

/// Renders a chart as `helm template` does.
#[derive(Debug, Args)]
pub struct Template {
    /// The release name, and the chart: a folder, an archive, oci://…, or the last path segment of one in --chart-dir. With one argument,
    /// the chart, and the name is release-name.
    #[arg(value_names = ["NAME", "CHART"], num_args = 1..=2, required = true)]
    pub name_and_chart: Vec<String>,
    /// The namespace of the release; without it $HELM_NAMESPACE, or the one of the kubeconfig's context, or default.
    #[arg(short, long, value_name = "NAME")]
    pub namespace: Option<String>,
    /// A values file or the URL of one; - reads standard input. Later files win.
    #[arg(short = 'f', long = "values", value_name = "FILE")]
    pub values: Vec<String>,
    /// Sets values: key1=val1,key2=val2.
    #[arg(long, value_name = "VALUES")]
    pub set: Vec<String>,
    /// Sets values that stay strings.
    #[arg(long, value_name = "VALUES")]
    pub set_string: Vec<String>,
    /// Sets values from JSON: key=json, or one JSON object.
    #[arg(long, value_name = "VALUES")]
    pub set_json: Vec<String>,
    /// Sets one value literally, commas and all.
    #[arg(long, value_name = "VALUE")]
    pub set_literal: Vec<String>,
    /// Sets values from files: key=path.
    #[arg(long, value_name = "VALUES")]
    pub set_file: Vec<String>,
    /// The version or range of the chart.
    #[arg(long, value_name = "RANGE")]
    pub version: Option<String>,
    /// Takes pre-releases too, where no --version says which.
    #[arg(long)]
    pub devel: bool,
    /// The URL of an HTTP chart repository that holds CHART.
    #[arg(long, value_name = "URL")]
    pub repo: Option<String>,
    /// Prints the CRDs of crds/ first.
    #[arg(long)]
    pub include_crds: bool,
    /// Leaves CRDs out, which is the default; as in Helm it does not take back --include-crds.
    #[arg(long, hide = true)]
    pub skip_crds: bool,
    /// Leaves hooks out.
    #[arg(long)]
    pub no_hooks: bool,
    /// Leaves tests out.
    #[arg(long)]
    pub skip_tests: bool,
    /// Prints only this template, or all that fit a pattern.
    #[arg(short, long, value_name = "PATH")]
    pub show_only: Vec<String>,
    /// Renders an upgrade instead of an install.
    #[arg(long)]
    pub is_upgrade: bool,
    /// The Kubernetes version to render for.
    #[arg(long, value_name = "VERSION")]
    pub kube_version: Option<String>,
    /// API versions that the cluster has beside the usual ones.
    #[arg(short, long, value_name = "VERSIONS", value_delimiter = ',')]
    pub api_versions: Vec<String>,
    /// Does not check values against the chart's schema.
    #[arg(long)]
    pub skip_schema_validation: bool,
    /// Writes files into a folder instead of printing.
    #[arg(long, value_name = "DIR")]
    pub output_dir: Option<String>,
    /// Puts the release name into the path under --output-dir.
    #[arg(long)]
    pub release_name: bool,
    /// A template for the release name, instead of NAME.
    #[arg(long, value_name = "TEMPLATE")]
    pub name_template: Option<String>,
    /// Takes no NAME. As in Helm the name is release-name then.
    #[arg(short, long)]
    pub generate_name: bool,
    /// Prints what was rendered even if it is no YAML.
    #[arg(long)]
    pub debug: bool,
    /// The kubeconfig file whose context names the namespace.
    #[arg(long, value_name = "FILE", hide = true)]
    pub kubeconfig: Option<PathBuf>,
    /// The context that names the namespace.
    #[arg(long, value_name = "NAME", hide = true)]
    pub kube_context: Option<String>,
    #[command(flatten)]
    pub of_helm: OfHelm,
    /// Which Helm to render as; the newest if not given.
    #[arg(long, value_name = "VERSION")]
    pub helm_compat: Option<String>,
    #[command(flatten)]
    pub charts: Charts,
}

impl Options {
    /// Reads a command line. What is wrong with it, and help, is printed, and the exit code is returned.
    pub fn read(words: &[OsString]) -> Result<Options, ExitCode> {
        let command = Options::command().mut_subcommand("template", |template| template.args_override_self(true).mut_args(as_go_reads));
        let read = command.try_get_matches_from(words).and_then(|matches| Options::from_arg_matches(&matches));
        read.map_err(|error| {
            // The stream may be closed already.
            let _ = error.print();
            let is_template = words.get(1).is_some_and(|word| word == "template");
            // `helm template` has one code for all errors.
            ExitCode::from(u8::try_from(error.exit_code()).map_or(1, |code| if is_template { code.min(1) } else { code }))
        })
    }
}

/// Lets a switch be followed by `=true` or `=false`, as Go's flags are.
fn as_go_reads(argument: Arg) -> Arg {
    if !matches!(argument.get_action(), ArgAction::SetTrue) {
        return argument;
    }
    let words = |word: &str| match word {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err("write true or false"),
    };
    let argument = argument.action(ArgAction::Set).value_parser(words).default_value("false").default_missing_value("true");
    argument.num_args(0..=1).require_equals(true).hide_default_value(true).hide_possible_values(true)
}

/// Looks at step modules.
#[derive(Debug, Subcommand)]
pub enum ModuleCommand {
    /// Lists the modules that come with the program.
    List,
    /// Prints what a module imports, requests and may be given, without running a step.
    Inspect {
        /// A stock module, FILE.wasm, or oci://REGISTRY/REPOSITORY:TAG.
        module: String,
        /// Prints JSON.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        modules: Modules,
        #[command(flatten)]
        registries: Registries,
    },
    /// Measures how long a module takes to compile, and to start and describe itself: medians.
    Bench {
        /// A stock module, FILE.wasm, or oci://REGISTRY/REPOSITORY:TAG.
        module: String,
        /// How often each is measured.
        #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=10_000))]
        runs: u32,
        #[command(flatten)]
        modules: Modules,
        #[command(flatten)]
        registries: Registries,
    },
}

fn namespace_and_name(text: &str) -> Result<(String, String), String> {
    match text.split_once('/') {
        Some((namespace, name)) if !namespace.is_empty() && !name.is_empty() => Ok((namespace.into(), name.into())),
        _ => Err("expected NAMESPACE/NAME".into()),
    }
}

fn name_and_file(text: &str) -> Result<(String, PathBuf), String> {
    match text.split_once('=') {
        Some((name, file)) if !name.is_empty() && !file.is_empty() => Ok((name.into(), file.into())),
        _ => Err("expected NAME=FILE".into()),
    }
}
