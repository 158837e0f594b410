// SPDX-License-Identifier: GPL-2.0
// needs: kernel
// expect: E0133: call to unsafe function `Device::<'_>::give_back` is unsafe

//! Gives a descriptor back to the driver, although the device may still be writing it.

use riscv::barrier::doorbell::Descriptor;

pub fn misuse() -> Option<u32> {
    let mut descriptor = Descriptor::new(0u32);
    let (mut driver, mut device) = descriptor.split();

    let _given = driver.give(|data| *data = 1)?;
    #[cfg(misuse)]
    device.give_back();
    // SAFETY: There is no device.
    #[cfg(not(misuse))]
    unsafe {
        device.give_back()
    };
    driver.take().copied()
}
