// SPDX-License-Identifier: GPL-2.0

//! KUnit suite of the flushes: after each way of patching, harts that have fetched the old text,
//! and do nothing that could make them forget it, run the new one.
//!
//! On machines that keep instruction caches coherent (QEMU) it shows little; in Spike, which keeps
//! decoded instructions, each missing flush.

use core::sync::atomic::{
    AtomicU32,
    Ordering, //
};

use kernel::{
    error::to_result,
    ffi::c_void,
    prelude::*, //
};

use riscv::{
    adversary::{
        self,
        Point, //
    },
    batch::{
        Batch as Verifiable,
        Failure,
        ForMaster, //
    },
    edit::{
        Edit,
        Kind, //
    },
    plan::Strategy,
    rendezvous::{
        Meeting,
        Met,
        Work, //
    },
    stop_machine::{
        run_in_stoppers,
        InStopper, //
    },
    text::Allowed,
    text_lock::TextLock,
    window::Window, //
};
use riscv_patch::batch::{
    Batch,
    Report, //
};
#[cfg(rust_riscv_text_hooks)]
use riscv_patch::fail_next;

#[cfg(rust_riscv_text_hooks)]
use crate::bindings::{
    rr_test_call,
    rr_test_write, //
};
use crate::{
    bindings,
    module_parameters,
    reader::*,
    support::{
        hold,
        is_alone,
        skip,
        Held, //
    },
    targets::*, //
};

const C_EBREAK: u16 = 0x9002;
const PAGE_SIZE: usize = kernel::page::PAGE_SIZE;

fn rounds() -> u32 {
    riscv::parameter(module_parameters::flush_rounds.value())
}

/// Replaces bytes in a batch of their own.
fn commit(at: usize, old: &[u8], new: &[u8]) -> Result<Report> {
    let mut batch = Batch::new();

    // SAFETY: Only used on targets, with instructions that are valid there.
    unsafe { batch.edit(at, old, new, 0, Kind::Code) }?;
    batch.commit()
}

const WORDS: [[u8; 4]; 2] = [LI_0.to_le_bytes(), LI_1.to_le_bytes()];
const HALVES: [[u8; 2]; 2] = [C_LI_0.to_le_bytes(), C_LI_1.to_le_bytes()];

/// Patches `target` over and over: to answer `answers[0]`, which it does at first, or the other
/// one. Whether all readers have seen it each time.
fn seen_each_time(
    target: Function,
    answers: [u64; 2],
    patch: impl Fn(usize) -> Result,
) -> Result<bool> {
    let mut readers = Readers::waiting(target)?;
    let mut seen = true;

    // An even number, so that the target ends as it began.
    for n in 0..rounds().next_multiple_of(2) as usize {
        seen &= readers.see(answers[n % 2], answers[(n + 1) % 2], || patch((n + 1) % 2))?;
    }
    Ok(seen)
}

/// The edits that let the loader load its literal, or answer 0 again.
fn load_literal(to: usize) -> Result<Strategy> {
    let (literals, loads) = ([POISON, ANSWER], [LOAD_ZERO, LOAD_LITERAL]);
    let mut batch = Batch::new();

    // SAFETY: The literal is loaded by nothing else, and is right before, and as long as, the
    // instruction loads it.
    unsafe {
        batch.edit(
            read_literal(),
            &literals[1 - to].to_le_bytes(),
            &literals[to].to_le_bytes(),
            u8::from(to == 0),
            Kind::Literal,
        )?;
        batch.edit(
            read_load(),
            &loads[1 - to].to_le_bytes(),
            &loads[to].to_le_bytes(),
            u8::from(to == 1),
            Kind::Code,
        )?;
    }
    Ok(batch.commit()?.strategy)
}

/// A delay that ends with the test.
struct Slow(Point);

impl Slow {
    fn down(point: Point, ticks: u64) -> Result<Held<Slow>> {
        adversary::delay(point, ticks);
        hold(Slow(point))
    }
}

impl Drop for Slow {
    fn drop(&mut self) {
        adversary::delay(self.0, 0);
    }
}

