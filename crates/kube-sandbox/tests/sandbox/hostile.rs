//! Objects with every part replaced by something else: the server answers, whatever comes.

use serde_json::{Value, json};

use crate::support::{sandbox, send};

fn samples() -> Vec<(&'static str, Value)> {
    let pod = json!({
        "metadata": { "labels": { "a": "b" } },
        "spec": {
            "initContainers": [{ "name": "i", "image": "x:1" }], "volumes": [{ "name": "v", "secret": { "secretName": "s" } }, { "name": "w", "projected": { "sources": [{ "serviceAccountToken": { "path": "t" } }] } }],
            "tolerations": [{ "operator": "Exists" }], "restartPolicy": "Always",
            "containers": [{
                "name": "c", "image": "i:1", "ports": [{ "containerPort": 1 }], "env": [{ "name": "E", "valueFrom": { "fieldRef": { "fieldPath": "f" } } }],
                "livenessProbe": { "httpGet": { "port": 1 } }, "lifecycle": { "preStop": { "exec": { "command": ["x"] } } },
                "resources": { "limits": { "cpu": "1" } }, "volumeMounts": [{ "name": "v", "mountPath": "/m" }],
            }],
        },
    });
    let selector = json!({ "matchLabels": { "a": "b" }, "matchExpressions": [{ "key": "a", "operator": "In", "values": ["b"] }] });
    let version = json!({ "name": "v1", "served": true, "storage": true, "subresources": { "status": {}, "scale": { "specReplicasPath": ".spec.n", "statusReplicasPath": ".status.n" } },
        "schema": { "openAPIV3Schema": { "type": "object", "properties": { "spec": { "type": "object", "default": {}, "properties": { "n": { "type": "integer", "minimum": 1, "default": 2 },
            "l": { "type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"], "items": { "type": "object", "properties": { "k": { "type": "string", "pattern": "^a" } } } } } } } } } });
    let hook = json!({ "name": "a.b.c", "rules": [{ "operations": ["*"] }], "clientConfig": { "service": { "name": "s", "namespace": "n" } }, "sideEffects": "None" });
    vec![
        (
            "/api/v1/namespaces",
            json!({ "metadata": { "name": "n" }, "spec": { "finalizers": ["kubernetes"] }, "status": { "phase": "x" } }),
        ),
        (
            "/api/v1/namespaces/default/pods",
            json!({ "metadata": { "name": "n", "ownerReferences": [{ "apiVersion": "v1", "kind": "Job", "name": "x", "uid": "u" }], "finalizers": ["a.b/c"] }, "spec": pod["spec"] }),
        ),
        (
            "/api/v1/namespaces/default/services",
            json!({ "metadata": { "name": "n" }, "spec": { "type": "LoadBalancer", "clusterIP": "10.43.1.1", "clusterIPs": ["10.43.1.1"], "selector": { "a": "b" }, "ports": [{ "port": 1, "nodePort": 30001 }] } }),
        ),
        (
            "/api/v1/namespaces/default/secrets",
            json!({ "metadata": { "name": "n" }, "stringData": { "a": "b" }, "data": { "c": "ZA==" }, "immutable": true }),
        ),
        (
            "/api/v1/namespaces/default/persistentvolumeclaims",
            json!({ "metadata": { "name": "n" }, "spec": { "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": "1Gi" } } } }),
        ),
        (
            "/apis/apps/v1/namespaces/default/deployments",
            json!({ "metadata": { "name": "n" }, "spec": { "replicas": 1, "selector": selector, "strategy": { "type": "RollingUpdate" }, "template": pod } }),
        ),
        (
            "/apis/apps/v1/namespaces/default/statefulsets",
            json!({ "metadata": { "name": "n" }, "spec": { "selector": selector, "template": pod, "volumeClaimTemplates": [{ "metadata": { "name": "v" }, "spec": {}, "status": {} }] } }),
        ),
        (
            "/apis/apps/v1/namespaces/default/daemonsets",
            json!({ "metadata": { "name": "n" }, "spec": { "selector": selector, "template": pod, "updateStrategy": { "rollingUpdate": {} } } }),
        ),
        (
            "/apis/batch/v1/namespaces/default/jobs",
            json!({ "metadata": { "name": "n" }, "spec": { "completions": 1, "template": { "spec": { "restartPolicy": "Never", "containers": [{ "name": "c", "image": "i" }] } } } }),
        ),
        (
            "/apis/batch/v1/namespaces/default/cronjobs",
            json!({ "metadata": { "name": "n" }, "spec": { "schedule": "* * * * *", "jobTemplate": { "spec": { "template": { "spec": { "containers": [{ "name": "c", "image": "i" }] } } } } } }),
        ),
        (
            "/apis/networking.k8s.io/v1/namespaces/default/networkpolicies",
            json!({ "metadata": { "name": "n" }, "spec": { "podSelector": {}, "ingress": [{ "ports": [{ "port": 1 }] }] } }),
        ),
        (
            "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
            json!({ "metadata": { "name": "n" }, "roleRef": { "kind": "ClusterRole", "name": "r" }, "subjects": [{ "kind": "Group", "name": "g" }] }),
        ),
        ("/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations", json!({ "metadata": { "name": "n" }, "webhooks": [hook] })),
        (
            "/apis/apiregistration.k8s.io/v1/apiservices",
            json!({ "metadata": { "name": "v1.a.b" }, "spec": { "group": "a.b", "version": "v1", "service": { "name": "s" } } }),
        ),
        (
            "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
            json!({ "metadata": { "name": "ns.a.b" }, "spec": { "group": "a.b", "scope": "Cluster", "names": { "plural": "ns", "kind": "N" }, "versions": [version] } }),
        ),
        ("/apis/a.b/v1/ns", json!({ "metadata": { "name": "n" }, "spec": { "n": 1, "l": [{ "k": "ab" }] }, "status": { "n": 1 } })),
    ]
}

