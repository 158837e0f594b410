// SPDX-License-Identifier: GPL-2.0
// needs: kernel with rust_riscv_fault_hook
// expect: E0133: call to unsafe function `HandlerRegistration::<H>::new` is unsafe

//! Registers a handler without a promise to unregister it before its module is unloaded.

use riscv::fault::user::{
    Handler,
    HandlerRegistration, //
};

pub fn misuse<H: Handler + 'static>() {
    #[cfg(misuse)]
    let registration = HandlerRegistration::<H>::new();
    // SAFETY: Dropped at the end of this function.
    #[cfg(not(misuse))]
    let registration = unsafe { HandlerRegistration::<H>::new() };
    drop(registration);
}
