// SPDX-License-Identifier: GPL-2.0
// expect: E0308: mismatched types

//! Returns nothing after the access was found forbidden, with the VMA still locked.

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
        #[cfg(misuse)]
        CheckedAccess::Forbidden(forbidden) => {
            let _ = forbidden;
        }
    }
}
