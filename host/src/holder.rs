//! Who this run is, for the Lease that keeps two runs apart.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use kube_engine::Holder;

use crate::failure::Failure;

/// Returns this run: its machine, the process in it, and something that no other run has.
pub fn this() -> Result<Holder, Failure> {
    let mut unique = [0; 4];
    getrandom::fill(&mut unique).map_err(|error| Failure::bug(format!("the system has no randomness: {error}")))?;
    let machine = machine();
    let name = format!("{machine}_{}_{}", std::process::id(), hex::encode(unique));
    Ok(Holder { name, has_ended: Arc::new(move |holder| has_ended(&machine, holder)), now: jiff::Timestamp::now })
}

/// Names this machine since it was started, or the container that has process numbers of its own.
fn machine() -> String {
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let processes = fs::read_link("/proc/self/ns/pid").map(|link| link.display().to_string()).unwrap_or_default();
    let number: String = processes.chars().filter(char::is_ascii_digit).collect();
    // Two machines may have the same name, and the first namespace has the same number on every one.
    let started = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let started: String = started.chars().filter(char::is_ascii_alphanumeric).take(8).collect();
    let host = if host.trim().is_empty() { "unknown" } else { host.trim() };
    format!("{host}_{started}_{number}")
}

/// Tells whether a run of this machine is known to have ended. Of other machines, and where the system does not say, nothing is known.
fn has_ended(machine: &str, holder: &str) -> bool {
    let process = holder.strip_prefix(machine).and_then(|rest| rest.strip_prefix('_')?.split('_').next());
    let is_known = machine.rsplit('_').next().is_some_and(|number| !number.is_empty());
    process.is_some_and(|process| is_known && !process.is_empty() && !Path::new("/proc").join(process).exists())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_of_this_machine_are_known_to_end() {
        let here = std::process::id();
        for (holder, expected) in [
            (format!("m_1_{here}_ab"), false),
            ("m_1_4194305_ab".into(), true),
            ("other_1_4194305_ab".into(), false),
            (String::new(), false),
        ] {
            assert_eq!(has_ended("m_1", &holder), expected, "{holder}");
        }
        assert!(!has_ended("m_", "m__4194305_ab"), "without a number of the namespace nothing is known");
    }
}
