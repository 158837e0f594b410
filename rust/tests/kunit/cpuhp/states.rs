// SPDX-License-Identifier: GPL-2.0

//! CPU hotplug states for tests, and what their callbacks observe.

use kernel::{
    bindings::{
        cpuhp_state_CPUHP_AP_ARM_XEN_STARTING,
        NR_CPUS, //
    },
    cpu::CpuId,
    prelude::*,
    sync::atomic::{
        Atomic,
        Relaxed, //
    }, //
};

use riscv::{
    cpuhp::{
        Calls,
        Registration,
        Slot,
        Starting,
        State, //
    },
    irq::percpu::Local, //
};

/// What a state's callbacks observed. All accesses are relaxed: a test reads them when the hotplug
/// operation is over.
pub(crate) struct Seen {
    up: [Atomic<u32>; NR_CPUS as usize],
    down: [Atomic<u32>; NR_CPUS as usize],
    /// The number of callbacks that ran in a wrong context.
    wrong: Atomic<u32>,
}

impl Seen {
    pub(crate) const fn new() -> Seen {
        Seen {
            up: [const { Atomic::new(0) }; NR_CPUS as usize],
            down: [const { Atomic::new(0) }; NR_CPUS as usize],
            wrong: Atomic::new(0),
        }
    }

    pub(crate) fn reset(&self) {
        for counter in Iterator::chain(self.up.iter(), &self.down) {
            counter.store(0, Relaxed);
        }
        self.wrong.store(0, Relaxed);
    }

    pub(crate) fn count(&self, up: bool, cpu: CpuId, right: bool) {
        let counters = if up { &self.up } else { &self.down };

        counters[cpu.as_u32() as usize].fetch_add(1, Relaxed);
        if !right {
            self.wrong.fetch_add(1, Relaxed);
        }
    }

    pub(crate) fn up(&self, cpu: u32) -> u32 {
        self.up[cpu as usize].load(Relaxed)
    }

    pub(crate) fn down(&self, cpu: u32) -> u32 {
        self.down[cpu as usize].load(Relaxed)
    }

    pub(crate) fn ups(&self) -> u32 {
        self.up.iter().map(|counter| counter.load(Relaxed)).sum()
    }

    pub(crate) fn is_balanced(&self) -> bool {
        (0..NR_CPUS).all(|cpu| self.up(cpu) == self.down(cpu))
    }

    pub(crate) fn all_right(&self) -> bool {
        self.wrong.load(Relaxed) == 0
    }
}

/// A slot before `CPUHP_AP_ONLINE` that no RISC-V kernel uses.
pub(crate) const FREE: Slot<Starting> = Slot::new(cpuhp_state_CPUHP_AP_ARM_XEN_STARTING).unwrap();

/// Registers a state for callers that drop it before any assertion: a failing assertion would not
/// drop it.
pub(crate) fn registered<T: State>(
    slot: Slot<T::Section>,
    calls: Calls,
) -> Result<Registration<T>> {
    // SAFETY: The callers drop all registrations.
    unsafe { Registration::new(slot, calls) }
}

/// Returns whether an interrupt is enabled on this CPU.
pub(crate) fn is_enabled(local: Local) -> bool {
    let sie: usize;

    // SAFETY: This only reads a supervisor CSR.
    unsafe { core::arch::asm!("csrr {}, sie", out(reg) sie, options(nomem, nostack)) };
    sie & 1 << local as usize != 0
}
