// SPDX-License-Identifier: GPL-2.0

//! The hotplug states that enable the SBI IPI on a CPU that comes online.

use kernel::{
    prelude::*,
    sync::SetOnce, //
};

use riscv::{
    cpuhp::{
        Here,
        Online,
        Starting,
        State, //
    },
    irq::percpu::{
        PercpuIrq,
        Trigger, //
    },
    sbi,
    timebase::Ticks, //
};

use crate::stats;

static IRQ: SetOnce<(PercpuIrq, Trigger)> = SetOnce::new();

/// Sets the interrupt to enable. Called before any state is set up.
pub(crate) fn set_irq(irq: PercpuIrq) {
    IRQ.populate((irq, irq.trigger()));
}

fn enable(here: &impl Here) {
    let entered = Ticks::now();
    let pending = sbi::ipi_is_pending(here);

    // Any CPU that observes this CPU as online also observes the interrupt as enabled.
    // litmus: hotplug+online
    //
    // As in the C code, the interrupt is never disabled: the IPI multiplexer masks the IPIs of a
    // CPU that goes offline.
    if let Some((irq, trigger)) = IRQ.as_ref() {
        irq.enable(here, *trigger);
    }
    stats::count(here, entered, pending);
}

/// The state that enables the IPI before the CPU is online, and so before any IPI is sent to it.
pub(crate) struct Early;

#[vtable]
impl State for Early {
    type Section = Starting;

    const NAME: &'static CStr = c"rust_riscv/sbi-ipi:starting";

    fn up(cpu: &Starting) {
        enable(cpu);
    }
}

/// The state in which the C code used to enable the IPI: after `workqueue:online`, and after the
/// wake-up of the hotplug thread that runs the state. For tests that reproduce the bug.
pub(crate) struct Late;

#[vtable]
impl State for Late {
    type Section = Online;

    const NAME: &'static CStr = c"rust_riscv/sbi-ipi:late";

    fn up(cpu: &Online) -> Result {
        enable(cpu);
        Ok(())
    }
}
