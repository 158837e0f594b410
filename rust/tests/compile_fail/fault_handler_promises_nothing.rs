// SPDX-License-Identifier: GPL-2.0
// needs: kernel with rust_riscv_fault_hook
// expect: E0200: the trait `riscv::fault::user::Handler` requires an `unsafe impl` declaration

//! That a handler of faults does not sleep has to be promised.

use kernel::mm::MmWithUser;
use riscv::fault::{
    stage::{
        Fault,
        Outcome, //
    },
    user::Handler, //
};

pub struct Back;

#[cfg(misuse)]
impl Handler for Back {
    fn user_fault(fault: Fault<'_, MmWithUser>) -> Outcome<'_, MmWithUser> {
        fault.back()
    }

    fn unknown_cause(_scause: usize, _address: usize) {}
}

// SAFETY: It does nothing.
#[cfg(not(misuse))]
unsafe impl Handler for Back {
    fn user_fault(fault: Fault<'_, MmWithUser>) -> Outcome<'_, MmWithUser> {
        fault.back()
    }

    fn unknown_cause(_scause: usize, _address: usize) {}
}
