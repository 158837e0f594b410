// SPDX-License-Identifier: GPL-2.0

//! Kernel text: finding it in the page tables, reading it, and writing it.
//!
//! Text is what the page tables map executable and not writable, in the kernel image or in a loaded
//! module.
//!
//! - [`edit`]: an edit of text, and the ways to write it;
//! - [`plan`]: the order of the edits of a batch, and the strategy to write it with;
//! - [`owners`]: references to the modules whose text is edited;
//! - [`lock`]: the lock that excludes other writers;
//! - [`kprobes`]: the kprobes that own instructions;
//! - [`window`]: the temporary writable mapping of text;
//! - [`commit`]: the protocol that writes a batch;
//! - [`breakpoints`]: the edits that the breakpoint handler emulates while they are written;
//! - `provider`: writes for the kernel's own users, in a kernel with our hooks.

use core::marker::PhantomData;

use kernel::prelude::*;

use crate::{
    bindings,
    interrupts_off::InterruptsOff,
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
pub mod kprobes;
pub mod lock;
pub mod owners;
pub mod plan;
#[cfg(rust_riscv_text_hooks)]
pub mod provider;
pub mod window;

/// The page tables that this CPU uses. All address spaces map the same upper half.
///
/// Their root belongs to an address space. A task without one of its own borrows that of the task
/// that ran before it, which exists as long as the CPU uses it: until the next context switch.
struct LoadedTables<'a> {
    root: u64,
    levels: u32,
    _no_switch: PhantomData<&'a InterruptsOff>,
}

impl<'a> LoadedTables<'a> {
    /// Returns `None` if the CPU uses none that we know.
    fn new(_off: &'a InterruptsOff) -> Option<Self> {
        const PPN_MASK: u64 = (1 << 44) - 1;
        const SV39: u64 = 8;
        let satp: u64;

        // SAFETY: S-mode may read `satp`, which has no side effects. Without `nomem`, it is not
        // moved to where interrupts are on.
        unsafe { core::arch::asm!("csrr {}, satp", out(reg) satp, options(nostack)) };

        Some(LoadedTables {
            root: (satp & PPN_MASK) << PAGE_SHIFT,
            // Modes 8 (Sv39), 9 and 10 have 3, 4 and 5 levels.
            levels: (satp >> 60).checked_sub(SV39)? as u32 + 3,
            _no_switch: PhantomData,
        })
    }
}

impl Tables for LoadedTables<'_> {
    fn read(&self, phys: u64) -> Pte {
        // Volatile rather than the kernel crate's `Atomic`, whose loads are calls of a traced
        // function: an update of ftrace makes thousands of them.
        //
        // SAFETY: `read_volatile()` requires a readable and aligned pointer. `phys` is the address
        // of a page-table entry, which is naturally aligned and in memory that the linear map
        // covers. Others may write the entry, but with a single store.
        Pte::new(unsafe { entry_at(phys).read_volatile() })
    }
}

/// Returns the address in the linear map of the page-table entry at the physical address `phys`.
pub(crate) fn entry_at(phys: u64) -> *mut u64 {
    // SAFETY: `kernel_map` is written last by `setup_arch()`, before any initcall.
    let offset = unsafe { bindings::kernel_map.va_pa_offset } as u64;

    core::ptr::with_exposed_provenance_mut(phys.wrapping_add(offset) as usize)
}

/// Returns whether every hart fetches 4 naturally aligned bytes of main memory atomically, so that
/// one store replaces an instruction: whether Ziccif is in the ISA strings of all harts.
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
/// // It does not change after boot.
/// assert_eq!(text::fetch_is_atomic(), text::fetch_is_atomic());
/// ```
pub fn fetch_is_atomic() -> bool {
    // SAFETY: `__riscv_isa_extension_available()` only reads a bitmap, which `setup_arch()`
    // completes, before any initcall.
    unsafe { bindings::rust_riscv_fetch_is_atomic() }
}

