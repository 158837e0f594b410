// SPDX-License-Identifier: GPL-2.0

//! The window: a temporary writable mapping of text pages, for the duration of a commit.
//!
//! Its address range and page tables are reserved when the window is created. So opening it
//! allocates nothing, and only writes page-table entries. Closing it, at the latest when the
//! [`Mapped`] is dropped, clears them again.
//!
//! Only the CPU that writes uses the mapping, and flushes its own TLB before and after, as upstream
//! does for its fixmap. Another CPU may have cached translations speculatively, but never uses
//! them.

use core::ptr::NonNull;

use kernel::{
    alloc::KVVec,
    bindings as kernel_bindings,
    page::Page,
    prelude::*,
    types::NotThreadSafe, //
};

use crate::{
    barrier::{
        smp_mb,
        Write, //
    },
    bindings,
    mm::{
        flush::{
            self,
            Pages, //
        },
        pgtable::{
            Pte,
            PAGE_SIZE, //
        }, //
    },
    stop_machine::rendezvous::Exclusive,
    text::{
        self,
        Lookups,
        Origin, //
    }, //
};

/// One page of the window.
struct Slot {
    /// The page-table entry of this page.
    entry: NonNull<u64>,
    /// The address of the page of text that is mapped here, while one is.
    page: usize,
    /// The value of the entry while the page is mapped.
    pte: Pte,
}

impl Slot {
    fn set(&mut self, page: usize, pte: Pte) {
        self.page = page;
        self.pte = pte;
        self.set_again();
    }

    /// Maps the page of the last [`Slot::set`] again.
    fn set_again(&self) {
        // SAFETY: By the invariant of `Window` the entry is ours and valid for writes. A volatile
        // write is a single aligned store, since the hart's page-table walker reads the entry. It
        // is not a call, since there are many of these, and a traced function would take long.
        unsafe { self.entry.as_ptr().write_volatile(self.pte.bits()) };
    }

    /// Clears the entry. Calls no function, so that it can be used while the machine is stopped.
    #[inline(always)]
    fn clear(&self) {
        // SAFETY: By the invariant of `Window`. A single aligned store.
        unsafe { self.entry.as_ptr().write_volatile(Pte::INVALID.bits()) };
    }
}

/// A reserved range of kernel addresses through which text can be written. It is closed: it maps
/// nothing.
///
/// # Invariants
///
/// - `base` is an area of `slots.len()` pages that `vmap()` made for us alone.
/// - `slots[n].entry` is the page-table entry of page `n` of the area. All are invalid but those
///   that a [`Mapped`] or an [`OpenHere`] has set.
pub struct Window {
    base: NonNull<u8>,
    slots: KVVec<Slot>,
}

// SAFETY: The area and its page-table entries are not tied to a task.
unsafe impl Send for Window {}

impl Window {
    /// Reserves the addresses and page tables of a window of `pages` pages.
    ///
    /// # Errors
    ///
    /// - `-EINVAL`: `pages` is 0, or does not fit in 32 bits.
    /// - `-ENOMEM`: no memory, or no free address range.
    /// - `-ENXIO`: the page table of the new area cannot be walked.
    ///
    /// # Context
    ///
    /// May sleep.
    pub fn new(pages: usize) -> Result<Window> {
        if pages == 0 {
            return Err(EINVAL);
        }
        let count = u32::try_from(pages).map_err(|_| EINVAL)?;

        // Mapped everywhere in the area until its entries are cleared below.
        let placeholder = Page::alloc_page(GFP_KERNEL | kernel::alloc::flags::__GFP_ZERO)?;
        let mut placeholders = KVVec::from_elem(placeholder.as_ptr(), pages, GFP_KERNEL)?;

        // SAFETY: `placeholders` holds `count` pages; `VM_MAP` is what `vmap()` is used with.
        let area = unsafe {
            bindings::vmap(
                placeholders.as_mut_ptr(),
                count,
                bindings::RUST_RISCV_VM_MAP,
                kernel_bindings::pgprot_t {
                    pgprot: Pte::KERNEL_READ as usize,
                },
            )
        };
        // INVARIANT: The area is new.
        let mut window = Window {
            base: NonNull::new(area.cast()).ok_or(ENOMEM)?,
            slots: KVVec::new(),
        };

        window.slots.reserve(pages, GFP_KERNEL)?;
        for n in 0..pages {
            let addr = window.base.addr().get() + n * PAGE_SIZE;
            // SAFETY: The area is ours, so that its page tables are not freed.
            let found = unsafe { text::look_up(addr) }.filter(|found| found.level == 0);
            let entry = NonNull::new(text::entry_at(found.ok_or(ENXIO)?.slot)).ok_or(ENXIO)?;
            let mut slot = Slot {
                entry,
                page: 0,
                pte: Pte::INVALID,
            };

            slot.set(0, Pte::INVALID);
            // INVARIANT: The walk ended at the lowest level, at the entry of page `n`.
            window.slots.push(slot, GFP_KERNEL)?;
        }
        Ok(window)
    }

