//! The `scale` subresource: a small object that shows and sets the number of replicas.

use serde_json::{Map, Value, json};

use crate::failure::Failure;
use crate::kinds::Resource;
use crate::objects::text;

fn at<'a>(object: &'a Value, path: &str) -> &'a Value {
    path.split('.').filter(|key| !key.is_empty()).fold(object, |value, key| &value[key])
}

/// Writes to a path such as `.spec.replicas`, making objects on the way.
fn set_at(object: &mut Value, path: &str, value: Value) {
    let mut place = object;
    for key in path.split('.').filter(|key| !key.is_empty()) {
        if !place.is_object() {
            *place = Value::Object(Map::new());
        }
        place = &mut place[key];
    }
    *place = value;
}

/// Returns the scale of an object.
pub(crate) fn show(resource: &Resource, object: &Value) -> Result<Value, Failure> {
    let paths = resource.scale.as_ref().ok_or_else(Failure::no_such_resource)?;
    let number = |path: &str| at(object, path).as_i64().unwrap_or(0);
    let mut status = json!({ "replicas": number(&paths.status) });
    let selector = match &paths.selector {
        Some(path) => at(object, path).as_str().map(str::to_owned),
        None => Some(labels_text(&object["spec"]["selector"])).filter(|text| !text.is_empty()),
    };
    if let Some(selector) = selector {
        status["selector"] = selector.into();
    }
    let meta = json!({
        "name": text(object, "name"), "namespace": text(object, "namespace"), "uid": text(object, "uid"),
        "resourceVersion": text(object, "resourceVersion"), "creationTimestamp": text(object, "creationTimestamp"),
    });
    Ok(
        json!({ "kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": meta, "spec": { "replicas": number(&paths.spec) }, "status": status }),
    )
}

fn labels_text(selector: &Value) -> String {
    let labels = if selector["matchLabels"].is_object() { &selector["matchLabels"] } else { selector };
    let pairs = labels.as_object().into_iter().flatten().filter_map(|(key, value)| Some(format!("{key}={}", value.as_str()?)));
    pairs.collect::<Vec<_>>().join(",")
}

/// Returns the object with the number of replicas that a scale asks for.
pub(crate) fn set(resource: &Resource, object: &Value, scale: &Value) -> Result<Value, Failure> {
    let paths = resource.scale.as_ref().ok_or_else(Failure::no_such_resource)?;
    let replicas = scale["spec"]["replicas"].as_i64().unwrap_or(0);
    if replicas < 0 {
        let cause = crate::failure::Cause::invalid("spec.replicas", &replicas.into(), "must be greater than or equal to 0");
        return Err(Failure::invalid("autoscaling", "Scale", text(object, "name"), vec![cause]));
    }
    let mut object = object.clone();
    let version = text(scale, "resourceVersion");
    if !version.is_empty() {
        object["metadata"]["resourceVersion"] = version.into();
    }
    set_at(&mut object, &paths.spec, replicas.into());
    Ok(object)
}