/// A kprobe on the half that is not armed: it handles the breakpoints there.
struct Probe(());

impl Probe {
    fn register() -> Result<Held<Probe>> {
        let place = core::ptr::with_exposed_provenance_mut::<c_void>(addr(rr_read_half));

        // SAFETY: A target; unregistered in `drop`.
        to_result(unsafe { bindings::rr_test_probe_register(place) })?;
        hold(Probe(()))
    }

    fn hits(&self) -> usize {
        // SAFETY: The helper only reads an atomic.
        unsafe { bindings::rr_test_probe_hits() as usize }
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        // SAFETY: Registered in `register`.
        unsafe { bindings::rr_test_probe_unregister() };
    }
}

/// What the master of a rendezvous did.
struct Writing<'e, 'w> {
    batch: ForMaster<'e, 'w>,
    /// The writable alias of the text, and the byte that is there afterwards.
    alias: *mut c_void,
    byte: u8,
    result: Result<(), Failure>,
    alias_stays: bool,
}

// SAFETY: The alias is an address, and only the master uses it.
unsafe impl Send for Writing<'_, '_> {}

impl Work for Writing<'_, '_> {
    #[inline(always)]
    fn master(&mut self, met: &Met<'_>) {
        self.result = self.batch.write_stopped(met);
        // SAFETY: The byte is what is there, should it be mapped still.
        self.alias_stays = unsafe { bindings::rr_test_can_write(self.alias, self.byte) };
    }
}

/// A rendezvous before and after which every CPU runs the word, in one go.
struct Around<'m, W> {
    meeting: &'m Meeting<W>,
    answer: u64,
    wrong: AtomicU32,
}

