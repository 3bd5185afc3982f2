//! Watches, effects, saved state and the log of writes.

use crate::support::{apply, get, post, sandbox, send, send_raw};
use bytes::Bytes;
use http_body_util::BodyExt;
use kube_sandbox::{Body, Sandbox};
use serde_json::{Value, json};

async fn watch(sandbox: &Sandbox, path: &str) -> Body {
    let response = send_raw(sandbox, &format!("GET {path}"), "", String::new()).await;
    assert_eq!(response.status(), 200);
    response.into_body()
}

/// Reads the next frame of a watch.
async fn events(body: &mut Body) -> Vec<(String, Value)> {
    let Some(frame) = body.frame().await else { return Vec::new() };
    let bytes: Bytes = frame.unwrap().into_data().unwrap();
    let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    lines
        .map(|line| serde_json::from_slice::<Value>(line).unwrap())
        .map(|mut event| (event["type"].as_str().unwrap().to_owned(), event["object"].take()))
        .collect()
}

fn shown(events: &[(String, Value)]) -> Vec<String> {
    events.iter().map(|(kind, object)| format!("{kind} {}", object["metadata"]["name"].as_str().unwrap_or("-"))).collect()
}

fn labelled(name: &str, app: &str) -> Value {
    json!({ "metadata": { "name": name, "labels": { "app": app } } })
}

const SECRETS: &str = "/api/v1/namespaces/default/secrets";

#[tokio::test]
async fn a_watch_replays_and_follows() {
    let sandbox = sandbox();
    let (_, first) = post(&sandbox, SECRETS, &labelled("a", "x")).await;
    let since = first["metadata"]["resourceVersion"].as_str().unwrap();
    post(&sandbox, SECRETS, &labelled("b", "x")).await;
    let mut body = watch(&sandbox, &format!("{SECRETS}?watch=true&resourceVersion={since}")).await;
    assert_eq!(shown(&events(&mut body).await), ["ADDED b"]);
    send(&sandbox, &format!("PATCH {SECRETS}/a"), "application/merge-patch+json", &json!({ "data": { "k": "dg==" } })).await;
    assert_eq!(shown(&events(&mut body).await), ["MODIFIED a"]);
    let (_, before) = get(&sandbox, &format!("{SECRETS}/a")).await;
    send(&sandbox, &format!("DELETE {SECRETS}/a"), "", &Value::Null).await;
    let gone = events(&mut body).await;
    assert_eq!(shown(&gone), ["DELETED a"]);
    assert_ne!(gone[0].1["metadata"]["resourceVersion"], before["metadata"]["resourceVersion"], "a deletion has a revision of its own");
    assert_eq!(gone[0].1["apiVersion"], "v1");
}

#[tokio::test]
async fn a_watch_sees_objects_enter_and_leave_its_selector() {
    let sandbox = sandbox();
    post(&sandbox, SECRETS, &labelled("a", "x")).await;
    let mut body = watch(&sandbox, &format!("{SECRETS}?watch=true&labelSelector=app%3Dx")).await;
    assert_eq!(shown(&events(&mut body).await), ["ADDED a"]);
    for (app, expected) in [("y", "DELETED a"), ("x", "ADDED a")] {
        send(&sandbox, &format!("PATCH {SECRETS}/a"), "application/merge-patch+json", &labelled("a", app)).await;
        assert_eq!(shown(&events(&mut body).await), [expected]);
    }
}

#[tokio::test]
async fn initial_events_end_with_a_bookmark() {
    let sandbox = sandbox();
    post(&sandbox, SECRETS, &labelled("a", "x")).await;
    let query = "watch=true&sendInitialEvents=true&allowWatchBookmarks=true&resourceVersionMatch=NotOlderThan";
    let mut body = watch(&sandbox, &format!("{SECRETS}?{query}")).await;
    let initial = events(&mut body).await;
    assert_eq!(shown(&initial), ["ADDED a", "BOOKMARK -"]);
    assert_eq!(initial[1].1["metadata"]["annotations"]["k8s.io/initial-events-end"], "true");
    let (code, _) = get(&sandbox, &format!("{SECRETS}?watch=true&sendInitialEvents=true")).await;
    assert_eq!(code, 422);
}

