// SPDX-License-Identifier: GPL-2.0

//! The provider that writes for ftrace, kprobes, jump labels, BPF and alternatives, in a kernel
//! with our hooks.
//!
//! Writes that it cannot do are counted, and declined or passed to the C fallback. If the fallback
//! fails too, the next sync returns the error. The kernel then warns once and disables ftrace, as
//! it does for any site that cannot be written.

use kernel::{
    bindings::pt_regs,
    prelude::*, //
};

use riscv::{
    mm::flush,
    text::{
        commit::Failure,
        edit::{
            Contents,
            Edit,
            Kind,
            Machine,
            Way,
            MAX_LEN, //
        },
        lock::TextLock,
        plan::Strategy,
        provider::{
            Declined,
            Flush,
            Kernel,
            Provider,
            Synced,
            Text, //
        }, //
    }, //
};

use crate::{
    engine,
    poke,
    queue::{
        NoRoom,
        Queue, //
    },
    stats::{
        Call,
        STATS, //
    },
    trap, //
};

/// The provider of this module.
pub(crate) struct TextProvider {
    queue: Queue,
    /// The error of a queued write that was lost, to be returned by the next sync.
    lost: Option<Error>,
    /// Whether text may have been written, by us or by the C fallback, for which only this CPU has
    /// flushed its instruction cache.
    is_local: bool,
    /// The result of [`engine::machine`], which is not evaluated again for each site.
    machine: Machine,
}

impl TextProvider {
    /// Creates a provider whose queue holds `edits` edits in up to `pages` pages of text.
    ///
    /// # Errors
    ///
    /// `-ENOMEM`.
    pub(crate) fn new(edits: usize, pages: usize) -> Result<TextProvider> {
        Ok(TextProvider {
            queue: Queue::new(edits, pages)?,
            lost: None,
            // For all that was written before, all CPUs flush when the provider is registered.
            is_local: false,
            machine: engine::machine(),
        })
    }

    /// Writes all queued edits, with the C fallback if the engine fails.
    fn drain(&mut self, kernel: Kernel<'_>) -> Synced {
        let edits = self.queue.edits();

        if edits.is_empty() {
            return Synced::Empty;
        }
        STATS.count_calls(Call::Queue, edits.len());
        // SAFETY: The queue takes no edits that overlap, and `edit_of_text` makes none that needs a
        // stop. The kernel's users queue edits only while their text cannot be unmapped, and are
        // responsible for the resulting code. `text_mutex` is held, as during every method of a
        // provider.
        let synced = match unsafe { engine::commit_for_kernel(edits, None, self.is_local) } {
            Ok(_) => Synced::Everywhere,
            Err(failure) => hand_back(kernel, edits, failure),
        };
        self.queue.clear();
        // All instruction caches were flushed, or the caller does it.
        self.is_local = false;
        synced
    }

    /// Queues `text`.
    ///
    /// # Safety
    ///
    /// Those of [`Provider::queue`].
    #[inline(always)]
    unsafe fn queue_one(&mut self, kernel: Kernel<'_>, text: &Text) -> Result<(), Declined> {
        // SAFETY: The kernel's user that the caller acts for owns the memory.
        let edit = unsafe { edit_of_text(self.machine, text) }.ok_or(Declined)?;

        match self.queue.push(edit) {
            Ok(()) => Ok(()),
            // SAFETY: As above.
            Err(NoRoom) => unsafe { self.queue_after_writing(kernel, text) },
        }
    }

    /// Writes all queued edits, and queues `text`, whose old bytes may be among what was written.
    ///
    /// # Safety
    ///
    /// Those of [`Provider::queue`].
    #[cold]
    unsafe fn queue_after_writing(
        &mut self,
        kernel: Kernel<'_>,
        text: &Text,
    ) -> Result<(), Declined> {
        self.drain_first(kernel);
        // SAFETY: The kernel's user that the caller acts for owns the memory.
        let edit = unsafe { edit_of_text(self.machine, text) }.ok_or(Declined)?;

        self.queue.push(edit).map_err(|NoRoom| Declined)
    }

