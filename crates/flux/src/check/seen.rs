//! Files with a memory of which of them were read: what a tree never reads is not part of it.

use std::cell::RefCell;
use std::collections::BTreeSet;

use kustomize::{Entry, Files};

/// Files that remember.
pub(crate) struct Seen<'a> {
    files: &'a dyn Files,
    read: RefCell<BTreeSet<String>>,
}

impl<'a> Seen<'a> {
    pub(crate) fn new(files: &'a dyn Files) -> Seen<'a> {
        Seen { files, read: RefCell::default() }
    }

    pub(crate) fn read_files(&self) -> BTreeSet<String> {
        self.read.borrow().clone()
    }
}

impl Files for Seen<'_> {
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, String> {
        let found = self.files.read(path)?;
        if found.is_some() {
            self.read.borrow_mut().insert(path.to_string());
        }
        Ok(found)
    }

    fn list(&self, folder: &str) -> Result<Option<Vec<Entry>>, String> {
        self.files.list(folder)
    }
}
