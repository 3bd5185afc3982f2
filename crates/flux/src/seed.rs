//! The status that makes helm-controller take a release over without an upgrade: the one it would have written, had it installed the
//! release itself (`api/v2/{snapshot,helmrelease}_types.go`, `internal/reconcile/release.go`). It writes nothing.

use serde_json::{Map, Value, json};

use crate::fields::{flag, get};

/// A release that is installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    /// Its name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// Its revision.
    pub version: i64,
    /// The name of its chart.
    pub chart_name: String,
    /// The version of its chart.
    pub chart_version: String,
    /// The version of what the chart installs; may be empty.
    pub app_version: String,
    /// When it was first deployed, and last: RFC 3339.
    pub first_deployed: String,
    /// See [`Installed::first_deployed`].
    pub last_deployed: String,
    /// The digest of its record.
    pub digest: String,
    /// The digest of its values, from [`config_digest`](crate::config_digest).
    pub config_digest: String,
    /// The digest of the chart's manifest, where it comes from an OCIRepository.
    pub oci_digest: Option<String>,
    /// Its objects, as [`inventory_entry`] writes them.
    pub inventory: Vec<Value>,
}

/// How a helm-controller keeps what it knows of a release.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Generation {
    /// Up to 1.4: the digest is taken of the record as Helm 3 writes it.
    Helm3,
    /// From 1.5 on: snapshots say `apiVersion: v2`.
    Helm4,
}

impl Generation {
    /// Returns the generation of a version of helm-controller that taking over without a write was proved with.
    pub fn proved(version: &str) -> Option<Generation> {
        let mut numbers = version.trim_start_matches('v').split('.');
        match (numbers.next()?, numbers.next()?) {
            ("1", "4") => Some(Generation::Helm3),
            ("1", "5" | "6") => Some(Generation::Helm4),
            _ => None,
        }
    }
}

/// Returns whether a HelmRelease in the cluster tells helm-controller of the record whose digest it is, or helm-controller has looked at the
/// release itself and needs no telling. Times would not do: a run that died may have been there within the same second.
pub fn knows(release: &Value, is_digest: impl Fn(&str) -> bool) -> bool {
    let has_looked = get(release, &["status", "storageNamespace"]).is_some();
    let newest = release.pointer("/status/history/0/digest").and_then(Value::as_str);
    newest.is_some_and(|digest| has_looked || is_digest(digest))
}

/// Returns the status of a HelmRelease as it is in the cluster, for a release that is installed. `now` is RFC 3339.
pub fn seeded_status(release: &Value, installed: &Installed, generation: Generation, now: &str) -> Value {
    let observed = get(release, &["metadata", "generation"]).cloned().unwrap_or(json!(1));
    let Installed { name, namespace, version, chart_name, chart_version, .. } = installed;
    let action = if *version == 1 { "install" } else { "upgrade" };
    let reason = if *version == 1 { "InstallSucceeded" } else { "UpgradeSucceeded" };
    let message = format!("Helm {action} succeeded for release {namespace}/{name}.v{version} with chart {chart_name}@{chart_version}");
    let condition = |kind: &str| json!({ "type": kind, "status": "True", "reason": reason, "message": message, "observedGeneration": observed, "lastTransitionTime": seconds(now) });
    let mut status = Map::from_iter([
        ("observedGeneration".to_string(), observed.clone()),
        ("conditions".to_string(), json!([condition("Ready"), condition("Released")])),
        ("history".to_string(), json!([snapshot(release, installed, generation, action)])),
        ("lastAttemptedGeneration".to_string(), observed.clone()),
        ("lastAttemptedRevision".to_string(), json!(chart_version)),
        ("lastAttemptedConfigDigest".to_string(), json!(installed.config_digest)),
        ("lastAttemptedReleaseAction".to_string(), json!(action)),
    ]);
    let optional = [
        ("lastAttemptedRevisionDigest", installed.oci_digest.clone()),
        ("observedPostRenderersDigest", crate::post_renderers_digest(get(release, &["spec", "postRenderers"]))),
        ("observedCommonMetadataDigest", crate::common_metadata_digest(get(release, &["spec", "commonMetadata"]))),
    ];
    status.extend(optional.into_iter().filter_map(|(key, value)| Some((key.to_string(), json!(value?)))));
    if generation == Generation::Helm4 {
        status.insert("inventory".to_string(), json!({ "entries": installed.inventory }));
    }
    Value::Object(status)
}