    /// Writes all queued edits and makes them visible to all CPUs, before a write that is not
    /// queued.
    fn drain_first(&mut self, kernel: Kernel<'_>) {
        match self.drain(kernel) {
            Synced::Empty | Synced::Everywhere => return,
            Synced::Flush => {}
            Synced::Lost(error) => self.lost = Some(error),
        }
        flush::instructions_everywhere();
    }
}

/// Passes edits, of which none was written, to the C fallback.
fn hand_back(kernel: Kernel<'_>, edits: &[Edit], failure: Failure) -> Synced {
    count_failure(Call::Queue, failure);
    let mut lost = None;

    for phase in 0..=riscv::text::edit::MAX_PHASE {
        if phase > 0 {
            // litmus: batch+phases
            flush::instructions_everywhere();
        }
        for edit in edits.iter().filter(|edit| edit.phase() == phase) {
            let bytes = edit.new_bytes().to_le_bytes();

            STATS.count_fallback();
            // SAFETY: The kernel's users have queued these edits, of memory that they own.
            if let Err(error) = unsafe { kernel.write(edit.addr(), &bytes[..edit.len()]) } {
                lost = Some(error);
            }
        }
    }
    lost.map_or(Synced::Flush, Synced::Lost)
}

/// Counts and logs the failure because of which a call falls back to C.
fn count_failure(call: Call, failure: Failure) {
    STATS.count_error(failure.errno);
    if riscv::may_log() {
        pr_notice!("{}: falling back to C: {failure}\n", call.name());
    }
}

fn declined(call: Call, failure: Failure) -> Declined {
    STATS.count_fallback();
    count_failure(call, failure);
    Declined
}

fn at(error: Error, addr: usize) -> Failure {
    Failure {
        addr,
        ..error.into()
    }
}

/// Creates an edit that replaces the current bytes at `addr` with `bytes`.
///
/// # Safety
///
/// `bytes.len()` bytes at `addr` are readable.
unsafe fn edit_of(machine: Machine, addr: usize, bytes: &[u8]) -> Result<Edit> {
    let len = bytes.len();

    if len > MAX_LEN || len % 2 != 0 || addr % 2 != 0 {
        return Err(EINVAL);
    }
    // SAFETY: The caller guarantees that `len` bytes at `addr` are readable. `addr` and `len` are
    // even.
    let old = unsafe { riscv::text::read(addr, len) }.to_le_bytes();

    Edit::new(machine, addr, &old[..len], bytes, 0, Kind::Code).map_err(|_| EINVAL)
}

/// How many texts are touched before the first of them is queued: as many as ftrace passes.
const AHEAD: usize = 64;

/// Brings `text` into the cache.
///
/// Texts are in different cache lines. If many are touched by nothing but a load each, their misses
/// overlap; while they are queued, a hart would not look as far ahead as the next one.
///
/// # Safety
///
/// The text is memory that can be read.
#[inline(always)]
unsafe fn touch(text: &Text) {
    let byte = core::ptr::with_exposed_provenance::<u8>(text.addr());

    // SAFETY: The caller guarantees that it can be read. Volatile, since the value is not used.
    unsafe { byte.read_volatile() };
}

/// The bytes that are now where `text` will be written; `None` if they are not 2, 4 or 8, aligned.
///
/// # Safety
///
/// The text is memory that can be read.
#[inline(always)]
unsafe fn old_bytes(text: &Text) -> Option<u64> {
    let (addr, len) = (text.addr(), text.len());

    // A constant `len` makes it one load.
    //
    // SAFETY: The caller guarantees that the bytes can be read; `addr` and `len` are even.
    Some(unsafe {
        match len {
            2 if addr % 2 == 0 => riscv::text::read(addr, 2),
            4 if addr % 4 == 0 => riscv::text::read(addr, 4),
            8 if addr % 8 == 0 => riscv::text::read(addr, 8),
            _ => return None,
        }
    })
}

