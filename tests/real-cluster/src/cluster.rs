//! A cluster.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::api::Api;
use crate::audit::{self, Request};
use crate::certificates::Certificates;
use crate::processes::Processes;
use crate::{free_port, program};

/// How a cluster is to be.
#[derive(Debug, Clone)]
pub struct Options {
    /// How many nodes are said to run; without any there are no controllers and no scheduler either.
    pub nodes: usize,
    /// The range of service addresses.
    pub service_cidr: String,
    /// Feature gates of the API server.
    pub feature_gates: String,
    /// More stages for nodes and pods, as YAML documents: see <https://kwok.sigs.k8s.io/docs/user/stages-configuration/>.
    pub stages: String,
}

impl Default for Options {
    fn default() -> Self {
        Options { nodes: 2, service_cidr: "10.43.0.0/16".into(), feature_gates: String::new(), stages: String::new() }
    }
}

/// A running cluster.
pub struct Cluster {
    processes: Processes,
    api: Api,
    kubeconfig: PathBuf,
    audit: PathBuf,
}

/// What a machine that does other things besides may need.
const PATIENCE: Duration = Duration::from_secs(120);

impl Cluster {
    /// Starts a cluster and returns when it answers and its nodes are ready.
    pub fn start(options: &Options) -> Result<Cluster> {
        let processes = Processes::new()?;
        let kubernetes = program("kubernetes")?;
        let (etcd, port) = (free_port()?, free_port()?);
        let first = first_address(&options.service_cidr)?;
        let names = ["localhost", "127.0.0.1", "kubernetes.default.svc", &first].map(str::to_owned).to_vec();
        let certificates = Certificates::make(&processes.data(""), names)?;
        processes.start("etcd", etcd_command(&kubernetes, etcd, free_port()?, &processes.data("etcd")))?;
        let token = format!("token-{port}");
        fs::write(processes.data("tokens.csv"), format!("{token},tester,tester,system:masters\n"))?;
        let audit = processes.folder().join("audit.log");
        processes.start("kube-apiserver", api_server(&kubernetes, &processes, &certificates, options, (etcd, port), &audit)?)?;
        let url = format!("https://127.0.0.1:{port}");
        let api = Api::new(&url, &fs::read(&certificates.ca)?, &token)?;
        let kubeconfig = kubeconfig(&processes, &url, &certificates)?;
        processes
            .wait("the API server", PATIENCE, || api.send("GET", "/readyz", "text/plain", "").is_ok_and(|answer| answer.code == 200))?;
        let cluster = Cluster { processes, api, kubeconfig, audit };
        if options.nodes > 0 {
            cluster.start_controllers(&kubernetes, &certificates)?;
            cluster.start_nodes(options)?;
        }
        cluster.wait("namespace default", || Ok(cluster.api.get("/api/v1/namespaces/default")?.is_some()))?;
        Ok(cluster)
    }

    /// Returns the API, for looking at it without the code under test.
    pub fn api(&self) -> &Api {
        &self.api
    }

    /// Returns a file with the way to the cluster as its administrator.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// Returns a kubectl that talks to this cluster.
    pub fn kubectl(&self) -> Result<Command> {
        let mut kubectl = Command::new(program("kubernetes")?);
        kubectl.arg("kubectl").env("KUBECONFIG", &self.kubeconfig);
        Ok(kubectl)
    }

    /// Returns a Helm that talks to this cluster; the field manager is Helm's own, or another.
    pub fn helm(&self, manager: &str) -> Result<Command> {
        let mut helm = Command::new(program("helm")?);
        helm.env("KUBECONFIG", &self.kubeconfig).env("HELM_CACHE_HOME", self.processes.data("helm")).env("FIELD_MANAGER", manager);
        Ok(helm)
    }

    /// Defines a namespaced kind in version v1 whose objects may hold anything, and waits until it is served.
    pub fn define(&self, group: &str, kind: &str, plural: &str) -> Result<()> {
        self.define_version(group, "v1", kind, plural, true)
    }

