//! Charts from a real registry (distribution) on loopback: by tag, range and digest, changed on its disk, and behind a password.
//!
//! `LAUNCHWAY_REAL` names the folder with the program, which `cargo xtask real` builds from `tests/real/registry`.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use charts::{Error, Options, Reference, Source};
use reqwest::{Client, StatusCode};
use serde_json::json;
use sha2::{Digest, Sha256};

/// User `me` with the password `hush`, by bcrypt.
const HTPASSWD: &str = "me:$2a$04$KHuuBmALAB/sYUPk6cCoVO188TtIkVdNEtARxaX5y.8zDJhBFtYXa\n";

/// A registry that ends with the test.
struct Registry {
    child: Child,
    host: String,
    folder: tempfile::TempDir,
    client: Client,
    password: Option<(&'static str, &'static str)>,
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Registry {
    fn start(program: &Path, password: Option<(&'static str, &'static str)>) -> Registry {
        let folder = tempfile::tempdir().unwrap();
        let host = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let mut config = json!({
            "version": "0.1",
            "log": { "level": "error", "accesslog": { "disabled": true } },
            "storage": { "filesystem": { "rootdirectory": folder.path().join("store") } },
            "http": { "addr": host },
            "tags": { "maxtags": 5 },
        });
        if password.is_some() {
            let file = folder.path().join("htpasswd");
            fs::write(&file, HTPASSWD).unwrap();
            config["auth"] = json!({ "htpasswd": { "realm": "test", "path": file } });
        }
        let file = folder.path().join("config.yml");
        fs::write(&file, config.to_string()).unwrap();
        let child = Command::new(program)
            .arg("serve")
            .arg(&file)
            .env("OTEL_TRACES_EXPORTER", "none")
            .stdout(Stdio::null())
            .stderr(fs::File::create(folder.path().join("log")).unwrap())
            .spawn()
            .unwrap();
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder().no_proxy().build().unwrap();
        let mut registry = Registry { child, host, folder, client, password };
        registry.wait();
        registry
    }

    fn wait(&mut self) {
        let started = Instant::now();
        while TcpStream::connect(&self.host).is_err() {
            let ended = self.child.try_wait().unwrap().is_some();
            if ended || started.elapsed() > Duration::from_secs(60) {
                let log = fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
                panic!("the registry does not listen: {log}");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> reqwest::Response {
        let request = match self.password {
            Some((user, password)) => request.basic_auth(user, Some(password)),
            None => request,
        };
        let response = request.send().await.unwrap();
        assert!(response.status().is_success(), "{response:?}");
        response
    }

    async fn push_blob(&self, bytes: &[u8]) -> String {
        let digest = format!("sha256:{}", hex::encode(Sha256::digest(bytes)));
        let url = format!("http://{}/v2/charts/app/blobs/uploads/", self.host);
        let started = self.send(self.client.post(url)).await;
        let place = started.headers()["location"].to_str().unwrap().to_owned();
        let separator = if place.contains('?') { '&' } else { '?' };
        let put = self.client.put(format!("{place}{separator}digest={digest}"));
        let stored = self.send(put.header("content-type", "application/octet-stream").body(bytes.to_owned())).await;
        assert_eq!(stored.status(), StatusCode::CREATED);
        digest
    }

    async fn push_chart(&self, version: &str) -> Pushed {
        let (config, layer) = (b"{}".as_slice(), chart("app", version));
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": {
                "mediaType": "application/vnd.cncf.helm.config.v1+json", "size": config.len(), "digest": self.push_blob(config).await,
            },
            "layers": [{
                "mediaType": "application/vnd.cncf.helm.chart.content.v1.tar+gzip",
                "size": layer.len(), "digest": self.push_blob(&layer).await,
            }],
        });
        let layer = manifest["layers"][0]["digest"].as_str().unwrap().to_owned();
        let digest = self.push_manifest(&version.replace('+', "_"), "image.manifest", manifest.to_string()).await;
        Pushed { digest, layer }
    }

    async fn push_manifest(&self, tag: &str, kind: &str, text: String) -> String {
        let url = format!("http://{}/v2/charts/app/manifests/{tag}", self.host);
        let digest = format!("sha256:{}", hex::encode(Sha256::digest(&text)));
        self.send(self.client.put(url).header("content-type", format!("application/vnd.oci.{kind}.v1+json")).body(text)).await;
        digest
    }

    /// Changes a blob behind the registry's back, keeping its length.
    fn corrupt(&self, digest: &str) {
        let hex = digest.strip_prefix("sha256:").unwrap();
        let blobs = self.folder.path().join("store/docker/registry/v2/blobs/sha256");
        let path = blobs.join(&hex[..2]).join(hex).join("data");
        let mut bytes = fs::read(&path).unwrap();
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        fs::write(&path, bytes).unwrap();
    }

    fn options(&self) -> Options {
        Options { plain_http: vec![self.host.clone()], ..Options::default() }
    }

    fn reference(&self, rest: &str, version: Option<&str>) -> Reference {
        Reference::parse(&format!("oci://{}/charts/app{rest}", self.host), version).unwrap()
    }
}

struct Pushed {
    digest: String,
    layer: String,
}

fn chart(name: &str, version: &str) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    let metadata = format!("apiVersion: v2\nname: {name}\nversion: {version}\n");
    for (path, text) in [("Chart.yaml", metadata.as_str()), ("templates/x.yaml", "kind: ConfigMap\n")] {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, format!("{name}/{path}"), text.as_bytes()).unwrap();
    }
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(&builder.into_inner().unwrap()).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
#[cfg_attr(not(has_real), ignore = "skipped: the registry is not built, `cargo xtask real` does it")]
async fn pulls_by_tag_range_and_digest() {
    let program = shared_data::real("registry");
    let registry = Registry::start(&program, None);
    let first = registry.push_chart("1.2.0").await;
    let second = registry.push_chart("1.10.0+build.1").await;
    registry.push_chart("2.0.0-rc.1").await;
    let source = Source::new(registry.options());
    let cases = [
        (":1.2.0".to_owned(), None, "1.2.0", &first),
        (String::new(), Some("1.2.0"), "1.2.0", &first),
        (String::new(), Some("1.10.0+build.1"), "1.10.0+build.1", &second),
        (String::new(), Some("^1"), "1.10.0+build.1", &second),
        (String::new(), None, "1.10.0+build.1", &second),
        (format!("@{}", first.digest), None, "1.2.0", &first),
    ];
    for (rest, version, expected, pushed) in cases {
        let fetched = source.fetch(&registry.reference(&rest, version)).await.unwrap();
        assert_eq!((fetched.version.as_str(), fetched.digest.as_deref()), (expected, Some(pushed.digest.as_str())));
    }
    let error = source.fetch(&registry.reference(":9.9.9", None)).await.unwrap_err();
    assert!(matches!(error, Error::Missing(_)) && error.to_string().contains("MANIFEST_UNKNOWN"), "{error}");
    let layer = source.artifact(&format!("oci://{}/charts/app:1.2.0", registry.host)).await.unwrap();
    assert_eq!(layer, chart("app", "1.2.0"));
}

