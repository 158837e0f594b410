// SPDX-License-Identifier: GPL-2.0

//! Taking over the kernel's path of user faults.

use kernel::{
    mm::{
        MmWithUser,
        VmaReadGuard, //
    },
    prelude::*, //
};

use riscv::{
    fault::{
        Fault,
        Forbidden,
        Judged,
        Outcome, //
    },
    user_fault::{
        lock,
        Handler,
        UserTrap, //
    },
};

use crate::stats::{
    Event,
    EVENTS, //
};

type Guarded<'a> = Outcome<VmaReadGuard<'a>>;

/// Judges faults under the lock of their VMA, and reports those that are forbidden.
pub struct Judge;

/// As [`Judge`], but leaves what is forbidden to C, which looks the VMA up again under `mmap_lock`:
/// what kernels before 6.12 did, to be measured against.
pub struct Retry;

impl Handler for Judge {
    #[inline(always)]
    fn user_fault<'a>(
        trap: &UserTrap,
        mm: &'a MmWithUser,
        address: usize,
        fault: Fault,
    ) -> Guarded<'a> {
        judge(mm, address, fault, |forbidden| report(trap, forbidden))
    }

    fn unknown_cause(scause: usize, address: usize) {
        unknown(scause, address);
    }
}

impl Handler for Retry {
    #[inline(always)]
    fn user_fault<'a>(
        _trap: &UserTrap,
        mm: &'a MmWithUser,
        address: usize,
        fault: Fault,
    ) -> Guarded<'a> {
        judge(mm, address, fault, retry)
    }

    fn unknown_cause(scause: usize, address: usize) {
        unknown(scause, address);
    }
}

/// The way of the faults that are allowed, which are most: the rest is not inlined into it.
#[inline(always)]
fn judge<'a>(
    mm: &'a MmWithUser,
    address: usize,
    fault: Fault,
    forbid: impl FnOnce(Forbidden<VmaReadGuard<'a>>) -> Guarded<'a>,
) -> Guarded<'a> {
    let locked = match lock(mm, address, fault) {
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
fn report<'a>(trap: &UserTrap, forbidden: Forbidden<VmaReadGuard<'a>>) -> Guarded<'a> {
    EVENTS.count(Event::Report(forbidden.cause()));
    forbidden.unlock().report(trap)
}

#[cold]
#[inline(never)]
fn retry(forbidden: Forbidden<VmaReadGuard<'_>>) -> Guarded<'_> {
    EVENTS.count(Event::Retry(forbidden.cause()));
    forbidden.unlock().back()
}

#[cold]
#[inline(never)]
fn no_vma<'a>(fault: Fault) -> Guarded<'a> {
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
