// SPDX-License-Identifier: GPL-2.0

//! Keeping interrupts off on this CPU: during a rendezvous, and while page tables are walked.
//!
//! C header: [`include/linux/irqflags.h`](srctree/include/linux/irqflags.h)

use kernel::types::NotThreadSafe;

use crate::bindings;

/// A guard that keeps interrupts off on this CPU.
///
/// It does not tell lockdep, whose functions may be the text that is patched.
pub(crate) struct InterruptsOff {
    flags: usize,
    _here: NotThreadSafe,
}

impl InterruptsOff {
    #[inline(always)]
    pub(crate) fn new() -> Self {
        InterruptsOff {
            // SAFETY: `arch_local_irq_save()` may be called in any context. `drop` restores the
            // flags on the same CPU, since the guard cannot be sent and the task cannot migrate.
            flags: unsafe { bindings::rust_riscv_irq_save() },
            _here: NotThreadSafe,
        }
    }
}

impl Drop for InterruptsOff {
    #[inline(always)]
    fn drop(&mut self) {
        // SAFETY: `flags` is what `rust_riscv_irq_save()` returned in `new`, on this CPU: the guard
        // cannot be sent, and with interrupts off the task does not migrate.
        unsafe { bindings::rust_riscv_irq_restore(self.flags) };
    }
}
