// SPDX-License-Identifier: GPL-2.0

//! Shared by the tests of faults: the crate's own files, and an address space with one VMA.

#![allow(dead_code, unused_imports)]

#[path = "../../../riscv"]
mod riscv {
    pub mod fault {
        pub mod access;
        pub mod stage;
    }
}

pub use riscv::fault;

pub use fault::{
    access::{
        Cause,
        VmFlags, //
    },
    stage::{
        Action,
        AddressSpace,
        CheckedAccess,
        Fault,
        FaultOutcome,
        ForbiddenAccess,
        LockedVma,
        Unlocked, //
    }, //
};

pub struct Vma;

impl LockedVma for Vma {
    fn flags(&self) -> VmFlags {
        fault::access::VM_READ
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
