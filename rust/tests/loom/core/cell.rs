// SPDX-License-Identifier: GPL-2.0

//! A cell whose every use loom sees.

use std::{
    mem::ManuallyDrop,
    thread::panicking, //
};

pub use ::core::cell::*;

/// `UnsafeCell`: asking for the pointer is a write, that has to be ordered with all others.
///
/// So is dropping it; and making it, which for loom is when it is first used.
#[repr(C)]
pub struct UnsafeCell<T> {
    /// First: a pointer to it can be one to what the cell is in.
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

        // SAFETY: Never used again, dropped neither.
        unsafe { ManuallyDrop::take(&mut this.value) }.into_inner()
    }
}

impl<T> Drop for UnsafeCell<T> {
    fn drop(&mut self) {
        if !panicking() {
            self.used();
        }
        // SAFETY: Not used again.
        unsafe { ManuallyDrop::drop(&mut self.value) };
    }
}
