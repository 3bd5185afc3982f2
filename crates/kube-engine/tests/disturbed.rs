//! Runs that are disturbed at one of their requests, at each in turn: it is never answered, or the run ends there. Time is that of the runtime,
//! which passes when nobody has anything to do.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context as Task, Poll};
use std::time::Duration;

use helm::Chart;
use kube_engine::release::{self, Context, OnFailure, Outcome, ReleaseError, Wanted};
use kube_engine::{Cluster, Holder};
use kube_sandbox::Sandbox;
use serde_json::{Value, json};
use tokio::sync::Notify;

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
    /// Told when that request has come.
    reached: Arc<Notify>,
}

type Request = http::Request<kube::client::Body>;

impl Way {
    fn to(sandbox: &Sandbox, silent: Option<(usize, Silence)>) -> Way {
        Way { sandbox: sandbox.clone(), requests: Arc::default(), silent, reached: Arc::default() }
    }

    fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

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
        let reached = self.reached.clone();
        Box::pin(async move {
            let answer = match answer {
                Some(answer) => Some(answer.await?),
                None => None,
            };
            match (answer, silence) {
                (Some(answer), None) => Ok(answer),
                _ => {
                    reached.notify_one();
                    std::future::pending().await
                }
            }
        })
    }
}

const DEPLOYMENT: &str = "apiVersion: apps/v1\nkind: Deployment\nmetadata: { name: web }\nspec:\n  selector: { matchLabels: { app: web } }\n  template:\n    metadata: { labels: { app: web } }\n    spec: { containers: [{ name: web, image: 'example.com/web:{{ .Values.image }}' }] }\n";
const CONFIG: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: web-{{ .Values.image }} }\n";
const HOOK: &str = "apiVersion: batch/v1\nkind: Job\nmetadata:\n  name: hook\n  annotations:\n    helm.sh/hook: 'pre-install,post-install,post-upgrade,pre-rollback,post-rollback,pre-delete,post-delete'\n    helm.sh/hook-delete-policy: hook-succeeded\nspec: { template: { spec: { restartPolicy: Never, containers: [{ name: work, image: 'example.com/work:1' }] } } }\n";

/// A release with hooks and something to wait for.
fn wanted(image: u32) -> Wanted {
    let files = [
        ("Chart.yaml", "apiVersion: v2\nname: web\nversion: 1.0.0\n"),
        ("templates/deployment.yaml", DEPLOYMENT),
        ("templates/config.yaml", CONFIG),
        ("templates/hook.yaml", HOOK),
    ];
    let chart = Chart::from_files(files.map(|(path, text)| (path.to_owned(), text.as_bytes().to_vec()))).unwrap();
    let values = helm::values::as_floats(json!({ "image": image })).as_object().cloned().unwrap();
    Wanted { values, timeout: Duration::from_secs(600), ..Wanted::new("web", "default", Arc::new(chart)) }
}

async fn ensure(way: Way, wanted: &Wanted) -> Result<Outcome, ReleaseError> {
    let holder = Holder { name: "me".into(), has_ended: Arc::new(|_| false), now: jiff::Timestamp::now };
    let cluster = Cluster::over(way).exclusive(holder);
    let context = Context { cluster: &cluster, now: &jiff::Timestamp::now, seed: [1; 32], progress: &|_| {}, before_flux: &() };
    release::ensure(&context, wanted).await
}

/// Returns what there is, by kind and name.
fn names(sandbox: &Sandbox) -> Vec<String> {
    let saved = sandbox.save();
    let name = |collection: &Value, object: &Value| format!("{} {}", collection["resource"], object["metadata"]["name"]);
    let collections = saved["collections"].as_array().unwrap().iter();
    collections.flat_map(|all| all["objects"].as_array().unwrap().iter().map(|object| name(all, object))).collect()
}

/// Installs, and returns how many requests that took.
async fn install(silent: Option<(usize, Silence)>) -> (Sandbox, usize, Result<Outcome, ReleaseError>) {
    let sandbox = Sandbox::default();
    // It gets ready after a while, so that it is watched.
    sandbox.hold("Deployment", "default", "web");
    let later = sandbox.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_secs(1)).await;
        later.release("Deployment", "default", "web");
    });
    let way = Way::to(&sandbox, silent);
    let outcome = ensure(way.clone(), &wanted(1)).await;
    (sandbox, way.requests(), outcome)
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

/// Fails to install or upgrade, undoes it, and dies on the way if told so. Returns how many requests it had sent by then.
async fn undo(sandbox: &Sandbox, on_failure: OnFailure, dies_after: Option<usize>) -> usize {
    if on_failure == OnFailure::RollBack {
        ensure(Way::to(sandbox, None), &wanted(1)).await.unwrap();
    }
    let mut failing = wanted(2);
    failing.timeout = Duration::ZERO;
    (failing.install.on_failure, failing.upgrade.on_failure) = (on_failure, on_failure);
    sandbox.hold("Deployment", "default", "web");
    let way = Way::to(sandbox, dies_after.map(|number| (number, Silence::After)));
    let reached = way.reached.clone();
    tokio::select! {
        // How often something is looked at varies: it may end before.
        failed = ensure(way.clone(), &failing) => assert!(failed.is_err()),
        () = reached.notified() => {}
    }
    sandbox.release("Deployment", "default", "web");
    way.requests()
}

#[tokio::test(start_paused = true)]
async fn a_run_that_dies_while_it_undoes_is_continued() {
    for on_failure in [OnFailure::RollBack, OnFailure::Uninstall] {
        let undisturbed = Sandbox::default();
        let total = undo(&undisturbed, on_failure, None).await;
        assert!(total > 30, "{total} requests");
        ensure(Way::to(&undisturbed, None), &wanted(2)).await.unwrap();
        let without_records = |sandbox: &Sandbox| names(sandbox).into_iter().filter(|name| !name.contains("sh.helm.")).collect::<Vec<_>>();
        for number in 1..=total {
            let sandbox = Sandbox::default();
            undo(&sandbox, on_failure, Some(number)).await;
            let what = format!("{on_failure:?}, dead after request {number}");
            ensure(Way::to(&sandbox, None), &wanted(2)).await.unwrap_or_else(|error| panic!("{what}: {error}"));
            assert_eq!(without_records(&sandbox), without_records(&undisturbed), "{what}");
            let stored = release::stored_revisions(&Cluster::over(sandbox), "default", "web").await.unwrap();
            let mut statuses: Vec<String> = stored.into_iter().map(|stored| stored.release.info.unwrap().status).collect();
            assert_eq!(statuses.pop().as_deref(), Some("deployed"), "{what}");
            assert!(statuses.iter().all(|status| status == "superseded" || status == "failed"), "{what}: {statuses:?}");
        }
    }
}
