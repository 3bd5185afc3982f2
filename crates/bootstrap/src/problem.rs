//! What is wrong with a manifest, and where.

use std::fmt;

use go_encoding::yaml::node::Node;

/// A place in a file; both count from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    pub line: usize,
    pub column: usize,
}

impl Place {
    /// Returns where a node begins.
    pub fn of(node: &Node) -> Place {
        Place { line: node.line, column: node.column }
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub place: Place,
    pub message: String,
    /// The way out.
    pub hint: Option<String>,
}

/// Everything that is wrong with a file, by place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems {
    file: String,
    list: Vec<Problem>,
}

impl Problems {
    /// Returns no problems yet of a file.
    pub fn new(file: &str) -> Self {
        Problems { file: file.into(), list: Vec::new() }
    }

    /// Adds one.
    pub fn add(&mut self, place: Place, message: impl Into<String>, hint: Option<String>) {
        self.list.push(Problem { place, message: message.into(), hint });
        self.list.sort_by_key(|problem| problem.place);
    }

    /// Tells whether there are none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Returns them by place.
    pub fn list(&self) -> &[Problem] {
        &self.list
    }

    /// Returns the file they are about.
    pub fn file(&self) -> &str {
        &self.file
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.list.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            write!(f, "{}:{}:{}: {}", self.file, problem.place.line, problem.place.column, problem.message)?;
            if let Some(hint) = &problem.hint {
                write!(f, "\n  hint: {hint}")?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}
