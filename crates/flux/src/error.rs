//! What can be wrong with a Flux tree.

use std::fmt;

/// Something and where it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// What it is.
    pub title: String,
    /// The file it is in.
    pub file: String,
    /// The line, counted from 1.
    pub line: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}:{})", self.title, self.file, self.line)
    }
}

fn list(places: &[Place]) -> String {
    places.iter().map(Place::to_string).collect::<Vec<_>>().join(", ")
}

fn candidates(places: &[Place]) -> String {
    if places.is_empty() { "the tree has no HelmRelease".to_string() } else { format!("near: {}", list(places)) }
}

fn in_failed(error: &Option<Box<Error>>) -> String {
    error.as_ref().map(|error| format!("; it may be in what does not build: {error}")).unwrap_or_default()
}

fn missing(absent: &[kustomize::Absent]) -> String {
    let one = |absent: &kustomize::Absent| format!("{} (listed in {}:{})", absent.path, absent.listed_in, absent.line);
    match absent {
        [] => String::new(),
        absent => format!("; not in the repository: {}", absent.iter().map(one).collect::<Vec<_>>().join(", ")),
    }
}

/// Why a tree or a release of it could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A kustomization does not build.
    #[error(transparent)]
    Build(#[from] kustomize::Error),
    /// Something is wrong with an object.
    #[error("{file}:{line}: {message}")]
    At {
        /// The file of the object.
        file: String,
        /// The line on which it starts.
        line: usize,
        /// What is wrong.
        message: String,
    },
    /// A variable of `postBuild` that cannot be substituted.
    #[error("{file}:{line}: {message}")]
    Variable {
        /// The file of the object.
        file: String,
        /// The line on which it starts.
        line: usize,
        /// What is wrong.
        message: String,
    },
    /// Nothing says which path Flux synchronises.
    #[error(
        "nothing says which folder Flux synchronises: no FluxInstance, no gotk-sync.yaml, no Kustomization of the folder it lies in; name the folder"
    )]
    NoRoot,
    /// Several things say so, differently.
    #[error("several folders could be the one that Flux synchronises: {}; name one", list(.0))]
    AmbiguousRoot(
        /// The folders and what names them.
        Vec<Place>,
    ),
    /// The folder is not there.
    #[error("{0}: there is no such folder in the repository")]
    NoFolder(
        /// The folder.
        String,
    ),
    /// A file could not be read.
    #[error("{path}: {message}")]
    Read {
        /// The file or folder.
        path: String,
        /// Why not.
        message: String,
    },
    /// The tree has no such HelmRelease.
    #[error("no HelmRelease {namespace}/{name} below {root}; {}{}{}", candidates(.near), missing(.absent), in_failed(.unbuilt))]
    NoRelease {
        /// The namespace asked for.
        namespace: String,
        /// The name asked for.
        name: String,
        /// The root of the tree.
        root: Box<str>,
        /// HelmReleases that may have been meant.
        near: Vec<Place>,
        /// Absent resources that may have held it.
        absent: Vec<kustomize::Absent>,
        /// What does not build and may have held it.
        unbuilt: Option<Box<Error>>,
    },
    /// The tree has it more than once.
    #[error("HelmRelease {namespace}/{name} is applied more than once: {}; keep one", list(.definitions))]
    Ambiguous {
        /// The namespace asked for.
        namespace: String,
        /// The name asked for.
        name: String,
        /// All definitions.
        definitions: Vec<Place>,
    },
}

impl Error {
    /// Returns file, line, column and the message without them; the first line where none is known.
    pub fn parts(&self) -> (String, usize, usize, String) {
        match self {
            Error::Build(error) => error.parts(),
            Error::At { file, line, message } | Error::Variable { file, line, message } => (file.clone(), *line, 1, message.clone()),
            Error::Read { path, message } => (path.clone(), 1, 1, message.clone()),
            other => (String::new(), 1, 1, other.to_string()),
        }
    }

    pub(crate) fn variable(object: &kustomize::Object, message: impl Into<String>) -> Error {
        Error::Variable { file: object.file.clone(), line: object.line, message: message.into() }
    }

    pub(crate) fn at(object: &kustomize::Object, message: impl Into<String>) -> Error {
        Error::At { file: object.file.clone(), line: object.line, message: message.into() }
    }
}
