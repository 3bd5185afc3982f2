//! One cluster, whatever serves it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use kube::Client;
use kube::client::Body;
use kube::config::Kubeconfig;
use serde_json::Value;

use crate::discovery::{Known, Resource};
use crate::error::Error;
use crate::lease::Lease;
use crate::object::{Action, Change, ObjectRef, Selection};
use crate::proxy;
use crate::request::{Call, JSON, answered, encode};

/// A cluster. Clones share the connection and what is known of its kinds.
#[derive(Clone)]
pub struct Cluster {
    pub(crate) client: Client,
    pub(crate) known: Arc<Known>,
    pub(crate) lease: Option<Arc<Lease>>,
    /// Where the server is, for people: empty, or a space and the address.
    pub(crate) place: Arc<str>,
}

/// The way to a live cluster, where it is not the usual one.
#[derive(Debug, Clone, Copy, Default)]
pub struct Way<'a> {
    pub kubeconfig: Option<&'a Path>,
    /// The context of the kubeconfig.
    pub context: Option<&'a str>,
    /// Another address of the API server than the kubeconfig has.
    pub server: Option<&'a str>,
    /// Environment variables, for the proxies that they name.
    pub variable: Option<fn(&str) -> Option<String>>,
}

/// What the server says it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerVersion {
    pub git_version: String,
    pub major: String,
    pub minor: String,
}

/// How to apply on the server's side.
#[derive(Debug, Clone, Copy)]
pub struct Apply<'a> {
    pub manager: &'a str,
    /// Takes fields over from other managers.
    pub force: bool,
    /// Creates what is not there, so that its fields are owned as after an update: what Helm does on the client's side.
    pub creates: bool,
    /// For namespaced objects that name none.
    pub default_namespace: Option<&'a str>,
}

/// An object that was applied.
#[derive(Debug, Clone)]
pub struct Applied {
    pub change: Change,
    /// As the server has it now.
    pub object: Value,
}

/// The ways to patch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PatchType {
    Merge,
    Json,
    Strategic,
}

/// What happens to what an object owns when it is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Propagation {
    Background,
    Foreground,
    Orphan,
}

/// By this the audit log of a cluster tells our requests from others.
const USER_AGENT: &str = concat!("launchway/", env!("CARGO_PKG_VERSION"));
/// After this time a server ends a watch, and we begin another one.
const WATCH: Duration = Duration::from_secs(300);
/// Objects in one page of a list, as client-go asks for.
pub(crate) const PAGE: usize = 500;

impl Cluster {
    /// Returns the cluster behind a service that speaks the Kubernetes API.
    pub fn over<S, B>(service: S) -> Cluster
    where
        S: tower::Service<Request<Body>, Response = http::Response<B>> + Send + 'static,
        S::Future: Send + 'static,
        S::Error: Into<tower::BoxError>,
        B: http_body::Body<Data = bytes::Bytes> + Send + 'static,
        B::Error: Into<tower::BoxError>,
    {
        Cluster { client: Client::new(service, "default"), known: Arc::default(), lease: None, place: Arc::default() }
    }

