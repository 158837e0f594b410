// SPDX-License-Identifier: GPL-2.0

//! The lock that excludes other writers of kernel text.

use kernel::types::NotThreadSafe;

use crate::bindings;

/// A token that shows that `text_mutex` and `cpus_read_lock` are held: nobody else writes kernel
/// text, and CPU hotplug is excluded.
///
/// In a kernel without our hooks no lock is taken, since modules cannot use `text_mutex`: there the
/// kernel may write text at the same time.
///
/// It is passed to a closure rather than being a guard, since a guard could be leaked, and the
/// locks would never be released.
///
/// # Examples
///
/// ```
/// use riscv::{stop_machine::rendezvous::{rendezvous, Exclusive, Work}, text::lock::TextLock};
///
/// #[derive(Default)]
/// struct Count(u32);
///
/// impl Work for Count {
///     fn master(&mut self, _exclusive: &Exclusive<'_>) {
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
/// While a reference to the token exists, this task holds the locks that `rust_riscv_text_lock()`
/// takes.
pub struct TextLock(NotThreadSafe);

impl TextLock {
    /// Acquires the locks, calls `work`, and releases them.
    ///
    /// # Context
    ///
    /// Sleeps. The caller holds neither `text_mutex` nor `cpus_read_lock`.
    pub fn with<R>(work: impl FnOnce(&TextLock) -> R) -> R {
        // SAFETY: `patch_text_lock()` may be called where sleeping is allowed, by a task that holds
        // neither lock, as this function's context requires. The locks are released below.
        unsafe { bindings::rust_riscv_text_lock() };
        // INVARIANT: The locks were just taken, and `work` cannot keep the reference longer.
        let result = work(&TextLock(NotThreadSafe));

        // SAFETY: This task took the locks above.
        unsafe { bindings::rust_riscv_text_unlock() };
        result
    }

    /// Creates a token for locks that the caller holds.
    ///
    /// # Safety
    ///
    /// This task holds `cpus_read_lock` and `text_mutex` while the result exists.
    pub unsafe fn held_by_caller() -> TextLock {
        // INVARIANT: The caller guarantees that this task holds both locks while the result exists.
        TextLock(NotThreadSafe)
    }
}
