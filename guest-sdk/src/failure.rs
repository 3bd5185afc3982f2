//! Why a call or a phase did not succeed.

use serde_json::Value;

/// The result of everything that can fail.
pub type Result<T> = std::result::Result<T, Failure>;

/// The codes of the host, which the contract explains. A later host may have more.
pub const CODES: [&str; 13] = [
    "denied",
    "invalid",
    "not-found",
    "already-exists",
    "unsupported",
    "conflict",
    "forbidden",
    "unavailable",
    "timeout",
    "failed",
    "locked",
    "limit",
    "internal",
];

/// A failure with an open code: one of [`CODES`] where it comes from the host, any other where a module makes it.
#[derive(Debug, Clone, PartialEq)]
pub struct Failure {
    pub code: String,
    pub message: String,
    /// The same call may succeed later without any change.
    pub retryable: bool,
    pub details: Option<Value>,
}

impl Failure {
    /// Returns a failure that a retry will not mend.
    pub fn new(code: &str, message: impl Into<String>) -> Self {
        Failure { code: code.into(), message: message.into(), retryable: false, details: None }
    }

    /// Returns a failure with code `invalid`: the parameters or a file are wrong.
    pub fn invalid(message: impl Into<String>) -> Self {
        Failure::new("invalid", message)
    }

    /// Returns the failure with `context: ` before its message.
    #[must_use]
    pub fn within(mut self, context: &str) -> Self {
        self.message = format!("{context}: {}", self.message);
        self
    }

    /// Tells whether the code is `code`.
    pub fn is(&self, code: &str) -> bool {
        self.code == code
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({})", self.message, self.code)
    }
}

impl std::error::Error for Failure {}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        Failure::invalid(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::CODES;

    #[test]
    fn the_contract_has_these_codes() {
        let contract = include_str!("../../docs/src/authors/contract.md");
        let (_, failures) = contract.split_once("## Failures").expect("the chapter");
        let (failures, _) = failures.split_once("\n## ").expect("the next chapter");
        let told: Vec<&str> = failures.lines().filter_map(|line| Some(line.strip_prefix("| `")?.split_once('`')?.0)).collect();
        assert_eq!(told, CODES);
        let wit = include_str!("../../wit/types.wit").replace("    /// ", "").replace('\n', " ");
        assert!(wit.contains(&format!("`code` is open: {}; a module must cope with others.", CODES.join(", "))), "{wit}");
    }
}
