// SPDX-License-Identifier: GPL-2.0
// expect: E0061: this method takes 0 arguments but 1 argument was supplied

//! Locking the VMA at another address than the fault's, for a page to be provided there.

mod common;

use common::*;

pub fn handle(fault: Fault<'_, Mm>) -> Outcome<'_, Mm> {
    #[cfg(not(misuse))]
    let locked = fault.lock();
    #[cfg(misuse)]
    let locked = fault.lock(0x1000);
    let locked = match locked {
        Ok(locked) => locked,
        Err(fault) => return fault.back(),
    };

    match locked.judge() {
        Judged::Allowed(allowed) => allowed.keep(),
        Judged::Forbidden(forbidden) => forbidden.unlock().report(),
    }
}
