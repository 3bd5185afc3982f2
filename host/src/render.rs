//! `launchway render`: a HelmRelease of the repository as Flux would render it, or where everything in it comes from.

use std::io::Write as _;

use bootstrap::ReleaseRef;
use flux::Explained;
use helm::{Capabilities, HelmCompat, KubeVersion, RenderRequest, TemplateOutput};
use serde_json::Value;

use crate::Surroundings;
use crate::boot::registry;
use crate::chart_source::ChartSource;
use crate::disclosed::Disclosed;
use crate::failure::{Failure, chain};
use crate::hints;
use crate::options;
use crate::post_render;
use crate::repository::{Repository, unread};
use crate::values_files;

/// Renders or explains a release.
pub async fn render(options: options::Render, around: &Surroundings) -> Result<(), Failure> {
    let name: ReleaseRef =
        options.release.parse().map_err(|message: String| Failure::user(message).hint("as in `launchway render kube-system/cilium`"))?;
    let root = options.repository.as_ref().map_or_else(|| Repository::around(&around.folder), |path| around.folder.join(path));
    let repository = Repository::open(&root)?;
    let flux_path = options.flux_path.as_deref();
    let tree = match options.show_secrets {
        true => flux::read_with(&repository, flux_path, Disclosed::read(&options.secrets, around, true)?.reading()),
        false => flux::read(&repository, flux_path),
    };
    let tree = tree.map_err(|error| unread(&error))?;
    let spec = tree.release(&name.namespace, &name.name).map_err(|error| Failure::user(chain(&error)))?;
    if options.explain {
        let all = flux::explain(&repository, &tree, &name.namespace, &name.name).map_err(|error| Failure::user(chain(&error)))?;
        println!("HelmRelease {name}  {}:{}", spec.file, spec.line);
        spec.unknown.iter().for_each(|unknown| println!("not known: {unknown}"));
        return print(&table(&all));
    }
    if options.values {
        return print(&go_encoding::yaml::to_string(&go_encoding::json::map_as_integers(&spec.values)));
    }
    if let Some(unknown) = spec.unknown.first() {
        return Err(Failure::user(format!("{}:{}: HelmRelease {name}: {unknown}", spec.file, spec.line))
            .hint("`--values` prints what is known, `--show-secrets` decrypts"));
    }
    let compat = options.helm_compat.as_deref().map_or_else(HelmCompat::newest, HelmCompat::of);
    let charts = ChartSource::new(registry(&options.charts, around), root);
    let fetched =
        charts.fetch(&charts.of_release(&spec.chart)).await.map_err(|message| Failure::user(format!("HelmRelease {name}: {message}")))?;
    let fetched = if spec.install.skip_schema_validation { fetched } else { charts.with_schemas(fetched).await };
    let fetched =
        values_files::merged(&fetched, &spec, &repository).map_err(|message| Failure::user(format!("HelmRelease {name}: {message}")))?;
    let mut request = RenderRequest::new(&spec.release_name, &spec.release_namespace);
    request.values = spec.values.clone();
    request.skip_schema_validation = spec.install.skip_schema_validation;
    request.capabilities = capabilities(options.kube_version.as_deref(), &compat)?;
    request.compat = compat;
    let place = format!("{}:{}: HelmRelease {name}", spec.file, spec.line);
    request.post_render = Some(post_render::of(&tree, &spec).map_err(|message| Failure::user(format!("{place}: {message}")))?);
    let rendered = helm::render(&fetched.chart, &request).map_err(|error| {
        let hints = hints::of_release(&error, &fetched.chart, &repository, &tree, &spec);
        hints.into_iter().fold(Failure::user(error.to_string()), Failure::hint)
    })?;
    let output = TemplateOutput { no_hooks: spec.install.disable_hooks, ..TemplateOutput::default() };
    print(&rendered.template_output(&output).map_err(|error| Failure::user(error.to_string()))?)
}

fn capabilities(version: Option<&str>, compat: &HelmCompat) -> Result<Capabilities, Failure> {
    let capabilities = Capabilities::offline(compat);
    let Some(version) = version else { return Ok(capabilities) };
    let parsed = KubeVersion::parse(version, compat)
        .map_err(|why| Failure::user(format!("--kube-version {version}: {why}")).hint("write it as v1.36.3"))?;
    Ok(capabilities.with_kube_version(parsed))
}

fn table(all: &[Explained]) -> String {
    let shown: Vec<(String, String)> = all.iter().map(|one| (format!("{}: {}", one.path, short(&one.value)), one.place())).collect();
    let width = shown.iter().map(|(what, _)| what.chars().count()).filter(|width| *width <= 60).max().unwrap_or(0);
    shown.iter().map(|(what, place)| format!("{what:width$}  {place}\n")).collect()
}

fn short(value: &Value) -> String {
    const MOST: usize = 40;
    let text = value.as_str().map_or_else(|| value.to_string(), |text| text.lines().next().unwrap_or_default().to_owned());
    let is_cut = text.chars().count() > MOST || value.as_str().is_some_and(|all| all.lines().count() > 1);
    if is_cut { format!("{}…", text.chars().take(MOST).collect::<String>()) } else { text }
}

fn print(text: &str) -> Result<(), Failure> {
    match std::io::stdout().write_all(text.as_bytes()) {
        // The reader of a pipe may have enough.
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::user(format!("the output cannot be written: {error}")))
        }
        _ => Ok(()),
    }
}
