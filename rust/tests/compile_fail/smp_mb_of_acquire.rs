// SPDX-License-Identifier: GPL-2.0
// needs: kernel
// expect: E0277: the trait bound `Acquire:

//! Passes `Acquire` to `smp_mb()`. An acquire belongs to a load: there is no such barrier.

use kernel::sync::atomic::Acquire;
use riscv::barrier::{
    smp_mb,
    Read, //
};

pub fn misuse() {
    let _ = Acquire;
    smp_mb(Read);
    #[cfg(misuse)]
    smp_mb(Acquire);
}
