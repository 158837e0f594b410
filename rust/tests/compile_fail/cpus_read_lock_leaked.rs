// SPDX-License-Identifier: GPL-2.0
// needs: kernel
// expect: E0599: no associated function or constant named `lock` found
// expect: E0599: no associated function or constant named `try_lock` found

//! Leaks a guard of `cpus_read_lock()`, so that CPU hotplug is excluded forever.

use kernel::prelude::*;
use riscv::cpuhp::CpusRead;

#[cfg(misuse)]
pub fn misuse() -> Result {
    core::mem::forget(CpusRead::lock());
    core::mem::forget(CpusRead::try_lock().ok_or(EBUSY)?);
    Ok(())
}

#[cfg(not(misuse))]
pub fn right() -> Result {
    CpusRead::with(|cpus| core::mem::forget(cpus));
    CpusRead::try_with(|cpus| core::mem::forget(cpus)).ok_or(EBUSY)
}
