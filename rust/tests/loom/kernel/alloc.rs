// SPDX-License-Identifier: GPL-2.0

//! `kernel::alloc`, from the host's heap.

use std::{
    mem::{
        ManuallyDrop,
        MaybeUninit, //
    },
    ops::{
        Deref,
        DerefMut, //
    },
};

use crate::error::Result;

pub mod flags {
    //! How to allocate.

    #[derive(Clone, Copy)]
    pub struct Flags;

    pub const GFP_KERNEL: Flags = Flags;
}

use flags::Flags;

/// `KBox`. Dropping it drops the content but leaks the memory, so that loom reports a use after
/// free, and that use does no harm.
pub struct KBox<T>(ManuallyDrop<Box<T>>);

impl<T> KBox<T> {
    pub fn new(value: T, _: Flags) -> Result<KBox<T>> {
        Ok(KBox(ManuallyDrop::new(Box::new(value))))
    }

    pub fn into_raw(this: KBox<T>) -> *mut T {
        let mut this = ManuallyDrop::new(this);

        &mut **this.0
    }

    /// # Safety
    ///
    /// `pointer` comes from [`KBox::into_raw`].
    pub unsafe fn from_raw(pointer: *mut T) -> KBox<T> {
        // SAFETY: The caller guarantees that `pointer` comes from `into_raw`, and so from a `Box`.
        KBox(ManuallyDrop::new(unsafe { Box::from_raw(pointer) }))
    }
}

impl<T> Deref for KBox<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> Drop for KBox<T> {
    fn drop(&mut self) {
        // SAFETY: The content is not used again: `self` is being dropped.
        unsafe { std::ptr::drop_in_place(&mut **self.0) };
    }
}

/// `KVVec`.
pub struct KVVec<T>(Vec<T>);

/// The error for a vector without free capacity.
pub struct PushError;

impl<T> KVVec<T> {
    pub fn with_capacity(capacity: usize, _: Flags) -> Result<KVVec<T>> {
        Ok(KVVec(Vec::with_capacity(capacity)))
    }

    pub fn push_within_capacity(&mut self, value: T) -> Result<(), PushError> {
        if self.0.len() == self.0.capacity() {
            return Err(PushError);
        }
        self.0.push(value);
        Ok(())
    }

    pub fn spare_capacity_mut(&mut self) -> &mut [MaybeUninit<T>] {
        self.0.spare_capacity_mut()
    }

    pub fn clear(&mut self) {
        self.0.clear();
    }
}

impl<T> Deref for KVVec<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<T> DerefMut for KVVec<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.0
    }
}
