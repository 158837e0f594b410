// SPDX-License-Identifier: GPL-2.0
// needs: kernel
// expect: E0277: `*mut ()` cannot be sent between threads safely
// expect: E0277: `UnsafeCell<MaybeUninit<i32>>` cannot be shared between threads safely

//! Posts a value for this CPU's interrupts from another CPU.

use kernel::prelude::*;
use riscv::{
    barrier::same_cpu::Mailbox,
    thread::pair, //
};

pub fn misuse() -> Result {
    let mut mailbox = Mailbox::new();
    // SAFETY: Does not run.
    let (mut task, mut handler) = unsafe { mailbox.split() };

    #[cfg(misuse)]
    pair(
        [0, 1],
        || {
            let _ = task.post(1);
        },
        || (),
    )?;
    let _ = task.post(2);
    let _ = handler.take();
    pair([0, 1], || (), || ())
}
