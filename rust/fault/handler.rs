// SPDX-License-Identifier: GPL-2.0

//! The handlers of user page faults, called by the kernel's fault path.

use kernel::{
    mm::MmWithUser,
    prelude::*, //
};

use riscv::{
    adversary::{
        self,
        Point, //
    },
    fault::{
        stage::{
            CheckedAccess,
            Fault,
            FaultOutcome,
            ForbiddenAccess, //
        },
        user::Handler, //
    }, //
};

use crate::stats::{
    Event,
    EVENTS, //
};

/// Checks accesses under the per-VMA lock, and reports those that are forbidden: C then sends
/// `SIGSEGV` with `SEGV_ACCERR`, when the handler has returned.
pub struct SignalForbidden;

/// Checks accesses under the per-VMA lock, and falls back to C for those that are forbidden.
///
/// C then looks up the VMA again under `mmap_lock`, as kernels before 6.12 did. For measurements.
pub struct RetryForbidden;

// SAFETY: No function here sleeps or ends the RCU read-side critical section: the VMA is only
// trylocked, the counters are per CPU, and `printk` does not sleep.
unsafe impl Handler for SignalForbidden {
    #[inline(always)]
    fn handle(fault: Fault<'_, MmWithUser>) -> FaultOutcome<'_, MmWithUser> {
        handle(fault, signal)
    }

    fn unknown_cause(scause: usize, address: usize) {
        unknown_cause(scause, address);
    }
}

// SAFETY: No function here sleeps or ends the RCU read-side critical section: the VMA is only
// trylocked, the counters are per CPU, and `printk` does not sleep.
unsafe impl Handler for RetryForbidden {
    #[inline(always)]
    fn handle(fault: Fault<'_, MmWithUser>) -> FaultOutcome<'_, MmWithUser> {
        handle(fault, retry)
    }

    fn unknown_cause(scause: usize, address: usize) {
        unknown_cause(scause, address);
    }
}

/// Handles a fault; `on_forbidden` handles a forbidden access. Only the path of allowed accesses,
/// which are the most frequent, is inline.
#[inline(always)]
fn handle<'a>(
    fault: Fault<'a, MmWithUser>,
    on_forbidden: impl FnOnce(ForbiddenAccess<'a, MmWithUser>) -> FaultOutcome<'a, MmWithUser>,
) -> FaultOutcome<'a, MmWithUser> {
    let locked = match fault.lock() {
        Ok(locked) => locked,
        Err(fault) => return no_vma(fault),
    };
    let cause = locked.cause();

    match locked.check_access() {
        CheckedAccess::Allowed(allowed) => {
            EVENTS.count(Event::Allowed(cause));
            allowed.keep_locked()
        }
        CheckedAccess::Forbidden(forbidden) => on_forbidden(forbidden),
    }
}

/// Reports a forbidden access, after unlocking the VMA.
#[cold]
#[inline(never)]
fn signal(forbidden: ForbiddenAccess<'_, MmWithUser>) -> FaultOutcome<'_, MmWithUser> {
    EVENTS.count(Event::Signalled(forbidden.cause()));
    let unlocked = forbidden.unlock();

    adversary::at(Point::Unlocked);
    unlocked.signal()
}

/// Falls back to C for a forbidden access, after unlocking the VMA.
#[cold]
#[inline(never)]
fn retry(forbidden: ForbiddenAccess<'_, MmWithUser>) -> FaultOutcome<'_, MmWithUser> {
    EVENTS.count(Event::Retry(forbidden.cause()));
    let unlocked = forbidden.unlock();

    adversary::at(Point::Unlocked);
    unlocked.fall_back()
}

/// Falls back to C if there is no VMA, or if it cannot be locked.
#[cold]
#[inline(never)]
fn no_vma(fault: Fault<'_, MmWithUser>) -> FaultOutcome<'_, MmWithUser> {
    EVENTS.count(Event::NoVma(fault.cause()));
    fault.fall_back()
}

#[cold]
#[inline(never)]
fn unknown_cause(scause: usize, address: usize) {
    EVENTS.count(Event::UnknownCause);
    if riscv::may_log() {
        pr_err!("fault at {address:#x}: unknown cause {scause}, falling back to C\n");
    }
}
