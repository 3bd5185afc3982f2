//! Which of several versions is meant.
//!
//! Helm's rule for repositories and registries: the very text first, else the highest version that satisfies the range (4.2,
//! `pkg/repo/v1/index.go` `Get`, `pkg/registry/client.go` `GetTagMatchingVersionOrConstraint`). Ranges are Masterminds'.

use std::cmp::Ordering;
use std::fmt;

use regex::Regex;
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

/// What tags must fit, before the range is looked at (`ocirepository_controller.go`, `filterTags`).
pub(crate) struct Filter(Option<Regex>);

impl Filter {
    pub(crate) fn of(text: Option<&str>) -> Result<Filter, Problem> {
        let invalid = |error| Problem::new(Kind::Invalid, format!("semverFilter: {error}"));
        text.filter(|text| !text.is_empty()).map(Regex::new).transpose().map(Filter).map_err(invalid)
    }

    pub(crate) fn fits(&self, tag: &str) -> bool {
        self.0.as_ref().is_none_or(|pattern| pattern.is_match(tag))
    }
}

/// Says, after a number of tags, which ones they are.
impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_ref().map_or(Ok(()), |pattern| write!(f, " that fit {:?}", pattern.as_str()))
    }
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
    fn a_filter_fits_anywhere_in_a_tag() {
        let fits = |text: &str, tag: &str| Filter::of(Some(text)).unwrap_or_else(|_| panic!("{text}")).fits(tag);
        assert!(fits("-rc", "1.2.3-rc.1") && !fits("-rc", "1.2.3") && fits("^v?1", "v1.2.3") && !fits("^1\\.2$", "1.2.3"));
        assert!(Filter::of(None).is_ok_and(|all| all.fits("x")) && Filter::of(Some("(")).is_err());
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
