//! Where the chart of a HelmRelease comes from.

use std::fmt;

use serde_json::Value;

use crate::error::Error;
use crate::fields::{flag, items, name, namespace, text};
use crate::tree::{EXTERNAL, Located, Tree};

/// A chart, as its source names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChartRef {
    /// A chart in an OCI registry. A digest goes before a version range, a range before a tag; with none of them it is `latest`.
    Oci {
        /// The repository, with `oci://`.
        url: String,
        /// The tag.
        tag: Option<String>,
        /// A range of versions, of which Flux takes the highest tag.
        semver: Option<String>,
        /// A regular expression that tags must fit to count as versions.
        filter: Option<String>,
        /// The digest of the manifest.
        digest: Option<String>,
        /// Whether the registry may speak plain HTTP.
        insecure: bool,
    },
    /// A chart in a chart repository.
    Repository {
        /// The repository; `oci://` for one in a registry.
        url: String,
        /// The name of the chart.
        name: String,
        /// The version or a range of versions.
        version: String,
    },
    /// A chart in the repository that the tree is in.
    Path {
        /// Its folder, from the root of the repository.
        path: String,
    },
}

impl ChartRef {
    /// Returns the name of the chart, as far as the reference tells it: the last part of an address or path.
    pub fn name(&self) -> &str {
        let text = match self {
            ChartRef::Oci { url, .. } => url,
            ChartRef::Repository { name, .. } => name,
            ChartRef::Path { path } => path,
        };
        text.trim_end_matches('/').rsplit('/').next().unwrap_or_default()
    }
}

impl fmt::Display for ChartRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ChartRef::Oci { url, digest: Some(digest), .. } => write!(f, "{url}@{digest}"),
            ChartRef::Oci { url, semver: Some(range), .. } => write!(f, "{url} {range}"),
            ChartRef::Oci { url, tag, .. } => write!(f, "{url}:{}", tag.as_deref().unwrap_or("latest")),
            ChartRef::Repository { url, name, version } => write!(f, "{name} {version} from {url}"),
            ChartRef::Path { path } => f.write_str(path),
        }
    }
}

/// Returns the chart that a HelmRelease names.
pub(crate) fn chart(tree: &Tree, release: &Located) -> Result<ChartRef, Error> {
    let value = &release.object.value;
    if let Some(reference) = value.pointer("/spec/chartRef").filter(|reference| !reference.is_null()) {
        return referred(tree, release, reference);
    }
    match value.pointer("/spec/chart/spec") {
        Some(spec) => template(tree, release, spec),
        None => Err(Error::at(&release.object, "the HelmRelease has neither spec.chartRef nor spec.chart")),
    }
}

/// Files whose values Flux merges into one another in place of the chart's own, when it packages the chart (source-controller
/// `internal/helm/chart/builder_{local,remote}.go`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ValuesFiles {
    /// The paths, in the chart or, where that is in a repository, from the root of that.
    pub paths: Vec<String>,
    /// Whether those that are not there do not matter.
    pub ignore_missing: bool,
}

/// Returns the spec of the HelmChart that a HelmRelease names or that helm-controller makes of it.
fn helm_chart<'a>(tree: &'a Tree, release: &'a Located) -> Option<&'a Value> {
    let value = &release.object.value;
    if text(value, &["spec", "chartRef", "kind"]) == Some("HelmChart") {
        return object(tree, release).and_then(|chart| chart.object.value.get("spec"));
    }
    value.pointer("/spec/chart/spec")
}

/// Returns whether source-controller adds the revision of the source to the version of the chart (1.9 `helmchart_controller.go`,
/// buildFromTarballArtifact).
pub(crate) fn takes_revision(tree: &Tree, release: &Located) -> bool {
    helm_chart(tree, release).is_some_and(|spec| {
        text(spec, &["reconcileStrategy"]) == Some("Revision")
            && matches!(text(spec, &["sourceRef", "kind"]), Some("GitRepository" | "Bucket"))
    })
}

/// Returns the values files that a HelmRelease or its HelmChart names.
pub(crate) fn values_files(tree: &Tree, release: &Located) -> ValuesFiles {
    let Some(spec) = helm_chart(tree, release) else { return ValuesFiles::default() };
    let paths = items(spec, &["valuesFiles"]).iter().filter_map(Value::as_str).map(str::to_string).collect();
    ValuesFiles { paths, ignore_missing: flag(spec, &["ignoreMissingValuesFiles"]) }
}

