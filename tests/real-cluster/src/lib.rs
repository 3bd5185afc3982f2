//! Real Kubernetes on loopback, for tests: etcd, API server, controller-manager, scheduler and nodes that are only said to run, in
//! some seconds. Real Flux controllers and a real registry beside it.
//!
//! The programs are those of `cargo xtask real`. Everything is stopped when its owner is dropped, and when the test process dies in
//! whatever way. Several clusters run side by side: every port is a free one. Logs are kept where a test fails.

mod api;
mod audit;
mod certificates;
mod cluster;
mod flux;
mod processes;
mod proxy;
mod registry;

pub use api::{Answer, Api};
pub use audit::Request;
pub use cluster::{Cluster, Options};
pub use flux::Controller;
pub use proxy::{Decide, Fate, Passing, Proxy};
pub use registry::Registry;

use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU16, Ordering};

use anyhow::{Context, Result, bail};

/// Returns a real program. Only for tests under `cfg(has_real)`.
pub fn program(name: &str) -> Result<PathBuf> {
    let folder = std::env::var_os("LAUNCHWAY_REAL").context("LAUNCHWAY_REAL is not set: run `cargo xtask test`")?;
    let program = PathBuf::from(folder).join(name);
    if !program.exists() {
        bail!("{} is not here: run `cargo xtask real`", program.display());
    }
    Ok(program)
}

/// Returns a port on loopback that nobody listens on, another one each time.
///
/// Not one that the system would choose: it gives those to connections, and to others who ask, before the program listens.
fn free_port() -> Result<u16> {
    const PORTS: std::ops::Range<u16> = 10_000..30_000;
    static TAKEN: AtomicU16 = AtomicU16::new(0);
    // Test processes that run side by side begin at different places.
    let first = (std::process::id() * 61) as u16;
    for _ in PORTS {
        let number = first.wrapping_add(TAKEN.fetch_add(1, Ordering::Relaxed));
        let port = PORTS.start + number % (PORTS.end - PORTS.start);
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    bail!("loopback has no free port in {PORTS:?}")
}
