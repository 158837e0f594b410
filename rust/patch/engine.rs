// SPDX-License-Identifier: GPL-2.0

//! Committing a batch.
//!
//! One commit at a time, under the engine's lock. Upstream's lock for this, `text_mutex`, is not
//! exported: that the kernel itself writes to the same place at the same time is what the
//! verification before each store turns into an error.

use kernel::{
    bindings::{
        ENODATA,
        EOPNOTSUPP, //
    },
    prelude::*, //
};

use riscv::{
    batch::{
        self,
        Direction,
        Failure,
        Parcel,
        Ready, //
    },
    edit::{
        Edit,
        MAX_PHASE, //
    },
    errno,
    plan::{
        plan,
        BadPlan,
        Strategy, //
    },
    rendezvous::{
        rendezvous,
        Role,
        Work, //
    },
    stop_machine::Stopped,
    text::Owners,
    window::{
        Closed,
        Window, //
    }, //
};

use crate::{
    batch::{
        Options,
        Report, //
    },
    module_parameters,
    stats::STATS, //
};

kernel::sync::global_lock! {
    // SAFETY: Initialised by `Registration::new`, before anything else uses it.
    unsafe(uninit) static ENGINE: Mutex<Option<Window>> = None;
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
    let strategy = plan(edits, options.strategy).map_err(|bad| match bad {
        BadPlan::Overlap(addr) => Failure {
            addr,
            ..nowhere(EEXIST)
        },
        BadPlan::Unsafe(addr) => Failure {
            addr,
            ..nowhere(errno(EOPNOTSUPP))
        },
    })?;

    let mut window = ENGINE.lock();
    let window = window.as_mut().ok_or(nowhere(ENODEV))?;

    // SAFETY: `plan` and `owners` have accepted the edits, and `owners` outlives the batch. The
    // engine is locked. The code that results is what those who added the edits answer for.
    let batch = unsafe { batch::Batch::new(edits) };
    let ready = batch.verify()?.open(window).map_err(nowhere)?;

    let stopped_ns = match strategy {
        Strategy::Live | Strategy::Phased => write_live(&ready, options).map(|()| 0),
        Strategy::Rendezvous => write_stopped(ready),
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
fn write_live(ready: &Ready<'_, '_>, options: Options) -> Result<(), Failure> {
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
            ready.take_back(phase, written)?;
            undo_before(ready, phase)?;
            return Err(failure);
        }
        again(ready, || ready.begin_unchecked(phase, Direction::Forth))?;
        finish(ready, phase, Direction::Forth)?;
    }
    Ok(())
}

/// Takes the step that was just written once more after a flush, if the module was told to.
///
/// QEMU's multi-threaded TCG needs it: while one thread stores, another may be translating the old
/// bytes, and links the stale translation after the store has discarded those that there were. By
/// the end of a flush it has been linked, so that the second store discards it.
fn again(ready: &Ready<'_, '_>, step: impl FnOnce() -> Result<(), Failure>) -> Result<(), Failure> {
    if riscv::parameter::<u8>(module_parameters::write_twice.value()) == 0 {
        return Ok(());
    }
    ready.synchronise();
    step()
}

/// The later steps of the edits of `phase` whose first step was a breakpoint.
fn finish(ready: &Ready<'_, '_>, phase: u8, direction: Direction) -> Result<(), Failure> {
    if !ready.has_breakpoints(phase) {
        return Ok(());
    }
    // No hart may see the new tail after the old head, or the new head before the new tail.
    // litmus: batch+phases
    for parcel in [Parcel::Tail, Parcel::Head] {
        ready.synchronise();
        ready.finish(phase, parcel, direction)?;
        again(ready, || ready.finish(phase, parcel, direction))?;
    }
    Ok(())
}

/// Takes all phases before `phase` back, the last one first.
fn undo_before(ready: &Ready<'_, '_>, phase: u8) -> Result<(), Failure> {
    for earlier in (0..phase).rev() {
        ready.synchronise();
        ready.begin_unchecked(earlier, Direction::Back)?;
        again(ready, || ready.begin_unchecked(earlier, Direction::Back))?;
        finish(ready, earlier, Direction::Back)?;
    }
    Ok(())
}

/// Writes while every other CPU is stopped, and returns for how many nanoseconds.
fn write_stopped(ready: Ready<'_, '_>) -> Result<u64, Failure> {
    let (writing, held) = rendezvous(Writing {
        ready: OnlyMaster(ready),
        outcome: None,
    })
    .map_err(nowhere)?;

    STATS.count_stop(held.nanoseconds);
    match writing.outcome {
        Some((result, _)) => result.map(|()| held.nanoseconds),
        None => Err(nowhere(EIO)),
    }
}

/// The window is opened here and closed by the master; in between nobody else touches it.
struct OnlyMaster<T>(T);

// SAFETY: `Ready` is tied to its task only so that migration is enabled again on the task that
// disabled it. The rendezvous lends it to the master and gives it back before it is dropped.
unsafe impl<T> Send for OnlyMaster<T> {}

// SAFETY: Only `Work::master`, which has the only reference then, uses it.
unsafe impl<T> Sync for OnlyMaster<T> {}

struct Writing<'e, 'w> {
    ready: OnlyMaster<Ready<'e, 'w>>,
    outcome: Option<(Result<(), Failure>, Closed)>,
}

impl Work for Writing<'_, '_> {
    #[inline(always)]
    fn master(&mut self, stopped: &Stopped<'_>) {
        self.outcome = Some(self.ready.0.write_stopped(stopped));
    }

    #[inline(always)]
    fn leave(&self, _role: Role, _stopped: &Stopped<'_>) {
        if let Some((_, closed)) = &self.outcome {
            closed.forget_here();
        }
    }
}
