//! What helm-controller will do with a release that it finds in storage (`internal/reconcile/state.go`), as far as HelmRelease, record
//! and wish decide it. It does not compute digests of records: the caller knows them.

use std::fmt;

use serde_json::Value;

use crate::fields::{get, items, text};

/// The last revision of a release in storage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredRelease {
    /// The name of the release.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// Its revision.
    pub version: i64,
    /// Its status, as Helm writes it.
    pub status: String,
    /// The name of its chart.
    pub chart_name: String,
    /// The version of its chart.
    pub chart_version: String,
    /// The release digest of the record, where it was computed.
    pub digest: Option<String>,
}

/// What helm-controller wants to install.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The name of the chart.
    pub chart_name: String,
    /// The version of the chart, as helm-controller changes it.
    pub chart_version: String,
    /// The digest of the composed values, from [`config_digest`](crate::config_digest).
    pub config_digest: String,
    /// Whether helm-controller verifies digests of snapshots without `apiVersion`, as up to 1.4.
    pub verifies_legacy_snapshots: bool,
}

/// What helm-controller will do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// It installs.
    Absent,
    /// Nothing.
    InSync,
    /// It upgrades.
    Upgrade {
        /// Why.
        reason: String,
    },
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Decision::Absent => f.write_str("install"),
            Decision::InSync => f.write_str("in sync"),
            Decision::Upgrade { reason } => write!(f, "upgrade: {reason}"),
        }
    }
}

/// Decides as helm-controller does, from the HelmRelease with its status, the record and the wish.
///
/// Drift detection and tests, which need the live objects, are left to the caller.
pub fn decide(helm_release: Option<&Value>, stored: Option<&StoredRelease>, wanted: &Wanted) -> Decision {
    let upgrade = |reason: String| Decision::Upgrade { reason };
    let Some(stored) = stored else { return Decision::Absent };
    let none = Value::Null;
    let release = helm_release.unwrap_or(&none);
    if stored.status.starts_with("pending-") {
        return upgrade(format!("the record is locked: its status is {}", stored.status));
    }
    let newest = items(release, &["status", "history"]).iter().max_by_key(|snapshot| get(snapshot, &["version"]).and_then(Value::as_i64));
    let Some(snapshot) = newest else {
        return match stored.status.as_str() {
            "uninstalled" => Decision::Absent,
            _ => upgrade("the HelmRelease has no history: the release is not managed yet".to_string()),
        };
    };
    if let Some(reason) = unmanaged(snapshot, stored, wanted) {
        return upgrade(reason);
    }
    match stored.status.as_str() {
        "deployed" => {}
        "uninstalled" => return Decision::Absent,
        status => return upgrade(format!("the release is {status}")),
    }
    match out_of_sync(release, snapshot, stored, wanted) {
        Some(reason) => upgrade(reason),
        None => Decision::InSync,
    }
}

/// Returns why the newest snapshot does not describe the record.
fn unmanaged(snapshot: &Value, stored: &StoredRelease, wanted: &Wanted) -> Option<String> {
    let field = |key: &str| text(snapshot, &[key]).unwrap_or("");
    let digest = field("digest");
    let sum = digest
        .split_once(':')
        .filter(|(algorithm, sum)| !algorithm.is_empty() && sum.len() >= 32 && sum.bytes().all(|byte| byte.is_ascii_hexdigit()));
    if sum.is_none() {
        return Some(format!("the digest {digest:?} in the history is none"));
    }
    let verifies = field("apiVersion") == "v2" || wanted.verifies_legacy_snapshots;
    match &stored.digest {
        Some(actual) if verifies && actual != digest => Some(format!("the digest of the record is {actual}, the history says {digest}")),
        _ => None,
    }
}

