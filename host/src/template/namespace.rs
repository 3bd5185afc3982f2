//! The namespace of the release (`EnvSettings.Namespace` of `pkg/cli/environment.go`).

use std::slice;

use crate::Surroundings;
use crate::options;

/// Returns the namespace that is given, else the one of the environment, else the one of the kubeconfig's context, else `default`.
pub fn of(options: &options::Template, around: &Surroundings) -> String {
    let given = options.namespace.clone().filter(|namespace| !namespace.is_empty());
    let named = given.or_else(|| (around.variable)("HELM_NAMESPACE")).or_else(|| {
        let file = options.kubeconfig.as_ref().map(|file| around.folder.join(file));
        let context = options.kube_context.clone().or_else(|| (around.variable)("HELM_KUBECONTEXT"));
        kube_engine::context_namespace(file.as_ref().map_or(&around.kubeconfigs, slice::from_ref), context.as_deref())
    });
    named.unwrap_or_else(|| "default".to_owned())
}
