// SPDX-License-Identifier: GPL-2.0

//! The engine: commits batches, one at a time, with the cheapest strategy that is safe.
//!
//! Commits are serialised by the engine's lock, which nests inside [`TextLock`]. In a kernel
//! without our hooks the latter takes no lock, so the kernel may write text at the same time. If it
//! has written to the same address, the verification before each store detects it, and the commit
//! fails.
//!
//! The protocol that writes a batch is in [`riscv::text::commit`].

use kernel::{
    bindings::{
        EBUSY,
        EEXIST,
        ENODATA,
        EOPNOTSUPP, //
    },
    prelude::*,
    sync::atomic::{
        Acquire,
        Atomic,
        Relaxed,
        Release, //
    }, //
};

use riscv::{
    compat::parameter,
    text::{
        self,
        commit::{
            self,
            Failure,
            LiveOptions, //
        },
        edit::{
            Edit,
            Machine, //
        },
        kprobes,
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
        Origin, //
    }, //
};

use crate::{
    module_parameters,
    options::Options,
    stats::STATS, //
};

kernel::sync::global_lock! {
    // SAFETY: `Reservation::new` initialises it. `with_window` does not use it before.
    unsafe(uninit) static ENGINE: Mutex<Option<Window>> = None;
}

/// Whether [`ENGINE`] is initialised. Code in the kernel image can call functions of a built-in
/// engine before its initcall, or although that does not run or fails.
static INITIALISED: Atomic<bool> = Atomic::new(false);

/// How edits of several instructions are handled in this kernel: guarded, if the kernel calls our
/// breakpoint handler and can wait for all tasks.
const PAIRS: Pairs = plan::pairs(
    cfg!(rust_riscv_text_hooks),
    cfg!(CONFIG_TASKS_RCU),
    cfg!(CONFIG_PREEMPTION),
);

/// The number of commits that are still to fail. Accessed relaxed: no other access depends on it.
static FAIL: Atomic<u32> = Atomic::new(0);

/// For tests: makes the next `commits` commits fail with `-EIO` before they write anything. Has no
/// effect in a kernel without KUnit.
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
pub(crate) struct Reservation(());

impl Reservation {
    /// Reserves a window of `pages` pages for all commits.
    ///
    /// # Errors
    ///
    /// Those of [`Window::new`].
    ///
    /// # Safety
    ///
    /// Called once.
    pub(crate) unsafe fn new(pages: usize) -> Result<Reservation> {
        // SAFETY: `init` must be called only once. The caller guarantees that this is.
        unsafe { ENGINE.init() };
        // Pairs with the acquire in `with_window`. litmus: message
        INITIALISED.store(true, Release);
        *ENGINE.lock() = Some(Window::new(pages)?);
        Ok(Reservation(()))
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        *ENGINE.lock() = None;
    }
}

/// How a batch was committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    /// The strategy that was used.
    pub strategy: Strategy,
    /// The number of edits.
    pub edits: usize,
    /// How long CPUs were stopped, in nanoseconds; 0 except with [`Strategy::Rendezvous`].
    pub stopped_ns: u64,
}

/// Returns what determines how edits are written: whether instruction fetches are atomic, as the
/// module parameter says if it is set, else the ISA strings; and whether the kernel has our hooks.
pub(crate) fn machine() -> Machine {
    Machine {
        atomic_fetch: match parameter::<u8>(module_parameters::atomic_fetch.value()) {
            0 => false,
            1 => true,
            _ => text::fetch_is_atomic(),
        },
        reruns_accesses: cfg!(rust_riscv_text_hooks),
    }
}

/// Commits `edits`, which `owners` has accepted: writes all of them, or none.
pub(crate) fn commit(
    edits: &mut [Edit],
    _owners: &Owners,
    options: Options,
) -> Result<Report, Failure> {
    if edits.is_empty() {
        return Err(Failure::new(ENODATA, 0));
    }
    let pairs = if cfg!(CONFIG_KUNIT) && options.torn.is_some() {
        Pairs::Torn
    } else {
        PAIRS
    };
    let strategy = plan(edits, options.strategy, pairs).map_err(failure_of)?;
    let live = LiveOptions {
        write_twice: write_twice(),
        // The kernel may have written what the edits lead to, for one CPU only.
        local_before: true,
        race_at: options.race_at.filter(|_| cfg!(CONFIG_KUNIT)),
    };

    // SAFETY: `plan` and `owners` have accepted the edits, and `owners` outlives the batch. The
    // callers of `Batch::edit` guarantee that the resulting code is valid, and the caller of
    // `Torn::new` that it may be torn. Other guarded batches are excluded by the engine's lock,
    // which `write` takes; other writers by `TextLock`, where the kernel has our hooks.
    let batch = unsafe { commit::PlannedBatch::new(edits, Origin::Module, strategy) };

    // `TextLock` is taken before the engine's lock, since the kernel calls the provider with it
    // held.
    TextLock::with(|lock| {
        if cfg!(not(CONFIG_KUNIT)) || options.probed.is_none() {
            refuse_probed(edits, lock)?;
        }
        write(batch, live, Some(lock))
    })
}

