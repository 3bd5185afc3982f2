//! A step module: loaded, looked into without running it, asked what it is, and run phase by phase.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest, Sha256};
use wasmtime::component::{Component, Linker, ResourceTable};
use wasmtime::{Engine, Store, StoreLimits, StoreLimitsBuilder, Trap, UpdateDeadline, WasmBacktrace};

use crate::bindings;
use crate::capability::Powers;
use crate::engine::TICK;
use crate::failure::{Blame, Failure};
use crate::grant::Request;

/// A module that was looked at and compiled.
pub struct Module {
    /// As the manifest names it.
    pub reference: String,
    /// `sha256:` and the hex digest of the component.
    pub digest: String,
    pub description: Description,
    /// The functions it imports, by interface.
    pub imports: BTreeMap<String, Vec<String>>,
    component: Component,
    engine: Engine,
}

/// What a module says of itself.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Description {
    pub schema: u32,
    pub name: String,
    pub version: String,
    pub summary: String,
    #[serde(default)]
    pub release: bool,
    /// JSON Schema of `with:`.
    pub parameters: Value,
    pub capabilities: Request,
}

/// The phases of a step, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    PreInstall,
    Install,
    PostInstall,
}

impl Phase {
    /// All of them in order.
    pub const ALL: [Phase; 3] = [Phase::PreInstall, Phase::Install, Phase::PostInstall];

    /// Returns the name of the export.
    pub fn as_str(self) -> &'static str {
        match self {
            Phase::PreInstall => "pre-install",
            Phase::Install => "install",
            Phase::PostInstall => "post-install",
        }
    }
}

/// How much a step may use.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    pub memory: u64,
    pub cpu: Duration,
    pub call_bytes: u64,
    pub handles: u64,
    pub log_lines: u64,
}

impl Limits {
    /// Returns the defaults with what the manifest says instead.
    pub fn of(step: &bootstrap::Limits) -> Self {
        Limits {
            memory: step.memory.unwrap_or(64 << 20),
            cpu: step.cpu.unwrap_or(Duration::from_secs(10)),
            call_bytes: step.call_bytes.unwrap_or(16 << 20),
            handles: step.handles.unwrap_or(1024),
            log_lines: step.log_lines.unwrap_or(10_000),
        }
    }
}

/// Everything a store holds: the step's powers, its handles and its limits.
pub struct StepState {
    pub powers: Option<Powers>,
    pub table: ResourceTable,
    /// The host call that is going on, or went on last.
    pub call: Option<&'static str>,
    /// Message and location from the module's panic hook.
    pub panicked: Option<(String, String)>,
    pub log_lines_left: u64,
    limits: StoreLimits,
    cpu_ticks_left: u64,
    cpu_spent: Arc<AtomicU64>,
}

/// How a phase ended that did not succeed.
pub enum Fault {
    /// The module said so: its failure is a value.
    Said(bindings::launchway::bootstrap::types::Failure),
    /// The module broke: a trap, a panic or a limit.
    Broke(Failure),
}

impl Module {
    /// Looks into a component, compiles it and asks it to describe itself.
    pub async fn load(engine: &Engine, linker: &Linker<StepState>, reference: &str, bytes: &[u8]) -> Result<Self, Failure> {
        let imports = inspect(reference, bytes)?;
        let component = Component::from_binary(engine, bytes).map_err(|error| no_step(reference, &error.to_string()))?;
        let digest = format!("sha256:{}", hex::encode(Sha256::digest(bytes)));
        let engine = engine.clone();
        let description = Description {
            schema: 0,
            name: reference.into(),
            version: String::new(),
            summary: String::new(),
            release: false,
            parameters: Value::Null,
            capabilities: Request::default(),
        };
        let mut module = Module { reference: reference.into(), digest, description, imports, component, engine };
        linker.instantiate_pre(&module.component).map_err(|error| no_step(reference, &format!("{error:#}")))?;
        module.description = module.describe().await?;
        Ok(module)
    }

    /// Returns `name version`.
    pub fn title(&self) -> String {
        format!("{} {}", self.description.name, self.description.version)
    }

