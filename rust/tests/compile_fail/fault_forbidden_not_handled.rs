// SPDX-License-Identifier: GPL-2.0
// expect: E0004: non-exhaustive patterns: `stage::CheckedAccess::Forbidden(_)` not covered

//! Does not handle the case that the access is forbidden.

mod common;

use common::*;

pub fn handle(fault: Fault<'_, Mm>) -> FaultOutcome<'_, Mm> {
    let locked = match fault.lock() {
        Ok(locked) => locked,
        Err(fault) => return fault.fall_back(),
    };

    match locked.check_access() {
        CheckedAccess::Allowed(allowed) => allowed.keep_locked(),
        #[cfg(not(misuse))]
        CheckedAccess::Forbidden(forbidden) => forbidden.unlock().signal(),
    }
}
