//! What goes wrong while parsing and executing, in Go's words.
//!
//! The texts equal those of Go 1.26 because charts and people compare them. Helm's own formatting of them is not done here; the
//! parts it needs are public fields, and `source()` walks the same chain that Go's `errors.Unwrap` does.

use std::fmt;

/// Is a template that could not be parsed. Displays Go's full text, `template: file:line: message`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseError {
    /// The name under which the text was parsed.
    pub file: String,
    /// The line, counted from one.
    pub line: usize,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "template: {}:{}: {}", self.file, self.line, self.message)
    }
}

impl std::error::Error for ParseError {}

/// Is an execution that failed at a node of a template.
#[derive(Debug)]
pub struct ExecError {
    /// The name under which the text was parsed.
    pub file: String,
    /// The line, counted from one.
    pub line: usize,
    /// The byte offset in the line, counted from zero.
    pub column: usize,
    /// The name of the template that was executing.
    pub template: String,
    /// The node, printed as Go prints it; without angle brackets.
    pub node: String,
    /// What went wrong; for a function that failed only `error calling f`, its own error is `cause`.
    pub message: String,
    /// The error of the function that failed.
    pub cause: Option<Box<Fault>>,
}

impl fmt::Display for ExecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ExecError { file, line, column, template, node, message, cause } = self;
        write!(f, "template: {file}:{line}:{column}: executing {} at <{node}>: {message}", crate::quote::quote_text(template))?;
        match cause {
            Some(cause) => write!(f, ": {cause}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for ExecError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.cause.as_deref().map(|cause| cause as _)
    }
}

/// Says which budget of a render ran out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Budget {
    /// Too many steps.
    Steps,
    /// Too much output.
    Output,
    /// Templates nested too deep.
    Depth,
    /// Functions made too much.
    Memory,
    /// The embedder's interrupt said stop.
    Interrupted,
}

/// Is why a function, a method or a whole execution failed.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// A plain error of a function, or one without a place, such as an unknown template.
    #[error("{0}")]
    Text(String),
    /// A failure at a node.
    #[error(transparent)]
    Exec(Box<ExecError>),
    /// A text given at run time that could not be parsed, with the embedder's words before it.
    #[error("{prefix}{error}")]
    Parse {
        /// Text before the error, such as `cannot parse template "x": `.
        prefix: String,
        /// The error.
        error: ParseError,
    },
    /// A budget of the render ran out; it is never wrapped, so that every level above reports the first place.
    #[error("template {template}:{line}: the render exceeds its limit: {detail}; split the chart or raise the limit")]
    Budget {
        /// Which one.
        budget: Budget,
        /// The name under which the text was parsed.
        template: String,
        /// The line, counted from one.
        line: usize,
        /// The limit in words.
        detail: String,
    },
}

impl Fault {
    /// Creates a plain error.
    pub fn text(text: impl Into<String>) -> Self {
        Fault::Text(text.into())
    }
}

impl From<String> for Fault {
    fn from(text: String) -> Self {
        Fault::Text(text)
    }
}

impl From<&str> for Fault {
    fn from(text: &str) -> Self {
        Fault::Text(text.to_owned())
    }
}

impl From<ParseError> for Fault {
    fn from(error: ParseError) -> Self {
        Fault::Parse { prefix: String::new(), error }
    }
}

/// Makes a budget fault whose place the executor fills in.
pub(crate) fn unplaced_budget(budget: Budget) -> Fault {
    Fault::Budget { budget, template: String::new(), line: 0, detail: budget.words().to_owned() }
}

impl Budget {
    pub(crate) fn words(self) -> &'static str {
        match self {
            Budget::Steps => "too many steps",
            Budget::Output => "too much output",
            Budget::Depth => "templates nested too deep",
            Budget::Memory => "too much memory",
            Budget::Interrupted => "out of time",
        }
    }
}
