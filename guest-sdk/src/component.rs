//! The other side of [`Host`] in a component: the imports of world `step`, and its exports.

use std::marker::PhantomData;
use std::sync::Once;

use serde::Serialize;
use serde_json::Value;

use crate::{
    Apply, Change, Entry, Failure, Host, Level, ObjectRef, Outcome, Params, PatchType, ReleaseInfo, ReleaseName, Result, Selection, Step,
    Wait,
};

/// The generated bindings.
pub mod bindings {
    #![expect(missing_docs, clippy::all, reason = "generated from wit/, which is documented")]
    wit_bindgen::generate!({
        world: "step",
        path: "../wit",
        pub_export_macro: true,
        export_macro_name: "export_world",
        default_bindings_module: "guest_sdk::export::bindings",
    });
}

use bindings::launchway::bootstrap::{charts, files, kubernetes, releases, report, secrets, types};

/// Turns a [`Step`] into the exports of the world.
pub struct Adapter<S>(PhantomData<S>);

impl<S: Step> bindings::Guest for Adapter<S> {
    fn describe() -> String {
        // No panic hook here: `describe` must work with every import trapping.
        encode(&S::describe())
    }

    fn effects(params: String, values: String) -> std::result::Result<String, types::Failure> {
        let run = || -> Result<String> { Ok(encode(&S::effects(&serde_json::from_str(&params)?, &serde_json::from_str(&values)?)?)) };
        run().map_err(Into::into)
    }

    fn pre_install(params: String) -> std::result::Result<String, types::Failure> {
        phase(&params, S::pre_install)
    }

    fn install(params: String) -> std::result::Result<String, types::Failure> {
        phase(&params, S::install)
    }

    fn post_install(params: String) -> std::result::Result<String, types::Failure> {
        phase(&params, S::post_install)
    }
}

fn phase(params: &str, run: impl Fn(&Imports, &Params) -> Result<Value>) -> std::result::Result<String, types::Failure> {
    report_panics();
    let params: Params = serde_json::from_str(params).map_err(|error| Failure::invalid(error.to_string()))?;
    Ok(run(&Imports, &params)?.to_string())
}

/// A panic traps without a word of its own: the host is told the message and the place first.
fn report_panics() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        std::panic::set_hook(Box::new(|info| {
            let message = info.payload().downcast_ref::<&str>().map(|text| (*text).to_owned());
            let message = message.or_else(|| info.payload().downcast_ref::<String>().cloned()).unwrap_or_default();
            let location = info.location().map(ToString::to_string).unwrap_or_default();
            report::panicked(&message, &location);
        }));
    });
}

fn encode(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("the SDK's own types have string keys")
}

impl From<types::Failure> for Failure {
    fn from(failure: types::Failure) -> Self {
        let details = failure.details.and_then(|text| serde_json::from_str(&text).ok());
        Failure { code: failure.code, message: failure.message, retryable: failure.retryable, details }
    }
}

impl From<Failure> for types::Failure {
    fn from(failure: Failure) -> Self {
        let details = failure.details.map(|details| details.to_string());
        types::Failure { code: failure.code, message: failure.message, retryable: failure.retryable, details }
    }
}

impl From<&ObjectRef> for types::ObjectRef {
    fn from(object: &ObjectRef) -> Self {
        types::ObjectRef {
            api_version: object.api_version.clone(),
            kind: object.kind.clone(),
            namespace: object.namespace.clone(),
            name: object.name.clone(),
        }
    }
}

impl From<types::ObjectRef> for ObjectRef {
    fn from(object: types::ObjectRef) -> Self {
        let types::ObjectRef { api_version, kind, namespace, name } = object;
        ObjectRef { api_version, kind, namespace, name }
    }
}

impl From<kubernetes::Change> for Change {
    fn from(change: kubernetes::Change) -> Self {
        Change { object: change.object.into(), action: change.action }
    }
}

/// The host, as a component reaches it.
struct Imports;

impl Imports {
    fn open(&self, release: &ReleaseName) -> Result<releases::Release> {
        Ok(releases::Release::from_flux(&release.namespace, &release.name)?)
    }

    fn repository(&self) -> Result<files::Dir> {
        Ok(files::root("repository")?)
    }
}

fn objects(texts: Vec<String>) -> Result<Vec<Value>> {
    texts.iter().map(|text| Ok(serde_json::from_str(text)?)).collect()
}

impl Host for Imports {
    fn get(&self, object: &ObjectRef) -> Result<Option<Value>> {
        let found = kubernetes::get(&object.into())?;
        found.map(|text| Ok(serde_json::from_str(&text)?)).transpose()
    }

