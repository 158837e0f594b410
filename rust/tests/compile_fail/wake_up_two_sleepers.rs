// SPDX-License-Identifier: GPL-2.0
// needs: kernel
// expect: E0599: no method named `clone` found for struct `Sleeper<

//! Creates a second sleeper. Only wakers can be cloned.

use riscv::barrier::wake_up::WakeUp;

pub fn misuse() {
    let mut shared = WakeUp::new();
    let (sleeper, waker) = shared.split();

    let _ = waker.clone();
    #[cfg(misuse)]
    let _ = sleeper.clone();
    let _ = sleeper;
}
