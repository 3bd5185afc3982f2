//! Renders one chart many times and prints medians: `render CHART VALUES KUBE_VERSION RUNS`. Called by `cargo xtask bench`.

use std::time::Instant;

use helm::{Capabilities, Chart, KubeVersion, Parsed, RenderRequest};

/// The allocator of the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let [chart, values, version, runs] = args.as_slice() else {
        println!("skipped: the render bench is run by `cargo xtask bench`");
        return;
    };
    let bytes = std::fs::read(chart).expect("the chart can be read");
    let values = std::fs::read_to_string(values).expect("the values can be read");
    let runs: usize = runs.parse().expect("RUNS is a number");
    let mut request = RenderRequest::new("cilium", "kube-system");
    request.values = helm::values::from_yaml(&values).expect("the values are YAML");
    let version = KubeVersion::parse(version, &request.compat).expect("KUBE_VERSION is a version");
    request.capabilities = Capabilities::offline(&request.compat).with_kube_version(version);
    let parsed_chart = Chart::from_archive("chart.tgz", &bytes).expect("the chart is one");
    println!("read the archive, ms: {:.3}", median(runs, || drop(Chart::from_archive("chart.tgz", &bytes).expect("the chart is one"))));
    println!("parse and render, ms: {:.3}", median(runs, || drop(helm::render(&parsed_chart, &request).expect("the chart renders"))));
    let mut parsed = Parsed::default();
    let mut again = || drop(helm::render_parsed(&parsed_chart, &request, &mut parsed).expect("the chart renders"));
    again();
    println!("parsed once, ms: {:.3}", median(runs, again));
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
