//! Which CRDs Cilium's operator creates, by the values of the chart.
//!
//! The operator registers them at start (cilium `pkg/k8s/synced/crd.go` and `pkg/k8s/apis/cilium.io/client/register.go`);
//! the switches are those that the chart turns into its configuration (`templates/cilium-configmap.yaml`, 1.14 to 1.20).

use guest_sdk::{Value, json};

/// One CRD that the operator creates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Crd {
    group: &'static str,
    kind: &'static str,
    plural: &'static str,
    namespaced: bool,
    versions: &'static [&'static str],
}

const V2: &[&str] = &["v2"];
const ALPHA: &[&str] = &["v2alpha1"];
/// Stable since 1.18, the older version is still served.
const BOTH: &[&str] = &["v2", "v2alpha1"];

const fn cluster(kind: &'static str, plural: &'static str, versions: &'static [&'static str]) -> Crd {
    Crd { group: "cilium.io", kind, plural, namespaced: false, versions }
}

const fn namespaced(kind: &'static str, plural: &'static str, versions: &'static [&'static str]) -> Crd {
    Crd { group: "cilium.io", kind, plural, namespaced: true, versions }
}

const ALWAYS: &[Crd] = &[
    namespaced("CiliumNetworkPolicy", "ciliumnetworkpolicies", V2),
    cluster("CiliumClusterwideNetworkPolicy", "ciliumclusterwidenetworkpolicies", V2),
    cluster("CiliumNode", "ciliumnodes", V2),
    cluster("CiliumIdentity", "ciliumidentities", V2),
    namespaced("CiliumNodeConfig", "ciliumnodeconfigs", BOTH),
    cluster("CiliumCIDRGroup", "ciliumcidrgroups", BOTH),
    cluster("CiliumPodIPPool", "ciliumpodippools", ALPHA),
    cluster("CiliumLoadBalancerIPPool", "ciliumloadbalancerippools", BOTH),
    cluster("CiliumL2AnnouncementPolicy", "ciliuml2announcementpolicies", ALPHA),
];
const ENDPOINTS: &[Crd] = &[namespaced("CiliumEndpoint", "ciliumendpoints", V2)];
const ENDPOINT_SLICES: &[Crd] = &[cluster("CiliumEndpointSlice", "ciliumendpointslices", ALPHA)];
const EGRESS_GATEWAY: &[Crd] = &[cluster("CiliumEgressGatewayPolicy", "ciliumegressgatewaypolicies", V2)];
const LOCAL_REDIRECT: &[Crd] = &[namespaced("CiliumLocalRedirectPolicy", "ciliumlocalredirectpolicies", V2)];
const ENVOY: &[Crd] = &[
    cluster("CiliumClusterwideEnvoyConfig", "ciliumclusterwideenvoyconfigs", V2),
    namespaced("CiliumEnvoyConfig", "ciliumenvoyconfigs", V2),
];
const BGP: &[Crd] = &[
    cluster("CiliumBGPClusterConfig", "ciliumbgpclusterconfigs", BOTH),
    cluster("CiliumBGPPeerConfig", "ciliumbgppeerconfigs", BOTH),
    cluster("CiliumBGPAdvertisement", "ciliumbgpadvertisements", BOTH),
    cluster("CiliumBGPNodeConfig", "ciliumbgpnodeconfigs", BOTH),
    cluster("CiliumBGPNodeConfigOverride", "ciliumbgpnodeconfigoverrides", BOTH),
];
const GATEWAY: &[Crd] = &[namespaced("CiliumGatewayClassConfig", "ciliumgatewayclassconfigs", ALPHA)];
const MULTI_CLUSTER: &[Crd] = &[
    Crd { group: "multicluster.x-k8s.io", kind: "ServiceImport", plural: "serviceimports", namespaced: true, versions: &["v1alpha1"] },
    Crd { group: "multicluster.x-k8s.io", kind: "ServiceExport", plural: "serviceexports", namespaced: true, versions: &["v1alpha1"] },
];

/// Returns the CRDs for the chart's values, defaults included.
pub(crate) fn of_values(values: &Value) -> Vec<Crd> {
    let on = |pointer: &str| values.pointer(pointer).and_then(Value::as_bool).unwrap_or(false);
    if on("/operator/skipCRDCreation") || values.pointer("/operator/enabled") == Some(&Value::Bool(false)) {
        return Vec::new();
    }
    let envoy = on("/envoyConfig/enabled")
        || on("/ingressController/enabled")
        || on("/gatewayAPI/enabled")
        || values.pointer("/loadBalancer/l7/backend") == Some(&Value::from("envoy"));
    let groups = [
        (true, ALWAYS),
        (!on("/disableEndpointCRD"), ENDPOINTS),
        (!on("/disableEndpointCRD") && on("/ciliumEndpointSlice/enabled"), ENDPOINT_SLICES),
        (on("/egressGateway/enabled"), EGRESS_GATEWAY),
        (on("/localRedirectPolicies/enabled") || on("/localRedirectPolicy"), LOCAL_REDIRECT),
        (envoy, ENVOY),
        (on("/bgpControlPlane/enabled"), BGP),
        (on("/gatewayAPI/enabled"), GATEWAY),
        (on("/clustermesh/mcsapi/enabled") && on("/clustermesh/mcsapi/installCRDs"), MULTI_CLUSTER),
    ];
    groups.iter().filter(|(wanted, _)| *wanted).flat_map(|(_, crds)| crds.iter().copied()).collect()
}

impl Crd {
    pub(crate) fn name(&self) -> String {
        format!("{}.{}", self.plural, self.group)
    }

    /// The CRD as a sandbox creates it: any content is accepted, since the real schema is the operator's.
    pub(crate) fn object(&self) -> Value {
        let version = |(index, name): (usize, &&str)| {
            json!({
                "name": name, "served": true, "storage": index == 0, "subresources": { "status": {} },
                "schema": { "openAPIV3Schema": { "type": "object", "x-kubernetes-preserve-unknown-fields": true } },
            })
        };
        json!({
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": { "name": self.name() },
            "spec": {
                "group": self.group,
                "scope": if self.namespaced { "Namespaced" } else { "Cluster" },
                "names": {
                    "kind": self.kind, "listKind": format!("{}List", self.kind),
                    "plural": self.plural, "singular": self.kind.to_lowercase(),
                },
                "versions": self.versions.iter().enumerate().map(version).collect::<Vec<_>>(),
            },
        })
    }
}
