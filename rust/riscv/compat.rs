// SPDX-License-Identifier: GPL-2.0

//! Differences between Linux 7.2 and 7.3.

use core::borrow::Borrow;

use kernel::{
    ffi::c_int,
    prelude::*, //
};

/// Returns the error with the errno `number`, which is positive, as in C.
///
/// For errors that the `kernel` crate of Linux 7.2 does not declare.
///
/// # Examples
///
/// ```
/// use riscv::compat::errno;
///
/// assert_eq!(errno(kernel::bindings::EINVAL), EINVAL);
/// ```
pub fn errno(number: u32) -> Error {
    Error::from_errno(-(number as c_int))
}

/// Returns the value of a module parameter, which Linux 7.2 returns by reference and 7.3 by value.
///
/// # Examples
///
/// ```
/// use riscv::compat::parameter;
///
/// assert_eq!(parameter::<u32>(7), parameter::<u32>(&7));
/// ```
pub fn parameter<T: Copy>(value: impl Borrow<T>) -> T {
    *value.borrow()
}
