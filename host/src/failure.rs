//! Who has to act, and the exit code that says so.

use std::fmt;

/// Who can mend a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blame {
    /// The input: options, manifest, repository, charts.
    User,
    /// The cluster, or something that never became ready in it.
    Cluster,
    /// A module: it trapped, or went over a limit or its grant.
    Module,
    /// Somebody pressed Ctrl-C.
    Interrupted,
    /// This program.
    Bug,
}

impl Blame {
    /// Returns the exit code of the program.
    pub fn exit_code(self) -> u8 {
        match self {
            Blame::User => 2,
            Blame::Cluster => 3,
            Blame::Module => 4,
            Blame::Interrupted => 130,
            Blame::Bug => 70,
        }
    }

    /// Returns the word for machines.
    pub fn as_str(self) -> &'static str {
        match self {
            Blame::User => "input",
            Blame::Cluster => "cluster",
            Blame::Module => "module",
            Blame::Interrupted => "interrupted",
            Blame::Bug => "bug",
        }
    }
}

/// Why the program stops.
#[derive(Debug)]
pub struct Failure {
    pub blame: Blame,
    pub message: String,
    /// What to try next.
    pub hints: Vec<String>,
}

impl Failure {
    /// Returns a failure of the input.
    pub fn user(message: impl Into<String>) -> Self {
        Failure::new(Blame::User, message)
    }

    /// Returns a failure of the cluster.
    pub fn cluster(message: impl Into<String>) -> Self {
        Failure::new(Blame::Cluster, message)
    }

    /// Returns a failure of a module.
    pub fn module(message: impl Into<String>) -> Self {
        Failure::new(Blame::Module, message)
    }

    /// Returns a failure that should not exist.
    pub fn bug(message: impl Into<String>) -> Self {
        Failure::new(Blame::Bug, message).hint("this is a fault of launchway itself: please report it with the command and its output")
    }

    /// Returns a failure.
    pub fn new(blame: Blame, message: impl Into<String>) -> Self {
        Failure { blame, message: message.into(), hints: Vec::new() }
    }

    /// Adds what to try next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", self.message)?;
        self.hints.iter().try_for_each(|hint| write!(f, "\n  hint: {hint}"))
    }
}

impl std::error::Error for Failure {}

/// Returns an error with its causes as one line.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}
