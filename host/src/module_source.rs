//! Modules by reference: stock, a file, or a registry. Each is loaded once a run.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bootstrap::ModuleRef;
use charts::Source;
use wasmtime::Engine;
use wasmtime::component::Linker;

use crate::bounded;
use crate::failure::{Failure, chain};
use crate::module::{Module, StepState};

include!(concat!(env!("OUT_DIR"), "/stock.rs"));

/// The modules of a run.
pub struct ModuleSource {
    engine: Engine,
    linker: Linker<StepState>,
    replaced: BTreeMap<String, PathBuf>,
    loaded: BTreeMap<String, Arc<Module>>,
}

impl ModuleSource {
    /// Returns the modules, some of the stock ones replaced by files.
    pub fn new(engine: Engine, linker: Linker<StepState>, replaced: &[(String, PathBuf)]) -> Self {
        ModuleSource { engine, linker, replaced: replaced.iter().cloned().collect(), loaded: BTreeMap::new() }
    }

    /// Returns the names of the stock modules.
    pub fn stock() -> Vec<&'static str> {
        STOCK.iter().map(|(name, _)| *name).collect()
    }

    /// Returns a module. Files are relative to `folder`; `registry` is asked for the others.
    pub async fn load(&mut self, reference: &ModuleRef, folder: &Path, registry: &Source) -> Result<Arc<Module>, Failure> {
        let key = reference.to_string();
        if let Some(known) = self.loaded.get(&key) {
            return Ok(known.clone());
        }
        let bytes = self.bytes(reference, folder, registry).await?;
        let module = Arc::new(Module::load(&self.engine, &self.linker, &key, &bytes).await?);
        self.loaded.insert(key, module.clone());
        Ok(module)
    }

    /// Returns a module as it was built.
    pub async fn bytes(&self, reference: &ModuleRef, folder: &Path, registry: &Source) -> Result<Vec<u8>, Failure> {
        match reference {
            ModuleRef::Stock(name) => self.stock_bytes(name),
            ModuleRef::File(file) => read(&folder.join(file)),
            ModuleRef::Oci(reference) => registry.artifact(reference).await.map_err(|error| Failure::user(chain(&error))),
        }
    }

    fn stock_bytes(&self, name: &str) -> Result<Vec<u8>, Failure> {
        if let Some(file) = self.replaced.get(name) {
            return read(file);
        }
        let found = STOCK.iter().find(|(known, _)| *known == name);
        found.map(|(_, bytes)| bytes.to_vec()).ok_or_else(|| {
            let failure = Failure::user(format!("there is no stock module {name}"));
            match Self::stock().join(", ") {
                none if none.is_empty() => failure
                    .hint("this program was built without stock modules: build it with `cargo xtask build`, or give `--module NAME=FILE`"),
                names => failure.hint(format!("stock modules are {names}; a file is written as ./{name}.wasm")),
            }
        })
    }
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    bounded::file(path, bounded::MODULE).map_err(|error| Failure::user(format!("module {}: {error}", path.display())))
}
