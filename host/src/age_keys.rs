//! The age keys that open what is encrypted with SOPS, found where `sops` looks for them.

use std::io::Read as _;
use std::path::PathBuf;

use age::IdentityFile;
use age::armor::ArmoredReader;
use flux::DataKeys;

use crate::Surroundings;
use crate::bounded;
use crate::failure::Failure;

/// Private keys. They are never printed.
#[derive(Default)]
pub struct AgeKeys {
    identities: Vec<Box<dyn age::Identity + Send + Sync>>,
}

impl AgeKeys {
    /// Reads the keys of `--age-key-file`; without it those of `$SOPS_AGE_KEY`, `$SOPS_AGE_KEY_FILE` and the user's `sops/age/keys.txt`.
    pub fn read(file: Option<&PathBuf>, around: &Surroundings) -> Result<Self, Failure> {
        let mut keys = AgeKeys::default();
        if let Some(file) = file {
            keys.add_file(&around.folder.join(file))?;
            return Ok(keys);
        }
        if let Some(text) = (around.variable)("SOPS_AGE_KEY") {
            keys.add("SOPS_AGE_KEY", &text)?;
        }
        if let Some(file) = (around.variable)("SOPS_AGE_KEY_FILE") {
            keys.add_file(&around.folder.join(file))?;
        }
        if let Some(file) = around.age_keys.as_ref().filter(|file| file.is_file()) {
            keys.add_file(file)?;
        }
        Ok(keys)
    }

    /// Tells whether there is none.
    pub fn is_empty(&self) -> bool {
        self.identities.is_empty()
    }

    fn add_file(&mut self, file: &std::path::Path) -> Result<(), Failure> {
        let place = file.display().to_string();
        let text = bounded::text(bounded::any(file, bounded::TEXT)).map_err(|error| Failure::user(format!("age keys {place}: {error}")))?;
        self.add(&place, &text)
    }

    fn add(&mut self, place: &str, text: &str) -> Result<(), Failure> {
        let wrong = |why: String| {
            Failure::user(format!("age keys {place}: {why}"))
                .hint("`age-keygen` writes such a file; its secret line starts with AGE-SECRET-KEY-1")
        };
        // The library's own message would quote the line.
        let read = IdentityFile::from_buffer(text.as_bytes()).map_err(|_| wrong("there is a line that is no age key".into()))?;
        self.identities.extend(read.into_identities().map_err(|error| wrong(error.to_string()))?);
        Ok(())
    }
}

impl DataKeys for AgeKeys {
    fn open(&self, encrypted: &[&str]) -> Result<Vec<u8>, String> {
        if self.is_empty() {
            return Err("no age key is here; give one with --age-key-file FILE, SOPS_AGE_KEY_FILE or SOPS_AGE_KEY".into());
        }
        for armored in encrypted {
            let Ok(decryptor) = age::Decryptor::new(ArmoredReader::new(armored.as_bytes())) else { continue };
            let identities = self.identities.iter().map(|identity| &**identity as &dyn age::Identity);
            let mut key = Vec::new();
            if decryptor.decrypt(identities).is_ok_and(|mut reader| reader.read_to_end(&mut key).is_ok()) {
                return Ok(key);
            }
        }
        Err("none of the age keys that are here opens it".into())
    }
}
