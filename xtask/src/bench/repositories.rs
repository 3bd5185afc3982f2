//! Checks of whole repositories in a cold process, kustomize beside the real one in one run, and how the cost grows with the number of files.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::measure::{RUNS, Table, milliseconds, text};
use crate::differential_kustomize;
use crate::place::Place;

const PUBLIC: [&str; 2] = ["onedr0p-home-ops", "buroa-k8s-gitops"];

/// The charts that the stock modules install.
const STOCK: [&str; 4] = ["cilium-1.20.0", "coredns-1.46.2", "flux-operator-0.49.0", "flux-instance-0.49.0"];

/// Prints what checking a repository takes in a cold process: ours, the public ones where they are, and ones of many files.
pub fn check(place: &Place, binary: &Path, shared: Option<&Path>) -> Result<()> {
    let mut table = Table::new(&["check, cold process, median of 20", "without charts", "with charts"]);
    let home = place.root.join("examples/home");
    let own = ["--chart-dir".to_owned(), home.join("charts").display().to_string()];
    table.row(["examples/home".to_owned(), milliseconds(run(binary, &home, &[])?), milliseconds(run(binary, &home, &own)?)]);
    let features = place.root.join("tests/reads_like_flux/repository");
    table.row(["tests/reads_like_flux".to_owned(), milliseconds(run(binary, &features, &[])?), "-".to_owned()]);
    for name in PUBLIC {
        let Some(shared) = shared else { continue };
        let charts = stock_charts(place, shared)?;
        let repository = with_stock_versions(place, &shared.join("repos").join(name))?;
        let with = ["--chart-dir".to_owned(), charts.display().to_string()];
        table.row([
            format!("{name}, four charts"),
            milliseconds(run(binary, &shared.join("repos").join(name), &[])?),
            milliseconds(run(binary, &repository, &with)?),
        ]);
        fs::remove_dir_all(repository)?;
        fs::remove_dir_all(charts)?;
    }
    table.print();
    let mut table = Table::new(&["check, cold process: files", "median", "per 1,000"]);
    for count in [1_000, 2_000, 5_000, 10_000] {
        let folder = grown(place, count)?;
        let median = run(binary, &folder, &["--flux-path".to_owned(), "cluster".to_owned()])?;
        table.row([count.to_string(), milliseconds(median), milliseconds(median * 1_000 / u32::try_from(count)?)]);
        fs::remove_dir_all(folder)?;
    }
    table.print();
    Ok(())
}

/// Prints what building every kustomization takes, and one of many files, against kustomize.
pub fn kustomize(place: &Place, shared: Option<&Path>) -> Result<()> {
    let Some(real) = differential_kustomize::program(place)? else {
        println!("skipped: Go is not here, so there is no kustomize to run against");
        return Ok(());
    };
    let mut cargo = place.cargo(&["run", "--quiet", "--release", "--package", "kustomize", "--example", "differential", "--", "bench"]);
    cargo.arg(real).arg(place.root.join("tests/reads_like_flux/repository"));
    for name in PUBLIC {
        cargo.args(shared.map(|shared| shared.join("repos").join(name)));
    }
    println!("\n{}", text(&mut cargo)?.trim());
    Ok(())
}

/// Makes a folder with the stock charts alone.
fn stock_charts(place: &Place, shared: &Path) -> Result<PathBuf> {
    let folder = place.cache.join(format!("bench-charts-{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    for chart in STOCK {
        let name = format!("{chart}.tgz");
        fs::copy(shared.join("charts").join(&name), folder.join(&name)).with_context(|| name.clone())?;
    }
    Ok(folder)
}

/// Makes a copy of a repository whose stock charts are those that are here.
fn with_stock_versions(place: &Place, repository: &Path) -> Result<PathBuf> {
    let copy = place.cache.join(format!("bench-repository-{}", std::process::id()));
    for file in files(repository)? {
        let mut text = fs::read(&file)?;
        if file.ends_with("app/ocirepository.yaml")
            && let Some((_, version)) = STOCK
                .iter()
                .filter_map(|chart| chart.rsplit_once('-'))
                .find(|(name, _)| file.to_string_lossy().contains(&format!("/{name}/app/")))
        {
            let lines = String::from_utf8(text)?;
            let lines = lines.lines().map(|line| match line.split_once("tag: ") {
                Some((indent, _)) => format!("{indent}tag: {version}\n"),
                None => format!("{line}\n"),
            });
            text = lines.collect::<String>().into_bytes();
        }
        let target = copy.join(file.strip_prefix(repository)?);
        fs::create_dir_all(target.parent().context("a file lies in a folder")?)?;
        fs::write(target, text)?;
    }
    Ok(copy)
}

fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if path.is_dir() { found.extend(files(&path)?) } else { found.push(path) }
    }
    Ok(found)
}

/// Returns the median time of a check, which may find something.
fn run(binary: &Path, folder: &Path, more: &[String]) -> Result<Duration> {
    let mut times = Vec::new();
    for _ in 0..RUNS {
        let start = Instant::now();
        let output = Command::new(binary).arg("check").args(more).arg(folder).stdout(Stdio::null()).stderr(Stdio::piped()).output()?;
        times.push(start.elapsed());
        if !matches!(output.status.code(), Some(0 | 2)) || !output.stderr.is_empty() {
            bail!("check of {}: {}: {}", folder.display(), output.status, String::from_utf8_lossy(&output.stderr).trim());
        }
    }
    times.sort();
    Ok(times[RUNS / 2])
}

/// Makes a repository of that many files: one Kustomization for every ten.
fn grown(place: &Place, count: usize) -> Result<PathBuf> {
    let root = place.cache.join(format!("bench-{count}-{}", std::process::id()));
    let write = |path: String, text: String| -> Result<()> {
        let path = root.join(path);
        fs::create_dir_all(path.parent().context("a file lies in a folder")?)?;
        Ok(fs::write(path, text)?)
    };
    for app in 0..count / 10 {
        let source = "{ kind: GitRepository, name: flux-system }";
        write(
            format!("cluster/{app}.yaml"),
            format!(
                "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {{ name: app{app}, namespace: flux-system }}\nspec:\n  interval: 1h\n  path: ./apps/{app}\n  prune: true\n  targetNamespace: apps\n  sourceRef: {source}\n"
            ),
        )?;
        let files: Vec<String> = (0..8).map(|file| format!("{file}.yaml")).collect();
        let listed = files.join(", ");
        write(format!("apps/{app}/kustomization.yaml"), format!("resources: [{listed}]\nlabels:\n  - pairs: {{ app: app{app} }}\n"))?;
        for (index, file) in files.iter().enumerate() {
            let object = format!("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: map-{app}-{index}\ndata:\n  key: value\n");
            write(format!("apps/{app}/{file}"), object)?;
        }
    }
    Ok(root)
}