fn snapshot(release: &Value, installed: &Installed, generation: Generation, action: &str) -> Value {
    let mut snapshot = json!({
        "digest": installed.digest, "name": installed.name, "namespace": installed.namespace, "version": installed.version,
        "status": "deployed", "chartName": installed.chart_name, "chartVersion": installed.chart_version,
        "configDigest": installed.config_digest, "firstDeployed": seconds(&installed.first_deployed),
        "lastDeployed": seconds(&installed.last_deployed),
    });
    if !installed.app_version.is_empty() {
        snapshot["appVersion"] = json!(installed.app_version);
    }
    if let Some(digest) = &installed.oci_digest {
        snapshot["ociDigest"] = json!(digest);
    }
    if generation == Generation::Helm4 {
        snapshot["apiVersion"] = json!("v2");
        snapshot["action"] = json!(action);
    }
    if flag(release, &["spec", "test", "enable"]) {
        // An empty map counts as tested: tests are helm-controller's to run, and it would run them at once.
        snapshot["testHooks"] = json!({});
    }
    snapshot
}

/// Returns an object in the form of `status.inventory` (`fluxcd/cli-utils` `pkg/object/objmetadata.go`).
pub fn inventory_entry(api_version: &str, kind: &str, namespace: Option<&str>, name: &str) -> Value {
    let (group, version) = api_version.rsplit_once('/').unwrap_or(("", api_version));
    // Names of RBAC objects may hold colons.
    let name = if group == "rbac.authorization.k8s.io" { name.replace(':', "__") } else { name.to_string() };
    json!({ "id": format!("{}_{name}_{group}_{kind}", namespace.unwrap_or("")), "v": version })
}

/// Returns a time without its fraction: metav1.Time has none.
fn seconds(time: &str) -> String {
    match time.split_once('.') {
        Some((whole, rest)) => format!("{whole}{}", rest.trim_start_matches(|c: char| c.is_ascii_digit())),
        None => time.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn installed() -> Installed {
        Installed {
            name: "web".into(),
            namespace: "apps".into(),
            version: 1,
            chart_name: "web".into(),
            chart_version: "1.0.0+0123456789ab".into(),
            app_version: "7".into(),
            first_deployed: "2026-01-02T03:04:05.678Z".into(),
            last_deployed: "2026-01-02T03:04:05Z".into(),
            digest: "sha256:d".into(),
            config_digest: "sha256:c".into(),
            oci_digest: Some("sha256:o".into()),
            inventory: vec![inventory_entry("v1", "ConfigMap", Some("apps"), "web")],
        }
    }

    #[test]
    fn versions_that_were_proved() {
        for (version, expected) in
            [("v1.4.5", Some(Generation::Helm3)), ("1.6.3", Some(Generation::Helm4)), ("v1.7.0", None), ("v2.5.0", None), ("", None)]
        {
            assert_eq!(Generation::proved(version), expected, "{version}");
        }
    }

    #[test]
    fn snapshots_fit_the_controller() {
        let release = json!({"metadata": {"generation": 3}, "spec": {"test": {"enable": true}}});
        let status = seeded_status(&release, &installed(), Generation::Helm4, "2026-01-02T03:04:06Z");
        let history = &status["history"][0];
        assert_eq!((&history["apiVersion"], &history["firstDeployed"]), (&json!("v2"), &json!("2026-01-02T03:04:05Z")));
        assert_eq!((&history["testHooks"], &status["observedGeneration"]), (&json!({}), &json!(3)));
        let message = "Helm install succeeded for release apps/web.v1 with chart web@1.0.0+0123456789ab";
        assert_eq!(status["conditions"][1]["message"], message);
        let old = seeded_status(&release, &installed(), Generation::Helm3, "2026-01-02T03:04:06Z");
        assert!(old["history"][0].get("apiVersion").is_none() && old.get("inventory").is_none(), "{old}");
    }

    #[test]
    fn only_what_is_deployed_is_known() {
        let release = json!({"metadata": {"generation": 1}});
        let (is_it, is_another) = (|digest: &str| digest == "sha256:d", |digest: &str| digest == "sha256:e");
        assert!(!knows(&release, is_it));
        let mut seeded = json!({ "status": seeded_status(&release, &installed(), Generation::Helm4, "2026-01-02T03:04:06Z") });
        assert!(knows(&seeded, is_it));
        // It was done over, or upgraded, before Flux came.
        assert!(!knows(&seeded, is_another));
        seeded["status"]["storageNamespace"] = json!("apps");
        assert!(knows(&seeded, is_another), "Flux has looked");
    }

    #[test]
    fn entries_of_the_inventory() {
        let rbac = inventory_entry("rbac.authorization.k8s.io/v1", "ClusterRole", None, "system:x");
        assert_eq!(rbac, json!({"id": "_system__x_rbac.authorization.k8s.io_ClusterRole", "v": "v1"}));
        assert_eq!(inventory_entry("v1", "Service", Some("a"), "b")["id"], "a_b__Service");
    }
}
