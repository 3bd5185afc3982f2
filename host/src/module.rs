//! A step module: loaded, looked into without running it, asked what it is, and run phase by phase.

mod description;
mod limits;
mod parts;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use serde_json::Value;
use sha2::{Digest, Sha256};
use wasmtime::component::{Component, Linker, ResourceTable};
use wasmtime::{Engine, Store, Trap, UpdateDeadline, WasmBacktrace};

pub use self::description::Description;
pub use self::limits::{Exceeded, Limits, Meter, Usage};
use crate::bindings;
use crate::bindings::launchway::bootstrap::types;
use crate::capability::Powers;
use crate::capability::report;
use crate::failure::{Blame, Failure};
use crate::grant::Request;
use crate::shown::shown;

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

/// Everything a store holds: the step's powers, its handles and its limits.
pub struct StepState {
    pub powers: Option<Powers>,
    pub table: ResourceTable,
    /// The host call that is going on, or went on last.
    pub call: Option<&'static str>,
    /// Message and location from the module's panic hook.
    pub panicked: Option<(String, String)>,
    pub log_lines_left: u64,
    pub limits: Limits,
    /// What the module computed and was denied so far.
    pub usage: Arc<Usage>,
    meter: Meter,
}

/// How a phase ended that did not succeed.
pub enum Fault {
    /// The module said so: its failure is a value.
    Said(types::Failure),
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
        let other_world = |error: wasmtime::Error| {
            no_step(reference, &format!("it is no step of this version: {error:#}"))
                .hint("a step is a component of the world `launchway:bootstrap/step`: build it with the guest SDK, or against wit/")
        };
        linker.instantiate_pre(&module.component).and_then(bindings::StepPre::new).map_err(other_world)?;
        module.description = module.describe().await?;
        Ok(module)
    }

    /// Compiles a component once more, to be measured.
    pub fn compile_again(&self, bytes: &[u8]) -> Result<(), Failure> {
        let compiled = Component::from_binary(&self.engine, bytes);
        compiled.map(drop).map_err(|error| no_step(&self.reference, &error.to_string()))
    }

    /// Returns `name version`.
    pub fn title(&self) -> String {
        format!("{} {}", self.description.name, self.description.version).trim_end().to_owned()
    }

    /// Asks a component what it is, with every import trapping.
    pub async fn describe(&self) -> Result<Description, Failure> {
        let text = self.pure("describe", async |step, store| step.call_describe(store).await).await?;
        let description =
            Description::read(&text).map_err(|wrong| no_step(&self.reference, &format!("its describe() {wrong}")).hint(AUTHOR))?;
        if description.schema != 1 {
            let message = format!("its describe() has schema {}, this program knows 1", description.schema);
            return Err(no_step(&self.reference, &message).hint("use a module and a program of the same time"));
        }
        Ok(description)
    }

    /// Asks what the workloads of the step's release will do at run time.
    pub async fn effects(&self, params: &Value, values: &Value) -> Result<Value, Failure> {
        let (params, values) = (params.to_string(), values.to_string());
        let text = self.pure("effects", async |step, store| step.call_effects(store, &params, &values).await).await?;
        let text =
            text.map_err(|failure| Failure::module(format!("module {}: effects: {}", self.title(), report::message(failure.message))))?;
        serde_json::from_str(&text).map_err(|error| Failure::module(format!("module {}: effects: not JSON: {error}", self.title())))
    }

    /// Calls an export that needs nothing from the host.
    async fn pure<T>(
        &self,
        export: &str,
        call: impl AsyncFnOnce(&bindings::Step, &mut Store<StepState>) -> wasmtime::Result<T>,
    ) -> Result<T, Failure> {
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
            Err(_) => {
                Err(Failure::module(format!("module {}: {export}: did not return within {:?}", self.title(), limits.cpu * 2)).hint(AUTHOR))
            }
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
        let usage = store.data().usage.clone();
        let params = params.to_string();
        let run = async {
            let step = bindings::Step::instantiate_async(&mut store, &self.component, linker).await?;
            match phase {
                Phase::PreInstall => step.call_pre_install(&mut store, &params).await,
                Phase::Install => step.call_install(&mut store, &params).await,
                Phase::PostInstall => step.call_post_install(&mut store, &params).await,
            }
        };
        let outcome = tokio::time::timeout(timeout, run).await;
        usage.pause();
        match outcome {
            Ok(Ok(Ok(text))) => serde_json::from_str(&text).map_err(|error| {
                Fault::Broke(
                    Failure::module(format!("module {}: {}: returned no JSON: {error}", self.title(), phase.as_str())).hint(AUTHOR),
                )
            }),
            Ok(Ok(Err(failure))) => Err(Fault::Said(types::Failure { message: report::message(failure.message), ..failure })),
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
        store.limiter(|state| &mut state.meter);
        store.set_hostcall_fuel(usize::try_from(limits.call_bytes).unwrap_or(usize::MAX));
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(|context| {
            let state = context.data();
            if state.usage.tick() > state.limits.cpu {
                return Err(Exceeded::cpu(state.limits.cpu).into());
            }
            Ok(UpdateDeadline::Yield(1))
        });
        store
    }

    /// Says how a module broke, with all that is known of where.
    fn broke(&self, export: &str, error: &wasmtime::Error, state: &StepState) -> Failure {
        let mut message = format!("module {}: {export}: ", self.title());
        let exceeded = limits::exceeded(error, state.limits);
        let trap = error.downcast_ref::<Trap>();
        let cause = match (&state.panicked, &exceeded, trap) {
            (Some((text, location)), ..) => format!("panicked at {location}: {text}"),
            (None, Some(exceeded), _) => exceeded.to_string(),
            (None, None, Some(Trap::StackOverflow | Trap::MemoryOutOfBounds)) if is_recursion(error) => {
                "its call stack is full: it calls itself without end, or too deeply".to_owned()
            }
            (None, None, Some(trap)) => format!("trapped: {trap}"),
            (None, None, None) => report::message(error.root_cause().to_string()),
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
        let is_denied = exceeded.is_some() && state.check_denials().is_err();
        let way_out = exceeded.filter(|_| state.panicked.is_none()).and_then(|exceeded| exceeded.way_out());
        Failure::module(message).hint(way_out.unwrap_or_else(|| if is_denied { DENIED } else { AUTHOR }.into()))
    }
}

impl StepState {
    fn new(powers: Option<Powers>, limits: Limits, cpu_spent: Arc<AtomicU64>) -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(usize::try_from(limits.handles).unwrap_or(usize::MAX));
        let usage = Arc::new(Usage::new(cpu_spent));
        StepState {
            powers,
            table,
            call: None,
            panicked: None,
            log_lines_left: limits.log_lines,
            usage,
            meter: Meter::new(limits.memory),
            limits,
        }
    }

    /// Counts bytes that the host keeps for the module behind a handle. They are as many as its own memory may have, and are not given back
    /// before the phase ends.
    pub fn hold(&mut self, bytes: usize) -> wasmtime::Result<()> {
        Ok(self.meter.hold(bytes)?)
    }

    /// Stops a module that does not take no for an answer: each denial is a line of the audit.
    pub fn check_denials(&self) -> wasmtime::Result<()> {
        Ok(self.usage.check_denials(self.limits.log_lines)?)
    }
}