impl<W: Work + Send> InStopper for Around<'_, W> {
    #[inline(always)]
    fn run(&self) {
        // SAFETY: A target, which takes nothing.
        let before = unsafe { rr_read_word() } as u64;

        self.meeting.run();
        // SAFETY: As above.
        let after = unsafe { rr_read_word() } as u64;

        if [before, after] != [1 - self.answer, self.answer] {
            self.wrong.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Flips the word at a rendezvous. Returns how many CPUs have run the wrong one, and whether the
/// alias of the text has stayed.
fn meet(window: &mut Window, to: usize) -> Result<(u32, bool)> {
    let at = addr(rr_read_word);
    let edits = [Edit::new(at, &WORDS[1 - to], &WORDS[to], 0, Kind::Code).map_err(|_| EINVAL)?];
    let alias = core::ptr::with_exposed_provenance_mut(window.pages().start + at % PAGE_SIZE);
    // SAFETY: One edit, of this module's own text, with an instruction that is valid there.
    let verified = unsafe { Verifiable::new(&edits, Allowed::Text) }
        .verify()
        .map_err(|_| EIO)?;
    let meeting = Meeting::new(Writing {
        // SAFETY: The edit is one instruction. Dropped with `meeting`.
        batch: unsafe { verified.for_master(window) }?,
        alias,
        byte: WORDS[to][0],
        result: Ok(()),
        alias_stays: false,
    });
    let around = Around {
        meeting: &meeting,
        answer: to as u64,
        wrong: AtomicU32::new(0),
    };

    TextLock::with(|lock| run_in_stoppers(&around, lock))?;
    let wrong = around.wrong.load(Ordering::Relaxed);
    let (writing, _) = meeting.over();

    writing.result.map_err(|_| EIO)?;
    Ok((wrong, writing.alias_stays))
}

/// The first byte of the word, through the first page of a window, if that maps it still.
fn has_alias(start: usize) -> bool {
    let at = core::ptr::with_exposed_provenance_mut(start + addr(rr_read_word) % PAGE_SIZE);

    // SAFETY: The byte is what is there.
    unsafe { bindings::rr_test_can_write(at, WORDS[0][0]) }
}

/// Writes `bytes` at `at` as a user in the kernel does.
#[cfg(rust_riscv_text_hooks)]
fn write(call: rr_test_call, at: usize, bytes: &[u8]) -> Result {
    let at = core::ptr::with_exposed_provenance_mut::<c_void>(at);

    // SAFETY: `at` is in one of the targets, and the bytes are valid code there.
    to_result(unsafe {
        bindings::rr_test_kernel_writes(call, at, bytes.as_ptr().cast(), bytes.len())
    })
}

/// Queues a write, and syncs.
#[cfg(rust_riscv_text_hooks)]
fn queue(at: usize, bytes: &[u8]) -> Result {
    let one = rr_test_write {
        addr: core::ptr::with_exposed_provenance_mut(at),
        insns: bytes.as_ptr().cast(),
        len: bytes.len(),
        first: false,
    };

    // SAFETY: As in `write`; the bytes outlive the call.
    to_result(unsafe { bindings::rr_test_kernel_queues(&one, 1) })
}

/// Whether all readers see the word each time it is written so.
#[cfg(rust_riscv_text_hooks)]
fn word_is_seen(patch: impl Fn(usize, &[u8]) -> Result) -> Result<bool> {
    seen_each_time(rr_read_word, [0, 1], |to| {
        patch(addr(rr_read_word), &WORDS[to])
    })
}

#[kunit_tests(rust_riscv_flush)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_seen() -> Result {
        if is_alone() {
            return skip("one hart: nobody else has fetched anything");
        }
        assert!(seen_each_time(rr_read_word, [0, 1], |to| {
            commit(addr(rr_read_word), &WORDS[1 - to], &WORDS[to]).map(|_| ())
        })?);
        Ok(())
    }

    #[test]
    fn a_half_is_seen() -> Result {
        if is_alone() {
            return skip("one hart: nobody else has fetched anything");
        }
        assert!(seen_each_time(rr_read_half, [0, 1], |to| {
            commit(addr(rr_read_half), &HALVES[1 - to], &HALVES[to]).map(|_| ())
        })?);
        Ok(())
    }

    #[test]
    fn both_phases_are_seen() -> Result {
        if is_alone() {
            return skip("one hart: nobody else has fetched anything");
        }
        assert!(seen_each_time(rr_read_loader, [0, ANSWER], |to| {
            load_literal(to).map(|_| ())
        })?);
        Ok(())
    }

    /// A literal that is no longer loaded is made invalid only when nobody has fetched its load. The
    /// text is left as it is for a while before each flush.
    #[test]
    fn the_first_phase_is_seen_before_the_second_is_written() -> Result {
        if is_alone() {
            return skip("one hart: nobody else has fetched anything");
        }
        let readers = Readers::spinning(rr_read_loader, [0, ANSWER])?;
        // Longer than a simulator lets the other harts wait.
        let slow = Slow::down(Point::Stored, 1_000)?;

        for n in 0..rounds().next_multiple_of(2) as usize {
            assert_eq!(load_literal((n + 1) % 2)?, Strategy::Phased);
        }
        drop(slow);
        assert_eq!(readers.wrong(), None);
        Ok(())
    }

    /// From when it is armed on, a breakpoint is hit.
    #[test]
    fn a_breakpoint_is_seen() -> Result {
        if is_alone() {
            return skip("one hart: nobody else has fetched anything");
        }
        let probe = Probe::register()?;
        let mut readers = Readers::waiting(rr_read_half)?;
        let (old, new) = (C_LI_0.to_le_bytes(), C_EBREAK.to_le_bytes());
        let before = probe.hits();

        for _ in 0..rounds() {
            // It is hit when the readers run again, and when they begin the next turn.
            for (from, to) in [(&old, &new), (&new, &old)] {
                let patch = || commit(addr(rr_read_half), from, to).map(|_| ());

                assert!(readers.see(0, 0, patch)?);
            }
        }
        let all = 2 * rounds() as usize * readers.count();
        assert_eq!(probe.hits() - before, all);
        Ok(())
    }

    #[test]
    fn who_leaves_a_rendezvous_sees_it() -> Result {
        let mut window = Window::new(1)?;

        for n in 0..rounds().next_multiple_of(2) as usize {
            let (wrong, alias_stays) = meet(&mut window, (n + 1) % 2)?;

            assert_eq!(wrong, 0);
            assert!(!alias_stays);
        }
        Ok(())
    }

    #[test]
    fn a_page_that_was_open_here_is_closed() -> Result {
        let mut window = Window::new(1)?;
        let start = window.pages().start;
        let at = addr(rr_read_word);

        for _ in 0..rounds() {
            // SAFETY: This module's own text stays. Dropped below.
            let mut open = unsafe { window.open_here(at & !(PAGE_SIZE - 1)) }?;
            let written = open.write(at % PAGE_SIZE, &WORDS[0]);
            let opened = has_alias(start);

            drop(open);
            let closed = !has_alias(start);

            written?;
            assert!(opened);
            assert!(closed);
        }
        Ok(())
    }

    #[test]
    fn a_window_that_was_open_is_closed() -> Result {
        let mut window = Window::new(1)?;
        let start = window.pages().start;
        let page = addr(rr_read_word) & !(PAGE_SIZE - 1);

        for _ in 0..rounds() {
            // SAFETY: This module's own text stays. Dropped below.
            let open = unsafe { window.open([page].into_iter(), Allowed::Text) }?;
            let opened = has_alias(start);

            drop(open);
            let closed = !has_alias(start);

            assert!(opened);
            assert!(closed);
        }
        Ok(())
    }
}

