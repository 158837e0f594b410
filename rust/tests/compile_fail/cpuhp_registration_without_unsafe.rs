// SPDX-License-Identifier: GPL-2.0
// needs: kernel
// expect: E0133: call to unsafe function `riscv::cpuhp::Registration::<T>::new` is unsafe
// expect: E0133: call to unsafe function `riscv::cpuhp::Registration::<T>::new_locked` is unsafe
// expect: E0133: call to unsafe function `EmptySlot::<'_, S>::set_up` is unsafe
// expect: E0133: call to unsafe function `riscv::cpuhp::Registration::<T>::replace` is unsafe

//! Registers a hotplug state without the promise to remove it before its module is unloaded.

use kernel::prelude::*;
use riscv::cpuhp::{
    Calls,
    CpusRead,
    EmptySlot,
    Registration,
    Slot,
    State, //
};

#[cfg(misuse)]
pub fn misuse<T: State, U: State<Section = T::Section>>(
    slot: Slot<T::Section>,
    cpus: &CpusRead,
    empty: EmptySlot<'_, T::Section>,
) -> Result {
    core::mem::forget(Registration::<T>::new(slot, Calls::HotplugOnly)?);
    core::mem::forget(Registration::<T>::new_locked(
        slot,
        Calls::HotplugOnly,
        cpus,
    )?);
    let state = empty.set_up::<T>()?;
    core::mem::forget(state.replace::<U>(cpus).map_err(|(error, _)| error)?);
    Ok(())
}

#[cfg(not(misuse))]
pub fn right<T: State, U: State<Section = T::Section>>(
    slot: Slot<T::Section>,
    cpus: &CpusRead,
    empty: EmptySlot<'_, T::Section>,
) -> Result {
    // SAFETY: All are dropped here.
    unsafe {
        drop(Registration::<T>::new(slot, Calls::HotplugOnly)?);
        drop(Registration::<T>::new_locked(
            slot,
            Calls::HotplugOnly,
            cpus,
        )?);
        let state = empty.set_up::<T>()?;
        drop(state.replace::<U>(cpus).map_err(|(error, _)| error)?);
    }
    Ok(())
}
