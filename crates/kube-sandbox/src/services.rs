//! Addresses and node ports of services.
//!
//! Mirrors `pkg/registry/core/service/storage/alloc.go` of Kubernetes v1.36.3.

use std::net::IpAddr;

use serde_json::{Value, json};

use crate::failure::Cause;
use crate::kinds::Resource;
use crate::kinds::ResourceId;
use crate::objects::text;
use crate::store::State;

/// A range of addresses.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Range {
    first: u128,
    bits: u32,
    v6: bool,
}

impl Range {
    fn parse(text: &str) -> Option<Range> {
        let (address, prefix) = text.split_once('/')?;
        let (address, prefix): (IpAddr, u32) = (address.parse().ok()?, prefix.parse().ok()?);
        let width = if address.is_ipv6() { 128 } else { 32 };
        let bits = width - Some(prefix).filter(|prefix| *prefix <= width)?;
        let mask = if bits == 128 { 0 } else { u128::MAX << bits };
        Some(Range { first: number(address) & mask, bits, v6: address.is_ipv6() })
    }

    fn contains(&self, address: IpAddr) -> bool {
        let same_family = address.is_ipv6() == self.v6;
        same_family && (self.bits == 128 || number(address) >> self.bits == self.first >> self.bits)
    }

    fn nth(&self, offset: u128) -> Option<IpAddr> {
        if self.bits < 128 && offset >> self.bits != 0 {
            return None;
        }
        let number = self.first + offset;
        Some(if self.v6 { IpAddr::V6(number.into()) } else { IpAddr::V4(u32::try_from(number).ok()?.into()) })
    }
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u128::from(u32::from(v4)),
        IpAddr::V6(v6) => u128::from(v6),
    }
}

/// Gives a service its addresses and ports, or says why the ones it asks for cannot be had.
pub(crate) fn allocate(state: &State, resource: &Resource, old: Option<&Value>, object: &mut Value) -> Vec<Cause> {
    if !resource.is("", "services") {
        return Vec::new();
    }
    let mut causes = Vec::new();
    let kind = object["spec"]["type"].as_str().unwrap_or_default().to_owned();
    if kind == "ExternalName" {
        if let Some(spec) = object["spec"].as_object_mut() {
            ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"].iter().for_each(|key| drop(spec.remove(*key)));
        }
        return causes;
    }
    keep_allocated(old, object);
    address(state, old, object, &mut causes);
    if matches!(kind.as_str(), "NodePort" | "LoadBalancer") && object["spec"]["allocateLoadBalancerNodePorts"] != false {
        node_ports(state, object, &mut causes);
    }
    causes
}

/// An update that does not mention what was allocated keeps it.
fn keep_allocated(old: Option<&Value>, object: &mut Value) {
    let Some(old) = old else { return };
    for key in ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"] {
        let missing = object["spec"][key].is_null() || object["spec"][key] == "";
        if missing && !old["spec"][key].is_null() {
            object["spec"][key] = old["spec"][key].clone();
        }
    }
    let ports = old["spec"]["ports"].as_array().cloned().unwrap_or_default();
    for port in object["spec"]["ports"].as_array_mut().into_iter().flatten().filter(|port| port["nodePort"].is_null()) {
        let before = ports.iter().find(|old| old["port"] == port["port"] && old["protocol"] == port["protocol"]);
        if let Some(node_port) = before.map(|before| before["nodePort"].clone()).filter(|number| !number.is_null()) {
            port["nodePort"] = node_port;
        }
    }
}

fn others<'a>(state: &'a State, object: &Value) -> impl Iterator<Item = &'a Value> {
    let own = (text(object, "namespace").to_owned(), text(object, "name").to_owned());
    let services = state.collections.get(&ResourceId::new("", "services"));
    services
        .into_iter()
        .flat_map(|collection| collection.objects.iter())
        .filter(move |(key, _)| **key != own)
        .map(|(_, service)| &**service)
}

