//! Counts the bytes that values of this thread take up: values are not sent between threads, so what was made here ends here. Only the
//! strings of templates are, once: [`lend`] and [`take_over`] go with them.

use std::cell::Cell;

thread_local! {
    static LIVE: Cell<usize> = const { Cell::new(0) };
}

/// What an allocation costs besides its content.
const OVERHEAD: usize = 32;

/// Returns how many bytes values of this thread take up.
pub(crate) fn bytes() -> usize {
    LIVE.get()
}

/// Counts an allocation of so many bytes.
pub(crate) fn add(bytes: usize) {
    LIVE.set(LIVE.get().wrapping_add(bytes + OVERHEAD));
}

/// Counts the end of an allocation of so many bytes.
pub(crate) fn remove(bytes: usize) {
    LIVE.set(LIVE.get().wrapping_sub(bytes + OVERHEAD));
}

/// Runs the function and returns as well how many bytes what it made takes up, which are not counted any more.
pub(crate) fn lend<R>(run: impl FnOnce() -> R) -> (R, usize) {
    let before = LIVE.get();
    let result = run();
    (result, LIVE.replace(before).wrapping_sub(before))
}

/// Counts what another thread has lent.
pub(crate) fn take_over(bytes: usize) {
    LIVE.set(LIVE.get().wrapping_add(bytes));
}

/// Counts bytes as long as it lives.
pub(crate) struct Counted(usize);

impl Counted {
    pub(crate) fn of(bytes: usize) -> Counted {
        add(bytes);
        Counted(bytes)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        remove(self.0);
    }
}
