//! One thing that is wrong, and the kinds of things that can be.

use std::fmt;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It will fail.
    Error,
    /// It may be meant, or may be mended by something that is not in the repository.
    Warning,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
        })
    }
}

/// The kinds of findings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// Something is in a namespace that nothing makes.
    AbsentNamespace,
    /// Listed, not there.
    AbsentResource,
    /// There, not listed.
    Unreachable,
    /// A kustomization cannot be built.
    BuildFailure,
    /// A variable has neither value nor default.
    UnsetVariable,
    /// `dependsOn` names nothing.
    DanglingDependsOn,
    /// A health check names nothing.
    DanglingHealthCheck,
    /// A chart's source is not there.
    DanglingChartRef,
    /// A source is not there.
    DanglingSourceRef,
    /// Values come from nowhere.
    DanglingValuesFrom,
    /// Two definitions of one object.
    DuplicateObject,
    /// Things wait for each other.
    Cycle,
    /// Flux could never take the release over.
    NotAdoptable,
    /// An API server refuses the object.
    InvalidObject,
    /// No definition makes the kind.
    UnknownKind,
    /// The chart's schema refuses the values.
    RefusedValues,
    /// A chart cannot be rendered or read.
    Chart,
    /// A service address is not in the cluster's range.
    ServiceAddress,
    /// A step of `launchway.yaml` cannot run.
    Manifest,
}

/// Every rule with its name and what it finds.
pub const RULES: &[(Rule, &str, &str)] = &[
    (Rule::AbsentNamespace, "absent-namespace", "Objects are in a namespace that nothing makes."),
    (Rule::AbsentResource, "absent-resource", "A kustomization or a Kustomization names a file or folder that is not there."),
    (Rule::BuildFailure, "build-failure", "A kustomization cannot be built."),
    (Rule::Chart, "chart", "A chart cannot be read or rendered."),
    (Rule::Cycle, "cycle", "Kustomizations, HelmReleases or folders wait for each other."),
    (Rule::DanglingChartRef, "dangling-chart-ref", "A HelmRelease names a source of its chart that is nowhere in the tree."),
    (Rule::DanglingDependsOn, "dangling-depends-on", "Something depends on a Kustomization or HelmRelease that is nowhere in the tree."),
    (Rule::DanglingHealthCheck, "dangling-health-check", "A Kustomization waits for the health of something that is nowhere in the tree."),
    (Rule::DanglingSourceRef, "dangling-source-ref", "Something names a source that is nowhere in the tree."),
    (
        Rule::DanglingValuesFrom,
        "dangling-values-from",
        "Values or variables come from a ConfigMap or Secret that nothing in the tree makes.",
    ),
    (Rule::DuplicateObject, "duplicate-object", "Two Kustomizations apply the same object, and undo each other's work."),
    (Rule::InvalidObject, "invalid-object", "An API server refuses the object."),
    (Rule::Manifest, "manifest", "A step of launchway.yaml cannot run."),
    (Rule::NotAdoptable, "not-adoptable", "Flux could never take the release over."),
    (Rule::RefusedValues, "refused-values", "The schema of a chart refuses the values."),
    (Rule::ServiceAddress, "service-address", "A cluster IP is not in the range of service addresses."),
    (Rule::UnknownKind, "unknown-kind", "No definition in the tree, in its charts or at run time makes the kind."),
    (Rule::Unreachable, "unreachable", "A manifest lies in the tree and no kustomization lists it."),
    (Rule::UnsetVariable, "unset-variable", "A variable has neither a value nor a default."),
];

impl Rule {
    /// Returns the name of the rule, as reports and `docs/` have it.
    pub fn id(self) -> &'static str {
        RULES.iter().find(|(rule, ..)| *rule == self).map_or("", |(_, id, _)| id)
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// The file, from the root of the repository.
    pub file: String,
    /// The line, counted from 1.
    pub line: usize,
    /// The column, counted from 1.
    pub column: usize,
    /// How bad it is.
    pub severity: Severity,
    /// Which kind of fault it is.
    pub rule: Rule,
    /// What is wrong, naming the object.
    pub message: String,
    /// The way out.
    pub hint: Option<String>,
}

impl Finding {
    /// Returns a finding that will make the bootstrap or Flux fail.
    pub fn error(rule: Rule, file: &str, line: usize, column: usize, message: impl Into<String>) -> Finding {
        Finding { file: file.to_string(), line, column, severity: Severity::Error, rule, message: message.into(), hint: None }
    }

    /// Returns a finding that may be meant.
    pub fn warning(rule: Rule, file: &str, line: usize, column: usize, message: impl Into<String>) -> Finding {
        Finding { severity: Severity::Warning, ..Finding::error(rule, file, line, column, message) }
    }

    /// Returns what two findings have in common that tell the same.
    fn same_as(&self) -> (&str, usize, usize, Rule, &str) {
        (&self.file, self.line, self.column, self.rule, &self.message)
    }

    /// Adds the way out.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Finding {
        self.hint = Some(hint.into());
        self
    }
}

/// Returns findings in the order of their places, each once: the same may be found in several ways, and from several clusters with other hints.
pub fn merged(mut findings: Vec<Finding>) -> Vec<Finding> {
    // The worst is the first of those that are the same.
    findings.sort_by(|one, other| one.same_as().cmp(&other.same_as()).then_with(|| one.cmp(other)));
    findings.dedup_by(|one, other| one.same_as() == other.same_as());
    findings.sort();
    findings
}
