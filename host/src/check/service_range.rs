//! The range of service addresses, as the machine configurations that lie in a repository say it: Talos, kubeadm, k3s.

use serde_json::Value;

use crate::repository::Repository;

/// The ranges, with a comma between those of both families, and the file that says so.
pub struct Range {
    pub cidr: String,
    pub file: String,
}

/// Returns the range, where all that say it agree.
pub fn find(repository: &Repository) -> Option<Range> {
    let found: Vec<Range> = repository.yaml_files().iter().filter_map(|path| of_file(repository, path)).collect();
    let first = found.first()?.cidr.clone();
    if found.iter().all(|range| range.cidr == first) { found.into_iter().next() } else { None }
}

fn of_file(repository: &Repository, path: &str) -> Option<Range> {
    let text = repository.bytes(path).ok()??;
    let names = ["serviceSubnet", "service-cidr", "service-cluster-ip-range", "clusterSvcNets", "cluster-svc"];
    let holds = |needle: &str| text.windows(needle.len()).any(|window| window == needle.as_bytes());
    if !names.iter().any(|name| holds(name)) {
        return None;
    }
    let documents = kustomize::manifests(path, &text).ok()?;
    let cidr = documents.iter().find_map(|document| of_document(&document.value))?;
    Some(Range { cidr, file: path.to_owned() })
}

fn of_document(value: &Value) -> Option<String> {
    let pointers = [
        "/cluster/network/serviceSubnets",
        "/networking/serviceSubnet",
        "/service-cidr",
        "/cluster/apiServer/extraArgs/service-cluster-ip-range",
        "/clusterSvcNets",
    ];
    let text = pointers.iter().find_map(|pointer| match value.pointer(pointer)? {
        Value::String(text) => Some(text.clone()),
        Value::Array(items) => Some(items.iter().map(Value::as_str).collect::<Option<Vec<_>>>()?.join(",")),
        _ => None,
    })?;
    let ranges: Vec<&str> = text.split(',').map(str::trim).collect();
    ranges.iter().all(|range| crate::boot::is_cidr(range)).then(|| ranges.join(","))
}
