// SPDX-License-Identifier: GPL-2.0
// expect: E0382: use of moved value: `fault`

//! Falls back to C with a fault whose VMA is being locked.

mod common;

use common::*;

pub fn handle(fault: Fault<'_, Mm>) -> FaultOutcome<'_, Mm> {
    let locked = fault.lock();

    #[cfg(misuse)]
    let _ = fault.fall_back();
    match locked {
        Ok(locked) => match locked.check_access() {
            CheckedAccess::Allowed(allowed) => allowed.keep_locked(),
            CheckedAccess::Forbidden(forbidden) => forbidden.unlock().fall_back(),
        },
        Err(fault) => fault.fall_back(),
    }
}
