//! Charts and artifacts in OCI registries.
//!
//! Mirrors Helm's `pkg/registry/client.go` (4.2) for what a chart is, and source-controller 1.9 (`ocirepository_controller.go`) for
//! digest, range, tag and `latest`, in this order. Everything that comes is checked against the digest and size that announced it; only
//! SHA-256 is known. Signatures are not looked at.

use std::collections::HashSet;

use reqwest::Url;
use reqwest::header::{HeaderMap, LINK};
use serde::Deserialize;

use crate::error::{Kind, Problem};
use crate::local::MAX_ARCHIVE;
use crate::network::{Ask, Network};
use crate::reference::{Digest, OciLocation, Reference, as_tag, check_tag};
use crate::transport::Answer;
use crate::version;

const CHART_LAYER: &str = "application/vnd.cncf.helm.chart.content.v1.tar+gzip";
const OLD_CHART_LAYER: &str = "application/tar+gzip";
const CHART_CONFIG: &str = "application/vnd.cncf.helm.config.v1+json";
const MANIFESTS: &str = "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, \
    application/vnd.docker.distribution.manifest.v2+json, application/vnd.docker.distribution.manifest.list.v2+json";
const MAX_MANIFEST: u64 = 4 << 20;
const MAX_TAGS: u64 = 16 << 20;
const MAX_PAGES: usize = 1_000;
/// Largest layer of an artifact that is no chart.
const MAX_ARTIFACT: u64 = 256 << 20;

