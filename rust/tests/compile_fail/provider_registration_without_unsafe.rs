// SPDX-License-Identifier: GPL-2.0
// needs: kernel with rust_riscv_text_hooks
// expect: E0133: call to unsafe function `riscv::text::provider::Registration::<P>::new` is unsafe

//! Registers a provider without the promise to unregister it before its module is unloaded.

use riscv::text::provider::{
    Provider,
    Registration, //
};

pub fn misuse<P: Provider>(provider: P) {
    #[cfg(misuse)]
    let registration = Registration::new(provider);
    // SAFETY: Dropped here.
    #[cfg(not(misuse))]
    let registration = unsafe { Registration::new(provider) };
    drop(registration);
}
