//! The second thread of a command that ends soon.

use std::thread;

use helm::both::{First, Second};

use crate::heap;

/// As much as the first thread has.
const STACK: usize = 8 << 20;

/// Runs both halves at the same time; where no thread can be had, one after the other.
pub fn in_threads(first: First<'_>, second: Second<'_>) {
    let is_split = thread::scope(|scope| {
        let on_its_heap = || {
            heap::for_second_thread();
            second();
        };
        let is_split = thread::Builder::new().stack_size(STACK).spawn_scoped(scope, on_its_heap).is_ok();
        first();
        is_split
    });
    if !is_split {
        second();
    }
}
