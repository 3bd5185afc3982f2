//! Compares what is stored with what is wanted, as helm-controller does (`internal/reconcile/state.go`). Reads nothing, writes nothing.

use go_encoding::{json, yaml};
use helm::release::Release;
use serde_json::{Map, Value};

use super::{Wanted, storage};

/// How a release stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReleaseState {
    Absent,
    InSync {
        revision: u64,
    },
    OutOfSync {
        revision: u64,
        reason: String,
    },
    /// Somebody began and did not finish.
    Pending {
        revision: u64,
        status: String,
        since: String,
    },
}

/// Decides from the newest stored revision. Manifests are not compared: charts may render differently each time.
pub fn decide(stored: Option<&Release>, wanted: &Wanted) -> ReleaseState {
    let Some(stored) = stored else { return ReleaseState::Absent };
    let revision = u64::try_from(stored.version).unwrap_or(0);
    let status = storage::status(stored);
    let out_of_sync = |reason: String| ReleaseState::OutOfSync { revision, reason };
    match status {
        "uninstalled" => return ReleaseState::Absent,
        "deployed" => {}
        pending if storage::is_under_way(stored) => {
            let since = stored.info.as_ref().and_then(|info| info.last_deployed.clone()).unwrap_or_default();
            return ReleaseState::Pending { revision, status: pending.into(), since };
        }
        other => return out_of_sync(format!("the last revision is {}", if other.is_empty() { "of unknown status" } else { other })),
    }
    let metadata = stored.chart.as_ref().and_then(|chart| chart.metadata.as_ref());
    let title = |name: &str, version: &str| format!("{name} {version}");
    let found = metadata.map(|metadata| title(&metadata.name, &metadata.version)).unwrap_or_default();
    let chart = title(&wanted.chart.metadata.name, &wanted.chart.metadata.version);
    let compared = |title: &str| title.split_once('+').filter(|_| wanted.ignores_metadata).map_or(title, |(bare, _)| bare).to_owned();
    if compared(&found) != compared(&chart) {
        return out_of_sync(format!("the chart was {found} and is to be {chart}"));
    }
    if same_values(stored.config.0.as_ref(), &wanted.values) {
        ReleaseState::InSync { revision }
    } else {
        out_of_sync("the values changed".into())
    }
}

/// Values are the same when they are written the same: the digest that helm-controller compares is taken of this text.
fn same_values(stored: Option<&Map<String, Value>>, wanted: &Map<String, Value>) -> bool {
    let text = |values: &Map<String, Value>| match values.is_empty() {
        true => String::new(),
        false => yaml::to_string(&json::map_as_integers(values)),
    };
    stored.map(text).unwrap_or_default() == text(wanted)
}
