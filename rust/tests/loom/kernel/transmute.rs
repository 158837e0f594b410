// SPDX-License-Identifier: GPL-2.0

//! `kernel::transmute`.

/// # Safety
///
/// Any bytes are one.
pub unsafe trait FromBytes {}
