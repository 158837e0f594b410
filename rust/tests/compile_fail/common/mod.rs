// SPDX-License-Identifier: GPL-2.0

//! What the files here share: the crate's own file, and a VMA for it.

#![allow(dead_code, unused_imports)]

#[path = "../../../riscv/fault.rs"]
pub mod fault;

pub use fault::{
    AddressSpace,
    Cause,
    End,
    Fault,
    Judged,
    LockedVma,
    Outcome,
    Unlocked,
    VmFlags, //
};

pub struct Vma;

impl LockedVma for Vma {
    fn flags(&self) -> VmFlags {
        fault::VM_READ
    }
}

#[derive(Clone, Copy)]
pub struct Mm;

impl AddressSpace for Mm {
    type Vma<'a> = Vma;

    fn lock_vma(&self, _address: usize) -> Option<Vma> {
        Some(Vma)
    }
}
