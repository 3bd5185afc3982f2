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

    pub(crate) fn path(path: &str, message: impl Into<String>) -> Error {
        Error::Path { path: if path.is_empty() { ".".to_string() } else { path.to_string() }, message: message.into() }
    }
}
