// SPDX-License-Identifier: GPL-2.0

//! The window: a temporary writable mapping of text pages, for the duration of a commit.
//!
//! The address range and the page tables are reserved when the window is created. So opening the
//! window allocates nothing and only writes page-table entries. Closing it, at the latest when the
//! [`Mapped`] is dropped, clears them.
//!
//! Only the CPU that writes uses the mapping. It flushes its own TLB before and after, as upstream
//! does for the fixmap. Other CPUs may speculatively cache translations, but never use them.

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

/// A page of the window.
struct WindowPage {
    /// The page-table entry of this page.
    entry: NonNull<u64>,
    /// The address of the page of text that is mapped here, if any.
    page: usize,
    /// The value of the entry while that page is mapped.
    pte: Pte,
}

impl WindowPage {
    fn set(&mut self, page: usize, pte: Pte) {
        self.page = page;
        self.pte = pte;
        self.set_again();
    }

    /// Maps the page of the last [`WindowPage::set`] again, after [`WindowPage::clear`].
    fn set_again(&self) {
        // A single aligned store, since the hart's page-table walker may read the entry. Volatile
        // rather than the kernel crate's `Atomic`, whose stores are calls of a traced function:
        // there are many of them.
        //
        // SAFETY: `write_volatile()` requires a pointer that is valid for writes and aligned: by
        // the invariants of `Window`, `entry` is a page-table entry that belongs to the window.
        unsafe { self.entry.as_ptr().write_volatile(self.pte.bits()) };
    }

    /// Clears the entry. Calls no function that may be traced, so that it can be used while the
    /// machine is stopped.
    #[inline(always)]
    fn clear(&self) {
        // SAFETY: As in `set_again`.
        unsafe { self.entry.as_ptr().write_volatile(Pte::INVALID.bits()) };
    }
}

/// A reserved range of kernel addresses through which text can be written. While it is closed, it
/// maps nothing.
///
/// # Invariants
///
/// - `base` is an area of `pages.len()` pages that `vmap()` allocated and nobody else uses.
/// - `pages[n].entry` is the page-table entry of page `n` of the area. All entries are invalid,
///   except those that a [`Mapped`] or an [`OpenHere`] has set.
pub struct Window {
    base: NonNull<u8>,
    pages: KVVec<WindowPage>,
}

// SAFETY: The area and its page-table entries may be used by any task.
unsafe impl Send for Window {}

impl Window {
    /// Reserves the address range and the page tables of a window of `pages` pages.
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

        // Mapped in all of the area until the entries are cleared below.
        let placeholder = Page::alloc_page(GFP_KERNEL | kernel::alloc::flags::__GFP_ZERO)?;
        let mut placeholders = KVVec::from_elem(placeholder.as_ptr(), pages, GFP_KERNEL)?;

        // SAFETY: `vmap()` requires an array of `count` pages, which `placeholders` is. `VM_MAP` is
        // the flag for an area that `vunmap()` frees, in `drop`.
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
        // INVARIANT: `vmap()` just allocated the area.
        let mut window = Window {
            base: NonNull::new(area.cast()).ok_or(ENOMEM)?,
            pages: KVVec::new(),
        };

