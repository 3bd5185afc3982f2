//! What a cluster can do, as templates see it: its version and the API versions it serves (`pkg/chart/common/capabilities.go`).

use go_template::quote::quote_text;

use crate::compat::HelmCompat;

/// The API versions of a render without a cluster: client-go's scheme, and the custom resource definitions that Helm adds.
const DEFAULT_API_VERSIONS: &str = include_str!("default-api-versions.txt");

/// A version of Kubernetes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KubeVersion {
    /// The version as the cluster or the user says it, with a `v`.
    pub version: String,
    /// The version without suffixes, where Helm knows one: not for live clusters.
    pub normalized: String,
    /// The major number.
    pub major: String,
    /// The minor number; a live cluster may say `29+`.
    pub minor: String,
}

impl KubeVersion {
    /// Reads a version such as `1.30.1` or `v1.30`, as `--kube-version` does (`k8s.io/apimachinery` `pkg/util/version`, `ParseGeneric`):
    /// two numbers at least, and whatever follows them. The error says what is wrong in its words.
    pub fn parse(text: &str, compat: &HelmCompat) -> Result<KubeVersion, String> {
        let numbers = numbers(text)?;
        let normalized = format!("v{}", numbers.iter().map(u64::to_string).collect::<Vec<_>>().join("."));
        let given = if text.starts_with('v') { text.to_owned() } else { format!("v{text}") };
        Ok(KubeVersion {
            version: if compat.keeps_kube_version_suffix() { given } else { normalized.clone() },
            normalized,
            major: numbers[0].to_string(),
            minor: numbers[1].to_string(),
        })
    }

    /// Takes over what a live cluster says; such a version has no normalized form.
    pub fn live(git_version: &str, major: &str, minor: &str) -> KubeVersion {
        KubeVersion { version: git_version.to_owned(), normalized: String::new(), major: major.to_owned(), minor: minor.to_owned() }
    }

    /// Returns what `String()` gives: the normalized version if there is one.
    pub fn text(&self) -> &str {
        if self.normalized.is_empty() { &self.version } else { &self.normalized }
    }
}

/// Reads the numbers that a version begins with.
fn numbers(text: &str) -> Result<Vec<u64>, String> {
    let quoted = quote_text(text);
    let bare = text.trim_start_matches([' ', '\t', '\n', '\u{c}', '\r']);
    let bare = bare.strip_prefix('v').unwrap_or(bare);
    // What follows the numbers may be anything on the same line.
    if !bare.starts_with(|c: char| c.is_ascii_digit()) || bare.contains('\n') {
        return Err(format!("could not parse {quoted} as version"));
    }
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let mut end = digits(bare);
    while bare[end..].starts_with('.') && digits(&bare[end + 1..]) > 0 {
        end += 1 + digits(&bare[end + 1..]);
    }
    let parts: Vec<&str> = bare[..end].split('.').collect();
    if parts.len() < 2 {
        return Err(format!("illegal version string {quoted}"));
    }
    if parts[0].starts_with('0') && parts[0] != "0" {
        return Err(format!("illegal zero-prefixed version component {} in {quoted}", quote_text(parts[0])));
    }
    let number = |part: &&str| {
        part.parse().map_err(|_| {
            let part = quote_text(part);
            format!("illegal non-numeric version component {part} in {quoted}: strconv.ParseUint: parsing {part}: value out of range")
        })
    };
    parts.iter().map(number).collect()
}

/// What `.Capabilities` holds, but for the version of Helm, which is that of the [`HelmCompat`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capabilities {
    /// The cluster's version.
    pub kube_version: KubeVersion,
    /// The API versions served. For a live cluster `group/version` and `group/version/Kind`.
    pub api_versions: Vec<String>,
}

impl Capabilities {
    /// Returns what a render without a cluster assumes.
    pub fn offline(compat: &HelmCompat) -> Capabilities {
        let kube_version =
            KubeVersion::parse(compat.default_kube_version(), compat).unwrap_or_else(|_| KubeVersion::live("v1.20.0", "1", "20"));
        Capabilities { kube_version, api_versions: DEFAULT_API_VERSIONS.lines().map(str::to_owned).collect() }
    }

    /// Adds API versions, as `--api-versions` does.
    pub fn with_api_versions(mut self, versions: impl IntoIterator<Item = String>) -> Capabilities {
        self.api_versions.extend(versions);
        self
    }

    /// Replaces the version, as `--kube-version` does.
    pub fn with_kube_version(mut self, version: KubeVersion) -> Capabilities {
        self.kube_version = version;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_versions() {
        let check = |helm: &str, text: &str, version: &str, string: &str| {
            let found = KubeVersion::parse(text, &HelmCompat::of(helm)).expect("a version");
            assert_eq!((found.version.as_str(), found.text()), (version, string));
        };
        check("4.2.4", "1.30.1-x", "v1.30.1-x", "v1.30.1");
        check("3.19", "v1.30.1-x", "v1.30.1", "v1.30.1");
        check("4.2.4", "1.30", "v1.30", "v1.30");
        check("3.19", "1.30", "v1.30", "v1.30");
        check("4.2.4", "1.30.x", "v1.30.x", "v1.30");
        check("4.2.4", "1.2.3.4+k", "v1.2.3.4+k", "v1.2.3.4");
        assert_eq!(KubeVersion::live("v1.29.1-eks-1", "1", "29+").text(), "v1.29.1-eks-1");
    }

    #[test]
    fn refuses_what_is_no_version() {
        let check = |text: &str, why: &str| assert_eq!(KubeVersion::parse(text, &HelmCompat::newest()).err().as_deref(), Some(why));
        check("x", "could not parse \"x\" as version");
        check("1", "illegal version string \"1\"");
        check("01.2", "illegal zero-prefixed version component \"01\" in \"01.2\"");
        let large = "1.99999999999999999999";
        let why = "value out of range";
        check(
            large,
            &format!(
                "illegal non-numeric version component {:?} in {large:?}: strconv.ParseUint: parsing {:?}: {why}",
                &large[2..],
                &large[2..]
            ),
        );
    }

    #[test]
    fn knows_the_defaults() {
        let capabilities = Capabilities::offline(&HelmCompat::newest());
        assert_eq!(capabilities.kube_version.version, "v1.36.0");
        assert!(capabilities.api_versions.iter().any(|version| version == "apps/v1"));
    }
}
