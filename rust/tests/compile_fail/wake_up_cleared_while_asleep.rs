// SPDX-License-Identifier: GPL-2.0
// needs: kernel
// expect: E0499: cannot borrow `sleeper` as mutable more than once

//! Clears the condition between checking it and sleeping.

use riscv::barrier::wake_up::WakeUp;

pub fn misuse() {
    let mut shared = WakeUp::new();
    let (mut sleeper, _waker) = shared.split();

    let asleep = sleeper.prepare();
    #[cfg(misuse)]
    let _ = sleeper.take();
    drop(asleep);
    let _ = sleeper.take();
}
