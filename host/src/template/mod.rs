//! `launchway template`: what `helm template` prints, with its options (`helm/helm` `pkg/cmd/template.go`).

use std::collections::BTreeMap;
use std::io::{self, BufWriter, Write as _};
use std::mem::ManuallyDrop;
use std::path::Path;

use charts::Reference;
use helm::values;
use helm::{Capabilities, Given, HelmCompat, KubeVersion, Parsed, RenderRequest, TemplateOutput};
use serde_json::{Map, Value};

use crate::Surroundings;
use crate::boot::registry;
use crate::both;
use crate::bounded;
use crate::failure::{Failure, chain};
use crate::heap;
use crate::options;

/// Renders a chart and prints it.
pub async fn template(options: options::Template, around: &Surroundings) -> Result<(), Failure> {
    let (name, wanted) = names(&options)?;
    let reference = reference(&options, &wanted, around)?;
    heap::take_at_once(memory(&reference));
    let chart = match &reference {
        Reference::Path(path) => charts::read(path, both::in_threads),
        reference => registry(&options.charts, around).fetch(reference).await.map(|fetched| fetched.chart),
    };
    let chart = chart.map_err(|error| Failure::user(chain(&error)))?;
    let compat = options.helm_compat.as_deref().map_or_else(HelmCompat::newest, HelmCompat::of);
    let mut request = RenderRequest::new(name.as_str(), options.namespace.as_str());
    let (values, given) = user_values(&options, around)?;
    request.values = values;
    request.capabilities = capabilities(&options, &compat)?;
    request.is_upgrade = options.is_upgrade;
    request.skip_schema_validation = options.skip_schema_validation;
    request.compat = compat;
    request.environment = Some(environment()?);
    request.both = both::in_threads;
    // The process ends with this command: to free every node of what it read first would only take time.
    let (chart, mut parsed) = (ManuallyDrop::new(chart), ManuallyDrop::new(Parsed::default()));
    let rendered = helm::render_parsed(&chart, &request, &mut parsed);
    let rendered = rendered.map_err(|error| refused(&error, helm::hints(&error, &chart, &given)))?;
    let rendered = ManuallyDrop::new(rendered);
    let output = TemplateOutput {
        include_crds: options.include_crds,
        no_hooks: options.no_hooks,
        skip_tests: options.skip_tests,
        show_only: options.show_only.clone(),
    };
    if let Some(folder) = &options.output_dir {
        let place = if options.release_name { folder.join(&name) } else { folder.clone() };
        return write_files(&around.folder.join(&place), &place, &rendered, &output);
    }
    let mut out = BufWriter::new(io::stdout().lock());
    let mut printed = Ok(());
    let mut print = |piece: &str| {
        if printed.is_ok() {
            printed = out.write_all(piece.as_bytes());
        }
    };
    rendered.write_template_output(&output, &mut print).map_err(|error| Failure::user(error.to_string()))?;
    match printed.and_then(|()| out.flush()) {
        // The reader of a pipe may have enough.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::user(format!("the output cannot be written: {error}"))),
        _ => Ok(()),
    }
}

/// Returns about how much memory rendering takes at least, where the chart is an archive that is here.
fn memory(reference: &Reference) -> usize {
    const TIMES_THE_ARCHIVE: usize = 18;
    match reference {
        Reference::Path(path) => std::fs::metadata(path).map_or(0, |archive| archive.len() as usize).saturating_mul(TIMES_THE_ARCHIVE),
        _ => 0,
    }
}

/// Says what Helm says, and below it what helps.
fn refused(error: &helm::RenderError, hints: Vec<String>) -> Failure {
    hints.into_iter().fold(Failure::user(error.to_string()), Failure::hint)
}

fn names(options: &options::Template) -> Result<(String, String), Failure> {
    match options.name_and_chart.as_slice() {
        [chart] if options.generate_name => Ok((format!("{}-{}", chart_name(chart), jiff::Timestamp::now().as_second()), chart.clone())),
        [chart] => Ok(("release-name".into(), chart.clone())),
        [_, _] if options.generate_name => Err(Failure::user("cannot set --generate-name and also specify a name")),
        [name, chart] if valid_name(name) => Ok((name.clone(), chart.clone())),
        [name, _] => Err(Failure::user(format!(
            "release name check failed: release name \"{name}\": invalid release name, must match regex ^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$ and the length must not be longer than 53"
        ))),
        _ => Err(Failure::user("expected NAME and CHART")),
    }
}

