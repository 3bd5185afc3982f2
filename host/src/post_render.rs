//! What helm-controller does to the documents of a chart, for Helm's renderer.

use std::sync::Arc;

use flux::{ReleaseSpec, Tree};

/// Returns what is done to what the chart of a release renders to.
pub fn of(tree: &Tree, spec: &ReleaseSpec) -> Result<helm::PostRender, String> {
    let as_helm3 = tree.has_helm_gate("UseHelm3Defaults");
    let post_render = flux::PostRender::of(&spec.helm_release);
    let strategy = match post_render.strategy.as_deref() {
        None if as_helm3 => helm::Strategy::NoHooks,
        None | Some("combined") => helm::Strategy::Combined,
        Some("nohooks") => helm::Strategy::NoHooks,
        Some("separate") => helm::Strategy::Separate,
        Some(other) => return Err(format!("spec.postRenderStrategy {other} is none of combined, nohooks and separate")),
    };
    let change = move |documents: Vec<helm::RenderedDocument>| {
        let documents: Vec<_> = documents.into_iter().map(|document| (document.path, document.text)).collect();
        let changed = post_render.run(&documents)?;
        Ok(changed.into_iter().map(|(path, text)| helm::RenderedDocument { path, text }).collect())
    };
    Ok(helm::PostRender { strategy, change: Arc::new(change) })
}
