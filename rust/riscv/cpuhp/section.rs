// SPDX-License-Identifier: GPL-2.0

//! The three sections of the state machine, as what their callbacks are given.

use kernel::{
    bindings::*,
    cpu::CpuId,
    ffi::c_int,
    prelude::*,
    types::NotThreadSafe, //
};

mod sealed {
    pub trait Sealed {}
}

/// What [`up`](super::State::up) returns: nothing where it may not fail.
pub trait Outcome: sealed::Sealed {
    /// 0, or the error as a negative number.
    fn to_errno(self) -> c_int;
}

impl sealed::Sealed for () {}

impl Outcome for () {
    #[inline(always)]
    fn to_errno(self) -> c_int {
        0
    }
}

impl sealed::Sealed for Result {}

impl Outcome for Result {
    #[inline(always)]
    fn to_errno(self) -> c_int {
        self.map_or_else(Error::to_errno, |()| 0)
    }
}

/// A section of the state machine. A callback gets a reference to one, which it cannot keep.
pub trait Section: sealed::Sealed + Sized + 'static {
    /// What `up` returns here.
    type Outcome: Outcome;

    /// The first and the last number that a state of this section may have.
    const RANGE: [cpuhp_state; 2];

    /// Those numbers in it that are handed out, if some are.
    const DYNAMIC: Option<[cpuhp_state; 2]>;

    /// Proof of being in a callback of this section.
    ///
    /// # Safety
    ///
    /// That is so, the callback is about `cpu`, and what comes of this ends with it.
    unsafe fn new(cpu: CpuId) -> Self;
}

/// On some other CPU, before the CPU is started, or after it has died. It may sleep.
///
/// With [`Calls::OnlineCpusToo`](super::Calls) it also runs for CPUs that are online.
pub struct Prepare {
    cpu: CpuId,
}

/// On the CPU itself, with interrupts off, before it is online or after. It must not sleep, take a
/// lock that may be held with interrupts on, or fail.
pub struct Starting {
    cpu: CpuId,
    _here: NotThreadSafe,
}

/// In the CPU's own hotplug thread, which does not leave it. It may sleep.
pub struct Online {
    cpu: CpuId,
    _here: NotThreadSafe,
}

impl Prepare {
    /// The CPU that this is about.
    pub fn cpu(&self) -> CpuId {
        self.cpu
    }
}

/// Code that runs on one CPU and does not leave it.
pub trait Here: sealed::Sealed {
    /// The CPU that this is about, and runs on.
    fn cpu(&self) -> CpuId;
}

impl Here for Starting {
    #[inline(always)]
    fn cpu(&self) -> CpuId {
        self.cpu
    }
}

impl Here for Online {
    #[inline(always)]
    fn cpu(&self) -> CpuId {
        self.cpu
    }
}

impl sealed::Sealed for Prepare {}

impl Section for Prepare {
    type Outcome = Result;

    const RANGE: [cpuhp_state; 2] = [
        cpuhp_state_CPUHP_OFFLINE + 1,
        cpuhp_state_CPUHP_BP_PREPARE_DYN_END,
    ];
    const DYNAMIC: Option<[cpuhp_state; 2]> = Some([
        cpuhp_state_CPUHP_BP_PREPARE_DYN,
        cpuhp_state_CPUHP_BP_PREPARE_DYN_END,
    ]);

    #[inline(always)]
    unsafe fn new(cpu: CpuId) -> Prepare {
        Prepare { cpu }
    }
}

impl sealed::Sealed for Starting {}

impl Section for Starting {
    type Outcome = ();

    const RANGE: [cpuhp_state; 2] = [
        cpuhp_state_CPUHP_AP_OFFLINE + 1,
        cpuhp_state_CPUHP_AP_ONLINE - 1,
    ];
    const DYNAMIC: Option<[cpuhp_state; 2]> = None;

    #[inline(always)]
    unsafe fn new(cpu: CpuId) -> Starting {
        Starting {
            cpu,
            _here: NotThreadSafe,
        }
    }
}

impl sealed::Sealed for Online {}

impl Section for Online {
    type Outcome = Result;

    const RANGE: [cpuhp_state; 2] = [
        cpuhp_state_CPUHP_AP_ONLINE_IDLE + 1,
        cpuhp_state_CPUHP_AP_ACTIVE - 1,
    ];
    const DYNAMIC: Option<[cpuhp_state; 2]> = Some([
        cpuhp_state_CPUHP_AP_ONLINE_DYN,
        cpuhp_state_CPUHP_AP_ONLINE_DYN_END,
    ]);

    #[inline(always)]
    unsafe fn new(cpu: CpuId) -> Online {
        Online {
            cpu,
            _here: NotThreadSafe,
        }
    }
}
