// SPDX-License-Identifier: GPL-2.0
// expect: E0451: field `trap` of struct `stage::Unlocked` is private
// expect: type `Trap<'_, common::Mm>` is private
// expect: type `Trap<'_, common::Mm>` is private

//! Creates an `Unlocked` by hand, with the VMA still locked.

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
            core::mem::forget(forbidden);
            let trap = unreachable!();
            Unlocked { trap }.signal()
        }
    }
}
