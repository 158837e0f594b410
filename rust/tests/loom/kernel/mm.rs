// SPDX-License-Identifier: GPL-2.0

//! `kernel::mm`: an address space that has one VMA.

use crate::bindings::{
    mm_struct,
    vm_area_struct, //
};

pub mod virt {
    //! VMAs.

    pub mod flags {
        //! Their flags.

        pub const READ: usize = 1;
        pub const WRITE: usize = 2;
        pub const EXEC: usize = 4;
    }

    /// A VMA.
    pub struct VmaRef(pub(super) super::vm_area_struct);

    impl VmaRef {
        pub fn flags(&self) -> usize {
            self.0.flags
        }
    }
}

/// An address space, whose content is not used.
#[repr(transparent)]
pub struct MmWithUser(mm_struct);

static VMA: virt::VmaRef = virt::VmaRef(vm_area_struct {
    flags: virt::flags::READ,
});

impl MmWithUser {
    /// # Safety
    ///
    /// `mm` is valid for `'a`.
    pub unsafe fn from_raw<'a>(mm: *mut mm_struct) -> &'a MmWithUser {
        // SAFETY: The caller guarantees that `mm` is valid for `'a`; `MmWithUser` is transparent.
        unsafe { &*mm.cast() }
    }

    pub fn lock_vma_under_rcu(&self, _address: usize) -> Option<VmaReadGuard<'_>> {
        Some(VmaReadGuard(&VMA))
    }
}

/// A VMA that is locked.
pub struct VmaReadGuard<'a>(&'a virt::VmaRef);

impl VmaReadGuard<'_> {
    pub fn as_ptr(&self) -> *mut vm_area_struct {
        std::ptr::from_ref(&self.0 .0).cast_mut()
    }
}

impl std::ops::Deref for VmaReadGuard<'_> {
    type Target = virt::VmaRef;

    fn deref(&self) -> &virt::VmaRef {
        self.0
    }
}
