// SPDX-License-Identifier: GPL-2.0

//! Writing text as the kernel's own users do, in a kernel with our hooks.

use kernel::{
    error::to_result,
    ffi::c_void,
    prelude::*, //
};

use crate::bindings::{
    self,
    rust_riscv_test_call,
    rust_riscv_test_write, //
};

/// Writes `bytes` at `addr` as a user in the kernel does.
pub(crate) fn write(call: rust_riscv_test_call, addr: usize, bytes: &[u8]) -> Result {
    let addr = core::ptr::with_exposed_provenance_mut::<c_void>(addr);

    // SAFETY: `addr` is in one of the targets, and the bytes are valid code there.
    to_result(unsafe {
        bindings::rust_riscv_test_kernel_writes(call, addr, bytes.as_ptr().cast(), bytes.len())
    })
}

/// Creates a write for [`queue`].
pub(crate) fn queued(addr: usize, bytes: &[u8], first: bool) -> rust_riscv_test_write {
    rust_riscv_test_write {
        addr: core::ptr::with_exposed_provenance_mut(addr),
        insns: bytes.as_ptr().cast(),
        len: bytes.len(),
        first,
    }
}

/// Queues the first write, then makes the second one for this CPU only, without a sync.
pub(crate) fn write_after_queue(
    first: &rust_riscv_test_write,
    then: &rust_riscv_test_write,
) -> Result {
    // SAFETY: As in `write`; the bytes outlive the call.
    to_result(unsafe { bindings::rust_riscv_test_kernel_writes_after_queue(first, then) })
}

pub(crate) fn queue(writes: &[rust_riscv_test_write]) -> Result {
    // SAFETY: As in `write`; the bytes outlive the call.
    to_result(unsafe { bindings::rust_riscv_test_kernel_queues(writes.as_ptr(), writes.len()) })
}
