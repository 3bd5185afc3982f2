//! What a cluster can do, as templates see it: its version and the API versions it serves (`pkg/chart/common/capabilities.go`).

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
    /// Reads a version such as `1.30.1` or `v1.30`, as `--kube-version` does.
    pub fn parse(text: &str, compat: &HelmCompat) -> Option<KubeVersion> {
        let version = sprig::semver::Version::parse(text).ok()?;
        let normalized = format!("v{}.{}.{}", version.major, version.minor, version.patch);
        let given = if text.starts_with('v') { text.to_owned() } else { format!("v{text}") };
        Some(KubeVersion {
            version: if compat.keeps_kube_version_suffix() { given } else { normalized.clone() },
            normalized,
            major: version.major.to_string(),
            minor: version.minor.to_string(),
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
            KubeVersion::parse(compat.default_kube_version(), compat).unwrap_or_else(|| KubeVersion::live("v1.20.0", "1", "20"));
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
        check("4.2.4", "1.30", "v1.30", "v1.30.0");
        assert_eq!(KubeVersion::live("v1.29.1-eks-1", "1", "29+").text(), "v1.29.1-eks-1");
    }

    #[test]
    fn knows_the_defaults() {
        let capabilities = Capabilities::offline(&HelmCompat::newest());
        assert_eq!(capabilities.kube_version.version, "v1.36.0");
        assert!(capabilities.api_versions.iter().any(|version| version == "apps/v1"));
    }
}
