// SPDX-License-Identifier: GPL-2.0
// needs: kernel
// expect: E0277: the trait bound `bool: kernel::transmute::FromBytes` is not satisfied

//! Has a device write a type for which some bytes are not a valid value.

use riscv::barrier::doorbell::Descriptor;

pub fn misuse() {
    let _ = Descriptor::new(0u8);
    #[cfg(misuse)]
    let _ = Descriptor::new(false);
}
