//! From request to reply: routes paths and verbs to what carries them out.

use std::sync::Arc;
use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use crate::failure::{Cause, Failure};
use crate::kinds::Resource;
use crate::listing::{self, Filter};
use crate::managed::{self, ApplyOptions};
use crate::objects::{self, Deletion, Outcome, Ownership, identify, text};
use crate::patch;
use crate::request::{Caller, Incoming, Strictness, Target, decode as unescape, read_body};
use crate::store::State;
use crate::watch::Watch;
use crate::{Write, actors, decode, discovery, scale};

/// What is sent back.
pub(crate) enum Reply {
    Json(u16, Arc<Value>),
    Text(u16, String),
    Watch(Box<Watch>),
}

/// What a write did, for the log.
struct Done {
    verb: &'static str,
    name: String,
    changed: bool,
    reply: Reply,
}

/// A reply or failure, with the warnings that accompany it.
pub(crate) struct Answer {
    pub(crate) result: Result<Reply, Failure>,
    pub(crate) warnings: Vec<String>,
}

/// Serves one request.
pub(crate) fn serve(state: &mut State, incoming: &Incoming<'_>) -> Answer {
    let caller = Caller::read(&incoming.query, incoming.user_agent);
    match caller {
        Ok(mut caller) => {
            let result = route(state, incoming, &mut caller);
            Answer { result, warnings: caller.warnings }
        }
        Err(failure) => Answer { result: Err(failure), warnings: Vec::new() },
    }
}

fn route(state: &mut State, incoming: &Incoming<'_>, caller: &mut Caller) -> Result<Reply, Failure> {
    let parts: Vec<String> = incoming.path.split('/').filter(|part| !part.is_empty()).map(|part| unescape(part, false)).collect();
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let target = match parts.as_slice() {
        ["api", version, rest @ ..] if !rest.is_empty() => Target::parse("", version, rest),
        ["apis", group, version, rest @ ..] if !rest.is_empty() => Target::parse(group, version, rest),
        other => return discovery::serve(state, other, incoming),
    };
    let target = target.ok_or_else(Failure::no_such_resource)?;
    let resource = state.kinds.find(&target.group, &target.version, &target.plural).ok_or_else(Failure::no_such_resource)?;
    let placed = target.namespace.is_empty() || resource.namespaced;
    let addressed = target.name.is_empty() || !resource.namespaced || !target.namespace.is_empty();
    if !placed || !addressed {
        return Err(Failure::no_such_resource());
    }
    if !target.subresource.is_empty() && !resource.has_subresource(&target.subresource) {
        return Err(Failure::no_such_resource());
    }
    let call = Call { resource, target, incoming };
    if *incoming.method == Method::GET {
        return call.read(state);
    }
    let done = call.write(state, caller)?;
    if !caller.dry_run {
        call.log(state, caller, &done);
        actors::settle(state);
    }
    Ok(done.reply)
}

struct Call<'a> {
    resource: Arc<Resource>,
    target: Target,
    incoming: &'a Incoming<'a>,
}

fn shown(resource: &Resource, object: &Arc<Value>) -> Arc<Value> {
    if resource.custom && object["apiVersion"] != resource.api_version() {
        let mut object = (**object).clone();
        object["apiVersion"] = resource.api_version().into();
        return Arc::new(object);
    }
    Arc::clone(object)
}

