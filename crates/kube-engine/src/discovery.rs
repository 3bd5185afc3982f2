//! Which kinds a cluster serves, read from aggregated discovery (`apidiscovery.k8s.io/v2`), and what is kept of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::sync::OnceCell;

use crate::cluster::{Cluster, ServerVersion};
use crate::error::Error;
use crate::request::JSON;

const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

/// What was learned about a server. The version and the core group stay as they are for as long as anybody here asks.
#[derive(Default)]
pub(crate) struct Known {
    version: OnceCell<ServerVersion>,
    core: OnceCell<Value>,
    kinds: Mutex<Kinds>,
    /// Whether a server acts a moment after it has answered: on a CRD that is established, whose kind it does not serve yet, or on a workload.
    /// Not so in this process.
    pub(crate) lags: bool,
    /// Held by who asks, so that the others wait for the answer instead of asking too.
    asking: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Kinds {
    found: Option<(Arc<Discovery>, Instant)>,
    /// The groups that serve something else since that was found.
    outdated: BTreeSet<String>,
    /// How often what is served has changed, as far as it was seen here.
    changes: u64,
    changed: Option<Instant>,
}

impl Kinds {
    /// Tells whether what was found still holds for a group, or for all of them.
    fn hold(&self, group: Option<&str>) -> bool {
        group.map_or(self.outdated.is_empty(), |group| !self.outdated.contains(group))
    }
}

/// How old what is known may be that templates are told: a step looks for its namespace a moment before it renders.
const FRESH: Duration = Duration::from_millis(500);
/// How long a server may take to say that it serves a kind whose CRD is established.
const DELAY: Duration = Duration::from_secs(5);

impl Known {
    /// Returns nothing known of a server elsewhere.
    pub(crate) fn of_live() -> Self {
        Known { lags: true, ..Known::default() }
    }

    /// What the group of a CRD or APIService serves has changed. Both are named after it: `certificates.cert-manager.io`, `v1.metrics.k8s.io`.
    pub(crate) fn forget_kinds_of(&self, definition: &str) {
        let group = definition.split_once('.').map_or("", |(_, group)| group);
        let mut kinds = self.kinds.lock().unwrap_or_else(PoisonError::into_inner);
        kinds.outdated.insert(group.to_owned());
        kinds.changes += 1;
        kinds.changed = Some(Instant::now());
    }

    /// Tells whether what is served has just changed, and the server may not say so yet.
    fn is_changing(&self) -> bool {
        if !self.lags {
            return false;
        }
        let kinds = self.kinds.lock().unwrap_or_else(PoisonError::into_inner);
        kinds.changed.is_some_and(|changed| changed.elapsed() < DELAY)
    }

    fn changes(&self) -> u64 {
        self.kinds.lock().unwrap_or_else(PoisonError::into_inner).changes
    }

    /// Returns what is known of a group, or of all of them, if it was asked for after a point in time.
    fn since(&self, time: Option<Instant>, group: Option<&str>) -> Option<Arc<Discovery>> {
        let kinds = self.kinds.lock().unwrap_or_else(PoisonError::into_inner);
        let found = kinds.found.as_ref().filter(|(_, asked)| time.is_none_or(|time| *asked >= time) && kinds.hold(group));
        found.map(|(found, _)| found.clone())
    }

    /// Keeps an answer, unless what is served changed while it was on its way.
    fn keep(&self, found: &Arc<Discovery>, asked: Instant, changes: u64) {
        let mut kinds = self.kinds.lock().unwrap_or_else(PoisonError::into_inner);
        if kinds.changes == changes {
            kinds.found = Some((found.clone(), asked));
            kinds.outdated.clear();
        }
    }
}

impl Cluster {
    /// Returns what the server says it is. Once it has answered it is not asked again.
    pub async fn version(&self) -> Result<ServerVersion, Error> {
        let ask = async || {
            let value = self.get_json("version", "/version", Vec::new(), JSON).await?;
            let text = |key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
            Ok(ServerVersion { git_version: text("gitVersion"), major: text("major"), minor: text("minor") })
        };
        self.known.version.get_or_try_init(ask).await.cloned()
    }

    /// Returns `group/version` and `group/version/Kind` of everything served now, sorted.
    pub async fn api_versions(&self) -> Result<Vec<String>, Error> {
        // In this process everything happens at once.
        let age = if self.known.lags { FRESH } else { Duration::ZERO };
        Ok(self.discovery(Instant::now().checked_sub(age), None).await?.api_versions())
    }

    /// Returns a kind; none if the cluster does not have it, which is looked up anew before it is said.
    pub async fn resource(&self, api_version: &str, kind: &str) -> Result<Option<Resource>, Error> {
        let group = Some(group_of(api_version));
        if let Some(found) = self.discovery(None, group).await?.get(api_version, kind) {
            return Ok(Some(found.clone()));
        }
        Ok(self.discovery(Some(Instant::now()), group).await?.get(api_version, kind).cloned())
    }

