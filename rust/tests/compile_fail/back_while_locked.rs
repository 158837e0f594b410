// SPDX-License-Identifier: GPL-2.0
// expect: E0599

//! Leaving the fault to C while the lock is held.

mod common;

use common::*;

pub fn handle(fault: Fault, reporter: &impl Reporter) -> Outcome<Vma> {
    let locked = match fault.lock(find) {
        Ok(locked) => locked,
        Err(fault) => return fault.back(),
    };

    match locked.judge() {
        Judged::Allowed(allowed) => allowed.keep(),
        #[cfg(not(defect))]
        Judged::Forbidden(forbidden) => forbidden.unlock().report(reporter),
        #[cfg(defect)]
        Judged::Forbidden(forbidden) => forbidden.back(),
    }
}
