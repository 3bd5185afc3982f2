//! Lists: selectors, pages, and lists as they were at an earlier revision.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::failure::Failure;
use crate::kinds::Resource;
use crate::request::Query;
use crate::selectors::{FieldSelector, LabelSelector};
use crate::store::{ObjectKey, State};

/// Which objects a list or watch is about.
#[derive(Debug, Clone, Default)]
pub(crate) struct Filter {
    namespace: String,
    name: String,
    labels: LabelSelector,
    fields: FieldSelector,
}

impl Filter {
    pub(crate) fn read(resource: &Resource, namespace: &str, name: &str, query: &Query) -> Result<Filter, Failure> {
        Ok(Filter {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            labels: LabelSelector::parse(query.text("labelSelector"))?,
            fields: FieldSelector::parse(query.text("fieldSelector"), resource.plural(), resource.custom)?,
        })
    }

    pub(crate) fn matches(&self, object: &Value) -> bool {
        let is = |key: &str, wanted: &str| wanted.is_empty() || object["metadata"][key] == wanted;
        is("namespace", &self.namespace) && is("name", &self.name) && self.labels.matches(object) && self.fields.matches(object)
    }
}

/// Returns the objects that match, in order.
pub(crate) fn matching(state: &State, resource: &Resource, filter: &Filter) -> Vec<Arc<Value>> {
    let objects = state.collections.get(&resource.id).map(|collection| collection.objects.values());
    objects.into_iter().flatten().filter(|object| filter.matches(object)).cloned().collect()
}

/// Where the next page starts: the revision of the list, and the last key of the page before.
struct Page {
    revision: u64,
    after: Option<ObjectKey>,
}

fn page(state: &State, query: &Query) -> Result<Page, Failure> {
    let token = query.text("continue");
    if !token.is_empty() {
        let parse = || {
            let (revision, key) = token.split_once(':')?;
            let (namespace, name) = key.split_once('/')?;
            Some(Page { revision: revision.parse().ok()?, after: Some((namespace.to_owned(), name.to_owned())) })
        };
        return parse().ok_or_else(|| Failure::bad_request("continue key is not valid: the token was not issued by this server"));
    }
    let asked = query.number("resourceVersion")?.unwrap_or(0);
    if asked > state.revision {
        let message = format!("Too large resource version: {asked}, current: {}", state.revision);
        return Err(Failure::new(504, "Timeout", message));
    }
    let exact = query.text("resourceVersionMatch") == "Exact";
    Ok(Page { revision: if exact { asked } else { state.revision }, after: None })
}

/// Returns one page of a list.
pub(crate) fn list(state: &State, resource: &Resource, filter: &Filter, query: &Query) -> Result<Value, Failure> {
    let page = page(state, query)?;
    let limit = query.number("limit")?.filter(|limit| *limit > 0).map(|limit| usize::try_from(limit).unwrap_or(usize::MAX));
    let empty = BTreeMap::new();
    let earlier;
    let objects = match state.collections.get(&resource.id) {
        None => &empty,
        Some(collection) if page.revision >= state.revision => &collection.objects,
        Some(collection) => {
            let gone = || Failure::gone("The provided continue parameter is too old to display a consistent list result.");
            earlier = collection.at(page.revision).ok_or_else(gone)?;
            &earlier
        }
    };
    let from = page.after.map_or(Bound::Unbounded, Bound::Excluded);
    let mut found = objects.range((from, Bound::Unbounded)).filter(|(_, object)| filter.matches(object));
    let shown: Vec<(&ObjectKey, &Arc<Value>)> = found.by_ref().take(limit.unwrap_or(usize::MAX)).collect();
    let left = if limit.is_some() { found.count() } else { 0 };
    let mut meta = json!({ "resourceVersion": page.revision.to_string() });
    if left > 0
        && let Some((key, _)) = shown.last()
    {
        meta["continue"] = format!("{}:{}/{}", page.revision, key.0, key.1).into();
        meta["remainingItemCount"] = left.into();
    }
    let items: Vec<Value> = shown.iter().map(|(_, object)| item(resource, object)).collect();
    Ok(json!({ "kind": resource.list_kind, "apiVersion": resource.api_version(), "metadata": meta, "items": items }))
}

/// Items of built-in lists do not repeat their kind, those of custom resources do.
fn item(resource: &Resource, object: &Value) -> Value {
    let mut item = object.clone();
    if resource.custom {
        item["apiVersion"] = resource.api_version().into();
    } else if let Some(map) = item.as_object_mut() {
        map.remove("apiVersion");
        map.remove("kind");
    }
    item
}
