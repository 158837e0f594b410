// SPDX-License-Identifier: GPL-2.0

//! Keeping everybody else from writing kernel text.

use core::mem::ManuallyDrop;

use kernel::types::NotThreadSafe;

use crate::bindings;

/// While it is held, nobody else writes kernel text, and CPUs neither come nor go.
///
/// This takes our hooks in the kernel. Without them it is an empty promise: `text_mutex` is not for
/// modules, and whoever patches has to expect the kernel to do so, too.
///
/// # Invariants
///
/// What `rr_text_lock()` takes is held by this task.
pub struct TextLock(NotThreadSafe);

impl TextLock {
    /// Waits for the lock.
    ///
    /// # Context
    ///
    /// Sleeps. The caller holds neither `text_mutex` nor `cpus_read_lock`.
    pub fn lock() -> TextLock {
        // SAFETY: No requirements.
        unsafe { bindings::rr_text_lock() };
        // INVARIANT: Just taken.
        TextLock(kernel::types::NotThreadSafe)
    }

    /// The lock of a caller that holds it, and goes on holding it.
    ///
    /// # Safety
    ///
    /// This task holds `cpus_read_lock` and `text_mutex` for as long as the result exists.
    pub unsafe fn held_by_caller() -> ManuallyDrop<TextLock> {
        // INVARIANT: By the function's requirement.
        ManuallyDrop::new(TextLock(kernel::types::NotThreadSafe))
    }
}

impl Drop for TextLock {
    fn drop(&mut self) {
        // SAFETY: By the type invariant.
        unsafe { bindings::rr_text_unlock() };
    }
}
