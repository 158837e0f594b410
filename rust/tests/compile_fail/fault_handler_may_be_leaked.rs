// SPDX-License-Identifier: GPL-2.0
// needs: kernel with rust_riscv_fault_hook
// expect: E0133: call to unsafe function `riscv::fault::user::Registration::<H>::new` is unsafe

//! That a handler of faults is taken back before its module goes has to be promised.

use riscv::fault::user::{
    Handler,
    Registration, //
};

pub fn misuse<H: Handler + 'static>() {
    #[cfg(misuse)]
    let registration = Registration::<H>::new();
    // SAFETY: Dropped here.
    #[cfg(not(misuse))]
    let registration = unsafe { Registration::<H>::new() };
    drop(registration);
}
