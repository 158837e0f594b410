// SPDX-License-Identifier: GPL-2.0

//! The engine, which commits batches.
//!
//! Commits are serialised by the engine's lock, which nests inside the lock of kernel text. In a
//! kernel without our hooks the latter is a no-op. There, the verification before each store
//! detects that the kernel has written to the same place, and the commit fails.

use kernel::{
    bindings::{
        ENODATA,
        EOPNOTSUPP, //
    },
    prelude::*,
    sync::atomic::{
        Atomic,
        Relaxed, //
    }, //
};

use riscv::{
    adversary::{
        self,
        Point, //
    },
    compat::errno,
    stop_machine::rendezvous::{
        rendezvous,
        Met,
        Work, //
    },
    text::{
        breakpoints::Table,
        commit::{
            self,
            Direction,
            Failure,
            ForMaster,
            Parcel,
            Ready, //
        },
        edit::{
            Edit,
            MAX_PHASE, //
        },
        lock::TextLock,
        owners::Owners,
        plan::{
            self,
            plan,
            BadPlan,
            Pairs,
            Strategy, //
        },
        window::Window,
        Allowed, //
    }, //
};

#[cfg(rust_riscv_text_hooks)]
use core::ops::Range;

#[cfg(rust_riscv_text_hooks)]
use riscv::{
    mm::{
        flush,
        pgtable::PAGE_SIZE, //
    },
    text::window::OpenHere, //
};

use crate::{
    batch::{
        Options,
        Report, //
    },
    guard::{
        self,
        Guard, //
    },
    module_parameters,
    stats::STATS, //
};

kernel::sync::global_lock! {
    // SAFETY: Initialised by `Registration::new`, before anything else uses it.
    unsafe(uninit) static ENGINE: Mutex<Option<Window>> = None;
}

/// How edits of several instructions are handled in this kernel: guarded, if the kernel passes
/// breakpoints on to us and can wait for all tasks.
const PAIRS: Pairs = plan::pairs(
    cfg!(rust_riscv_text_hooks),
    cfg!(CONFIG_TASKS_RCU),
    cfg!(CONFIG_PREEMPTION),
);

/// The number of commits that are still to fail. Relaxed: no access depends on it.
static FAIL: Atomic<u32> = Atomic::new(0);

/// Makes the next `commits` commits fail with `-EIO` before they write anything. For tests, and
/// only in a kernel with KUnit.
pub fn fail_next(commits: u32) {
    FAIL.store(commits, Relaxed);
}

/// Fails if [`fail_next`] has requested it. The caller holds the engine's lock.
fn fail_if_asked() -> Result {
    match FAIL.load(Relaxed) {
        commits if cfg!(CONFIG_KUNIT) && commits > 0 => {
            FAIL.store(commits - 1, Relaxed);
            Err(EIO)
        }
        _ => Ok(()),
    }
}

/// The reservation of the engine's window. Dropping it frees the window.
pub(crate) struct Registration(());

impl Registration {
    /// Reserves a window of `pages` pages for all commits.
    ///
    /// # Errors
    ///
    /// Those of [`Window::new`].
    ///
    /// # Safety
    ///
    /// Called once, before anything else here.
    pub(crate) unsafe fn new(pages: usize) -> Result<Registration> {
        // SAFETY: `init` must be called only once. The caller guarantees that this is.
        unsafe { ENGINE.init() };
        *ENGINE.lock() = Some(Window::new(pages)?);
        Ok(Registration(()))
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        *ENGINE.lock() = None;
    }
}

/// Commits `edits`, which `owners` has accepted: makes all of them, or none.
pub(crate) fn commit(
    edits: &mut [Edit],
    _owners: &Owners,
    options: Options,
) -> Result<Report, Failure> {
    if edits.is_empty() {
        return Err(nowhere(errno(ENODATA)));
    }
    fit_fetch(edits);
    // Our hooks let the kernel execute what has replaced a misaligned access.
    if !cfg!(rust_riscv_text_hooks) {
        edits.iter_mut().for_each(Edit::without_reruns);
    }
    let pairs = if cfg!(CONFIG_KUNIT) && options.torn.is_some() {
        Pairs::Torn
    } else {
        PAIRS
    };
    let strategy = plan(edits, options.strategy, pairs).map_err(bad_plan)?;

    // The `TextLock` is taken before the engine's own lock, since the kernel calls us with it held.
    //
    // SAFETY: `plan` and `owners` have accepted the edits, and `owners` outlives the call. That the
    // resulting code is valid was required of the callers of `Batch::edit`, and that it may be torn
    // of the caller of `Torn::new`.
    TextLock::with(|lock| unsafe { write(edits, Allowed::Text, strategy, options, Some(lock)) })
}

