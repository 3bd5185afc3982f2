//! How a chart is named: an OCI repository, a chart of an HTTP repository, or a local path.
//!
//! Parsing follows Helm's `pkg/registry/reference.go` (4.2): the digest is what follows the last `@`, and `+` in a version is `_` in a
//! tag. Which of digest, range and tag counts is Flux's order (source-controller 1.9, `ocirepository_controller.go`).

use std::fmt;
use std::path::PathBuf;

use crate::error::{Error, Kind, Problem};
use crate::version;

/// Where a chart is to be had and which version of it.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reference {
    /// A chart in an OCI registry. The digest counts first, then the range, then the tag, then the tag `latest`.
    Oci {
        /// `oci://host/path`, without tag and digest.
        repository: String,
        /// A tag or version; `+` may be written as such.
        tag: Option<String>,
        /// A range of versions; the highest tag in it is taken.
        semver: Option<String>,
        /// A regular expression: only tags that it fits somewhere count as versions in the range (`semverFilter` of an OCIRepository).
        filter: Option<String>,
        /// The digest of the manifest, `sha256:…`.
        digest: Option<String>,
        /// Whether plain HTTP is allowed for this reference.
        insecure: bool,
    },
    /// A chart of an HTTP repository.
    Repository {
        /// The address of the repository, without `index.yaml`.
        url: String,
        /// The name of the chart.
        name: String,
        /// An exact version, a range, or nothing for the highest release.
        version: String,
    },
    /// A folder with a `Chart.yaml`, or an archive.
    Path(PathBuf),
}

impl Reference {
    /// Reads what a person writes: `oci://host/path[:tag][@digest]`, `https://repository NAME`, or a path. The version may be a range;
    /// an OCI chart without any version is the highest one, as with Helm.
    pub fn parse(text: &str, version: Option<&str>) -> Result<Reference, Error> {
        let parsed = if text.starts_with("oci://") {
            parse_oci(text, version)
        } else if text.starts_with("https://") || text.starts_with("http://") {
            parse_repository(text, version)
        } else if text.trim().is_empty() {
            Err(Problem::new(Kind::Invalid, "a chart reference is empty"))
        } else {
            Ok(Reference::Path(PathBuf::from(text.strip_prefix("file://").unwrap_or(text))))
        };
        parsed.map_err(|problem| problem.at(redacted(text), Vec::new()))
    }

    /// Returns the name under which archives of this chart are filed: the last segment of the repository, or the chart's name.
    pub(crate) fn archive_name(&self) -> Option<&str> {
        let name = match self {
            Reference::Oci { repository, .. } => repository,
            Reference::Repository { name, .. } => name,
            Reference::Path(_) => return None,
        };
        name.trim_end_matches('/').rsplit('/').next().filter(|name| !name.is_empty())
    }
}

fn parse_oci(text: &str, version: Option<&str>) -> Result<Reference, Problem> {
    let (rest, digest) = match text.rsplit_once('@') {
        Some((rest, digest)) => (rest, Some(Digest::parse(digest)?.to_string())),
        None => (text, None),
    };
    let (repository, tag) = match rest.rsplit_once(':') {
        Some((before, tag)) if !tag.contains('/') => (before, Some(tag.to_owned())),
        _ => (rest, None),
    };
    OciLocation::parse(repository)?;
    if let Some(tag) = &tag {
        check_tag(tag)?;
    }
    let (mut tag, mut semver) = (tag, None);
    match version.map(str::trim).filter(|version| !version.is_empty()) {
        Some(version) if tag.as_deref().is_some_and(|tag| as_tag(tag) != as_tag(version)) => {
            return Err(
                Problem::new(Kind::Invalid, format!("the tag in the reference is not the version {version}")).hint("give one of them")
            );
        }
        Some(version) if version::is_exact(version) => tag = Some(version.to_owned()),
        Some(version) => {
            version::constraint(version)?;
            semver = Some(version.to_owned());
        }
        None if tag.is_none() && digest.is_none() => semver = Some("*".to_owned()),
        None => {}
    }
    Ok(Reference::Oci { repository: repository.to_owned(), tag, semver, filter: None, digest, insecure: false })
}