    /// Connects as kubectl would: the given file, `KUBECONFIG`, the default file, or the pod's own account.
    pub async fn connect(way: &Way<'_>) -> Result<Cluster, Error> {
        let config = |message: String| Error::Config { message };
        let context = way.context;
        let options = kube::config::KubeConfigOptions { context: context.map(str::to_owned), ..Default::default() };
        let file = match way.kubeconfig {
            Some(path) => Some(Kubeconfig::read_from(path).map_err(|error| config(format!("{}: {error}", path.display())))?),
            None => Kubeconfig::read().ok(),
        };
        let proxy = file.as_ref().and_then(|file| proxy::named(file, context)).map(str::to_owned);
        let mut found = match (way.kubeconfig, file) {
            (Some(path), Some(file)) => kube::Config::from_custom_kubeconfig(file, &options)
                .await
                .map_err(|error| config(format!("{}: {error}", path.display())))?,
            _ if context.is_some() => {
                kube::Config::from_kubeconfig(&options).await.map_err(|error| config(format!("kubeconfig: {error}")))?
            }
            _ => kube::Config::infer()
                .await
                .map_err(|error| config(format!("there is no way to the cluster: {error}; give --kubeconfig FILE")))?,
        };
        if let Some(server) = way.server {
            found.cluster_url = server.parse().map_err(|error| config(format!("--server {server}: {error}")))?;
        }
        found.proxy_url = match proxy {
            Some(proxy) => Some(proxy.parse().map_err(|error| config(format!("kubeconfig: proxy-url: {error}")))?),
            None => proxy::of_environment(&found.cluster_url, |name| way.variable.and_then(|variable| variable(name))).map_err(config)?,
        };
        let place = proxy::place(&found.cluster_url, found.proxy_url.as_ref()).into();
        // Requests are tried again by us, who know which may be.
        found.default_retry = false;
        found.headers.push((http::header::USER_AGENT, http::HeaderValue::from_static(USER_AGENT)));
        let client = Client::try_from(found).map_err(|error| config(format!("kubeconfig: {error}")))?;
        Ok(Cluster { client, known: Arc::new(Known::of_live()), lease: None, place })
    }

