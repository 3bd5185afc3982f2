//! The heaps of a command that ends soon: in large pages, since to be given memory page by page takes a tenth of such a command's time.

/// How much memory two threads are about to need. More should not be asked for: a large page is taken as a whole.
#[derive(Debug, Clone, Copy)]
pub struct Needed {
    pub first: usize,
    pub second: usize,
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub use large_pages::{for_first_thread, for_second_thread};

#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod large_pages {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::Needed;

    const PAGE: usize = 2 << 20;
    /// What does not fit what there is makes a heap larger by so much.
    const PIECE: libc::c_int = 32 << 20;
    /// More than is left of a heap that has just begun.
    const PROBE: usize = 256 << 10;

    static SECOND: AtomicUsize = AtomicUsize::new(0);

    /// Takes memory for the only thread that there is, and keeps in mind what a second one will need.
    pub fn for_first_thread(needed: Needed) {
        SECOND.store(needed.second, Ordering::Relaxed);
        // SAFETY: glibc is told numbers, before there is a second thread.
        unsafe {
            libc::mallopt(libc::M_TOP_PAD, PIECE);
            libc::mallopt(libc::M_MMAP_THRESHOLD, PIECE);
            libc::mallopt(libc::M_TRIM_THRESHOLD, libc::c_int::MAX);
        }
        take(needed.first);
    }

    /// Takes memory for this thread, if it is the first that is called a second one. Those after it are given its heap.
    pub fn for_second_thread() {
        take(SECOND.swap(0, Ordering::Relaxed));
    }

    /// Lets the heap of this thread go on at a large page, with as many of them as `size` is nearest to.
    fn take(size: usize) {
        let size = (size.min(PIECE as usize) + PAGE / 2) / PAGE * PAGE;
        if size == 0 {
            return;
        }
        // The last of the heap, with all of a piece behind it. What is skipped is never touched, and so costs nothing.
        let mut skipped = Vec::<u8>::with_capacity(PROBE);
        let heap = skipped.as_mut_ptr();
        // The allocator writes next to what it hands out, and where anything was touched no large page is given.
        let touched = PROBE + 4096;
        let to_page = touched + heap.wrapping_add(touched).align_offset(PAGE);
        skipped.reserve_exact(to_page - 64);
        std::mem::forget(skipped);
        // SAFETY: the advice changes no contents, whatever lies there; a system that cannot follow it says so, and nothing is lost.
        unsafe { libc::madvise(heap.wrapping_add(to_page).cast(), size, libc::MADV_HUGEPAGE) };
    }
}

/// Other allocators do as they do.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub fn for_first_thread(_needed: Needed) {}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub fn for_second_thread() {}
