//! Version checks of charts: Masterminds semver, as the template functions have it.

use sprig::semver::{Constraint, Version};

/// Tells whether a version satisfies a constraint; what does not parse does not (`IsCompatibleRange`).
pub(crate) fn is_compatible(constraint: &str, version: &str) -> bool {
    let (Ok(constraint), Ok(version)) = (Constraint::parse(constraint), Version::parse(version)) else {
        return false;
    };
    constraint.check(&version)
}

/// Tells whether the text is a version.
pub(crate) fn is_version(text: &str) -> bool {
    Version::parse(text).is_ok()
}
