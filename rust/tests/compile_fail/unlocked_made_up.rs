// SPDX-License-Identifier: GPL-2.0
// expect: E0451: field `trap` of struct `stage::Unlocked` is private
// expect: type `Trap<'_, common::Mm>` is private
// expect: type `Trap<'_, common::Mm>` is private

//! Pretending that the lock is no longer held.

mod common;

use common::*;

pub fn handle(fault: Fault<'_, Mm>) -> Outcome<'_, Mm> {
    let locked = match fault.lock() {
        Ok(locked) => locked,
        Err(fault) => return fault.back(),
    };

    match locked.judge() {
        Judged::Allowed(allowed) => allowed.keep(),
        #[cfg(not(misuse))]
        Judged::Forbidden(forbidden) => forbidden.unlock().report(),
        #[cfg(misuse)]
        Judged::Forbidden(forbidden) => {
            core::mem::forget(forbidden);
            let trap = unreachable!();
            Unlocked { trap }.report()
        }
    }
}
