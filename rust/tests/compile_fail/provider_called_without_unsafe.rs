// SPDX-License-Identifier: GPL-2.0
// needs: kernel with rust_riscv_text_hooks
// expect: E0133: call to unsafe function `riscv::text::provider::Provider::write` is unsafe
// expect: E0133: call to unsafe function `riscv::text::provider::Provider::set` is unsafe
// expect: E0133: call to unsafe function `patch` is unsafe
// expect: E0133: call to unsafe function `queue` is unsafe
// expect: E0133: call to unsafe function `riscv::text::provider::Provider::breakpoint` is unsafe

//! Has a provider write to any address, or handle a breakpoint that no CPU has hit.

use kernel::bindings::pt_regs;
use riscv::text::{
    lock::TextLock,
    provider::{
        Flush,
        Kernel,
        Provider,
        Text, //
    }, //
};

#[cfg(misuse)]
pub fn misuse<P: Provider>(
    provider: &mut P,
    kernel: Kernel<'_>,
    addr: usize,
    lock: &TextLock,
    texts: &[Text],
    regs: &mut pt_regs,
) {
    let _ = provider.write(kernel, addr, &[0; 4], Flush::AllCpus);
    let _ = provider.set(kernel, addr, 0, 4);
    let _ = provider.patch(kernel, addr, &[0; 4], lock);
    let _ = provider.queue(kernel, texts);
    P::breakpoint(regs);
}

/// Calls all functions of a provider.
///
/// # Safety
///
/// The caller is the kernel, on behalf of a user that owns the memory.
#[cfg(not(misuse))]
pub unsafe fn right<P: Provider>(
    provider: &mut P,
    kernel: Kernel<'_>,
    addr: usize,
    lock: &TextLock,
    texts: &[Text],
    regs: &mut pt_regs,
) {
    // SAFETY: The caller is the kernel, for a user that owns the memory.
    unsafe {
        let _ = provider.write(kernel, addr, &[0; 4], Flush::AllCpus);
        let _ = provider.set(kernel, addr, 0, 4);
        let _ = provider.patch(kernel, addr, &[0; 4], lock);
        let _ = provider.queue(kernel, texts);
        P::breakpoint(regs);
    }
}