fn parse_repository(text: &str, version: Option<&str>) -> Result<Reference, Problem> {
    let mut words = text.split_whitespace();
    let (Some(url), Some(name), None) = (words.next(), words.next(), words.next()) else {
        return Err(
            Problem::new(Kind::Invalid, "an HTTP repository needs the name of the chart").hint("write \"https://repository.example NAME\"")
        );
    };
    let version = version.unwrap_or_default().trim();
    version::constraint(version)?;
    Ok(Reference::Repository { url: url.to_owned(), name: name.to_owned(), version: version.to_owned() })
}

/// A host and a path in its registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OciLocation {
    pub(crate) host: String,
    pub(crate) path: String,
}

impl OciLocation {
    pub(crate) fn parse(text: &str) -> Result<OciLocation, Problem> {
        let invalid = |reason: &str| Err(Problem::new(Kind::Invalid, reason).hint("write oci://host/path"));
        let Some(rest) = text.strip_prefix("oci://") else { return invalid("not an OCI reference") };
        let Some((host, path)) = rest.split_once('/') else { return invalid("the reference names no repository in the registry") };
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '[' | ']');
        if host.is_empty() || !host.chars().all(plain) {
            return invalid("the reference has no valid host");
        }
        if !path.split('/').all(is_segment) {
            return invalid("the path of a repository is made of lower-case letters, digits and single separators");
        }
        Ok(OciLocation { host: host.to_ascii_lowercase(), path: path.to_owned() })
    }
}

fn is_segment(text: &str) -> bool {
    let word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    text.starts_with(word) && text.ends_with(word) && text.chars().all(|c| word(c) || matches!(c, '.' | '_' | '-'))
}

/// Writes a version as a tag: `+` is not allowed in tags.
pub(crate) fn as_tag(version: &str) -> String {
    version.replace('+', "_")
}

pub(crate) fn check_tag(tag: &str) -> Result<(), Problem> {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let tag = as_tag(tag);
    let valid = tag.len() <= 128 && tag.starts_with(word) && tag.chars().all(|c| word(c) || matches!(c, '.' | '-'));
    if valid { Ok(()) } else { Err(Problem::new(Kind::Invalid, format!("{tag:?} is not a tag"))) }
}

/// A SHA-256 digest, in lower-case hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Digest(String);

impl Digest {
    /// Reads `sha256:HEX`.
    pub(crate) fn parse(text: &str) -> Result<Digest, Problem> {
        let hex = text.strip_prefix("sha256:").unwrap_or_default();
        Digest::from_hex(hex).ok_or_else(|| {
            Problem::new(Kind::Invalid, format!("{text:?} is not a digest")).hint("a digest is sha256: and 64 hexadecimal digits")
        })
    }

    /// Reads 64 hexadecimal digits.
    pub(crate) fn from_hex(hex: &str) -> Option<Digest> {
        let valid = hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_hexdigit());
        valid.then(|| Digest(hex.to_ascii_lowercase()))
    }

    /// Computes the digest of bytes.
    pub(crate) fn of(bytes: &[u8]) -> Digest {
        use sha2::Digest as _;
        Digest(hex::encode(sha2::Sha256::digest(bytes)))
    }

    pub(crate) fn hex(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", self.0)
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reference::Oci { repository, tag, semver, digest, .. } => {
                f.write_str(&redacted(repository))?;
                match (digest, semver, tag) {
                    (Some(digest), _, Some(tag)) => write!(f, ":{tag}@{digest}"),
                    (Some(digest), _, None) => write!(f, "@{digest}"),
                    (None, Some(range), _) => write!(f, " {range}"),
                    (None, None, Some(tag)) => write!(f, ":{tag}"),
                    (None, None, None) => f.write_str(":latest"),
                }
            }
            Reference::Repository { url, name, version } if version.is_empty() => write!(f, "{} {name}", redacted(url)),
            Reference::Repository { url, name, version } => write!(f, "{} {name} {version}", redacted(url)),
            Reference::Path(path) => write!(f, "{}", path.display()),
        }
    }
}

