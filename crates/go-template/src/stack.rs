//! Keeps deep recursion off the end of the stack.
//!
//! Templates may nest a thousand includes, each of many frames here; natively the stack grows in segments. On wasm it cannot, so
//! the bounds on nesting are lower there.

/// How deep blocks and parentheses of one template may nest (Go allows more, no chart comes near).
#[cfg(not(target_family = "wasm"))]
pub(crate) const MAX_NESTING: usize = 1_000;
#[cfg(target_family = "wasm")]
pub(crate) const MAX_NESTING: usize = 100;

/// How deep values may nest before printing and converting them is refused.
#[cfg(not(target_family = "wasm"))]
pub(crate) const MAX_VALUE_DEPTH: usize = 1_000;
#[cfg(target_family = "wasm")]
pub(crate) const MAX_VALUE_DEPTH: usize = 150;

/// Runs the function with enough stack for a few more frames.
#[cfg(not(target_family = "wasm"))]
pub(crate) fn grow<R>(run: impl FnOnce() -> R) -> R {
    stacker::maybe_grow(256 * 1024, 2 * 1024 * 1024, run)
}

/// Runs the function; the stack of wasm has one size.
#[cfg(target_family = "wasm")]
pub(crate) fn grow<R>(run: impl FnOnce() -> R) -> R {
    run()
}
