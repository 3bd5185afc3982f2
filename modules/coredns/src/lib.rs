//! Installs CoreDNS. Its Service address and its readiness are all there is to it.

use guest_sdk::{Description, Host, Params, Result, Step, Value, release};

/// The module.
pub struct Coredns;

impl Step for Coredns {
    fn describe() -> Description {
        Description::new("coredns", env!("CARGO_PKG_VERSION"), "Installs CoreDNS and waits until it answers.").with_release()
    }

    fn install(host: &impl Host, params: &Params) -> Result<Value> {
        release::install(host, params)
    }
}

guest_sdk::export_step!(Coredns);

#[cfg(test)]
mod tests {
    use super::*;
    use guest_sdk::{fake::FakeHost, json};

    #[test]
    fn installs_and_waits() {
        let host = FakeHost::new().with_release("kube-system/coredns", "dns", json!({}), "");
        let install = || Coredns::install(&host, &Params::for_test("kube-system/coredns", json!({}))).unwrap();
        install();
        assert_eq!(host.calls(), ["ensure kube-system/coredns"], "the host waits for what it installs");
        install();
        assert_eq!(host.calls()[1..], ["ensure kube-system/coredns", "wait-ready kube-system/coredns"]);
    }
}
