//! Connections that stay open and say nothing. Time is that of the runtime, which passes when nobody has anything to do.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context as Task, Poll};
use std::time::Duration;

use helm::{Chart, HelmCompat};
use kube_engine::release::{self, ActionOptions, Context, Outcome, ReleaseError, UndoOptions, Wanted};
use kube_engine::{Cluster, Holder};
use kube_sandbox::Sandbox;
use serde_json::{Map, Value};

/// Where silence begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Silence {
    /// The server never sees the request.
    Before,
    /// The server acts on it.
    After,
}

/// A way to an API server on which one request is not answered.
#[derive(Clone)]
struct Way {
    sandbox: Sandbox,
    requests: Arc<AtomicUsize>,
    silent: Option<(usize, Silence)>,
}

type Request = http::Request<kube::client::Body>;

impl tower::Service<Request> for Way {
    type Response = <Sandbox as tower::Service<Request>>::Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Task<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let number = self.requests.fetch_add(1, Ordering::SeqCst) + 1;
        let silence = self.silent.filter(|(silent, _)| *silent == number).map(|(_, silence)| silence);
        let answer = (silence != Some(Silence::Before)).then(|| self.sandbox.call(request));
        Box::pin(async move {
            let answer = match answer {
                Some(answer) => Some(answer.await?),
                None => None,
            };
            match (answer, silence) {
                (Some(answer), None) => Ok(answer),
                _ => std::future::pending().await,
            }
        })
    }
}

/// Installs a release with CRDs, hooks and something to wait for, and returns how many requests that took.
async fn install(silent: Option<(usize, Silence)>) -> (Sandbox, usize, Result<Outcome, ReleaseError>) {
    let files = [
        ("Chart.yaml", "apiVersion: v2\nname: web\nversion: 1.0.0\n"),
        (
            "templates/deployment.yaml",
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: { name: web }\nspec:\n  selector: { matchLabels: { app: web } }\n  template:\n    metadata: { labels: { app: web } }\n    spec: { containers: [{ name: web, image: 'example.com/web:1' }] }\n",
        ),
        ("templates/config.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: web }\n"),
        (
            "templates/hook.yaml",
            "apiVersion: batch/v1\nkind: Job\nmetadata:\n  name: hook\n  annotations: { helm.sh/hook: 'pre-install,post-install', helm.sh/hook-delete-policy: hook-succeeded }\nspec: { template: { spec: { restartPolicy: Never, containers: [{ name: work, image: 'example.com/work:1' }] } } }\n",
        ),
    ];
    let chart = Chart::from_files(files.map(|(path, text)| (path.to_owned(), text.as_bytes().to_vec()))).unwrap();
    let wanted = Wanted {
        name: "web".into(),
        namespace: "default".into(),
        storage_namespace: "default".into(),
        chart: Arc::new(chart),
        values: Map::new(),
        compat: HelmCompat::newest(),
        install: ActionOptions::default(),
        upgrade: ActionOptions::default(),
        rollback: UndoOptions::default(),
        uninstall: UndoOptions::default(),
        crd_labels: Map::new(),
        post_render: None,
        lookups: None,
        max_history: 5,
        timeout: Duration::from_secs(600),
    };
    let (sandbox, requests) = (Sandbox::default(), Arc::new(AtomicUsize::new(0)));
    let holder = Holder { name: "me".into(), has_ended: Arc::new(|_| false), now: jiff::Timestamp::now };
    let cluster = Cluster::over(Way { sandbox: sandbox.clone(), requests: requests.clone(), silent }).exclusive(holder);
    let context = Context { cluster: &cluster, now: &jiff::Timestamp::now, seed: [1; 32], progress: &|_| {}, before_flux: &() };
    // It gets ready after a while, so that it is watched.
    sandbox.hold("Deployment", "default", "web");
    let later = sandbox.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_secs(1)).await;
        later.release("Deployment", "default", "web");
    });
    let outcome = release::ensure(&context, &wanted).await;
    (sandbox, requests.load(Ordering::SeqCst), outcome)
}

/// Returns what there is, by kind and name.
fn names(sandbox: &Sandbox) -> Vec<String> {
    let saved = sandbox.save();
    let name = |collection: &Value, object: &Value| format!("{} {}", collection["resource"], object["metadata"]["name"]);
    let collections = saved["collections"].as_array().unwrap().iter();
    collections.flat_map(|all| all["objects"].as_array().unwrap().iter().map(|object| name(all, object))).collect()
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_never_answered_is_sent_again() {
    let (undisturbed, total, outcome) = install(None).await;
    assert!(total > 20, "{total} requests");
    let expected = outcome.unwrap().record.info.unwrap();
    for silence in [Silence::Before, Silence::After] {
        for number in 1..=total {
            let (sandbox, _, outcome) = install(Some((number, silence))).await;
            let info = outcome.unwrap_or_else(|error| panic!("{silence:?} {number}: {error}")).record.info.unwrap();
            assert_eq!((info.status, info.description), (expected.status.clone(), expected.description.clone()), "{silence:?} {number}");
            assert_eq!(names(&sandbox), names(&undisturbed), "{silence:?} {number}");
        }
    }
}
