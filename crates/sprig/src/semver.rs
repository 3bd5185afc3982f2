//! Versions and constraints as Masterminds/semver 3.5 reads them.
//!
//! Versions are lenient (`v1.2` is 1.2.0). Constraints exclude pre-releases unless a term of the same group names one. Nothing
//! here follows Cargo's or npm's rules.

use std::cmp::Ordering;
use std::fmt;
use std::sync::LazyLock;

use regex::Regex;

/// Is why a version or a constraint is not one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The text is no version.
    #[error("invalid semantic version")]
    Invalid,
    /// The text is longer than 256 bytes.
    #[error("version string is too long (max 256 bytes)")]
    TooLong,
    /// A number has more than 64 bits.
    #[error("error parsing version segment: strconv.ParseUint: parsing {0}: value out of range")]
    OutOfRange(String),
    /// A numeric part of a pre-release has a leading zero.
    #[error("version segment starts with 0")]
    LeadingZero,
    /// The constraint, or one of its terms, cannot be read.
    #[error("improper constraint: {0}")]
    Improper(String),
    /// A term holds something that is no version.
    #[error("constraint parser error")]
    Term,
    /// The constraint is longer than 512 bytes.
    #[error("constraint string is too long (max 512 bytes)")]
    ConstraintTooLong,
    /// The constraint has more than 32 alternatives.
    #[error("too many constraint groups (max 32)")]
    TooManyGroups,
}

/// Is a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// The first number.
    pub major: u64,
    /// The second number.
    pub minor: u64,
    /// The third number.
    pub patch: u64,
    /// What follows the hyphen, if anything.
    pub prerelease: String,
    /// What follows the plus sign, if anything.
    pub metadata: String,
    original: String,
}

/// Is what a version or a term of a constraint is written of; what is absent is empty.
struct Parts<'t> {
    numbers: [&'t str; 3],
    prerelease: &'t str,
    metadata: &'t str,
}

impl<'t> Parts<'t> {
    /// Reads as far as there are parts and returns what follows them. The first number has to be there.
    fn of(text: &'t str, is_digit: fn(char) -> bool) -> Option<(Parts<'t>, &'t str)> {
        let (major, rest) = run(text.strip_prefix('v').unwrap_or(text), is_digit)?;
        let after_dot = |rest: &'t str| rest.strip_prefix('.').and_then(|rest| run(rest, is_digit)).unwrap_or(("", rest));
        let (minor, rest) = after_dot(rest);
        let (patch, rest) = after_dot(rest);
        let (prerelease, rest) = identifiers(rest, '-');
        let (metadata, rest) = identifiers(rest, '+');
        Some((Parts { numbers: [major, minor, patch], prerelease, metadata }, rest))
    }
}

/// Takes at least one character of a class.
fn run(text: &str, is_of: fn(char) -> bool) -> Option<(&str, &str)> {
    let length = text.find(|c| !is_of(c)).unwrap_or(text.len());
    (length > 0).then(|| text.split_at(length))
}

/// Takes identifiers with dots between them after a mark, if there are any.
fn identifiers(text: &str, mark: char) -> (&str, &str) {
    let is_of_identifier = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let Some((first, mut rest)) = text.strip_prefix(mark).and_then(|text| run(text, is_of_identifier)) else { return ("", text) };
    let mut length = first.len();
    while let Some((next, after)) = rest.strip_prefix('.').and_then(|rest| run(rest, is_of_identifier)) {
        length += 1 + next.len();
        rest = after;
    }
    (&text[1..=length], rest)
}

impl Version {
    /// Reads a version leniently (`NewVersion`).
    pub fn parse(text: &str) -> Result<Version, Error> {
        if text.len() > 256 {
            return Err(Error::TooLong);
        }
        let Some((parts, "")) = Parts::of(text, |c| c.is_ascii_digit()) else { return Err(Error::Invalid) };
        let number = |i: usize| match parts.numbers[i] {
            "" => Ok(0),
            digits => digits.parse().map_err(|_| Error::OutOfRange(go_template::quote::quote_text(digits))),
        };
        let (major, minor, patch) = (number(0)?, number(1)?, number(2)?);
        let (prerelease, metadata) = (parts.prerelease.to_owned(), parts.metadata.to_owned());
        let leading_zero = |p: &str| p.len() > 1 && p.starts_with('0') && p.bytes().all(|b| b.is_ascii_digit());
        if prerelease.split('.').any(leading_zero) {
            return Err(Error::LeadingZero);
        }
        Ok(Version { major, minor, patch, prerelease, metadata, original: text.to_owned() })
    }

