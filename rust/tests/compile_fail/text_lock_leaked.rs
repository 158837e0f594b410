// SPDX-License-Identifier: GPL-2.0
// needs: kernel
// expect: E0599: no associated function or constant named `lock` found

//! Leaks a guard of `text_mutex`, so that nobody can write text any more.

use riscv::text::lock::TextLock;

pub fn misuse() {
    #[cfg(misuse)]
    core::mem::forget(TextLock::lock());
    #[cfg(not(misuse))]
    TextLock::with(|lock| core::mem::forget(lock));
}