        window.pages.reserve(pages, GFP_KERNEL)?;
        for n in 0..pages {
            let addr = window.base.addr().get() + n * PAGE_SIZE;
            // SAFETY: `look_up()` requires that the page tables are not freed: the window keeps the
            // area allocated.
            let found = unsafe { text::look_up(addr) }.filter(|found| found.level == 0);
            let entry = NonNull::new(text::entry_at(found.ok_or(ENXIO)?.entry)).ok_or(ENXIO)?;
            let mut page = WindowPage {
                entry,
                page: 0,
                pte: Pte::INVALID,
            };

            page.set(0, Pte::INVALID);
            // INVARIANT: The walk ended at the lowest level, at the entry of page `n`.
            window.pages.push(page, GFP_KERNEL)?;
        }
        Ok(window)
    }

    /// Returns the maximum number of pages that can be open at once.
    pub fn capacity(&self) -> usize {
        self.pages.len()
    }

    /// Returns the pages of the window itself, whether they map something or not.
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

    /// Maps the pages at `pages` writable. Any CPU may then write. A page that comes more than once is
    /// mapped as often.
    ///
    /// # Errors
    ///
    /// `-E2BIG` if there are more pages than [`Window::capacity`], `-EFAULT` if `origin` may not
    /// write to one of them. The window is closed then.
    ///
    /// # Safety
    ///
    /// - The pages stay mapped as they are until the window is closed. If they are text of a
    ///   module, the caller holds a reference to it.
    /// - For [`Origin::Kernel`], the caller may write to the pages.
    /// - The result is dropped: if it were leaked, as by `mem::forget()`, writable aliases of text
    ///   would remain.
    ///
    /// # Context
    ///
    /// Any except NMI-like contexts. Allocates nothing.
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
            // SAFETY: The caller guarantees that the page stays mapped, so its page tables are not
            // freed.
            let pte = unsafe { lookups.look_up(page, origin) }?.to_writable();
            let used = mapped.used;

            mapped
                .window
                .pages
                .get_mut(used)
                .ok_or(E2BIG)?
                .set(page, pte);
            mapped.used += 1;
        }
        Ok(mapped)
    }

    /// Maps the pages at `pages` writable, for this CPU.
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
        // migration when it is closed or dropped, by the same task, since it is not `Send`.
        unsafe { bindings::rust_riscv_migrate_disable() };
        // litmus: window+open
        mapped.prepare_here();
        // A CPU that executes the new text sees what the caller has written for it before, such as
        // an entry in the table of probes. litmus: probe+armed
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
    /// - The result is dropped: if it were leaked, as by `mem::forget()`, a writable alias would
    ///   remain.
    ///
    /// # Context
    ///
    /// Any except NMI-like contexts. Allocates nothing. The task does not migrate while the window
    /// is open.
    pub unsafe fn open_here(&mut self, page: usize) -> Result<OpenHere<'_>> {
        // SAFETY: The caller guarantees that the memory stays valid, so its page tables are not
        // freed.
        let pte = unsafe { Lookups::default().look_up(page, Origin::Kernel) }?.to_writable();

        // SAFETY: `migrate_disable()` may be called by any task, and nests. `OpenHere` enables
        // migration when it is dropped, by the same task, since it is not `Send`.
        unsafe { bindings::rust_riscv_migrate_disable() };
        if let Some(first) = self.pages.get_mut(0) {
            first.set(page, pte);
        }
        // litmus: window+open
        flush::translations_here(self.range(1));
        Ok(OpenHere {
            window: self,
            _here: NotThreadSafe,
        })
    }
}

/// A window in which one page is open, on this CPU only. Dropping it closes the window.
pub struct OpenHere<'w> {
    window: &'w mut Window,
    _here: NotThreadSafe,
}

impl OpenHere<'_> {
    /// Writes `bytes` at `offset` in the page, with stores as wide as the alignment allows.
    ///
    /// # Errors
    ///
    /// `-EFAULT` if they exceed the page.
    pub fn write(&mut self, offset: usize, bytes: &[u8]) -> Result {
        let mut at = self.alias(offset, bytes.len())?;
        let mut rest = bytes;

        while !rest.is_empty() {
            let width = 1 << at.addr().trailing_zeros().min(rest.len().ilog2()).min(3);
            let (these, others) = rest.split_at(width);

            // Volatile, so that each is a single store, since harts may fetch the bytes.
            //
            // SAFETY: `write_volatile()` requires a pointer that is valid for writes and aligned.
            // `alias` has checked that all bytes are in the page, which is mapped writable; `at` is
            // aligned to `width`, which is 1, 2, 4 or 8.
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
        let at = self.alias(offset, len)?;

        // SAFETY: `write_bytes()` requires `len` writable bytes: `alias` has checked that they are
        // in the page, which is mapped writable.
        unsafe { at.write_bytes(byte, len) };
        Ok(())
    }

    /// Returns the writable alias of `len` bytes at `offset` in the page; `-EFAULT` if they exceed
    /// the page.
    fn alias(&self, offset: usize, len: usize) -> Result<NonNull<u8>> {
        if len > PAGE_SIZE || offset > PAGE_SIZE - len {
            return Err(EFAULT);
        }
        // SAFETY: `offset` is at most the size of a page, and the area has at least one page.
        Ok(unsafe { self.window.base.add(offset) })
    }
}

impl Drop for OpenHere<'_> {
    /// Closes the window, and flushes the instruction cache of this CPU.
    fn drop(&mut self) {
        if let Some(page) = self.window.pages.first() {
            page.clear();
        }
        flush::translations_here(self.window.range(1));
        // litmus: flush
        flush::instructions_here();
        // SAFETY: `migrate_enable()` must be paired with an earlier `migrate_disable()` of the same
        // task: that in `Window::open_here`.
        unsafe { bindings::rust_riscv_migrate_enable() };
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        // SAFETY: `vunmap()` requires an area that `vmap()` returned, which `base` is by the type
        // invariants. Nobody uses it: the window is closed.
        unsafe { bindings::vunmap(self.base.as_ptr().cast()) };
    }
}

