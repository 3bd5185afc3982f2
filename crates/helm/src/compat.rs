//! Which Helm to be: one question for every behaviour that differs between the generations that Flux has shipped.

/// The behaviour of one version of Helm. The default is the newest known one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HelmCompat {
    version: String,
    numbers: (u64, u64, u64),
}

/// How rendered files are split into documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Splitting {
    /// Up to 4.1: everything is trimmed on both ends.
    Trimmed,
    /// 4.2.0 to 4.2.3: only the left is trimmed, but a separator takes the blanks before it.
    LeftTrimmed,
    /// From 4.2.4: a separator is a line start, what precedes it stays.
    Lines,
}

const NEWEST: &str = "v4.2.4";

impl Default for HelmCompat {
    fn default() -> Self {
        HelmCompat::newest()
    }
}

impl HelmCompat {
    /// Returns the newest known behaviour.
    pub fn newest() -> HelmCompat {
        HelmCompat::of(NEWEST)
    }

    /// Returns the behaviour of a Helm version such as `3.19`, `v4.1.1` or `4.2.4-flux.1`; missing parts count as zero, except that a
    /// bare generation means its last release where that is what matters (3 is 3.22, 4 the newest).
    pub fn of(version: &str) -> HelmCompat {
        let bare = version.trim().trim_start_matches('v');
        let core = bare.split(['-', '+']).next().unwrap_or_default();
        let mut parts = core.split('.').map(|part| part.parse::<u64>().ok());
        let numbers = match (parts.next().flatten(), parts.next().flatten(), parts.next().flatten()) {
            (Some(3), None, _) => (3, 22, 0),
            (Some(4), None, _) | (None, ..) => (4, 2, 4),
            // Flux moved to 4.1.4 within its minor; a bare minor means its last patch.
            (Some(4), Some(1), None) => (4, 1, 4),
            (Some(major), minor, patch) => (major, minor.unwrap_or(0), patch.unwrap_or(0)),
        };
        let version = if core.split('.').count() >= 3 { format!("v{bare}") } else { format!("v{}.{}.{}", numbers.0, numbers.1, numbers.2) };
        HelmCompat { version, numbers }
    }

    /// Returns the version as `.Capabilities.HelmVersion.Version` prints it.
    pub fn version(&self) -> &str {
        &self.version
    }

    fn at_least(&self, major: u64, minor: u64, patch: u64) -> bool {
        self.numbers >= (major, minor, patch)
    }

    /// Tells whether this is Helm 3.
    pub fn is_v3(&self) -> bool {
        !self.at_least(4, 0, 0)
    }

    /// Returns how rendered files are split into documents.
    pub fn splitting(&self) -> Splitting {
        if self.at_least(4, 2, 4) {
            Splitting::Lines
        } else if self.at_least(4, 2, 0) {
            Splitting::LeftTrimmed
        } else {
            Splitting::Trimmed
        }
    }

    /// Tells whether webhook configurations have a place in the install order, or sort among unknown kinds.
    pub fn orders_webhooks(&self) -> bool {
        self.at_least(4, 0, 0)
    }

    /// Tells whether `.Chart` is a struct, whose unknown fields are errors, or a map.
    pub fn chart_is_struct(&self) -> bool {
        self.is_v3()
    }

    /// Returns the Go type that `.Values` prints as.
    pub fn values_type(&self) -> &'static str {
        if self.is_v3() { "chartutil.Values" } else { "common.Values" }
    }

    /// Tells whether all documents of `values.yaml` count, or only the first.
    pub fn merges_values_documents(&self) -> bool {
        self.at_least(4, 0, 0)
    }

    /// Tells whether a null of the user survives where the chart has no default for it.
    pub fn keeps_foreign_nulls(&self) -> bool {
        match self.numbers.0 {
            3 => self.at_least(3, 20, 0),
            _ => self.at_least(4, 1, 3),
        }
    }

    /// Tells whether nulls among a chart's own defaults vanish before they can reach a subchart.
    pub fn cleans_default_nulls(&self) -> bool {
        self.at_least(4, 2, 0)
    }

    /// Tells whether execution errors are laid out on several lines.
    pub fn lays_out_errors(&self) -> bool {
        self.at_least(4, 0, 0)
    }

    /// Tells whether `mustToYaml` and `mustToToml` exist.
    pub fn has_must_to_yaml(&self) -> bool {
        self.at_least(4, 2, 0)
    }

    /// Tells whether the local part of an e-mail address is a quoted one only where a quote ends it too: schemas are checked with
    /// `jsonschema` 6.0.3 then.
    pub fn closes_quotes_of_emails(&self) -> bool {
        if self.is_v3() { self.at_least(3, 22, 0) } else { self.at_least(4, 3, 0) }
    }

    /// Tells whether the duration functions exist; no release has them yet.
    pub fn has_duration_functions(&self) -> bool {
        self.at_least(4, 4, 0)
    }

    /// Returns the Kubernetes version of a render without a cluster.
    pub fn default_kube_version(&self) -> &'static str {
        match self.numbers {
            (4, minor, _) if minor >= 2 => "v1.36.0",
            (4, 1, _) => "v1.35.0",
            (4, ..) => "v1.34.0",
            (3, minor, _) if minor >= 20 => "v1.35.0",
            (3, ..) => "v1.34.0",
            _ => "v1.36.0",
        }
    }

    /// Returns how an error begins that names declared dependencies which are not in a chart.
    pub(crate) fn missing_dependencies(&self) -> &'static str {
        if self.is_v3() {
            "An error occurred while checking for chart dependencies. You may need to run `helm dependency build` to fetch missing dependencies"
        } else if self.at_least(4, 2, 0) {
            "an error occurred while checking for chart dependencies. You may need to run 'helm dependency build' to fetch missing dependencies"
        } else {
            "an error occurred while checking for chart dependencies. You may need to run `helm dependency build` to fetch missing dependencies"
        }
    }

    /// Tells whether `.Capabilities.KubeVersion.Version` keeps a suffix of the version it was given.
    pub fn keeps_kube_version_suffix(&self) -> bool {
        self.at_least(4, 1, 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_generations_apart() {
        let check = |version: &str, splitting, foreign, cleans| {
            let compat = HelmCompat::of(version);
            assert_eq!(
                (compat.splitting(), compat.keeps_foreign_nulls(), compat.cleans_default_nulls()),
                (splitting, foreign, cleans),
                "{version}"
            );
        };
        check("3.19", Splitting::Trimmed, false, false);
        check("v3.22.0", Splitting::Trimmed, true, false);
        check("4.1.1", Splitting::Trimmed, false, false);
        check("4.1", Splitting::Trimmed, true, false);
        check("4.2.0", Splitting::LeftTrimmed, true, true);
        check("4.2.4-flux.1", Splitting::Lines, true, true);
        check("", Splitting::Lines, true, true);
        assert_eq!(HelmCompat::default(), HelmCompat::of("4"));
        assert_eq!(HelmCompat::of("v4.2.4-flux.1").version(), "v4.2.4-flux.1");
        assert_eq!(HelmCompat::of("3.19").version(), "v3.19.0");
    }
}
