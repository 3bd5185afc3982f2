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

/// Is the table of functions that templates may call; the built-in ones are always there.
#[derive(Clone)]
pub struct Functions {
    by_name: HashMap<&'static str, &'static Func, RandomState>,
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
            self.by_name.insert(function.name, function);
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
        self.by_name.get(name).copied()
    }

    /// Returns all names, in no order.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.by_name.keys().copied()
    }
}

type Trees = Result<Vec<Arc<Tree>>, ParseError>;

/// What was parsed of a file in whatever thread. Where it ends, or is taken, it is counted.
struct Lent {
    trees: Trees,
    bytes: usize,
}

impl Lent {
    fn of(parse: impl FnOnce() -> Trees) -> Lent {
        let (trees, bytes) = live::lend(parse);
        Lent { trees, bytes }
    }

    fn take(mut self) -> Trees {
        std::mem::replace(&mut self.trees, Ok(Vec::new()))
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        live::take_over(self.bytes);
    }
}

/// Files that are parsed before it is known which of them a set needs.
pub struct Ahead {
    functions: Arc<Functions>,
    names: Names,
    files: HashMap<String, (Bytes, Lent), RandomState>,
}

impl Ahead {
    /// Begins without files; the functions are those of the set.
    pub fn new(functions: Arc<Functions>) -> Ahead {
        Ahead { functions, names: Names::default(), files: HashMap::default() }
    }

    /// Returns the functions.
    pub fn functions(&self) -> &Arc<Functions> {
        &self.functions
    }

    /// Parses a file under a name. Its text is known again by where it lies.
    pub fn parse(&mut self, name: String, text: Bytes) {
        let lent = Lent::of(|| crate::parse::parse(&name, text.clone(), &self.functions, &mut self.names));
        self.files.insert(name, (text, lent));
    }

    fn take(&mut self, name: &str, text: &Bytes) -> Option<Trees> {
        let (known, lent) = self.files.remove(name)?;
        std::ptr::eq(&raw const *known, &raw const **text).then(|| lent.take())
    }
}

/// Is a set of templates that can call each other by name.
pub struct TemplateSet {
    name: String,
    functions: Arc<Functions>,
    trees: HashMap<Vec<u8>, Arc<Tree>, RandomState>,
    base: Option<Arc<TemplateSet>>,
    names: Names,
}

impl TemplateSet {
    /// Creates an empty set; the name appears in `no template "x" associated with template "<name>"`.
    pub fn new(name: &str, functions: Arc<Functions>) -> Self {
        TemplateSet { name: name.to_owned(), functions, trees: HashMap::default(), base: None, names: Names::default() }
    }

    /// Creates an empty set on top of this one.
    pub fn overlay(self: &Arc<Self>) -> Self {
        TemplateSet {
            name: self.name.clone(),
            functions: self.functions.clone(),
            trees: HashMap::default(),
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

    /// Parses files as [`TemplateSet::parse`] does one after the other, in both of two threads, but for those that were parsed ahead with the
    /// functions of this set.
    pub fn parse_in(
        &mut self,
        files: &[(String, Bytes)],
        mut ahead: Ahead,
        both: &mut dyn FnMut(First<'_>, Second<'_>),
    ) -> Result<(), ParseError> {
        let found: Vec<Option<Trees>> = files.iter().map(|(name, text)| ahead.take(name, text)).collect();
        let missing: Vec<_> = files.iter().zip(&found).filter(|(_, found)| found.is_none()).map(|(file, _)| file).collect();
        let functions = &*self.functions;
        let parsed = both::each(&missing, both, [&mut self.names, &mut ahead.names], |names, (name, text)| {
            Lent::of(|| crate::parse::parse(name, text.clone(), functions, names))
        });
        let mut parsed = parsed.into_iter().map(Lent::take);
        let all = found.into_iter().filter_map(|found| found.or_else(|| parsed.next()));
        for ((name, _), trees) in files.iter().zip(all) {
            self.add(name, trees?);
        }
        Ok(())
    }

    /// Adds what was parsed of a file.
    fn add(&mut self, name: &str, trees: Vec<Arc<Tree>>) {
        for tree in trees {
            // What an overlay is parsed for is its own, even if it is empty: Go executes the template it has just parsed.
            let own = self.base.is_some() && *tree.name == *name.as_bytes() && !self.trees.contains_key(name.as_bytes());
            let replaces = own || !tree.is_blank() || self.tree(&tree.name).is_none();
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
        set.parse_in(&files, Ahead::new(functions.clone()), &mut elsewhere).expect("parses");
        let parsed = live::bytes() - with_functions;
        assert!(parsed > 100 * "text 1".len(), "{parsed}");
        drop(set);
        assert_eq!(live::bytes(), with_functions);
        drop(functions);
        assert_eq!(live::bytes(), before);
    }

    #[test]
    fn takes_what_was_parsed_ahead() {
        let before = live::bytes();
        let text = Bytes::from("{{ print \"text\" }}");
        let parse = |name: &str, text: &Bytes, ahead_text: &Bytes| {
            let mut ahead = Ahead::new(Arc::new(Functions::new()));
            ahead.parse("a".to_owned(), ahead_text.clone());
            ahead.parse("a".to_owned(), ahead_text.clone());
            ahead.parse("not needed".to_owned(), Bytes::from("{{ broken"));
            // The set itself cannot parse it.
            let mut functions = Functions::new();
            functions.remove("print");
            let mut set = TemplateSet::new("set", Arc::new(functions));
            set.parse_in(&[(name.to_owned(), text.clone())], ahead, &mut both::in_turn)
        };
        assert_eq!(parse("a", &text, &text), Ok(()));
        assert!(parse("b", &text, &text).is_err());
        assert!(parse("a", &Bytes::copy_from_slice(&text), &text).is_err());
        assert_eq!(live::bytes(), before);
    }
}
