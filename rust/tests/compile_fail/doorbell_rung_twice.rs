// SPDX-License-Identifier: GPL-2.0
// needs: kernel
// expect: E0382: use of moved value: `given`

//! Rings the doorbell twice for a descriptor that was given once.

use riscv::barrier::doorbell::{
    Descriptor,
    Doorbell, //
};

pub fn misuse() -> Option<()> {
    let doorbell = Doorbell::new(|_| ());
    let mut descriptor = Descriptor::new(0);
    let (mut driver, _device) = descriptor.split();

    let given = driver.give(|data| *data = 1)?;
    doorbell.ring(1, given);
    #[cfg(misuse)]
    doorbell.ring(1, given);
    Some(())
}
