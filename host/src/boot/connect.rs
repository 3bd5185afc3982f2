//! The way to the cluster: the one in this process, or a live one, once it answers and the person agrees.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use kube_engine::{Cluster, Way, nodes};
use kube_sandbox::Sandbox;

use super::{Understood, sandbox};
use crate::Surroundings;
use crate::failure::{Failure, chain};
use crate::holder;
use crate::options;
use crate::report::{Event, Reporter, seconds};

/// A cluster that may be written to.
pub struct Reached {
    pub cluster: Cluster,
    /// What is behind it, if that is in this process.
    pub sandbox: Option<Sandbox>,
    /// What is booted where, for people.
    pub title: String,
}

/// Reaches the cluster that is to be booted.
pub async fn connect(
    options: &options::Boot,
    understood: &Understood,
    reporter: &Reporter,
    around: &Surroundings,
) -> Result<Reached, Failure> {
    let (cluster, sandbox) = match options.sandbox.sandbox {
        true => {
            let sandbox = sandbox::open(&options.sandbox)?;
            sandbox::declare_effects(&sandbox, &understood.steps, &options.sandbox.without_effects).await?;
            (Cluster::over(sandbox.clone()), Some(sandbox))
        }
        false => (arrive(options, reporter, around).await?.exclusive(holder::this()?), None),
    };
    let version = cluster.version().await.map_err(|error| Failure::cluster(chain(&error)))?;
    let place = if sandbox.is_some() { "sandbox" } else { "cluster" };
    if sandbox.is_none() {
        confirm(options, &understood.name, &version.git_version, around)?;
    }
    let title = format!("{} on the {place} ({})", understood.name, version.git_version);
    Ok(Reached { cluster, sandbox, title })
}

/// Returns the cluster that the options lead to.
pub async fn live(options: &options::Connection, around: &Surroundings) -> Result<Cluster, Failure> {
    let way = Way {
        kubeconfig: options.kubeconfig.as_deref(),
        context: options.context.as_deref(),
        server: options.server.as_deref(),
        variable: Some(around.variable),
    };
    Cluster::connect(&way).await.map_err(|error| Failure::user(chain(&error)))
}

/// How long nodes may take to register.
const NODES: Duration = Duration::from_secs(15 * 60);

/// Connects, and waits for what the options say must be there first.
async fn arrive(options: &options::Boot, reporter: &Reporter, around: &Surroundings) -> Result<Cluster, Failure> {
    let sandbox = "`--sandbox` boots a cluster in this process instead";
    let cluster = live(&options.connection, around).await.map_err(|failure| failure.hint(sandbox))?;
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
    /// How long one question may take: behind an address that nobody has there is only silence.
    const QUESTION: Duration = Duration::from_secs(5);
    let started = Instant::now();
    loop {
        let left = patience.saturating_sub(started.elapsed());
        let why = match tokio::time::timeout(QUESTION.min(left.max(Duration::from_secs(1))), cluster.answers()).await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) if error.code() != "unavailable" => return Err(Failure::cluster(chain(&error))),
            Ok(Err(error)) => chain(&error),
            Err(_) => "nothing was heard of it".to_owned(),
        };
        if started.elapsed() >= patience {
            return Err(Failure::cluster(format!("the API server does not answer, after {}: {why}", seconds(started.elapsed()))));
        }
        say(&format!("the API server does not answer yet, after {}: {why}", seconds(started.elapsed())));
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
