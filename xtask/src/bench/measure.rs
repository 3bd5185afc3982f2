//! Running programs, and what they took.

use std::io;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// How often each thing is measured.
pub const RUNS: usize = 20;

/// What running one or several processes took, one after the other.
pub struct Measured {
    /// Wall-clock time of all together, the median of the runs.
    pub median: Duration,
    /// The most memory that any of them held, in KiB, the median of the runs; nothing where the system does not say.
    pub peak: Option<u64>,
}

/// Runs processes one after the other, many times.
pub fn processes(commands: &mut [Command], runs: usize) -> Result<Measured> {
    let mut times = Vec::new();
    let mut peaks = Vec::new();
    for _ in 0..runs {
        let started = Instant::now();
        let mut peak = None;
        for command in commands.iter_mut() {
            peak = peak.max(process(command)?);
        }
        times.push(started.elapsed());
        peaks.extend(peak);
    }
    times.sort();
    peaks.sort_unstable();
    Ok(Measured { median: times[runs / 2], peak: peaks.get(peaks.len() / 2).copied() })
}

/// Runs a process to its end and returns its peak memory in KiB.
fn process(command: &mut Command) -> Result<Option<u64>> {
    let child = command.stdout(Stdio::null()).spawn().with_context(|| format!("{command:?}"))?;
    let (status, peak) = wait(child)?;
    if status != 0 {
        bail!("{command:?}: ended with status {status}");
    }
    Ok(peak)
}

/// Waits for a child with `wait4`, which tells what it used; the standard library does not.
#[cfg(target_os = "linux")]
fn wait(child: std::process::Child) -> Result<(i32, Option<u64>)> {
    let mut status = 0;
    // SAFETY: all zeroes is a valid `rusage`.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: both pointers are valid for the call, and the child is ours and not waited for by anybody else.
    let waited = unsafe { libc::wait4(child.id().cast_signed(), &raw mut status, 0, &raw mut usage) };
    if waited < 0 {
        return Err(io::Error::last_os_error()).context("cannot wait for a process");
    }
    Ok((status, u64::try_from(usage.ru_maxrss).ok()))
}

#[cfg(not(target_os = "linux"))]
fn wait(mut child: std::process::Child) -> Result<(i32, Option<u64>)> {
    let status = child.wait().map_err(io::Error::from)?;
    Ok((status.code().unwrap_or(1), None))
}

/// Returns what a process prints.
pub fn text(command: &mut Command) -> Result<String> {
    let output = command.stderr(Stdio::inherit()).output().with_context(|| format!("{command:?}"))?;
    if !output.status.success() {
        bail!("{command:?}: {}", output.status);
    }
    Ok(String::from_utf8(output.stdout)?)
}

/// A table that is printed with its columns aligned.
pub struct Table(Vec<Vec<String>>);

impl Table {
    pub fn new(head: &[&str]) -> Table {
        Table(vec![head.iter().map(|cell| (*cell).to_owned()).collect()])
    }

    pub fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.0.push(cells.into());
    }

    pub fn print(&self) {
        let width = |column: usize| self.0.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0);
        println!();
        for row in &self.0 {
            let cells: Vec<String> = row.iter().enumerate().map(|(column, cell)| format!("{cell:<0$}", width(column))).collect();
            println!("{}", cells.join("  ").trim_end());
        }
    }
}

pub fn milliseconds(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1000.0)
}

pub fn mebibytes(kibibytes: Option<u64>) -> String {
    kibibytes.map_or_else(|| "-".to_owned(), |peak| format!("{:.1} MiB", peak as f64 / 1024.0))
}

/// Returns how many times smaller the first is, or nothing to say.
pub fn times(ours: f64, theirs: f64) -> String {
    if ours > 0.0 && theirs > 0.0 { format!("{:.1}x", theirs / ours) } else { "-".to_owned() }
}