#[tokio::test(start_paused = true)]
async fn a_watch_ends_at_its_timeout_with_a_bookmark() {
    let sandbox = sandbox();
    let mut body = watch(&sandbox, &format!("{SECRETS}?watch=true&timeoutSeconds=5&allowWatchBookmarks=true&resourceVersion=1")).await;
    assert_eq!(shown(&events(&mut body).await), ["BOOKMARK -"]);
    assert!(events(&mut body).await.is_empty());
}

#[tokio::test]
async fn a_watch_from_forgotten_times_is_told_so() {
    let sandbox = sandbox();
    post(&sandbox, SECRETS, &labelled("a", "x")).await;
    let loaded = Sandbox::load(&sandbox.save()).unwrap();
    let mut body = watch(&loaded, &format!("{SECRETS}?watch=true&resourceVersion=1")).await;
    let told = events(&mut body).await;
    assert_eq!((told[0].0.as_str(), &told[0].1["code"], &told[0].1["reason"]), ("ERROR", &json!(410), &json!("Expired")));
    assert!(events(&mut body).await.is_empty());
}

fn deployment(name: &str) -> Value {
    json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": name }, "spec": { "selector": { "matchLabels": { "app": name } },
        "template": { "metadata": { "labels": { "app": name } }, "spec": { "containers": [{ "name": "c", "image": "i:1" }] } } } })
}

const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/default/deployments";

fn gadget_effects() -> Value {
    let schema = json!({ "openAPIV3Schema": { "type": "object", "x-kubernetes-preserve-unknown-fields": true } });
    let definition = json!({ "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": { "name": "gadgets.example.com" },
        "spec": { "group": "example.com", "scope": "Cluster", "names": { "plural": "gadgets", "kind": "Gadget" },
            "versions": [{ "name": "v1", "served": true, "storage": true, "subresources": { "status": {} }, "schema": schema }] } });
    let gadget = json!({ "apiVersion": "example.com/v1", "kind": "Gadget", "name": "g" });
    json!({ "effects": [
        { "when": { "apiVersion": "apps/v1", "kind": "Deployment", "namespace": "default", "name": "operator", "condition": "condition=Available" },
          "then": [ { "apply": { "apiVersion": "example.com/v1", "kind": "Gadget", "metadata": { "name": "early", "labels": { "a": "b" } }, "status": { "seen": true } } } ] },
        { "when": { "apiVersion": "apps/v1", "kind": "Deployment", "namespace": "default", "name": "operator", "condition": "ready" }, "then": [ { "apply": definition } ] },
        { "when": { "apiVersion": "example.com/v1", "kind": "Gadget", "name": "g", "condition": "exists" },
          "then": [ { "status": gadget, "set": { "conditions": [{ "type": "Ready", "status": "True" }] } } ] } ] })
}

#[tokio::test]
async fn effects_follow_their_conditions() {
    let sandbox = sandbox();
    sandbox.declare(&gadget_effects()).unwrap();
    sandbox.hold("Deployment", "default", "operator");
    post(&sandbox, DEPLOYMENTS, &deployment("operator")).await;
    let (_, held) = get(&sandbox, &format!("{DEPLOYMENTS}/operator")).await;
    assert_eq!(held["status"]["conditions"][0]["status"], "False");
    assert_eq!(held["status"]["unavailableReplicas"], 1);
    assert_eq!(get(&sandbox, "/apis/example.com/v1/gadgets").await.0, 404, "nothing before the operator is available");
    sandbox.release("Deployment", "default", "operator");
    let (code, early) = get(&sandbox, "/apis/example.com/v1/gadgets/early").await;
    assert_eq!((code, &early["status"]["seen"]), (200, &json!(true)), "the first effect waited for the kind that the second defines");
    assert_eq!(early["metadata"]["managedFields"][0]["manager"], "operator");
    post(&sandbox, "/apis/example.com/v1/gadgets", &json!({ "metadata": { "name": "g" } })).await;
    let (_, gadget) = get(&sandbox, "/apis/example.com/v1/gadgets/g").await;
    assert_eq!(gadget["status"]["conditions"][0]["lastTransitionTime"], "2026-01-02T03:04:05Z");
    let before = sandbox.save();
    sandbox.declare(&gadget_effects()).unwrap();
    assert_eq!(sandbox.save(), before, "declared again, nothing happens");
}