    /// Defines a kind in one version, in namespaces or not, whose objects may hold anything, and waits until it is served.
    pub fn define_version(&self, group: &str, version: &str, kind: &str, plural: &str, namespaced: bool) -> Result<()> {
        let schema = json!({ "openAPIV3Schema": { "type": "object", "x-kubernetes-preserve-unknown-fields": true } });
        let names = json!({ "kind": kind, "plural": plural, "listKind": format!("{kind}List"), "singular": kind.to_lowercase() });
        let scope = if namespaced { "Namespaced" } else { "Cluster" };
        let crd = json!({
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            // Groups of Kubernetes itself want to be told.
            "metadata": { "name": format!("{plural}.{group}"), "annotations": { "api-approved.kubernetes.io": "unapproved, for tests" } },
            "spec": { "group": group, "scope": scope, "names": names, "versions": [{ "name": version, "served": true, "storage": true, "schema": schema }] },
        });
        self.api.create("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", &crd)?;
        self.wait("a CRD", || Ok(self.api.get(&format!("/apis/{group}/{version}/{plural}"))?.is_some()))
    }

    /// Returns the requests that were answered so far, from all clients or from those whose user agent starts so.
    pub fn requests(&self, user_agent: &str) -> Result<Vec<Request>> {
        Ok(audit::read(&self.audit)?.into_iter().filter(|request| request.user_agent.starts_with(user_agent)).collect())
    }

    /// Waits until something is so.
    pub fn wait(&self, what: &str, mut holds: impl FnMut() -> Result<bool>) -> Result<()> {
        let mut failed = None;
        let waited = self.processes.wait(what, PATIENCE, || {
            holds().unwrap_or_else(|error| {
                failed = Some(error);
                true
            })
        });
        failed.map_or(waited, Err)
    }

    /// Leaves everything running and returns the folder with its logs: what runs ends when this process does.
    pub fn folder(&self) -> &Path {
        self.processes.folder()
    }

    pub(crate) fn processes(&self) -> &Processes {
        &self.processes
    }

    fn start_controllers(&self, kubernetes: &Path, certificates: &Certificates) -> Result<()> {
        let mut manager = Command::new(kubernetes);
        manager.args(["kube-controller-manager", "--use-service-account-credentials", "--leader-elect=false", "--secure-port=0"]);
        manager.arg("--kubeconfig").arg(&self.kubeconfig);
        manager.arg("--service-account-private-key-file").arg(&certificates.accounts.0).arg("--root-ca-file").arg(&certificates.ca);
        self.processes.start("kube-controller-manager", manager)?;
        let mut scheduler = Command::new(kubernetes);
        scheduler.args(["kube-scheduler", "--leader-elect=false", "--secure-port=0", "--kubeconfig"]).arg(&self.kubeconfig);
        self.processes.start("kube-scheduler", scheduler)
    }

    fn start_nodes(&self, options: &Options) -> Result<()> {
        let kwok = program("kwok")?;
        let stages = Command::new(&kwok).arg("stages").output().context("kwok cannot be run")?.stdout;
        let file = self.processes.data("stages.yaml");
        fs::write(&file, format!("{}\n---\n{}", String::from_utf8(stages)?, options.stages))?;
        let mut nodes = Command::new(kwok);
        nodes.args(["--manage-all-nodes", "--cidr=10.244.0.0/16", "--node-ip=10.0.0.1", "--kubeconfig"]).arg(&self.kubeconfig);
        nodes.arg("--config").arg(&file);
        self.processes.start("kwok", nodes)?;
        for index in 0..options.nodes {
            self.api.create("/api/v1/nodes", &node(&format!("node-{index}")))?;
        }
        self.wait("ready nodes", || Ok(self.api.list("/api/v1/nodes")?.iter().filter(|node| is_usable(node)).count() == options.nodes))
    }
}

