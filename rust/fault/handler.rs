// SPDX-License-Identifier: GPL-2.0

//! Taking over the kernel's path of user faults.

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
            Fault,
            Forbidden,
            Judged,
            Outcome, //
        },
        user::Handler, //
    }, //
};

use crate::stats::{
    Event,
    EVENTS, //
};

/// Judges faults under the lock of their VMA, and has those that are forbidden reported.
pub struct Judge;

/// As [`Judge`], but leaves what is forbidden to C, which looks the VMA up again under `mmap_lock`:
/// what kernels before 6.12 did, to be measured against.
pub struct Retry;

// SAFETY: Nothing here sleeps: the VMA's lock is only tried, and counters are the CPU's own.
unsafe impl Handler for Judge {
    #[inline(always)]
    fn user_fault(fault: Fault<'_, MmWithUser>) -> Outcome<'_, MmWithUser> {
        judge(fault, report)
    }

    fn unknown_cause(scause: usize, address: usize) {
        unknown(scause, address);
    }
}

// SAFETY: Nothing here sleeps: the VMA's lock is only tried, and counters are the CPU's own.
unsafe impl Handler for Retry {
    #[inline(always)]
    fn user_fault(fault: Fault<'_, MmWithUser>) -> Outcome<'_, MmWithUser> {
        judge(fault, retry)
    }

    fn unknown_cause(scause: usize, address: usize) {
        unknown(scause, address);
    }
}

/// The way of the faults that are allowed, which are most: the rest is not inlined into it.
#[inline(always)]
fn judge<'a>(
    fault: Fault<'a, MmWithUser>,
    forbid: impl FnOnce(Forbidden<'a, MmWithUser>) -> Outcome<'a, MmWithUser>,
) -> Outcome<'a, MmWithUser> {
    let locked = match fault.lock() {
        Ok(locked) => locked,
        Err(fault) => return no_vma(fault),
    };
    let cause = locked.cause();

    match locked.judge() {
        Judged::Allowed(allowed) => {
            EVENTS.count(Event::CarryOn(cause));
            allowed.keep()
        }
        Judged::Forbidden(forbidden) => forbid(forbidden),
    }
}

#[cold]
#[inline(never)]
fn report(forbidden: Forbidden<'_, MmWithUser>) -> Outcome<'_, MmWithUser> {
    EVENTS.count(Event::Report(forbidden.cause()));
    let unlocked = forbidden.unlock();

    adversary::at(Point::Unlocked);
    unlocked.report()
}

#[cold]
#[inline(never)]
fn retry(forbidden: Forbidden<'_, MmWithUser>) -> Outcome<'_, MmWithUser> {
    EVENTS.count(Event::Retry(forbidden.cause()));
    let unlocked = forbidden.unlock();

    adversary::at(Point::Unlocked);
    unlocked.back()
}

#[cold]
#[inline(never)]
fn no_vma(fault: Fault<'_, MmWithUser>) -> Outcome<'_, MmWithUser> {
    EVENTS.count(Event::NoVma(fault.cause()));
    fault.back()
}

#[cold]
#[inline(never)]
fn unknown(scause: usize, address: usize) {
    EVENTS.count(Event::Unknown);
    if riscv::may_log() {
        pr_err!("left to C: a fault at {address:#x} with the unknown cause {scause}\n");
    }
}
