// SPDX-License-Identifier: GPL-2.0

//! Which addresses are kernel text, and keeping them so.
//!
//! Text is what the page tables map executable and not writable, in the kernel image or in the
//! text of a loaded module. A module is pinned for as long as its text is to be patched.

use kernel::prelude::*;

use crate::{
    bindings,
    mm::pgtable::{
        walk,
        Found,
        Pte,
        Tables,
        PAGE_SHIFT,
        PAGE_SIZE, //
    }, //
};

pub mod breakpoints;
pub mod commit;
pub mod edit;
pub mod lock;
pub mod owners;
pub mod plan;
#[cfg(rust_riscv_text_hooks)]
pub mod provider;
pub mod window;

/// The page tables of the running kernel.
struct KernelTables;

impl Tables for KernelTables {
    fn read(&self, phys: u64) -> Pte {
        // Volatile rather than the kernel crate's `Atomic`, whose loads are calls of a traced
        // function: there are thousands in an update of ftrace.
        //
        // SAFETY: `phys` comes from a page table, so that it is a table's entry in memory that the
        // linear map covers; others may write it, but in one store.
        Pte::new(unsafe { entry_at(phys).read_volatile() })
    }
}

/// Where the linear map has the page-table entry at the physical address `phys`.
pub(crate) fn entry_at(phys: u64) -> *mut u64 {
    // SAFETY: Written once at boot, before any module is loaded.
    let offset = unsafe { bindings::kernel_map.va_pa_offset } as u64;

    core::ptr::with_exposed_provenance_mut(phys.wrapping_add(offset) as usize)
}

/// Whether every hart fetches 4 naturally aligned bytes of main memory at once, so that one store
/// replaces an instruction: whether their ISA strings have Ziccif.
///
/// Context: any.
///
/// C header: [`arch/riscv/include/asm/cpufeature.h`](srctree/arch/riscv/include/asm/cpufeature.h)
///
/// # Examples
///
/// ```
/// use riscv::text;
///
/// // The ISA strings do not change.
/// assert_eq!(text::fetch_is_atomic(), text::fetch_is_atomic());
/// ```
pub fn fetch_is_atomic() -> bool {
    // SAFETY: It only reads a bitmap that was complete before any module was loaded.
    unsafe { bindings::rust_riscv_fetch_is_atomic() }
}

/// Looks `addr`, an address of the kernel, up in the page tables.
///
/// `None` if there is no table for it, or it is an address of user space.
///
/// # Safety
///
/// The tables on the way to `addr` are not freed meanwhile. Those of the kernel image stay, and
/// those of memory that the caller keeps allocated or mapped, of a module that it has pinned, say.
/// Others go with their memory: no lock is taken here.
///
/// # Context
///
/// Any.
///
/// # Examples
///
/// ```
/// use riscv::text;
///
/// let function = kernel::bindings::_printk as *const () as usize;
/// // SAFETY: The kernel image stays.
/// let found = unsafe { text::look_up(function) };
///
/// assert!(found.is_some_and(|found| found.pte.is_text()));
/// ```
pub unsafe fn look_up(addr: usize) -> Option<Found> {
    const PPN_MASK: u64 = (1 << 44) - 1;
    const SV39: u64 = 8;

    // Only the upper half is the kernel's. The lower one's tables come and go with a process.
    if addr <= isize::MAX as usize {
        return None;
    }
    let satp: u64;
    // SAFETY: Reads a CSR that the kernel may read. Whichever address space is current, its upper
    // half is the kernel's.
    unsafe { core::arch::asm!("csrr {}, satp", out(reg) satp, options(nomem, nostack)) };

    // Modes 8, 9 and 10 have 3, 4 and 5 levels.
    let levels = (satp >> 60).checked_sub(SV39)? + 3;
    walk(
        &KernelTables,
        (satp & PPN_MASK) << PAGE_SHIFT,
        levels as u32,
        addr,
    )
}

/// Lookups of many addresses, most of them near the one before.
#[derive(Default)]
pub(crate) struct Lookups(Option<(usize, Found)>);

impl Lookups {
    /// # Safety
    ///
    /// That of [`look_up`].
    unsafe fn find(&mut self, addr: usize) -> Option<Found> {
        // SAFETY: By the function's requirement.
        let look_up = || unsafe { look_up(addr) };
        let found = match self.0 {
            Some((last, found)) => found.beside(last, addr).or_else(look_up),
            None => look_up(),
        }?;

        self.0 = Some((addr, found));
        Some(found)
    }

    /// The page-table entry of `addr`, where `origin` may write.
    ///
    /// # Errors
    ///
    /// `-EFAULT` if it may not.
    ///
    /// # Safety
    ///
    /// That of [`look_up`].
    pub(crate) unsafe fn look_up(&mut self, addr: usize, origin: Origin) -> Result<Pte> {
        // SAFETY: By the function's requirement.
        unsafe { self.find(addr) }
            .map(|found| found.pte)
            .filter(|pte| match origin {
                Origin::Module => pte.is_text(),
                Origin::Kernel => pte.is_valid(),
            })
            .ok_or(EFAULT)
    }
}

/// Who asks for a write, which decides what may be written and what is verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A module, by our API. Only kernel text may be written, and the old bytes are what the module
    /// expects to be there.
    Module,
    /// The kernel itself, through the provider. It also writes memory that is still to become text,
    /// and the old bytes were just read, under `text_mutex`.
    Kernel,
}

/// The `len` bytes at `addr`, little-endian; `len` is 2, 4, 6 or 8 and `addr` even.
///
/// # Safety
///
/// The bytes are readable memory of the kernel, and stay so during the call.
#[inline(always)]
pub unsafe fn read(addr: usize, len: usize) -> u64 {
    let text = core::ptr::with_exposed_provenance::<u16>(addr);

    // Volatile throughout, because others may write it.
    match len {
        // SAFETY: By the function's requirement readable; aligned, as just checked.
        4 if addr & 3 == 0 => return u64::from(unsafe { text.cast::<u32>().read_volatile() }),
        // SAFETY: As above.
        8 if addr & 7 == 0 => return unsafe { text.cast::<u64>().read_volatile() },
        _ => {}
    }
    let mut bytes = 0;

    for parcel in 0..len / 2 {
        // SAFETY: As above; `addr` is even.
        let bits = unsafe { text.add(parcel).read_volatile() };
        bytes |= u64::from(bits) << (16 * parcel);
    }
    bytes
}

const _: () = assert!(PAGE_SIZE == kernel::page::PAGE_SIZE);
