// SPDX-License-Identifier: GPL-2.0
// needs: kernel
// expect: E0308: mismatched types

//! Releases a lock that the caller holds, and continues to hold afterwards.

use riscv::text::lock::TextLock;

/// # Safety
///
/// The caller holds the lock.
pub unsafe fn misuse() {
    // SAFETY: The caller holds the lock.
    let lock = unsafe { TextLock::held_by_caller() };

    #[cfg(misuse)]
    let lock = core::mem::ManuallyDrop::into_inner(lock);
    drop(lock);
}
