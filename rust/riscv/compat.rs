// SPDX-License-Identifier: GPL-2.0

//! What differs between Linux 7.2 and 7.3.

use core::borrow::Borrow;

use kernel::{
    ffi::c_int,
    prelude::*, //
};

/// The error with the errno `number`, which is positive, as in C.
///
/// For errors that the `kernel` crate of Linux 7.2 does not declare.
pub fn errno(number: u32) -> Error {
    Error::from_errno(-(number as c_int))
}

/// The value of a module parameter, which Linux 7.2 returns by reference and 7.3 by value.
pub fn parameter<T: Copy>(value: impl Borrow<T>) -> T {
    *value.borrow()
}