fn valid_name(name: &str) -> bool {
    let word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let part = |part: &str| part.starts_with(word) && part.ends_with(word) && part.chars().all(|c| word(c) || c == '-');
    name.len() <= 53 && name.split('.').all(part)
}

fn chart_name(chart: &str) -> &str {
    chart.rsplit('/').next().unwrap_or(chart).trim_end_matches(".tgz")
}

/// Finds out what CHART means: a reference, something on disk, or an archive of --chart-dir by its name.
fn reference(options: &options::Template, chart: &str, around: &Surroundings) -> Result<Reference, Failure> {
    if let Some(url) = &options.repo {
        let version = options.version.clone().unwrap_or_else(|| "*".into());
        return Ok(Reference::Repository { url: url.clone(), name: chart.into(), version });
    }
    let path = around.folder.join(chart);
    if path.exists() {
        return Ok(Reference::Path(path));
    }
    if chart.contains("://") {
        return Reference::parse(chart, options.version.as_deref()).map_err(|error| Failure::user(chain(&error)));
    }
    for folder in &options.charts.chart_dir {
        for name in [format!("{chart}.tgz"), chart.to_owned()] {
            let path = around.folder.join(folder).join(name);
            if path.is_file() {
                return Ok(Reference::Path(path));
            }
        }
    }
    if !options.charts.chart_dir.is_empty() && !chart.contains('/') {
        // Only the folders can know it: the registry in the reference is never asked for a name without a host.
        let version = options.version.clone().unwrap_or_else(|| "*".into());
        return Ok(Reference::Repository { url: "chart-dir:".into(), name: chart.into(), version });
    }
    Err(Failure::user(format!("path \"{chart}\" not found"))
        .hint("give a folder, an archive, oci://…, or a chart name with --repo or --chart-dir"))
}

/// Merges what the user gives, in Helm's order: files, --set-json, --set, --set-string, --set-file, --set-literal
/// (`pkg/cli/values/options.go`). Returns what gave them as well, in that order.
fn user_values(options: &options::Template, around: &Surroundings) -> Result<(Map<String, Value>, Vec<Given>), Failure> {
    let mut merged = Map::new();
    let mut given = Vec::new();
    for file in &options.values {
        let text = read(file, around)?;
        let found = values::from_yaml(&text).map_err(|error| Failure::user(format!("failed to parse {file}: {error}")))?;
        values::merge_maps(&mut merged, found);
        given.push(Given::File { name: file.clone(), text });
    }
    for text in &options.set_json {
        if text.trim_start().starts_with('{') {
            let found: Value = serde_json::from_str(text)
                .map_err(|error| Failure::user(format!("failed parsing --set-json data JSON: {text}")).hint(error.to_string()))?;
            if let Value::Object(found) = values::as_floats(found) {
                values::merge_maps(&mut merged, found);
            }
        } else {
            values::set_json(&mut merged, text)
                .map_err(|error| Failure::user(format!("failed parsing --set-json data {text}")).hint(error.to_string()))?;
        }
    }
    for text in &options.set {
        values::set(&mut merged, text).map_err(|error| Failure::user(format!("failed parsing --set data: {error}")))?;
    }
    for text in &options.set_string {
        values::set_string(&mut merged, text).map_err(|error| Failure::user(format!("failed parsing --set-string data: {error}")))?;
    }
    for text in &options.set_file {
        let failed = |error: &dyn std::fmt::Display| Failure::user(format!("failed parsing --set-file data: {error}"));
        for pair in text.split(',') {
            let (key, file) = pair.split_once('=').ok_or_else(|| failed(&format!("key {:?} has no value", last_key(pair))))?;
            let content = read(file, around).map_err(|error| failed(&error.message))?;
            values::set_literal(&mut merged, &format!("{key}={content}")).map_err(|error| failed(&error))?;
        }
    }
    for text in &options.set_literal {
        values::set_literal(&mut merged, text).map_err(|error| Failure::user(format!("failed parsing --set-literal data: {error}")))?;
    }
    given.extend(given_by_options(options));
    Ok((merged, given))
}