/// Looks up the kernel address `addr` in the page tables.
///
/// Returns `None` if no page table covers it, or if it is a user-space address.
///
/// # Safety
///
/// The page tables that map `addr` are not freed during the call, which takes no lock. Those of the
/// kernel image are never freed. Others are freed with the memory that they map, so the caller keeps
/// that allocated: for instance, it holds a reference to the module. (The root of the tables is
/// kept by the call.)
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
/// // SAFETY: The page tables of the kernel image are never freed.
/// let found = unsafe { text::look_up(function) };
///
/// assert!(found.is_some_and(|found| found.pte.is_text()));
/// ```
pub unsafe fn look_up(addr: usize) -> Option<Found> {
    // Only the upper half belongs to the kernel. The tables of the lower half are freed with their
    // process.
    if addr <= isize::MAX as usize {
        return None;
    }
    let off = InterruptsOff::new();
    let tables = LoadedTables::new(&off)?;

    walk(&tables, tables.root, tables.levels, addr)
}

/// Lookups of many addresses, most of which are close to the previous one. Caches the last result.
#[derive(Default)]
pub(crate) struct Lookups(Option<(usize, Found)>);

impl Lookups {
    /// Like [`look_up`].
    ///
    /// # Safety
    ///
    /// Those of [`look_up`].
    unsafe fn find(&mut self, addr: usize) -> Option<Found> {
        // SAFETY: `look_up()` requires that the page tables of `addr` are not freed, which the
        // caller guarantees.
        let look_up = || unsafe { look_up(addr) };
        let found = match self.0 {
            Some((last, found)) => found.beside(last, addr).or_else(look_up),
            None => look_up(),
        }?;

        self.0 = Some((addr, found));
        Some(found)
    }

    /// Returns the page-table entry of `addr`, if `origin` may write there.
    ///
    /// # Errors
    ///
    /// `-EFAULT` if it may not.
    ///
    /// # Safety
    ///
    /// Those of [`look_up`].
    pub(crate) unsafe fn look_up(&mut self, addr: usize, origin: Origin) -> Result<Pte> {
        // SAFETY: The caller guarantees what `find()` requires.
        unsafe { self.find(addr) }
            .map(|found| found.pte)
            .filter(|pte| match origin {
                Origin::Module => pte.is_text(),
                Origin::Kernel => pte.is_valid(),
            })
            .ok_or(EFAULT)
    }
}

/// Who requested a write. This determines what may be written, and what is verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A module, through the batch API. It may write kernel text only, and the old bytes are what
    /// the module expects.
    Module,
    /// The kernel itself, through the provider. It may also write memory that will become text, and
    /// the old bytes were just read, under `text_mutex`.
    Kernel,
}

/// Returns the `len` bytes at `addr`, little-endian. `len` is 2, 4, 6 or 8, and `addr` is even.
///
/// # Safety
///
/// The bytes are kernel memory that is readable during the call.
#[inline(always)]
pub unsafe fn read(addr: usize, len: usize) -> u64 {
    let text = core::ptr::with_exposed_provenance::<u16>(addr);

    // All reads are volatile, since others may write the text.
    match len {
        // SAFETY: `read_volatile()` requires a readable and aligned pointer: the caller guarantees
        // that the bytes are readable, and the alignment was just checked.
        4 if addr & 3 == 0 => return u64::from(unsafe { text.cast::<u32>().read_volatile() }),
        // SAFETY: As for 4 bytes.
        8 if addr & 7 == 0 => return unsafe { text.cast::<u64>().read_volatile() },
        _ => {}
    }
    let mut bytes = 0;

    for parcel in 0..len / 2 {
        // SAFETY: The caller guarantees that the bytes are readable and that `addr` is even.
        let bits = unsafe { text.add(parcel).read_volatile() };
        bytes |= u64::from(bits) << (16 * parcel);
    }
    bytes
}

const _: () = assert!(PAGE_SIZE == kernel::page::PAGE_SIZE);
