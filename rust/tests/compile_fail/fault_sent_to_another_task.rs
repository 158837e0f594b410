// SPDX-License-Identifier: GPL-2.0
// expect: E0277: `*mut ()` cannot be sent between threads safely

//! Sends a fault to another task.

mod common;

use common::*;

#[cfg(misuse)]
fn to_another_task<T: Send>(value: T) -> T {
    value
}

pub fn handle(fault: Fault<'_, Mm>) -> FaultOutcome<'_, Mm> {
    #[cfg(misuse)]
    let fault = to_another_task(fault);
    let locked = match fault.lock() {
        Ok(locked) => locked,
        Err(fault) => return fault.fall_back(),
    };

    match locked.check_access() {
        CheckedAccess::Allowed(allowed) => allowed.keep_locked(),
        CheckedAccess::Forbidden(forbidden) => forbidden.unlock().signal(),
    }
}
