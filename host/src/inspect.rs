//! `launchway module`: what a module is, without running a step of it.

use std::time::Instant;

use bootstrap::ModuleRef;
use serde_json::{Value, json};

use crate::Surroundings;
use crate::boot;
use crate::engine;
use crate::failure::Failure;
use crate::module::Module;
use crate::module_source::ModuleSource;
use crate::options::{Modules, Registries};
use crate::shown::shown;

/// A module by what a person types, and where it may come from.
pub struct Wanted<'a> {
    pub reference: &'a str,
    pub modules: &'a Modules,
    pub registries: &'a Registries,
}

/// Prints the names of the stock modules.
pub fn list() -> Result<(), Failure> {
    for name in ModuleSource::stock() {
        println!("{name}");
    }
    Ok(())
}

/// Prints imports, requested capabilities and parameters of a module.
pub async fn inspect(wanted: &Wanted<'_>, as_json: bool, around: &Surroundings) -> Result<(), Failure> {
    let (module, _) = load(wanted, around).await?;
    if as_json {
        println!("{:#}", to_json(&module));
    } else {
        print!("{}", to_text(&module));
    }
    Ok(())
}

/// Prints how long a module takes to compile, and to be instantiated and describe itself. Nothing is taken from the compile cache.
pub async fn bench(wanted: &Wanted<'_>, runs: u32, around: &Surroundings) -> Result<(), Failure> {
    let (module, bytes) = load(wanted, around).await?;
    let (mut compile, mut describe) = (Vec::new(), Vec::new());
    for _ in 0..runs {
        let started = Instant::now();
        module.compile_again(&bytes)?;
        compile.push(started.elapsed());
        let started = Instant::now();
        module.describe().await?;
        describe.push(started.elapsed());
    }
    for (name, mut times) in [("compile", compile), ("instantiate and describe", describe)] {
        times.sort();
        println!("{name}: {:.2} ms", times[times.len() / 2].as_secs_f64() * 1000.0);
    }
    Ok(())
}

/// Loads a module with its bytes. A file is relative to the working directory.
async fn load(wanted: &Wanted<'_>, around: &Surroundings) -> Result<(Module, Vec<u8>), Failure> {
    let parsed: ModuleRef = wanted.reference.parse().map_err(|message: String| Failure::user(message).hint(ModuleRef::FORMS))?;
    let engine = engine::engine(None).map_err(|error| Failure::bug(format!("{error:#}")))?;
    let linker = engine::linker(&engine).map_err(|error| Failure::bug(format!("{error:#}")))?;
    let source = ModuleSource::new(engine.clone(), linker.clone(), &wanted.modules.replaced);
    let registry = charts::Source::new(boot::registry_options(wanted.registries, around));
    let bytes = source.bytes(&parsed, &around.folder, &registry).await?;
    Ok((Module::load(&engine, &linker, wanted.reference, &bytes).await?, bytes))
}

fn to_json(module: &Module) -> Value {
    let description = &module.description;
    let request = &description.capabilities;
    let rules: Vec<Value> = request
        .kubernetes
        .iter()
        .map(|rule| {
            json!({ "verbs": rule.verbs, "apiGroups": rule.api_groups, "resources": rule.resources, "namespaces": rule.namespaces,
                "resourceNames": rule.resource_names })
        })
        .collect();
    json!({
        "name": description.name, "version": description.version, "summary": description.summary, "digest": module.digest,
        "release": description.release, "imports": module.imports, "parameters": description.parameters,
        "capabilities": { "kubernetes": rules, "files": request.files, "charts": request.charts, "releases": request.releases,
            "secrets": request.secrets },
    })
}

fn to_text(module: &Module) -> String {
    let description = &module.description;
    let mut text = format!("{} {}\n{}\n{}\n", description.name, description.version, description.summary, module.digest);
    text.push_str("\nimports (all that it can call)\n");
    for (interface, functions) in &module.imports {
        let interface = interface.trim_start_matches("launchway:bootstrap/");
        let names = if functions.is_empty() { "types only".into() } else { functions.join(", ") };
        text.push_str(&format!("  {interface}: {names}\n"));
    }
    text.push_str("\nrequested capabilities (granted by the manifest, or with the module where it is a stock one)\n");
    let request = &description.capabilities;
    for rule in &request.kubernetes {
        let groups: Vec<&str> = rule.api_groups.iter().map(|group| if group.is_empty() { "core" } else { group.as_str() }).collect();
        text.push_str(&format!("  kubernetes: {} {} in {}", rule.verbs.join(", "), rule.resources.join(", "), groups.join(", ")));
        if !rule.namespaces.is_empty() {
            text.push_str(&format!(", namespaces {}", rule.namespaces.join(", ")));
        }
        text.push('\n');
    }
    for (name, words) in
        [("files", &request.files), ("charts", &request.charts), ("releases", &request.releases), ("secrets", &request.secrets)]
    {
        if !words.is_empty() {
            text.push_str(&format!("  {name}: {}\n", words.join(", ")));
        }
    }
    text.push_str("\nparameters (with:)\n");
    let properties = description.parameters.get("properties").and_then(Value::as_object).cloned().unwrap_or_default();
    if properties.is_empty() {
        text.push_str("  none\n");
    }
    let required = |name: &str| description.parameters["required"].as_array().is_some_and(|list| list.iter().any(|item| item == name));
    for (name, schema) in &properties {
        let kind = schema.get("type").and_then(Value::as_str).unwrap_or("any");
        let summary = schema.get("description").and_then(Value::as_str).map(|text| format!(": {}", in_one_line(text))).unwrap_or_default();
        text.push_str(&format!("  {name} ({kind}{}){summary}\n", if required(name) { ", required" } else { "" }));
    }
    text.push_str(&format!("\nrelease: {}\n", if description.release { "the step must name one" } else { "not needed" }));
    text
}

fn in_one_line(text: &str) -> String {
    shown(&text.split_whitespace().collect::<Vec<_>>().join(" "), 500)
}
