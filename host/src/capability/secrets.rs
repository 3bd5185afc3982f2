//! Secrets that a module can place and never read.

use kube_engine::ObjectRef;
use serde_json::json;
use sha2::{Digest, Sha256};
use wasmtime::component::Resource as Handle;

use super::{Answer, Call, failure, invalid, write_failure};
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
    let manager = manager(key);
    let options = kube_engine::Apply { manager: &manager, force: true, creates: false, default_namespace: None };
    let change = powers.cluster.apply(&object, &options).await.map_err(|error| write_failure(&target, error))?;
    powers.reporter.changed(&change);
    Ok(())
}

/// The longest name of a field manager (apimachinery 0.36 `pkg/apis/meta/v1/validation`, FieldManagerMaxLength).
const LONGEST: usize = 128;

/// Returns the manager of a key's field. Each key has its own: two keys of one Secret do not remove each other.
fn manager(key: &str) -> String {
    const PREFIX: &str = "launchway-secret-";
    if PREFIX.len() + key.len() <= LONGEST {
        return format!("{PREFIX}{key}");
    }
    format!("{PREFIX}sha256-{}", hex::encode(Sha256::digest(key)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_key_has_a_manager_that_a_server_takes() {
        assert_eq!(manager("sops.age"), "launchway-secret-sops.age");
        let keys = ["k".repeat(111), "k".repeat(112), format!("{}l", "k".repeat(111)), "k".repeat(253)];
        let managers: std::collections::BTreeSet<String> = keys.iter().map(|key| manager(key)).collect();
        assert_eq!(managers.len(), keys.len());
        assert!(managers.iter().all(|manager| manager.len() <= LONGEST), "{managers:?}");
    }
}