/// A window in which pages are mapped, for a CPU that is still to be chosen. Dropping it, on any
/// CPU, unmaps them.
pub struct Mapped<'w> {
    window: &'w mut Window,
    /// The number of pages of the window that map something.
    used: usize,
}

impl Mapped<'_> {
    /// Flushes the TLB of this CPU, so that it can use the mappings: a hart without Svvptc may have
    /// cached the invalid entries.
    #[inline(always)]
    pub(crate) fn prepare_here(&self) {
        // `sfence.vma` orders the stores to the page table before later accesses.
        flush::translations_here(self.window.range(self.used));
    }

    /// Returns a writer for one pass over the pages, in the order in which they were mapped.
    /// [`Mapped::prepare_here`] has been called on this CPU.
    #[inline(always)]
    pub(crate) fn writer(&self) -> Writer<'_> {
        Writer {
            pages: self.window.pages.get(..self.used).unwrap_or(&[]),
            base: self.window.base,
            at: 0,
            page: usize::MAX,
            alias: self.window.base,
        }
    }

    /// Closes the window, on the CPU that has written, while all other CPUs are stopped.
    #[inline(always)]
    pub(crate) fn close_stopped(&mut self, _exclusive: &Exclusive<'_>) {
        self.close();
    }

    #[inline(always)]
    fn close(&mut self) {
        for page in self.window.pages.iter().take(self.used) {
            page.clear();
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
/// [`Open::close`] closes it. So does dropping it, as with `after_traps`, for error paths.
pub struct Open<'w> {
    mapped: Mapped<'w>,
    _here: NotThreadSafe,
}

impl Open<'_> {
    /// Returns a writer for one pass over the open pages, in the order in which they were mapped.
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
        // SAFETY: `migrate_enable()` must be paired with an earlier `migrate_disable()` of the same
        // task: `Window::open` or `closed_while` disabled migration, and `Open` is not `Send`.
        unsafe { bindings::rust_riscv_migrate_enable() };
    }

    /// Flushes the instruction caches of all CPUs, and keeps the window open.
    ///
    /// Context: interrupts on; waits for IPIs.
    pub fn synchronise(&self) {
        flush::instructions_everywhere();
    }

    /// Like [`Open::synchronise`], but also waits until every CPU has left any trap that the old
    /// text caused.
    pub fn synchronise_after_traps(&self) {
        flush::instructions_everywhere_after_traps();
    }

    /// Closes the window, flushes the instruction caches of all CPUs, calls `wait`, and opens the
    /// window again, possibly on another CPU.
    ///
    /// # Context
    ///
    /// Interrupts on; waits for IPIs. Allocates nothing. `wait` may take long, since the text has
    /// no writable alias during the call.
    pub fn closed_while(&mut self, wait: impl FnOnce(&Closed)) {
        let used = self.mapped.used;

        self.mapped.close();
        // litmus: flush
        self.synchronise();
        // SAFETY: As in `close_and_flush`.
        unsafe { bindings::rust_riscv_migrate_enable() };
        wait(&Closed(()));
        // SAFETY: `migrate_disable()` may be called by any task, and nests. `close_and_flush`
        // enables migration again.
        unsafe { bindings::rust_riscv_migrate_disable() };
        // The caller of `Window::open` guarantees that the pages are still mapped as before.
        for page in self.mapped.window.pages.iter().take(used) {
            page.set_again();
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

/// A writer for one pass over the open pages, in the order in which they were mapped.
pub struct Writer<'o> {
    pages: &'o [WindowPage],
    base: NonNull<u8>,
    at: usize,
    /// The address of the page of text that `alias` maps; initially none.
    page: usize,
    alias: NonNull<u8>,
}

impl Writer<'_> {
    /// Returns the writable alias of the text at `addr`, or `None` if its page is not open.
    ///
    /// It searches forward: `addr` must not be in an earlier page than in the previous call.
    #[inline(always)]
    pub fn alias(&mut self, addr: usize) -> Option<NonNull<u8>> {
        let page = addr & !(PAGE_SIZE - 1);

        if page != self.page {
            self.turn_to(page)?;
        }
        // SAFETY: `alias` is the address of a page of the window, and the offset is within a page.
        Some(unsafe { self.alias.add(addr % PAGE_SIZE) })
    }

    #[inline(always)]
    fn turn_to(&mut self, page: usize) -> Option<()> {
        while self.pages.get(self.at)?.page != page {
            self.at += 1;
        }
        self.page = page;
        // SAFETY: `pages` has an element `at`, so page `at` is within the area.
        self.alias = unsafe { self.base.add(self.at * PAGE_SIZE) };
        Some(())
    }
}
