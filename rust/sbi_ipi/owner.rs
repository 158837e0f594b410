// SPDX-License-Identifier: GPL-2.0

//! Whose `CPUHP_AP_IRQ_RISCV_SBI_IPI_STARTING` is: taking it over, and giving it back.

use core::mem::ManuallyDrop;

use kernel::prelude::*;

use riscv::cpuhp::{
    holder,
    Calls,
    CpusRead,
    Registration,
    Slot, //
};

use crate::{
    enable::{
        Early,
        Late, //
    },
    stats, //
};

/// The name that the C code gives its state.
const C_NAME: &[u8] = b"irqchip/sbi-ipi:starting";

/// Whether the kernel has our hook.
pub(crate) const CAN_GIVE_BACK: bool = cfg!(rust_riscv_sbi_ipi_hook);

#[cfg(rust_riscv_sbi_ipi_hook)]
extern "C" {
    /// Sets the C code's state up again. The caller holds `cpus_read_lock`.
    fn sbi_ipi_setup_state_cpuslocked() -> kernel::ffi::c_int;
}

/// Checks that the state is the C code's.
///
/// # Errors
///
/// `-EBUSY` if it is somebody else's, or nobody's; what opening the file fails with.
pub(crate) fn check() -> Result {
    // Not under `CpusRead`: sysfs has locks of its own, under which CPUs are brought online.
    let name = holder(Slot::RISCV_SBI_IPI)
        .inspect_err(|_| pr_err!("cannot tell whose the state is: is sysfs mounted at /sys?\n"))?;

    match name.as_deref() {
        Some(C_NAME) => Ok(()),
        Some(name) => {
            let name = core::str::from_utf8(name).unwrap_or("?");
            pr_err!("the state is taken by \"{name}\"\n");
            Err(EBUSY)
        }
        None => {
            pr_err!("the state is taken: the C code has given it up\n");
            Err(EBUSY)
        }
    }
}

enum Held {
    Early(Registration<Early>),
    Late(Registration<Late>),
}

/// The state is ours; given back to the C code when this is dropped.
pub(crate) struct TakenOver(ManuallyDrop<Held>);

impl TakenOver {
    /// Puts our state in the place of the C code's, in one step.
    pub(crate) fn new(cpus: &CpusRead, late: bool) -> Result<TakenOver> {
        // Set up first: if that fails, the C code's is still there.
        let late = if late {
            let slot = Slot::ONLINE_DYNAMIC;
            // SAFETY: Removed when the result is dropped, with the module's data, as a failed `init`
            // does.
            Some(unsafe { Registration::new_locked(slot, Calls::HotplugOnly, cpus) }?)
        } else {
            None
        };

        // SAFETY: The C code's callback takes nothing with it, and is never removed there. CPUs
        // that come online without it have ours.
        let vacancy = unsafe { cpus.vacate(Slot::RISCV_SBI_IPI) };
        let held = match late {
            Some(late) => {
                vacancy.give_up();
                Held::Late(late)
            }
            // SAFETY: As above.
            None => Held::Early(unsafe { vacancy.fill() }?),
        };
        Ok(TakenOver(ManuallyDrop::new(held)))
    }
}

impl Drop for TakenOver {
    fn drop(&mut self) {
        // SAFETY: Taken once, here.
        let held = unsafe { ManuallyDrop::take(&mut self.0) };

        CpusRead::with(|cpus| {
            match held {
                Held::Early(state) => state.vacate(cpus).give_up(),
                Held::Late(state) => state.remove_locked(cpus),
            }
            give_back(cpus);
        });
        stats::wait();
    }
}

/// Has the C code enable the IPI again.
#[cfg(rust_riscv_sbi_ipi_hook)]
fn give_back(_cpus: &CpusRead) {
    // SAFETY: The lock is held.
    let ret = unsafe { sbi_ipi_setup_state_cpuslocked() };
    if ret != 0 {
        pr_err!("the C code does not take the state back: {ret}\n");
    }
}

/// Without the hook the module stays; only one that could not be loaded gets here, and it says so.
#[cfg(not(rust_riscv_sbi_ipi_hook))]
fn give_back(_cpus: &CpusRead) {
    pr_err!("CPUs that come online from now on hear no IPIs\n");
}
