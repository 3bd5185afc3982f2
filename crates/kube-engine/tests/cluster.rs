//! Requests and waits against the API server in this process.

use std::time::Duration;

use kube_engine::wait::{self, WaitError};
use kube_engine::{Action, Apply, Cluster, ObjectRef, PatchType, Propagation, Selection};
use kube_sandbox::Sandbox;
use serde_json::{Value, json};

const APPLY: Apply<'static> = Apply { manager: "tester", force: false, creates: false, default_namespace: Some("default") };

fn cluster() -> Cluster {
    Cluster::over(Sandbox::default())
}

fn config(value: &str) -> Value {
    json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "settings" }, "data": { "key": value } })
}

fn reference(api_version: &str, kind: &str, namespace: Option<&str>, name: &str) -> ObjectRef {
    ObjectRef { api_version: api_version.into(), kind: kind.into(), namespace: namespace.map(str::to_owned), name: name.into() }
}

fn definition() -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": { "name": "things.example.com" },
        "spec": {
            "group": "example.com", "scope": "Namespaced", "names": { "kind": "Thing", "listKind": "ThingList", "plural": "things", "singular": "thing" },
            "versions": [{ "name": "v1", "served": true, "storage": true,
                "schema": { "openAPIV3Schema": { "type": "object", "x-kubernetes-preserve-unknown-fields": true } } }],
        },
    })
}

#[tokio::test]
async fn an_apply_says_what_it_did() {
    let cluster = cluster();
    for (value, expected) in [("a", Action::Created), ("a", Action::Unchanged), ("b", Action::Configured)] {
        assert_eq!(cluster.apply(&config(value), &APPLY).await.unwrap().action, expected);
    }
    let found = cluster.get(&reference("v1", "ConfigMap", Some("default"), "settings")).await.unwrap().unwrap();
    assert_eq!(found["data"]["key"], "b");
}

#[tokio::test]
async fn conflicts_are_told_and_can_be_forced() {
    let cluster = cluster();
    cluster.apply(&config("a"), &APPLY).await.unwrap();
    let other = Apply { manager: "other", ..APPLY };
    let error = cluster.apply(&config("b"), &other).await.unwrap_err();
    assert_eq!(error.code(), "conflict");
    assert!(error.to_string().contains("ConfigMap default/settings"), "{error}");
    assert_eq!(cluster.apply(&config("b"), &Apply { force: true, ..other }).await.unwrap().action, Action::Configured);
}

#[tokio::test]
async fn lists_patches_and_deletes() {
    let cluster = cluster();
    cluster.create(&json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "a", "namespace": "default", "labels": { "x": "y" } } }), "t").await.unwrap();
    let selection =
        Selection { api_version: "v1".into(), kind: "ConfigMap".into(), label_selector: Some("x=y".into()), ..Selection::default() };
    let found = cluster.list(&selection).await.unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0]["kind"], "ConfigMap");
    let object = reference("v1", "ConfigMap", Some("default"), "a");
    let change = cluster.patch(&object, PatchType::Merge, &json!({ "data": { "k": "v" } }), None, "t").await.unwrap();
    assert_eq!(change.action, Action::Configured);
    assert_eq!(cluster.delete(&object, Propagation::Background).await.unwrap().action, Action::Deleted);
    assert_eq!(cluster.delete(&object, Propagation::Background).await.unwrap().action, Action::Absent);
}

#[tokio::test]
async fn a_kind_that_is_not_served_is_named() {
    let thing = json!({ "apiVersion": "example.com/v1", "kind": "Thing", "metadata": { "name": "x", "namespace": "default" } });
    let error = cluster().apply(&thing, &APPLY).await.unwrap_err();
    assert_eq!(error.to_string(), "Thing default/x: the cluster has no kind Thing in example.com/v1: its CRD is missing");
}

#[tokio::test]
async fn a_wait_survives_a_kind_that_comes_later() {
    let cluster = cluster();
    let wanted = [(reference("example.com/v1", "Thing", Some("default"), "x"), "exists".parse().unwrap())];
    let writer = async {
        tokio::time::sleep(Duration::from_millis(20)).await;
        cluster.apply(&definition(), &APPLY).await.unwrap();
        let thing = json!({ "apiVersion": "example.com/v1", "kind": "Thing", "metadata": { "name": "x", "namespace": "default" } });
        cluster.apply(&thing, &APPLY).await.unwrap();
    };
    let (seen, ()) = tokio::join!(wait::until(&cluster, &wanted, Duration::from_secs(20), &|_| {}), writer);
    assert_eq!(seen.unwrap()[0]["metadata"]["name"], "x");
}

#[tokio::test]
async fn a_time_out_says_what_was_missing() {
    let cluster = cluster();
    let wanted = [
        (reference("v1", "Namespace", None, "default"), "ready".parse().unwrap()),
        (
            reference("apiextensions.k8s.io/v1", "CustomResourceDefinition", None, "things.example.com"),
            "condition=Established".parse().unwrap(),
        ),
    ];
    let Err(WaitError::Timeout { pending, .. }) = wait::until(&cluster, &wanted, Duration::from_millis(100), &|_| {}).await else {
        panic!()
    };
    assert_eq!(pending.len(), 1);
    assert_eq!((pending[0].object.name.as_str(), pending[0].reason.as_str()), ("things.example.com", "does not exist"));
}

#[tokio::test]
async fn workloads_become_ready() {
    let cluster = cluster();
    let labels = json!({ "app": "web" });
    let deployment = json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "web" }, "spec": {
        "replicas": 2, "selector": { "matchLabels": labels },
        "template": { "metadata": { "labels": labels }, "spec": { "containers": [{ "name": "c", "image": "i" }] } } } });
    cluster.apply(&deployment, &APPLY).await.unwrap();
    let wanted = [(reference("apps/v1", "Deployment", Some("default"), "web"), "ready".parse().unwrap())];
    wait::until(&cluster, &wanted, Duration::from_secs(20), &|_| {}).await.unwrap();
}
