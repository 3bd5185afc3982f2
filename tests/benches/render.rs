//! Renders charts in one process, for `cargo xtask bench`: `render MODE KUBE_VERSION RUNS (NAME NAMESPACE CHART VALUES)...`.
//!
//! `medians` prints, in milliseconds, what it takes to load the last chart, to render it from parsing on, and to render it again with
//! what was parsed. `once` renders every chart once, from the file on, as a program would.

use std::time::Instant;

use helm::{Capabilities, Chart, KubeVersion, Parsed, RenderRequest, TemplateOutput};

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let [mode, version, runs, cases @ ..] = args.as_slice() else {
        println!("skipped: the render bench is run by `cargo xtask bench`");
        return;
    };
    let runs: usize = runs.parse().expect("RUNS is a number");
    for case in cases.chunks_exact(4) {
        let (request, bytes) = read(case, version);
        let chart = Chart::from_archive("chart.tgz", &bytes).expect("the chart is one");
        if mode == "once" {
            let rendered = helm::render(&chart, &request).expect("the chart renders");
            let text = rendered.template_output(&TemplateOutput::default()).expect("all is printed");
            println!("{}", text.len());
            continue;
        }
        let first = || drop(helm::render(&chart, &request).expect("the chart renders"));
        let mut parsed = Parsed::default();
        let mut again = || drop(helm::render_parsed(&chart, &request, &mut parsed).expect("the chart renders"));
        again();
        println!("load: {:.3}", median(runs, || drop(Chart::from_archive("chart.tgz", &bytes).expect("the chart is one"))));
        println!("first: {:.3}", median(runs, first));
        println!("again: {:.3}", median(runs, again));
    }
}

fn read(case: &[String], version: &str) -> (RenderRequest, Vec<u8>) {
    let values = std::fs::read_to_string(&case[3]).expect("the values can be read");
    let mut request = RenderRequest::new(case[0].as_str(), case[1].as_str());
    request.values = helm::values::from_yaml(&values).expect("the values are YAML");
    let version = KubeVersion::parse(version, &request.compat).expect("KUBE_VERSION is a version");
    request.capabilities = Capabilities::offline(&request.compat).with_kube_version(version);
    (request, std::fs::read(&case[2]).expect("the chart can be read"))
}

fn median(runs: usize, mut run: impl FnMut()) -> f64 {
    let mut times: Vec<f64> = (0..runs)
        .map(|_| {
            let started = Instant::now();
            run();
            started.elapsed().as_secs_f64() * 1000.0
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[runs / 2]
}
