//! A registry.

use std::fs;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::processes::Processes;
use crate::{free_port, program};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect::<String>())
}

/// A running registry that everybody may write to, without TLS.
pub struct Registry {
    // Dropped with the registry: it ends then.
    processes: Processes,
    address: String,
}

impl Registry {
    /// Starts an empty registry.
    pub fn start() -> Result<Registry> {
        let processes = Processes::new()?;
        let address = format!("127.0.0.1:{}", free_port()?);
        let (config, data) = (processes.data("config.yaml"), processes.data("registry"));
        let text =
            format!("version: 0.1\nstorage: {{ filesystem: {{ rootdirectory: {} }} }}\nhttp: {{ addr: '{address}' }}\n", data.display());
        fs::write(&config, text)?;
        let mut registry = Command::new(program("registry")?);
        registry.arg("serve").arg(&config).env("OTEL_TRACES_EXPORTER", "none");
        processes.start("registry", registry)?;
        processes.wait("the registry", Duration::from_secs(60), || std::net::TcpStream::connect(&address).is_ok())?;
        Ok(Registry { processes, address })
    }

    /// Returns `host:port`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Pushes an artifact of one layer to `NAME:TAG`: a tar.gz, as Flux has them.
    pub fn push_artifact(&self, name: &str, tag: &str, layer: &[u8]) -> Result<()> {
        let config = b"{}";
        let descriptor = |media_type: &str, bytes: &[u8]| json!({ "mediaType": media_type, "size": bytes.len(), "digest": digest(bytes) });
        let manifest = json!({
            "schemaVersion": 2, "mediaType": MANIFEST,
            "config": descriptor("application/vnd.cncf.flux.config.v1+json", config),
            "layers": [descriptor("application/vnd.cncf.flux.content.v1.tar+gzip", layer)],
            // Flux shows the time of an artifact.
            "annotations": { "org.opencontainers.image.created": "2026-01-01T00:00:00Z" },
        });
        for blob in [&config[..], layer] {
            self.push_blob(name, blob)?;
        }
        let url = format!("http://{}/v2/{name}/manifests/{tag}", self.address);
        ureq::put(&url).content_type(MANIFEST).send(manifest.to_string()).with_context(|| url.clone())?;
        Ok(())
    }

    fn push_blob(&self, name: &str, blob: &[u8]) -> Result<()> {
        let started = ureq::post(format!("http://{}/v2/{name}/blobs/uploads/", self.address)).send_empty()?;
        let location = started.headers().get("location").and_then(|place| place.to_str().ok()).context("the registry says where to")?;
        let at = if location.contains('?') { '&' } else { '?' };
        ureq::put(format!("{location}{at}digest={}", digest(blob))).content_type("application/octet-stream").send(blob)?;
        Ok(())
    }

    /// Pushes a chart archive to `charts/NAME`, as a person would.
    pub fn push_chart(&self, archive: &std::path::Path) -> Result<()> {
        let mut helm = Command::new(program("helm")?);
        helm.args(["push", "--plain-http"]).arg(archive).arg(format!("oci://{}/charts", self.address));
        let output = helm.env("HELM_CACHE_HOME", self.processes.data("helm")).output().context("helm cannot be run")?;
        if !output.status.success() {
            bail!("helm push {}: {}", archive.display(), String::from_utf8_lossy(&output.stderr));
        }
        Ok(())
    }
}
