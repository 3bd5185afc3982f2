//! Charts, values, rendering and release records as Helm makes them.
//!
//! [`Chart`] reads archives and folders, [`values`] merges what the user gives, [`render`] gives the documents, hooks and notes, and
//! [`release`] the record that Helm stores in the cluster. Which Helm is meant is a [`HelmCompat`]. Nothing here touches a file
//! system, a network, a clock or a source of randomness: those come in with the request.

pub mod capabilities;
pub mod chart;
mod compat;
mod engine;
mod hint;
pub mod manifest;
mod observation;
mod post_render;
pub mod release;
mod release_name;
mod render;
#[cfg_attr(target_arch = "wasm32", path = "schema_unchecked.rs")]
mod schema;
#[cfg(not(target_arch = "wasm32"))]
mod schema_formats;
#[cfg(not(target_arch = "wasm32"))]
mod schema_plain;
pub mod values;

pub use capabilities::{Capabilities, KubeVersion};
pub use chart::{Chart, ChartError};
pub use compat::{HelmCompat, Splitting};
pub use engine::{Limits, Lookup, Parsed, function_names};
pub use go_template::both;
pub use hint::{Given, hints};
pub use manifest::{Document, Hook};
pub use post_render::{PostRender, RenderedDocument, Strategy};
pub use release_name::name_of_template;
pub use render::{NotesScope, RenderError, RenderRequest, Rendered, TemplateOutput, broken_output, check_values, render, render_parsed};
pub use schema::missing_schema;
pub use values::ValuesError;
