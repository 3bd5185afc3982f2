//! Reads what `--sandbox-state` kept: the objects of a cluster.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use helm::release::Release;
use serde_json::Value;

/// The objects of a saved sandbox.
pub struct Saved {
    objects: Vec<Value>,
}

impl Saved {
    /// Reads the text of a state file.
    pub fn parse(text: &str) -> Saved {
        let state: Value = serde_json::from_str(text).expect("the state file is JSON");
        let collections = state["collections"].as_array().expect("the state has collections");
        let objects = collections.iter().flat_map(|collection| collection["objects"].as_array().expect("a collection has objects"));
        Saved { objects: objects.cloned().collect() }
    }

    /// Returns all objects.
    pub fn objects(&self) -> &[Value] {
        &self.objects
    }

    /// Returns an object by API group, kind, namespace and name; in which version it is kept is the server's business.
    pub fn object(&self, api_version: &str, kind: &str, namespace: Option<&str>, name: &str) -> Option<&Value> {
        let same = |object: &&Value| {
            group(object["apiVersion"].as_str().unwrap_or_default()) == group(api_version)
                && object["kind"] == kind
                && object["metadata"]["name"] == name
                && object["metadata"]["namespace"].as_str() == namespace
        };
        self.objects.iter().find(same)
    }

    /// Returns an object of a manifest: where it names no namespace, it is in `namespace` or in none.
    pub fn counterpart(&self, of: &Value, namespace: &str) -> Option<&Value> {
        let text = |value: &'static str| of[value].as_str().unwrap_or_default();
        let name = of["metadata"]["name"].as_str().unwrap_or_default();
        let find = |namespace| self.object(text("apiVersion"), text("kind"), namespace, name);
        match of["metadata"]["namespace"].as_str() {
            Some(named) => find(Some(named)).or_else(|| find(None)),
            None => find(Some(namespace)).or_else(|| find(None)),
        }
    }

    /// Returns all releases of Helm that are stored.
    pub fn releases(&self) -> Vec<Release> {
        records(&self.objects)
    }
}

/// Returns the releases of Helm that are stored among objects.
pub fn records(objects: &[Value]) -> Vec<Release> {
    let secrets = objects.iter().filter(|object| object["kind"] == "Secret" && object["type"] == "helm.sh/release.v1");
    let decode = |secret: &Value| {
        let data = STANDARD.decode(secret["data"]["release"].as_str().expect("a release Secret has data")).expect("data is base64");
        Release::decode(&data).expect("a release Secret holds a release")
    };
    secrets.map(decode).collect()
}

/// Returns the number of the write that an object was last changed by.
pub fn resource_version(object: &Value) -> u64 {
    object["metadata"]["resourceVersion"].as_str().expect("an object has a resourceVersion").parse().expect("the sandbox counts writes")
}

/// Returns an object as `Kind namespace/name`.
pub fn title(object: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    match object["metadata"]["namespace"].as_str() {
        Some(namespace) => format!("{} {namespace}/{}", text(&object["kind"]), text(&object["metadata"]["name"])),
        None => format!("{} {}", text(&object["kind"]), text(&object["metadata"]["name"])),
    }
}

fn group(api_version: &str) -> &str {
    api_version.rsplit_once('/').map_or("", |(group, _)| group)
}
