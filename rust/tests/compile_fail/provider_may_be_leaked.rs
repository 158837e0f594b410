// SPDX-License-Identifier: GPL-2.0
// needs: kernel with rust_riscv_text_hooks
// expect: E0133: call to unsafe function `riscv::text::provider::Registration::<P>::new` is unsafe

//! That a provider is taken back before its module goes has to be promised.

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
