// SPDX-License-Identifier: GPL-2.0
// expect: E0133: call to unsafe function `stage::Fault::<'a, A>::new` is unsafe

//! Another fault than the one that there is, to get rid of a lock that is kept.

mod common;

use common::*;

pub fn handle(fault: Fault<'_, Mm>) -> Outcome<'_, Mm> {
    let locked = match fault.lock() {
        Ok(locked) => locked,
        Err(fault) => return fault.back(),
    };

    #[cfg(misuse)]
    {
        core::mem::forget(locked);
        Fault::new(&Mm, 0x1000, Cause::Load).back()
    }
    #[cfg(not(misuse))]
    match locked.judge() {
        Judged::Allowed(allowed) => allowed.keep(),
        Judged::Forbidden(forbidden) => forbidden.unlock().report(),
    }
}
