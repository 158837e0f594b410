// SPDX-License-Identifier: GPL-2.0
// needs: kernel
// expect: E0133: call to unsafe function `Verified::<'e>::open` is unsafe
// expect: E0133: call to unsafe function `Verified::<'e>::for_master` is unsafe

//! That a batch is written as its plan says, and its window closed, has to be promised.

use kernel::prelude::*;
use riscv::text::{
    commit::{
        Direction,
        Parcel,
        Verified, //
    },
    window::Window, //
};

#[cfg(misuse)]
pub fn misuse(live: Verified<'_>, stopped: Verified<'_>, windows: &mut [Window; 2]) -> Result {
    let [first, second] = windows;
    let ready = live.open(first)?;

    // The tail before the head is a breakpoint, and an alias that stays.
    let _ = ready.finish(0, Parcel::Tail, Direction::Forth);
    core::mem::forget(ready);
    core::mem::forget(stopped.for_master(second)?);
    Ok(())
}

#[cfg(not(misuse))]
pub fn right(live: Verified<'_>, stopped: Verified<'_>, windows: &mut [Window; 2]) -> Result {
    let [first, second] = windows;
    // SAFETY: Nothing is written, and both are dropped here.
    unsafe {
        drop(live.open(first)?);
        drop(stopped.for_master(second)?);
    }
    Ok(())
}