fn out_of_sync(release: &Value, snapshot: &Value, stored: &StoredRelease, wanted: &Wanted) -> Option<String> {
    let differs = |what: &str, is: &str, should: &str| (is != should).then(|| format!("the {what} is {is:?}, wanted is {should:?}"));
    differs("chart", &stored.chart_name, &wanted.chart_name)
        .or_else(|| differs("chart version", &stored.chart_version, &wanted.chart_version))
        .or_else(|| differs("digest of the values", text(snapshot, &["configDigest"]).unwrap_or(""), &wanted.config_digest))
        .or_else(|| observed(release))
}

/// The digests of fields that act after rendering count only once the HelmRelease has changed.
fn observed(release: &Value) -> Option<String> {
    let generation = |path: &[&str]| get(release, path).and_then(Value::as_i64).unwrap_or(0);
    if generation(&["status", "observedGeneration"]) == generation(&["metadata", "generation"]) {
        return None;
    }
    let differs = |what: &str, seen: &str, now: Option<String>| {
        (text(release, &["status", seen]).unwrap_or("") != now.unwrap_or_default()).then(|| format!("{what} changed"))
    };
    let post_renderers = crate::post_renderers_digest(get(release, &["spec", "postRenderers"]));
    let metadata = crate::common_metadata_digest(get(release, &["spec", "commonMetadata"]));
    differs("spec.postRenderers", "observedPostRenderersDigest", post_renderers)
        .or_else(|| differs("spec.commonMetadata", "observedCommonMetadataDigest", metadata))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const DIGEST: &str = "sha256:f1498f27a16a09cd7e1ee610d924df065c03d30035638babc95dd9a8d412ce4d";

    fn stored() -> StoredRelease {
        StoredRelease {
            name: "web".into(),
            namespace: "apps".into(),
            version: 1,
            status: "deployed".into(),
            chart_name: "web".into(),
            chart_version: "1.0.0".into(),
            digest: Some(DIGEST.into()),
        }
    }

    fn wanted() -> Wanted {
        Wanted {
            chart_name: "web".into(),
            chart_version: "1.0.0".into(),
            config_digest: "sha256:c".into(),
            verifies_legacy_snapshots: false,
        }
    }

    fn release(snapshot: Value) -> Value {
        json!({"metadata": {"generation": 1}, "spec": {}, "status": {"observedGeneration": 1, "history": [snapshot]}})
    }

    fn check(release: Option<Value>, stored: Option<StoredRelease>, expected: &str) {
        let decision = decide(release.as_ref(), stored.as_ref(), &wanted());
        assert!(decision.to_string().starts_with(expected), "{decision} is not {expected}");
    }

    #[test]
    fn decisions_in_the_order_of_helm_controller() {
        let good = json!({"version": 1, "digest": DIGEST, "configDigest": "sha256:c", "apiVersion": "v2"});
        check(Some(release(good.clone())), Some(stored()), "in sync");
        check(None, None, "install");
        check(None, Some(stored()), "upgrade: the HelmRelease has no history");
        check(
            Some(release(good.clone())),
            Some(StoredRelease { status: "pending-install".into(), ..stored() }),
            "upgrade: the record is locked",
        );
        check(Some(release(good.clone())), Some(StoredRelease { status: "failed".into(), ..stored() }), "upgrade: the release is failed");
        check(
            Some(release(good.clone())),
            Some(StoredRelease { digest: Some("sha256:0".into()), ..stored() }),
            "upgrade: the digest of the record",
        );
        check(Some(release(good.clone())), Some(StoredRelease { chart_version: "2".into(), ..stored() }), "upgrade: the chart version");
        check(Some(release(json!({"version": 1, "digest": "x"}))), Some(stored()), "upgrade: the digest \"x\"");
        check(
            Some(release(json!({"version": 1, "digest": DIGEST, "configDigest": "sha256:d"}))),
            Some(stored()),
            "upgrade: the digest of the values",
        );
        let mut changed = release(good);
        changed["metadata"]["generation"] = json!(2);
        check(Some(changed.clone()), Some(stored()), "in sync");
        changed["spec"]["postRenderers"] = json!([{"kustomize": {}}]);
        check(Some(changed), Some(stored()), "upgrade: spec.postRenderers changed");
    }
}