#[tokio::test]
async fn misspelled_effects_are_refused() {
    let sandbox = sandbox();
    let said = |effects: Value| sandbox.declare(&effects).unwrap_err().to_string();
    assert_eq!(said(json!({ "effect": [] })), "effects: unknown key \"effect\"; known are effects");
    let when = json!({ "apiVersion": "v1", "kind": "Pod", "name": "x", "condition": "sometimes" });
    assert!(said(json!({ "effects": [{ "when": when, "then": [] }] })).starts_with("effects[0].when.condition: \"exists\""));
    let when = json!({ "apiVersion": "v1", "kind": "Pod", "name": "x", "condition": "ready" });
    assert!(said(json!({ "effects": [{ "when": when, "then": [{ "applied": {} }] }] })).contains("unknown key \"applied\""));
    assert!(said(json!({ "effects": [{ "when": when, "then": [{ "apply": { "kind": "Pod" } }] }] })).contains("apply.apiVersion"));
}

#[tokio::test]
async fn a_second_process_continues_where_the_first_stopped() {
    let first = sandbox();
    first.declare(&gadget_effects()).unwrap();
    first.hold("Job", "default", "never");
    post(&first, DEPLOYMENTS, &deployment("operator")).await;
    let saved = first.save();
    let second = Sandbox::load(&saved).unwrap();
    assert_eq!(second.save(), saved);
    let (_, here) = get(&first, "/apis/example.com/v1/gadgets/early").await;
    assert_eq!(get(&second, "/apis/example.com/v1/gadgets/early").await.1, here);
    let (a, b) = (post(&first, SECRETS, &labelled("n", "x")).await.1, post(&second, SECRETS, &labelled("n", "x")).await.1);
    assert_eq!(a["metadata"]["uid"], b["metadata"]["uid"]);
    assert_eq!(a["metadata"]["resourceVersion"], b["metadata"]["resourceVersion"]);
    assert!(Sandbox::load(&json!({})).is_err());
}

#[tokio::test]
async fn the_log_tells_writes_that_changed_nothing() {
    let sandbox = sandbox();
    let path = format!("{DEPLOYMENTS}/web");
    for changed in [true, false] {
        apply(&sandbox, &path, "fieldManager=helm-controller", &deployment("web")).await;
        let write = sandbox.writes().pop().unwrap();
        assert_eq!((write.verb.as_str(), write.resource.as_str(), write.changed), ("apply", "deployments.apps", changed));
        assert_eq!((write.manager.as_str(), write.user_agent.as_str(), write.name.as_str()), ("helm-controller", "tester/1.0", "web"));
    }
    apply(&sandbox, &path, "fieldManager=helm-controller&dryRun=All", &deployment("web")).await;
    send(&sandbox, &format!("DELETE {DEPLOYMENTS}/none"), "", &Value::Null).await;
    assert_eq!(sandbox.writes().len(), 2, "neither dry runs nor failures nor actors are writes");
}

#[tokio::test]
async fn discovery_is_aggregated_when_asked_for() {
    let sandbox = sandbox();
    let (_, legacy) = get(&sandbox, "/apis").await;
    assert_eq!(legacy["kind"], "APIGroupList");
    let request = http::Request::get("/apis")
        .header("accept", "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json");
    let response = tower::ServiceExt::oneshot(sandbox.clone(), request.body(http_body_util::Empty::<Bytes>::new()).unwrap()).await.unwrap();
    assert!(response.headers()["content-type"].to_str().unwrap().contains("as=APIGroupDiscoveryList"));
    let list: Value = serde_json::from_slice(&response.into_body().collect().await.unwrap().to_bytes()).unwrap();
    let apps = list["items"].as_array().unwrap().iter().find(|group| group["metadata"]["name"] == "apps").unwrap();
    let deployments =
        apps["versions"][0]["resources"].as_array().unwrap().iter().find(|resource| resource["resource"] == "deployments").unwrap();
    assert_eq!(deployments["shortNames"], json!(["deploy"]));
}

