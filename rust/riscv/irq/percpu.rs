// SPDX-License-Identifier: GPL-2.0

//! Per-CPU interrupts, which each hart enables for itself.
//!
//! C header: [`include/linux/interrupt.h`](srctree/include/linux/interrupt.h)

use core::num::NonZeroU32;

use kernel::bindings::{
    disable_percpu_irq,
    enable_percpu_irq, //
};

use crate::{
    bindings,
    cpuhp::Here, //
};

/// An interrupt of the hart-local interrupt controller, by its number in `sie` and `sip`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Local {
    /// Supervisor software interrupt: IPIs by SBI.
    Software = 1,
    /// Supervisor timer interrupt.
    Timer = 5,
    /// Supervisor external interrupt: devices, and IPIs by IMSIC.
    External = 9,
}

/// The trigger type of an interrupt: `IRQ_TYPE_*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trigger(u32);

/// A hart-local interrupt that the kernel uses.
///
/// # Examples
///
/// ```
/// use riscv::irq::percpu::{Local, PercpuIrq};
///
/// // Every RISC-V Linux has a timer.
/// let timer = PercpuIrq::find(Local::Timer).ok_or(ENODEV)?;
/// assert_eq!(timer.trigger(), timer.trigger());
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PercpuIrq(NonZeroU32);

impl PercpuIrq {
    /// Returns the interrupt, or `None` if the kernel does not use it. May sleep.
    pub fn find(local: Local) -> Option<PercpuIrq> {
        // SAFETY: `irq_find_matching_fwnode()` takes a mutex, so it may be called where one may
        // sleep, which this function's context demands. `irq_find_mapping()` takes any number.
        NonZeroU32::new(unsafe { bindings::rust_riscv_intc_irq(local as u32) }).map(PercpuIrq)
    }

    /// Returns the interrupt's number in `/proc/interrupts`.
    pub fn number(self) -> u32 {
        self.0.get()
    }

    /// Returns the trigger type that its controller was configured with. Any context.
    pub fn trigger(self) -> Trigger {
        // SAFETY: `irq_get_trigger_type()` accepts any number.
        Trigger(unsafe { bindings::rust_riscv_irq_trigger(self.0.get()) })
    }

    /// Enables the interrupt on this CPU. Enabling it twice is not an error.
    #[inline]
    pub fn enable(self, _here: &impl Here, trigger: Trigger) {
        // SAFETY: `enable_percpu_irq()` takes a per-CPU interrupt, which `find` has returned, and
        // must be called where the task does not migrate, which `_here` shows.
        unsafe { enable_percpu_irq(self.0.get(), trigger.0) };
    }

    /// Disables the interrupt on this CPU, which then does not receive it.
    #[inline]
    pub fn disable(self, _here: &impl Here) {
        // SAFETY: `disable_percpu_irq()` takes a per-CPU interrupt, which `find` has returned, and
        // must be called where the task does not migrate, which `_here` shows.
        unsafe { disable_percpu_irq(self.0.get()) };
    }
}
