//! Keeps two runs on one cluster apart: whoever writes holds a Lease, from the first write to the end of the run. A run that writes nothing
//! takes none.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::future::BoxFuture;
use http::Method;
use serde_json::{Value, json};
use tokio::sync::Mutex;

use crate::cluster::Cluster;
use crate::error::Error;
use crate::request::{Call, JSON};

const NAMESPACE: &str = "kube-system";
const NAME: &str = "launchway";
/// How long a Lease is believed after its holder was last heard of.
const DURATION: Duration = Duration::from_secs(15);
const RENEW: Duration = Duration::from_secs(5);

/// Who writes.
#[derive(Clone)]
pub struct Holder {
    /// Unlike that of every other run.
    pub name: String,
    /// Tells whether another holder is known to have ended, so that it need not be waited for.
    pub has_ended: Arc<dyn Fn(&str) -> bool + Send + Sync>,
    pub now: fn() -> jiff::Timestamp,
}

/// The Lease of a run.
pub(crate) struct Lease {
    holder: Holder,
    held: Mutex<Option<Held>>,
    /// Somebody else took it: this run was stopped for longer than a Lease is believed.
    is_lost: AtomicBool,
}

/// A Lease that is held, as it was last written.
struct Held {
    at: jiff::Timestamp,
    /// Its resourceVersion.
    version: Value,
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease").field("holder", &self.holder.name).finish_non_exhaustive()
    }
}

impl Cluster {
    /// Returns the same cluster, which is written to only by one run at a time.
    pub fn exclusive(mut self, holder: Holder) -> Cluster {
        self.lease = Some(Arc::new(Lease { holder, held: Mutex::new(None), is_lost: AtomicBool::new(false) }));
        self
    }

