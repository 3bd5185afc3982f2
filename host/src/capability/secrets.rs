//! Secrets that a module can place and never read.

use kube_engine::ObjectRef;
use serde_json::json;
use wasmtime::component::Resource as Handle;

use super::{Answer, Call, failure, invalid};
use crate::bindings::launchway::bootstrap::{secrets, types};
use crate::grant::Access;
use crate::module::StepState;

/// A secret by its name. The value is fetched when it is placed and dropped right after.
pub struct Secret {
    name: String,
}

impl secrets::Host for StepState {
    async fn open(&mut self, name: String) -> wasmtime::Result<Answer<Handle<Secret>>> {
        let powers = self.enter("secrets.open")?;
        if let Err(denied) = powers.gate.secret(&name) {
            return Ok(Err(powers.refuse("secrets.open", denied)));
        }
        if !powers.secrets.knows(&name) {
            return Ok(Err(failure("not-found", format!("secret {name} is not defined in the manifest"))));
        }
        Ok(Ok(self.push(Secret { name })?))
    }
}

impl secrets::HostSecret for StepState {
    async fn place(&mut self, this: Handle<Secret>, target: types::ObjectRef, key: String) -> wasmtime::Result<Answer<()>> {
        let powers = self.enter("secrets.place")?;
        let secret = self.table.get(&this)?;
        Ok(place(&powers, secret, target.into(), &key).await)
    }

    async fn drop(&mut self, this: Handle<Secret>) -> wasmtime::Result<()> {
        self.table.delete(this)?;
        Ok(())
    }
}

async fn place(powers: &Call, secret: &Secret, target: ObjectRef, key: &str) -> Answer<()> {
    if target.kind != "Secret" || target.api_version != "v1" || target.namespace.is_none() {
        return Err(invalid(format!("{target}: a secret is placed into a Secret with a namespace")));
    }
    super::kubernetes::check_reference(&target)?;
    let access = Access { verb: "patch", group: "", resource: "secrets", namespace: target.namespace.as_deref(), name: Some(&target.name) };
    powers.gate.kubernetes(access).map_err(|denied| powers.refuse("secrets.place", denied))?;
    let value = powers.secrets.value(&secret.name).map_err(|message| failure("not-found", message))?;
    let object = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": { "name": target.name, "namespace": target.namespace },
        "stringData": { key: value },
    });
    // A manager of its own for each key: two keys of one Secret do not remove each other.
    let manager = format!("launchway-secret-{key}");
    let options = kube_engine::Apply { manager: &manager, force: true, default_namespace: None, dry_run: false };
    let change = powers.cluster.apply(&object, &options).await?;
    powers.reporter.changed(&change);
    Ok(())
}