    /// Asks a component what it is, with every import trapping.
    async fn describe(&self) -> Result<Description, Failure> {
        let text = self.pure("describe", async |step, store| step.call_describe(store).await).await?;
        let description: Description =
            serde_json::from_str(&text).map_err(|error| no_step(&self.reference, &format!("its describe() is not what it should be: {error}")))?;
        if description.schema != 1 {
            let message = format!("its describe() has schema {}, this program knows 1", description.schema);
            return Err(no_step(&self.reference, &message));
        }
        Ok(description)
    }

    /// Asks what the workloads of the step's release will do at run time.
    pub async fn effects(&self, params: &Value, values: &Value) -> Result<Value, Failure> {
        let (params, values) = (params.to_string(), values.to_string());
        let text = self.pure("effects", async |step, store| step.call_effects(store, &params, &values).await).await?;
        let text = text.map_err(|failure| Failure::module(format!("module {}: effects: {}", self.title(), failure.message)))?;
        serde_json::from_str(&text).map_err(|error| Failure::module(format!("module {}: effects: not JSON: {error}", self.title())))
    }

    /// Calls an export that needs nothing from the host.
    async fn pure<T>(&self, export: &str, call: impl AsyncFnOnce(&bindings::Step, &mut Store<StepState>) -> wasmtime::Result<T>) -> Result<T, Failure> {
        let limits = Limits::of(&bootstrap::Limits::default());
        let state = StepState::new(None, limits, Arc::default());
        let mut linker = Linker::new(&self.engine);
        let prepared = linker.define_unknown_imports_as_traps(&self.component);
        prepared.map_err(|error| no_step(&self.reference, &format!("{error:#}")))?;
        let mut store = self.store(state, limits);
        let run = async {
            let step = bindings::Step::instantiate_async(&mut store, &self.component, &linker).await?;
            call(&step, &mut store).await
        };
        let outcome = tokio::time::timeout(limits.cpu * 2, run).await;
        match outcome {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => Err(self.broke(export, &error, store.data())),
            Err(_) => Err(Failure::module(format!("module {}: {export}: did not return within {:?}", self.title(), limits.cpu * 2))),
        }
    }

    /// Runs one phase in a fresh instance.
    pub async fn run(
        &self,
        linker: &Linker<StepState>,
        phase: Phase,
        params: &Value,
        powers: Powers,
        limits: Limits,
        timeout: Duration,
    ) -> Result<Value, Fault> {
        let spent = powers.cpu_spent.clone();
        let mut store = self.store(StepState::new(Some(powers), limits, spent), limits);
        let params = params.to_string();
        let run = async {
            let step = bindings::Step::instantiate_async(&mut store, &self.component, linker).await?;
            match phase {
                Phase::PreInstall => step.call_pre_install(&mut store, &params).await,
                Phase::Install => step.call_install(&mut store, &params).await,
                Phase::PostInstall => step.call_post_install(&mut store, &params).await,
            }
        };
        match tokio::time::timeout(timeout, run).await {
            Ok(Ok(Ok(text))) => serde_json::from_str(&text).map_err(|error| {
                Fault::Broke(Failure::module(format!("module {}: {}: returned no JSON: {error}", self.title(), phase.as_str())))
            }),
            Ok(Ok(Err(failure))) => Err(Fault::Said(failure)),
            Ok(Err(error)) => Err(Fault::Broke(self.broke(phase.as_str(), &error, store.data()))),
            Err(_) => {
                let during = store.data().call.map(|call| format!(" during {call}")).unwrap_or_default();
                let message = format!("module {}: {}: not done within {timeout:?}{during}", self.title(), phase.as_str());
                Err(Fault::Broke(Failure::new(Blame::Cluster, message).hint("raise `timeout:` of the step if it only needs longer")))
            }
        }
    }

    fn store(&self, state: StepState, limits: Limits) -> Store<StepState> {
        let mut store = Store::new(&self.engine, state);
        store.limiter(|state| &mut state.limits);
        store.set_hostcall_fuel(usize::try_from(limits.call_bytes).unwrap_or(usize::MAX));
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(|mut context| {
            let state = context.data_mut();
            state.cpu_spent.fetch_add(1, Ordering::Relaxed);
            match state.cpu_ticks_left.checked_sub(1) {
                Some(left) => {
                    state.cpu_ticks_left = left;
                    Ok(UpdateDeadline::Yield(1))
                }
                None => Ok(UpdateDeadline::Interrupt),
            }
        });
        store
    }

