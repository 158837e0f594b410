// SPDX-License-Identifier: GPL-2.0
// expect: E0382: use of moved value: `unlocked`

//! Reporting twice.

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
            let unlocked = forbidden.unlock();
            let _ = unlocked.report();
            unlocked.report()
        }
    }
}