    /// Returns the run that holds the cluster, as far as the Lease says.
    pub async fn lease_holder(&self) -> Result<Option<String>, Error> {
        match self.lease_call(Method::GET, None).await {
            Ok(found) => Ok(found.pointer("/spec/holderIdentity").and_then(Value::as_str).map(str::to_owned)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Gives the cluster free for other runs.
    pub async fn release_lease(&self) -> Result<(), Error> {
        let Some(lease) = &self.lease else { return Ok(()) };
        let mut held = lease.held.lock().await;
        let Some(Held { version, .. }) = held.take().filter(|_| !lease.is_lost.load(Ordering::Relaxed)) else { return Ok(()) };
        let still = json!({ "apiVersion": "v1", "kind": "DeleteOptions", "preconditions": { "resourceVersion": version } });
        match self.lease_call(Method::DELETE, Some(&still)).await {
            // Somebody else has it now.
            Err(error) if error.is_not_found() || error.code() == "conflict" => Ok(()),
            deleted => deleted.map(drop),
        }
    }

    /// Sends a request about the Lease, past the Lease. Boxed, as a request that writes may come here first.
    fn lease_call(&self, method: Method, body: Option<&Value>) -> BoxFuture<'static, Result<Value, Error>> {
        let collection = format!("/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases");
        let path = if method == Method::POST { collection } else { format!("{collection}/{NAME}") };
        let body = body.map(|body| body.to_string().into()).unwrap_or_default();
        let what = format!("Lease {NAMESPACE}/{NAME}");
        let free = Cluster { lease: None, ..self.clone() };
        let call = Call { what, method, path, query: Vec::new(), content_type: JSON, accept: JSON, body };
        Box::pin(async move { Ok(free.send(call).await?.1) })
    }
}

impl Lease {
    /// Makes sure that this run holds the Lease.
    pub(crate) async fn hold(self: &Arc<Self>, cluster: &Cluster) -> Result<(), Error> {
        let mut held = self.held.lock().await;
        if self.is_lost.load(Ordering::Relaxed) {
            return Err(lost());
        }
        match &*held {
            Some(Held { at, .. }) if self.is_believed(*at) => {}
            // The machine slept: the Lease may be somebody else's by now.
            Some(_) => match self.take(cluster).await {
                Ok(taken) => *held = Some(taken),
                Err(Error::Locked { .. }) => {
                    self.is_lost.store(true, Ordering::Relaxed);
                    return Err(lost());
                }
                Err(error) => return Err(error),
            },
            None => {
                *held = Some(self.take(cluster).await?);
                tokio::spawn(renew(Arc::downgrade(self), Cluster { lease: None, ..cluster.clone() }));
            }
        }
        Ok(())
    }

    fn held(&self, written: &Value) -> Held {
        Held { at: (self.holder.now)(), version: written.pointer("/metadata/resourceVersion").cloned().unwrap_or_default() }
    }

    /// Tells whether others still believe a Lease that was written then.
    fn is_believed(&self, written: jiff::Timestamp) -> bool {
        let age = (self.holder.now)().duration_since(written);
        age <= jiff::SignedDuration::try_from(DURATION).unwrap_or_default()
    }

    async fn take(&self, cluster: &Cluster) -> Result<Held, Error> {
        // Whoever is faster wins; the other one looks again. Mostly there is none.
        for tries in 0..6 {
            let found = match tries {
                0 => None,
                _ => cluster
                    .lease_call(Method::GET, None)
                    .await
                    .map(Some)
                    .or_else(|error| if error.is_not_found() { Ok(None) } else { Err(error) })?,
            };
            let (method, object) = match &found {
                None => (Method::POST, self.object(None)),
                Some(found) => {
                    self.check(found)?;
                    (Method::PUT, self.object(found.pointer("/metadata/resourceVersion")))
                }
            };
            match cluster.lease_call(method, Some(&object)).await {
                Ok(taken) => return Ok(self.held(&taken)),
                Err(error) if matches!(error.code(), "conflict" | "already-exists" | "not-found") => {}
                Err(error) => return Err(error),
            }
        }
        Err(Error::Locked { message: "another run is about to write to this cluster".into() })
    }

    /// Refuses a Lease that somebody else holds.
    fn check(&self, found: &Value) -> Result<(), Error> {
        let text = |key: &str| found.pointer(&format!("/spec/{key}")).and_then(Value::as_str).unwrap_or_default();
        let (holder, renewed) = (text("holderIdentity"), text("renewTime"));
        let expired = renewed.parse().ok().is_none_or(|renewed| !self.is_believed(renewed));
        if holder.is_empty() || holder == self.holder.name || expired || (self.holder.has_ended)(holder) {
            return Ok(());
        }
        let message = format!("another run ({holder}) writes to this cluster, last heard of at {renewed}: wait until it is done");
        Err(Error::Locked { message })
    }

    fn object(&self, version: Option<&Value>) -> Value {
        // Kubernetes wants six digits after the point.
        let now = format!("{:.6}", (self.holder.now)());
        json!({
            "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
            "metadata": { "name": NAME, "namespace": NAMESPACE, "resourceVersion": version },
            "spec": { "holderIdentity": self.holder.name, "leaseDurationSeconds": DURATION.as_secs(), "acquireTime": now, "renewTime": now },
        })
    }
}

fn lost() -> Error {
    Error::Locked { message: "another run took over while this one stood still: nothing more is written".to_owned() }
}

/// Renews the Lease until its owner is gone or gives it up.
async fn renew(lease: std::sync::Weak<Lease>, cluster: Cluster) {
    loop {
        tokio::time::sleep(RENEW).await;
        let Some(lease) = lease.upgrade() else { return };
        let mut held = lease.held.lock().await;
        if held.is_none() {
            return;
        }
        let Ok(found) = cluster.lease_call(Method::GET, None).await else { continue };
        if found.pointer("/spec/holderIdentity").and_then(Value::as_str) != Some(&lease.holder.name) {
            lease.is_lost.store(true, Ordering::Relaxed);
            return;
        }
        // A renewal that fails is tried again in time.
        if let Ok(renewed) = cluster.lease_call(Method::PUT, Some(&lease.object(found.pointer("/metadata/resourceVersion")))).await {
            *held = Some(lease.held(&renewed));
        }
    }
}