    /// The maximum number of pages that can be open at once.
    pub fn capacity(&self) -> usize {
        self.slots.len()
    }

    /// The pages of the window itself, whether they map something or not.
    pub fn pages(&self) -> Pages {
        self.range(self.capacity())
    }

    #[inline(always)]
    fn range(&self, count: usize) -> Pages {
        Pages {
            start: self.base.addr().get(),
            count,
        }
    }

    /// Maps `pages` (addresses in ascending order) writable, for a writer that may be any CPU.
    ///
    /// # Errors
    ///
    /// `-E2BIG` if there are more pages than [`Window::capacity`], `-EFAULT` if one does not map
    /// what `origin` allows. Then the window is closed.
    ///
    /// # Safety
    ///
    /// - The pages stay mapped as they are until the window is closed: the modules whose text they
    ///   are stay pinned.
    /// - For [`Origin::Kernel`], the caller may write to them.
    /// - The result is dropped: it must not be leaked, as by `mem::forget()`, or writable aliases
    ///   of text remain.
    ///
    /// # Context
    ///
    /// Any except NMI-like ones. Allocates nothing.
    pub unsafe fn map(
        &mut self,
        pages: impl Iterator<Item = usize>,
        origin: Origin,
    ) -> Result<Mapped<'_>> {
        let mut mapped = Mapped {
            window: self,
            used: 0,
        };
        let mut lookups = Lookups::default();

        for page in pages {
            // SAFETY: The caller guarantees that the page stays mapped, and so do its page tables.
            let pte = unsafe { lookups.look_up(page, origin) }?.to_writable();
            let used = mapped.used;

            mapped
                .window
                .slots
                .get_mut(used)
                .ok_or(E2BIG)?
                .set(page, pte);
            mapped.used += 1;
        }
        Ok(mapped)
    }

    /// Maps `pages` (addresses in ascending order) writable, for this CPU.
    ///
    /// # Errors
    ///
    /// Those of [`Window::map`].
    ///
    /// # Safety
    ///
    /// Those of [`Window::map`].
    ///
    /// # Context
    ///
    /// Interrupts on. Allocates nothing. The task does not migrate while the window is open.
    pub unsafe fn open(
        &mut self,
        pages: impl Iterator<Item = usize>,
        origin: Origin,
    ) -> Result<Open<'_>> {
        // SAFETY: The caller guarantees what `map` requires of `pages` and `origin`.
        let mapped = unsafe { self.map(pages, origin) }?;

        // SAFETY: `migrate_disable()` may be called by any task, and nests. `Open` enables
        // migration again when it is dropped, by the same task, as it cannot be sent.
        unsafe { bindings::rust_riscv_migrate_disable() };
        // litmus: window+open
        mapped.prepare_here();
        // Whatever the caller has written for the new text, such as an entry in a table of probes,
        // is visible to every CPU that executes the new text.
        // litmus: probe+armed
        smp_mb(Write);
        Ok(Open {
            mapped,
            _here: NotThreadSafe,
        })
    }

    /// Maps the page at `page`, which is text or will become text, writable, for this CPU only.
    ///
    /// # Errors
    ///
    /// `-EFAULT` if nothing is mapped at `page`.
    ///
    /// # Safety
    ///
    /// - The memory stays valid until the window is closed, and the caller may write to it.
    /// - The result is dropped: it must not be leaked, as by `mem::forget()`, or a writable alias
    ///   remains.
    ///
    /// # Context
    ///
    /// Any except NMI-like ones. Allocates nothing. The task does not migrate while the window is
    /// open.
    pub unsafe fn open_here(&mut self, page: usize) -> Result<OpenHere<'_>> {
        // SAFETY: The caller guarantees that the memory stays valid, and so do its page tables.
        let pte = unsafe { Lookups::default().look_up(page, Origin::Kernel) }?.to_writable();

        // SAFETY: `migrate_disable()` may be called by any task, and nests. `OpenHere` enables
        // migration again when it is dropped, by the same task, as it cannot be sent.
        unsafe { bindings::rust_riscv_migrate_disable() };
        if let Some(slot) = self.slots.get_mut(0) {
            slot.set(page, pte);
        }
        // litmus: window+open
        flush::translations_here(self.range(1));
        Ok(OpenHere {
            window: self,
            _here: NotThreadSafe,
        })
    }
}

