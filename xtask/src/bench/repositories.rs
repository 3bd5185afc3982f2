//! Checks of whole repositories in a cold process, kustomize beside the real one in one run, and how the cost grows with the number of files.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::measure::{RUNS, Table, milliseconds, text};
use crate::differential_kustomize;
use crate::place::Place;

/// Prints the table.
pub fn repositories(place: &Place, binary: &Path, shared: Option<&Path>) -> Result<()> {
    let mut table = Table::new(&["repositories", "median"]);
    for name in ["onedr0p-home-ops", "buroa-k8s-gitops"] {
        let Some(shared) = shared else { continue };
        let folder = shared.join("repos").join(name);
        table.row([format!("check of {name}, cold process"), milliseconds(check(binary, &folder, &[])?)]);
        let charts = shared.join("charts").display().to_string();
        table.row(["the same with the charts that are here".to_owned(), milliseconds(check(binary, &folder, &["--chart-dir", &charts])?)]);
    }
    for count in [1_000, 5_000, 10_000] {
        let folder = grown(place, count)?;
        table.row([format!("check of {count} files, cold process"), milliseconds(check(binary, &folder, &["--flux-path", "cluster"])?)]);
        fs::remove_dir_all(folder)?;
    }
    table.print();
    match (shared, differential_kustomize::program(place)?) {
        (Some(shared), Some(real)) => {
            let mut cargo =
                place.cargo(&["run", "--quiet", "--release", "--package", "kustomize", "--example", "differential", "--", "bench"]);
            println!("\n{}", text(cargo.arg(real).arg(shared.join("repos")))?.trim());
        }
        _ => println!("skipped: kustomize build of real repositories: ../shared or Go is not here"),
    }
    Ok(())
}

/// Returns the median time of a check, which may find something.
fn check(binary: &Path, folder: &Path, more: &[&str]) -> Result<Duration> {
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
