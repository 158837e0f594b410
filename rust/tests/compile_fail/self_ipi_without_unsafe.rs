// SPDX-License-Identifier: GPL-2.0
// needs: kernel
// expect: E0133: call to unsafe function `SelfIpi::new` is unsafe

//! Creates an IPI without the promise to wait for it before its module is unloaded.

use riscv::{
    cpuhp::Here,
    irq::work::SelfIpi, //
};

#[cfg(misuse)]
static IPI: SelfIpi = SelfIpi::new(|| ());
// SAFETY: It is waited for where it is sent.
#[cfg(not(misuse))]
static IPI: SelfIpi = unsafe { SelfIpi::new(|| ()) };

pub fn misuse(here: &impl Here) {
    IPI.send(here);
    #[cfg(not(misuse))]
    IPI.wait();
}
