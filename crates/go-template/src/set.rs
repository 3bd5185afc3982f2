//! Sets of templates that see each other: parsed once, executed many times.
//!
//! A set is immutable once shared. An overlay adds templates on top of a shared set without copying it, which is what Helm's
//! `tpl` needs: definitions in the overlay are visible only there.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use foldhash::fast::RandomState;

use crate::ast::Tree;
use crate::both::{self, First, Second};
use crate::error::ParseError;
use crate::func::Func;
use crate::live;
use crate::parse::Names;
use crate::value::Str;

/// Is the table of functions that templates may call; the built-in ones are always there.
#[derive(Clone)]
pub struct Functions {
    by_name: HashMap<&'static str, (&'static Func, Str), RandomState>,
}

impl Default for Functions {
    fn default() -> Self {
        Functions::new()
    }
}

impl Functions {
    /// Creates a table of the built-in functions.
    pub fn new() -> Self {
        let mut functions = Functions { by_name: HashMap::default() };
        functions.add(crate::builtins::FUNCS);
        functions
    }

    /// Adds functions; a later one replaces an earlier one of the same name.
    pub fn add(&mut self, functions: &'static [Func]) -> &mut Self {
        for function in functions {
            self.by_name.insert(function.name, (function, Str::from(function.name)));
        }
        self
    }

    /// Removes a function.
    pub fn remove(&mut self, name: &str) -> &mut Self {
        self.by_name.remove(name);
        self
    }

    /// Returns a function.
    pub fn get(&self, name: &str) -> Option<&'static Func> {
        self.by_name.get(name).map(|(function, _)| *function)
    }

    /// Returns a function and its name, which is shared by all who call it.
    pub(crate) fn find(&self, name: &[u8]) -> Option<&(&'static Func, Str)> {
        self.by_name.get(std::str::from_utf8(name).ok()?)
    }

    /// Returns all names, in no order.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.by_name.keys().copied()
    }
}

/// Is a set of templates that can call each other by name.
pub struct TemplateSet {
    name: String,
    functions: Arc<Functions>,
    trees: HashMap<Vec<u8>, Arc<Tree>>,
    base: Option<Arc<TemplateSet>>,
    names: Names,
}

impl TemplateSet {
    /// Creates an empty set; the name appears in `no template "x" associated with template "<name>"`.
    pub fn new(name: &str, functions: Arc<Functions>) -> Self {
        TemplateSet { name: name.to_owned(), functions, trees: HashMap::new(), base: None, names: Names::default() }
    }

    /// Creates an empty set on top of this one.
    pub fn overlay(self: &Arc<Self>) -> Self {
        TemplateSet {
            name: self.name.clone(),
            functions: self.functions.clone(),
            trees: HashMap::new(),
            base: Some(self.clone()),
            names: Names::default(),
        }
    }

    /// Parses a file under a name; its text outside of definitions becomes the template of that name.
    ///
    /// A definition replaces an earlier one of the same name, unless it is empty.
    pub fn parse(&mut self, name: &str, text: impl AsRef<[u8]>) -> Result<(), ParseError> {
        self.parse_shared(name, Bytes::copy_from_slice(text.as_ref()))
    }

    /// Parses as [`TemplateSet::parse`] does a text that is kept without a copy.
    pub fn parse_shared(&mut self, name: &str, text: Bytes) -> Result<(), ParseError> {
        let trees = crate::parse::parse(name, text, &self.functions, &mut self.names)?;
        self.add(name, trees);
        Ok(())
    }

    /// Parses files as [`TemplateSet::parse`] does one after the other, in both of two threads.
    pub fn parse_in(&mut self, files: &[(String, Bytes)], both: &mut dyn FnMut(First<'_>, Second<'_>)) -> Result<(), ParseError> {
        let (functions, mut others) = (&*self.functions, Names::default());
        let parsed = both::each(files, both, [&mut self.names, &mut others], |names, (name, text)| {
            live::lend(|| crate::parse::parse(name, text.clone(), functions, names))
        });
        parsed.iter().for_each(|(_, bytes)| live::take_over(*bytes));
        for ((name, _), (trees, _)) in files.iter().zip(parsed) {
            self.add(name, trees?);
        }
        Ok(())
    }

    /// Adds what was parsed of a file.
    fn add(&mut self, name: &str, trees: Vec<Arc<Tree>>) {
        for tree in trees {
            // What an overlay is parsed for is its own, even if it is empty: Go executes the template it has just parsed.
            let own = self.base.is_some() && *tree.name == *name.as_bytes() && !self.trees.contains_key(name.as_bytes());
            let replaces = own || !tree.is_empty() || self.tree(&tree.name).is_none();
            if replaces {
                self.trees.insert(tree.name.to_vec(), tree);
            }
        }
    }

    /// Returns the name of the set.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the functions.
    pub fn functions(&self) -> &Arc<Functions> {
        &self.functions
    }

    /// Tells whether there is a template of this name.
    pub fn contains(&self, name: &str) -> bool {
        self.tree(name.as_bytes()).is_some()
    }

    pub(crate) fn tree(&self, name: &[u8]) -> Option<&Arc<Tree>> {
        let mut set = self;
        loop {
            if let Some(tree) = set.trees.get(name) {
                return Some(tree);
            }
            set = set.base.as_ref()?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::both::Second;

    #[test]
    fn what_another_thread_parsed_is_counted_here() {
        // Nothing is left for the first.
        fn elsewhere(first: First<'_>, second: Second<'_>) {
            std::thread::scope(|scope| {
                scope.spawn(second);
            });
            first();
        }
        let files: Vec<_> =
            (0..100).map(|number| (format!("f{number}"), Bytes::from(format!("{{{{ print \"text {number}\" .a.b }}}}")))).collect();
        let (before, functions) = (live::bytes(), Arc::new(Functions::new()));
        let with_functions = live::bytes();
        let mut set = TemplateSet::new("set", functions.clone());
        set.parse_in(&files, &mut elsewhere).expect("parses");
        let parsed = live::bytes() - with_functions;
        assert!(parsed > 100 * "text 1".len(), "{parsed}");
        drop(set);
        assert_eq!(live::bytes(), with_functions);
        drop(functions);
        assert_eq!(live::bytes(), before);
    }
}
