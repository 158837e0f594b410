// SPDX-License-Identifier: GPL-2.0
// needs: kernel
// expect: E0133: call to unsafe function `look_up` is unsafe

//! Walks page tables without the promise that they are not freed meanwhile.

use riscv::{
    mm::pgtable::Found,
    text::look_up, //
};

pub fn misuse(addr: usize) -> Option<Found> {
    #[cfg(misuse)]
    return look_up(addr);
    #[cfg(not(misuse))]
    {
        let _ = addr;
        // SAFETY: The text of the kernel image stays.
        unsafe { look_up(kernel::bindings::_printk as *const () as usize) }
    }
}