    /// Says how a module broke, with all that is known of where.
    fn broke(&self, export: &str, error: &wasmtime::Error, state: &StepState) -> Failure {
        let mut message = format!("module {}: {export}: ", self.title());
        let trap = error.downcast_ref::<Trap>();
        let cause = match (&state.panicked, trap) {
            (Some((text, location)), _) => format!("panicked at {location}: {text}"),
            (None, Some(Trap::Interrupt)) => "used up its CPU time".to_owned(),
            (None, Some(trap)) => format!("trapped: {trap}"),
            (None, None) => error.root_cause().to_string(),
        };
        message.push_str(&cause);
        if let Some(call) = state.call {
            message.push_str(&format!(" (last host call: {call})"));
        }
        if let Some(backtrace) = error.downcast_ref::<WasmBacktrace>() {
            for line in frames(backtrace) {
                message.push_str(&format!("\n    at {line}"));
            }
        }
        let failure = Failure::module(message);
        match trap {
            Some(Trap::Interrupt) => failure.hint("raise `limits: { cpu: … }` of the step if the module really computes that long"),
            _ if cause.contains("growing memory") => failure.hint("raise `limits: { memory: … }` of the step if the module really needs more"),
            _ => failure.hint("this is a fault of the module: tell its author"),
        }
    }
}

impl StepState {
    fn new(powers: Option<Powers>, limits: Limits, cpu_spent: Arc<AtomicU64>) -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(usize::try_from(limits.handles).unwrap_or(usize::MAX));
        let memory = usize::try_from(limits.memory).unwrap_or(usize::MAX);
        let store_limits = StoreLimitsBuilder::new().memory_size(memory).table_elements(100_000).trap_on_grow_failure(true).build();
        let cpu_ticks_left = u64::try_from(limits.cpu.as_millis() / TICK.as_millis()).unwrap_or(u64::MAX);
        StepState {
            powers,
            table,
            call: None,
            panicked: None,
            log_lines_left: limits.log_lines,
            limits: store_limits,
            cpu_ticks_left,
            cpu_spent,
        }
    }
}

/// Returns the innermost frames that have a name, demangled, with source lines where the module has them.
fn frames(backtrace: &WasmBacktrace) -> Vec<String> {
    let named = backtrace.frames().iter().filter_map(|frame| {
        let name = frame.func_name()?;
        let name = format!("{:#}", rustc_demangle::demangle(name));
        let place = frame.symbols().iter().find_map(|symbol| Some(format!(" ({}:{})", symbol.file()?, symbol.line()?)));
        Some(name + &place.unwrap_or_default())
    });
    named.filter(|line| !line.contains("panicking") && !line.contains("rust_begin_unwind") && !line.contains("__rust")).take(8).collect()
}

/// Returns the imports of a component by interface, without compiling it, and refuses what is no step.
fn inspect(reference: &str, bytes: &[u8]) -> Result<BTreeMap<String, Vec<String>>, Failure> {
    if Engine::detect_precompiled(bytes).is_some() {
        return Err(no_step(reference, "it is precompiled code, which is never run: it could do anything"));
    }
    if !bytes.starts_with(b"\0asm") {
        return Err(no_step(reference, "it is no WebAssembly"));
    }
    let decoded = wit_component::decode(bytes).map_err(|error| {
        no_step(reference, &format!("it is no component: {}", error.root_cause())).hint("a core module becomes a component with `cargo xtask modules` or `wit-component`")
    })?;
    let wit_component::DecodedWasm::Component(resolve, world) = decoded else {
        return Err(no_step(reference, "it is a WIT package, not a component"));
    };
    let mut imports = BTreeMap::new();
    for (key, item) in &resolve.worlds[world].imports {
        let name = resolve.name_world_key(key);
        if name.starts_with("wasi:") {
            return Err(no_step(reference, &format!("it imports {name}, and no WASI is offered"))
                .hint("build Rust modules for wasm32-unknown-unknown, Python ones with `--stub-wasi`, JavaScript ones with all features disabled"));
        }
        let functions = match item {
            wit_parser::WorldItem::Interface { id, .. } => resolve.interfaces[*id].functions.keys().cloned().collect(),
            _ => Vec::new(),
        };
        imports.insert(name, functions);
    }
    Ok(imports)
}

fn no_step(reference: &str, message: &str) -> Failure {
    Failure::module(format!("module {reference}: {message}"))
}
