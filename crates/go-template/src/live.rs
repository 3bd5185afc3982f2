//! Counts the bytes that values of this thread take up: values are not sent between threads, so what was made here ends here.

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
