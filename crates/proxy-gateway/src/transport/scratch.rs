//! One read buffer for each worker thread. Every socket reads into it, so an idle socket owns no buffer at all; what
//! cannot be dealt with at once is copied out by whoever read it.

use std::cell::RefCell;

/// Large enough for a whole burst of messages or most answers in one read.
const SIZE: usize = 64 * 1024;

thread_local! {
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; SIZE].into_boxed_slice());
}

/// Lends the thread's buffer to `work`, which must not read from another socket while it holds it.
#[inline]
pub(crate) fn with<R>(work: impl FnOnce(&mut [u8]) -> R) -> R {
    SCRATCH.with_borrow_mut(|buffer| work(buffer))
}
