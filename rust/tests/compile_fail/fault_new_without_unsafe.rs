// SPDX-License-Identifier: GPL-2.0
// expect: E0133: call to unsafe function `stage::Fault::<'a, A>::new` is unsafe

//! Creates a second fault for the trap, to return an outcome while the VMA stays locked.

mod common;

use common::*;

pub fn handle(fault: Fault<'_, Mm>) -> FaultOutcome<'_, Mm> {
    let locked = match fault.lock() {
        Ok(locked) => locked,
        Err(fault) => return fault.fall_back(),
    };

    #[cfg(misuse)]
    {
        core::mem::forget(locked);
        Fault::new(&Mm, 0x1000, Cause::Load).fall_back()
    }
    #[cfg(not(misuse))]
    match locked.check_access() {
        CheckedAccess::Allowed(allowed) => allowed.keep_locked(),
        CheckedAccess::Forbidden(forbidden) => forbidden.unlock().signal(),
    }
}
