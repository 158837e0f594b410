// SPDX-License-Identifier: GPL-2.0

//! The modules that edited text belongs to, pinned for as long as it is edited.

use core::ptr::NonNull;

use kernel::{
    bindings as kernel_bindings,
    error::to_result,
    prelude::*, //
};

use crate::{
    bindings,
    text::{
        edit::Edit,
        Lookups,
        Origin, //
    }, //
};

/// A module that cannot go away.
///
/// # Invariants
///
/// `self.0` is a loaded module of which we hold a reference.
struct Pinned(NonNull<kernel_bindings::module>);

// SAFETY: A module's reference may be dropped by any task.
unsafe impl Send for Pinned {}

impl Drop for Pinned {
    fn drop(&mut self) {
        // SAFETY: By the type invariant; the reference is given up here.
        unsafe { kernel_bindings::module_put(self.0.as_ptr()) };
    }
}

/// The modules whose text is being edited, each pinned once.
#[derive(Default)]
pub struct Owners(KVec<Pinned>);

impl Owners {
    /// No modules.
    pub const fn new() -> Owners {
        Owners(KVec::new())
    }

    /// Checks that every byte of `edit` is in kernel text and pins its module, if it is in one.
    ///
    /// # Errors
    ///
    /// - `-EFAULT`: not text, or not all of it in the kernel image or in one module; text of init
    ///   functions does not count.
    /// - `-EBUSY`: the module's init function has not returned yet: if it fails, the text goes.
    /// - `-ESHUTDOWN`: the module is being removed.
    /// - `-ENOMEM`: no memory to note the module.
    ///
    /// # Context
    ///
    /// May sleep.
    pub fn pin(&mut self, edit: &Edit) -> Result {
        let (first, last) = (edit.addr(), edit.end() - 1);

        if !is_image(first) || !is_image(last) {
            self.pin_module(edit)?;
        }
        for addr in [first, last] {
            // SAFETY: In the image, or in a module that is pinned.
            unsafe { Lookups::default().look_up(addr, Origin::Module) }?;
        }
        Ok(())
    }

    fn pin_module(&mut self, edit: &Edit) -> Result {
        let mut owner = core::ptr::null_mut();

        // SAFETY: `owner` is a place for the result.
        to_result(unsafe {
            bindings::rust_riscv_module_get_by_text(edit.addr(), edit.len(), &mut owner)
        })?;
        // INVARIANT: On success `owner` is a loaded module and the reference is ours.
        let owner = Pinned(NonNull::new(owner).ok_or(EFAULT)?);

        if !self.0.iter().any(|pinned| pinned.0 == owner.0) {
            self.0.push(owner, GFP_KERNEL)?;
        }
        Ok(())
    }
}

fn is_image(addr: usize) -> bool {
    // SAFETY: Written once at boot, before any module is loaded.
    let map = unsafe { &*core::ptr::addr_of!(bindings::kernel_map) };

    addr.checked_sub(map.virt_addr)
        .is_some_and(|offset| offset < map.size)
}
