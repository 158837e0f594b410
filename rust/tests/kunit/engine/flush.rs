// SPDX-License-Identifier: GPL-2.0

//! Suite `rust_riscv_flush`: after each kind of commit, harts that have fetched the old text, and
//! did nothing that discards it, execute the new text.
//!
//! QEMU keeps instruction caches coherent, so that most missing flushes have no effect. In Spike,
//! which keeps decoded instructions, a test fails for each missing flush: see
//! `Documentation/flushes.rst`.

use core::sync::atomic::{
    AtomicBool,
    AtomicU32,
    AtomicUsize,
    Ordering, //
};

use kernel::{
    bindings::EILSEQ,
    error::to_result,
    ffi::c_void,
    prelude::*, //
};

use riscv::{
    adversary::{
        self,
        Place,
        Point, //
    },
    compat::errno,
    insn::ALIGN,
    text::{
        commit,
        edit::{
            Edit,
            Kind,
            Machine, //
        },
        lock::TextLock,
        plan::Strategy,
        window::Window,
        Origin, //
    }, //
};
use riscv_patch::batch::{
    Batch,
    Options,
    Probed,
    Report, //
};

use crate::{
    bindings,
    delay::Delay,
    hammer::online,
    reader::*,
    support::{
        hold,
        is_alone,
        skip,
        Held, //
    },
    targets::*, //
};

/// The shortest breakpoint.
const SHORT_EBREAK: u32 = if ALIGN == 2 { 0x9002 } else { 0x0010_0073 };
const PAGE_SIZE: usize = kernel::page::PAGE_SIZE;

/// Replaces bytes in a batch of their own.
fn commit(at: usize, old: &[u8], new: &[u8]) -> Result<Report> {
    let mut batch = Batch::new();

    // SAFETY: Only used on targets, with instructions that are valid there.
    unsafe { batch.edit(at, old, new, 0, Kind::Code) }?;
    batch.commit_with(Options {
        // SAFETY: The only probe on a target is `Probe`, which stays disabled.
        probed: Some(unsafe { Probed::new() }),
        ..Options::default()
    })
}

/// The bytes of an instruction of the shortest length.
const fn short(bits: u32) -> [u8; ALIGN] {
    let bytes = bits.to_le_bytes();
    let mut short = [0; ALIGN];
    let mut n = 0;

    while n < ALIGN {
        short[n] = bytes[n];
        n += 1;
    }
    short
}

const HALVES: [[u8; ALIGN]; 2] = [short(SHORT_LI[0]), short(SHORT_LI[1])];