/// Commits `edits` of the kernel's own users: makes all of them, or none.
///
/// # Errors
///
/// Those of [`crate::batch::Batch`]'s commit.
///
/// # Safety
///
/// - The text stays mapped during the call, and the resulting code is valid.
/// - The caller holds `text_mutex`; `lock` is `Some` if it also holds `cpus_read_lock`.
#[cfg(rust_riscv_text_hooks)]
pub(crate) unsafe fn commit_for_kernel(
    edits: &mut [Edit],
    lock: Option<&TextLock>,
) -> Result<Report, Failure> {
    // The strategy that was set in debugfs, if it is safe here: `Guarded` and `Rendezvous` are not,
    // unless CPU hotplug is excluded.
    let wanted = crate::control::strategy()
        .filter(|&wanted| lock.is_some() || matches!(wanted, Strategy::Live | Strategy::Phased));
    let strategy = match plan(edits, wanted, PAIRS) {
        Err(BadPlan::Unsafe(_)) if wanted.is_some() => plan(edits, None, PAIRS),
        planned => planned,
    }
    .map_err(bad_plan)?;

    // SAFETY: `plan` has accepted the edits, and found `strategy` safe. The caller guarantees that
    // their memory may be written and stays mapped, and that the resulting code is valid. It holds
    // `text_mutex`, so that nobody else writes.
    unsafe { write(edits, Allowed::Memory, strategy, Options::default(), lock) }
}

/// Whether harts fetch an aligned instruction atomically: from the module parameter if it is set,
/// else from the harts' ISA strings.
pub(crate) fn atomic_fetch() -> bool {
    match riscv::compat::parameter::<u8>(module_parameters::atomic_fetch.value()) {
        0 => false,
        1 => true,
        _ => riscv::text::fetch_is_atomic(),
    }
}

/// Adapts how `edits` are written to how harts fetch instructions.
pub(crate) fn fit_fetch(edits: &mut [Edit]) {
    if !atomic_fetch() {
        edits.iter_mut().for_each(Edit::without_ziccif);
    }
}

/// Writes `bytes` at `addr`, visible to all CPUs if `everywhere`, else to this CPU only.
///
/// Does not protect against CPUs that execute the text meanwhile.
///
/// # Errors
///
/// `-EFAULT` if there is no memory. Some of the bytes may have been written then.
///
/// # Safety
///
/// `bytes.len()` bytes at `addr` are memory that the caller may write, text or what becomes text.
#[cfg(rust_riscv_text_hooks)]
pub(crate) unsafe fn poke(addr: usize, bytes: &[u8], everywhere: bool) -> Result {
    // SAFETY: The caller guarantees that all of the bytes may be written.
    let poke = || unsafe {
        on_pages(addr, bytes.len(), |open, at, part| {
            open.write(at, &bytes[part])
        })
    };

    if everywhere {
        for_all(poke)
    } else {
        poke()
    }
}

/// Fills `len` bytes at `addr` with `byte`, visible to all CPUs.
///
/// # Errors
///
/// Those of [`poke`].
///
/// # Safety
///
/// Those of [`poke`].
#[cfg(rust_riscv_text_hooks)]
pub(crate) unsafe fn fill(addr: usize, byte: u8, len: usize) -> Result {
    // SAFETY: The caller guarantees that all of the bytes may be written.
    let fill = || unsafe { on_pages(addr, len, |open, at, part| open.fill(at, byte, part.len())) };

    for_all(fill)
}

/// Calls `step` to write, and flushes the instruction caches of all CPUs.
#[cfg(rust_riscv_text_hooks)]
fn for_all(step: impl Fn() -> Result) -> Result {
    step()?;
    synchronise();
    if write_twice() {
        step()?;
        synchronise();
    }
    Ok(())
}

/// Flushes the instruction caches of all CPUs.
#[cfg(rust_riscv_text_hooks)]
pub(crate) fn synchronise() {
    flush::instructions_everywhere();
}

