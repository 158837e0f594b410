// SPDX-License-Identifier: GPL-2.0

//! The three sections of the state machine: the argument types of their callbacks.

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

/// The return type of [`up`](super::State::up): `()` where it must not fail, else [`Result`].
pub trait CallbackReturn: sealed::Sealed {
    /// 0, or the error as a negative errno.
    fn to_errno(self) -> c_int;
}

impl sealed::Sealed for () {}

impl CallbackReturn for () {
    #[inline(always)]
    fn to_errno(self) -> c_int {
        0
    }
}

impl sealed::Sealed for Result {}

impl CallbackReturn for Result {
    #[inline(always)]
    fn to_errno(self) -> c_int {
        self.map_or_else(Error::to_errno, |()| 0)
    }
}

/// A section of the state machine. A callback is passed a reference to one, which it cannot keep.
pub trait Section: sealed::Sealed + Sized + 'static {
    /// The return type of `up` in this section.
    type Return: CallbackReturn;

    /// The first and the last number of the states in this section.
    const RANGE: [cpuhp_state; 2];

    /// The first and the last number of the dynamic states in it, if it has any.
    const DYNAMIC: Option<[cpuhp_state; 2]>;

    /// Creates the token of a callback in this section.
    ///
    /// # Safety
    ///
    /// The caller is a callback of this section for `cpu`, and drops the result before it returns.
    unsafe fn new(cpu: CpuId) -> Self;
}

/// The section that runs on another CPU, before the CPU is started or after it is dead. Callbacks
/// may sleep.
///
/// With [`Calls::OnlineCpusToo`](super::Calls) they also run for CPUs that are online.
pub struct Prepare {
    cpu: CpuId,
}

/// The section that runs on the CPU itself with interrupts off, before it is online or after it
/// was. Callbacks must not sleep, take a lock that may be held with interrupts on, or fail.
///
/// With [`Calls::OnlineCpusToo`](super::Calls) they also run on CPUs that are online.
pub struct Starting {
    cpu: CpuId,
    _here: NotThreadSafe,
}

/// The section that runs in the CPU's hotplug thread, which is bound to it, or, without
/// `CONFIG_SMP`, in any task. Callbacks may sleep.
pub struct Online {
    cpu: CpuId,
    _here: NotThreadSafe,
}

impl Prepare {
    /// The CPU that the callback is for.
    pub fn cpu(&self) -> CpuId {
        self.cpu
    }
}

/// A token of code that runs on one CPU and does not migrate.
pub trait Here: sealed::Sealed {
    /// The CPU that the callback is for, and runs on.
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
    type Return = Result;

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
    type Return = ();

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
    type Return = Result;

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