/// Patches the loader to load its literal, or to return 0 again. Returns the strategy.
fn load_literal(to: usize) -> Result<Strategy> {
    let (literals, loads) = ([POISON, ANSWER], [LOAD_ZERO, LOAD_LITERAL]);
    let mut batch = Batch::new();

    // SAFETY: Only this instruction loads the literal, which is written before the instruction that
    // loads it, and made invalid after that was removed.
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

/// Patches the loader to load its literal, with a mismatch in the last edit, so that all edits are
/// reverted.
fn load_literal_and_revert() -> Result<Report> {
    let mut batch = Batch::new();

    // SAFETY: As in `load_literal`. The other edit replaces one instruction with another.
    unsafe {
        batch.edit(
            read_literal(),
            &POISON.to_le_bytes(),
            &ANSWER.to_le_bytes(),
            0,
            Kind::Literal,
        )?;
        batch.edit(
            read_load(),
            &LOAD_ZERO.to_le_bytes(),
            &LOAD_LITERAL.to_le_bytes(),
            1,
            Kind::Code,
        )?;
        batch.edit(
            addr(rust_riscv_read_half),
            &HALVES[0],
            &HALVES[1],
            1,
            Kind::Code,
        )?;
    }
    // The edit of `rust_riscv_read_half` has the highest address, so it is the last one.
    batch.commit_with(Options {
        race_at: Some(2),
        ..Options::default()
    })
}

/// A registered, disabled kprobe on `rust_riscv_read_half`, which handles breakpoints there.
struct Probe(());

impl Probe {
    fn register() -> Result<Held<Probe>> {
        let place = core::ptr::with_exposed_provenance_mut::<c_void>(addr(rust_riscv_read_half));

        // SAFETY: The place is a target. The probe is unregistered in `drop`.
        to_result(unsafe { bindings::rust_riscv_test_probe_register(place) })?;
        hold(Probe(()))
    }

    fn hits(&self) -> usize {
        // SAFETY: The helper only reads an atomic.
        unsafe { bindings::rust_riscv_test_probe_hits() as usize }
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        // SAFETY: The probe was registered in `register`.
        unsafe { bindings::rust_riscv_test_probe_unregister() };
    }
}

/// The results of running all functions of [`read_spread`] on each CPU, right before and right
/// after it is stopped, with interrupts off in between.
///
/// The atomics are those of `core`: the kernel's are calls of functions that can be traced.
struct Stopped {
    /// What the functions return after the commit; before it, 1 minus this.
    answer: AtomicUsize,
    /// The alias of the text in the window.
    alias: AtomicUsize,
    /// The number of CPUs that have run the functions before and after.
    ran: [AtomicU32; 2],
    /// The number of CPUs on which a function returned a wrong result.
    wrong: [AtomicU32; 2],
    /// Whether a CPU could still write through the alias afterwards.
    alias_stays: AtomicBool,
}

static STOPPED: Stopped = Stopped {
    answer: AtomicUsize::new(0),
    alias: AtomicUsize::new(0),
    ran: [const { AtomicU32::new(0) }; 2],
    wrong: [const { AtomicU32::new(0) }; 2],
    alias_stays: AtomicBool::new(false),
};

/// Runs all functions, which should return `answer`.
#[inline(always)]
fn run_spread(when: usize, answer: usize) {
    let mut wrong = false;

    for n in 0..SPREAD {
        // SAFETY: This is the address of a function of this type.
        let function = unsafe { core::mem::transmute::<usize, Function>(read_spread(n)) };

        // SAFETY: The function may be called in any context.
        wrong |= unsafe { function() } as usize != answer;
    }
    STOPPED.ran[when].fetch_add(1, Ordering::Relaxed);
    STOPPED.wrong[when].fetch_add(wrong.into(), Ordering::Relaxed);
}

#[link_section = ".kprobes.text"]
fn before_stop() {
    run_spread(0, 1 - STOPPED.answer.load(Ordering::Relaxed));
}

#[link_section = ".kprobes.text"]
fn after_stop() {
    run_spread(1, STOPPED.answer.load(Ordering::Relaxed));

    let alias = core::ptr::with_exposed_provenance_mut(STOPPED.alias.load(Ordering::Relaxed));

    // SAFETY: If the alias still exists, this writes the byte that is already there: it is the
    // first byte of both instructions.
    if unsafe { bindings::rust_riscv_test_can_write(alias, LI_0.to_le_bytes()[0]) } {
        STOPPED.alias_stays.store(true, Ordering::Relaxed);
    }
}

/// Has the two functions called in each rendezvous until this is dropped.
struct Watched(());

impl Watched {
    fn start() -> Result<Held<Watched>> {
        // SAFETY: The functions are in `.kprobes.text`, and call only targets and a helper that is
        // in it, too. They are part of this module. They are not called any more when this is
        // dropped, at the latest at the end of the test, since no rendezvous is in progress then.
        unsafe {
            adversary::call(Place::BeforeStop, Some(before_stop));
            adversary::call(Place::AfterStop, Some(after_stop));
        }
        hold(Watched(()))
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        // SAFETY: `None` removes the function.
        unsafe {
            adversary::call(Place::BeforeStop, None);
            adversary::call(Place::AfterStop, None);
        }
    }
}

/// Patches all functions of [`read_spread`] by a rendezvous, to return `to`.
fn stop_and_change(window: &mut Window, to: usize) -> Result {
    let machine = Machine {
        atomic_fetch: true,
        reruns_accesses: false,
    };
    let words = [LI_0, LI_1].map(u32::to_le_bytes);
    let mut edits = KVec::with_capacity(SPREAD, GFP_KERNEL)?;

    for n in 0..SPREAD {
        let edit = Edit::new(
            machine,
            read_spread(n),
            &words[1 - to],
            &words[to],
            0,
            Kind::Code,
        )
        .map_err(|_| EINVAL)?;

        edits.push(edit, GFP_KERNEL)?;
    }
    // SAFETY: The edits are sorted and do not overlap. Each replaces one instruction of this
    // module's own text, which is not freed and which nobody else writes, with a valid one.
    let batch = unsafe { commit::PlannedBatch::new(&edits, Origin::Module, Strategy::Rendezvous) };
    let live = commit::LiveOptions::default();

    TextLock::with(|lock| batch.write(window, Some(lock), live))
        .result
        .map_err(|_| EIO)
}

/// Returns whether `rust_riscv_read_word` can be written through the first page of a window.
fn has_alias(start: usize) -> bool {
    let at = addr(rust_riscv_read_word) % PAGE_SIZE;
    let alias = core::ptr::with_exposed_provenance_mut(start + at);

    // SAFETY: This writes the byte that is already there.
    unsafe { bindings::rust_riscv_test_can_write(alias, WORDS[0][0]) }
}

#[kunit_tests(rust_riscv_flush)]
mod tests {
    use super::*;

    #[test]
    fn word_edit_reaches_other_harts() -> Result {
        if is_alone() {
            return skip("one hart: nobody else has fetched anything");
        }
        assert!(seen_each_time(rust_riscv_read_word, [0, 1], |to| {
            commit(addr(rust_riscv_read_word), &WORDS[1 - to], &WORDS[to]).map(|_| ())
        })?);
        Ok(())
    }

    #[test]
    fn halfword_edit_reaches_other_harts() -> Result {
        if is_alone() {
            return skip("one hart: nobody else has fetched anything");
        }
        assert!(seen_each_time(rust_riscv_read_half, [0, 1], |to| {
            commit(addr(rust_riscv_read_half), &HALVES[1 - to], &HALVES[to]).map(|_| ())
        })?);
        Ok(())
    }

    #[test]
    fn second_phase_reaches_other_harts() -> Result {
        if is_alone() {
            return skip("one hart: nobody else has fetched anything");
        }
        assert!(followed_each_time(
            rust_riscv_read_loader,
            [0, ANSWER],
            |to| load_literal(to).map(|_| ())
        )?);
        Ok(())
    }

    /// A literal that is no longer loaded is made invalid only when no hart can still execute the
    /// instruction that loaded it. A delay before each flush makes a missing flush visible.
    #[test]
    fn first_phase_is_flushed_before_the_second() -> Result {
        if is_alone() {
            return skip("one hart: nobody else has fetched anything");
        }
        let readers = Readers::spinning(rust_riscv_read_loader, [0, ANSWER])?;
        // Longer than the time for which a simulator runs one hart.
        let slow = Delay::start(Point::Stored, 1_000)?;

        for (_, to) in turns() {
            assert_eq!(load_literal(to)?, Strategy::Phased);
        }
        drop(slow);
        assert_eq!(readers.wrong(), None);
        Ok(())
    }

    /// As above, if the second phase is reverted and then the first, after harts have fetched the
    /// new load.
    #[test]
    fn second_phase_is_reverted_before_the_first() -> Result {
        if is_alone() {
            return skip("one hart: nobody else has fetched anything");
        }
        let readers = Readers::spinning(rust_riscv_read_loader, [0, ANSWER])?;
        let slow = [Point::Stored, Point::Flushed].map(|point| Delay::start(point, 1_000));

        for _ in turns() {
            assert_eq!(load_literal_and_revert(), Err(errno(EILSEQ)));
        }
        drop(slow);
        assert_eq!(readers.wrong(), None);
        Ok(())
    }

    /// A breakpoint is hit as soon as it has been written.
    #[test]
    fn breakpoint_reaches_other_harts() -> Result {
        if is_alone() {
            return skip("one hart: nobody else has fetched anything");
        }
        let probe = Probe::register()?;
        let mut readers = Readers::waiting(rust_riscv_read_half)?;
        let (old, new) = (HALVES[0], short(SHORT_EBREAK));
        let before = probe.hits();

        for _ in 0..rounds() {
            // Readers hit it when they run the target again, and when they begin the next turn.
            for (from, to) in [(&old, &new), (&new, &old)] {
                let patch = || commit(addr(rust_riscv_read_half), from, to).map(|_| ());

                assert!(readers.see(0, 0, patch)?);
            }
        }
        let all = 2 * rounds() as usize * readers.count();
        assert_eq!(probe.hits() - before, all);
        Ok(())
    }

    /// All CPUs that leave a rendezvous execute the new text, including the one that wrote it, and
    /// cannot use the alias any more.
    #[test]
    fn rendezvous_edit_reaches_every_cpu_that_leaves() -> Result {
        let mut window = Window::new(2)?;
        let alias = window.pages().start + read_spread(0) % PAGE_SIZE;

        STOPPED.alias.store(alias, Ordering::Relaxed);
        for (_, to) in turns() {
            STOPPED.answer.store(to, Ordering::Relaxed);
            let watched = Watched::start()?;
            let changed = stop_and_change(&mut window, to);

            drop(watched);
            changed?;
        }
        let taken = |counts: &[AtomicU32; 2]| [0, 1].map(|n| counts[n].swap(0, Ordering::Relaxed));
        let (ran, wrong) = (taken(&STOPPED.ran), taken(&STOPPED.wrong));
        let alias_stays = STOPPED.alias_stays.swap(false, Ordering::Relaxed);
        let all = turns().count() * online().count();

        assert_eq!(ran.map(|count| count as usize), [all; 2]);
        assert_eq!(wrong, [0; 2]);
        assert!(!alias_stays);
        Ok(())
    }

    #[test]
    fn alias_of_open_here_is_unmapped() -> Result {
        let mut window = Window::new(1)?;
        let start = window.pages().start;
        let at = addr(rust_riscv_read_word);

        for _ in 0..rounds() {
            // SAFETY: This module's own text is not freed. The window is closed below.
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
    fn alias_of_open_is_unmapped() -> Result {
        let mut window = Window::new(1)?;
        let start = window.pages().start;
        let page = addr(rust_riscv_read_word) & !(PAGE_SIZE - 1);

        for _ in 0..rounds() {
            // SAFETY: This module's own text is not freed. The window is closed below.
            let open = unsafe { window.open([page].into_iter(), Origin::Module) }?;
            let opened = has_alias(start);

            open.close(false);
            let closed = !has_alias(start);

            assert!(opened);
            assert!(closed);
        }
        Ok(())
    }
}
