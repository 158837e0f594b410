// SPDX-License-Identifier: GPL-2.0
// needs: kernel
// expect: E0133: call to unsafe function `Mailbox::<T>::split` is unsafe

//! Splits a mailbox without the promise that both sides are used on one CPU.

use riscv::barrier::same_cpu::Mailbox;

pub fn misuse() {
    let mut mailbox = Mailbox::<u32>::new();

    #[cfg(misuse)]
    let _ = mailbox.split();
    // SAFETY: Does not run.
    let _ = unsafe { mailbox.split() };
}