#[tokio::test]
#[cfg_attr(not(has_real), ignore = "skipped: the registry is not built, `cargo xtask real` does it")]
async fn reads_many_tags_and_an_index() {
    let program = shared_data::real("registry");
    let registry = Registry::start(&program, None);
    let pushed = registry.push_chart("1.0.0").await;
    let manifest = registry.client.get(format!("http://{}/v2/charts/app/manifests/1.0.0", registry.host));
    let manifest = registry.send(manifest.header("accept", "application/vnd.oci.image.manifest.v1+json")).await.text().await.unwrap();
    // Three pages, since the registry gives at most five tags at once.
    for number in 0..12 {
        registry.push_manifest(&format!("0.1.{number}"), "image.manifest", manifest.clone()).await;
    }
    let source = Source::new(registry.options());
    let fetched = source.fetch(&registry.reference("", Some(">=0.0.0"))).await.unwrap();
    assert!(fetched.origin.ends_with(":1.0.0"), "{}", fetched.origin);

    let image = json!({ "mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": pushed.digest, "size": manifest.len() });
    let index = json!({ "schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [image] });
    let digest = registry.push_manifest("3.0.0", "image.index", index.to_string()).await;
    let fetched = source.fetch(&registry.reference(":3.0.0", None)).await.unwrap();
    assert_eq!((fetched.version.as_str(), fetched.digest), ("1.0.0", Some(digest)));
}

#[tokio::test]
#[cfg_attr(not(has_real), ignore = "skipped: the registry is not built, `cargo xtask real` does it")]
async fn refuses_changed_content() {
    let program = shared_data::real("registry");
    let registry = Registry::start(&program, None);
    let pushed = registry.push_chart("1.0.0").await;
    let cache = tempfile::tempdir().unwrap();
    let cached = Source::new(Options { cache: Some(cache.path().to_owned()), ..registry.options() });
    cached.fetch(&registry.reference(":1.0.0", None)).await.unwrap();
    registry.corrupt(&pushed.layer);
    let error = Source::new(registry.options()).fetch(&registry.reference(":1.0.0", None)).await.unwrap_err();
    assert!(matches!(error, Error::Corrupt(_)) && error.to_string().contains(&pushed.layer), "{error}");
    cached.fetch(&registry.reference(":1.0.0", None)).await.unwrap();
}

#[tokio::test]
#[cfg_attr(not(has_real), ignore = "skipped: the registry is not built, `cargo xtask real` does it")]
async fn gives_the_password_of_the_docker_configuration() {
    let program = shared_data::real("registry");
    let registry = Registry::start(&program, Some(("me", "hush")));
    registry.push_chart("1.0.0").await;
    let folder = tempfile::tempdir().unwrap();
    let config = |auth: &str| {
        let path = folder.path().join("config.json");
        fs::write(&path, json!({ "auths": { registry.host.as_str(): { "auth": auth } } }).to_string()).unwrap();
        Source::new(Options { docker_config: Some(path), ..registry.options() })
    };
    for (rest, version) in [(":1.0.0", None), ("", Some("1.x"))] {
        config("bWU6aHVzaA==").fetch(&registry.reference(rest, version)).await.unwrap();
    }
    for source in [config("bWU6aHVzaDI="), Source::new(registry.options())] {
        let error = source.fetch(&registry.reference(":1.0.0", None)).await.unwrap_err();
        let text = format!("{error} {error:?}");
        assert!(matches!(error, Error::Denied(_)) && text.contains("UNAUTHORIZED") && !text.contains("hush"), "{text}");
    }
}

#[tokio::test]
#[cfg_attr(not(has_real), ignore = "skipped: the registry is not built, `cargo xtask real` does it")]
async fn plain_http_is_never_guessed() {
    let program = shared_data::real("registry");
    let registry = Registry::start(&program, None);
    let error = Source::new(Options::default()).fetch(&registry.reference(":1.0.0", None)).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable(_)) && error.to_string().contains("--plain-http"), "{error}");
}
