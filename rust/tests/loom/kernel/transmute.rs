// SPDX-License-Identifier: GPL-2.0

//! `kernel::transmute`.

/// # Safety
///
/// Every bit pattern is a valid value of the type.
pub unsafe trait FromBytes {}
