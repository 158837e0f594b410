// SPDX-License-Identifier: GPL-2.0

//! Ownership of `CPUHP_AP_IRQ_RISCV_SBI_IPI_STARTING`: taking it over from the C code, and giving
//! it back.

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
    states::{
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
    /// Sets up the state of the C code again. The caller holds `cpus_read_lock`.
    fn sbi_ipi_setup_state_cpuslocked() -> kernel::ffi::c_int;
}

/// Checks that the state is owned by the C code.
///
/// # Errors
///
/// `-EBUSY` if other code or no code owns it; the errors of [`holder`].
pub(crate) fn check() -> Result {
    // Not under `CpusRead`, since CPUs are brought online under locks of sysfs, which this takes.
    let name = holder(Slot::RISCV_SBI_IPI)
        .inspect_err(|_| pr_err!("cannot read the owner of the state: is sysfs mounted?\n"))?;

    match name.as_deref() {
        Some(C_NAME) => Ok(()),
        Some(name) => {
            let name = core::str::from_utf8(name).unwrap_or("?");
            pr_err!("the state is owned by \"{name}\"\n");
            Err(EBUSY)
        }
        None => {
            pr_err!("the state is not owned by the C code any more\n");
            Err(EBUSY)
        }
    }
}

/// The registration of our state, in one of its two variants.
enum OurState {
    Early(Registration<Early>),
    Late(Registration<Late>),
}

/// Our ownership of the state. Dropping it gives the state back to the C code.
pub(crate) struct TakenOver(ManuallyDrop<OurState>);

impl TakenOver {
    /// Replaces the state of the C code with ours, in one step.
    pub(crate) fn new(cpus: &CpusRead, late: bool) -> Result<TakenOver> {
        // The late state is set up first: if that fails, the C code's state is still there.
        let late = if late {
            let slot = Slot::ONLINE_DYNAMIC;
            // SAFETY: Removed when the result is dropped: with the module's data, or when `init`
            // fails, before the module's text is freed.
            Some(unsafe { Registration::new_locked(slot, Calls::HotplugOnly, cpus) }?)
        } else {
            None
        };

        // SAFETY: The C code never removes its state, and its callback only enables the IPI, which
        // ours does on every CPU that comes online from here on.
        let vacancy = unsafe { cpus.vacate(Slot::RISCV_SBI_IPI) };
        let state = match late {
            Some(late) => {
                vacancy.give_up();
                OurState::Late(late)
            }
            // SAFETY: Removed when the result is dropped: with the module's data, or when `init`
            // fails, before the module's text is freed.
            None => OurState::Early(unsafe { vacancy.fill() }?),
        };
        Ok(TakenOver(ManuallyDrop::new(state)))
    }
}

impl Drop for TakenOver {
    fn drop(&mut self) {
        // SAFETY: Taken only here, where `self` is dropped, and not used afterwards.
        let state = unsafe { ManuallyDrop::take(&mut self.0) };

        CpusRead::with(|cpus| {
            match state {
                OurState::Early(state) => state.vacate(cpus).give_up(),
                OurState::Late(state) => state.remove_locked(cpus),
            }
            give_back(cpus);
        });
        stats::wait();
    }
}

/// Sets up the state of the C code again, which then enables the IPI.
#[cfg(rust_riscv_sbi_ipi_hook)]
fn give_back(_cpus: &CpusRead) {
    // SAFETY: `sbi_ipi_setup_state_cpuslocked()` must be called with `cpus_read_lock` held, which
    // `_cpus` shows.
    let ret = unsafe { sbi_ipi_setup_state_cpuslocked() };
    if ret != 0 {
        pr_err!("cannot give the state back to the C code: error {ret}\n");
    }
}

/// Logs that the state cannot be given back, in a kernel without the hook. There the module cannot
/// be removed, so that this is only called if loading it has failed.
#[cfg(not(rust_riscv_sbi_ipi_hook))]
fn give_back(_cpus: &CpusRead) {
    pr_err!("CPUs that come online from now on do not receive IPIs\n");
}
