// SPDX-License-Identifier: GPL-2.0
// needs: kernel
// expect: lifetime may not live long enough

//! Keeps a stage of one fault for the next, whose VMA would then stay locked.

use kernel::mm::MmWithUser;
use riscv::fault::stage::{
    CheckedAccess,
    Fault,
    FaultOutcome, //
};

#[cfg(misuse)]
fn keep<T: 'static>(_: T) {}

pub fn misuse(fault: Fault<'_, MmWithUser>) -> FaultOutcome<'_, MmWithUser> {
    let locked = match fault.lock() {
        Ok(locked) => locked,
        Err(fault) => return fault.fall_back(),
    };

    match locked.check_access() {
        CheckedAccess::Allowed(allowed) => allowed.keep_locked(),
        #[cfg(not(misuse))]
        CheckedAccess::Forbidden(forbidden) => forbidden.unlock().signal(),
        #[cfg(misuse)]
        CheckedAccess::Forbidden(forbidden) => {
            keep(forbidden.unlock());
            loop {}
        }
    }
}