/// Fails if a kprobe owns the text of an edit: it would undo the edit when it is disarmed.
///
/// # Errors
///
/// `-EBUSY`, with the address of the kprobe.
fn refuse_probed(edits: &[Edit], lock: &TextLock) -> Result<(), Failure> {
    edits
        .iter()
        .find_map(|edit| kprobes::owner(edit, lock))
        .map_or(Ok(()), |addr| Err(Failure::new(EBUSY, addr)))
}

/// Commits `edits` of the kernel's own users: writes all of them, or none. `local_before` is that of
/// [`LiveOptions`].
///
/// # Errors
///
/// Those of [`crate::batch::Batch::commit`].
///
/// # Safety
///
/// - The edits do not overlap. If `lock` is `Some`, they are sorted by address; if not, none of them
///   is of [`Way::Stop`](riscv::text::edit::Way::Stop), so that none is guarded.
/// - The text stays mapped during the call, and the resulting code is valid.
/// - The caller holds `text_mutex`; `lock` is `Some` if it also holds `cpus_read_lock`.
#[cfg(rust_riscv_text_hooks)]
pub(crate) unsafe fn commit_for_kernel(
    edits: &[Edit],
    lock: Option<&TextLock>,
    local_before: bool,
) -> Result<Report, Failure> {
    // The strategy that was set in debugfs, if it is safe here. `Guarded` and `Rendezvous` are safe
    // only if CPU hotplug is excluded.
    let wanted = crate::strategy::chosen()
        .filter(|&wanted| lock.is_some() || matches!(wanted, Strategy::Live | Strategy::Phased));
    let strategy = match plan::strategy(edits, wanted, PAIRS) {
        Err(BadPlan::Unsafe(_)) if wanted.is_some() => plan::strategy(edits, None, PAIRS),
        planned => planned,
    }
    .map_err(failure_of)?;

    // SAFETY: `plan::strategy` has found `strategy` safe. The caller guarantees that the edits do
    // not overlap and are sorted where it can be `Guarded`, that their memory may be written and
    // stays mapped, and that the resulting code is valid. It holds `text_mutex`, so nobody else
    // writes, and `write` takes the engine's lock, so no other guarded batch is written.
    let batch = unsafe { commit::PlannedBatch::new(edits, Origin::Kernel, strategy) };

    let live = LiveOptions {
        write_twice: write_twice(),
        local_before,
        race_at: None,
    };

    write(batch, live, lock)
}

/// Writes `batch`, and counts the result.
fn write(
    batch: commit::PlannedBatch<'_>,
    live: LiveOptions,
    lock: Option<&TextLock>,
) -> Result<Report, Failure> {
    let (strategy, edits) = (batch.strategy(), batch.len());
    let outcome = with_window(|window| {
        let outcome = batch.write(window, lock, live);

        if outcome.reverted {
            STATS.count_rollback();
        }
        if let Some(nanoseconds) = outcome.stopped_ns {
            STATS.count_stop(nanoseconds);
        }
        Ok(outcome)
    })?;

    outcome.result?;
    STATS.count_batch(strategy, edits);
    Ok(Report {
        strategy,
        edits,
        stopped_ns: outcome.stopped_ns.unwrap_or(0),
    })
}

/// Calls `f` with the engine's window, under the engine's lock.
///
/// # Errors
///
/// `-ENODEV` if there is no window: before the engine's initcall, or if that has failed; and those
/// of `f`.
pub(crate) fn with_window<R>(f: impl FnOnce(&mut Window) -> Result<R>) -> Result<R> {
    // Pairs with the release in `Reservation::new`. litmus: message
    if !INITIALISED.load(Acquire) {
        return Err(ENODEV);
    }
    let mut window = ENGINE.lock();
    let window = window.as_mut().ok_or(ENODEV)?;

    fail_if_asked()?;
    f(window)
}

/// Returns whether writes of code that harts execute are repeated: see [`commit::twice`].
pub(crate) fn write_twice() -> bool {
    parameter::<u8>(module_parameters::write_twice.value()) != 0
}

fn failure_of(bad: BadPlan) -> Failure {
    match bad {
        BadPlan::Overlap(addr) => Failure::new(EEXIST, addr),
        BadPlan::Unsafe(addr) => Failure::new(EOPNOTSUPP, addr),
    }
}
