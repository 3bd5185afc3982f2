//! What can go wrong when a chart is fetched, told so that somebody can act on it.
//!
//! Inside the crate a [`Problem`] says what happened; [`crate::Source`] adds which reference it happened to and what was tried before.
//! Neither ever holds a password, a token or the query of an address.

use std::fmt;

/// Why a chart or artifact could not be had; every kind says which one, what was tried and the way out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The reference, its version or the configuration cannot be understood.
    #[error("{0}")]
    Invalid(Report),
    /// It is in none of the places that were looked at.
    #[error("{0}")]
    Missing(Report),
    /// The registry or repository refuses it, with the credentials there are.
    #[error("{0}")]
    Denied(Report),
    /// The registry or repository did not answer, or not in a way that makes sense.
    #[error("{0}")]
    Unavailable(Report),
    /// It would have to be fetched, and nothing may be.
    #[error("{0}")]
    Offline(Report),
    /// What came is not what was promised: a digest, a size or a form differs.
    #[error("{0}")]
    Corrupt(Report),
    /// What came is intact, but no chart.
    #[error("{0}")]
    NotAChart(Report),
    /// A local file or folder cannot be read.
    #[error("{0}")]
    Unreadable(Report),
}

/// The parts of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The chart or artifact that was asked for.
    pub reference: String,
    /// What happened.
    pub reason: String,
    /// What was looked at before, in order.
    pub tried: Vec<String>,
    /// What to do about it.
    pub hint: Option<String>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.reference, self.reason)?;
        if !self.tried.is_empty() {
            write!(f, "; tried before: {}", self.tried.join(", "))?;
        }
        match &self.hint {
            Some(hint) => write!(f, "; {hint}"),
            None => Ok(()),
        }
    }
}

impl Error {
    /// Returns the parts of the message.
    pub fn report(&self) -> &Report {
        match self {
            Error::Invalid(report)
            | Error::Missing(report)
            | Error::Denied(report)
            | Error::Unavailable(report)
            | Error::Offline(report)
            | Error::Corrupt(report)
            | Error::NotAChart(report)
            | Error::Unreadable(report) => report,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Invalid,
    Missing,
    Denied,
    Unavailable,
    Offline,
    Corrupt,
    NotAChart,
    Unreadable,
}

/// What happened, before it is known to whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) kind: Kind,
    pub(crate) reason: String,
    pub(crate) hint: Option<String>,
}

impl Problem {
    pub(crate) fn new(kind: Kind, reason: impl Into<String>) -> Problem {
        Problem { kind, reason: reason.into(), hint: None }
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Problem {
        self.hint = Some(hint.into());
        self
    }

    pub(crate) fn at(self, reference: impl Into<String>, tried: Vec<String>) -> Error {
        let report = Report { reference: reference.into(), reason: self.reason, tried, hint: self.hint };
        match self.kind {
            Kind::Invalid => Error::Invalid(report),
            Kind::Missing => Error::Missing(report),
            Kind::Denied => Error::Denied(report),
            Kind::Unavailable => Error::Unavailable(report),
            Kind::Offline => Error::Offline(report),
            Kind::Corrupt => Error::Corrupt(report),
            Kind::NotAChart => Error::NotAChart(report),
            Kind::Unreadable => Error::Unreadable(report),
        }
    }
}
