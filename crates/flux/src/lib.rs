//! Reads a Flux tree and says for each HelmRelease what Flux will install: the chart and its version, the values, the names.
//!
//! It follows the tree as kustomize-controller would, from the path that the FluxInstance synchronises through Kustomizations to
//! HelmReleases, over files that the caller provides. It fetches nothing: sources in other repositories are named, not followed.

mod applied;
mod artifact;
pub mod check;
mod definitions;
mod digest;
mod error;
mod explain;
mod fields;
mod gates;
pub mod handoff;
mod masked;
mod origin;
mod post_render;
mod producers;
mod release;
mod root;
pub mod seed;
mod sops;
mod source;
mod substitute;
mod tree;
mod values;

pub use definitions::{VERSION as DEFINITIONS_OF, definitions};
pub use digest::{common_metadata_digest, config_digest, post_renderers_digest, sha256};
pub use error::{Error, Place};
pub use explain::{Explained, explain, places};
pub use kustomize::Absent;
pub use masked::masked_values;
pub use origin::Origin;
pub use post_render::{PostRender, origin_labels};
pub use release::{ActionSpec, ApplyMethod, CrdPolicy, ReleaseId, ReleaseSpec, Remediation, UndoSpec};
pub use root::{find as find_root, find_each as find_roots};
pub use sops::{DataKeys, MASK};
pub use source::{ChartRef, ValuesFiles};
pub use tree::{Reading, Tree, is_instance, is_release, read, read_with};
