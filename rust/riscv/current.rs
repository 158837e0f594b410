// SPDX-License-Identifier: GPL-2.0

//! The current task and CPU, from the register `tp`, which holds the current task.
//!
//! For hot paths, where a call to a C helper would be too expensive.
//!
//! C header: [`arch/riscv/include/asm/current.h`](srctree/arch/riscv/include/asm/current.h)

use core::{
    arch::asm,
    mem::offset_of, //
};

use kernel::bindings::{
    task_struct,
    thread_info, //
};

/// Returns the current task. Any context; valid for as long as the caller is that task.
///
/// # Examples
///
/// ```
/// assert_eq!(riscv::current::current(), kernel::current!().as_ptr());
/// ```
#[inline(always)]
pub fn current() -> *mut task_struct {
    let task;

    // SAFETY: Only reads `tp`, which the kernel reserves for the current task.
    unsafe { asm!("mv {}, tp", out(reg) task, options(nomem, nostack, preserves_flags)) };
    task
}

/// Returns the number of the CPU that the caller is running on, which is below `NR_CPUS`.
///
/// Any context; unless preemption is off, the number may be outdated at once.
///
/// # Examples
///
/// ```
/// assert!(riscv::current::cpu() < kernel::bindings::NR_CPUS as usize);
/// ```
#[inline(always)]
pub fn cpu() -> usize {
    let cpu: usize;

    // SAFETY: `tp` points to the current task, which begins with its `thread_info`.
    unsafe {
        asm!(
            "lwu {}, {}(tp)",
            out(reg) cpu,
            const offset_of!(task_struct, thread_info) + offset_of!(thread_info, cpu),
            options(readonly, nostack, preserves_flags),
        )
    };
    cpu
}
