// SPDX-License-Identifier: GPL-2.0

//! Keeping everybody else from writing kernel text.

use kernel::types::NotThreadSafe;

use crate::bindings;

/// Proof that nobody else writes kernel text, and that CPUs neither come nor go.
///
/// This takes our hooks in the kernel. Without them it is an empty promise: `text_mutex` is not for
/// modules, and whoever patches has to expect the kernel to do so, too.
///
/// It is lent to a function, not held by a guard, which could be leaked and would then keep
/// everybody from writing text for good.
///
/// # Examples
///
/// ```
/// use riscv::{rendezvous::{rendezvous, Met, Work}, text_lock::TextLock};
///
/// #[derive(Default)]
/// struct Count(u32);
///
/// impl Work for Count {
///     fn master(&mut self, _met: &Met<'_>) {
///         self.0 += 1;
///     }
/// }
///
/// let (count, held) = TextLock::with(|lock| rendezvous(Count::default(), lock))?;
/// assert_eq!(count.0, 1);
/// assert!(held.cpus > 0);
/// # Ok::<(), Error>(())
/// ```
///
/// # Invariants
///
/// What `rr_text_lock()` takes is held by this task for as long as this can be referred to.
pub struct TextLock(NotThreadSafe);

impl TextLock {
    /// Waits for the lock, and holds it while `work` runs.
    ///
    /// # Context
    ///
    /// Sleeps. The caller holds neither `text_mutex` nor `cpus_read_lock`.
    pub fn with<R>(work: impl FnOnce(&TextLock) -> R) -> R {
        // SAFETY: No requirements. Released below.
        unsafe { bindings::rr_text_lock() };
        // INVARIANT: Just taken, and `work` cannot keep what it is lent.
        let result = work(&TextLock(NotThreadSafe));

        // SAFETY: Taken above, by this task.
        unsafe { bindings::rr_text_unlock() };
        result
    }

    /// The lock of a caller that holds it, and goes on holding it.
    ///
    /// # Safety
    ///
    /// This task holds `cpus_read_lock` and `text_mutex` for as long as the result exists.
    pub unsafe fn held_by_caller() -> TextLock {
        // INVARIANT: By the function's requirement.
        TextLock(NotThreadSafe)
    }
}
