//! A cluster that a person can play with, for `cargo xtask real up`: it ends with the process.

use std::time::Instant;

use anyhow::Result;
use real_cluster::{Cluster, Options, Registry, program};

fn main() -> Result<()> {
    let started = Instant::now();
    let cluster = Cluster::start(&Options::default())?;
    let registry = Registry::start()?;
    println!("a cluster of two nodes that are only said to run, after {:.1} s", started.elapsed().as_secs_f64());
    println!("\n  export KUBECONFIG={}", cluster.kubeconfig().display());
    println!("  alias kubectl='{} kubectl'", program("kubernetes")?.display());
    println!("  registry: oci://{} (plain HTTP)", registry.address());
    println!("  logs:     {}\n\nit ends with this process: press Ctrl-C", cluster.folder().display());
    loop {
        std::thread::park();
    }
}