/// Prints what [`fmt::Display`] prints: an address may hold a password.
impl fmt::Debug for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reference({self})")
    }
}

/// Returns an address without user, password, query and fragment.
pub(crate) fn redacted(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let (rest, name) = rest.split_once(' ').map_or((rest, None), |(rest, name)| (rest, Some(name)));
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host = host.rsplit_once('@').filter(|(_, host)| !host.starts_with("sha256:")).map_or(host, |(_, host)| host);
    let name = name.map_or(String::new(), |name| format!(" {name}"));
    format!("{scheme}://{host}{path}{name}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn oci(repository: &str, tag: Option<&str>, semver: Option<&str>, digest: Option<&str>) -> Reference {
        let own = |text: Option<&str>| text.map(str::to_owned);
        let (repository, tag, semver, digest) = (repository.to_owned(), own(tag), own(semver), own(digest));
        Reference::Oci { repository, tag, semver, filter: None, digest, insecure: false }
    }

    #[test]
    fn parses_what_people_write() {
        let hex = "ab".repeat(32);
        let digest = format!("sha256:{hex}");
        let parse = |text: &str, version| Reference::parse(text, version).unwrap();
        assert_eq!(parse("oci://ghcr.io/a/b:1.2.3", None), oci("oci://ghcr.io/a/b", Some("1.2.3"), None, None));
        assert_eq!(parse("oci://localhost:5000/b", None), oci("oci://localhost:5000/b", None, Some("*"), None));
        assert_eq!(parse("oci://h/b", Some("1.2.3+x")), oci("oci://h/b", Some("1.2.3+x"), None, None));
        assert_eq!(parse("oci://h/b:1.2.3_x", Some("1.2.3+x")), oci("oci://h/b", Some("1.2.3+x"), None, None));
        assert_eq!(parse("oci://h/b", Some("^1")), oci("oci://h/b", None, Some("^1"), None));
        let pinned = format!("oci://h:1/b:v1@{digest}");
        assert_eq!(parse(&pinned, None), oci("oci://h:1/b", Some("v1"), None, Some(&digest)));
        assert_eq!(parse(&pinned, None).to_string(), pinned);
        let repository = Reference::Repository { url: "https://h/x".into(), name: "n".into(), version: "1.x".into() };
        assert_eq!(parse("https://h/x n", Some("1.x")), repository);
        assert_eq!(parse("./charts/app", None), Reference::Path("./charts/app".into()));
    }

    #[test]
    fn refuses_what_is_no_reference() {
        for text in
            ["", " ", "oci://", "oci://h", "oci:///x", "oci://h/A", "oci://h/a/../b", "oci://h/a//b", "oci://u:p@h/a", "https://h/x"]
        {
            assert!(Reference::parse(text, None).is_err(), "{text}");
        }
        for text in ["oci://h/a@sha256:12", "oci://h/a@md5:12", "oci://h/a:", "oci://h/a:-x"] {
            assert!(Reference::parse(text, None).is_err(), "{text}");
        }
        assert!(Reference::parse("oci://h/a", Some(">>1")).is_err());
        assert!(Reference::parse("oci://h/a:2.0.0", Some("1.0.0")).is_err());
    }

    #[test]
    fn shows_no_password() {
        let reference = Reference::Repository { url: "https://me:hush@h/x?token=hush".into(), name: "n".into(), version: String::new() };
        assert_eq!(reference.to_string(), "https://h/x n");
        assert_eq!(format!("{reference:?}"), "Reference(https://h/x n)");
        let error = Reference::parse("https://me:hush@h/x?hush", None).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hush"), "{error}");
    }
}
