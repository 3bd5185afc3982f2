//! Lets somebody else change rendered documents before they are sorted into manifest and hooks (Helm 4.2 `pkg/action/action.go`,
//! renderResources, annotateAndMerge, splitAndDeannotate). What it changes is its own business.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::compat::{HelmCompat, Splitting};
use crate::manifest::{self, Sorted};

/// A document on its way through a post-renderer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RenderedDocument {
    /// The template it came from.
    pub path: String,
    /// The document.
    pub text: String,
}

/// From all documents of a stream, in their order, to what becomes of them.
pub type Change = dyn Fn(Vec<RenderedDocument>) -> Result<Vec<RenderedDocument>, String> + Send + Sync;

/// A post-renderer.
#[derive(Clone)]
pub struct PostRender {
    /// Which documents it sees.
    pub strategy: Strategy,
    /// What it does to them.
    pub change: Arc<Change>,
}

/// Which documents a post-renderer sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Strategy {
    /// Everything in one stream, hooks included: what Helm 4 does.
    #[default]
    Combined,
    /// Hooks in one stream, everything else in another.
    Separate,
    /// Everything but hooks: what Helm 3 does.
    NoHooks,
}

impl fmt::Debug for PostRender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostRender").field("strategy", &self.strategy).finish_non_exhaustive()
    }
}

type Files = BTreeMap<String, String>;

/// Returns the files with their documents changed.
pub(crate) fn run(post_render: &PostRender, files: Files, compat: &HelmCompat) -> Result<Files, String> {
    if post_render.strategy == Strategy::Combined {
        // Helm 4.1 leaves the splitting of files to the YAML parser.
        let split =
            |text: &str| if compat.splitting() == Splitting::Trimmed { vec![text.to_owned()] } else { manifest::split(text, compat) };
        let documents = files.iter().filter(|(path, text)| !is_partial(path) && !text.trim().is_empty());
        let documents = documents.flat_map(|(path, text)| split(text).into_iter().map(move |text| (path.clone(), text)));
        return changed(post_render, documents, "");
    }
    let Sorted { documents, hooks } = manifest::sort(&files, compat)?;
    let hooks = hooks.into_iter().map(|hook| (hook.document.path, hook.document.text));
    let mut files = match post_render.strategy {
        Strategy::Separate => changed(post_render, hooks, "hooks-")?,
        Strategy::Combined | Strategy::NoHooks => joined(hooks, "\n---\n"),
    };
    let others = documents.into_iter().map(|document| (document.path, document.text));
    for (path, text) in changed(post_render, others, "manifests-")? {
        append(&mut files, path, &text, "\n---\n");
    }
    Ok(files)
}

fn is_partial(path: &str) -> bool {
    path.rsplit('/').next().is_some_and(|name| name.starts_with('_'))
}

/// Runs one stream. Documents that come back from no file are given a name that `prefix` is part of.
fn changed(post_render: &PostRender, documents: impl Iterator<Item = (String, String)>, prefix: &str) -> Result<Files, String> {
    let documents: Vec<_> = documents.map(|(path, text)| RenderedDocument { path, text }).collect();
    if documents.is_empty() {
        return Ok(Files::new());
    }
    let named = (post_render.change)(documents)?.into_iter().enumerate().map(|(index, document)| match document.path.is_empty() {
        true => (format!("generated-by-postrender-{prefix}{index}.yaml"), document.text),
        false => (document.path, document.text),
    });
    Ok(joined(named, "---\n"))
}

fn joined(documents: impl Iterator<Item = (String, String)>, separator: &str) -> Files {
    let mut files = Files::new();
    for (path, text) in documents {
        append(&mut files, path, &text, separator);
    }
    files
}

fn append(files: &mut Files, path: String, text: &str, separator: &str) {
    let file = files.entry(path).or_default();
    if !file.is_empty() {
        file.push_str(separator);
    }
    file.push_str(text);
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOOK: &str = "kind: Job\nmetadata:\n  name: h\n  annotations:\n    helm.sh/hook: pre-install\n";

    fn texts(strategy: Strategy) -> Vec<(String, String)> {
        let change = |documents: Vec<RenderedDocument>| {
            let mut documents: Vec<_> =
                documents.into_iter().map(|document| RenderedDocument { text: format!("x: 1\n{}", document.text), ..document }).collect();
            documents.push(RenderedDocument { path: String::new(), text: "kind: New\n".into() });
            Ok(documents)
        };
        let files = BTreeMap::from([
            ("c/templates/_p.tpl".to_owned(), "nothing".to_owned()),
            ("c/templates/a.yaml".to_owned(), format!("kind: A\n---\n{HOOK}")),
        ]);
        run(&PostRender { strategy, change: Arc::new(change) }, files, &HelmCompat::newest()).expect("runs").into_iter().collect()
    }

    #[test]
    fn documents_go_back_to_their_files() {
        let expected = [
            ("c/templates/a.yaml".to_owned(), format!("x: 1\nkind: A\n---\nx: 1\n{HOOK}")),
            ("generated-by-postrender-2.yaml".to_owned(), "kind: New\n".to_owned()),
        ];
        assert_eq!(texts(Strategy::Combined), expected);
    }

    #[test]
    fn hooks_are_seen_as_the_strategy_says() {
        let of = |strategy| {
            texts(strategy).into_iter().map(|(path, text)| format!("{path} {}", text.matches("x: 1").count())).collect::<Vec<_>>()
        };
        assert_eq!(of(Strategy::NoHooks), ["c/templates/a.yaml 1", "generated-by-postrender-manifests-1.yaml 0"]);
        let separate = ["c/templates/a.yaml 2", "generated-by-postrender-hooks-1.yaml 0", "generated-by-postrender-manifests-1.yaml 0"];
        assert_eq!(of(Strategy::Separate), separate);
    }
}
