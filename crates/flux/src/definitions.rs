//! The custom resources that Flux and flux-operator define, as far as an API server needs to know them to refuse an object.
//!
//! `definitions.json.gz` is made by `cargo run -p flux --example definitions`.

use std::io::Read as _;
use std::sync::OnceLock;

use serde_json::Value;

/// The version of Flux whose definitions these are.
pub const VERSION: &str = "2.9.4";

/// Returns the definitions, without descriptions.
pub fn definitions() -> &'static [Value] {
    static READ: OnceLock<Vec<Value>> = OnceLock::new();
    READ.get_or_init(read)
}

fn read() -> Vec<Value> {
    let packed: &[u8] = include_bytes!("definitions.json.gz");
    let mut text = String::new();
    // What is packed here is tested to be readable.
    if flate2::read::GzDecoder::new(packed).read_to_string(&mut text).is_err() {
        return Vec::new();
    }
    serde_json::from_str(&text).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_of_flux_are_defined() {
        let all = definitions();
        let has = |kind: &str| all.iter().any(|found| found["spec"]["names"]["kind"] == kind && found["spec"]["versions"][0].is_object());
        for kind in
            ["Kustomization", "HelmRelease", "OCIRepository", "HelmRepository", "HelmChart", "GitRepository", "FluxInstance", "Alert"]
        {
            assert!(has(kind), "{kind}");
        }
    }
}
