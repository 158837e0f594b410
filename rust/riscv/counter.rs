// SPDX-License-Identifier: GPL-2.0

//! Counters of events that happen often, on every CPU: a set for each.

use core::{
    arch::asm,
    cell::UnsafeCell, //
};

use kernel::bindings::NR_CPUS;

use crate::tp;

/// A CPU's counters, in cache lines of their own.
#[repr(align(64))]
struct Set<const N: usize>([UnsafeCell<u64>; N]);

/// `N` counters for each CPU.
///
/// Counting is one atomic instruction and no call: an event is never lost, whether the task is
/// preempted or moved in between, and CPUs do not take cache lines from each other.
///
/// # Examples
///
/// ```
/// use riscv::counter::PerCpu;
///
/// static EVENTS: PerCpu<2> = PerCpu::new();
///
/// EVENTS.count(1);
/// assert_eq!(EVENTS.sum(1), 1);
/// ```
pub struct PerCpu<const N: usize>([Set<N>; NR_CPUS as usize]);

// SAFETY: The counters are only accessed by atomic instructions and single loads.
unsafe impl<const N: usize> Sync for PerCpu<N> {}

impl<const N: usize> Default for PerCpu<N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const N: usize> PerCpu<N> {
    /// Counters at 0.
    pub const fn new() -> Self {
        PerCpu([const { Set([const { UnsafeCell::new(0) }; N]) }; NR_CPUS as usize])
    }

    /// Counts an event on this CPU; one that there is no counter for is ignored. Any context.
    ///
    /// Relaxed: each counter is a number of its own, and nothing is read through it.
    #[inline(always)]
    pub fn count(&self, event: usize) {
        let Some(first) = self.0[0].0.get(event) else {
            return;
        };
        // From the first CPU's on, so that the address is a constant but for the CPU.
        // SAFETY: CPU numbers are below `NR_CPUS`, and all sets are alike.
        let counter = unsafe { first.get().byte_add(tp::cpu() * size_of::<Set<N>>()) };

        // SAFETY: The counter is ours, aligned, and only accessed like this and by `read`.
        unsafe {
            asm!(
                "amoadd.d zero, {}, ({})",
                in(reg) 1u64,
                in(reg) counter,
                options(nostack, preserves_flags),
            )
        };
    }

    /// How often an event was counted on a CPU; 0 for a CPU or an event that there is not.
    pub fn read(&self, cpu: usize, event: usize) -> u64 {
        self.0
            .get(cpu)
            .and_then(|set| set.0.get(event))
            // SAFETY: A valid, aligned pointer; an aligned load of 8 bytes is a single one.
            .map_or(0, |counter| unsafe { counter.get().read_volatile() })
    }

    /// How often an event was counted on all CPUs.
    pub fn sum(&self, event: usize) -> u64 {
        (0..NR_CPUS as usize).map(|cpu| self.read(cpu, event)).sum()
    }
}