/// Returns what each option sets on its own. What it is set to may be a secret, and is not told.
fn given_by_options(options: &options::Template) -> Vec<Given> {
    let mut given = Vec::new();
    let mut add = |option: &str, texts: &[String], set: fn(&mut Map<String, Value>, &str) -> Result<(), helm::ValuesError>| {
        for text in texts {
            let mut values = Map::new();
            // It was read already, on top of what came before it.
            let _ = set(&mut values, text);
            let key = text.split('=').next().filter(|key| !key.contains('{'));
            given.push(Given::Option { written: key.map_or_else(|| format!("{option} …"), |key| format!("{option} {key}=…")), values });
        }
    };
    add("--set-json", &options.set_json, values::set_json);
    add("--set", &options.set, values::set);
    add("--set-string", &options.set_string, values::set_string);
    add("--set-file", &options.set_file, values::set_string);
    add("--set-literal", &options.set_literal, values::set_literal);
    given
}

fn read(file: &str, around: &Surroundings) -> Result<String, Failure> {
    if file == "-" {
        let text = bounded::text(bounded::stream(io::stdin(), bounded::CHART));
        return text.map_err(|error| Failure::user(format!("standard input: {error}")));
    }
    let path = around.folder.join(file);
    let bytes = bounded::any(&path, bounded::CHART).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Failure::user(format!("open {file}: no such file or directory")),
        _ => Failure::user(format!("open {file}: {error}")),
    })?;
    String::from_utf8(bytes).map_err(|_| Failure::user(format!("{file}: is not UTF-8 text")))
}

fn capabilities(options: &options::Template, compat: &HelmCompat) -> Result<Capabilities, Failure> {
    let mut capabilities = Capabilities::offline(compat);
    if let Some(version) = &options.kube_version {
        let parsed = KubeVersion::parse(version, compat)
            .ok_or_else(|| Failure::user(format!("invalid kube version '{version}': could not parse \"{version}\" as version")))?;
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

/// Writes one file for each template, as `helm template --output-dir` does.
fn last_key(path: &str) -> &str {
    path.rsplit('.').next().unwrap_or(path)
}

/// Writes files, and prints a line for every document of them as Helm does.
fn write_files(folder: &Path, place: &Path, rendered: &helm::Rendered, output: &TemplateOutput) -> Result<(), Failure> {
    let mut files: BTreeMap<&str, String> = BTreeMap::new();
    let mut lines = String::new();
    let mut add = |path, text: &str| {
        let file: &mut String = files.entry(path).or_default();
        file.push_str(&format!("---\n# Source: {path}\n{text}\n"));
        lines.push_str(&format!("wrote {}\n", place.join(path).display()));
    };
    if output.include_crds {
        for crd in &rendered.crds {
            add(&crd.path, &String::from_utf8_lossy(&crd.data));
        }
    }
    rendered.documents.iter().for_each(|document| add(&document.path, &document.text));
    if !output.no_hooks {
        let hooks = rendered.hooks.iter().filter(|hook| !(output.skip_tests && hook.is_test()));
        hooks.for_each(|hook| add(&hook.document.path, &hook.document.text));
    }
    for (path, text) in files {
        let file = folder.join(path);
        let parent = file.parent().unwrap_or(folder);
        let written = std::fs::create_dir_all(parent).and_then(|()| std::fs::write(&file, text));
        written.map_err(|error| Failure::user(format!("{}: {error}", file.display())))?;
    }
    print!("{lines}");
    match output.show_only.first() {
        Some(pattern) => Err(Failure::user(format!("could not find template {pattern} in chart"))
            .hint("--show-only looks at what is printed, and with --output-dir nothing is; all files were written")),
        None => {
            println!();
            Ok(())
        }
    }
}
