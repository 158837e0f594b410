// SPDX-License-Identifier: GPL-2.0

//! The provider that writes for ftrace, kprobes, jump labels, BPF and alternatives.
//!
//! Only in a kernel with our hooks. Writes that it cannot do are declined, or passed to the C
//! fallback, and counted. If the fallback cannot do them either, the next sync returns an error:
//! the kernel warns once, and disables ftrace, as it does for any site that cannot be written.

use kernel::{
    bindings::pt_regs,
    prelude::*, //
};

use riscv::{
    mm::flush,
    text::{
        commit::Failure,
        edit::{
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
            Kernel,
            Provider,
            Synced, //
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

/// The one provider of this module.
pub(crate) struct TextProvider {
    queue: Queue,
    /// The error of a queued write that was lost, to be returned by the next sync.
    lost: Option<Error>,
    /// [`engine::machine`], which is not evaluated for each site.
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
            machine: engine::machine(),
        })
    }

    /// Writes all queued edits, by the C fallback if the engine fails.
    fn drain(&mut self, kernel: Kernel<'_>) -> Synced {
        let edits = self.queue.edits();

        if edits.is_empty() {
            return Synced::Empty;
        }
        STATS.count_calls(Call::Queue, edits.len());
        // SAFETY: The edits in the queue do not overlap. The kernel's users queue edits only while
        // their text cannot be unmapped, and are responsible for the code. `text_mutex` is held, as
        // for every method of a provider.
        let synced = match unsafe { engine::commit_for_kernel(edits, None) } {
            Ok(_) => Synced::Everywhere,
            Err(failure) => hand_back(kernel, edits, failure),
        };
        self.queue.clear();
        synced
    }

    /// Writes all queued edits before a write that is not followed by a sync.
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
    gave_up(Call::Queue, failure);
    let mut lost = None;

    for phase in 0..=riscv::text::edit::MAX_PHASE {
        if phase > 0 {
            // litmus: batch+phases
            flush::instructions_everywhere();
        }
        for edit in edits.iter().filter(|edit| edit.phase() == phase) {
            let bytes = edit.new_bytes().to_le_bytes();

            STATS.count_fallback();
            // SAFETY: The kernel's users have these edits queued, of memory that they own.
            if let Err(error) = unsafe { kernel.write(edit.addr(), &bytes[..edit.len()]) } {
                lost = Some(error);
            }
        }
    }
    lost.map_or(Synced::Flush, Synced::Lost)
}

/// Counts and logs that a call falls back to C.
fn gave_up(call: Call, failure: Failure) {
    STATS.count_error(failure.errno);
    if riscv::may_log() {
        pr_notice!("{}: falling back to C: {failure}\n", call.name());
    }
}

fn declined(call: Call, failure: Failure) -> Declined {
    STATS.count_fallback();
    gave_up(call, failure);
    Declined
}

fn at(error: Error, addr: usize) -> Failure {
    Failure {
        addr,
        ..error.into()
    }
}

/// Creates an edit that replaces what is at `addr` now with `bytes`.
///
/// # Safety
///
/// `bytes.len()` bytes at `addr` are memory that can be read.
unsafe fn edit_of(machine: Machine, addr: usize, bytes: &[u8]) -> Result<Edit> {
    let len = bytes.len();

    if len > MAX_LEN || len % 2 != 0 || addr % 2 != 0 {
        return Err(EINVAL);
    }
    // SAFETY: The caller guarantees that `len` bytes at `addr` can be read; `addr` and `len` are
    // even.
    let old = unsafe { riscv::text::read(addr, len) }.to_le_bytes();

    Edit::new(machine, addr, &old[..len], bytes, 0, Kind::Code).map_err(|_| EINVAL)
}

// SAFETY: The engine's functions write everything, or fail with nothing written. (Those of `poke`
// could fail halfway only where no memory is mapped, but the kernel's users own all of it.) Then
// the call is declined, or the queue is passed to the C fallback, whose errors `sync` returns.
// `trap::handle`, which is inlined into `.kprobes.text`, returns `true` only for the
// breakpoint of a published edit, whose old instructions it has emulated on `regs`.
unsafe impl Provider for TextProvider {
    unsafe fn write(
        &mut self,
        kernel: Kernel<'_>,
        addr: usize,
        bytes: &[u8],
        everywhere: bool,
    ) -> Result<(), Declined> {
        self.drain_first(kernel);
        STATS.count_calls(Call::Write, 1);
        // SAFETY: The kernel's user that the caller acts for owns the memory.
        unsafe { poke::write(addr, bytes, everywhere) }
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
        let mut edits = [edit];

        // SAFETY: One edit, of text that the kernel's user owns.
        let report = unsafe { engine::commit_for_kernel(&mut edits, Some(lock)) }
            .map_err(|failure| declined(Call::Patch, failure))?;

        // C stops the machine, so that it returns only when every CPU has left the trap that the
        // old text has caused. The engine waits for that where the edit itself can cause one.
        let live = matches!(report.strategy, Strategy::Live | Strategy::Phased);
        // litmus: probe+removed
        if live && !edits[0].may_trap() {
            flush::instructions_everywhere_after_traps();
        }
        Ok(())
    }

    unsafe fn queue(
        &mut self,
        kernel: Kernel<'_>,
        addr: usize,
        bytes: &[u8],
        first: bool,
    ) -> Result<(), Declined> {
        let (phase, kind) = if first {
            (0, Kind::Literal)
        } else {
            (1, Kind::Code)
        };

        for _ in 0..2 {
            // SAFETY: As in `write`; only called for a valid length and alignment.
            let old = || unsafe { riscv::text::read(addr, bytes.len()) };
            let edit =
                Edit::aligned(self.machine, addr, old, bytes, phase, kind).ok_or(Declined)?;

            // An edit that needs a stop cannot be queued: CPU hotplug is not excluded here.
            if edit.way() == Way::Stop {
                return Err(Declined);
            }
            match self.queue.push(edit) {
                Ok(()) => return Ok(()),
                // Retry with the old bytes read again, since the queued edits have been written.
                Err(NoRoom) => self.drain_first(kernel),
            }
        }
        Err(Declined)
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