impl Call<'_> {
    fn live(&self, state: &State) -> Result<Arc<Value>, Failure> {
        let found = self.existing(state);
        found.ok_or_else(|| Failure::not_found(self.resource.group(), self.resource.plural(), &self.target.name))
    }

    fn existing(&self, state: &State) -> Option<Arc<Value>> {
        state.get(&self.resource.id, &self.target.namespace, &self.target.name).map(|object| shown(&self.resource, object))
    }

    fn require(&self, verb: &str) -> Result<(), Failure> {
        if self.resource.verbs.iter().any(|known| known == verb) { Ok(()) } else { Err(Failure::method_not_allowed()) }
    }

    fn read(&self, state: &State) -> Result<Reply, Failure> {
        if self.target.name.is_empty() || self.incoming.query.is_set("watch") {
            self.require("list")?;
            let filter = Filter::read(&self.resource, &self.target.namespace, &self.target.name, &self.incoming.query)?;
            if self.incoming.query.is_set("watch") {
                return Ok(Reply::Watch(Box::new(self.watch(state, filter)?)));
            }
            return listing::list(state, &self.resource, &filter, &self.incoming.query).map(|list| Reply::Json(200, Arc::new(list)));
        }
        self.require("get")?;
        let live = self.live(state)?;
        match self.target.subresource.as_str() {
            "" | "status" => Ok(Reply::Json(200, live)),
            "scale" => scale::show(&self.resource, &live).map(|scale| Reply::Json(200, Arc::new(scale))),
            "log" => Ok(Reply::Text(200, String::new())),
            _ => Err(Failure::method_not_allowed()),
        }
    }

    fn watch(&self, state: &State, filter: Filter) -> Result<Watch, Failure> {
        let query = &self.incoming.query;
        let asked = query.number("resourceVersion")?.unwrap_or(0);
        let initial = query.is_set("sendInitialEvents");
        if initial && query.text("resourceVersionMatch") != "NotOlderThan" {
            let cause = Cause::forbidden("resourceVersionMatch", "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan");
            return Err(Failure::invalid("meta.k8s.io", "ListOptions", "", vec![cause]));
        }
        let timeout = query.number("timeoutSeconds")?.filter(|seconds| *seconds > 0).map(Duration::from_secs);
        let bookmarks = query.is_set("allowWatchBookmarks");
        let mut watch = Watch { resource: Arc::clone(&self.resource), filter, seen: asked, bookmarks, timeout, first: Vec::new() };
        // Without a revision, or with 0, a watch starts with what is there.
        if initial || asked == 0 && query.text("sendInitialEvents") != "false" {
            watch.seen = state.revision;
            let objects = listing::matching(state, &self.resource, &watch.filter);
            watch.first = objects.iter().map(|object| json!({ "type": "ADDED", "object": *shown(&self.resource, object) })).collect();
            if initial && bookmarks {
                watch.first.push(watch.bookmark(true));
            }
        } else if asked == 0 {
            watch.seen = state.revision;
        }
        Ok(watch)
    }

    fn write(&self, state: &mut State, caller: &mut Caller) -> Result<Done, Failure> {
        let method = self.incoming.method;
        match (method.as_str(), self.target.name.is_empty(), self.target.subresource.as_str()) {
            ("POST", true, _) => self.create(state, caller),
            ("POST", false, "eviction") => self.delete(state, caller),
            ("DELETE", true, _) => self.delete_collection(state, caller),
            ("DELETE", false, "") => self.delete(state, caller),
            ("PUT", false, "finalize") => self.finalize(state, caller),
            ("PUT" | "PATCH", false, "scale") => self.set_scale(state, caller),
            ("PUT", false, "" | "status") => self.update(state, caller),
            ("PATCH", false, "" | "status") => self.patch(state, caller),
            _ => Err(Failure::method_not_allowed()),
        }
    }

    fn done(&self, verb: &'static str, code: u16, (object, changed): Outcome) -> Done {
        let name = text(&object, "name").to_owned();
        Done { verb, name, changed, reply: Reply::Json(code, shown(&self.resource, &object)) }
    }

    fn log(&self, state: &mut State, caller: &Caller, done: &Done) {
        if done.verb == "review" {
            return;
        }
        state.writes.push(Write {
            verb: done.verb.to_owned(),
            resource: crate::failure::qualified(self.resource.group(), self.resource.plural()),
            namespace: self.target.namespace.clone(),
            name: done.name.clone(),
            subresource: self.target.subresource.clone(),
            manager: caller.manager.clone(),
            changed: done.changed,
            user_agent: caller.user_agent.clone(),
        });
    }

    fn body(&self) -> Result<Value, Failure> {
        read_body(self.incoming.body, self.incoming.content_type)
    }

    fn create(&self, state: &mut State, caller: &mut Caller) -> Result<Done, Failure> {
        self.require("create")?;
        let mut object = self.body()?;
        // Kinds that can only be created are questions, not objects.
        if !self.resource.verbs.iter().any(|verb| verb == "get") {
            return self.review(object);
        }
        if self.resource.namespaced && self.target.namespace.is_empty() {
            return Err(Failure::method_not_allowed());
        }
        if object["metadata"]["name"].is_null() && object["metadata"]["generateName"].is_null() {
            identify(&self.resource, &self.target.namespace, "", &mut object)?;
        }
        let outcome = objects::create(state, caller, &self.resource, &self.target.namespace, object)?;
        Ok(self.done("create", 201, outcome))
    }

    /// Nobody is refused anything here.
    fn review(&self, mut object: Value) -> Result<Done, Failure> {
        identify(&self.resource, &self.target.namespace, "", &mut object)?;
        if self.resource.group() != "authorization.k8s.io" {
            return Err(Failure::method_not_allowed());
        }
        object["status"] = json!({ "allowed": true });
        Ok(Done { verb: "review", name: String::new(), changed: false, reply: Reply::Json(201, Arc::new(object)) })
    }

    fn update(&self, state: &mut State, caller: &mut Caller) -> Result<Done, Failure> {
        self.require("update")?;
        let mut object = self.body()?;
        identify(&self.resource, &self.target.namespace, &self.target.name, &mut object)?;
        let live = self.live(state)?;
        let outcome = objects::update(state, caller, &self.resource, &self.target.subresource, &live, object)?;
        Ok(self.done("update", 200, outcome))
    }

    fn finalize(&self, state: &mut State, caller: &mut Caller) -> Result<Done, Failure> {
        let body = self.body()?;
        let live = self.live(state)?;
        let mut object = (*live).clone();
        object["spec"]["finalizers"] = body["spec"]["finalizers"].clone();
        let outcome = objects::update(state, caller, &self.resource, "", &live, object)?;
        Ok(self.done("update", 200, outcome))
    }

    fn set_scale(&self, state: &mut State, caller: &mut Caller) -> Result<Done, Failure> {
        let live = self.live(state)?;
        let shown = scale::show(&self.resource, &live)?;
        let wanted = match self.incoming.method.as_str() {
            "PUT" => self.body()?,
            _ => patch::plain(self.incoming.content_type, self.incoming.body, &shown)?,
        };
        let object = scale::set(&self.resource, &live, &wanted)?;
        let (object, changed) = objects::update(state, caller, &self.resource, "", &live, object)?;
        let scale = scale::show(&self.resource, &object)?;
        let verb = if self.incoming.method == Method::PUT { "update" } else { "patch" };
        Ok(Done { verb, name: self.target.name.clone(), changed, reply: Reply::Json(200, Arc::new(scale)) })
    }

    fn patch(&self, state: &mut State, caller: &mut Caller) -> Result<Done, Failure> {
        self.require("patch")?;
        if self.incoming.content_type.starts_with("application/apply-patch+yaml") {
            return self.apply(state, caller);
        }
        let live = self.live(state)?;
        let mut object = patch::patched(&self.resource, self.incoming.content_type, self.incoming.body, &live)?;
        identify(&self.resource, &self.target.namespace, &self.target.name, &mut object)?;
        if caller.strictness == Strictness::Strict {
            self.refuse_unknown(&object)?;
        }
        let outcome = objects::update(state, caller, &self.resource, &self.target.subresource, &live, object)?;
        Ok(self.done("patch", 200, outcome))
    }

    /// The strict decoder words its complaint about a patch differently from that about an object.
    fn refuse_unknown(&self, object: &Value) -> Result<(), Failure> {
        let found = decode::clean(&self.resource, &mut object.clone())?;
        if found.is_empty() {
            return Ok(());
        }
        let patch = Value::from(String::from_utf8_lossy(self.incoming.body).into_owned());
        let cause = Cause::invalid("patch", &patch, format!("strict decoding error: {}", found.join(", ")));
        Err(Failure::invalid("", "", "", vec![cause]))
    }

    fn apply(&self, state: &mut State, caller: &mut Caller) -> Result<Done, Failure> {
        let query = &self.incoming.query;
        if query.text("fieldManager").is_empty() {
            let cause = Cause::required("fieldManager", "is required for apply patch");
            return Err(Failure::invalid("meta.k8s.io", "PatchOptions", "", vec![cause]));
        }
        let mut config = read_body(self.incoming.body, "yaml")
            .map_err(|failure| Failure::bad_request(format!("error decoding YAML: {}", failure.message)))?;
        decode::require_depth(&config)?;
        let text = |key: &str| config.get(key).and_then(Value::as_str).unwrap_or_default();
        if text("kind").is_empty() || text("apiVersion").is_empty() {
            let (group, version) = text("apiVersion").rsplit_once('/').unwrap_or(("", text("apiVersion")));
            return Err(Failure::bad_request(format!("invalid object type: {group}/{version}, Kind={}", text("kind"))));
        }
        if config.pointer("/metadata/name").and_then(Value::as_str).is_none_or(str::is_empty) {
            let name = &self.target.name;
            return Err(Failure::bad_request(format!(
                "the name of the object ({name} based on URL) was undeterminable: name must be provided"
            )));
        }
        // Told of as it was sent.
        managed::check_config(&self.resource, &config)?;
        identify(&self.resource, &self.target.namespace, &self.target.name, &mut config)?;
        let live = self.existing(state);
        if live.is_none() && !self.target.subresource.is_empty() {
            return Err(Failure::not_found(self.resource.group(), self.resource.plural(), &self.target.name));
        }
        let now = state.now();
        let options = ApplyOptions { subresource: &self.target.subresource, force: query.is_set("force"), now: &now };
        let mut object = managed::apply(&self.resource, live.as_deref(), &config, caller, options)?;
        let mut silent = Caller { strictness: Strictness::Ignore, ..caller.clone() };
        decode::decode(&self.resource, &mut object, &mut silent)?;
        let created = live.is_none();
        let outcome = match live {
            Some(live) => {
                objects::update_decoded(state, caller, &self.resource, &self.target.subresource, &live, object, Ownership::Recorded)?
            }
            None => objects::create_decoded(state, caller, &self.resource, object, Ownership::Recorded)?,
        };
        Ok(self.done("apply", if created { 201 } else { 200 }, outcome))
    }

    fn deletion(&self) -> Result<Deletion, Failure> {
        let body = if self.incoming.body.is_empty() { json!({}) } else { self.body()? };
        let options = if self.target.subresource == "eviction" { body["deleteOptions"].clone() } else { body };
        Deletion::read(&options, self.incoming.query.text("propagationPolicy"))
    }

    fn delete(&self, state: &mut State, caller: &mut Caller) -> Result<Done, Failure> {
        self.require("delete")?;
        let deletion = self.deletion()?;
        let live = self.live(state)?;
        let mut caller = caller.clone();
        caller.dry_run |= self.incoming.body_asks_dry_run();
        let (object, changed) = objects::delete(state, &caller, &self.resource, &live, &deletion)?;
        let gone = !objects::has_finalizers(&object);
        let reply = if gone { Arc::new(self.deleted(&object)) } else { shown(&self.resource, &object) };
        Ok(Done { verb: "delete", name: self.target.name.clone(), changed, reply: Reply::Json(200, reply) })
    }

    fn deleted(&self, object: &Value) -> Value {
        let mut details = json!({ "name": self.target.name, "kind": self.resource.plural(), "uid": text(object, "uid") });
        if !self.resource.group().is_empty() {
            details["group"] = self.resource.group().into();
        }
        json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details })
    }

    fn delete_collection(&self, state: &mut State, caller: &mut Caller) -> Result<Done, Failure> {
        self.require("deletecollection")?;
        let filter = Filter::read(&self.resource, &self.target.namespace, "", &self.incoming.query)?;
        let deletion = self.deletion()?;
        let list = listing::list(state, &self.resource, &filter, &self.incoming.query)?;
        let mut changed = false;
        for object in listing::matching(state, &self.resource, &filter) {
            changed |= objects::delete(state, caller, &self.resource, &object, &deletion)?.1;
        }
        Ok(Done { verb: "deletecollection", name: String::new(), changed, reply: Reply::Json(200, Arc::new(list)) })
    }
}

impl Incoming<'_> {
    /// A delete may carry its options in the body.
    fn body_asks_dry_run(&self) -> bool {
        serde_json::from_slice::<Value>(self.body)
            .is_ok_and(|body| body["dryRun"].as_array().is_some_and(|list| list.contains(&json!("All"))))
    }
}