fn etcd_command(kubernetes: &Path, client: u16, peer: u16, data: &Path) -> Command {
    let (client, peer) = (format!("http://127.0.0.1:{client}"), format!("http://127.0.0.1:{peer}"));
    let mut etcd = Command::new(kubernetes);
    etcd.args(["etcd", "--unsafe-no-fsync", "--data-dir"]).arg(data);
    etcd.args(["--listen-client-urls", &client, "--advertise-client-urls", &client, "--listen-peer-urls", &peer]);
    etcd.args(["--initial-advertise-peer-urls", &peer, "--initial-cluster", &format!("default={peer}")]);
    etcd
}

fn api_server(
    kubernetes: &Path,
    processes: &Processes,
    certificates: &Certificates,
    options: &Options,
    (etcd, port): (u16, u16),
    audit: &Path,
) -> Result<Command> {
    let policy = processes.data("audit.yaml");
    fs::write(&policy, audit::POLICY)?;
    let mut server = Command::new(kubernetes);
    server.args(["kube-apiserver", "--bind-address=127.0.0.1", "--advertise-address=127.0.0.1", "--endpoint-reconciler-type=none"]);
    server.args(["--authorization-mode=RBAC", "--allow-privileged", "--disable-admission-plugins=ServiceAccount"]);
    server.arg(format!("--etcd-servers=http://127.0.0.1:{etcd}")).arg(format!("--secure-port={port}"));
    server.arg(format!("--service-cluster-ip-range={}", options.service_cidr)).arg(format!("--feature-gates={}", options.feature_gates));
    server.args(["--service-account-issuer=https://kubernetes.default.svc"]);
    for (option, file) in [
        ("--tls-cert-file", &certificates.server.0),
        ("--tls-private-key-file", &certificates.server.1),
        ("--client-ca-file", &certificates.ca),
        ("--service-account-key-file", &certificates.accounts.1),
        ("--service-account-signing-key-file", &certificates.accounts.0),
        ("--token-auth-file", &processes.data("tokens.csv")),
        ("--audit-policy-file", &policy),
        ("--audit-log-path", &audit.to_owned()),
    ] {
        server.arg(option).arg(file);
    }
    Ok(server)
}

/// Writes the way to the cluster with a client certificate, as kubeadm and Talos do.
fn kubeconfig(processes: &Processes, url: &str, certificates: &Certificates) -> Result<PathBuf> {
    let file = processes.folder().join("data/kubeconfig");
    let config = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "tests",
        "clusters": [{ "name": "tests", "cluster": { "server": url, "certificate-authority": certificates.ca } }],
        "users": [{ "name": "admin", "user": { "client-certificate": certificates.admin.0, "client-key": certificates.admin.1 } }],
        "contexts": [{ "name": "tests", "context": { "cluster": "tests", "user": "admin" } }],
    });
    fs::write(&file, config.to_string())?;
    Ok(file)
}

/// Returns the first address of a range: the API server is known by it.
fn first_address(cidr: &str) -> Result<String> {
    let network: std::net::Ipv4Addr = cidr.split('/').next().unwrap_or_default().parse().context("the service range is one of IPv4")?;
    Ok(std::net::Ipv4Addr::from(u32::from(network) + 1).to_string())
}

fn node(name: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Node",
        "metadata": { "name": name, "annotations": { "kwok.x-k8s.io/node": "fake" }, "labels": { "kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64", "node-role.kubernetes.io/control-plane": "" } },
        "status": { "allocatable": { "cpu": "64", "memory": "256Gi", "pods": "500" }, "capacity": { "cpu": "64", "memory": "256Gi", "pods": "500" } },
    })
}

/// Tells whether pods can be placed on a node.
fn is_usable(node: &Value) -> bool {
    let ready = |condition: &Value| condition["type"] == "Ready" && condition["status"] == "True";
    node["spec"]["taints"].as_array().is_none_or(Vec::is_empty)
        && node["status"]["conditions"].as_array().is_some_and(|list| list.iter().any(ready))
}