    /// Returns a kind that should be there: discovery is a little behind the conditions of CRDs.
    pub(crate) async fn expected(&self, api_version: &str, kind: &str) -> Result<Option<Resource>, Error> {
        loop {
            let found = self.resource(api_version, kind).await?;
            if found.is_some() || !self.known.is_changing() {
                return Ok(found);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Returns the kinds of one group and version.
    pub async fn kinds(&self, api_version: &str) -> Result<Vec<Resource>, Error> {
        let group = Some(group_of(api_version));
        let known = self.discovery(None, group).await?.kinds(api_version);
        if known.is_empty() { Ok(self.discovery(Some(Instant::now()), group).await?.kinds(api_version)) } else { Ok(known) }
    }

    /// Returns everything served, asked for after a point in time where one is given. What is known to have changed since is asked for in any case, of
    /// a group or of all.
    async fn discovery(&self, enough: Option<Instant>, group: Option<&str>) -> Result<Arc<Discovery>, Error> {
        if let Some(found) = self.known.since(enough, group) {
            return Ok(found);
        }
        let _asking = self.known.asking.lock().await;
        if let Some(found) = self.known.since(enough, group) {
            return Ok(found);
        }
        let (asked, changes) = (Instant::now(), self.known.changes());
        let core = self.known.core.get_or_try_init(|| self.get_json("discovery", "/api", Vec::new(), AGGREGATED)).await?;
        let groups = self.get_json("discovery", "/apis", Vec::new(), AGGREGATED).await?;
        let found = Arc::new(Discovery::of(&[core, &groups]));
        self.known.keep(&found, asked, changes);
        Ok(found)
    }
}

fn group_of(api_version: &str) -> &str {
    api_version.split_once('/').map_or("", |(group, _)| group)
}

/// A kind and where it is served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resource {
    /// Empty for the core group.
    pub group: String,
    pub version: String,
    pub kind: String,
    pub plural: String,
    pub namespaced: bool,
    pub verbs: Vec<String>,
}

impl Resource {
    /// Returns `group/version`.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.clone() } else { format!("{}/{}", self.group, self.version) }
    }

    /// Returns the path of a collection, in a namespace or over all of them.
    pub fn collection(&self, namespace: Option<&str>) -> String {
        let root = if self.group.is_empty() { format!("/api/{}", self.version) } else { format!("/apis/{}/{}", self.group, self.version) };
        match namespace.filter(|_| self.namespaced) {
            Some(namespace) => format!("{root}/namespaces/{namespace}/{}", self.plural),
            None => format!("{root}/{}", self.plural),
        }
    }
}

/// Everything a cluster serves, subresources left out.
#[derive(Debug, Default)]
struct Discovery {
    kinds: BTreeMap<(String, String), Resource>,
}

impl Discovery {
    /// Reads the answers of `/api` and `/apis`.
    fn of(answers: &[&Value]) -> Self {
        fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
            value.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
        }
        let text = |value: &Value, pointer: &str| value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        let mut kinds = BTreeMap::new();
        for group in answers.iter().flat_map(|answer| list(answer, "items")) {
            for version in list(group, "versions") {
                for resource in list(version, "resources") {
                    let resource = Resource {
                        group: text(group, "/metadata/name"),
                        version: text(version, "/version"),
                        kind: text(resource, "/responseKind/kind"),
                        plural: text(resource, "/resource"),
                        namespaced: resource.get("scope").and_then(Value::as_str) == Some("Namespaced"),
                        verbs: list(resource, "verbs").iter().filter_map(Value::as_str).map(str::to_owned).collect(),
                    };
                    // Some kinds are answers of several resources; the one that can be read is meant.
                    let key = (resource.api_version(), resource.kind.clone());
                    let known: Option<&Resource> = kinds.get(&key);
                    if known.is_none_or(|known| !known.verbs.iter().any(|verb| verb == "get")) {
                        kinds.insert(key, resource);
                    }
                }
            }
        }
        Discovery { kinds }
    }

    fn get(&self, api_version: &str, kind: &str) -> Option<&Resource> {
        self.kinds.get(&(api_version.to_owned(), kind.to_owned()))
    }

    /// Returns the kinds of one group and version.
    fn kinds(&self, api_version: &str) -> Vec<Resource> {
        self.kinds.values().filter(|resource| resource.api_version() == api_version).cloned().collect()
    }

    /// Returns `group/version` and `group/version/Kind` of everything (Helm `pkg/action/action.go`, GetVersionSet).
    fn api_versions(&self) -> Vec<String> {
        let mut versions: Vec<String> =
            self.kinds.keys().flat_map(|(version, kind)| [version.clone(), format!("{version}/{kind}")]).collect();
        versions.sort();
        versions.dedup();
        versions
    }
}
