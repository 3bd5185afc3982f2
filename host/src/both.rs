//! The second thread of a command that ends soon.

use std::thread;

use helm::both::{First, Second};

/// As much as the first thread has.
const STACK: usize = 8 << 20;

/// Runs both halves at the same time; where no thread can be had, one after the other.
pub fn in_threads(first: First<'_>, second: Second<'_>) {
    let is_split = thread::scope(|scope| {
        let is_split = thread::Builder::new().stack_size(STACK).spawn_scoped(scope, &mut *second).is_ok();
        first();
        is_split
    });
    if !is_split {
        second();
    }
}
