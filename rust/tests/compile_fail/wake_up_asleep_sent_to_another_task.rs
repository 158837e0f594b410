// SPDX-License-Identifier: GPL-2.0
// needs: kernel
// expect: E0277: `*mut ()` cannot be sent between threads safely

//! Sleeps in another task than the one that is marked as asleep.

use riscv::barrier::wake_up::WakeUp;

fn to_another_task<T: Send>(_: T) {}

pub fn misuse() {
    let mut shared = WakeUp::new();
    let (mut sleeper, waker) = shared.split();

    to_another_task(waker);
    #[cfg(misuse)]
    to_another_task(sleeper.prepare());
    let _ = sleeper.prepare();
}
