// SPDX-License-Identifier: GPL-2.0

//! Ownership of `CPUHP_AP_IRQ_RISCV_SBI_IPI_STARTING`: taking it over from the C code, and giving
//! it back.

use core::mem::ManuallyDrop;

use kernel::prelude::*;

use riscv::cpuhp::{
    state_name,
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
/// `-EBUSY` if other code owns it, or none does; the errors of [`state_name`].
pub(crate) fn check() -> Result {
    // Built in, this runs before sysfs is mounted. The C code has the state if the SBI delivers
    // IPIs: it sets the state up first. Only a module in the initramfs that an earlier initcall has
    // requested could have taken it over.
    if cfg!(not(MODULE)) {
        return Ok(());
    }
    // Not called with `CpusRead` held: this takes locks of sysfs under which CPUs are brought
    // online.
    let name = state_name(Slot::RISCV_SBI_IPI)
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
        // The late state is set up first: if that fails, the C code's state is still in place.
        let late = if late {
            let slot = Slot::ONLINE_DYNAMIC;
            // SAFETY: The state is removed when the result is dropped: with the module's data, or
            // if `init` fails. Both are before the module's text is freed.
            Some(unsafe { Registration::new_locked(slot, Calls::HotplugOnly, cpus) }?)
        } else {
            None
        };

        // SAFETY: The C code never removes its state, and does not depend on it: the callback only
        // enables the IPI, which ours does on every CPU that comes online from here on.
        let empty = unsafe { cpus.clear_slot(Slot::RISCV_SBI_IPI) };
        let state = match late {
            Some(late) => {
                empty.leave_empty();
                OurState::Late(late)
            }
            // SAFETY: As above.
            None => OurState::Early(unsafe { empty.set_up() }?),
        };
        Ok(TakenOver(ManuallyDrop::new(state)))
    }
}

impl Drop for TakenOver {
    fn drop(&mut self) {
        // SAFETY: `self` is being dropped, so nobody uses the value afterwards.
        let state = unsafe { ManuallyDrop::take(&mut self.0) };

        CpusRead::with(|cpus| {
            match state {
                OurState::Early(state) => state.clear_slot(cpus).leave_empty(),
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
    // SAFETY: `sbi_ipi_setup_state_cpuslocked()` must be called with `cpus_read_lock` held, as
    // `_cpus` shows.
    let ret = unsafe { sbi_ipi_setup_state_cpuslocked() };
    if ret != 0 {
        pr_err!("cannot give the state back to the C code: error {ret}\n");
    }
}

/// Logs that the state cannot be given back, in a kernel without the hook. The module cannot be
/// removed there, so this is called only if loading it has failed.
#[cfg(not(rust_riscv_sbi_ipi_hook))]
fn give_back(_cpus: &CpusRead) {
    pr_err!("CPUs that come online from now on do not receive IPIs\n");
}
