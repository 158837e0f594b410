// SPDX-License-Identifier: GPL-2.0

//! Message passing between a task and an interrupt handler on the same CPU.
//!
//! A CPU sees its own accesses in program order, so compiler barriers are sufficient.

use core::{
    cell::UnsafeCell,
    mem::MaybeUninit, //
};

use kernel::{
    sync::atomic::{
        Atomic,
        Relaxed, //
    },
    types::NotThreadSafe, //
};

use super::barrier;

/// A mailbox for one value: the task posts it, the handler takes it.
///
/// # Examples
///
/// ```
/// use riscv::barrier::same_cpu::Mailbox;
///
/// let mut mailbox = Mailbox::new();
/// // SAFETY: Both are used here, by one task.
/// let (mut task, mut handler) = unsafe { mailbox.split() };
///
/// assert_eq!(handler.take(), None);
/// assert!(task.post(42));
/// assert!(!task.post(43)); // The first has not been taken.
/// assert_eq!(handler.take(), Some(42));
/// ```
///
/// # Invariants
///
/// While `there` is true, the data is initialised and only the handler uses it; otherwise only the
/// task uses it.
pub struct Mailbox<T: Copy> {
    there: Atomic<bool>,
    data: UnsafeCell<MaybeUninit<T>>,
}

impl<T: Copy> Mailbox<T> {
    /// Creates an empty mailbox.
    pub const fn new() -> Mailbox<T> {
        Mailbox {
            there: Atomic::new(false),
            data: UnsafeCell::new(MaybeUninit::uninit()),
        }
    }

    /// Returns the two sides.
    ///
    /// # Safety
    ///
    /// While the two sides exist, both are used on the same CPU, and the handler runs to completion
    /// before the task continues. Between CPUs, use [`message`](super::message) instead.
    pub unsafe fn split(&mut self) -> (Task<'_, T>, Handler<'_, T>) {
        (Task(self, NotThreadSafe), Handler(self, NotThreadSafe))
    }
}

impl<T: Copy> Default for Mailbox<T> {
    fn default() -> Mailbox<T> {
        Mailbox::new()
    }
}

/// The side of the task, which is interrupted.
pub struct Task<'a, T: Copy>(&'a Mailbox<T>, #[allow(dead_code)] NotThreadSafe);

impl<T: Copy> Task<'_, T> {
    /// Posts `value`, and returns `true`; `false` if the last one has not been taken.
    pub fn post(&mut self, value: T) -> bool {
        if self.0.there.load(Relaxed) {
            return false;
        }
        // The data is written only after `there` was read. litmus: same-cpu+cycle
        barrier();
        // SAFETY: `there` is false, so by the type invariant only the task uses the data.
        unsafe { (*self.0.data.get()).write(value) };
        // litmus: same-cpu
        barrier();
        self.0.there.store(true, Relaxed);
        true
    }
}

/// The side of the interrupt handler.
pub struct Handler<'a, T: Copy>(&'a Mailbox<T>, #[allow(dead_code)] NotThreadSafe);

impl<T: Copy> Handler<'_, T> {
    /// Takes the value, if one was posted.
    pub fn take(&mut self) -> Option<T> {
        if !self.0.there.load(Relaxed) {
            return None;
        }
        // The data is read after `there`, and before `there` is cleared. litmus: same-cpu+cycle
        barrier();
        // SAFETY: `there` is true, so by the type invariant the data is initialised, and the task
        // does not use it.
        let value = unsafe { (*self.0.data.get()).assume_init() };
        // litmus: same-cpu+cycle
        barrier();
        self.0.there.store(false, Relaxed);
        Some(value)
    }
}
