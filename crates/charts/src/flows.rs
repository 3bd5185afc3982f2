//! Whole fetches against scripted servers: every way to get a chart, and every way in which that can fail.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;

use crate::cache::Cache;
use crate::credentials::Credentials;
use crate::network::Network;
use crate::packing;
use crate::reference::Digest;
use crate::served::{Call, Reply, Server};
use crate::transport::Transport;
use crate::{Error, Fetched, Indexes, Reference, Source};

/// What a source is given; plain HTTP is allowed for these hosts.
#[derive(Default)]
struct Setting {
    plain: Vec<String>,
    docker_config: Option<PathBuf>,
    cache: Option<PathBuf>,
    directories: Vec<PathBuf>,
}

impl Setting {
    fn of(servers: &[&Server]) -> Setting {
        Setting { plain: servers.iter().map(|server| server.host()).collect(), ..Setting::default() }
    }

    fn source(self) -> Source {
        let transport = Transport::new(self.plain).hasty();
        let network = Network::new(transport, Credentials::new(self.docker_config), Cache::new(self.cache));
        Source { directories: self.directories, network, indexes: Indexes::default() }
    }
}

/// A repository in a registry with one chart.
#[derive(Clone)]
struct Stock {
    layer: Vec<u8>,
    manifest: Vec<u8>,
}

const CHART_LAYER: &str = "application/vnd.cncf.helm.chart.content.v1.tar+gzip";

impl Stock {
    fn new(version: &str) -> Stock {
        let layer = packing::chart("app", version);
        let manifest = json!({
            "schemaVersion": 2,
            "config": { "mediaType": "application/vnd.cncf.helm.config.v1+json", "digest": Digest::of(b"{}").to_string(), "size": 2 },
            "layers": [{ "mediaType": CHART_LAYER, "digest": Digest::of(&layer).to_string(), "size": layer.len() }],
        });
        Stock { layer, manifest: manifest.to_string().into_bytes() }
    }

    fn digest(&self) -> String {
        Digest::of(&self.manifest).to_string()
    }

    fn layer_path(&self) -> String {
        format!("/v2/charts/app/blobs/{}", Digest::of(&self.layer))
    }

    fn answer(&self, call: &Call) -> Reply {
        let digest = self.digest();
        match call.path.strip_prefix("/v2/charts/app/manifests/") {
            Some(name) if name == "1.0.0" || name == "latest" || name == digest => {
                return Reply::ok(self.manifest.clone()).with("Docker-Content-Digest", digest);
            }
            _ => {}
        }
        if call.path == self.layer_path() {
            return Reply::ok(self.layer.clone());
        }
        let answer = json!({ "errors": [{ "code": "MANIFEST_UNKNOWN", "message": "manifest unknown" }] });
        Reply::new(404, answer.to_string())
    }
}

fn oci(server: &Server, rest: &str, version: Option<&str>) -> Reference {
    Reference::parse(&format!("oci://{}/charts/app{rest}", server.host()), version).unwrap()
}

fn http(server: &Server, version: &str) -> Reference {
    Reference::Repository { url: format!("http://{}/repo", server.host()), name: "app".to_owned(), version: version.to_owned() }
}

fn docker_config(folder: &Path, text: &str) -> Option<PathBuf> {
    let path = folder.join("config.json");
    std::fs::write(&path, text).unwrap();
    Some(path)
}

async fn failure(setting: Setting, reference: &Reference) -> Error {
    let error = setting.source().fetch(reference).await.unwrap_err();
    let text = format!("{error} {error:?}");
    assert!(!text.contains("hush"), "a secret in {text}");
    error
}

#[tokio::test]
async fn pulls_by_tag_and_by_digest() {
    let stock = Stock::new("1.0.0");
    let (served, digest) = (stock.clone(), stock.digest());
    let server = Server::start(move |call, _| served.answer(call)).await;
    let check = |fetched: Fetched| {
        assert_eq!(fetched.version, "1.0.0");
        assert_eq!(fetched.digest.as_deref(), Some(digest.as_str()));
        assert_eq!(fetched.chart.name(), "app");
        fetched.origin
    };
    let source = Setting::of(&[&server]).source();
    let origin = check(source.fetch(&oci(&server, ":1.0.0", None)).await.unwrap());
    assert_eq!(origin, format!("oci://{}/charts/app:1.0.0", server.host()));
    check(source.fetch(&oci(&server, &format!("@{digest}"), None)).await.unwrap());
    assert!(server.calls()[0].accept.contains("application/vnd.oci.image.index.v1+json"));
}