/// One page that is open on this CPU only. Dropping it closes the window.
pub struct OpenHere<'w> {
    window: &'w mut Window,
    _here: NotThreadSafe,
}

impl OpenHere<'_> {
    /// Writes `bytes` at `offset` in the page, in stores as wide as their alignment allows.
    ///
    /// # Errors
    ///
    /// `-EFAULT` if they exceed the page.
    pub fn write(&mut self, offset: usize, bytes: &[u8]) -> Result {
        let mut at = self.place(offset, bytes.len())?;
        let mut rest = bytes;

        while !rest.is_empty() {
            let width = 1 << at.addr().trailing_zeros().min(rest.len().ilog2()).min(3);
            let (these, others) = rest.split_at(width);

            // SAFETY: `place` has checked that all bytes are in the page, which is mapped; `at` is
            // aligned to `width`, which is 1, 2, 4 or 8. Volatile, since harts may fetch it.
            unsafe {
                match *these {
                    [a, b] => at.cast().write_volatile(u16::from_le_bytes([a, b])),
                    [a, b, c, d] => at.cast().write_volatile(u32::from_le_bytes([a, b, c, d])),
                    [a, b, c, d, e, f, g, h] => at
                        .cast()
                        .write_volatile(u64::from_le_bytes([a, b, c, d, e, f, g, h])),
                    _ => at.write_volatile(these[0]),
                }
                at = at.add(width);
            }
            rest = others;
        }
        Ok(())
    }

    /// Fills `len` bytes at `offset` in the page with `byte`.
    ///
    /// # Errors
    ///
    /// `-EFAULT` if they exceed the page.
    pub fn fill(&mut self, offset: usize, byte: u8, len: usize) -> Result {
        let at = self.place(offset, len)?;

        // SAFETY: `place` has checked that all bytes are in the page, which is mapped.
        unsafe { at.write_bytes(byte, len) };
        Ok(())
    }

    /// The alias of `len` bytes at `offset` in the page; `-EFAULT` if they exceed it.
    fn place(&self, offset: usize, len: usize) -> Result<NonNull<u8>> {
        if len > PAGE_SIZE || offset > PAGE_SIZE - len {
            return Err(EFAULT);
        }
        // SAFETY: Within the first page of the area.
        Ok(unsafe { self.window.base.add(offset) })
    }
}

impl Drop for OpenHere<'_> {
    /// Closes the window, and flushes the instruction cache of this CPU.
    fn drop(&mut self) {
        if let Some(slot) = self.window.slots.first() {
            slot.clear();
        }
        flush::translations_here(self.window.range(1));
        // litmus: flush
        flush::instructions_here();
        // SAFETY: `Window::open_here` disabled migration, on this task.
        unsafe { bindings::rust_riscv_migrate_enable() };
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        // SAFETY: By the type invariant an area from `vmap()`, and closed, so that nobody uses it.
        unsafe { bindings::vunmap(self.base.as_ptr().cast()) };
    }
}

/// Pages that are mapped for the CPU that will write. Dropping it, on any CPU, unmaps them.
pub struct Mapped<'w> {
    window: &'w mut Window,
    /// The number of slots that map a page.
    used: usize,
}

impl Mapped<'_> {
    /// Prepares this CPU to use the mappings, by flushing its TLB.
    ///
    /// A hart without Svvptc may have cached that the entries were invalid.
    #[inline(always)]
    pub(crate) fn prepare_here(&self) {
        // The stores to the page table are before the `sfence.vma`, which orders them.
        flush::translations_here(self.window.range(self.used));
    }

    /// Begins a pass over the pages, in ascending order. The CPU must have been prepared.
    #[inline(always)]
    pub(crate) fn writer(&self) -> Writer<'_> {
        Writer {
            slots: self.window.slots.get(..self.used).unwrap_or(&[]),
            base: self.window.base,
            at: 0,
            page: usize::MAX,
            alias: self.window.base,
        }
    }

    /// Closes the window on the CPU that has written, while all other CPUs wait for it.
    #[inline(always)]
    pub(crate) fn close_stopped(&mut self, _exclusive: &Exclusive<'_>) {
        self.close();
    }

    #[inline(always)]
    fn close(&mut self) {
        for slot in self.window.slots.iter().take(self.used) {
            slot.clear();
        }
        flush::translations_here(self.window.range(self.used));
        self.used = 0;
    }
}

