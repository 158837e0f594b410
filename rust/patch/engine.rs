// SPDX-License-Identifier: GPL-2.0

//! Committing a batch.
//!
//! One commit at a time, under the engine's lock, inside that of kernel text. The latter takes our
//! hooks in the kernel: without them, that the kernel itself writes to the same place at the same
//! time is what the verification before each store turns into an error.

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
    batch::{
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
    errno,
    guards::Table,
    plan::{
        self,
        plan,
        BadPlan,
        Pairs,
        Strategy, //
    },
    rendezvous::{
        rendezvous,
        Met,
        Work, //
    },
    text::{
        Allowed,
        Owners, //
    },
    text_lock::TextLock,
    window::Window, //
};

#[cfg(rust_riscv_text_hooks)]
use core::ops::Range;

#[cfg(rust_riscv_text_hooks)]
use riscv::{
    fence,
    pgtable::PAGE_SIZE,
    window::OpenHere, //
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

/// How instructions are replaced together: guarded if our breakpoints are told to us, and tasks
/// can be waited for.
const PAIRS: Pairs = plan::pairs(
    cfg!(rust_riscv_text_hooks),
    cfg!(CONFIG_TASKS_RCU),
    cfg!(CONFIG_PREEMPTION),
);

/// How many of the next commits shall fail. Relaxed: nothing is read through it.
static FAIL: Atomic<u32> = Atomic::new(0);

/// Makes the next `commits` fail with `-EIO` before they write anything: for tests, and only in a
/// kernel with KUnit.
pub fn fail_next(commits: u32) {
    FAIL.store(commits, Relaxed);
}

/// Fails if [`fail_next`] wants it so. The caller holds the engine's lock.
fn fail_if_asked() -> Result {
    match FAIL.load(Relaxed) {
        commits if cfg!(CONFIG_KUNIT) && commits > 0 => {
            FAIL.store(commits - 1, Relaxed);
            Err(EIO)
        }
        _ => Ok(()),
    }
}

/// Keeps the engine's window reserved.
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
        // SAFETY: Once, by the function's requirement.
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

/// Makes all of `edits`, which `owners` has accepted, or none.
pub(crate) fn commit(
    edits: &mut [Edit],
    _owners: &Owners,
    options: Options,
) -> Result<Report, Failure> {
    if edits.is_empty() {
        return Err(nowhere(errno(ENODATA)));
    }
    fit_fetch(edits);
    let pairs = if cfg!(CONFIG_KUNIT) && options.torn.is_some() {
        Pairs::Torn
    } else {
        PAIRS
    };
    let strategy = plan(edits, options.strategy, pairs).map_err(bad_plan)?;

    // Before the engine's own lock: the kernel calls us under this one.
    //
    // SAFETY: `plan` and `owners` have accepted the edits, and `owners` outlives the call. The code
    // that results is what those who added the edits answer for; that it may be torn, who asked for
    // that does.
    TextLock::with(|lock| unsafe { write(edits, Allowed::Text, strategy, options, Some(lock)) })
}

/// Makes all of `edits`, which the kernel's own users want, or none.
///
/// # Errors
///
/// Those of [`crate::batch::Batch`]'s commit.
///
/// # Safety
///
/// The text stays; the caller holds `text_mutex`, and `lock` is what else it holds; what results is
/// valid code.
#[cfg(rust_riscv_text_hooks)]
pub(crate) unsafe fn commit_for_kernel(
    edits: &mut [Edit],
    lock: Option<&TextLock>,
) -> Result<Report, Failure> {
    // What was asked for in debugfs, if that is safe here: where CPUs may come and go, it is not.
    let wanted = crate::control::strategy()
        .filter(|&wanted| lock.is_some() || matches!(wanted, Strategy::Live | Strategy::Phased));
    let strategy = match plan(edits, wanted, PAIRS) {
        Err(BadPlan::Unsafe(_)) if wanted.is_some() => plan(edits, None, PAIRS),
        planned => planned,
    }
    .map_err(bad_plan)?;

    // SAFETY: By the function's requirements.
    unsafe { write(edits, Allowed::Memory, strategy, Options::default(), lock) }
}

/// Whether harts fetch an aligned instruction at once: as the module was told, else as the kernel
/// knows from their ISA strings.
pub(crate) fn atomic_fetch() -> bool {
    match riscv::parameter::<u8>(module_parameters::atomic_fetch.value()) {
        0 => false,
        1 => true,
        _ => riscv::text::fetch_is_atomic(),
    }
}

/// Has `edits` written in a way that is safe for how harts fetch.
pub(crate) fn fit_fetch(edits: &mut [Edit]) {
    if !atomic_fetch() {
        edits.iter_mut().for_each(Edit::without_ziccif);
    }
}

/// Writes `bytes` at `addr` for this CPU, or for all, whatever runs there.
///
/// # Errors
///
/// `-EFAULT` if there is no memory. Some of the bytes may be written then.
///
/// # Safety
///
/// `bytes.len()` bytes at `addr` are memory that the caller may write, text or what becomes text.
#[cfg(rust_riscv_text_hooks)]
pub(crate) unsafe fn poke(addr: usize, bytes: &[u8], everywhere: bool) -> Result {
    // SAFETY: By the function's requirements.
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

/// Makes `len` bytes at `addr` `byte`, for all CPUs.
///
/// # Errors
///
/// As for [`poke`].
///
/// # Safety
///
/// As for [`poke`].
#[cfg(rust_riscv_text_hooks)]
pub(crate) unsafe fn fill(addr: usize, byte: u8, len: usize) -> Result {
    // SAFETY: By the function's requirements.
    let fill = || unsafe { on_pages(addr, len, |open, at, part| open.fill(at, byte, part.len())) };

    for_all(fill)
}

/// Writes by `step`, and has every CPU see it.
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

/// Has every CPU run its instruction fetches after what was written.
#[cfg(rust_riscv_text_hooks)]
pub(crate) fn synchronise() {
    fence::instructions_everywhere();
}

/// Opens each page of a range in turn: `f` gets the offset in the page, and which part of the range
/// that is.
///
/// # Safety
///
/// As for [`poke`].
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
        // SAFETY: By the function's requirement.
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

/// Makes all of `edits`, or none.
///
/// # Safety
///
/// As for [`batch::Batch::new`]; `strategy` is safe for the edits.
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

    // SAFETY: By the function's requirements; the engine is locked.
    let batch = unsafe { batch::Batch::new(edits, allowed) };
    let verified = match allowed {
        Allowed::Text => batch.verify()?,
        // The kernel's: read when they were queued, under its lock, which is still held.
        Allowed::Memory => batch.just_read(),
    };
    let stopped_ns = match (strategy, lock) {
        (Strategy::Live | Strategy::Phased, _) => {
            // SAFETY: By the function's requirement no edit is of `Way::Stop`. `write_live` makes the
            // steps in their order, and it is dropped here.
            let mut ready = unsafe { verified.open(window) }.map_err(nowhere)?;
            write_live(&mut ready, options).map(|()| 0)
        }
        (Strategy::Guarded, Some(lock)) => {
            // SAFETY: `guard` is told of all edits before the first step, and dropped after it is.
            // The rest as above.
            let mut ready = unsafe { verified.open(window) }.map_err(nowhere)?;
            let table = Table::new(edits);
            // SAFETY: The engine is locked. `guard` is dropped after `ready`, when no breakpoint
            // is left.
            let guard = unsafe { Guard::new(&table, lock) };
            let result = write_live(&mut ready, options);

            // The last flush, after which nobody runs into a breakpoint any more. Those who had
            // run into one are waited for.
            drop(ready);
            drop(guard);
            result.map(|()| 0)
        }
        (Strategy::Rendezvous, Some(lock)) => {
            // SAFETY: By the function's requirement no edit is splittable, or it may be torn. It is
            // dropped in there.
            let batch = unsafe { verified.for_master(window) }.map_err(nowhere)?;
            write_stopped(batch, lock)
        }
        // CPUs may come and go.
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

fn nowhere(error: Error) -> Failure {
    Failure {
        errno: error.to_errno(),
        addr: 0,
    }
}

/// Writes while all harts run. The window's closing, when `ready` is dropped, is the last flush.
fn write_live(ready: &mut Ready<'_, '_>, options: Options) -> Result<(), Failure> {
    let race_at = options.race_at.filter(|_| cfg!(CONFIG_KUNIT));

    for phase in 0..=MAX_PHASE {
        if !ready.has_phase(phase) {
            continue;
        }
        if phase > 0 {
            // What phase 1 makes reachable, phase 0 has put there.
            // litmus: batch+phases, batch+phases-after
            ready.synchronise();
        }
        if let Err((written, failure)) = ready.begin(phase, race_at) {
            STATS.count_rollback();
            ready.synchronise_accesses(phase);
            ready.take_back(phase, written)?;
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

/// Takes the step that was just written once more after a flush, if the module was told to.
///
/// QEMU's multi-threaded TCG needs it: while one thread stores, another may be translating the old
/// bytes, and links the stale translation after the store has discarded those that there were. By
/// the end of a flush it has been linked, so that the second store discards it.
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
    riscv::parameter::<u8>(module_parameters::write_twice.value()) != 0 && riscv::online_cpus() > 1
}

/// The later steps of the edits of `phase` whose first step was a stand-in.
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

/// Waits until no hart runs, and no task goes on in, what the stand-ins of `phase` are before.
fn synchronise_before_tails(ready: &mut Ready<'_, '_>, phase: u8) {
    if ready.is_splittable() {
        ready.synchronise_and(guard::wait_for_tasks);
    } else {
        ready.synchronise_accesses(phase);
    }
    adversary::at(Point::StoodIn);
}

/// Takes all phases before `phase` back, the last one first.
fn undo_before(ready: &mut Ready<'_, '_>, phase: u8) -> Result<(), Failure> {
    for earlier in (0..phase).rev() {
        ready.synchronise();
        ready.begin_unchecked(earlier, Direction::Back)?;
        again(ready, earlier, || {
            ready.begin_unchecked(earlier, Direction::Back)
        })?;
        finish(ready, earlier, Direction::Back)?;
    }
    Ok(())
}

/// Writes while every other CPU is stopped, and returns for how many nanoseconds.
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
