// SPDX-License-Identifier: GPL-2.0
// needs: kernel with rust_riscv_fault_hook
// expect: E0200: the trait `riscv::fault::user::Handler` requires an `unsafe impl` declaration

//! Implements `Handler` without a promise not to sleep.

use kernel::mm::MmWithUser;
use riscv::fault::{
    stage::{
        Fault,
        FaultOutcome, //
    },
    user::Handler, //
};

pub struct FallBack;

#[cfg(misuse)]
impl Handler for FallBack {
    fn handle(fault: Fault<'_, MmWithUser>) -> FaultOutcome<'_, MmWithUser> {
        fault.fall_back()
    }

    fn unknown_cause(_scause: usize, _address: usize) {}
}

// SAFETY: No function sleeps or ends the RCU read-side critical section.
#[cfg(not(misuse))]
unsafe impl Handler for FallBack {
    fn handle(fault: Fault<'_, MmWithUser>) -> FaultOutcome<'_, MmWithUser> {
        fault.fall_back()
    }

    fn unknown_cause(_scause: usize, _address: usize) {}
}
