//! The WebAssembly engine: how components are compiled, cached, limited and interrupted.

use std::path::Path;
use std::time::Duration;

use anyhow::{Result, anyhow};
use wasmtime::component::Linker;
use wasmtime::{Cache, CacheConfig, Config, Engine, WasmBacktraceDetails};

use crate::bindings;
use crate::module::StepState;

/// How often running guests are looked at.
pub const TICK: Duration = Duration::from_millis(10);

/// The folder of the cache for compiled modules. The engine empties it of what it does not know: nothing else may lie in it.
pub const COMPILED: &str = "compiled";

/// Returns an engine that interrupts guests by epoch and caches compiled code in `cache`, which must be private to the user.
///
/// Names and lines are kept for backtraces. Nothing but deterministic WebAssembly is switched on.
pub fn engine(cache: Option<&Path>) -> Result<Engine> {
    let mut config = Config::new();
    config.epoch_interruption(true);
    config.wasm_backtrace_details(WasmBacktraceDetails::Enable);
    config.cranelift_nan_canonicalization(true);
    config.relaxed_simd_deterministic(true);
    if let Some(folder) = cache {
        let mut settings = CacheConfig::new();
        settings.with_directory(folder);
        let cache =
            Cache::new(settings).map_err(|error| anyhow!("{}: cannot be used as the compile cache: {error:#}", folder.display()))?;
        config.cache(Some(cache));
    }
    let engine = Engine::new(&config)?;
    tick(&engine);
    Ok(engine)
}

/// Ticks the epoch until the engine is gone.
fn tick(engine: &Engine) {
    let engine = engine.weak();
    std::thread::spawn(move || {
        while let Some(engine) = engine.upgrade() {
            engine.increment_epoch();
            drop(engine);
            std::thread::sleep(TICK);
        }
    });
}

/// Returns a linker with the whole contract and nothing else. No WASI.
pub fn linker(engine: &Engine) -> Result<Linker<StepState>> {
    let mut linker = Linker::new(engine);
    bindings::Step::add_to_linker::<_, wasmtime::component::HasSelf<_>>(&mut linker, |state| state)?;
    Ok(linker)
}
