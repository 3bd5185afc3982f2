//! Rendering for a cluster: its version and kinds are the capabilities, its objects answer `lookup`.

use std::sync::Arc;

use helm::{Capabilities, KubeVersion, Lookup, RenderRequest, Rendered};
use serde_json::Value;
use tokio::runtime::Handle;

use super::{Asked, Context, Lookups, ReleaseError, Wanted};
use crate::cluster::Cluster;
use crate::discovery::Resource;
use crate::object::{ObjectRef, Selection};

/// Renders a release for a first install.
pub async fn render(context: &Context<'_>, wanted: &Wanted) -> Result<Rendered, ReleaseError> {
    Ok(render_revision(context, wanted, 1, false).await?.1)
}

/// Renders a revision and returns the request with it, which the record needs.
pub(super) async fn render_revision(
    context: &Context<'_>,
    wanted: &Wanted,
    revision: i64,
    is_upgrade: bool,
) -> Result<(RenderRequest, Rendered), ReleaseError> {
    let now = (context.now)();
    let mut request = RenderRequest::new(wanted.name.as_str(), wanted.namespace.as_str());
    request.revision = revision;
    request.is_upgrade = is_upgrade;
    request.values = wanted.values.clone();
    request.capabilities = capabilities(context.cluster, wanted).await?;
    request.compat = wanted.compat.clone();
    request.skip_schema_validation = if is_upgrade { wanted.upgrade } else { wanted.install }.skip_schema_validation;
    request.post_render = wanted.post_render.clone();
    request.lookup =
        Some(Arc::new(ClusterLookup { cluster: context.cluster.clone(), handle: Handle::current(), lookups: wanted.lookups.clone() }));
    request.environment = Some(sprig::Environment {
        seconds: now.as_second(),
        nanoseconds: u32::try_from(now.subsec_nanosecond()).unwrap_or(0),
        entropy: sprig::Entropy::from_seed(context.seed),
    });
    let chart = wanted.chart.clone();
    // Templates compute, and `lookup` blocks: neither belongs on the threads that serve requests.
    let rendered = tokio::task::spawn_blocking(move || helm::render(&chart, &request).map(|rendered| (request, rendered))).await;
    match rendered {
        Ok(rendered) => rendered.map_err(|error| ReleaseError::Render(Box::new(error))),
        Err(error) => Err(ReleaseError::Stopped(error.to_string())),
    }
}

async fn capabilities(cluster: &Cluster, wanted: &Wanted) -> Result<Capabilities, ReleaseError> {
    let version = cluster.version().await?;
    let mut capabilities =
        Capabilities::offline(&wanted.compat).with_kube_version(KubeVersion::live(&version.git_version, &version.major, &version.minor));
    capabilities.api_versions = cluster.api_versions().await?;
    Ok(capabilities)
}

struct ClusterLookup {
    cluster: Cluster,
    handle: Handle,
    lookups: Option<Lookups>,
}

impl ClusterLookup {
    fn may_see(&self, api_version: &str, kind: &str, namespace: Option<&str>, name: Option<&str>) -> Result<bool, String> {
        let Some(lookups) = &self.lookups else { return Ok(true) };
        let resource = self.handle.block_on(self.cluster.resource(api_version, kind)).map_err(|error| error.to_string())?;
        let asked = |resource: &Resource| lookups(&Asked { resource, namespace: namespace.filter(|_| resource.namespaced), name });
        Ok(resource.as_ref().is_some_and(asked))
    }
}

impl Lookup for ClusterLookup {
    fn lookup(&self, api_version: &str, kind: &str, namespace: &str, name: &str) -> Result<Option<Value>, String> {
        let namespace = (!namespace.is_empty()).then(|| namespace.to_owned());
        let may_see = self.may_see(api_version, kind, namespace.as_deref(), (!name.is_empty()).then_some(name))?;
        let (api_version, kind) = (api_version.to_owned(), kind.to_owned());
        if !name.is_empty() {
            if !may_see {
                return Ok(None);
            }
            let object = ObjectRef { api_version, kind, namespace, name: name.into() };
            return self.handle.block_on(self.cluster.get(&object)).map_err(|error| error.to_string());
        }
        let list_kind = format!("{kind}List");
        let selection = Selection { api_version: api_version.clone(), kind, namespace, ..Selection::default() };
        let items =
            if may_see { self.handle.block_on(self.cluster.list(&selection)).map_err(|error| error.to_string())? } else { Vec::new() };
        Ok(Some(serde_json::json!({ "apiVersion": api_version, "kind": list_kind, "metadata": {}, "items": items })))
    }
}
