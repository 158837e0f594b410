// SPDX-License-Identifier: GPL-2.0
// expect: E0382: use of moved value: `fault`

//! Leaving a fault to C that is being handled here.

mod common;

use common::*;

pub fn handle(fault: Fault<'_, Mm>) -> Outcome<'_, Mm> {
    let locked = fault.lock();

    #[cfg(misuse)]
    let _ = fault.back();
    match locked {
        Ok(locked) => match locked.judge() {
            Judged::Allowed(allowed) => allowed.keep(),
            Judged::Forbidden(forbidden) => forbidden.unlock().back(),
        },
        Err(fault) => fault.back(),
    }
}
