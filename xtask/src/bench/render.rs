//! Rendering, against Helm: in process (its SDK, through helm-oracle) and as processes (its program, built from `tests/real/helm`).

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use super::measure::{RUNS, Table, mebibytes, milliseconds, processes, text, times};
use crate::demo;
use crate::place::Place;
use crate::real;

/// A chart with its values, under `charts` of the reference data.
struct Case {
    title: &'static str,
    name: &'static str,
    namespace: &'static str,
    chart: &'static str,
    values: &'static str,
}

const KUBE_VERSION: &str = "v1.34.2";

const CILIUM: Case =
    Case { title: "cilium 1.18.6", name: "cilium", namespace: "kube-system", chart: "cilium-1.18.6.tgz", values: "cilium-onedr0p.yaml" };

const PROMETHEUS: Case = Case {
    title: "kube-prometheus-stack 88.5.3",
    name: "rel",
    namespace: "monitoring",
    chart: "kube-prometheus-stack-88.5.3.tgz",
    values: "kps-full.yaml",
};

/// The charts of the stock modules.
const STOCK: [Case; 4] = [
    Case { title: "cilium", chart: "cilium-1.20.0.tgz", ..CILIUM },
    Case { title: "coredns", name: "coredns", namespace: "kube-system", chart: "coredns-1.46.2.tgz", values: "coredns-onedr0p.yaml" },
    Case {
        title: "flux-operator",
        name: "flux-operator",
        namespace: "flux-system",
        chart: "flux-operator-0.49.0.tgz",
        values: "flux-operator-onedr0p.yaml",
    },
    Case {
        title: "flux-instance",
        name: "flux-instance",
        namespace: "flux-system",
        chart: "flux-instance-0.49.0.tgz",
        values: "flux-instance-onedr0p.yaml",
    },
];

struct Bench<'a> {
    shared: &'a Path,
    launchway: PathBuf,
    /// The program of `tests/benches/render.rs`.
    renderer: PathBuf,
    helm: Option<PathBuf>,
    scratch: PathBuf,
}

/// Prints the tables.
pub fn render(place: &Place, shared: &Path) -> Result<()> {
    let scratch = place.cache.join("bench");
    fs::create_dir_all(&scratch)?;
    let bench =
        Bench { shared, launchway: demo::binary(place, "release")?, renderer: renderer(place)?, helm: real::one(place, "helm")?, scratch };
    if bench.helm.is_none() {
        println!("skipped: Go is not here, so there is no helm to run against");
    }
    bench.in_process()?;
    bench.as_processes()?;
    bench.growth()
}

/// Compiles the bench and returns the program.
fn renderer(place: &Place) -> Result<PathBuf> {
    let mut cargo = place.cargo(&["bench", "--package", "launchway-tests", "--bench", "render", "--no-run", "--message-format", "short"]);
    let output = cargo.output().context("cargo bench")?;
    let messages = String::from_utf8_lossy(&output.stderr).into_owned();
    let program = messages.lines().rev().find_map(|line| line.trim().strip_prefix("Executable ")?.split('(').nth(1)?.strip_suffix(')'));
    Ok(program.with_context(|| format!("the render bench does not compile:\n{messages}"))?.into())
}

