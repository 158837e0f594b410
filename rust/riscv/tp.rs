// SPDX-License-Identifier: GPL-2.0

//! The register `tp`, in which RISC-V Linux keeps the current task.
//!
//! For places where a call of a C helper would cost more than what is done there.
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

/// The current task. Any context; valid for as long as the caller is that task.
#[inline(always)]
pub fn current() -> *mut task_struct {
    let task;

    // SAFETY: Reads a register that the kernel reserves for this.
    unsafe { asm!("mv {}, tp", out(reg) task, options(nomem, nostack, preserves_flags)) };
    task
}

/// The number of a CPU that the caller was running on a moment ago, below `NR_CPUS`.
///
/// Any context; what it says may be out of date at once unless preemption is off.
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
