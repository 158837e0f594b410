// SPDX-License-Identifier: GPL-2.0
// expect: E0004: non-exhaustive patterns: `stage::Judged::Forbidden(_)` not covered

//! Not looking at whether it is forbidden.

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
    }
}