fn address(state: &State, old: Option<&Value>, object: &mut Value, causes: &mut Vec<Cause>) {
    let spec = &object["spec"];
    let wanted =
        spec["clusterIP"].as_str().filter(|ip| !ip.is_empty()).or_else(|| spec["clusterIPs"][0].as_str()).unwrap_or_default().to_owned();
    let before = old.and_then(|old| old["spec"]["clusterIP"].as_str()).unwrap_or_default();
    if !before.is_empty() && old.is_some_and(|old| old["spec"]["type"] != "ExternalName") && wanted != before {
        causes.push(Cause::invalid("spec.clusterIPs[0]", &json!([wanted]), "may not change once set"));
        return;
    }
    let ranges: Vec<Range> = state.options.service_cidr.split(',').filter_map(|cidr| Range::parse(cidr.trim())).collect();
    let is_v6 = match (wanted.parse::<IpAddr>(), object["spec"]["ipFamilies"][0].as_str()) {
        (Ok(address), _) => Some(address.is_ipv6()),
        (Err(_), family) => family.map(|family| family == "IPv6"),
    };
    let range = ranges.iter().find(|range| is_v6.is_none_or(|is_v6| range.v6 == is_v6)).or(ranges.first()).copied();
    let chosen = match (wanted.as_str(), range) {
        ("None", _) => Some("None".to_owned()),
        (_, None) => Some(wanted.clone()).filter(|ip| !ip.is_empty()),
        ("", Some(range)) => free_address(state, object, range),
        (wanted, Some(range)) => asked_address(state, object, wanted, range, before, causes),
    };
    let Some(chosen) = chosen else { return };
    let second = ranges.iter().find(|other| range.is_some_and(|range| range.v6 != other.v6));
    let second = second.filter(|_| chosen != "None").and_then(|range| second_address(state, old, object, *range, causes));
    object["spec"]["clusterIP"] = chosen.clone().into();
    if object["spec"]["clusterIPs"].as_array().is_none_or(Vec::is_empty) {
        object["spec"]["clusterIPs"] = json!([chosen]);
    }
    if let (Some(second), Some(addresses)) = (second, object["spec"]["clusterIPs"].as_array_mut()) {
        addresses.truncate(1);
        addresses.push(second.into());
    }
    if object["spec"]["ipFamilies"].as_array().is_none_or(|families| families.len() < addresses_of(object).count()) {
        let families: Vec<&str> = addresses_of(object).map(|address| if address.contains(':') { "IPv6" } else { "IPv4" }).collect();
        object["spec"]["ipFamilies"] = json!(families);
    }
    if object["spec"]["ipFamilyPolicy"].is_null() {
        object["spec"]["ipFamilyPolicy"] = "SingleStack".into();
    }
}

/// Returns the address of the other family that a service asks for, or gets where it wants both.
fn second_address(state: &State, old: Option<&Value>, object: &Value, range: Range, causes: &mut Vec<Cause>) -> Option<String> {
    let before = old.and_then(|old| old["spec"]["clusterIPs"][1].as_str()).unwrap_or_default();
    match object["spec"]["clusterIPs"][1].as_str() {
        Some(wanted) => asked_address(state, object, wanted, range, before, causes),
        None if matches!(object["spec"]["ipFamilyPolicy"].as_str(), Some("PreferDualStack" | "RequireDualStack")) => {
            free_address(state, object, range)
        }
        None => None,
    }
}

fn addresses_of(service: &Value) -> impl Iterator<Item = &str> {
    service["spec"]["clusterIPs"].as_array().into_iter().flatten().filter_map(Value::as_str)
}

fn asked_address(state: &State, object: &Value, wanted: &str, range: Range, before: &str, causes: &mut Vec<Cause>) -> Option<String> {
    if wanted == before {
        return Some(wanted.to_owned());
    }
    let shown = json!([wanted]);
    let Ok(address) = wanted.parse::<IpAddr>() else {
        causes.push(Cause::invalid("spec.clusterIPs[0]", &wanted.into(), "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"));
        return None;
    };
    let why = if !range.contains(address) {
        format!("failed to allocate IP {wanted}: the provided network does not match the current range")
    } else if taken(state, object, wanted) {
        format!("failed to allocate IP {wanted}: provided IP is already allocated")
    } else {
        return Some(wanted.to_owned());
    };
    causes.push(Cause::invalid("spec.clusterIPs", &shown, why));
    None
}

fn taken(state: &State, object: &Value, address: &str) -> bool {
    others(state, object).any(|service| addresses_of(service).any(|taken| taken == address))
}

/// The first addresses of the range are left to those who ask for one: the server's own is the first.
fn free_address(state: &State, object: &Value, range: Range) -> Option<String> {
    let used: std::collections::HashSet<&str> = others(state, object).flat_map(addresses_of).collect();
    let reserved = (1u128 << range.bits.min(20)) / 16;
    let start = reserved.clamp(1, 256);
    (start..).map_while(|offset| range.nth(offset)).map(|address| address.to_string()).find(|address| !used.contains(address.as_str()))
}

fn node_ports(state: &State, object: &mut Value, causes: &mut Vec<Cause>) {
    let mut used: std::collections::HashSet<i64> = others(state, object)
        .flat_map(|service| service["spec"]["ports"].as_array().into_iter().flatten())
        .filter_map(|port| port["nodePort"].as_i64())
        .collect();
    for (at, port) in object["spec"]["ports"].as_array_mut().into_iter().flatten().enumerate() {
        match port["nodePort"].as_i64() {
            None | Some(0) => {
                let free = (30000..=32767).find(|number| !used.contains(number));
                if let Some(free) = free {
                    port["nodePort"] = free.into();
                    used.insert(free);
                }
            }
            Some(number) if !(30000..=32767).contains(&number) => {
                let why = "provided port is not in the valid range. The range of valid ports is 30000-32767";
                causes.push(Cause::invalid(format!("spec.ports[{at}].nodePort"), &number.into(), why));
            }
            Some(number) => {
                if !used.insert(number) {
                    causes.push(Cause::invalid(format!("spec.ports[{at}].nodePort"), &number.into(), "provided port is already allocated"));
                }
            }
        }
    }
}
