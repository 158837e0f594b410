// SPDX-License-Identifier: GPL-2.0

//! References to the modules whose text is edited, so that they are not unloaded meanwhile.

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

/// A reference to a module, which prevents that it is unloaded.
///
/// # Invariants
///
/// `self.0` is a loaded module to which we hold a reference.
struct Pinned(NonNull<kernel_bindings::module>);

// SAFETY: Any task may drop a reference to a module.
unsafe impl Send for Pinned {}

impl Drop for Pinned {
    fn drop(&mut self) {
        // SAFETY: `module_put()` drops a reference to a module: by the type invariant, `self` holds
        // one.
        unsafe { kernel_bindings::module_put(self.0.as_ptr()) };
    }
}

/// References to the modules whose text is edited, one to each module.
#[derive(Default)]
pub struct Owners(KVec<Pinned>);

impl Owners {
    /// Creates a set without modules.
    pub const fn new() -> Owners {
        Owners(KVec::new())
    }

    /// Checks that every byte of `edit` is in kernel text. If it is in a module, takes a reference
    /// to the module.
    ///
    /// # Errors
    ///
    /// - `-EFAULT`: not text, or not all of it in the kernel image or in the same module. Init text
    ///   is not accepted, except that of the kernel before it is freed, which this does not prevent.
    /// - `-EBUSY`: the module's init function has not returned yet. If it fails, the text is freed.
    /// - `-ESHUTDOWN`: the module is being removed.
    /// - `-ENOMEM`: no memory to store the reference.
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
            // SAFETY: `look_up()` requires that the page tables are not freed: `addr` is in the
            // kernel image, or in a module to which `self` holds a reference.
            unsafe { Lookups::default().look_up(addr, Origin::Module) }?;
        }
        Ok(())
    }

    fn pin_module(&mut self, edit: &Edit) -> Result {
        let mut owner = core::ptr::null_mut();

        // SAFETY: The helper accepts any address and length. It writes its result to `owner`, which
        // is valid for that.
        to_result(unsafe {
            bindings::rust_riscv_module_get_by_text(edit.addr(), edit.len(), &mut owner)
        })?;
        // INVARIANT: On success, `owner` is a loaded module, and the caller owns a reference to it.
        let owner = Pinned(NonNull::new(owner).ok_or(EFAULT)?);

        if !self.0.iter().any(|pinned| pinned.0 == owner.0) {
            self.0.push(owner, GFP_KERNEL)?;
        }
        Ok(())
    }
}

fn is_image(addr: usize) -> bool {
    // SAFETY: `kernel_map` is written last by `setup_arch()`, before any initcall.
    let map = unsafe { &*core::ptr::addr_of!(bindings::kernel_map) };

    addr.checked_sub(map.virt_addr)
        .is_some_and(|offset| offset < map.size)
}
