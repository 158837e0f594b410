// SPDX-License-Identifier: GPL-2.0
// needs: kernel
// expect: unused `Cancelled` that must be used

//! Who cancels has to look at whether the work still runs.

#![deny(unused_must_use)]

use riscv::barrier::cancel::Cancel;

pub fn misuse() {
    let mut shared = Cancel::new();
    let (_worker, canceller) = shared.split();

    #[cfg(misuse)]
    canceller.cancel();
    #[cfg(not(misuse))]
    let _found = canceller.cancel();
}
