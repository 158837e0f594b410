// SPDX-License-Identifier: GPL-2.0

//! Making new text and new mappings visible: on this hart, and on all.
//!
//! Source: `arch/riscv/mm/cacheflush.c`, `arch/riscv/mm/tlbflush.c`.

use core::arch::asm;

use crate::{
    adversary::{
        self,
        Point, //
    },
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
/// have cached that there was none. Any context, a stopped machine, too.
///
/// By the kernel's functions, which know the harts that need more than a `sfence.vma` of an address.
#[inline(always)]
pub fn translations_here(pages: Pages) {
    if pages.count >= FLUSH_ALL_FROM {
        // SAFETY: No requirements: it only orders and forgets what can be looked up again.
        unsafe { bindings::rr_local_flush_tlb_all() };
        return;
    }
    for n in 0..pages.count {
        // SAFETY: As above.
        unsafe { bindings::rr_local_flush_tlb_page(pages.start + n * PAGE_SIZE) };
    }
}

/// Orders every online CPU's instruction fetches after everything that this CPU has written.
///
/// CPUs that come online later do the same on their way. Where firmware does it, it does not wait
/// for interrupts: a CPU can still be in the handler of a breakpoint that is gone. See
/// [`instructions_everywhere_after_traps`].
///
/// Context: interrupts on; waits for the other harts, does not sleep.
///
/// C header: [`arch/riscv/include/asm/cacheflush.h`](srctree/arch/riscv/include/asm/cacheflush.h)
pub fn instructions_everywhere() {
    adversary::at(Point::Stored);
    // SAFETY: No requirements.
    unsafe { bindings::rr_flush_icache_all() };
    adversary::at(Point::Flushed);
}

/// As [`instructions_everywhere`], and when it returns no CPU is still in the trap of a breakpoint
/// or of a misaligned access that it took from the kernel before: these have interrupts off until
/// they are left, and this waits for an interrupt of every CPU.
///
/// That is not so of all traps: the handler of page faults switches interrupts on, and it can still
/// be at work then.
///
/// What the caller writes next, too, is after the text for those who read it in such a trap.
///
/// Context: interrupts on; waits for the other harts, does not sleep.
pub fn instructions_everywhere_after_traps() {
    adversary::at(Point::Stored);
    // SAFETY: No requirements.
    unsafe { bindings::rr_interrupt_and_flush_icache_all() };
    adversary::at(Point::Flushed);
}
