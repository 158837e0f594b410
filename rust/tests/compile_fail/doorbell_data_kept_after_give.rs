// SPDX-License-Identifier: GPL-2.0
// needs: kernel
// expect: E0499: cannot borrow `driver` as mutable more than once

//! Reads the data of a descriptor after it was given back to the device.

use riscv::barrier::doorbell::Descriptor;

pub fn misuse() -> Option<u32> {
    let mut descriptor = Descriptor::new(0u32);
    let (mut driver, _device) = descriptor.split();

    #[cfg(misuse)]
    let kept = driver.take()?;
    let _given = driver.give(|data| *data = 1);
    #[cfg(not(misuse))]
    let kept = driver.take()?;
    Some(*kept)
}
