//! What the server says of itself: versions, groups, resources, health.

use std::sync::Arc;

use http::Method;
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::kinds::{Kinds, api_version};
use crate::request::Incoming;
use crate::server::Reply;
use crate::store::State;

/// Serves the paths that name no resource.
pub(crate) fn serve(state: &State, parts: &[&str], incoming: &Incoming<'_>) -> Result<Reply, Failure> {
    if *incoming.method != Method::GET {
        return Err(Failure::no_such_resource());
    }
    let aggregated = incoming.accept.contains("as=APIGroupDiscoveryList") && incoming.accept.contains("v=v2");
    let found = match parts {
        ["readyz" | "healthz" | "livez", ..] => return Ok(Reply::Text(200, "ok".into())),
        [] => Some(json!({ "paths": ["/api", "/apis", "/healthz", "/livez", "/readyz", "/version"] })),
        ["version"] => Some(version(&state.options.kube_version)),
        ["api"] if aggregated => Some(aggregated_list(&state.kinds, true)),
        ["api"] => Some(json!({ "kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": [] })),
        ["apis"] if aggregated => Some(aggregated_list(&state.kinds, false)),
        ["apis"] => Some(group_list(&state.kinds)),
        ["api", version] => resource_list(&state.kinds, "", version),
        ["apis", group] => state.kinds.groups().iter().find(|(name, _)| name == group).map(|(name, versions)| {
            let mut shown = group_entry(name, versions);
            shown["kind"] = "APIGroup".into();
            shown["apiVersion"] = "v1".into();
            shown
        }),
        ["apis", group, version] => resource_list(&state.kinds, group, version),
        _ => None,
    };
    found.map(|value| Reply::Json(200, Arc::new(value))).ok_or_else(Failure::no_such_resource)
}

fn version(git_version: &str) -> Value {
    let mut numbers = git_version.trim_start_matches('v').split('.');
    let (major, minor) = (numbers.next().unwrap_or_default(), numbers.next().unwrap_or_default());
    json!({
        "major": major, "minor": minor, "gitVersion": git_version, "gitCommit": "", "gitTreeState": "clean", "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "", "compiler": "rustc", "platform": "sandbox/amd64",
    })
}

fn aggregated_list(kinds: &Kinds, core: bool) -> Value {
    let groups = kinds.groups().iter().filter(|(name, _)| name.is_empty() == core);
    let items: Vec<Value> = groups
        .map(|(name, versions)| {
            let versions: Vec<Value> = versions
                .iter()
                .map(|version| {
                    let resources: Vec<Value> = kinds.of_group(name, version).map(|resource| resource.discovery()).collect();
                    json!({ "version": version, "resources": resources, "freshness": "Current" })
                })
                .collect();
            let meta = if name.is_empty() { json!({}) } else { json!({ "name": name }) };
            json!({ "metadata": meta, "versions": versions })
        })
        .collect();
    json!({ "kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items })
}

fn group_entry(name: &str, versions: &[String]) -> Value {
    let entry = |version: &String| json!({ "groupVersion": api_version(name, version), "version": version });
    let all: Vec<Value> = versions.iter().map(entry).collect();
    let preferred = all.first().cloned().unwrap_or_else(|| json!({}));
    json!({ "name": name, "versions": all, "preferredVersion": preferred })
}

fn group_list(kinds: &Kinds) -> Value {
    let groups: Vec<Value> =
        kinds.groups().iter().filter(|(name, _)| !name.is_empty()).map(|(name, versions)| group_entry(name, versions)).collect();
    json!({ "kind": "APIGroupList", "apiVersion": "v1", "groups": groups })
}

fn resource_list(kinds: &Kinds, group: &str, version: &str) -> Option<Value> {
    let known = kinds.groups().iter().any(|(name, versions)| name == group && versions.iter().any(|v| v == version));
    if !known {
        return None;
    }
    let mut resources = Vec::new();
    for resource in kinds.of_group(group, version) {
        let mut entry = json!({
            "name": resource.plural(), "singularName": resource.singular, "namespaced": resource.namespaced, "kind": resource.kind,
            "verbs": resource.verbs,
        });
        for (key, list) in [("shortNames", &resource.short_names), ("categories", &resource.categories)] {
            if !list.is_empty() {
                entry[key] = json!(list);
            }
        }
        resources.push(entry);
        resources.extend(resource.subresources.iter().map(|sub| subresource_entry(resource, sub)));
    }
    Some(json!({ "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": api_version(group, version), "resources": resources }))
}

fn subresource_entry(resource: &crate::kinds::Resource, sub: &Value) -> Value {
    let mut entry = json!({
        "name": format!("{}/{}", resource.plural(), sub["subresource"].as_str().unwrap_or_default()),
        "singularName": "", "namespaced": resource.namespaced, "kind": sub["responseKind"]["kind"], "verbs": sub["verbs"],
    });
    for key in ["group", "version"] {
        if sub["responseKind"][key].as_str().is_some_and(|text| !text.is_empty()) {
            entry[key] = sub["responseKind"][key].clone();
        }
    }
    entry
}