/// Returns the source object that a HelmRelease names, where it is in the tree.
pub(crate) fn object<'a>(tree: &'a Tree, release: &Located) -> Option<&'a Located> {
    let value = &release.object.value;
    let reference =
        ["/spec/chartRef", "/spec/chart/spec/sourceRef"].iter().find_map(|path| value.pointer(path).filter(|found| !found.is_null()))?;
    let kind = text(reference, &["kind"]).unwrap_or("HelmRepository");
    find(tree, release, kind, reference).ok()
}

fn referred(tree: &Tree, release: &Located, reference: &Value) -> Result<ChartRef, Error> {
    let kind = text(reference, &["kind"]).unwrap_or("OCIRepository");
    if kind == EXTERNAL {
        let wanted = text(reference, &["name"]).unwrap_or("");
        return Err(Error::at(&release.object, format!("the chart is in ExternalArtifact {wanted}, which only a controller makes")));
    }
    let source = find(tree, release, kind, reference)?;
    match kind {
        "OCIRepository" => Ok(oci(&source.object.value)),
        "HelmChart" => template(tree, source, source.object.value.get("spec").unwrap_or(&Value::Null)),
        other => Err(Error::at(&release.object, format!("spec.chartRef.kind {other} is not supported; it is OCIRepository or HelmChart"))),
    }
}

/// Finds the object that a reference names, in the namespace of the referring object unless it names another.
fn find<'a>(tree: &'a Tree, from: &Located, kind: &str, reference: &Value) -> Result<&'a Located, Error> {
    let wanted = text(reference, &["name"]).unwrap_or("");
    let inside = text(reference, &["namespace"]).unwrap_or(namespace(&from.object.value));
    tree.find("source.toolkit.fluxcd.io", kind, inside, wanted).ok_or_else(|| {
        let others: Vec<String> = tree
            .located()
            .filter(|located| crate::fields::kind(&located.object.value) == kind && name(&located.object.value) == wanted)
            .map(|located| format!("{} ({}:{})", namespace(&located.object.value), located.object.file, located.object.line))
            .collect();
        let elsewhere = if others.is_empty() { String::new() } else { format!("; there is one in namespace {}", others.join(", ")) };
        Error::at(&from.object, format!("the tree has no {kind} {inside}/{wanted}{elsewhere}"))
    })
}

fn oci(source: &Value) -> ChartRef {
    let part = |key: &str| text(source, &["spec", "ref", key]).map(str::to_string);
    ChartRef::Oci {
        url: text(source, &["spec", "url"]).unwrap_or("").to_string(),
        tag: part("tag"),
        semver: part("semver"),
        filter: part("semverFilter"),
        digest: part("digest"),
        insecure: flag(source, &["spec", "insecure"]),
    }
}

/// Reads the fields that `spec.chart.spec` of a HelmRelease shares with `spec` of a HelmChart.
fn template(tree: &Tree, from: &Located, spec: &Value) -> Result<ChartRef, Error> {
    let chart = text(spec, &["chart"]).ok_or_else(|| Error::at(&from.object, "the chart has no name"))?.to_string();
    let reference = spec.get("sourceRef").ok_or_else(|| Error::at(&from.object, "the chart has no sourceRef"))?;
    let kind = text(reference, &["kind"]).unwrap_or("HelmRepository");
    if kind != "HelmRepository" {
        let inside = text(reference, &["namespace"]).unwrap_or(namespace(&from.object.value));
        let wanted = text(reference, &["name"]).unwrap_or("");
        if !tree.is_own_source(kind, inside, wanted) {
            return Err(Error::at(
                &from.object,
                format!("the chart {chart} is in another repository, {kind} {inside}/{wanted}, which cannot be read here"),
            ));
        }
        let path = kustomize::join_path("", chart.trim_start_matches('/'));
        let path = path.ok_or_else(|| Error::at(&from.object, format!("the chart path {chart} leaves the repository")))?;
        return Ok(ChartRef::Path { path });
    }
    let source = find(tree, from, kind, reference)?;
    let version = text(spec, &["version"]).unwrap_or("*").to_string();
    let url = text(&source.object.value, &["spec", "url"]).unwrap_or("").to_string();
    if text(&source.object.value, &["spec", "type"]) != Some("oci") && !url.starts_with("oci://") {
        return Ok(ChartRef::Repository { url, name: chart, version });
    }
    let is_exact = version.starts_with(|c: char| c.is_ascii_digit() || c == 'v')
        && version.matches('.').count() >= 2
        && !version.contains([' ', '|', ',', '*', 'x']);
    let (tag, semver) = if is_exact { (Some(version.replace('+', "_")), None) } else { (None, Some(version)) };
    let insecure = flag(&source.object.value, &["spec", "insecure"]);
    Ok(ChartRef::Oci { url: format!("{}/{chart}", url.trim_end_matches('/')), tag, semver, filter: None, digest: None, insecure })
}