    /// Returns the text that was parsed.
    pub fn original(&self) -> &str {
        &self.original
    }

    /// Returns Go's zero value.
    pub fn zero() -> Version {
        Version { major: 0, minor: 0, patch: 0, prerelease: String::new(), metadata: String::new(), original: String::new() }
    }

    /// Makes a version of parts; the original is its canonical text.
    pub fn new(major: u64, minor: u64, patch: u64, prerelease: String, metadata: String) -> Version {
        let mut version = Version { major, minor, patch, prerelease, metadata, original: String::new() };
        version.original = version.to_string();
        version
    }

    /// Returns the release of other numbers; its original keeps the `v` of this one.
    pub fn with_numbers(&self, major: u64, minor: u64, patch: u64) -> Version {
        let mut version = Version::new(major, minor, patch, String::new(), String::new());
        if self.original.starts_with('v') {
            version.original.insert(0, 'v');
        }
        version
    }

    /// Compares by precedence; metadata does not count.
    pub fn compare(&self, other: &Version) -> Ordering {
        let numbers = (self.major, self.minor, self.patch).cmp(&(other.major, other.minor, other.patch));
        numbers.then_with(|| compare_prerelease(&self.prerelease, &other.prerelease))
    }

    fn is_less(&self, other: &Version) -> bool {
        self.compare(other) == Ordering::Less
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)?;
        if !self.prerelease.is_empty() {
            write!(f, "-{}", self.prerelease)?;
        }
        if !self.metadata.is_empty() {
            write!(f, "+{}", self.metadata)?;
        }
        Ok(())
    }
}