impl Bench<'_> {
    fn chart(&self, case: &Case) -> PathBuf {
        self.shared.join("charts").join(case.chart)
    }

    fn values(&self, case: &Case) -> PathBuf {
        self.shared.join("charts/values").join(case.values)
    }

    fn in_process(&self) -> Result<()> {
        let mut table = Table::new(&["in process, median of 20", "launchway", "Helm SDK 4.2.3", ""]);
        for case in [&CILIUM, &PROMETHEUS] {
            let mut ours = Command::new(&self.renderer);
            ours.args(["medians", KUBE_VERSION, &RUNS.to_string()]).args(self.renderer_case(case));
            let ours = text(&mut ours)?;
            let number = |key: &str| ours.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(": ")?.parse::<f64>().ok());
            let helm = self.oracle(case)?;
            for (what, ours, theirs) in [
                ("read the archive", number("load"), helm.map(|helm| helm.0)),
                ("render, from parsing on", number("first"), helm.map(|helm| helm.1)),
                ("render again with other values", number("again"), helm.map(|helm| helm.1)),
            ] {
                let show = |time: Option<f64>| time.map_or_else(|| "-".to_owned(), |time| format!("{time:.2} ms"));
                let ratio = times(ours.unwrap_or(0.0), theirs.unwrap_or(0.0));
                table.row([format!("{}: {what}", case.title), show(ours), show(theirs), ratio]);
            }
        }
        table.print();
        Ok(())
    }

    fn renderer_case(&self, case: &Case) -> [String; 4] {
        let text = |path: PathBuf| path.display().to_string();
        [case.name.to_owned(), case.namespace.to_owned(), text(self.chart(case)), text(self.values(case))]
    }

    /// Returns what Helm takes in its own process, in milliseconds: to load the chart, and for a client-side install without loading.
    /// It parses the templates each time; it cannot keep them.
    fn oracle(&self, case: &Case) -> Result<Option<(f64, f64)>> {
        let mut command = Command::new(self.shared.join("tools/helm-oracle"));
        command.arg("bench").arg(self.chart(case)).args(["--name", case.name, "--namespace", case.namespace]);
        command.args(["--kube-version", KUBE_VERSION, "-N", &RUNS.to_string(), "--values"]).arg(self.values(case));
        let output = match text(&mut command) {
            Ok(output) => output,
            Err(error) => {
                println!("skipped: helm-oracle does not run here: {error:#}");
                return Ok(None);
            }
        };
        let median = |key: &str| -> Option<f64> {
            let (_, rest) = output.split_once(&format!("\"{key}\""))?;
            let (_, rest) = rest.split_once("\"median\": ")?;
            rest.split([',', '}']).next()?.trim().parse().ok()
        };
        Ok(median("load_ms").zip(median("dry_run_install_ms")))
    }

    fn as_processes(&self) -> Result<()> {
        let mut table = Table::new(&["cold processes, median of 20", "launchway", "helm 4.2.4", "", "peak memory", "", ""]);
        for case in [&CILIUM, &PROMETHEUS] {
            let values = self.values(case);
            let chart = self.chart(case);
            let ours = template(&self.launchway, case, &chart, &values);
            let theirs = self.helm.as_deref().map(|helm| vec![template(helm, case, &chart, &values)]);
            self.compare(&mut table, &format!("template {}", case.title), ours, theirs)?;
        }
        let mut ours = Command::new(&self.renderer);
        ours.args(["once", KUBE_VERSION, "1"]);
        for case in &STOCK {
            ours.args(self.renderer_case(case));
        }
        let theirs =
            self.helm.as_deref().map(|helm| STOCK.iter().map(|case| template(helm, case, &self.chart(case), &self.values(case))).collect());
        self.compare(&mut table, "the four stock charts: one process, four of helm", ours, theirs)?;
        table.print();
        Ok(())
    }

    fn compare(&self, table: &mut Table, title: &str, ours: Command, theirs: Option<Vec<Command>>) -> Result<()> {
        let ours = processes(&mut [ours], RUNS)?;
        let theirs = theirs.map(|mut commands| processes(&mut commands, RUNS)).transpose()?;
        let ratio = |number: fn(&super::measure::Measured) -> f64| times(number(&ours), theirs.as_ref().map_or(0.0, number));
        table.row([
            title.to_owned(),
            milliseconds(ours.median),
            theirs.as_ref().map_or_else(|| "-".to_owned(), |theirs| milliseconds(theirs.median)),
            ratio(|measured| measured.median.as_secs_f64()),
            mebibytes(ours.peak),
            mebibytes(theirs.as_ref().and_then(|theirs| theirs.peak)),
            ratio(|measured| measured.peak.unwrap_or(0) as f64),
        ]);
        Ok(())
    }

    /// Shows how cost grows with the number of templates and with the size of the values.
    fn growth(&self) -> Result<()> {
        for (title, sizes, make) in [
            ("templates", [100, 200, 400, 800, 1600], many_templates as fn(&Path, usize) -> Result<()>),
            ("entries in the values", [1000, 2000, 4000, 8000, 16000], many_values),
        ] {
            let mut table = Table::new(&[title, "launchway", "per 100", "helm 4.2.4", "per 100"]);
            for size in sizes {
                let chart = self.scratch.join(format!("growth-{size}"));
                make(&chart, size)?;
                let values = chart.join("values.yaml");
                let per = |time: Duration| format!("{:.3} ms", time.as_secs_f64() * 100_000.0 / size as f64);
                let ours = processes(&mut [template(&self.launchway, &CILIUM, &chart, &values)], 5)?.median;
                let helm = self.helm.as_deref().map(|helm| processes(&mut [template(helm, &CILIUM, &chart, &values)], 5)).transpose()?;
                let theirs = helm.map_or(("-".to_owned(), "-".to_owned()), |helm| (milliseconds(helm.median), per(helm.median)));
                table.row([size.to_string(), milliseconds(ours), per(ours), theirs.0, theirs.1]);
                fs::remove_dir_all(&chart)?;
            }
            table.print();
        }
        Ok(())
    }
}

/// `template` means the same to both programs.
fn template(program: &Path, case: &Case, chart: &Path, values: &Path) -> Command {
    let mut command = Command::new(program);
    command.args(["template", case.name]).arg(chart).args(["--namespace", case.namespace, "--kube-version", KUBE_VERSION, "--values"]);
    command.arg(values);
    command
}

fn chart(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder.join("templates"))?;
    Ok(fs::write(folder.join("Chart.yaml"), "apiVersion: v2\nname: growth\nversion: 1.0.0\n")?)
}

fn many_templates(folder: &Path, count: usize) -> Result<()> {
    chart(folder)?;
    fs::write(folder.join("values.yaml"), "labels: {app: growth, tier: one}\n")?;
    for number in 0..count {
        let text = format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{{{ .Release.Name }}}}-{number}\n  labels: {{{{- toYaml .Values.labels | nindent 4 }}}}\ndata:\n  {{{{- range $i := until 20 }}}}\n  key{{{{ $i }}}}: {{{{ printf \"%s-%d\" $.Release.Name $i | quote }}}}\n  {{{{- end }}}}\n"
        );
        fs::write(folder.join(format!("templates/t{number}.yaml")), text)?;
    }
    Ok(())
}

fn many_values(folder: &Path, count: usize) -> Result<()> {
    chart(folder)?;
    let entries: String = (0..count).map(|number| format!("  key{number}: {{name: n{number}, port: {number}, on: true}}\n")).collect();
    fs::write(folder.join("values.yaml"), format!("entries:\n{entries}"))?;
    let text = "{{- range $name, $entry := .Values.entries }}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ $name }}\ndata: {{- toYaml $entry | nindent 2 }}\n{{- end }}\n";
    Ok(fs::write(folder.join("templates/all.yaml"), text)?)
}