    /// Returns an object; none if it, or its kind, is not there.
    pub async fn get(&self, object: &ObjectRef) -> Result<Option<Value>, Error> {
        let Some(resource) = self.resource(&object.api_version, &object.kind).await? else { return Ok(None) };
        let path = format!("{}/{}", resource.collection(object.namespace.as_deref()), object.name);
        match self.get_json(&object.to_string(), &path, Vec::new(), JSON).await {
            Ok(found) => Ok(Some(found)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Returns the objects of a selection, page by page.
    pub async fn list(&self, selection: &Selection) -> Result<Vec<Value>, Error> {
        Ok(self.list_at(selection).await?.map(|(objects, _)| objects).unwrap_or_default())
    }

    /// Returns the objects of a selection with the resourceVersion to watch from; none if the kind is not served.
    pub(crate) async fn list_at(&self, selection: &Selection) -> Result<Option<(Vec<Value>, String)>, Error> {
        let Some(resource) = self.resource(&selection.api_version, &selection.kind).await? else { return Ok(None) };
        let path = resource.collection(selection.namespace.as_deref());
        let mut objects = Vec::new();
        let mut next = String::new();
        loop {
            let mut query = selectors(selection);
            query.push(("limit", PAGE.to_string()));
            if !next.is_empty() {
                query.push(("continue", next));
            }
            let mut page = self.get_json(&format!("list of {}", resource.plural), &path, query, JSON).await?;
            if let Some(Value::Array(items)) = page.get_mut("items").map(Value::take) {
                objects.extend(items.into_iter().map(|mut item| {
                    // Items of a list leave out what the list says of all.
                    if item.get("kind").is_none() {
                        item["kind"] = resource.kind.as_str().into();
                        item["apiVersion"] = resource.api_version().into();
                    }
                    item
                }));
            }
            let text = |pointer: &str| page.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
            next = text("/metadata/continue");
            if next.is_empty() {
                return Ok(Some((objects, text("/metadata/resourceVersion"))));
            }
        }
    }

    /// Watches a selection from a resourceVersion; each line of the stream is one event.
    pub(crate) async fn watch(&self, selection: &Selection, version: &str) -> Result<impl futures::AsyncBufRead + Unpin + use<>, Error> {
        let what = format!("watch of {}", selection.kind);
        let no_kind = || Error::NoKind { what: what.clone(), kind: selection.kind.clone(), api_version: selection.api_version.clone() };
        let resource = self.resource(&selection.api_version, &selection.kind).await?.ok_or_else(no_kind)?;
        let mut query = selectors(selection);
        query.extend([("watch", "true".into()), ("resourceVersion", version.into()), ("allowWatchBookmarks", "true".into())]);
        query.push(("timeoutSeconds", WATCH.as_secs().to_string()));
        let path = resource.collection(selection.namespace.as_deref());
        let request = Request::get(format!("{path}?{}", encode(&query))).header("accept", JSON).body(Vec::new());
        let request = request.map_err(|error| Error::Invalid(format!("{what}: {error}")))?;
        let stream = answered(&what, self.client.request_stream(request)).await?.map_err(|error| refused(&what, error))?;
        Ok(Box::pin(stream))
    }

    /// Creates an object; it must not exist.
    pub async fn create(&self, object: &Value, manager: &str) -> Result<Change, Error> {
        Ok(self.create_in(None, object, manager).await?.change)
    }

    pub(crate) async fn create_in(&self, default_namespace: Option<&str>, object: &Value, manager: &str) -> Result<Applied, Error> {
        let (reference, resource) = self.target(object, default_namespace).await?;
        let call = Call {
            what: reference.to_string(),
            method: Method::POST,
            path: resource.collection(reference.namespace.as_deref()),
            query: vec![("fieldManager", manager.into()), ("fieldValidation", "Strict".into())],
            content_type: JSON,
            accept: JSON,
            body: apply_body(object, &reference, &resource),
        };
        let mut attempts = 0;
        let created = match self.send_counted(call, &mut attempts).await {
            Ok((_, created)) => created,
            // An earlier attempt may have been carried out although its answer never came.
            Err(error) if error.code() == "already-exists" && attempts > 1 => {
                self.get(&reference).await?.filter(|live| holds(live, object)).ok_or(error)?
            }
            Err(error) => return Err(error),
        };
        self.note_write(&reference);
        Ok(Applied { change: Change { object: reference, action: Action::Created }, object: created })
    }

    /// Replaces an object; its resourceVersion, where it has one, must still be the stored one.
    pub async fn replace(&self, object: &Value, manager: &str) -> Result<Change, Error> {
        let (reference, resource) = self.target(object, None).await?;
        let call = Call {
            what: reference.to_string(),
            method: Method::PUT,
            path: format!("{}/{}", resource.collection(reference.namespace.as_deref()), reference.name),
            query: vec![("fieldManager", manager.into())],
            content_type: JSON,
            accept: JSON,
            body: object.to_string().into(),
        };
        self.send(call).await?;
        self.note_write(&reference);
        Ok(Change { object: reference, action: Action::Configured })
    }

    /// Patches an object or one of its subresources.
    pub async fn patch(
        &self,
        object: &ObjectRef,
        patch_type: PatchType,
        body: &Value,
        subresource: Option<&str>,
        manager: &str,
    ) -> Result<Change, Error> {
        let before = self.get(object).await?;
        self.patch_known(object, before.as_ref(), patch_type, body, subresource, manager).await
    }

    /// Patches an object that was looked up before.
    pub async fn patch_known(
        &self,
        object: &ObjectRef,
        before: Option<&Value>,
        patch_type: PatchType,
        body: &Value,
        subresource: Option<&str>,
        manager: &str,
    ) -> Result<Change, Error> {
        let resource = self.must_have(object).await?;
        let tail = subresource.map(|name| format!("/{name}")).unwrap_or_default();
        let call = Call {
            what: object.to_string(),
            method: Method::PATCH,
            path: format!("{}/{}{tail}", resource.collection(object.namespace.as_deref()), object.name),
            query: vec![("fieldManager", manager.into())],
            content_type: match patch_type {
                PatchType::Merge => "application/merge-patch+json",
                PatchType::Json => "application/json-patch+json",
                PatchType::Strategic => "application/strategic-merge-patch+json",
            },
            accept: JSON,
            body: body.to_string().into(),
        };
        let (_, after) = self.send(call).await?;
        self.note_write(object);
        Ok(Change { object: object.clone(), action: action(before, &after) })
    }

    /// Deletes an object.
    pub async fn delete(&self, object: &ObjectRef, propagation: Propagation) -> Result<Change, Error> {
        let absent = Change { object: object.clone(), action: Action::Absent };
        let Some(resource) = self.resource(&object.api_version, &object.kind).await? else { return Ok(absent) };
        let call = Call {
            what: object.to_string(),
            method: Method::DELETE,
            path: format!("{}/{}", resource.collection(object.namespace.as_deref()), object.name),
            query: vec![("propagationPolicy", format!("{propagation:?}"))],
            content_type: JSON,
            accept: JSON,
            body: Bytes::new(),
        };
        match self.send(call).await {
            Ok(_) => {
                self.note_write(object);
                Ok(Change { object: object.clone(), action: Action::Deleted })
            }
            Err(error) if error.is_not_found() => Ok(absent),
            Err(error) => Err(error),
        }
    }

    /// Applies an object on the server's side, with strict field validation.
    ///
    /// An object that exists is applied as a dry run first: where that changes neither content nor ownership, nothing is written.
    pub async fn apply(&self, object: &Value, options: &Apply<'_>) -> Result<Change, Error> {
        let (reference, _) = self.target(object, options.default_namespace).await?;
        let before = self.get(&reference).await?;
        Ok(self.apply_known(object, options, before.as_ref()).await?.change)
    }

    /// Applies an object that was looked up before.
    pub async fn apply_known(&self, object: &Value, options: &Apply<'_>, before: Option<&Value>) -> Result<Applied, Error> {
        if options.creates && before.is_none() {
            return self.create_in(options.default_namespace, object, options.manager).await;
        }
        let (reference, resource) = self.target(object, options.default_namespace).await?;
        let body = apply_body(object, &reference, &resource);
        if let Some(before) = before {
            let (_, after) = self.send(apply_call(&reference, &resource, options, body.clone(), true)).await?;
            if essence(before) == essence(&after) {
                return Ok(Applied { change: Change { object: reference, action: Action::Unchanged }, object: after });
            }
        }
        let (code, after) = self.send(apply_call(&reference, &resource, options, body, false)).await?;
        self.note_write(&reference);
        let action = if code == StatusCode::CREATED { Action::Created } else { action(before, &after) };
        Ok(Applied { change: Change { object: reference, action }, object: after })
    }

    /// Applies an object without a look at what is there. Of what is there it says that it was configured.
    pub(crate) async fn apply_unseen(&self, object: &Value, options: &Apply<'_>) -> Result<Applied, Error> {
        let (reference, resource) = self.target(object, options.default_namespace).await?;
        let mut attempts = 0;
        let call = apply_call(&reference, &resource, options, apply_body(object, &reference, &resource), false);
        let (code, object) = self.send_counted(call, &mut attempts).await?;
        self.note_write(&reference);
        // The answer to an earlier attempt, which created it, may not have come.
        let action = if code == StatusCode::CREATED || attempts > 1 { Action::Created } else { Action::Configured };
        Ok(Applied { change: Change { object: reference, action }, object })
    }

    /// Asks the server whether it would take an object. Nothing is written.
    pub async fn rehearse(&self, object: &Value, options: &Apply<'_>) -> Result<(), Error> {
        let (reference, resource) = self.target(object, options.default_namespace).await?;
        let body = apply_body(object, &reference, &resource);
        self.send(apply_call(&reference, &resource, options, body, true)).await.map(drop)
    }

    /// Returns the name and kind of an object to be written; its namespace is defaulted for namespaced kinds and dropped for others.
    pub(crate) async fn target(&self, object: &Value, default_namespace: Option<&str>) -> Result<(ObjectRef, Resource), Error> {
        let mut reference =
            ObjectRef::of(object).ok_or_else(|| Error::Invalid("an object needs apiVersion, kind and metadata.name".into()))?;
        let resource = self.must_have(&reference).await?;
        match (resource.namespaced, &reference.namespace) {
            (true, None) => reference.namespace = Some(default_namespace.unwrap_or("default").to_owned()),
            (false, Some(_)) => reference.namespace = None,
            _ => {}
        }
        Ok((reference, resource))
    }

    async fn must_have(&self, object: &ObjectRef) -> Result<Resource, Error> {
        self.expected(&object.api_version, &object.kind).await?.ok_or_else(|| Error::NoKind {
            what: object.to_string(),
            kind: object.kind.clone(),
            api_version: object.api_version.clone(),
        })
    }

    /// A changed CRD changes what is served.
    fn note_write(&self, object: &ObjectRef) {
        if object.kind == "CustomResourceDefinition" || object.kind == "APIService" {
            self.known.forget_kinds_of(&object.name);
        }
    }
}

/// Returns what is sent of an object: it says its namespace where its kind has one.
fn apply_body(object: &Value, reference: &ObjectRef, resource: &Resource) -> Bytes {
    match reference.namespace.as_deref().filter(|_| resource.namespaced) {
        Some(namespace) if object.pointer("/metadata/namespace").and_then(Value::as_str) != Some(namespace) => {
            let mut body = object.clone();
            body["metadata"]["namespace"] = namespace.into();
            body.to_string().into()
        }
        _ => object.to_string().into(),
    }
}

fn apply_call<'a>(reference: &ObjectRef, resource: &Resource, options: &Apply<'_>, body: Bytes, dry_run: bool) -> Call<'a> {
    let mut query =
        vec![("fieldManager", options.manager.to_owned()), ("force", options.force.to_string()), ("fieldValidation", "Strict".to_owned())];
    if dry_run {
        query.push(("dryRun", "All".into()));
    }
    Call {
        what: reference.to_string(),
        method: Method::PATCH,
        path: format!("{}/{}", resource.collection(reference.namespace.as_deref()), reference.name),
        query,
        content_type: "application/apply-patch+yaml",
        accept: JSON,
        body,
    }
}

/// Returns an object without what every write changes: its version, and when its fields were written.
fn essence(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("resourceVersion");
        for entry in metadata.get_mut("managedFields").and_then(Value::as_array_mut).into_iter().flatten() {
            if let Some(entry) = entry.as_object_mut() {
                entry.remove("time");
            }
        }
    }
    object
}

