//! What helm-controller takes a release's digest of (`internal/release/{observation,digest}.go`): the record without the chart's files.
//! Hashing is the caller's.

use serde::Serialize;

use crate::chart::Metadata;
use crate::release::{Data, HookRecord, Info, Release, escape_html};

#[derive(Serialize)]
struct Observation<'a> {
    name: &'a str,
    version: i64,
    info: Info,
    #[serde(rename = "chartMetadata")]
    chart_metadata: Metadata,
    config: Data,
    manifest: &'a str,
    hooks: Option<Vec<&'a HookRecord>>,
    namespace: &'a str,
    #[serde(rename = "ociDigest", skip_serializing_if = "Option::is_none")]
    oci_digest: Option<&'a str>,
}

impl Release {
    /// Returns the record as a reader of Helm 3 has it: times that are not set are empty texts.
    pub fn as_helm3(&self) -> Release {
        let mut release = self.clone();
        if let Some(info) = &mut release.info {
            info.deleted.get_or_insert_default();
        }
        for hook in &mut release.hooks {
            hook.last_run.started_at.get_or_insert_default();
            hook.last_run.completed_at.get_or_insert_default();
        }
        release
    }

    /// Returns the text whose SHA-256 is the digest of this revision in a HelmRelease's history. Tests do not count: anybody may run them.
    pub fn observation(&self, oci_digest: Option<&str>) -> String {
        let hooks: Vec<&HookRecord> = self.hooks.iter().filter(|hook| !hook.events.iter().any(|event| event == "test")).collect();
        let observation = Observation {
            name: &self.name,
            version: self.version,
            info: self.info.clone().unwrap_or_default(),
            chart_metadata: self.chart.as_ref().and_then(|chart| chart.metadata.clone()).unwrap_or_default(),
            config: Data(self.config.0.clone().filter(|config| !config.is_empty())),
            manifest: &self.manifest,
            hooks: Some(hooks).filter(|hooks| !hooks.is_empty()),
            namespace: &self.namespace,
            oci_digest: oci_digest.filter(|digest| !digest.is_empty()),
        };
        let text = serde_json::to_string(&observation).expect("the tree has text keys only, and no number that JSON lacks");
        escape_html(&text) + "\n"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The text of helm-controller's own test of its digest (`internal/release/digest_test.go`).
    #[test]
    fn an_empty_release() {
        let release = Release { name: "foo".into(), ..Release::default() };
        let expected = r#"{"name":"foo","version":0,"info":{},"chartMetadata":{},"config":null,"manifest":"","hooks":null,"namespace":""}"#;
        assert_eq!(release.observation(None), format!("{expected}\n"));
    }
}
