// SPDX-License-Identifier: GPL-2.0
// expect: E0277: `*mut ()` cannot be sent between threads safely

//! Handling the fault of one task in another.

mod common;

use common::*;

#[cfg(misuse)]
fn to_another_task<T: Send>(value: T) -> T {
    value
}

pub fn handle(fault: Fault<'_, Mm>) -> Outcome<'_, Mm> {
    #[cfg(misuse)]
    let fault = to_another_task(fault);
    let locked = match fault.lock() {
        Ok(locked) => locked,
        Err(fault) => return fault.back(),
    };

    match locked.judge() {
        Judged::Allowed(allowed) => allowed.keep(),
        Judged::Forbidden(forbidden) => forbidden.unlock().report(),
    }
}