/// What the kernel's own users do.
#[cfg(rust_riscv_text_hooks)]
#[kunit_tests(rust_riscv_kernel_flush)]
mod kernel_tests {
    use super::*;

    #[test]
    fn what_is_written_is_seen() -> Result {
        if is_alone() {
            return skip("one hart: nobody else has fetched anything");
        }
        assert!(word_is_seen(|at, bytes| write(
            rr_test_call::RR_TEST_NOSYNC,
            at,
            bytes
        ))?);
        Ok(())
    }

    #[test]
    fn what_is_set_is_seen() -> Result {
        if is_alone() {
            return skip("one hart: nobody else has fetched anything");
        }
        assert!(seen_each_time(rr_read_bytes, [0, 4], |to| {
            write(rr_test_call::RR_TEST_SET, read_filled(), &[[1, 5][to]; 8])
        })?);
        Ok(())
    }

    #[test]
    fn what_is_patched_is_seen() -> Result {
        if is_alone() {
            return skip("one hart: nobody else has fetched anything");
        }
        assert!(word_is_seen(|at, bytes| write(
            rr_test_call::RR_TEST_PATCH,
            at,
            bytes
        ))?);
        Ok(())
    }

    #[test]
    fn what_is_queued_is_seen_after_a_sync() -> Result {
        if is_alone() {
            return skip("one hart: nobody else has fetched anything");
        }
        assert!(word_is_seen(queue)?);
        Ok(())
    }

    /// A write for this CPU only, and a sync with nothing queued.
    #[test]
    fn what_is_written_here_is_seen_after_a_sync() -> Result {
        if is_alone() {
            return skip("one hart: nobody else has fetched anything");
        }
        assert!(word_is_seen(|at, bytes| write(
            rr_test_call::RR_TEST_INSN_WRITE,
            at,
            bytes
        ))?);
        Ok(())
    }

    /// The engine fails, so that the kernel writes what is queued.
    #[test]
    fn what_the_kernel_writes_itself_is_seen_after_a_sync() -> Result {
        if is_alone() {
            return skip("one hart: nobody else has fetched anything");
        }
        assert!(word_is_seen(|at, bytes| {
            fail_next(1);
            queue(at, bytes)
        })?);
        Ok(())
    }

    /// The same, before a write that no sync follows.
    #[test]
    fn what_the_kernel_writes_itself_is_seen_before_a_write() -> Result {
        if is_alone() {
            return skip("one hart: nobody else has fetched anything");
        }
        assert!(word_is_seen(|at, bytes| {
            write(rr_test_call::RR_TEST_QUEUE, at, bytes)?;
            fail_next(1);
            write(rr_test_call::RR_TEST_WRITE_HERE, read_filled(), &[1; 8])
        })?);
        Ok(())
    }
}
