// SPDX-License-Identifier: GPL-2.0
// needs: kernel
// expect: E0133: call to unsafe function `Note::<T>::split` is unsafe

//! That both sides are on one CPU has to be promised.

use riscv::barrier::same_cpu::Note;

pub fn misuse() {
    let mut note = Note::<u32>::new();

    #[cfg(misuse)]
    let _ = note.split();
    // SAFETY: Does not run.
    let _ = unsafe { note.split() };
}