/// Creates an edit that replaces what is at the address of `text` now.
///
/// `None` if it cannot be queued: if it is not 2, 4 or 8 aligned bytes, or needs a stop, since CPU
/// hotplug is not excluded here.
///
/// # Safety
///
/// The text is memory that can be read.
#[inline(always)]
unsafe fn edit_of_text(machine: Machine, text: &Text) -> Option<Edit> {
    // SAFETY: The caller guarantees that it can be read.
    let old = unsafe { old_bytes(text) }?;
    let phase = u8::from(!text.is_first());
    let kind = if text.is_literal() {
        Kind::Literal
    } else {
        Kind::Code
    };

    Edit::aligned(
        machine,
        text.addr(),
        old,
        text.bytes(),
        text.len(),
        phase,
        kind,
    )
    .filter(|edit| edit.way() != Way::Stop)
}

// SAFETY: The engine's functions write everything, or fail with nothing written. (Those of `poke`
// could fail halfway only where no memory is mapped, but the kernel's users own all of it.) In the
// latter case the call is declined, or the queue is passed to the C fallback, whose errors `sync`
// returns. `trap::handle`, which is inlined into `.kprobes.text`, returns `true` only for the
// breakpoint of a published edit, whose old instructions it has emulated on `regs`.
unsafe impl Provider for TextProvider {
    unsafe fn write(
        &mut self,
        kernel: Kernel<'_>,
        addr: usize,
        bytes: &[u8],
        flush: Flush,
    ) -> Result<(), Declined> {
        self.drain_first(kernel);
        self.is_local |= flush == Flush::ThisCpu;
        STATS.count_calls(Call::Write, 1);
        // SAFETY: The caller guarantees that the user for which it calls this owns the memory.
        unsafe { poke::write(addr, bytes, flush == Flush::AllCpus) }
            .map_err(|error| declined(Call::Write, at(error, addr)))
    }

    unsafe fn set(
        &mut self,
        kernel: Kernel<'_>,
        addr: usize,
        byte: u8,
        len: usize,
    ) -> Result<(), Declined> {
        self.drain_first(kernel);
        STATS.count_calls(Call::Set, 1);
        // SAFETY: As in `write`.
        unsafe { poke::fill(addr, byte, len) }.map_err(|error| declined(Call::Set, at(error, addr)))
    }

    unsafe fn patch(
        &mut self,
        kernel: Kernel<'_>,
        addr: usize,
        bytes: &[u8],
        lock: &TextLock,
    ) -> Result<(), Declined> {
        self.drain_first(kernel);
        STATS.count_calls(Call::Patch, 1);
        // SAFETY: As in `write`.
        let edit = unsafe { edit_of(self.machine, addr, bytes) }
            .map_err(|error| declined(Call::Patch, at(error, addr)))?;

        // SAFETY: The edit is of text that the kernel's user owns, so it stays mapped. The user is
        // responsible for the resulting code. `lock` shows that both locks are held.
        let report = unsafe { engine::commit_for_kernel(&[edit], Some(lock), true) }
            .map_err(|failure| declined(Call::Patch, failure))?;

        // C stops all CPUs, so when it returns, every CPU has left any trap that the old text
        // caused. The engine waits for that only if the edit itself adds or removes the cause of a
        // trap.
        let live = matches!(report.strategy, Strategy::Live | Strategy::Phased);
        // litmus: probe+removed
        if live && !edit.contents().has(Contents::TRAP) {
            flush::instructions_everywhere_after_traps();
        }
        Ok(())
    }

    unsafe fn queue(&mut self, kernel: Kernel<'_>, texts: &[Text]) -> usize {
        let mut queued = 0;

        for some in texts.chunks(AHEAD) {
            self.queue.touch(some.len());
            for text in some {
                // SAFETY: The kernel's user that the caller acts for owns the memory.
                unsafe { touch(text) };
            }
            for text in some {
                // SAFETY: As above.
                if unsafe { self.queue_one(kernel, text) }.is_err() {
                    return queued;
                }
                queued += 1;
            }
        }
        queued
    }

    fn sync(&mut self, kernel: Kernel<'_>) -> Synced {
        let synced = self.drain(kernel);

        self.lost.take().map_or(synced, Synced::Lost)
    }

    #[inline(always)]
    unsafe fn breakpoint(regs: &mut pt_regs) -> bool {
        // SAFETY: The caller guarantees that it is the handler of the breakpoint exception, with
        // interrupts off since the trap.
        unsafe { trap::handle(regs) }
    }
}
