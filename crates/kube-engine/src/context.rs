//! What a kubeconfig says without a connection.

use std::path::PathBuf;

use kube::config::{Context, Kubeconfig};

/// Returns the namespace that a context of these kubeconfig files names: the given one, or the current one. Files that are not there or
/// that cannot be read name none, as in client-go.
pub fn context_namespace(files: &[PathBuf], context: Option<&str>) -> Option<String> {
    let files = files.iter().filter(|file| file.is_file());
    let merged = files.map(Kubeconfig::read_from).try_fold(Kubeconfig::default(), |merged, file| merged.merge(file?)).ok()?;
    namespace_of(&merged, context)
}

fn namespace_of(file: &Kubeconfig, context: Option<&str>) -> Option<String> {
    named(file, context)?.namespace.clone().filter(|namespace| !namespace.is_empty())
}

/// Returns the context of a name, or the current one.
pub(crate) fn named<'a>(file: &'a Kubeconfig, context: Option<&str>) -> Option<&'a Context> {
    let wanted = context.or(file.current_context.as_deref())?;
    file.contexts.iter().find(|found| found.name == wanted)?.context.as_ref()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_context_names_a_namespace() {
        let text = "contexts: [{name: a, context: {cluster: c, namespace: one}}, {name: b, context: {cluster: c}}]\ncurrent-context: a\n";
        let file = Kubeconfig::from_yaml(text).unwrap();
        let namespace = |context| namespace_of(&file, context);
        assert_eq!(namespace(None).as_deref(), Some("one"));
        assert_eq!(namespace(Some("b")), None);
        assert_eq!(namespace(Some("none")), None);
        assert_eq!(context_namespace(&[PathBuf::from("/nowhere")], None), None);
    }
}
