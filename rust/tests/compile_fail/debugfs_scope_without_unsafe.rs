// SPDX-License-Identifier: GPL-2.0
// needs: kernel
// expect: E0133: call to unsafe function `riscv::debugfs::Scope::<T>::dir` is unsafe

//! Creates files in debugfs without the promise to remove them before their module is unloaded.

use kernel::prelude::*;
use riscv::debugfs::Scope;

pub fn misuse() -> Result {
    #[cfg(misuse)]
    let files = Scope::dir(0u32, c"misuse", |data, dir| {
        dir.read_callback_file(c"file", data, &|data, f| writeln!(f, "{data}"));
    });
    // SAFETY: Dropped here.
    #[cfg(not(misuse))]
    let files = unsafe {
        Scope::dir(0u32, c"misuse", |data, dir| {
            dir.read_callback_file(c"file", data, &|data, f| writeln!(f, "{data}"));
        })
    };
    let files = KBox::pin_init(files, GFP_KERNEL)?;

    #[cfg(misuse)]
    core::mem::forget(files);
    #[cfg(not(misuse))]
    drop(files);
    Ok(())
}
