// SPDX-License-Identifier: GPL-2.0

//! A cell whose accesses loom checks.

use std::{
    mem::ManuallyDrop,
    thread::panicking, //
};

pub use ::core::cell::*;

/// `UnsafeCell`. Getting the pointer counts as a write, which has to be ordered with all others.
///
/// So does dropping the cell, and creating it, which for loom happens on first use.
#[repr(C)]
pub struct UnsafeCell<T> {
    /// The first field, so that a pointer to it is also one to the cell.
    value: ManuallyDrop<::core::cell::UnsafeCell<T>>,
    uses: std::cell::OnceCell<loom::cell::UnsafeCell<()>>,
}

impl<T> UnsafeCell<T> {
    pub const fn new(value: T) -> Self {
        UnsafeCell {
            value: ManuallyDrop::new(::core::cell::UnsafeCell::new(value)),
            uses: std::cell::OnceCell::new(),
        }
    }

    #[track_caller]
    fn used(&self) {
        self.uses
            .get_or_init(|| loom::cell::UnsafeCell::new(()))
            .with_mut(|_| ());
    }

    #[track_caller]
    pub fn get(&self) -> *mut T {
        self.used();
        self.value.get()
    }

    #[track_caller]
    pub fn get_mut(&mut self) -> &mut T {
        self.used();
        self.value.get_mut()
    }

    #[track_caller]
    pub fn into_inner(self) -> T {
        self.used();
        let mut this = ManuallyDrop::new(self);

        // SAFETY: `this` is neither used again nor dropped.
        unsafe { ManuallyDrop::take(&mut this.value) }.into_inner()
    }
}

impl<T> Drop for UnsafeCell<T> {
    fn drop(&mut self) {
        if !panicking() {
            self.used();
        }
        // SAFETY: The value is not used again: `self` is being dropped.
        unsafe { ManuallyDrop::drop(&mut self.value) };
    }
}
