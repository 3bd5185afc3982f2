//! Where secrets come from. Values live as short as possible and are never printed.

use std::collections::BTreeMap;
use std::path::PathBuf;

use bootstrap::SecretSource as Defined;

use crate::bounded;

/// The secrets that the manifest defines.
pub struct SecretSource {
    defined: BTreeMap<String, Defined>,
    environment: BTreeMap<String, String>,
    folder: PathBuf,
}

impl SecretSource {
    /// Returns the secrets of a manifest in `folder`. Of the environment only the named variables are kept.
    pub fn new(defined: BTreeMap<String, Defined>, environment: &dyn Fn(&str) -> Option<String>, folder: PathBuf) -> Self {
        let named = defined.values().filter_map(|source| match source {
            Defined::Env(name) => Some((name.clone(), environment(name)?)),
            Defined::File(_) => None,
        });
        let environment = named.collect();
        SecretSource { defined, environment, folder }
    }

    /// Tells whether the manifest defines a secret.
    pub fn knows(&self, name: &str) -> bool {
        self.defined.contains_key(name)
    }

    /// Returns the value of a secret, or what is missing. The message never holds the value.
    pub fn value(&self, name: &str) -> Result<String, String> {
        match self.defined.get(name) {
            Some(Defined::Env(variable)) => {
                self.environment.get(variable).cloned().ok_or_else(|| format!("secret {name}: the environment has no variable {variable}"))
            }
            Some(Defined::File(file)) => {
                let path = self.folder.join(file);
                let text = bounded::text(bounded::file(&path, bounded::SECRET))
                    .map_err(|error| format!("secret {name}: {}: {error}", path.display()))?;
                Ok(text.strip_suffix('\n').map(str::to_owned).unwrap_or(text))
            }
            None => Err(format!("secret {name} is not defined in the manifest")),
        }
    }

    /// Returns what is missing of the secrets a step may place, before anything is written.
    pub fn missing(&self, names: &[String]) -> Vec<String> {
        names.iter().filter_map(|name| self.value(name).err()).collect()
    }
}
