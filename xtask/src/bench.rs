//! Measures ours against Helm in the same run, and prints a table of medians. Nothing here passes or fails.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::demo;
use crate::place::Place;

/// How often each thing is measured.
const RUNS: usize = 20;

const CHART: &str = "charts/cilium-1.18.6.tgz";
const VALUES: &str = "charts/values/cilium-onedr0p.yaml";
const KUBE_VERSION: &str = "v1.34.2";

/// Prints the table; with `whole`, modules and boots too.
pub fn bench(place: &Place, whole: bool) -> Result<()> {
    let binary = demo::binary(place, "release")?;
    let mut rows: Vec<(String, String)> = Vec::new();
    match shared(place) {
        Some(shared) => render(place, &binary, &shared, &mut rows)?,
        None => println!("skipped: ../shared is not here: no chart and no Helm to measure rendering against"),
    }
    if whole {
        let output = text(Command::new(&binary).args(["module", "bench", "cilium", "--runs", &RUNS.to_string()]))?;
        rows.extend(
            output
                .lines()
                .filter_map(|line| line.split_once(": "))
                .map(|(name, value)| (format!("module cilium, {name}"), value.to_owned())),
        );
        demo::example_module(place)?;
        let boot = || {
            timed(Command::new(&binary).args(["boot", "--sandbox", "--output", "json", "--file", demo::MANIFEST]).current_dir(&place.root))
        };
        rows.push(("boot of the demo, cold process".into(), show(median(boot)?)));
    }
    let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    println!("\nmedian of {RUNS} runs");
    for (name, value) in rows {
        println!("{name:width$}  {value}");
    }
    Ok(())
}

fn shared(place: &Place) -> Option<PathBuf> {
    let given = std::env::var_os("LAUNCHWAY_SHARED").map(PathBuf::from);
    let folder = given.unwrap_or_else(|| place.root.join("../shared"));
    folder.join(CHART).is_file().then_some(folder)
}

fn render(place: &Place, binary: &Path, shared: &Path, rows: &mut Vec<(String, String)>) -> Result<()> {
    let (chart, values) = (shared.join(CHART), shared.join(VALUES));
    let mut cargo = place.cargo(&["bench", "--quiet", "--package", "launchway-tests", "--bench", "render", "--"]);
    cargo.arg(&chart).arg(&values).args([KUBE_VERSION, &RUNS.to_string()]);
    let ours = text(&mut cargo)?;
    let number = |text: &str, key: &str| -> Option<f64> {
        text.lines().find_map(|line| line.strip_prefix(key)?.trim().split(' ').next()?.parse().ok())
    };
    let warm = number(&ours, "parsed once, ms:").context("the render bench prints its medians")?;
    let first = number(&ours, "parse and render, ms:").context("the render bench prints its medians")?;
    let load = number(&ours, "read the archive, ms:").context("the render bench prints its medians")?;
    rows.push(("cilium 1.18.6, read the archive".into(), format!("{load:.2} ms")));
    rows.push(("cilium 1.18.6, parse and render".into(), format!("{first:.2} ms")));
    rows.push(("cilium 1.18.6, render again".into(), format!("{warm:.2} ms")));
    let oracle = shared.join("tools/helm-oracle");
    let mut helm = Command::new(&oracle);
    helm.arg("bench").arg(&chart).args(["--name", "cilium", "--namespace", "kube-system", "--kube-version", KUBE_VERSION, "--values"]);
    match text(helm.arg(&values).args(["-N", &RUNS.to_string()])) {
        Ok(output) => rows.push(("the same by Helm, in process (helm-oracle bench)".into(), output.trim().replace('\n', "; "))),
        Err(error) => println!("skipped: helm-oracle does not run here: {error:#}"),
    }
    let cold = || {
        let mut command = Command::new(binary);
        command.args(["template", "cilium"]).arg(&chart).args(["--namespace", "kube-system", "--kube-version", KUBE_VERSION, "--values"]);
        timed(command.arg(&values))
    };
    rows.push(("launchway template cilium 1.18.6, cold process".into(), show(median(cold)?)));
    Ok(())
}

fn median(run: impl Fn() -> Result<Duration>) -> Result<Duration> {
    let mut times = (0..RUNS).map(|_| run()).collect::<Result<Vec<_>>>()?;
    times.sort();
    Ok(times[RUNS / 2])
}

fn timed(command: &mut Command) -> Result<Duration> {
    let started = Instant::now();
    let status = command.stdout(Stdio::null()).status()?;
    if !status.success() {
        bail!("{command:?}: {status}");
    }
    Ok(started.elapsed())
}

fn text(command: &mut Command) -> Result<String> {
    let output = command.stderr(Stdio::inherit()).output().with_context(|| format!("{command:?}"))?;
    if !output.status.success() {
        bail!("{command:?}: {}", output.status);
    }
    Ok(String::from_utf8(output.stdout)?)
}

fn show(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1000.0)
}
