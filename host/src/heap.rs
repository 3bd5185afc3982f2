//! The heap of a command that ends soon.

/// Asks the system once for the memory that the command is about to need, in large pages: such a command takes a third of its time to be
/// given it page by page. `size` should not be more than is needed, since a large page is taken as a whole.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub fn take_at_once(size: usize) {
    const PIECE: usize = 32 << 20;
    const PAGE: usize = 2 << 20;
    // SAFETY: glibc is told two numbers, before there is a second thread.
    unsafe {
        libc::mallopt(libc::M_TOP_PAD, PIECE as libc::c_int);
        libc::mallopt(libc::M_MMAP_THRESHOLD, PIECE as libc::c_int);
    }
    // What does not fit what there is makes the heap larger by a piece.
    let first: Vec<u8> = Vec::with_capacity(PAGE);
    // SAFETY: zero only asks where the heap ends.
    let end = unsafe { libc::sbrk(0) };
    let start = first.as_ptr().cast_mut().wrapping_add(first.as_ptr().align_offset(PAGE));
    let there = end.addr().saturating_sub(start.addr());
    if (PAGE..=2 * PIECE).contains(&there) {
        let size = size.min(there) / PAGE * PAGE;
        // SAFETY: the advice changes no contents, whatever lies there; a system that cannot follow it says so, and nothing is lost.
        unsafe { libc::madvise(start.cast(), size, libc::MADV_HUGEPAGE) };
    }
}

/// Other allocators do as they do.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub fn take_at_once(_size: usize) {}
