// SPDX-License-Identifier: GPL-2.0
// needs: kernel
// expect: lifetime may not live long enough

//! What one fault has come to is not kept for the next, whose VMA would then stay locked.

use kernel::mm::MmWithUser;
use riscv::fault::stage::{
    Fault,
    Judged,
    Outcome, //
};

#[cfg(misuse)]
fn keep<T: 'static>(_: T) {}

pub fn misuse(fault: Fault<'_, MmWithUser>) -> Outcome<'_, MmWithUser> {
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
            keep(forbidden.unlock());
            loop {}
        }
    }
}
