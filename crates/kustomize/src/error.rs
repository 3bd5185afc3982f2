//! What can be wrong with a build, with its place where one is known.

use crate::kustomization::Place;

/// Why a folder could not be built.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Something written in a file.
    #[error("{file}:{line}:{column}: {message}")]
    At {
        /// The file.
        file: String,
        /// The line, counted from 1.
        line: usize,
        /// The column, counted from 1.
        column: usize,
        /// What is wrong with it.
        message: String,
    },
    /// A folder that refers to itself.
    #[error("{file}:{line}:{column}: cycle: {path} is being built already")]
    Cycle {
        /// The file that closes the circle.
        file: String,
        /// The line, counted from 1.
        line: usize,
        /// The column, counted from 1.
        column: usize,
        /// The folder.
        path: String,
    },
    /// A file or folder as a whole.
    #[error("{path}: {message}")]
    Path {
        /// The file or folder.
        path: String,
        /// What is wrong with it.
        message: String,
    },
}

impl Error {
    pub(crate) fn at(place: &Place, message: impl Into<String>) -> Error {
        Error::At { file: place.file.clone(), line: place.line, column: place.column, message: message.into() }
    }

    /// Returns file, line, column and the message without them; the first line where none is known.
    pub fn parts(&self) -> (String, usize, usize, String) {
        match self {
            Error::At { file, line, column, message } => (file.clone(), *line, *column, message.clone()),
            Error::Cycle { file, line, column, path } => (file.clone(), *line, *column, format!("cycle: {path} is being built already")),
            Error::Path { path, message } => (path.clone(), 1, 1, message.clone()),
        }
    }

    pub(crate) fn path(path: &str, message: impl Into<String>) -> Error {
        Error::Path { path: if path.is_empty() { ".".to_string() } else { path.to_string() }, message: message.into() }
    }
}
