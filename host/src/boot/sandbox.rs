//! The cluster in this process: opened by its options, told what workloads do, saved.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use helm::HelmCompat;
use kube_sandbox::Sandbox;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::bounded;
use crate::capability::report;
use crate::failure::{Failure, chain};
use crate::options;
use crate::plan::PlannedStep;

/// Tells whether a text is `ADDRESS/BITS`.
pub fn is_cidr(text: &str) -> bool {
    let Some((address, bits)) = text.split_once('/') else { return false };
    let most = match address.parse::<std::net::IpAddr>() {
        Ok(std::net::IpAddr::V4(_)) => 32,
        Ok(std::net::IpAddr::V6(_)) => 128,
        Err(_) => return false,
    };
    bits.parse::<u8>().is_ok_and(|bits| bits <= most)
}

/// Opens a new sandbox, or the one that was saved.
pub fn open(options: &options::Sandbox) -> Result<Sandbox, Failure> {
    let (cidr, version) = (&options.sandbox_service_cidr, &options.sandbox_kube_version);
    if !is_cidr(cidr) {
        return Err(Failure::user(format!("--sandbox-service-cidr {cidr}: is no range of addresses")).hint("write it as 10.96.0.0/12"));
    }
    if helm::KubeVersion::parse(version, &HelmCompat::newest()).is_err() {
        return Err(Failure::user(format!("--sandbox-kube-version {version}: is no version")).hint("write it as v1.36.3"));
    }
    let saved = match &options.sandbox_state {
        Some(file) if file.exists() => {
            let wrong = |error: String| {
                Failure::user(format!("{}: {error}", file.display())).hint("remove the file to start with an empty sandbox")
            };
            let text = bounded::text(bounded::any(file, bounded::STATE)).map_err(|error| wrong(error.to_string()))?;
            let value: Value = serde_json::from_str(&text).map_err(|error| wrong(format!("not a saved sandbox: {error}")))?;
            Some(Sandbox::load(&value).map_err(|error| wrong(chain(&error)))?)
        }
        _ => None,
    };
    Ok(saved.unwrap_or_else(|| {
        Sandbox::new(kube_sandbox::Options {
            kube_version: options.sandbox_kube_version.clone(),
            service_cidr: options.sandbox_service_cidr.clone(),
            ..kube_sandbox::Options::default()
        })
    }))
}

/// Tells the sandbox what the workloads of each step will do at run time.
pub async fn declare_effects(sandbox: &Sandbox, steps: &[Arc<PlannedStep>], without: &[String]) -> Result<(), Failure> {
    if let Some(unknown) = without.iter().find(|name| !steps.iter().any(|step| step.step.name == **name)) {
        return Err(Failure::user(format!("--without-effects {unknown}: there is no such step")));
    }
    for planned in steps.iter().filter(|planned| !without.contains(&planned.step.name)) {
        let values = match &planned.release {
            Some(release) => release.computed_values().map_err(|error| Failure::user(format!("step {}: {error}", planned.step.name)))?,
            None => Value::Null,
        };
        let effects = planned.module.effects(&planned.params(planned.timeout()), &values).await?;
        let declared = sandbox.declare(&effects);
        let wrong = |error| format!("module {}: effects: {}", planned.module.title(), report::message(chain(&error)));
        declared.map_err(|error| Failure::module(wrong(error)))?;
    }
    Ok(())
}

/// Writes the sandbox's state whole or not at all.
pub fn save(file: &Path, state: &Value) -> Result<(), Failure> {
    let text = state.to_string();
    let unique = hex::encode(&Sha256::digest(text.as_bytes())[..4]);
    let mut name = file.as_os_str().to_owned();
    name.push(format!(".{unique}"));
    let next = PathBuf::from(name);
    let written = std::fs::write(&next, text).and_then(|()| std::fs::rename(&next, file));
    written.map_err(|error| Failure::user(format!("--sandbox-state {}: {error}", file.display())))
}
