// SPDX-License-Identifier: GPL-2.0
// needs: kernel with rust_riscv_text_hooks
// expect: E0133: call to unsafe function `riscv::text::provider::Kernel::<'_>::write` is unsafe

//! Has the kernel write bytes without the promise that they belong there.

use riscv::text::provider::Kernel;

pub fn misuse(kernel: Kernel<'_>, addr: usize) {
    #[cfg(misuse)]
    let _ = kernel.write(addr, &[0]);
    // SAFETY: Does not run.
    #[cfg(not(misuse))]
    let _ = unsafe { kernel.write(addr, &[0]) };
}
