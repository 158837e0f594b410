// SPDX-License-Identifier: GPL-2.0

//! The C API of the access check, and what only this API uses.
//!
//! C header: `include/rust_riscv/fault.h`, which documents it.
//!
//! Plain logic without kernel or hardware access: this file is also compiled and tested on the host.

use kernel::ffi::{
    c_int,
    c_uint,
    c_ulong, //
};

use riscv::fault::access::{
    access_error,
    Cause,
    VmFlags, //
};

pub(crate) const SIGSEGV: c_int = 11;
/// There is a mapping, but it forbids the access. (`SEGV_MAPERR` is for addresses without one.)
pub(crate) const SEGV_ACCERR: c_int = 2;

/// The signal for a forbidden access: `struct rust_riscv_fault_siginfo`.
///
/// Always `SIGSEGV` with `SEGV_ACCERR`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct SignalInfo {
    /// `SIGSEGV`.
    pub signal: c_int,
    /// `SEGV_ACCERR`, for `si_code`.
    pub code: c_int,
    /// The address that was accessed, for `si_addr`.
    pub address: c_ulong,
    /// The hardware's cause, for `thread.bad_cause`.
    pub bad_cause: c_ulong,
}

impl SignalInfo {
    #[inline(always)]
    const fn new(cause: Cause, address: c_ulong) -> SignalInfo {
        SignalInfo {
            signal: SIGSEGV,
            code: SEGV_ACCERR,
            address,
            bad_cause: cause.scause(),
        }
    }
}

/// The result of the check of an access: `enum rust_riscv_fault_access`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// The VMA allows the access.
    Allowed,
    /// The VMA forbids the access.
    Forbidden(SignalInfo),
    /// The cause is not a page fault.
    UnknownCause,
}

impl Access {
    /// Checks an access to `address`, which faulted with `scause`, in a VMA with these flags. Any
    /// context.
    #[inline(always)]
    pub const fn check(scause: c_ulong, flags: VmFlags, address: c_ulong) -> Access {
        match Cause::from_scause(scause) {
            None => Access::UnknownCause,
            Some(cause) if access_error(cause, flags) => {
                Access::Forbidden(SignalInfo::new(cause, address))
            }
            Some(_) => Access::Allowed,
        }
    }
}

const ALLOWED: c_uint = 0;
const FORBIDDEN: c_uint = 1;
const UNKNOWN_CAUSE: c_uint = 2;

/// Checks an access, for C: see [`Access::check`].
///
/// # Safety
///
/// `info` is null, or is valid for writes and not accessed by others during the call.
#[no_mangle]
pub unsafe extern "C" fn rust_riscv_fault_check_access(
    cause: c_ulong,
    vm_flags: c_ulong,
    address: c_ulong,
    info: *mut SignalInfo,
) -> c_uint {
    match Access::check(cause, vm_flags, address) {
        Access::Allowed => ALLOWED,
        Access::UnknownCause => UNKNOWN_CAUSE,
        Access::Forbidden(signal) => {
            // SAFETY: The caller passes null or a pointer that is valid and not accessed by others.
            if let Some(info) = unsafe { info.as_mut() } {
                *info = signal;
            }
            FORBIDDEN
        }
    }
}