/// A layer whose digest was checked, and the manifest that named it.
pub(crate) struct Pulled {
    pub(crate) bytes: Vec<u8>,
    /// The digest of what the reference points to, which may be an index.
    pub(crate) digest: Digest,
    /// The tag that was taken, if any.
    pub(crate) tag: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layer {
    /// The one that holds a chart.
    Chart,
    First,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Manifest {
    config: Option<Descriptor>,
    layers: Option<Vec<Descriptor>>,
    manifests: Option<Vec<Descriptor>>,
}

#[derive(Deserialize, Clone)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    #[serde(default)]
    media_type: String,
    digest: String,
    size: u64,
    artifact_type: Option<String>,
    platform: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct Tags {
    tags: Option<Vec<String>>,
}

struct Registry<'a> {
    network: &'a Network,
    base: Url,
    repository: String,
    scope: String,
    insecure_host: Option<String>,
}

/// Pulls a layer.
pub(crate) async fn pull(network: &Network, reference: &Reference, layer: Layer) -> Result<Pulled, Problem> {
    let Reference::Oci { repository, tag, semver, filter, digest, insecure } = reference else {
        return Err(Problem::new(Kind::Invalid, "not an OCI reference").hint("write oci://host/path"));
    };
    let registry = Registry::new(network, &OciLocation::parse(repository)?, *insecure)?;
    let (tag, digest) = match (digest, semver) {
        (Some(digest), _) => (None, Some(Digest::parse(digest)?)),
        (None, Some(range)) => (Some(registry.highest(range, filter.as_deref()).await?), None),
        (None, None) => (Some(as_tag(tag.as_deref().unwrap_or("latest"))), None),
    };
    if let Some(tag) = &tag {
        check_tag(tag)?;
    }
    let (manifest, digest) = registry.manifest(tag.as_deref(), digest).await?;
    let manifest = registry.image(manifest, layer).await?;
    let descriptor = choose(&manifest, layer)?;
    let limit = if layer == Layer::Chart { MAX_ARCHIVE } else { MAX_ARTIFACT };
    Ok(Pulled { bytes: registry.blob(&descriptor, limit).await?, digest, tag })
}

impl<'a> Registry<'a> {
    fn new(network: &'a Network, location: &OciLocation, insecure: bool) -> Result<Registry<'a>, Problem> {
        let host = match location.host.as_str() {
            "docker.io" | "index.docker.io" => "registry-1.docker.io",
            host => host,
        };
        let parse = |scheme: &str| Url::parse(&format!("{scheme}://{host}/v2/"));
        let invalid = |_| Problem::new(Kind::Invalid, format!("{host} is not a host"));
        // The scheme decides the default port, so plain HTTP is decided on its address.
        let plain = parse("http").map_err(invalid)?;
        let insecure_host = if insecure { plain.host_str().map(str::to_owned) } else { None };
        let is_plain = network.transport.allows_plain(&plain, insecure_host.as_deref());
        let base = if is_plain { plain } else { parse("https").map_err(invalid)? };
        let scope = format!("repository:{}:pull", location.path);
        Ok(Registry { network, base, repository: location.path.clone(), scope, insecure_host })
    }

    fn url(&self, what: &str) -> Result<Url, Problem> {
        let path = format!("{}/{what}", self.repository);
        self.base.join(&path).map_err(|_| Problem::new(Kind::Invalid, format!("{path} is not a path")))
    }

    async fn get(&self, url: Url, accept: &str, limit: u64) -> Result<Answer, Problem> {
        let insecure_host = self.insecure_host.as_deref();
        self.network.get(Ask { url, accept, limit, insecure_host, scope: Some(&self.scope), authorization: None }).await
    }

    /// Returns the tag of the highest version in the range; a tag that is spelled like the range counts first.
    async fn highest(&self, range: &str, filter: Option<&str>) -> Result<String, Problem> {
        let constraint = version::constraint(range)?;
        let filter = version::Filter::of(filter)?;
        let mut tags = self.tags().await?;
        tags.retain(|tag| filter.fits(tag));
        if let Some(tag) = tags.iter().find(|tag| tag.replace('_', "+") == range) {
            return Ok(tag.clone());
        }
        let count = tags.len();
        let candidates = tags.into_iter().filter_map(|tag| Some((version::strict(&tag.replace('_', "+"))?, tag)));
        version::matching(candidates, &constraint).into_iter().next().map(|(_, tag)| tag).ok_or_else(|| {
            let reason = format!("none of its {count} tags{filter} is a version that satisfies {range:?}");
            Problem::new(Kind::Missing, reason).hint("pre-releases count only if the range names one, as in >=1.0.0-0")
        })
    }

    async fn tags(&self) -> Result<Vec<String>, Problem> {
        let mut tags = Vec::new();
        let mut seen = HashSet::new();
        let mut url = self.url("tags/list?n=1000")?;
        for _ in 0..MAX_PAGES {
            if !seen.insert(url.clone()) {
                break;
            }
            let answer = self.get(url.clone(), "application/json", MAX_TAGS).await?;
            let page: Tags = serde_json::from_slice(&answer.body)
                .map_err(|error| Problem::new(Kind::Corrupt, format!("its list of tags cannot be read: {error}")))?;
            tags.extend(page.tags.unwrap_or_default());
            match next_page(&url, &answer.headers) {
                Some(next) if next.origin() == url.origin() => url = next,
                _ => break,
            }
        }
        Ok(tags)
    }

    async fn manifest(&self, tag: Option<&str>, digest: Option<Digest>) -> Result<(Manifest, Digest), Problem> {
        if let Some(digest) = &digest
            && let Some(bytes) = self.network.cache.get(digest, MAX_MANIFEST).await
        {
            return Ok((parse_manifest(&bytes)?, digest.clone()));
        }
        let name = digest.as_ref().map_or_else(|| tag.unwrap_or("latest").to_owned(), Digest::to_string);
        let answer = self.get(self.url(&format!("manifests/{name}"))?, MANIFESTS, MAX_MANIFEST).await?;
        let wanted = digest.or_else(|| announced(&answer.headers));
        let digest = checked("the manifest", &answer.body, wanted.as_ref())?;
        let manifest = parse_manifest(&answer.body)?;
        self.network.cache.put(&digest, &answer.body).await;
        Ok((manifest, digest))
    }

    /// Goes from an index to one of its images: the chart, else one for no platform, else the first.
    async fn image(&self, manifest: Manifest, layer: Layer) -> Result<Manifest, Problem> {
        let Some(images) = manifest.manifests.as_ref().filter(|_| manifest.layers.is_none()) else { return Ok(manifest) };
        let is_chart = |image: &&Descriptor| layer == Layer::Chart && image.artifact_type.as_deref() == Some(CHART_CONFIG);
        let chosen = images.iter().find(is_chart).or_else(|| images.iter().find(|image| image.platform.is_none())).or(images.first());
        let Some(chosen) = chosen else { return Err(Problem::new(Kind::NotAChart, "its image index is empty")) };
        let (manifest, _) = self.manifest(None, Some(known(&chosen.digest)?)).await?;
        if manifest.manifests.is_some() && manifest.layers.is_none() {
            return Err(Problem::new(Kind::NotAChart, "its image index leads to another image index"));
        }
        Ok(manifest)
    }

    async fn blob(&self, descriptor: &Descriptor, limit: u64) -> Result<Vec<u8>, Problem> {
        let digest = known(&descriptor.digest)?;
        if descriptor.size > limit {
            return Err(Problem::new(
                Kind::Corrupt,
                format!("its layer has {} bytes, more than the {limit} that are taken", descriptor.size),
            ));
        }
        if let Some(bytes) = self.network.cache.get(&digest, limit).await {
            return Ok(bytes);
        }
        let answer = self.get(self.url(&format!("blobs/{digest}"))?, "*/*", limit).await?;
        if answer.body.len() as u64 != descriptor.size {
            let reason = format!("its layer {digest} should have {} bytes, but {} came", descriptor.size, answer.body.len());
            return Err(Problem::new(Kind::Corrupt, reason).hint(TAMPERED));
        }
        checked("its layer", &answer.body, Some(&digest))?;
        self.network.cache.put(&digest, &answer.body).await;
        Ok(answer.body)
    }
}

const TAMPERED: &str = "the registry, or something on the way, changes content: nothing of it was used";

fn checked(what: &str, bytes: &[u8], wanted: Option<&Digest>) -> Result<Digest, Problem> {
    let digest = Digest::of(bytes);
    match wanted {
        Some(wanted) if *wanted != digest => {
            Err(Problem::new(Kind::Corrupt, format!("{what} should have the digest {wanted}, but it has {digest}")).hint(TAMPERED))
        }
        _ => Ok(digest),
    }
}

fn known(digest: &str) -> Result<Digest, Problem> {
    Digest::parse(digest).map_err(|problem| Problem::new(Kind::Corrupt, format!("its manifest is not usable: {}", problem.reason)))
}

fn announced(headers: &HeaderMap) -> Option<Digest> {
    Digest::parse(headers.get("docker-content-digest")?.to_str().ok()?).ok()
}

fn parse_manifest(bytes: &[u8]) -> Result<Manifest, Problem> {
    serde_json::from_slice(bytes).map_err(|error| Problem::new(Kind::Corrupt, format!("its manifest cannot be read: {error}")))
}

fn choose(manifest: &Manifest, layer: Layer) -> Result<Descriptor, Problem> {
    let layers = manifest.layers.as_deref().unwrap_or_default();
    let of = |kind: &str| layers.iter().find(|layer| layer.media_type == kind);
    let chosen = match layer {
        Layer::First => layers.first(),
        // Flux takes the first layer of whatever it is told is a chart, e.g. one that `flux push artifact` made.
        Layer::Chart => of(CHART_LAYER)
            .or_else(|| of(OLD_CHART_LAYER))
            .or_else(|| layers.first().filter(|layer| layer.media_type.ends_with("tar+gzip"))),
    };
    chosen.cloned().ok_or_else(|| {
        let config = manifest.config.as_ref().map_or("none", |config| config.media_type.as_str());
        let found: Vec<&str> = layers.iter().map(|layer| layer.media_type.as_str()).collect();
        Problem::new(Kind::NotAChart, format!("it holds no usable layer (config {config}, layers: {})", found.join(", ")))
    })
}

/// Reads `Link: <address>; rel="next"`.
fn next_page(url: &Url, headers: &HeaderMap) -> Option<Url> {
    let links = headers.get_all(LINK).iter().filter_map(|value| value.to_str().ok());
    let next = links.flat_map(|value| value.split(',')).find(|link| link.contains("rel=\"next\"") || link.contains("rel=next"))?;
    let address = next.split_once('<')?.1.split_once('>')?.0;
    url.join(address).ok()
}
