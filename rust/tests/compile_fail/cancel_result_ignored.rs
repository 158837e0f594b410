// SPDX-License-Identifier: GPL-2.0
// needs: kernel
// expect: unused `Cancelled` that must be used

//! Ignores the result of `cancel()`: whether the work is still running.

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
