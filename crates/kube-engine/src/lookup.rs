//! Many objects at once.

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt, TryStreamExt};
use serde_json::Value;

use crate::cluster::{Applied, Apply, Cluster, PAGE};
use crate::error::Error;
use crate::object::ObjectRef;

/// Requests for many objects that are under way at once.
pub(crate) const OVERLAP: usize = 8;
/// Names and no content, from servers that know how.
const NAMES: &str = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json";

impl Cluster {
    /// Returns objects, in the order given; none for those that are not there.
    pub(crate) async fn get_each(&self, objects: &[ObjectRef]) -> Result<Vec<Option<Value>>, Error> {
        let requests: Vec<_> = objects.iter().map(|object| self.get(object)).collect();
        all(requests).await
    }

    /// Returns the same with fewer requests where most are not there: several of a kind are looked for in one list of names, and nothing in
    /// a namespace that is among them and not there.
    pub(crate) async fn get_new(&self, objects: &[ObjectRef]) -> Result<Vec<Option<Value>>, Error> {
        let (namespaces, others): (Vec<&ObjectRef>, Vec<&ObjectRef>) = objects.iter().partition(|object| is_namespace(object));
        let found = self.find(&namespaces).await?;
        let namespaces: BTreeMap<&str, Option<Value>> = namespaces.iter().map(|namespace| namespace.name.as_str()).zip(found).collect();
        let is_nowhere = |object: &ObjectRef| object.namespace.as_deref().is_some_and(|inside| namespaces.get(inside) == Some(&None));
        let others: Vec<&ObjectRef> = others.into_iter().filter(|object| !is_nowhere(object)).collect();
        let mut found = self.find(&others).await?.into_iter();
        let live = |object: &ObjectRef| match object {
            namespace if is_namespace(namespace) => namespaces.get(namespace.name.as_str()).cloned().flatten(),
            object if is_nowhere(object) => None,
            _ => found.next().flatten(),
        };
        Ok(objects.iter().map(live).collect())
    }

    async fn find(&self, objects: &[&ObjectRef]) -> Result<Vec<Option<Value>>, Error> {
        let mut kinds: BTreeMap<(&str, &str, Option<&str>), usize> = BTreeMap::new();
        for object in objects {
            *kinds.entry(place(object)).or_default() += 1;
        }
        kinds.retain(|_, count| *count > 1);
        let lists: Vec<_> = kinds.keys().map(|(version, kind, namespace)| self.names(version, kind, *namespace)).collect();
        let lists: Vec<Option<BTreeSet<String>>> = all(lists).await?;
        let names: BTreeMap<_, _> = kinds.into_keys().zip(lists).collect();
        let may_be_there = |object: &ObjectRef| match names.get(&place(object)) {
            Some(Some(names)) => names.contains(&object.name),
            _ => true,
        };
        let requests: Vec<_> =
            objects.iter().map(|object| async move { if may_be_there(object) { self.get(object).await } else { Ok(None) } }).collect();
        all(requests).await
    }

    /// Returns the names of what there is of a kind; nothing where they are many or may not be listed.
    async fn names(&self, api_version: &str, kind: &str, namespace: Option<&str>) -> Result<Option<BTreeSet<String>>, Error> {
        let Some(resource) = self.resource(api_version, kind).await? else { return Ok(Some(BTreeSet::new())) };
        let what = format!("list of {}", resource.plural);
        let list = match self.get_json(&what, &resource.collection(namespace), vec![("limit", PAGE.to_string())], NAMES).await {
            Ok(list) => list,
            Err(Error::Refused { code: 403..=405, .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        if list.pointer("/metadata/continue").and_then(Value::as_str).is_some_and(|next| !next.is_empty()) {
            return Ok(None);
        }
        let items = list.get("items").and_then(Value::as_array).into_iter().flatten();
        Ok(Some(items.filter_map(|item| Some(item.pointer("/metadata/name")?.as_str()?.to_owned())).collect()))
    }

    /// Returns those of some objects that are not there.
    pub(crate) async fn absent(&self, objects: Vec<Value>) -> Result<Vec<Value>, Error> {
        let mut references = Vec::with_capacity(objects.len());
        for object in &objects {
            references.push(self.target(object, None).await?.0);
        }
        let live = self.get_new(&references).await?;
        Ok(objects.into_iter().zip(live).filter(|(_, live)| live.is_none()).map(|(object, _)| object).collect())
    }

    /// Applies objects of which most are not there yet, several at a time, and returns them in the order given.
    pub async fn apply_new(&self, objects: &[Value], options: &Apply<'_>) -> Result<Vec<Applied>, Error> {
        let mut references = Vec::with_capacity(objects.len());
        for object in objects {
            references.push(self.target(object, options.default_namespace).await?.0);
        }
        let live = self.get_new(&references).await?;
        let requests: Vec<_> = objects.iter().zip(&live).map(|(object, live)| self.apply_known(object, options, live.as_ref())).collect();
        all(requests).await
    }
}

/// Sends requests, some at a time, and returns the answers in their order.
async fn all<T>(requests: Vec<impl Future<Output = Result<T, Error>>>) -> Result<Vec<T>, Error> {
    futures::stream::iter(requests).buffered(OVERLAP).try_collect().await
}

fn is_namespace(object: &ObjectRef) -> bool {
    (object.api_version.as_str(), object.kind.as_str()) == ("v1", "Namespace")
}

fn place(object: &ObjectRef) -> (&str, &str, Option<&str>) {
    (&object.api_version, &object.kind, object.namespace.as_deref())
}