impl Drop for Mapped<'_> {
    fn drop(&mut self) {
        self.close();
    }
}

/// A window that is open on this CPU.
///
/// [`Open::close`] closes it. Dropping it does the same, and waits for traps.
pub struct Open<'w> {
    mapped: Mapped<'w>,
    _here: NotThreadSafe,
}

impl Open<'_> {
    /// Begins a pass over the open pages, in ascending order.
    #[inline(always)]
    pub fn writer(&self) -> Writer<'_> {
        self.mapped.writer()
    }

    /// Closes the window, and flushes the instruction caches of all CPUs. With `after_traps`, also
    /// waits until every CPU has left any trap that the old text caused.
    ///
    /// Context: interrupts on; waits for the other harts.
    pub fn close(mut self, after_traps: bool) {
        self.close_and_flush(after_traps);
        core::mem::forget(self);
    }

    fn close_and_flush(&mut self, after_traps: bool) {
        self.mapped.close();
        if after_traps {
            self.synchronise_after_traps();
        } else {
            self.synchronise();
        }
        // SAFETY: `Window::open` disabled migration, on this task, as `Open` cannot be sent.
        unsafe { bindings::rust_riscv_migrate_enable() };
    }

    /// Flushes the instruction caches of all CPUs, and keeps the window open.
    ///
    /// Context: interrupts on; waits for IPIs.
    pub fn synchronise(&self) {
        flush::instructions_everywhere();
    }

    /// Like [`Open::synchronise`], and waits until every CPU has left any trap that the old text
    /// caused.
    pub fn synchronise_after_traps(&self) {
        flush::instructions_everywhere_after_traps();
    }

    /// Closes the window, flushes the instruction caches of all CPUs, calls `wait`, and opens the
    /// window again, possibly on another CPU.
    ///
    /// # Context
    ///
    /// Interrupts on; waits for IPIs. Allocates nothing. `wait` may take long: the text has no
    /// writable alias meanwhile.
    pub fn closed_while(&mut self, wait: impl FnOnce(&Closed)) {
        let used = self.mapped.used;

        self.mapped.close();
        // litmus: flush
        self.synchronise();
        // SAFETY: `Window::open` disabled migration, on this task, as `Open` cannot be sent.
        unsafe { bindings::rust_riscv_migrate_enable() };
        wait(&Closed(()));
        // SAFETY: As in `Window::open`: `migrate_disable()` may be called by any task, and `drop`
        // enables migration again.
        unsafe { bindings::rust_riscv_migrate_disable() };
        // By the requirement of `Window::open`, the pages are still mapped as before.
        for slot in self.mapped.window.slots.iter().take(used) {
            slot.set_again();
        }
        self.mapped.used = used;
        self.mapped.prepare_here();
    }
}

/// A token that exists only while the window is closed between two writes of a batch.
pub struct Closed(());

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.close_and_flush(true);
    }
}

/// A pass over the open pages, in ascending order.
pub struct Writer<'o> {
    slots: &'o [Slot],
    base: NonNull<u8>,
    at: usize,
    /// The page of text that `alias` maps; initially none.
    page: usize,
    alias: NonNull<u8>,
}

impl Writer<'_> {
    /// Returns the writable alias of the text at `addr`, or `None` if its page is not open.
    ///
    /// `addr` must not be in a page before that of the previous call.
    #[inline(always)]
    pub fn alias(&mut self, addr: usize) -> Option<NonNull<u8>> {
        let page = addr & !(PAGE_SIZE - 1);

        if page != self.page {
            self.turn_to(page)?;
        }
        // SAFETY: Within the page.
        Some(unsafe { self.alias.add(addr % PAGE_SIZE) })
    }

    #[inline(always)]
    fn turn_to(&mut self, page: usize) -> Option<()> {
        while self.slots.get(self.at)?.page < page {
            self.at += 1;
        }
        if self.slots.get(self.at)?.page != page {
            return None;
        }
        self.page = page;
        // SAFETY: Slot `at` exists, so that its page is within the area.
        self.alias = unsafe { self.base.add(self.at * PAGE_SIZE) };
        Some(())
    }
}
