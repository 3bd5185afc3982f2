//! Which of several versions is meant.
//!
//! Helm's rule for repositories and registries: the very text first, else the highest version that satisfies the range (4.2,
//! `pkg/repo/v1/index.go` `Get`, `pkg/registry/client.go` `GetTagMatchingVersionOrConstraint`). Ranges are Masterminds'.

use std::cmp::Ordering;

use sprig::semver::{Constraint, Version};

use crate::error::{Kind, Problem};

/// Tells whether the text is one version with all three numbers, with or without `v`, and not a range.
pub(crate) fn is_exact(text: &str) -> bool {
    strict(text).is_some()
}

/// Reads a version with all three numbers, with or without `v` (Flux's `pkg/version` `ParseVersion`).
pub(crate) fn strict(text: &str) -> Option<Version> {
    let bare = text.strip_prefix('v').unwrap_or(text);
    let numbers = bare.split(['-', '+']).next().unwrap_or_default();
    let three = numbers.split('.').count() == 3 && numbers.split('.').all(|part| part == "0" || !part.starts_with('0'));
    if three && !bare.starts_with('v') { Version::parse(text).ok() } else { None }
}

/// Tells whether both texts are the same version; `v1.2.3` and `1.2.3` are.
pub(crate) fn same(one: &str, other: &str) -> bool {
    let equal = |a: Version, b: Version| a.compare(&b) == Ordering::Equal && a.metadata == b.metadata;
    one == other || strict(one).zip(strict(other)).is_some_and(|(a, b)| equal(a, b))
}

/// Reads a range; nothing means any release.
pub(crate) fn constraint(text: &str) -> Result<Constraint, Problem> {
    let wanted = if text.is_empty() { "*" } else { text };
    Constraint::parse(wanted).map_err(|error| Problem::new(Kind::Invalid, format!("version {text:?}: {error}")))
}

/// Sorts versions that satisfy the range, highest first; those that only differ in build metadata by their text.
pub(crate) fn matching<T>(candidates: impl IntoIterator<Item = (Version, T)>, range: &Constraint) -> Vec<(Version, T)> {
    let mut found: Vec<_> = candidates.into_iter().filter(|(version, _)| range.check(version)).collect();
    found.sort_by(|(a, _), (b, _)| b.compare(a).then_with(|| b.original().cmp(a.original())));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_versions_from_ranges() {
        for text in ["1.2.3", "v1.2.3", "1.2.3-rc.1+build.5", "0.0.0"] {
            assert!(is_exact(text), "{text}");
        }
        for text in ["1.2", "1", "1.x.x", "^1.2.3", "", "vv1.2.3", "01.2.3", "latest", "1.2.3.4"] {
            assert!(!is_exact(text), "{text}");
        }
    }

    #[test]
    fn compares_with_and_without_v() {
        assert!(same("v1.2.3", "1.2.3"));
        assert!(same("main", "main"));
        assert!(!same("1.2.3", "1.2.3+a"));
        assert!(!same("1.2.3", "1.2.4"));
        assert!(!same("main", "dev"));
    }

    #[test]
    fn takes_the_highest_that_satisfies() {
        let pick = |range: &str| {
            let all = ["1.2.0", "1.10.0", "2.0.0-rc.1", "v1.9.0", "0.1.0"].map(|text| (strict(text).unwrap(), text));
            matching(all, &constraint(range).unwrap()).first().map(|(_, text)| *text)
        };
        assert_eq!(pick(""), Some("1.10.0"));
        assert_eq!(pick("1.x <1.10.0"), Some("v1.9.0"));
        assert_eq!(pick(">=1.0.0-0"), Some("2.0.0-rc.1"));
        assert_eq!(pick("^3"), None);
    }
}
