//! The cluster itself: it runs workloads, counts requests, and leaves nothing behind.

use real_cluster::{Cluster, Options};
use serde_json::json;

#[test]
#[cfg_attr(not(has_real), ignore = "skipped: needs Go, and cargo xtask test, which builds the real programs")]
fn workloads_run_and_requests_are_counted() {
    let cluster = Cluster::start(&Options::default()).unwrap();
    let deployment = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "web" },
        "spec": { "replicas": 2, "selector": { "matchLabels": { "app": "web" } }, "template": {
            "metadata": { "labels": { "app": "web" } }, "spec": { "containers": [{ "name": "web", "image": "example.com/web:1" }] } } },
    });
    cluster.api().create("/apis/apps/v1/namespaces/default/deployments", &deployment).unwrap();
    let ready = || {
        let found = cluster.api().get("/apis/apps/v1/namespaces/default/deployments/web")?;
        Ok(found.is_some_and(|found| found["status"]["readyReplicas"] == 2))
    };
    cluster.wait("two replicas", ready).unwrap();
    let created = cluster.requests("tester/").unwrap();
    assert_eq!(created.iter().filter(|request| request.is_write() && request.uri.contains("/deployments")).count(), 1);
    let listed = cluster.kubectl().unwrap().args(["get", "pods", "--output", "name"]).output().unwrap();
    assert_eq!(String::from_utf8(listed.stdout).unwrap().lines().count(), 2);
    let kinds: Vec<_> = cluster.api().everything().unwrap().into_iter().filter(|object| object["metadata"]["name"] == "web").collect();
    assert_eq!(kinds.len(), 1, "each object once");
}

#[test]
#[cfg_attr(not(has_real), ignore = "skipped: needs Go, and cargo xtask test, which builds the real programs")]
fn clusters_run_side_by_side_and_go_away() {
    let options = Options { nodes: 0, ..Options::default() };
    let (one, two) = (Cluster::start(&options).unwrap(), Cluster::start(&options).unwrap());
    let config = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "mark" } });
    one.api().create("/api/v1/namespaces/default/configmaps", &config).unwrap();
    assert!(two.api().get("/api/v1/namespaces/default/configmaps/mark").unwrap().is_none());
    let folder = one.folder().to_owned();
    let api = one.api().clone();
    drop(one);
    assert!(!folder.exists(), "{} is left", folder.display());
    assert!(api.get("/readyz").is_err(), "the server answers without its owner");
    assert!(two.api().get("/version").unwrap().is_some());
}
