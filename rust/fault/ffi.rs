// SPDX-License-Identifier: GPL-2.0

//! The decision, for C.
//!
//! C header: `include/rust_riscv/fault.h`, which documents it.

use kernel::ffi::{
    c_int,
    c_uint,
    c_ulong, //
};

use riscv::fault::access::Verdict;

const CARRY_ON: c_uint = 0;
const REPORT: c_uint = 1;
const NOT_OURS: c_uint = 2;

/// `struct rust_riscv_fault_report`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Report {
    signal: c_int,
    code: c_int,
    address: c_ulong,
    bad_cause: c_ulong,
}

/// Judges an access.
///
/// # Safety
///
/// `report` is null or may be written to.
#[no_mangle]
pub unsafe extern "C" fn rust_riscv_fault_judge(
    cause: c_ulong,
    vm_flags: c_ulong,
    address: c_ulong,
    report: *mut Report,
) -> c_uint {
    match Verdict::of(cause, vm_flags, address) {
        Verdict::CarryOn => CARRY_ON,
        Verdict::NotOurs => NOT_OURS,
        Verdict::Report(what) => {
            // SAFETY: By the function's requirement.
            if let Some(report) = unsafe { report.as_mut() } {
                *report = Report {
                    signal: what.signal(),
                    code: what.code(),
                    address: what.address(),
                    bad_cause: what.bad_cause(),
                };
            }
            REPORT
        }
    }
}
