// SPDX-License-Identifier: GPL-2.0

//! Making new text and new mappings visible: on this hart, and on all.
//!
//! Source: `arch/riscv/mm/cacheflush.c`, `arch/riscv/mm/tlbflush.c`.

use core::arch::asm;

use kernel::ffi::c_void;

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

#[link_section = ".kprobes.text"]
unsafe extern "C" fn synchronise_here(pages: *mut c_void) {
    // SAFETY: `everywhere` passes a valid pointer, and waits until this function has returned.
    let pages = unsafe { *pages.cast::<Pages>() };

    translations_here(pages);
    instructions_here();
}

/// Makes every online CPU forget its translations of `pages` and run its instruction fetches after
/// everything that this CPU has written.
///
/// One round of IPIs for both. CPUs that come online later do both on their way.
///
/// Context: interrupts on; waits, does not sleep.
///
/// C header: [`include/linux/smp.h`](srctree/include/linux/smp.h)
pub fn everywhere(pages: Pages) {
    let mut pages = pages;

    // The ISA wants a data fence before another hart is told to run `fence.i`, and the telling may
    // be a store to a device (IMSIC): `w` before `o`. Pairs with the `fence.i` in
    // `synchronise_here`. litmus: flush
    //
    // SAFETY: `fence` only orders.
    unsafe { asm!("fence w, o", options(nostack)) };

    // SAFETY: `synchronise_here` takes a pointer to `Pages`, and `pages` outlives the call, which
    // returns after every CPU has run it.
    unsafe {
        bindings::rr_on_each_cpu(
            Some(synchronise_here),
            core::ptr::from_mut(&mut pages).cast(),
        )
    };
}
