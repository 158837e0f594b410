// SPDX-License-Identifier: GPL-2.0

//! `kernel::types`.

use std::{
    cell::UnsafeCell,
    marker::PhantomData, //
};

pub type NotThreadSafe = PhantomData<*mut ()>;

#[allow(non_upper_case_globals)]
pub const NotThreadSafe: NotThreadSafe = PhantomData;

/// A value that only C accesses, through loom's variables.
pub struct Opaque<T>(UnsafeCell<T>);

impl<T> Opaque<T> {
    pub const fn new(value: T) -> Self {
        Opaque(UnsafeCell::new(value))
    }

    pub const fn get(&self) -> *mut T {
        self.0.get()
    }
}
