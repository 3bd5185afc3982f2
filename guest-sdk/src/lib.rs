//! What a step module in Rust is written with.
//!
//! A module implements [`Step`] and calls [`export_step!`]; built for `wasm32-unknown-unknown` and encoded as a component it
//! can be named in `launchway.yaml`. Everything it does goes through a [`Host`], so the same code runs natively in a unit
//! test against [`fake::FakeHost`].

mod describe;
mod effects;
mod failure;
mod host;
mod params;
pub mod release;

#[cfg(not(target_family = "wasm"))]
pub mod fake;

#[cfg(target_family = "wasm")]
mod component;

pub use describe::{Capabilities, Description, Rule};
pub use effects::{Effect, Effects};
pub use failure::{CODES, Failure, Result};
pub use host::{Activity, Apply, Change, Entry, Host, Level, ObjectRef, Outcome, PatchType, ReleaseInfo, Selection, Wait};
pub use params::{Params, ReleaseName};
pub use serde;
pub use serde_json::{self, Value, json};

/// One step of a bootstrap: a release and its hooks, or anything else that has to happen in order.
///
/// The host runs the phases in the order below, each in a fresh instance, and stops at the first that fails. Every phase must
/// be safe to run again: an interrupted bootstrap starts over.
pub trait Step {
    /// Says what the module is, what it may be given and what it asks for. Must not depend on anything but the code.
    fn describe() -> Description;

    /// Says what the workloads of this release will do at run time. The sandbox plays it. `values` are those the chart gets,
    /// with its defaults.
    fn effects(params: &Params, values: &Value) -> Result<Effects> {
        let _ = (params, values);
        Ok(Effects::none())
    }

    /// Runs before the release is installed.
    fn pre_install(host: &impl Host, params: &Params) -> Result<Value> {
        let _ = (host, params);
        Ok(Value::Null)
    }

    /// Installs, and waits until what it installed is ready.
    fn install(host: &impl Host, params: &Params) -> Result<Value>;

    /// Runs after the release is ready.
    fn post_install(host: &impl Host, params: &Params) -> Result<Value> {
        let _ = (host, params);
        Ok(Value::Null)
    }
}

/// What [`export_step!`] expands to. Not for direct use.
#[doc(hidden)]
#[cfg(target_family = "wasm")]
pub mod export {
    pub use crate::component::{Adapter, bindings};
}

/// Makes a [`Step`] the component's own.
#[macro_export]
macro_rules! export_step {
    ($step:ty) => {
        #[cfg(target_family = "wasm")]
        const _: () = {
            type Exported = $crate::export::Adapter<$step>;
    $crate::export::bindings::export_world!(Exported with_types_in $crate::export::bindings);
        };
    };
}