/// Opens the pages of a range one after the other, and calls `f` for each with the offset in the
/// page and the part of the range that is there.
///
/// # Safety
///
/// Those of [`poke`].
#[cfg(rust_riscv_text_hooks)]
unsafe fn on_pages(
    addr: usize,
    len: usize,
    mut f: impl FnMut(&mut OpenHere<'_>, usize, Range<usize>) -> Result,
) -> Result {
    let mut window = ENGINE.lock();
    let window = window.as_mut().ok_or(ENODEV)?;
    let mut done = 0;

    fail_if_asked()?;

    while done < len {
        let offset = (addr + done) % PAGE_SIZE;
        let part = done..len.min(done + PAGE_SIZE - offset);

        done = part.end;
        // SAFETY: The caller guarantees that the range is memory that may be written. The window is
        // closed at the end of this iteration.
        let mut open = unsafe { window.open_here(addr + part.start - offset) }?;
        f(&mut open, offset, part)?;
    }
    Ok(())
}

fn bad_plan(bad: BadPlan) -> Failure {
    match bad {
        BadPlan::Overlap(addr) => Failure {
            addr,
            ..nowhere(EEXIST)
        },
        BadPlan::Unsafe(addr) => Failure {
            addr,
            ..nowhere(errno(EOPNOTSUPP))
        },
    }
}

/// Writes `edits` with `strategy`: makes all of them, or none.
///
/// # Safety
///
/// Those of [`commit::Batch::new`]; `strategy` is safe for the edits.
unsafe fn write(
    edits: &[Edit],
    allowed: Allowed,
    strategy: Strategy,
    options: Options,
    lock: Option<&TextLock>,
) -> Result<Report, Failure> {
    let mut window = ENGINE.lock();
    let window = window.as_mut().ok_or(nowhere(ENODEV))?;
    fail_if_asked().map_err(nowhere)?;

    // SAFETY: The caller guarantees what `Batch::new` requires. The engine is locked, so that no
    // other commit writes at the same time.
    let batch = unsafe { commit::Batch::new(edits, allowed) };
    let verified = match allowed {
        Allowed::Text => batch.verify()?,
        // Edits of the kernel: their old bytes were read under `text_mutex`, which is still held.
        Allowed::Memory => batch.just_read(),
    };
    let stopped_ns = match (strategy, lock) {
        (Strategy::Live | Strategy::Phased, _) => {
            // SAFETY: `strategy` is safe for the edits, so that none is of `Way::Stop`.
            // `write_live` makes the steps in order, and `ready` is dropped here.
            let mut ready = unsafe { verified.open(window) }.map_err(nowhere)?;
            write_live(&mut ready, options).map(|()| 0)
        }
        (Strategy::Guarded, Some(lock)) => {
            // SAFETY: `guard` publishes all edits before the first step, and is dropped after
            // `ready`. The rest as above.
            let mut ready = unsafe { verified.open(window) }.map_err(nowhere)?;
            let table = Table::new(edits);
            // SAFETY: The engine is locked. `guard` is dropped after `ready`, when no breakpoint
            // is left in the text.
            let guard = unsafe { Guard::new(&table, lock) };
            let result = write_live(&mut ready, options);

            // The last flush: after it, no CPU hits a breakpoint any more. Dropping `guard` waits
            // for the CPUs that have hit one.
            drop(ready);
            drop(guard);
            result.map(|()| 0)
        }
        (Strategy::Rendezvous, Some(lock)) => {
            // SAFETY: `strategy` is safe for the edits, so that none is splittable, or it may be
            // torn. `write_stopped` drops the batch.
            let batch = unsafe { verified.for_master(window) }.map_err(nowhere)?;
            write_stopped(batch, lock)
        }
        // CPU hotplug is not excluded.
        (Strategy::Guarded | Strategy::Rendezvous, None) => Err(nowhere(errno(EOPNOTSUPP))),
    }?;
    let report = Report {
        strategy,
        edits: edits.len(),
        stopped_ns,
    };

    STATS.count_batch(&report);
    Ok(report)
}

/// A failure that is not about a particular edit.
fn nowhere(error: Error) -> Failure {
    Failure {
        errno: error.to_errno(),
        addr: 0,
    }
}

/// Writes a batch while all harts run. The last flush is done when `ready` is dropped.
fn write_live(ready: &mut Ready<'_, '_>, options: Options) -> Result<(), Failure> {
    let race_at = options.race_at.filter(|_| cfg!(CONFIG_KUNIT));

    for phase in 0..=MAX_PHASE {
        if !ready.has_phase(phase) {
            continue;
        }
        if phase > 0 {
            // Phase 0 writes what becomes reachable by phase 1.
            // litmus: batch+phases, batch+phases-after
            ready.synchronise();
        }
        if let Err((written, failure)) = ready.begin(phase, race_at) {
            STATS.count_rollback();
            ready.synchronise_accesses(phase);
            ready.take_back(phase, written)?;
            again(ready, phase, || ready.take_back(phase, written))?;
            undo_before(ready, phase)?;
            return Err(failure);
        }
        again(ready, phase, || {
            ready.begin_unchecked(phase, Direction::Forth)
        })?;
        finish(ready, phase, Direction::Forth)?;
    }
    Ok(())
}

/// Repeats `step`, which was just written, after a flush, if the module parameter `write_twice` is
/// set.
///
/// QEMU's multi-threaded TCG needs it: while one thread stores, another may be translating the old
/// bytes, and link its stale translation after the store has discarded the existing ones. When a
/// flush ends it has been linked, so that a second store discards it.
fn again(
    ready: &Ready<'_, '_>,
    phase: u8,
    step: impl FnOnce() -> Result<(), Failure>,
) -> Result<(), Failure> {
    if !ready.has_code(phase) || !write_twice() {
        return Ok(());
    }
    ready.synchronise();
    step()
}

fn write_twice() -> bool {
    riscv::compat::parameter::<u8>(module_parameters::write_twice.value()) != 0
        && riscv::online_cpus() > 1
}

/// Writes the remaining steps of the edits of `phase` whose first step was a stand-in.
fn finish(ready: &mut Ready<'_, '_>, phase: u8, direction: Direction) -> Result<(), Failure> {
    if !ready.has_parcels(phase) {
        return Ok(());
    }
    // No hart may see the new tail after the old head, or the new head before the new tail.
    // litmus: batch+phases
    for parcel in [Parcel::Tail, Parcel::Head] {
        match parcel {
            Parcel::Tail => synchronise_before_tails(ready, phase),
            Parcel::Head => ready.synchronise(),
        }
        ready.finish(phase, parcel, direction)?;
        again(ready, phase, || ready.finish(phase, parcel, direction))?;
    }
    Ok(())
}

/// Waits until no hart executes the instructions behind the stand-ins of `phase`, and no task is
/// between them.
fn synchronise_before_tails(ready: &mut Ready<'_, '_>, phase: u8) {
    if ready.is_splittable() {
        ready.synchronise_and(guard::wait_for_tasks);
    } else {
        ready.synchronise_accesses(phase);
    }
    adversary::at(Point::StoodIn);
}

/// Reverts all phases before `phase`, the last one first.
fn undo_before(ready: &mut Ready<'_, '_>, phase: u8) -> Result<(), Failure> {
    for earlier in (0..phase).rev() {
        ready.synchronise_accesses(earlier);
        ready.begin_unchecked(earlier, Direction::Back)?;
        again(ready, earlier, || {
            ready.begin_unchecked(earlier, Direction::Back)
        })?;
        finish(ready, earlier, Direction::Back)?;
    }
    Ok(())
}

/// Writes a batch while all other CPUs are stopped. Returns for how long, in nanoseconds.
fn write_stopped(batch: ForMaster<'_, '_>, lock: &TextLock) -> Result<u64, Failure> {
    let writing = Writing {
        batch,
        outcome: None,
    };
    let (writing, held) = rendezvous(writing, lock).map_err(nowhere)?;

    STATS.count_stop(held.nanoseconds);
    match writing.outcome {
        Some(result) => result.map(|()| held.nanoseconds),
        None => Err(nowhere(EIO)),
    }
}

/// The work of a rendezvous that writes a batch.
struct Writing<'e, 'w> {
    batch: ForMaster<'e, 'w>,
    outcome: Option<Result<(), Failure>>,
}

impl Work for Writing<'_, '_> {
    #[inline(always)]
    fn master(&mut self, met: &Met<'_>) {
        self.outcome = Some(self.batch.write_stopped(met));
    }
}
