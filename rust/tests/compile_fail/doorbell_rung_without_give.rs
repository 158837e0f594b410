// SPDX-License-Identifier: GPL-2.0
// needs: kernel
// expect: E0423: cannot initialize a tuple struct which contains private fields

//! Rings the doorbell for a descriptor that the device was not given.

use riscv::barrier::doorbell::{
    Descriptor,
    Doorbell,
    Given, //
};

pub fn misuse() {
    let doorbell = Doorbell::new(|_| ());
    let mut descriptor = Descriptor::new(0);
    let (mut driver, _device) = descriptor.split();

    #[cfg(misuse)]
    doorbell.ring(1, Given(()));
    let given: Option<Given> = driver.give(|data| *data = 1);
    if let Some(given) = given {
        doorbell.ring(1, given);
    }
}
