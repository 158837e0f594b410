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

/// A slot for a value that the task leaves and the handler takes.
///
/// # Examples
///
/// ```
/// use riscv::barrier::same_cpu::Note;
///
/// let mut note = Note::new();
/// // SAFETY: Both are used here, by one task.
/// let (mut task, mut handler) = unsafe { note.split() };
///
/// assert_eq!(handler.take(), None);
/// assert!(task.leave(42));
/// assert!(!task.leave(43)); // The first has not been taken.
/// assert_eq!(handler.take(), Some(42));
/// ```
///
/// # Invariants
///
/// While `there` is true, the data is initialised and only the handler uses it; otherwise only the
/// task uses it.
pub struct Note<T: Copy> {
    there: Atomic<bool>,
    data: UnsafeCell<MaybeUninit<T>>,
}

impl<T: Copy> Note<T> {
    /// Creates an empty slot.
    pub const fn new() -> Note<T> {
        Note {
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

impl<T: Copy> Default for Note<T> {
    fn default() -> Note<T> {
        Note::new()
    }
}

/// The side of the task, which is interrupted.
pub struct Task<'a, T: Copy>(&'a Note<T>, #[allow(dead_code)] NotThreadSafe);

impl<T: Copy> Task<'_, T> {
    /// Leaves `note`, and returns `true`; `false` if the last one has not been taken.
    pub fn leave(&mut self, note: T) -> bool {
        if self.0.there.load(Relaxed) {
            return false;
        }
        // The data is written only after `there` was read. litmus: same-cpu+cycle
        barrier();
        // SAFETY: `there` is false, so by the type invariant only the task uses the data.
        unsafe { (*self.0.data.get()).write(note) };
        // litmus: same-cpu
        barrier();
        self.0.there.store(true, Relaxed);
        true
    }
}

/// The side of the interrupt handler.
pub struct Handler<'a, T: Copy>(&'a Note<T>, #[allow(dead_code)] NotThreadSafe);

impl<T: Copy> Handler<'_, T> {
    /// Takes the note, if there is one.
    pub fn take(&mut self) -> Option<T> {
        if !self.0.there.load(Relaxed) {
            return None;
        }
        // The data is read after `there`, and before `there` is cleared. litmus: same-cpu+cycle
        barrier();
        // SAFETY: `there` is true, so by the type invariant the data is initialised, and the task
        // does not use it.
        let note = unsafe { (*self.0.data.get()).assume_init() };
        // litmus: same-cpu+cycle
        barrier();
        self.0.there.store(false, Relaxed);
        Some(note)
    }
}