    fn list(&self, selection: &Selection) -> Result<Vec<Value>> {
        objects(kubernetes::list(&kubernetes::Selection {
            api_version: selection.api_version.clone(),
            kind: selection.kind.clone(),
            namespace: selection.namespace.clone(),
            label_selector: selection.label_selector.clone(),
            field_selector: selection.field_selector.clone(),
        })?)
    }

    fn discover(&self, api_version: &str) -> Result<Vec<Value>> {
        objects(kubernetes::discover(api_version)?)
    }

    fn create(&self, object: &Value) -> Result<Change> {
        Ok(kubernetes::create(&object.to_string())?.into())
    }

    fn patch(&self, object: &ObjectRef, patch_type: PatchType, body: &Value, subresource: Option<&str>) -> Result<Change> {
        Ok(kubernetes::patch(&object.into(), patch_type.as_str(), &body.to_string(), subresource)?.into())
    }

    fn delete(&self, object: &ObjectRef) -> Result<Change> {
        Ok(kubernetes::delete(&object.into(), None)?.into())
    }

    fn apply(&self, apply: &Apply) -> Result<Vec<Change>> {
        let request = kubernetes::Apply::new(&apply.manifests);
        if let Some(namespace) = &apply.default_namespace {
            request.default_namespace(namespace);
        }
        request.force_conflicts(apply.force_conflicts);
        Ok(request.send()?.into_iter().map(Into::into).collect())
    }

    fn wait(&self, wait: &Wait) -> Result<Vec<Value>> {
        let request = kubernetes::Wait::new();
        for (object, condition) in &wait.conditions {
            request.until(&object.into(), condition)?;
        }
        if let Some(ms) = wait.timeout_ms {
            request.timeout_ms(ms);
        }
        objects(request.done()?)
    }

    fn read_text(&self, path: &str) -> Result<String> {
        Ok(self.repository()?.read_text(path)?)
    }

    fn read_bytes(&self, path: &str) -> Result<Vec<u8>> {
        Ok(self.repository()?.read_bytes(path)?)
    }

    fn list_folder(&self, path: &str) -> Result<Vec<Entry>> {
        let entries = self.repository()?.list(path)?;
        Ok(entries.into_iter().map(|entry| Entry { name: entry.name, directory: entry.directory, size: entry.size }).collect())
    }

    fn glob(&self, pattern: &str) -> Result<Vec<String>> {
        Ok(self.repository()?.glob(pattern)?)
    }

    fn kustomize(&self, path: &str) -> Result<String> {
        Ok(self.repository()?.kustomize(path)?)
    }

    fn read_chart(&self, reference: &str, version: Option<&str>, path: &str) -> Result<String> {
        Ok(charts::fetch(reference, version)?.read_text(path)?)
    }

    fn release_info(&self, release: &ReleaseName) -> Result<ReleaseInfo> {
        Ok(serde_json::from_str(&self.open(release)?.info())?)
    }

    fn release_values(&self, release: &ReleaseName) -> Result<Value> {
        Ok(serde_json::from_str(&self.open(release)?.values())?)
    }

    fn release_computed_values(&self, release: &ReleaseName) -> Result<Value> {
        Ok(serde_json::from_str(&self.open(release)?.computed_values()?)?)
    }

    fn release_objects(&self, release: &ReleaseName) -> Result<Vec<ObjectRef>> {
        Ok(self.open(release)?.objects()?.into_iter().map(Into::into).collect())
    }

    fn render(&self, release: &ReleaseName) -> Result<String> {
        Ok(self.open(release)?.render()?)
    }

    fn release_crds(&self, release: &ReleaseName) -> Result<String> {
        Ok(self.open(release)?.crds()?)
    }

    fn ensure(&self, release: &ReleaseName) -> Result<Outcome> {
        Ok(serde_json::from_str(&self.open(release)?.ensure()?)?)
    }

    fn wait_ready(&self, release: &ReleaseName) -> Result<()> {
        Ok(self.open(release)?.wait_ready(None)?)
    }

    fn handoff(&self, release: &ReleaseName) -> Result<Value> {
        Ok(serde_json::from_str(&self.open(release)?.handoff()?)?)
    }

    fn place_secret(&self, secret: &str, target: &ObjectRef, key: &str) -> Result<()> {
        Ok(secrets::open(secret)?.place(&target.into(), key)?)
    }

    fn log(&self, level: Level, message: &str) {
        let level = match level {
            Level::Debug => report::Level::Debug,
            Level::Info => report::Level::Info,
            Level::Warn => report::Level::Warn,
            Level::Error => report::Level::Error,
        };
        report::log(level, message);
    }

    fn activity(&self, title: &str) -> Box<dyn crate::Activity> {
        Box::new(Shown(report::Activity::new(title)))
    }
}

struct Shown(report::Activity);

impl crate::Activity for Shown {
    fn note(&self, text: &str) {
        self.0.note(text);
    }
}
