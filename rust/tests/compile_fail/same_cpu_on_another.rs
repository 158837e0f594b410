// SPDX-License-Identifier: GPL-2.0
// needs: kernel
// expect: E0277: `*mut ()` cannot be sent between threads safely
// expect: E0277: `UnsafeCell<MaybeUninit<i32>>` cannot be shared between threads safely

//! A note for this CPU's interrupts does not go to another CPU.

use kernel::prelude::*;
use riscv::{
    barrier::same_cpu::Note,
    thread::pair, //
};

pub fn misuse() -> Result {
    let mut note = Note::new();
    // SAFETY: Does not run.
    let (mut task, mut handler) = unsafe { note.split() };

    #[cfg(misuse)]
    pair(
        [0, 1],
        || {
            let _ = task.leave(1);
        },
        || (),
    )?;
    let _ = task.leave(2);
    let _ = handler.take();
    pair([0, 1], || (), || ())
}