fn compare_prerelease(a: &str, b: &str) -> Ordering {
    match (a.is_empty(), b.is_empty()) {
        (true, true) => return Ordering::Equal,
        (true, false) => return Ordering::Greater,
        (false, true) => return Ordering::Less,
        (false, false) => {}
    }
    let (mut a, mut b) = (a.split('.'), b.split('.'));
    loop {
        let order = match (a.next(), b.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => Ordering::Less,
            (Some(_), None) => Ordering::Greater,
            (Some(a), Some(b)) => compare_part(a, b),
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}

fn compare_part(a: &str, b: &str) -> Ordering {
    if a == b {
        return Ordering::Equal;
    }
    match (a.parse::<u64>(), b.parse::<u64>()) {
        (Ok(a), Ok(b)) => a.cmp(&b),
        (Ok(_), Err(_)) => Ordering::Less,
        (Err(_), Ok(_)) => Ordering::Greater,
        (Err(_), Err(_)) => a.cmp(b),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Equal,
    NotEqual,
    Greater,
    Less,
    GreaterEqual,
    LessEqual,
    Tilde,
    Caret,
}

#[derive(Clone, Debug)]
struct Term {
    operator: Operator,
    version: Version,
    minor_dirty: bool,
    patch_dirty: bool,
    dirty: bool,
}

/// Is a constraint: alternatives of groups of terms that must all hold.
#[derive(Clone, Debug)]
pub struct Constraint {
    groups: Vec<Vec<Term>>,
}

const OPS: &str = r"=||!=|>|<|>=|=>|<=|=<|~|~>|\^";
const VERSION: &str =
    r"v?([0-9xX|*]+)(\.[0-9xX|*]+)?(\.[0-9xX|*]+)?(-(?:[0-9A-Za-z\-]+(?:\.[0-9A-Za-z\-]+)*))?(\+(?:[0-9A-Za-z\-]+(?:\.[0-9A-Za-z\-]+)*))?";

fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("a constant pattern compiles")
}

static RANGE: LazyLock<Regex> =
    LazyLock::new(|| pattern(&format!(r"[\t\n\x0c\r ]*({VERSION})[\t\n\x0c\r ]+-[\t\n\x0c\r ]+({VERSION})[\t\n\x0c\r ]*")));
static FIND: LazyLock<Regex> = LazyLock::new(|| pattern(&format!(r"({OPS})[\t\n\x0c\r ]*({VERSION})")));
static VALID: LazyLock<Regex> = LazyLock::new(|| {
    let s = r"[\t\n\x0c\r ]";
    pattern(&format!(r"^({s}*({OPS}){s}*({VERSION}){s}*)((?:{s}+|,{s}*)({OPS}){s}*({VERSION}){s}*)*$"))
});

impl Constraint {
    /// Reads a constraint (`NewConstraint`).
    pub fn parse(text: &str) -> Result<Constraint, Error> {
        if text.len() > 512 {
            return Err(Error::ConstraintTooLong);
        }
        let text = rewrite_ranges(text);
        let groups: Vec<&str> = text.split("||").collect();
        if groups.len() > 32 {
            return Err(Error::TooManyGroups);
        }
        let groups = groups.into_iter().map(group).collect::<Result<_, _>>()?;
        Ok(Constraint { groups })
    }

    /// Tells whether the version satisfies the constraint.
    pub fn check(&self, version: &Version) -> bool {
        self.groups.iter().any(|group| {
            let pre = group.iter().any(|term| !term.version.prerelease.is_empty());
            (version.prerelease.is_empty() || pre) && group.iter().all(|term| term.holds(version))
        })
    }
}

fn is_space(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\x0c' | '\r' | ' ')
}

fn rewrite_ranges(text: &str) -> String {
    let mut out = text.to_owned();
    // Mostly there is none, and the pattern is slow to compile.
    let is_hyphen = |three: &[u8]| matches!(three, [before, b'-', after] if is_space(char::from(*before)) && is_space(char::from(*after)));
    if !text.as_bytes().windows(3).any(is_hyphen) {
        return out;
    }
    for range in RANGE.captures_iter(text) {
        // Each version brings five groups of its own.
        let whole = &range[0];
        let replacement = format!(">= {}, <= {} ", &range[1], &range[7]);
        out = out.replacen(whole, &replacement, 1);
    }
    out
}

fn group(text: &str) -> Result<Vec<Term>, Error> {
    let improper = |text: &str| Error::Improper(go_template::quote::quote_text(text));
    // Mostly there is one term, which the long patterns are too slow to compile for.
    if let Some(term) = term(text) {
        return Ok(vec![term?]);
    }
    if !VALID.is_match(text) {
        return Err(improper(text));
    }
    let terms: Vec<&str> = FIND.find_iter(text).map(|m| m.as_str()).collect();
    let terms = if terms.is_empty() { vec![text] } else { terms };
    terms.into_iter().map(|text| term(text).ok_or_else(|| improper(text))?).collect()
}

fn term(text: &str) -> Option<Result<Term, Error>> {
    let text = text.trim_matches(is_space);
    let (operator, version) = text.split_at(text.find(|c| !"=!<>~^".contains(c)).unwrap_or(text.len()));
    let operator = match operator {
        "" | "=" => Operator::Equal,
        "!=" => Operator::NotEqual,
        ">" => Operator::Greater,
        "<" => Operator::Less,
        ">=" | "=>" => Operator::GreaterEqual,
        "<=" | "=<" => Operator::LessEqual,
        "~" | "~>" => Operator::Tilde,
        "^" => Operator::Caret,
        _ => return None,
    };
    let is_digit = |c: char| matches!(c, '0'..='9' | 'x' | 'X' | '|' | '*');
    let (parts, "") = Parts::of(version.trim_start_matches(is_space), is_digit)? else { return None };
    let open = |part: &str| matches!(part, "" | "x" | "X" | "*");
    let [major, minor, patch] = parts.numbers;
    let (mut minor_dirty, mut patch_dirty, mut dirty) = (false, false, false);
    let mut text = if open(major) {
        dirty = true;
        "0.0.0".to_owned()
    } else if open(minor) {
        (minor_dirty, dirty) = (true, true);
        format!("{major}.0.0")
    } else if open(patch) {
        (patch_dirty, dirty) = (true, true);
        format!("{major}.{minor}.0")
    } else {
        format!("{major}.{minor}.{patch}")
    };
    if !parts.prerelease.is_empty() {
        text.extend(["-", parts.prerelease]);
    }
    if !dirty && !parts.metadata.is_empty() {
        text.extend(["+", parts.metadata]);
    }
    Some(match Version::parse(&text) {
        Ok(version) => Ok(Term { operator, version, minor_dirty, patch_dirty, dirty }),
        Err(_) => Err(Error::Term),
    })
}

impl Term {
    fn holds(&self, version: &Version) -> bool {
        let base = &self.version;
        let order = version.compare(base);
        match self.operator {
            Operator::Equal if self.dirty => self.tilde(version),
            Operator::Equal => order == Ordering::Equal,
            Operator::NotEqual => self.not_equal(version),
            Operator::Greater => self.greater(version),
            Operator::Less => order == Ordering::Less,
            Operator::GreaterEqual => order != Ordering::Less,
            Operator::LessEqual if !self.dirty => order != Ordering::Greater,
            Operator::LessEqual => {
                version.major < base.major || version.major == base.major && (version.minor <= base.minor || self.minor_dirty)
            }
            Operator::Tilde => self.tilde(version),
            Operator::Caret => self.caret(version),
        }
    }

    fn not_equal(&self, version: &Version) -> bool {
        let base = &self.version;
        if !self.dirty {
            return version.compare(base) != Ordering::Equal;
        }
        if base.major != version.major {
            return true;
        }
        if base.minor != version.minor && !self.minor_dirty {
            return true;
        }
        if self.minor_dirty {
            return false;
        }
        if base.patch != version.patch && !self.patch_dirty {
            return true;
        }
        if self.patch_dirty {
            let either = !version.prerelease.is_empty() || !base.prerelease.is_empty();
            return either && compare_prerelease(&version.prerelease, &base.prerelease) != Ordering::Equal;
        }
        version.compare(base) != Ordering::Equal
    }

    fn greater(&self, version: &Version) -> bool {
        let base = &self.version;
        if !self.dirty || version.major != base.major {
            return if self.dirty { version.major > base.major } else { version.compare(base) == Ordering::Greater };
        }
        if self.minor_dirty {
            return false;
        }
        if self.patch_dirty { version.minor > base.minor } else { version.compare(base) == Ordering::Greater }
    }

    fn tilde(&self, version: &Version) -> bool {
        let base = &self.version;
        if version.is_less(base) {
            return false;
        }
        if (base.major, base.minor, base.patch) == (0, 0, 0) && !self.minor_dirty && !self.patch_dirty {
            return true;
        }
        version.major == base.major && (version.minor == base.minor || self.minor_dirty)
    }

    fn caret(&self, version: &Version) -> bool {
        let base = &self.version;
        if version.is_less(base) || version.major != base.major {
            return false;
        }
        if base.major > 0 || self.minor_dirty {
            return true;
        }
        if version.minor != base.minor {
            return false;
        }
        base.minor > 0 || self.patch_dirty || base.patch == version.patch
    }
}

#[cfg(test)]
mod tests {
    use super::{Constraint, Error, Version};

    fn check(constraint: &str, version: &str) -> bool {
        let version = Version::parse(version).expect("a version");
        Constraint::parse(constraint).expect("a constraint").check(&version)
    }

    #[test]
    fn constraints_follow_masterminds() {
        let cases = [
            (">1", "1.5.0", false),
            (">1", "2.0.0", true),
            (">1.2", "1.2.9", false),
            ("<=1", "1.5.0", true),
            ("!=1.0", "1.0.4", false),
            ("~0.0.0", "5.0.0", true),
            ("*", "1.0.0-rc1", false),
            (">=1.20-0", "1.29.1-eks-1", true),
            (">=1.20", "1.29.1-eks-1", false),
            ("1.2 - 1.4", "1.4.9", true),
            ("^0.2", "0.2.9", true),
            ("^0.0.3", "0.0.4", false),
            (">=1, <3 || 5.x", "5.7.1", true),
            (">= 1.16.0-0 < 2", "v1.36.0", true),
            ("\t=> v1.2 ", "1.2.0", true),
            ("~>1.x", "1.9.0", true),
            ("1.2.x-0+m", "1.2.7-a", true),
        ];
        for (constraint, version, want) in cases {
            assert_eq!(check(constraint, version), want, "{constraint} {version}");
        }
    }

    #[test]
    fn versions_are_lenient_and_errors_masterminds() {
        assert_eq!(Version::parse("v01.2").map(|v| v.to_string()), Ok("1.2.0".to_owned()));
        assert_eq!(Version::parse("v1.2.3-rc.1-x+b.2").map(|v| v.to_string()), Ok("1.2.3-rc.1-x+b.2".to_owned()));
        for invalid in ["x", "", "v", "1.", "1.2.", "1.2.3.4", "1.0.0-", "1.0.0-a..b", "1.0.0-a.", "1.0.0+", "1+b-a+c", "1 ", "1.é", "V1"]
        {
            assert_eq!(Version::parse(invalid), Err(Error::Invalid), "{invalid}");
        }
        for improper in ["x.y", "=!1", "> =1", "1.0-", "", "~", "1.2.3.4"] {
            let error = Constraint::parse(improper).map(|_| ()).map_err(|e| e.to_string());
            assert_eq!(error, Err(format!("improper constraint: {improper:?}")));
        }
    }
}
