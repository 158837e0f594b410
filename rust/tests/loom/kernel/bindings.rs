// SPDX-License-Identifier: GPL-2.0

//! `kernel::bindings`: types and constants of C.

#![allow(non_camel_case_types)]

use crate::ffi::c_int;

pub const ENODATA: u32 = 61;
pub const EOPNOTSUPP: u32 = 95;
pub const SIGSEGV: u32 = 11;
pub const SEGV_ACCERR: u32 = 2;

#[repr(C)]
pub struct atomic_t {
    pub counter: c_int,
}

/// `epc` and the fields that follow it.
#[repr(C)]
pub struct pt_regs {
    pub epc: usize,
    pub others: [usize; 35],
}

#[repr(C)]
pub struct mm_struct {
    pub users: usize,
}

#[repr(C)]
pub struct vm_area_struct {
    pub flags: usize,
}
