// SPDX-License-Identifier: GPL-2.0

//! CPU hotplug while text is patched.

use kernel::{
    error::to_result,
    prelude::*, //
};

use crate::{
    bindings,
    hammer,
    support::{
        skip,
        BackOn, //
    }, //
};

/// Takes the last CPU offline and brings it online again, eight times. While it is offline, calls
/// `offline` with the number of the round; when it is online again, calls `online` with the numbers
/// of the round and the CPU. Skips the test if only one CPU is online.
///
/// # Errors
///
/// Those of CPU hotplug, and those of `offline` and `online`.
pub(crate) fn cycle_last_cpu(
    mut offline: impl FnMut(u32) -> Result,
    mut online: impl FnMut(u32, u32) -> Result,
) -> Result {
    let Some(cpu) = hammer::online().last().filter(|&cpu| cpu > 0) else {
        return skip("one hart: no CPU can be taken offline");
    };
    let _back = BackOn::hold(cpu)?;

    for round in 0..8 {
        // SAFETY: `cpu` is online, and not the boot CPU.
        to_result(unsafe { bindings::rust_riscv_test_cpu_down(cpu) })?;
        offline(round)?;
        // SAFETY: `cpu` is offline.
        to_result(unsafe { bindings::rust_riscv_test_cpu_up(cpu) })?;
        online(round, cpu)?;
    }
    Ok(())
}
