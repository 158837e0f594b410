// SPDX-License-Identifier: GPL-2.0
// expect: E0382: use of moved value: `unlocked`

//! Signals the task twice.

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
            let unlocked = forbidden.unlock();
            let _ = unlocked.signal();
            unlocked.signal()
        }
    }
}
