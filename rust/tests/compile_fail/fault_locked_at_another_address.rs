// SPDX-License-Identifier: GPL-2.0
// expect: E0061: this method takes 0 arguments but 1 argument was supplied

//! Locks the VMA at an address other than the fault's, so that a page would be provided there.

mod common;

use common::*;

pub fn handle(fault: Fault<'_, Mm>) -> FaultOutcome<'_, Mm> {
    #[cfg(not(misuse))]
    let locked = fault.lock();
    #[cfg(misuse)]
    let locked = fault.lock(0x1000);
    let locked = match locked {
        Ok(locked) => locked,
        Err(fault) => return fault.fall_back(),
    };

    match locked.check_access() {
        CheckedAccess::Allowed(allowed) => allowed.keep_locked(),
        CheckedAccess::Forbidden(forbidden) => forbidden.unlock().signal(),
    }
}
