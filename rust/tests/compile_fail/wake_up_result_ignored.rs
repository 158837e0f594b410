// SPDX-License-Identifier: GPL-2.0
// needs: kernel
// expect: unused return value of `riscv::barrier::wake_up::Waker::<'_>::set` that must be used

//! Ignores the result of `set()`: whether the sleeper has to be woken.

#![deny(unused_must_use)]

use riscv::barrier::wake_up::WakeUp;

pub fn misuse() {
    let mut shared = WakeUp::new();
    let (_sleeper, waker) = shared.split();

    #[cfg(misuse)]
    waker.set();
    #[cfg(not(misuse))]
    let _asleep = waker.set();
}