/// The way out where the module is to blame.
const AUTHOR: &str = "this is a fault of the module: tell its author";

/// The way out where a module was told no too often.
const DENIED: &str = "each denial has a line of its own: request and grant what the step is meant to do, raise `limits: { logLines: … }` of the \
    step if so many denials are in order, or tell its author";

/// Tells whether a function called itself very often when it trapped. A module's own stack lies in its memory and may end before the engine's.
fn is_recursion(error: &wasmtime::Error) -> bool {
    let Some(backtrace) = error.downcast_ref::<WasmBacktrace>() else { return false };
    let innermost = backtrace.frames().first().map(|frame| frame.func_index());
    innermost.is_some() && backtrace.frames().iter().filter(|frame| Some(frame.func_index()) == innermost).count() > 8
}

/// Returns the innermost frames that have a name, demangled, with source lines where the module has them.
fn frames(backtrace: &WasmBacktrace) -> Vec<String> {
    let named = backtrace.frames().iter().filter_map(|frame| {
        let name = frame.func_name()?;
        let name = format!("{:#}", rustc_demangle::demangle(name));
        let place = frame.symbols().iter().find_map(|symbol| Some(format!(" ({}:{})", symbol.file()?, symbol.line()?)));
        // Both are the module's own words.
        Some(shown(&(name + &place.unwrap_or_default()), 300))
    });
    let noise = ["panicking", "rust_begin_unwind", "__rust"];
    let mut lines: Vec<(String, usize)> = Vec::new();
    for line in named.filter(|line| !noise.iter().any(|word| line.contains(word))) {
        match lines.last_mut() {
            Some((last, times)) if *last == line => *times += 1,
            _ => lines.push((line, 1)),
        }
    }
    let shown = lines.into_iter().take(8).map(|(line, times)| if times > 1 { format!("{line} ({times} times)") } else { line });
    shown.collect()
}

/// Returns the imports of a component by interface, without compiling it, and refuses what is no step.
fn inspect(reference: &str, bytes: &[u8]) -> Result<BTreeMap<String, Vec<String>>, Failure> {
    if Engine::detect_precompiled(bytes).is_some() {
        return Err(no_step(reference, "it is precompiled code, which is never run: it could do anything"));
    }
    if !bytes.starts_with(b"\0asm") {
        return Err(no_step(reference, "it is no WebAssembly"));
    }
    // The layer in the second half of the version: 0 is a core module.
    if bytes.get(6..8) == Some(&[0, 0]) {
        return Err(no_step(reference, "it is a core module, not a component")
            .hint("a core module of the step's world becomes a component with `wasm-tools component new FILE -o OUT.wasm`"));
    }
    let decoded = wit_component::decode(bytes)
        .map_err(|error| no_step(reference, &format!("it is no component: {}", error.root_cause())).hint(AUTHOR))?;
    parts::check(bytes).map_err(|wrong| no_step(reference, &wrong).hint(AUTHOR))?;
    let wit_component::DecodedWasm::Component(resolve, world) = decoded else {
        return Err(no_step(reference, "it is a WIT package, not a component"));
    };
    let mut imports = BTreeMap::new();
    for (key, item) in &resolve.worlds[world].imports {
        let name = resolve.name_world_key(key);
        if name.starts_with("wasi:") {
            return Err(no_step(reference, &format!("it imports {name}, and no WASI is offered")).hint(
                "build Rust modules for wasm32-unknown-unknown, Python ones with `--stub-wasi`, JavaScript ones with all features disabled",
            ));
        }
        // Types that the world names itself are no authority.
        if let wit_parser::WorldItem::Interface { id, .. } = item {
            imports.insert(name, resolve.interfaces[*id].functions.keys().cloned().collect());
        } else if let wit_parser::WorldItem::Function(_) = item {
            imports.insert(name, Vec::new());
        }
    }
    Ok(imports)
}

fn no_step(reference: &str, message: &str) -> Failure {
    // What the readers of WebAssembly say quotes the module.
    Failure::module(format!("module {reference}: {}", report::message(message.to_owned())))
}