fn pointers(value: &Value, at: &str, all: &mut Vec<String>) {
    all.push(at.to_owned());
    match value {
        Value::Object(map) => map.iter().for_each(|(key, child)| pointers(child, &format!("{at}/{key}"), all)),
        Value::Array(items) => items.iter().enumerate().for_each(|(index, child)| pointers(child, &format!("{at}/{index}"), all)),
        _ => {}
    }
}

#[tokio::test]
async fn no_object_makes_the_server_fall_over() {
    let odd = json!([null, -1, "x", [{}]]);
    let definition = samples().into_iter().find(|(path, _)| path.ends_with("customresourcedefinitions")).expect("one of the samples");
    let mut answers = 0;
    for (path, sample) in samples() {
        let sandbox = sandbox();
        if path.starts_with("/apis/a.b/") {
            send(&sandbox, &format!("POST {}", definition.0), "application/json", &definition.1).await;
        }
        let name = sample["metadata"]["name"].as_str().unwrap();
        let (code, answer) = send(&sandbox, &format!("POST {path}"), "application/json", &sample).await;
        assert!(code == 201 || path.ends_with("cronjobs"), "{path}: {answer}");
        let mut all = Vec::new();
        pointers(&sample, "", &mut all);
        for (pointer, odd) in all.iter().flat_map(|pointer| odd.as_array().unwrap().iter().map(move |odd| (pointer, odd))) {
            let mut object = sample.clone();
            *object.pointer_mut(pointer).unwrap() = odd.clone();
            for (line, kind) in [
                (format!("POST {path}"), "application/json"),
                (format!("PUT {path}/{name}"), "application/json"),
                (format!("PATCH {path}/{name}"), "application/merge-patch+json"),
                (format!("PATCH {path}/{name}"), "application/strategic-merge-patch+json"),
                (format!("PATCH {path}/{name}?fieldManager=x&force=true"), "application/apply-patch+yaml"),
            ] {
                let (code, answer) = send(&sandbox, &line, kind, &object).await;
                let typed = answer["message"].as_str().is_some_and(|message| message.starts_with("failed to create typed patch object"));
                assert!((200..500).contains(&code) || typed, "{line} {pointer} {odd}: {code} {answer}");
                answers += 1;
            }
        }
    }
    assert!(answers > 5_000);
}
