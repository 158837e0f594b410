// SPDX-License-Identifier: GPL-2.0

//! Making new text and new mappings visible: on this hart, and on all.
//!
//! Source: `arch/riscv/mm/cacheflush.c`, `arch/riscv/mm/tlbflush.c`.

use core::arch::asm;

use crate::{
    bindings,
    pgtable::PAGE_SIZE, //
};

/// A range of kernel pages whose translations are to be forgotten.
#[derive(Clone, Copy, Debug)]
pub struct Pages {
    /// The address of the first page.
    pub start: usize,
    /// The number of pages.
    pub count: usize,
}

/// From how many pages on one `sfence.vma` for all is cheaper than one each.
const FLUSH_ALL_FROM: usize = 64;

/// Orders this hart's instruction fetches after everything it has observed so far.
///
/// `fence.i` is local: other harts go on running what they have fetched. Any context.
// litmus: flush
#[inline(always)]
pub fn instructions_here() {
    // SAFETY: `fence.i` only orders. Without `nomem` it is a compiler barrier, too.
    unsafe { asm!("fence.i", options(nostack)) };
}

/// Forgets this hart's cached translations of `pages`.
///
/// Needed after a kernel mapping was removed, and after one was made: without Svvptc a hart may
/// have cached that there was none. Any context.
#[inline(always)]
pub fn translations_here(pages: Pages) {
    if pages.count >= FLUSH_ALL_FROM {
        // SAFETY: `sfence.vma` only orders and forgets what can be looked up again.
        unsafe { asm!("sfence.vma", options(nostack)) };
        return;
    }
    for n in 0..pages.count {
        let addr = pages.start + n * PAGE_SIZE;

        // SAFETY: As above.
        unsafe { asm!("sfence.vma {}, zero", in(reg) addr, options(nostack)) };
    }
}

/// Orders every online CPU's instruction fetches after everything that this CPU has written.
///
/// CPUs that come online later do the same on their way. It does not wait for interrupts: a CPU can
/// be in the handler of a breakpoint that is gone.
///
/// Context: interrupts on; waits for the other harts, does not sleep.
///
/// C header: [`arch/riscv/include/asm/cacheflush.h`](srctree/arch/riscv/include/asm/cacheflush.h)
pub fn instructions_everywhere() {
    // SAFETY: No requirements.
    unsafe { bindings::rr_flush_icache_all() };
}
