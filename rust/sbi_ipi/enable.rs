// SPDX-License-Identifier: GPL-2.0

//! Enabling the SBI IPI on a CPU that comes online.

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
    percpu_irq::{
        PercpuIrq,
        Trigger, //
    },
    sbi,
    time::Ticks, //
};

use crate::stats;

static IRQ: SetOnce<(PercpuIrq, Trigger)> = SetOnce::new();

/// Sets the interrupt, before any state is set up.
pub(crate) fn set_irq(irq: PercpuIrq) {
    IRQ.populate((irq, irq.trigger()));
}

fn enable(here: &impl Here) {
    let entered = Ticks::now();
    let pending = sbi::ipi_is_pending(here);

    // All of it is there for whoever sees this CPU online. litmus: hotplug+online
    //
    // Like the C: never disabled again, since the multiplexer masks the IPIs of a CPU going off.
    if let Some((irq, trigger)) = IRQ.as_ref() {
        irq.enable(here, *trigger);
    }
    stats::count(here, entered, pending);
}

/// Before the CPU is online: nobody can have sent it an IPI that it will not hear.
pub(crate) struct Early;

#[vtable]
impl State for Early {
    type Section = Starting;

    const NAME: &'static CStr = c"rust_riscv/sbi-ipi:starting";

    fn up(cpu: &Starting) {
        enable(cpu);
    }
}

/// Where it used to be, and was wrong: behind `workqueue:online`, and behind the wake-up of the
/// hotplug thread that is to run it. For tests only.
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