/// Tells whether an object is what was to be created: it may hold more.
pub(crate) fn holds(live: &Value, wanted: &Value) -> bool {
    match (live, wanted) {
        (Value::Object(live), Value::Object(wanted)) => {
            wanted.iter().all(|(key, value)| live.get(key).is_some_and(|found| holds(found, value)))
        }
        (Value::Array(live), Value::Array(wanted)) => {
            live.len() == wanted.len() && live.iter().zip(wanted).all(|(found, value)| holds(found, value))
        }
        (live, wanted) => live == wanted,
    }
}

fn refused(what: &str, error: kube::Error) -> Error {
    match error {
        kube::Error::Api(status) => {
            let code = status.code;
            let status = serde_json::to_value(&*status).unwrap_or_default();
            Error::Refused { what: what.into(), code, status: Box::new(status) }
        }
        other => Error::Unreachable { what: what.into(), place: String::new(), source: Box::new(other) },
    }
}

fn action(before: Option<&Value>, after: &Value) -> Action {
    let version = |object: &Value| object.pointer("/metadata/resourceVersion").cloned();
    match before {
        None => Action::Created,
        Some(before) if version(before) == version(after) => Action::Unchanged,
        Some(_) => Action::Configured,
    }
}

fn selectors(selection: &Selection) -> Vec<(&'static str, String)> {
    let labels = selection.label_selector.iter().map(|selector| ("labelSelector", selector.clone()));
    labels.chain(selection.field_selector.iter().map(|selector| ("fieldSelector", selector.clone()))).collect()
}