#[tokio::test]
async fn unknown_fields_are_warned_of() {
    let response = send_raw(
        &sandbox(),
        &format!("POST {SECRETS}"),
        "application/json",
        json!({ "metadata": { "name": "a" }, "extra": 1 }).to_string(),
    )
    .await;
    assert_eq!(response.status(), 201);
    assert_eq!(response.headers()["warning"], r#"299 - "unknown field \"extra\"""#);
}

#[tokio::test]
async fn hostile_bodies_are_refused() {
    let sandbox = sandbox();
    let deep = format!("{}1{}", "{\"a\":".repeat(5000), "}".repeat(5000));
    for (line, kind) in
        [(format!("POST {SECRETS}"), "application/json"), (format!("PATCH {SECRETS}/a?fieldManager=x"), "application/apply-patch+yaml")]
    {
        assert_eq!(send_raw(&sandbox, &line, kind, deep.clone()).await.status(), 400, "{line}");
    }
    assert_eq!(send_raw(&sandbox, &format!("POST {SECRETS}"), "application/json", "x".repeat(4 << 20)).await.status(), 413);
    for body in [
        "null",
        "[]",
        "1",
        "\"x\"",
        "{\"metadata\":1}",
        "{\"metadata\":{\"name\":1}}",
        "{\"metadata\":{\"managedFields\":1,\"name\":\"q\"}}",
    ] {
        for verb in [
            "POST /api/v1/namespaces/default/secrets",
            "PUT /api/v1/namespaces/default/secrets/default",
            "POST /api/v1/namespaces",
            "POST /apis/apps/v1/namespaces/default/deployments",
            "POST /apis/apiextensions.k8s.io/v1/customresourcedefinitions",
        ] {
            let status = send_raw(&sandbox, verb, "application/json", body.to_owned()).await.status();
            assert!(status.is_client_error() || status == 201, "{verb} {body}: {status}");
        }
    }
}

#[tokio::test]
async fn thousands_of_objects_are_listed_in_pages_and_deleted_with_their_namespace() {
    let sandbox = sandbox();
    post(&sandbox, "/api/v1/namespaces", &json!({ "metadata": { "name": "many" } })).await;
    for at in 0..3000 {
        post(&sandbox, "/api/v1/namespaces/many/secrets", &labelled(&format!("s{at:05}"), "x")).await;
    }
    let (mut token, mut seen) = (String::new(), 0);
    loop {
        let (_, page) = get(&sandbox, &format!("/api/v1/namespaces/many/secrets?limit=700&continue={token}")).await;
        seen += page["items"].as_array().unwrap().len();
        match page["metadata"]["continue"].as_str() {
            Some(next) => token = next.to_owned(),
            None => break,
        }
    }
    assert_eq!(seen, 3000);
    send(&sandbox, "DELETE /api/v1/namespaces/many", "", &Value::Null).await;
    assert_eq!(get(&sandbox, "/api/v1/secrets").await.1["items"], json!([]));
}

#[tokio::test]
async fn a_patch_cannot_grow_without_bound() {
    let sandbox = sandbox();
    post(&sandbox, SECRETS, &labelled("a", "x")).await;
    let doubling: Vec<Value> = (0..60).map(|at| json!({ "op": "copy", "from": "", "path": format!("/m{at}") })).collect();
    let (code, _) = send(&sandbox, &format!("PATCH {SECRETS}/a"), "application/json-patch+json", &json!(doubling)).await;
    assert_eq!(code, 413);
}

#[tokio::test]
async fn services_get_addresses_of_both_families() {
    let both =
        Sandbox::new(kube_sandbox::Options { service_cidr: "10.43.0.0/16,fd00:43::/112".into(), ..kube_sandbox::Options::default() });
    let service = |name: &str, more: Value| {
        let mut spec = json!({ "ports": [{ "port": 1 }] });
        spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({ "metadata": { "name": name }, "spec": spec })
    };
    let create = async |name: &str, more: Value| {
        let (code, created) = post(&both, "/api/v1/namespaces/default/services", &service(name, more)).await;
        (code, created["spec"]["clusterIPs"].clone(), created["spec"]["ipFamilies"].clone())
    };
    let given = json!(["10.43.0.10", "fd00:43::a"]);
    let dual = json!({ "ipFamilyPolicy": "PreferDualStack", "clusterIP": "10.43.0.10", "clusterIPs": given });
    assert_eq!(create("given", dual).await, (201, given, json!(["IPv4", "IPv6"])));
    let (code, chosen, families) = create("chosen", json!({ "ipFamilyPolicy": "RequireDualStack" })).await;
    assert_eq!((code, chosen.as_array().map(Vec::len), families), (201, Some(2), json!(["IPv4", "IPv6"])));
    assert_eq!(create("sixth", json!({ "clusterIP": "fd00:43::b" })).await, (201, json!(["fd00:43::b"]), json!(["IPv6"])));
    assert_eq!(create("first", json!({})).await.2, json!(["IPv4"]));
    assert_eq!(create("outside", json!({ "clusterIP": "fd00:44::b" })).await.0, 422);
    assert_eq!(create("taken", json!({ "clusterIP": "fd00:43::a" })).await.0, 422);
}
