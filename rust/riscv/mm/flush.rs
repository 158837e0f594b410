// SPDX-License-Identifier: GPL-2.0

//! Flushes of instruction caches and TLBs, on this hart and on all harts.
//!
//! Source: `arch/riscv/mm/cacheflush.c`, `arch/riscv/mm/tlbflush.c`.

use core::arch::asm;

use crate::{
    adversary::{
        self,
        Point, //
    },
    bindings,
    mm::pgtable::PAGE_SIZE, //
};

/// A range of kernel pages whose translations are to be flushed.
#[derive(Clone, Copy, Debug)]
pub struct Pages {
    /// The address of the first page.
    pub start: usize,
    /// The number of pages.
    pub count: usize,
}

/// The number of pages from which one `sfence.vma` for all is cheaper than one for each.
const FLUSH_ALL_FROM: usize = 64;

/// `fence.i`: orders this hart's instruction fetches after everything that it has observed so far.
///
/// It is local: other harts may keep executing what they have fetched. Any context.
///
/// # Examples
///
/// ```
/// riscv::mm::flush::instructions_here();
/// ```
// litmus: flush
#[inline(always)]
pub fn instructions_here() {
    // SAFETY: `fence.i` only orders. Without `nomem`, the `asm!` is also a compiler barrier.
    unsafe { asm!("fence.i", options(nostack)) };
}

/// Flushes this hart's cached translations of `pages`.
///
/// Needed after a kernel mapping was removed, and after one was created: without Svvptc, a hart may
/// have cached that the entry was invalid. Any context, including a stopped machine.
///
/// Uses the kernel's functions, which know the errata of harts that need more than `sfence.vma`.
#[inline(always)]
pub fn translations_here(pages: Pages) {
    if pages.count >= FLUSH_ALL_FROM {
        // SAFETY: `local_flush_tlb_all()` may be called in any context. It only orders, and drops
        // cached translations of this hart.
        unsafe { bindings::rust_riscv_local_flush_tlb_all() };
        return;
    }
    for n in 0..pages.count {
        // SAFETY: `local_flush_tlb_page()` may be called in any context, for any address. It only
        // orders, and drops cached translations of this hart.
        unsafe { bindings::rust_riscv_local_flush_tlb_page(pages.start + n * PAGE_SIZE) };
    }
}

/// `flush_icache_all()`: orders the instruction fetches of all online CPUs after everything that
/// this CPU has written.
///
/// CPUs that come online later flush their caches on the way. A flush by firmware does not need the
/// other CPUs to take an interrupt, so one of them may still be in the handler of a breakpoint that
/// was removed: see [`instructions_everywhere_after_traps`].
///
/// Context: interrupts on; waits for the other harts, does not sleep.
///
/// C header: [`arch/riscv/include/asm/cacheflush.h`](srctree/arch/riscv/include/asm/cacheflush.h)
///
/// # Examples
///
/// ```
/// riscv::mm::flush::instructions_everywhere();
/// ```
pub fn instructions_everywhere() {
    adversary::at(Point::Stored);
    // SAFETY: `flush_icache_all()` may be called with interrupts on, which this function's context
    // demands: it may wait for the other harts to answer an IPI.
    unsafe { bindings::rust_riscv_flush_icache_all() };
    adversary::at(Point::Flushed);
}

/// Like [`instructions_everywhere`], and also waits until every CPU has left any trap that it took
/// from the kernel before, for a breakpoint or a misaligned access. The handlers of these keep
/// interrupts off, and this waits until every CPU has taken an interrupt.
///
/// It does not wait for all traps: the page-fault handler enables interrupts, and may still be
/// running when this returns.
///
/// A CPU in such a trap that reads what the caller writes next also sees the new text.
///
/// Context: interrupts on; waits for the other harts, does not sleep.
pub fn instructions_everywhere_after_traps() {
    adversary::at(Point::Stored);
    // SAFETY: `on_each_cpu()` may be called with interrupts on, which this function's context
    // demands: it waits for the other harts to answer an IPI.
    unsafe { bindings::rust_riscv_interrupt_and_flush_icache_all() };
    adversary::at(Point::Flushed);
}
