// SPDX-License-Identifier: GPL-2.0

//! Same CPU: a task and an interrupt handler of its own CPU.
//!
//! A CPU sees its own accesses in order, so only the compiler has to be kept from swapping them.

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

/// A note that one leaves and the other takes.
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
/// While `there` is true the data is initialised and the handler's, else it is the task's.
pub struct Note<T: Copy> {
    there: Atomic<bool>,
    data: UnsafeCell<MaybeUninit<T>>,
}

impl<T: Copy> Note<T> {
    /// No note.
    pub const fn new() -> Note<T> {
        Note {
            there: Atomic::new(false),
            data: UnsafeCell::new(MaybeUninit::uninit()),
        }
    }

    /// The two sides.
    ///
    /// # Safety
    ///
    /// While the two exist both are used on one and the same CPU, and the handler's runs to its
    /// end before the task goes on. Elsewhere [`message`](super::message) is what is needed.
    pub unsafe fn split(&mut self) -> (Task<'_, T>, Handler<'_, T>) {
        (Task(self, NotThreadSafe), Handler(self, NotThreadSafe))
    }
}

impl<T: Copy> Default for Note<T> {
    fn default() -> Note<T> {
        Note::new()
    }
}

/// The side that is interrupted.
pub struct Task<'a, T: Copy>(&'a Note<T>, #[allow(dead_code)] NotThreadSafe);

impl<T: Copy> Task<'_, T> {
    /// Leaves a note, unless the last one is still there.
    pub fn leave(&mut self, note: T) -> bool {
        if self.0.there.load(Relaxed) {
            return false;
        }
        // The data is ours only after the look. litmus: same-cpu
        barrier();
        // SAFETY: By the invariant the data is the task's, which this is.
        unsafe { (*self.0.data.get()).write(note) };
        // litmus: same-cpu
        barrier();
        self.0.there.store(true, Relaxed);
        true
    }
}

/// The side that interrupts.
pub struct Handler<'a, T: Copy>(&'a Note<T>, #[allow(dead_code)] NotThreadSafe);

impl<T: Copy> Handler<'_, T> {
    /// The note, if there is one.
    pub fn take(&mut self) -> Option<T> {
        if !self.0.there.load(Relaxed) {
            return None;
        }
        // The data is read after the look, and before it is given back. litmus: same-cpu
        barrier();
        // SAFETY: `there` is true, so there is data, and the task leaves it alone.
        let note = unsafe { (*self.0.data.get()).assume_init() };
        // litmus: same-cpu
        barrier();
        self.0.there.store(false, Relaxed);
        Some(note)
    }
}
