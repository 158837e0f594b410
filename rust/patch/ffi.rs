// SPDX-License-Identifier: GPL-2.0

//! The C ABI of [`Batch`], for C modules.
//!
//! C header: `include/rust_riscv/patch.h`, which documents each function.

use kernel::{
    error::from_result,
    ffi::{
        c_int,
        c_uint,
        c_void, //
    },
    prelude::*, //
};

use riscv::text::edit::{
    Kind,
    MAX_LEN, //
};

use crate::batch::Batch;

const PHASE_1: c_uint = 1 << 0;
const LITERAL: c_uint = 1 << 1;

/// Creates an empty batch. Returns null if there is no memory.
#[no_mangle]
pub extern "C" fn rust_riscv_patch_begin() -> *mut Batch {
    KBox::new(Batch::new(), GFP_KERNEL).map_or(core::ptr::null_mut(), KBox::into_raw)
}

/// Adds an edit to a batch.
///
/// # Safety
///
/// - `batch` is null, or was returned by [`rust_riscv_patch_begin`] and has been neither committed
///   nor dropped. Nobody else uses it.
/// - `old` and `new` are null or point to `len` readable bytes.
/// - The requirements of [`Batch::edit`].
#[no_mangle]
pub unsafe extern "C" fn rust_riscv_patch_add(
    batch: *mut Batch,
    addr: *mut c_void,
    old: *const c_void,
    new: *const c_void,
    len: usize,
    flags: c_uint,
) -> c_int {
    from_result(|| {
        // SAFETY: The caller passes null or a live batch of `rust_riscv_patch_begin()`, and
        // guarantees that nobody else uses it.
        let batch = unsafe { batch.as_mut() }.ok_or(EINVAL)?;

        if old.is_null() || new.is_null() || flags & !(PHASE_1 | LITERAL) != 0 {
            return Err(EINVAL);
        }
        // A longer edit is refused anyway, so read only as much as is needed for that.
        let len = len.min(MAX_LEN + 1);
        // SAFETY: Neither pointer is null, so the caller guarantees that as many bytes as it passed
        // are readable there. `len` is at most that number.
        let (old, new) = unsafe {
            (
                core::slice::from_raw_parts(old.cast::<u8>(), len),
                core::slice::from_raw_parts(new.cast::<u8>(), len),
            )
        };
        let kind = if flags & LITERAL != 0 {
            Kind::Literal
        } else {
            Kind::Code
        };

        // SAFETY: The caller guarantees what `Batch::edit` requires of the resulting text.
        unsafe { batch.edit(addr.addr(), old, new, u8::from(flags & PHASE_1 != 0), kind) }?;
        Ok(0)
    })
}

/// Commits a batch and frees it.
///
/// # Safety
///
/// `batch` is null, or was returned by [`rust_riscv_patch_begin`] and has been neither committed
/// nor dropped. Nobody else uses it.
#[no_mangle]
pub unsafe extern "C" fn rust_riscv_patch_commit(batch: *mut Batch) -> c_int {
    from_result(|| {
        if batch.is_null() {
            return Err(EINVAL);
        }
        // SAFETY: `rust_riscv_patch_begin()` got the pointer from `KBox::into_raw()`. The caller
        // guarantees that the batch was not committed or dropped, and that nobody else uses it.
        let batch = unsafe { KBox::from_raw(batch) };

        KBox::into_inner(batch).commit()?;
        Ok(0)
    })
}

/// Frees a batch without committing it.
///
/// # Safety
///
/// Those of [`rust_riscv_patch_commit`].
#[no_mangle]
pub unsafe extern "C" fn rust_riscv_patch_drop(batch: *mut Batch) {
    if !batch.is_null() {
        // SAFETY: As in `rust_riscv_patch_commit`.
        drop(unsafe { KBox::from_raw(batch) });
    }
}
