// SPDX-License-Identifier: GPL-2.0

//! Per-CPU counters, for events that happen often on every CPU.

use core::{
    arch::asm,
    cell::UnsafeCell, //
};

use kernel::bindings::NR_CPUS;

use crate::current;

/// The counters of one CPU, in cache lines of their own.
#[repr(align(64))]
struct Set<const N: usize>([UnsafeCell<u64>; N]);

/// `N` counters for each CPU.
///
/// Counting is one atomic instruction and not a call. No event is lost if the task is preempted or
/// migrates, and CPUs do not share cache lines.
///
/// # Examples
///
/// ```
/// use riscv::percpu_counter::PerCpu;
///
/// static EVENTS: PerCpu<2> = PerCpu::new();
///
/// EVENTS.count(1);
/// assert_eq!(EVENTS.sum(1), 1);
/// ```
pub struct PerCpu<const N: usize>([Set<N>; NR_CPUS as usize]);

// SAFETY: The counters are only accessed by atomic instructions and by single aligned loads.
unsafe impl<const N: usize> Sync for PerCpu<N> {}

impl<const N: usize> Default for PerCpu<N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const N: usize> PerCpu<N> {
    /// Creates counters that are 0.
    pub const fn new() -> Self {
        PerCpu([const { Set([const { UnsafeCell::new(0) }; N]) }; NR_CPUS as usize])
    }

    /// Counts `event` on this CPU; does nothing if `event` is `N` or more. Any context.
    ///
    /// Relaxed: the counters are independent, and no access depends on them.
    #[inline(always)]
    pub fn count(&self, event: usize) {
        let Some(first) = self.0[0].0.get(event) else {
            return;
        };
        // An offset from the first CPU's counter, whose address is a constant.
        // SAFETY: CPU numbers are below `NR_CPUS`, the length of the array, so the result points
        // into the set of this CPU.
        let counter = unsafe { first.get().byte_add(current::cpu() * size_of::<Set<N>>()) };

        // SAFETY: `counter` points to an aligned element of `self`, which is otherwise only
        // accessed by `read`.
        unsafe {
            asm!(
                "amoadd.d zero, {}, ({})",
                in(reg) 1u64,
                in(reg) counter,
                options(nostack, preserves_flags),
            )
        };
    }

    /// The number of times that `event` was counted on `cpu`; 0 if one of them does not exist.
    pub fn read(&self, cpu: usize, event: usize) -> u64 {
        self.0
            .get(cpu)
            .and_then(|set| set.0.get(event))
            // SAFETY: The pointer is that of an aligned element of `self`; an aligned load of 8
            // bytes is one access.
            .map_or(0, |counter| unsafe { counter.get().read_volatile() })
    }

    /// The number of times that `event` was counted, on all CPUs.
    pub fn sum(&self, event: usize) -> u64 {
        (0..NR_CPUS as usize).map(|cpu| self.read(cpu, event)).sum()
    }
}