#[tokio::test]
async fn nothing_named_is_latest() {
    let stock = Stock::new("1.0.0");
    let server = Server::start(move |call, _| stock.answer(call)).await;
    let repository = format!("oci://{}/charts/app", server.host());
    let reference = Reference::Oci { repository, tag: None, semver: None, filter: None, digest: None, insecure: true };
    Setting::default().source().fetch(&reference).await.unwrap();
    assert_eq!(server.paths()[0], "/v2/charts/app/manifests/latest");
}

#[tokio::test]
async fn plain_http_must_be_allowed() {
    let server = Server::start(|_, _| Reply::ok("")).await;
    let error = failure(Setting::default(), &http(&server, "")).await;
    assert!(matches!(error, Error::Denied(_)) && error.to_string().contains("--plain-http"), "{error}");
    let error = failure(Setting::default(), &oci(&server, ":1.0.0", None)).await;
    assert!(matches!(error, Error::Unavailable(_)), "TLS is spoken to a server without: {error}");
    assert!(error.to_string().contains("--plain-http"), "{error}");
    assert!(server.paths().is_empty());
}

#[tokio::test]
async fn ranges_walk_all_pages_of_tags() {
    let stock = Stock::new("1.10.0+b");
    let server = Server::start(move |call, host| match call.path.as_str() {
        "/v2/charts/app/tags/list?n=1000" => Reply::ok(r#"{"tags":["1.9.0","latest","2.0.0-rc.1","1.2"]}"#)
            .with("Link", "</v2/charts/app/tags/list?n=1000&last=x>; rel=\"next\""),
        "/v2/charts/app/tags/list?n=1000&last=x" => Reply::ok(r#"{"tags":["1.10.0_b","v1.3.0"]}"#)
            .with("Link", format!("<http://{host}/v2/charts/app/tags/list?n=1000>; rel=\"next\"")),
        "/v2/charts/app/manifests/1.10.0_b" => Reply::ok(stock.manifest.clone()),
        path if path == stock.layer_path() => Reply::ok(stock.layer.clone()),
        _ => Reply::new(404, ""),
    })
    .await;
    let fetched = Setting::of(&[&server]).source().fetch(&oci(&server, "", Some("^1"))).await.unwrap();
    assert_eq!(fetched.version, "1.10.0+b");
    assert!(fetched.origin.ends_with("/charts/app:1.10.0_b"), "{}", fetched.origin);
    let error = failure(Setting::of(&[&server]), &oci(&server, "", Some("^7"))).await;
    assert!(matches!(error, Error::Missing(_)) && error.to_string().contains("6 tags"), "{error}");
}

#[tokio::test]
async fn an_index_leads_to_the_chart() {
    let stock = Stock::new("1.0.0");
    let image = |digest: &str, kind: &str| json!({ "mediaType": "x", "digest": digest, "size": 1, "artifactType": kind, "platform": {} });
    let wrong = Digest::of(b"wrong").to_string();
    let images = [image(&wrong, "other"), image(&stock.digest(), "application/vnd.cncf.helm.config.v1+json")];
    let index = json!({ "schemaVersion": 2, "manifests": images }).to_string();
    let digest = Digest::of(index.as_bytes()).to_string();
    let server = Server::start(move |call, _| match call.path.as_str() {
        "/v2/charts/app/manifests/1.0.0" => Reply::ok(index.clone()),
        _ => stock.answer(call),
    })
    .await;
    let fetched = Setting::of(&[&server]).source().fetch(&oci(&server, ":1.0.0", None)).await.unwrap();
    assert_eq!(fetched.digest, Some(digest), "the digest of what the tag points to");
}

#[tokio::test]
async fn changed_content_is_refused() {
    let stock = Stock::new("1.0.0");
    let wanted = oci_digest(&stock);
    for (what, text) in [("layer", "should have the digest"), ("short", "should have"), ("manifest", "should have the digest")] {
        let served = stock.clone();
        let server = Server::start(move |call, _| {
            let is_layer = call.path == served.layer_path();
            match what {
                "layer" if is_layer => Reply::ok(vec![0; served.layer.len()]),
                "short" if is_layer => Reply::ok(served.layer[1..].to_vec()),
                "manifest" if !is_layer => Reply::ok(String::from_utf8(served.manifest.clone()).unwrap().replace("1", "1 ")),
                _ => served.answer(call),
            }
        })
        .await;
        let error = failure(Setting::of(&[&server]), &oci(&server, &wanted, None)).await;
        assert!(matches!(error, Error::Corrupt(_)) && error.to_string().contains(text), "{what}: {error}");
    }
}

fn oci_digest(stock: &Stock) -> String {
    format!(":1.0.0@{}", stock.digest())
}

#[tokio::test]
async fn the_announced_digest_of_a_tag_counts() {
    let stock = Stock::new("1.0.0");
    let other = Digest::of(b"other").to_string();
    let server = Server::start(move |_, _| Reply::ok(stock.manifest.clone()).with("Docker-Content-Digest", other.clone())).await;
    let error = failure(Setting::of(&[&server]), &oci(&server, ":1.0.0", None)).await;
    assert!(matches!(error, Error::Corrupt(_)), "{error}");
}

#[tokio::test]
async fn a_body_that_breaks_off_is_asked_for_again() {
    let stock = Stock::new("1.0.0");
    let times = AtomicUsize::new(0);
    let served = stock.clone();
    let server = Server::start(move |call, _| {
        let reply = served.answer(call);
        let first = call.path == served.layer_path() && times.fetch_add(1, Ordering::SeqCst) == 0;
        if first { reply.cut() } else { reply }
    })
    .await;
    Setting::of(&[&server]).source().fetch(&oci(&server, ":1.0.0", None)).await.unwrap();
    assert_eq!(server.paths().iter().filter(|path| **path == stock.layer_path()).count(), 2);

    let server = Server::start(move |call, _| stock.answer(call).cut()).await;
    let error = failure(Setting::of(&[&server]), &oci(&server, ":1.0.0", None)).await;
    assert!(matches!(error, Error::Unavailable(_)) && error.to_string().contains("broke off"), "{error}");
}

#[tokio::test]
async fn overload_is_waited_for() {
    for status in [429, 500, 502, 503, 504] {
        let stock = Stock::new("1.0.0");
        let times = AtomicUsize::new(0);
        let server = Server::start(move |call, _| match times.fetch_add(1, Ordering::SeqCst) {
            0 => Reply::new(status, "").with("Retry-After", "0"),
            1 => Reply::new(status, ""),
            _ => stock.answer(call),
        })
        .await;
        Setting::of(&[&server]).source().fetch(&oci(&server, ":1.0.0", None)).await.unwrap();
        assert_eq!(server.paths().len(), 4, "{status}");
    }
    let server = Server::start(|_, _| Reply::new(429, "").with("Retry-After", "86400")).await;
    let error = failure(Setting::of(&[&server]), &oci(&server, ":1.0.0", None)).await;
    assert!(error.to_string().contains("86400 s"), "{error}");
    assert_eq!(server.paths().len(), 1, "nobody waits for a day");
}

#[tokio::test]
async fn says_what_the_registry_said() {
    let stock = Stock::new("1.0.0");
    let server = Server::start(move |call, _| stock.answer(call)).await;
    let error = failure(Setting::of(&[&server]), &oci(&server, ":9.9.9", None)).await;
    let text = error.to_string();
    assert!(matches!(error, Error::Missing(_)), "{text}");
    assert!(text.contains("404") && text.contains("MANIFEST_UNKNOWN manifest unknown"), "{text}");
    assert!(text.contains("put app-9.9.9.tgz into a --chart-dir"), "{text}");

    let server = Server::start(|_, _| Reply::new(403, r#"{"errors":[{"code":"DENIED","message":"not for you"}]}"#)).await;
    let folder = tempfile::tempdir().unwrap();
    let setting = Setting { directories: vec![folder.path().to_owned(), folder.path().join("no")], ..Setting::of(&[&server]) };
    let error = failure(setting, &oci(&server, ":9.9.9", None)).await;
    let text = error.to_string();
    assert!(matches!(error, Error::Denied(_)) && text.contains("DENIED not for you") && text.contains("docker login"), "{text}");
    assert_eq!(error.report().tried.len(), 2);
    assert!(text.contains("which is not there"), "{text}");
}

#[tokio::test]
async fn basic_passwords() {
    let stock = Stock::new("1.0.0");
    let server = Server::start(move |call, _| match call.authorization.as_str() {
        "Basic bWU6aHVzaA==" => stock.answer(call),
        _ => Reply::new(401, "").with("WWW-Authenticate", "Basic realm=\"x\""),
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let config = json!({ "auths": { server.host(): { "auth": "bWU6aHVzaA==" } } }).to_string();
    let setting = Setting { docker_config: docker_config(folder.path(), &config), ..Setting::of(&[&server]) };
    setting.source().fetch(&oci(&server, ":1.0.0", None)).await.unwrap();
    let sent: Vec<bool> = server.calls().iter().map(|call| !call.authorization.is_empty()).collect();
    assert_eq!(sent, [false, true, true], "only after it is demanded, then at once");

    let config = json!({ "auths": { server.host(): { "auth": "bWU6aHVzaDI=" } } }).to_string();
    let setting = Setting { docker_config: docker_config(folder.path(), &config), ..Setting::of(&[&server]) };
    let error = failure(setting, &oci(&server, ":1.0.0", None)).await;
    assert!(matches!(error, Error::Denied(_)) && error.to_string().contains("config.json"), "{error}");
    let error = failure(Setting::of(&[&server]), &oci(&server, ":1.0.0", None)).await;
    assert!(matches!(error, Error::Denied(_)), "{error}");
}

/// A registry that wants the token `good`, and the place that gives it for the right question.
async fn with_tokens(grants: impl Fn(&Call) -> bool + Send + Sync + 'static) -> Server {
    let stock = Stock::new("1.0.0");
    Server::start(move |call, host| {
        if call.path.starts_with("/token") {
            return if grants(call) { Reply::ok(r#"{"token":"good"}"#) } else { Reply::new(401, "{}") };
        }
        let demand = format!("Bearer realm=\"http://{host}/token?x=y\",service=\"s\",scope=\"repository:charts/app:pull\"");
        if call.authorization == "Bearer good" { stock.answer(call) } else { Reply::new(401, "").with("WWW-Authenticate", demand) }
    })
    .await
}

#[tokio::test]
async fn anonymous_tokens() {
    let server = with_tokens(|call| call.authorization.is_empty() && call.body.is_empty()).await;
    let source = Setting::of(&[&server]).source();
    source.fetch(&oci(&server, ":1.0.0", None)).await.unwrap();
    let paths = server.paths();
    assert_eq!(paths[1], "/token?x=y&scope=repository%3Acharts%2Fapp%3Apull&service=s");
    assert_eq!(paths.len(), 4, "one token serves all: {paths:?}");
    assert!(!format!("{source:?}").contains("good"));
}

#[tokio::test]
async fn tokens_for_passwords() {
    let server = with_tokens(|call| call.authorization == "Basic bWU6aHVzaA==").await;
    let folder = tempfile::tempdir().unwrap();
    let config = json!({ "auths": { server.host(): { "auth": "bWU6aHVzaA==" } } }).to_string();
    let setting = Setting { docker_config: docker_config(folder.path(), &config), ..Setting::of(&[&server]) };
    setting.source().fetch(&oci(&server, ":1.0.0", None)).await.unwrap();
    assert!(server.calls().iter().all(|call| call.path.starts_with("/token") || !call.authorization.starts_with("Basic")));

    let error = failure(Setting::of(&[&server]), &oci(&server, ":1.0.0", None)).await;
    assert!(matches!(error, Error::Denied(_)) && error.to_string().contains("gave no token"), "{error}");
}

#[tokio::test]
async fn tokens_for_refresh_tokens() {
    let server = with_tokens(|call| {
        let wanted = ["grant_type=refresh_token", "refresh_token=re%26hush", "client_id=launchway", "service=s"];
        call.authorization.is_empty() && wanted.iter().all(|part| call.body.contains(part)) && !call.path.contains("hush")
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let config = json!({ "auths": { server.host(): { "identitytoken": "re&hush" } } }).to_string();
    let setting = Setting { docker_config: docker_config(folder.path(), &config), ..Setting::of(&[&server]) };
    setting.source().fetch(&oci(&server, ":1.0.0", None)).await.unwrap();
}

#[tokio::test]
async fn tokens_that_are_kept() {
    let server = with_tokens(|_| false).await;
    let folder = tempfile::tempdir().unwrap();
    let config = json!({ "auths": { server.host(): { "registrytoken": "good" } } }).to_string();
    let setting = Setting { docker_config: docker_config(folder.path(), &config), ..Setting::of(&[&server]) };
    setting.source().fetch(&oci(&server, ":1.0.0", None)).await.unwrap();
    assert!(server.paths().iter().all(|path| !path.starts_with("/token")));
}

#[tokio::test]
async fn a_helper_that_fails_is_told_only_if_it_matters() {
    let folder = tempfile::tempdir().unwrap();
    let config = || docker_config(folder.path(), r#"{"credsStore":"launchway-none"}"#);
    let open = with_tokens(|_| true).await;
    let setting = Setting { docker_config: config(), ..Setting::of(&[&open]) };
    setting.source().fetch(&oci(&open, ":1.0.0", None)).await.unwrap();
    let closed = with_tokens(|_| false).await;
    let setting = Setting { docker_config: config(), ..Setting::of(&[&closed]) };
    let error = failure(setting, &oci(&closed, ":1.0.0", None)).await;
    assert!(error.to_string().contains("docker-credential-launchway-none gave no credentials"), "{error}");
}

#[tokio::test]
async fn bad_challenges() {
    for demand in ["Bearer", "Bearer realm=\"nonsense\"", "Bearer realm=\"http://h.invalid/t\"", "Negotiate", "Basic", ""] {
        let server = Server::start(move |_, _| Reply::new(401, "").with("WWW-Authenticate", demand)).await;
        let error = failure(Setting::of(&[&server]), &oci(&server, ":1.0.0", None)).await;
        assert!(matches!(error, Error::Denied(_) | Error::Unavailable(_)), "{demand}: {error}");
    }
    for answer in ["", "{}", r#"{"token":""}"#, r#"{"token":5}"#] {
        let server = Server::start(move |call, host| match call.path.as_str() {
            path if path.starts_with("/token") => Reply::ok(answer),
            _ => Reply::new(401, "").with("WWW-Authenticate", format!("Bearer realm=\"http://{host}/token\"")),
        })
        .await;
        let error = failure(Setting::of(&[&server]), &oci(&server, ":1.0.0", None)).await;
        assert!(error.to_string().contains("holds no token"), "{error}");
    }
}

#[tokio::test]
async fn redirects_lose_credentials() {
    let stock = Stock::new("1.0.0");
    let layer = stock.layer.clone();
    let store = Server::start(move |_, _| Reply::ok(layer.clone())).await;
    let target = format!("http://{}/blob?sig=hush", store.host());
    let server = Server::start(move |call, _| {
        if call.authorization != "Basic bWU6aHVzaA==" {
            return Reply::new(401, "").with("WWW-Authenticate", "Basic");
        }
        if call.path == stock.layer_path() { Reply::new(307, "").with("Location", target.clone()) } else { stock.answer(call) }
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let config = json!({ "auths": { server.host(): { "auth": "bWU6aHVzaA==" } } }).to_string();
    let setting = |servers: &[&Server]| Setting { docker_config: docker_config(folder.path(), &config), ..Setting::of(servers) };
    setting(&[&server, &store]).source().fetch(&oci(&server, ":1.0.0", None)).await.unwrap();
    assert_eq!(store.calls()[0].authorization, "");
    let error = failure(setting(&[&server]), &oci(&server, ":1.0.0", None)).await;
    assert!(error.to_string().contains("plain HTTP, which is not allowed"), "{error}");
}

#[tokio::test]
async fn redirects_end() {
    let server = Server::start(|_, _| Reply::new(302, "").with("Location", "/v2/again")).await;
    let error = failure(Setting::of(&[&server]), &oci(&server, ":1.0.0", None)).await;
    assert!(error.to_string().contains("redirects more than"), "{error}");
    let server = Server::start(|_, _| Reply::new(302, "")).await;
    let error = failure(Setting::of(&[&server]), &oci(&server, ":1.0.0", None)).await;
    assert!(error.to_string().contains("redirects to nowhere"), "{error}");
}

#[tokio::test]
async fn challenges_of_others_are_not_answered() {
    let other = Server::start(|call, host| match call.path.as_str() {
        "/token" => Reply::ok(r#"{"token":"x"}"#),
        _ => Reply::new(401, "").with("WWW-Authenticate", format!("Bearer realm=\"http://{host}/token\"")),
    })
    .await;
    let target = format!("http://{}/stolen", other.host());
    let server = Server::start(move |_, _| Reply::new(302, "").with("Location", target.clone())).await;
    let error = failure(Setting::of(&[&server, &other]), &oci(&server, ":1.0.0", None)).await;
    assert!(matches!(error, Error::Denied(_)), "{error}");
    assert_eq!(other.paths(), ["/stolen"]);
}

#[tokio::test]
async fn manifests_that_are_none() {
    let digest = Digest::of(b"").to_string();
    let layer = |size: u64, digest: &str| json!({ "layers": [{ "mediaType": CHART_LAYER, "digest": digest, "size": size }] }).to_string();
    let bodies = [
        "".to_owned(),
        "[]".to_owned(),
        "{}".to_owned(),
        r#"{"layers":[]}"#.to_owned(),
        r#"{"manifests":[]}"#.to_owned(),
        r#"{"layers":[{"mediaType":"image/png","digest":"x","size":1}]}"#.to_owned(),
        layer(1, "sha512:00"),
        layer(u64::MAX, &digest),
        layer(0, "sha256:../../x"),
    ];
    for body in bodies {
        let served = body.clone();
        let server = Server::start(move |_, _| Reply::ok(served.clone())).await;
        let error = failure(Setting::of(&[&server]), &oci(&server, ":1.0.0", None)).await;
        assert!(matches!(error, Error::Corrupt(_) | Error::NotAChart(_)), "{body}: {error}");
    }
    let server = Server::start(|_, _| Reply::ok(vec![b' '; 5 << 20])).await;
    let error = failure(Setting::of(&[&server]), &oci(&server, ":1.0.0", None)).await;
    assert!(error.to_string().contains("more than the 4194304 bytes"), "{error}");
}

#[tokio::test]
async fn a_second_run_takes_the_cache() {
    let stock = Stock::new("1.0.0");
    let served = stock.clone();
    let server = Server::start(move |call, _| served.answer(call)).await;
    let folder = tempfile::tempdir().unwrap();
    let setting = || Setting { cache: Some(folder.path().to_owned()), ..Setting::of(&[&server]) };
    setting().source().fetch(&oci(&server, ":1.0.0", None)).await.unwrap();
    setting().source().fetch(&oci(&server, ":1.0.0", None)).await.unwrap();
    assert_eq!(server.paths().len(), 3, "the tag is asked for again, the layer is not");
    setting().source().fetch(&oci(&server, &oci_digest(&stock), None)).await.unwrap();
    assert_eq!(server.paths().len(), 3, "a digest needs no network");
    for entry in std::fs::read_dir(folder.path().join("charts")).unwrap() {
        std::fs::write(entry.unwrap().path(), "poison").unwrap();
    }
    setting().source().fetch(&oci(&server, &oci_digest(&stock), None)).await.unwrap();
    assert_eq!(server.paths().len(), 5, "what was changed is fetched again");
}

#[tokio::test]
async fn directories_come_first() {
    let server = Server::start(|_, _| Reply::new(404, "")).await;
    let folder = tempfile::tempdir().unwrap();
    let archive = packing::chart("app", "1.0.0");
    std::fs::write(folder.path().join("app-1.0.0.tgz"), &archive).unwrap();
    let setting = Setting { directories: vec![folder.path().join("no"), folder.path().to_owned()], ..Setting::of(&[&server]) };
    let fetched = setting.source().fetch(&oci(&server, ":1.0.0", None)).await.unwrap();
    assert_eq!(fetched.digest, Some(Digest::of(&archive).to_string()));
    assert!(fetched.origin.contains("app-1.0.0.tgz in place of oci://"), "{}", fetched.origin);
    assert!(server.paths().is_empty());
}

#[tokio::test]
async fn paths_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.tgz");
    std::fs::write(&path, packing::chart("app", "1.0.0")).unwrap();
    let source = Setting::default().source();
    assert_eq!(source.fetch(&Reference::Path(path)).await.unwrap().version, "1.0.0");
    let error = source.fetch(&Reference::Path(folder.path().join("none"))).await.unwrap_err();
    assert!(matches!(error, Error::Missing(_)), "{error}");
}

#[tokio::test]
async fn artifacts_are_first_layers() {
    let module = b"\0asm module".to_vec();
    let manifest = json!({ "layers": [
        { "mediaType": "application/wasm", "digest": Digest::of(&module).to_string(), "size": module.len() },
        { "mediaType": "text/plain", "digest": Digest::of(b"").to_string(), "size": 0 },
    ] })
    .to_string();
    let digest = Digest::of(manifest.as_bytes()).to_string();
    let (blob, served) = (format!("/v2/m/cilium/blobs/{}", Digest::of(&module)), module.clone());
    let named = format!("/v2/m/cilium/manifests/{digest}");
    let server = Server::start(move |call, _| match call.path.as_str() {
        "/v2/m/cilium/manifests/latest" | "/v2/m/cilium/manifests/v1" => Reply::ok(manifest.clone()),
        path if path == named => Reply::ok(manifest.clone()),
        path if path == blob => Reply::ok(served.clone()),
        _ => Reply::new(404, ""),
    })
    .await;
    let source = Setting::of(&[&server]).source();
    for rest in ["".to_owned(), ":v1".to_owned(), format!("@{digest}"), format!(":v1@{digest}")] {
        let got = source.artifact(&format!("oci://{}/m/cilium{rest}", server.host())).await.unwrap();
        assert_eq!(got, module, "{rest}");
    }
    let wrong = format!("oci://{}/m/cilium:v1@{}", server.host(), Digest::of(b"other"));
    assert!(source.artifact(&wrong).await.is_err());
    assert!(matches!(source.artifact("./file.wasm").await.unwrap_err(), Error::Invalid(_)));
}

fn index(entries: &serde_json::Value) -> String {
    json!({ "apiVersion": "v1", "entries": { "app": entries } }).to_string()
}

#[tokio::test]
async fn http_repositories() {
    let archive = packing::chart("app", "1.2.0");
    let digest = Digest::of(&archive);
    let entries = json!([
        { "name": "app", "version": "1.0.0", "urls": ["old.tgz"] },
        { "name": "app", "version": "1.2.0", "urls": ["charts/app-1.2.0.tgz"], "digest": digest.hex() },
        { "name": "app", "version": "1.3.0", "urls": ["charts/app-1.2.0.tgz"], "digest": Digest::of(b"x").hex() },
        { "name": "app", "version": "1.4.0", "urls": ["charts/app-1.2.0.tgz"], "digest": "abc" },
        { "name": "app", "version": "1.5.0", "urls": ["ftp://h/app.tgz"] },
    ]);
    let (text, served) = (index(&entries), archive.clone());
    let server = Server::start(move |call, _| match call.path.as_str() {
        "/repo/index.yaml" => Reply::ok(text.clone()),
        "/repo/charts/app-1.2.0.tgz" => Reply::ok(served.clone()),
        _ => Reply::new(404, "not here"),
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let source = Setting { cache: Some(folder.path().to_owned()), ..Setting::of(&[&server]) }.source();
    for version in ["1.2.0", "~1.2"] {
        let fetched = source.fetch(&http(&server, version)).await.unwrap();
        assert_eq!((fetched.version.as_str(), fetched.digest), ("1.2.0", Some(digest.to_string())));
        assert_eq!(fetched.origin, format!("http://{}/repo/charts/app-1.2.0.tgz", server.host()));
    }
    assert_eq!(server.paths(), ["/repo/index.yaml", "/repo/charts/app-1.2.0.tgz"], "index and archive are kept");
    assert_eq!(server.calls()[1].accept, "application/gzip,application/octet-stream");
    let kind = async |version| source.fetch(&http(&server, version)).await.unwrap_err();
    assert!(matches!(kind("1.3.0").await, Error::Corrupt(_)));
    assert!(matches!(kind("1.4.0").await, Error::Corrupt(_)));
    assert!(matches!(kind("1.5.0").await, Error::Invalid(_)));
    assert!(matches!(kind("1.0.0").await, Error::Missing(_)));
    assert!(matches!(kind("^7").await, Error::Missing(_)));
}

#[tokio::test]
async fn http_repositories_with_passwords() {
    let (own, foreign) = (packing::chart("app", "1.0.0"), packing::chart("app", "2.0.0"));
    let other = Server::start(move |_, _| Reply::ok(foreign.clone())).await;
    let far = format!("http://{}/app.tgz", other.host());
    let entries = json!([
        { "name": "app", "version": "1.0.0", "urls": ["app.tgz"] },
        { "name": "app", "version": "2.0.0", "urls": [far] },
    ]);
    let text = index(&entries);
    let server = Server::start(move |call, _| match (call.authorization.as_str(), call.path.as_str()) {
        ("Basic bWU6aHVzaA==", "/repo/index.yaml") => Reply::ok(text.clone()),
        ("Basic bWU6aHVzaA==", _) => Reply::ok(own.clone()),
        _ => Reply::new(401, "").with("WWW-Authenticate", "Basic realm=\"charts\""),
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let config = json!({ "auths": { server.host(): { "auth": "bWU6aHVzaA==" } } }).to_string();
    let configured = Setting { docker_config: docker_config(folder.path(), &config), ..Setting::of(&[&server, &other]) }.source();
    configured.fetch(&http(&server, "1.0.0")).await.unwrap();
    configured.fetch(&http(&server, "2.0.0")).await.unwrap();

    let url = format!("http://me:hush@{}/repo", server.host());
    let written =
        |url: &str, version: &str| Reference::Repository { url: url.to_owned(), name: "app".to_owned(), version: version.to_owned() };
    let source = Setting::of(&[&server, &other]).source();
    source.fetch(&written(&url, "1.0.0")).await.unwrap();
    source.fetch(&written(&url, "2.0.0")).await.unwrap();
    assert!(other.calls().iter().all(|call| call.authorization.is_empty()));

    failure(Setting::of(&[&server]), &written(&url.replace("hush", "hush2"), "1.0.0")).await;
    failure(Setting::of(&[&server]), &http(&server, "1.0.0")).await;
}

#[tokio::test]
async fn an_index_may_name_a_registry() {
    let stock = Stock::new("1.0.0");
    let digest = stock.digest();
    let server = Server::start(move |call, host| match call.path.as_str() {
        "/repo/index.yaml" => {
            let address = format!("oci://{host}/charts/app:1.0.0");
            Reply::ok(index(&json!([{ "name": "app", "version": "1.0.0", "urls": [address], "digest": "0" }])))
        }
        _ => stock.answer(call),
    })
    .await;
    let fetched = Setting::of(&[&server]).source().fetch(&http(&server, "")).await.unwrap();
    assert_eq!(fetched.digest, Some(digest));
}

#[tokio::test]
async fn what_is_no_chart() {
    let layer = b"nothing".to_vec();
    let server = Server::start(move |call, _| match call.path.as_str() {
        "/repo/index.yaml" => Reply::ok(index(&json!([{ "name": "app", "version": "1.0.0", "urls": ["x"] }]))),
        _ => Reply::ok(layer.clone()),
    })
    .await;
    let error = failure(Setting::of(&[&server]), &http(&server, "")).await;
    assert!(matches!(error, Error::NotAChart(_)), "{error}");
}

#[tokio::test]
async fn schemas_elsewhere_are_fetched_with_what_they_refer_to() {
    let server = Server::start(|call, host| match call.path.as_str() {
        "/s/a.json" => {
            Reply::ok(format!(r#"{{"properties": {{"b": {{"$ref": "b.json"}}, "c": {{"$ref": "http://{host}/absent.json"}}}}}}"#))
        }
        "/s/b.json" => Reply::ok(r#"{"type": "integer"}"#),
        _ => Reply::new(404, "no"),
    })
    .await;
    let schema = format!(r#"{{"$ref": "http://{}/s/a.json"}}"#, server.host());
    let files = [("Chart.yaml", "{apiVersion: v2, name: c, version: 1.0.0}"), ("values.schema.json", schema.as_str())];
    let mut chart = helm::Chart::from_files(files.map(|(name, text)| (name.to_owned(), text.into()))).unwrap();
    let source = Source::new(crate::Options { plain_http: vec![server.host()], ..crate::Options::default() });
    source.complete_schemas(&mut chart).await;
    let paths: Vec<String> = server.calls().into_iter().map(|call| call.path).collect();
    assert_eq!(paths, ["/s/a.json", "/s/b.json", "/absent.json"]);
    let absent = format!("http://{}/absent.json", server.host());
    assert_eq!(chart.foreign_schemas[&absent], Err(format!("HTTP request to {absent} returned status 404 (Not Found)")));
    // Without leave, plain HTTP is spoken to nobody.
    chart.foreign_schemas.clear();
    Source::new(crate::Options::default()).complete_schemas(&mut chart).await;
    let first = chart.foreign_schemas.values().next().unwrap().as_ref().unwrap_err();
    assert!(first.contains("is plain HTTP, which is not allowed"), "{first}");
    assert_eq!(server.calls().len(), 3);
}
