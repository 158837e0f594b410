// SPDX-License-Identifier: GPL-2.0

//! Taking CPUs offline and bringing them online.

use kernel::{
    bindings::ETIMEDOUT,
    cpu::{
        nr_cpu_ids,
        CpuId, //
    },
    error::to_result,
    prelude::*,
    time::{
        delay::fsleep,
        Delta, //
    }, //
};

use riscv::{
    compat::errno,
    sbi::{
        self,
        HartId,
        HartState, //
    }, //
};

use crate::bindings;

/// The online CPUs, except the first.
pub(crate) fn others() -> impl Iterator<Item = u32> {
    // SAFETY: `cpu` is less than `nr_cpu_ids`.
    (1..nr_cpu_ids()).filter(|&cpu| unsafe { bindings::rust_riscv_test_cpu_is_online(cpu) })
}

pub(crate) fn all() -> impl Iterator<Item = u32> {
    Iterator::chain(core::iter::once(0), others())
}

pub(crate) fn hart(cpu: u32) -> Result<HartId> {
    HartId::of(CpuId::from_u32(cpu).ok_or(EINVAL)?).ok_or(ENODEV)
}

pub(crate) fn take_down(cpu: u32) -> Result {
    // SAFETY: `cpu` is not the boot CPU: callers pass one of `others()`.
    to_result(unsafe { bindings::rust_riscv_test_cpu_down(cpu) })?;
    // A CPU counts as offline shortly before its hart stops. A hart that has not stopped yet cannot
    // be started again.
    for _ in 0..100_000 {
        if sbi::hart_state(hart(cpu)?)? == HartState::Stopped {
            return Ok(());
        }
        fsleep(Delta::from_micros(100));
    }
    Err(errno(ETIMEDOUT))
}

pub(crate) fn bring_up(cpu: u32) -> Result {
    // SAFETY: `cpu` was taken down.
    to_result(unsafe { bindings::rust_riscv_test_cpu_up(cpu) })
}

/// Takes a CPU down and brings it up again.
pub(crate) fn cycle(cpu: u32) -> Result {
    take_down(cpu)?;
    bring_up(cpu)
}

/// Whether a CPU answers a cross-call.
pub(crate) fn answers(cpu: u32) -> bool {
    extern "C" fn answer() -> usize {
        CpuId::current().as_u32() as usize
    }

    // SAFETY: `answer` may be called anywhere.
    unsafe { bindings::rust_riscv_test_call_on(cpu, Some(answer)) == cpu as usize }
}
