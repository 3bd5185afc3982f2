//! `launchway template`: what `helm template` prints, with its options (`helm/helm` `pkg/cmd/template.go`).

mod name;
mod namespace;
mod of_helm;
mod output;
mod values;

use std::mem::ManuallyDrop;

use charts::Reference;
use helm::{Capabilities, Chart, HelmCompat, KubeVersion, Parsed, RenderError, RenderRequest, TemplateOutput};

use crate::Surroundings;
use crate::boot::registry;
use crate::both;
use crate::failure::{Failure, chain};
use crate::heap;
use crate::options;

pub use of_helm::OfHelm;

/// Renders a chart and prints it.
pub async fn template(options: options::Template, around: &Surroundings) -> Result<(), Failure> {
    if let Some((option, instead)) = &options.of_helm.refused {
        return Err(Failure::user(format!("{option} does not exist here")).hint(*instead));
    }
    let compat = options.helm_compat.as_deref().map_or_else(HelmCompat::newest, HelmCompat::of);
    let capabilities = capabilities(&options, &compat)?;
    let (name, chart) = name::and_chart(&options)?;
    let charts = registry(&options.charts, around);
    let place = Place::of(&options, &chart, around)?;
    heap::for_first_thread(place.memory());
    both::get_ready();
    let (values, given) = values::merged(&options, &charts, around).await?;
    // The process ends with this command: to free every node of what it read first would only take time.
    let mut parsed = ManuallyDrop::new(Parsed::ahead(&compat));
    let mut chart = ManuallyDrop::new(place.fetch(&charts, &mut parsed).await?);
    if !options.skip_schema_validation {
        charts.complete_schemas(&mut chart).await;
    }
    name::check(&name)?;
    let mut request = RenderRequest::new(name.as_str(), namespace::of(&options, around));
    request.values = values;
    request.capabilities = capabilities;
    request.is_upgrade = options.is_upgrade;
    request.skip_schema_validation = options.skip_schema_validation;
    request.compat = compat;
    request.environment = Some(environment()?);
    request.both = both::in_threads;
    let output = TemplateOutput {
        include_crds: options.include_crds,
        no_hooks: options.no_hooks,
        skip_tests: options.skip_tests,
        show_only: options.show_only.clone(),
    };
    let rendered = match helm::render_parsed(&chart, &request, &mut parsed) {
        Ok(rendered) => ManuallyDrop::new(rendered),
        Err(error) => {
            if options.debug {
                output::broken(&error, &output, &request.compat)?;
            }
            return Err(refused(&error, helm::hints(&error, &chart, &given), options.debug));
        }
    };
    match options.output_dir.as_deref().filter(|folder| !folder.is_empty()) {
        Some(folder) => output::write(&around.folder, &output::named(folder, options.release_name.then_some(&name)), &rendered, &output),
        None => output::print(|print| rendered.write_template_output(&output, print)),
    }
}

/// Says what Helm says, and below it what helps.
fn refused(error: &RenderError, mut hints: Vec<String>, debug: bool) -> Failure {
    if matches!(error, RenderError::Document { .. }) && !debug {
        hints.push("--debug prints what was rendered".to_owned());
    }
    hints.into_iter().fold(Failure::user(error.to_string()), Failure::hint)
}

/// Where CHART is.
enum Place {
    Reference(Reference),
    /// An archive on a server.
    Url(String),
}

impl Place {
    /// Finds out what CHART means: a reference, something on disk, or an archive of --chart-dir by its name.
    fn of(options: &options::Template, chart: &str, around: &Surroundings) -> Result<Place, Failure> {
        let any = || if options.devel { ">0.0.0-0" } else { "*" };
        let version = options.version.as_deref().filter(|version| !version.is_empty());
        if let Some(url) = options.repo.as_ref().filter(|url| !url.is_empty()) {
            let version = version.unwrap_or_else(any).to_owned();
            return Ok(Place::Reference(Reference::Repository { url: url.clone(), name: chart.into(), version }));
        }
        let path = around.folder.join(chart);
        if path.exists() {
            return Ok(Place::Reference(Reference::Path(path)));
        }
        if chart.starts_with("http://") || chart.starts_with("https://") {
            return Ok(Place::Url(chart.to_owned()));
        }
        if chart.contains("://") {
            let version = version.or_else(|| options.devel.then(any));
            return Reference::parse(chart, version).map(Place::Reference).map_err(|error| Failure::user(chain(&error)));
        }
        for folder in &options.charts.chart_dir {
            for name in [format!("{chart}.tgz"), chart.to_owned()] {
                let path = around.folder.join(folder).join(name);
                if path.is_file() {
                    return Ok(Place::Reference(Reference::Path(path)));
                }
            }
        }
        if !options.charts.chart_dir.is_empty() && !chart.contains('/') {
            // Only the folders can know it: the registry in the reference is never asked for a name without a host.
            let version = version.unwrap_or_else(any).to_owned();
            return Ok(Place::Reference(Reference::Repository { url: "chart-dir:".into(), name: chart.into(), version }));
        }
        Err(Failure::user(format!("path \"{chart}\" not found"))
            .hint("give a folder, an archive, oci://… or https://…, or a chart name with --repo or --chart-dir"))
    }

    /// Returns about how much memory rendering takes at least, where the chart is an archive that is here.
    fn memory(&self) -> heap::Needed {
        let archive = match self {
            Place::Reference(Reference::Path(path)) => std::fs::metadata(path).map_or(0, |archive| archive.len() as usize),
            _ => 0,
        };
        heap::Needed { first: archive.saturating_mul(18), second: archive.saturating_mul(6) }
    }

    async fn fetch(&self, charts: &charts::Source, parsed: &mut Parsed) -> Result<Chart, Failure> {
        let chart = match self {
            Place::Reference(Reference::Path(path)) => charts::read(path, both::in_threads, parsed),
            Place::Reference(reference) => charts.fetch(reference).await.map(|fetched| fetched.chart),
            Place::Url(url) => charts.fetch_archive(url).await.map(|fetched| fetched.chart),
        };
        chart.map_err(|error| Failure::user(chain(&error)))
    }
}

fn capabilities(options: &options::Template, compat: &HelmCompat) -> Result<Capabilities, Failure> {
    let mut capabilities = Capabilities::offline(compat);
    if let Some(version) = options.kube_version.as_ref().filter(|version| !version.is_empty()) {
        let parsed = KubeVersion::parse(version, compat);
        let parsed = parsed.map_err(|why| Failure::user(format!("invalid kube version '{version}': {why}")).hint("write it as v1.36.3"))?;
        capabilities = capabilities.with_kube_version(parsed);
    }
    Ok(capabilities.with_api_versions(options.api_versions.iter().cloned()))
}

fn environment() -> Result<sprig::Environment, Failure> {
    let now = jiff::Timestamp::now();
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|error| Failure::bug(format!("the system has no randomness: {error}")))?;
    let nanoseconds = u32::try_from(now.subsec_nanosecond()).unwrap_or(0);
    Ok(sprig::Environment { seconds: now.as_second(), nanoseconds, entropy: sprig::Entropy::from_seed(seed) })
}
