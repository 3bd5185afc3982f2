//! Flux controllers beside a cluster.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::Result;
use serde_json::Value;

use crate::cluster::Cluster;
use crate::{free_port, program};

/// A controller that runs as a process instead of a pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Controller {
    Source,
    Kustomize,
    Helm,
    FluxOperator,
}

impl Controller {
    /// Returns the name of its program.
    pub fn name(self) -> &'static str {
        match self {
            Controller::Source => "source-controller",
            Controller::Kustomize => "kustomize-controller",
            Controller::Helm => "helm-controller",
            Controller::FluxOperator => "flux-operator",
        }
    }
}

impl Cluster {
    /// Starts a controller with more arguments, such as feature gates. It is started again whenever it ends: controllers of Flux end
    /// while their CRDs are missing.
    pub fn start_controller(&self, controller: Controller, arguments: &[&str]) -> Result<()> {
        let mut command = Command::new(program(controller.name())?);
        command.env("RUNTIME_NAMESPACE", "flux-system").env("KUBECONFIG", self.kubeconfig());
        // kustomize-controller removes what others left in the folder for temporary files, also what those still use.
        let temporary = self.processes().data("tmp");
        std::fs::create_dir_all(&temporary)?;
        command.env("TMPDIR", temporary);
        command.arg(format!("--metrics-addr=127.0.0.1:{}", free_port()?)).arg(format!("--health-addr=127.0.0.1:{}", free_port()?));
        command.arg("--enable-leader-election=false");
        if controller != Controller::FluxOperator {
            command.arg("--events-addr=");
        }
        match controller {
            Controller::Source => self.source(&mut command)?,
            Controller::FluxOperator => operator(&mut command)?,
            Controller::Kustomize | Controller::Helm => {}
        }
        command.args(arguments);
        self.processes().keep_running(controller.name(), &command)
    }

    /// Starts each controller of Flux once its Deployment is there, with the arguments of its container, as a kubelet would; `before` is told
    /// of each a moment earlier. Returns when `done` says so.
    pub fn run_flux(&self, mut before: impl FnMut(Controller) -> Result<()>, mut done: impl FnMut() -> bool) -> Result<()> {
        let mut waiting = vec![Controller::FluxOperator, Controller::Source, Controller::Kustomize, Controller::Helm];
        while !done() {
            for controller in std::mem::take(&mut waiting) {
                let path = format!("/apis/apps/v1/namespaces/flux-system/deployments/{}", controller.name());
                let deployment = self.api().get(&path)?;
                match deployment.filter(|found| found["status"]["availableReplicas"].as_u64() > Some(0)) {
                    Some(deployment) => {
                        before(controller)?;
                        let arguments = arguments(controller, &deployment);
                        self.start_controller(controller, &arguments.iter().map(String::as_str).collect::<Vec<_>>())?;
                    }
                    None => waiting.push(controller),
                }
            }
            std::thread::sleep(Duration::from_millis(200));
        }
        Ok(())
    }

    /// Ends a controller.
    pub fn stop_controller(&self, controller: Controller) {
        self.processes().kill(controller.name());
    }

    /// Returns the last lines that a controller printed.
    pub fn log(&self, controller: Controller) -> String {
        std::fs::read_to_string(self.folder().join(format!("{}.log", controller.name()))).unwrap_or_default()
    }

    fn source(&self, command: &mut Command) -> Result<()> {
        let storage = self.processes().data("sources");
        std::fs::create_dir_all(&storage)?;
        let address = format!("127.0.0.1:{}", free_port()?);
        command.arg("--storage-path").arg(storage).args(["--storage-addr", &address, "--storage-adv-addr", &address]);
        Ok(())
    }
}

/// Returns the arguments of a container that mean something outside of it. The operator's own are for a cluster with webhooks.
fn arguments(controller: Controller, deployment: &Value) -> Vec<String> {
    const OURS: [&str; 8] = [
        "--events-addr",
        "--enable-leader-election",
        "--storage-path",
        "--storage-addr",
        "--storage-adv-addr",
        "--health-addr",
        "--metrics-addr",
        "--default-service-account",
    ];
    if controller == Controller::FluxOperator {
        return Vec::new();
    }
    let all = deployment["spec"]["template"]["spec"]["containers"][0]["args"].as_array().into_iter().flatten().filter_map(Value::as_str);
    all.filter(|argument| !OURS.iter().any(|ours| argument.starts_with(ours))).map(str::to_owned).collect()
}

fn operator(command: &mut Command) -> Result<()> {
    let flux = std::fs::canonicalize(program("flux")?)?;
    let data = flux.parent().unwrap_or(Path::new("/"));
    command.arg("--storage-path").arg(data).arg(format!("--web-server-port={}", free_port()?)).env("GODEBUG", "fips140=on");
    Ok(())
}
