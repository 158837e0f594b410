// SPDX-License-Identifier: GPL-2.0

//! Enabling the SBI IPI on CPUs that come online: `rust_riscv_sbi_ipi.ko`.
//!
//! The module takes `CPUHP_AP_IRQ_RISCV_SBI_IPI_STARTING` over from `arch/riscv/kernel/sbi-ipi.c`,
//! and gives it back when it is removed.
//!
//! - `states`: the hotplug states;
//! - `takeover`: ownership of the state, taking it over and giving it back;
//! - `stats`: the counters in debugfs.

use kernel::prelude::*;

use riscv::{
    cpuhp::CpusRead,
    debugfs::Scope,
    irq::percpu::{
        Local,
        PercpuIrq, //
    },
    sbi, //
};

mod states;
mod stats;
mod takeover;

module! {
    type: RustRiscvSbiIpi,
    name: "rust_riscv_sbi_ipi",
    authors: ["rust-riscv contributors"],
    description: "RISC-V SBI IPIs on CPUs coming online, in Rust",
    license: "GPL",
    params: {
        late: u8 {
            default: 0,
            description: "For tests: enable the IPI too late, as CPUHP_AP_ONLINE_DYN",
        },
    },
}

struct RustRiscvSbiIpi {
    // Dropped in this order: the files first, then the state.
    _stats: Pin<KBox<Scope<stats::View>>>,
    _state: takeover::TakenOver,
}

impl kernel::Module for RustRiscvSbiIpi {
    fn init(module: &'static ThisModule) -> Result<Self> {
        let late = riscv::compat::parameter::<u8>(module_parameters::late.value()) != 0;

        if late && cfg!(not(CONFIG_KUNIT)) {
            pr_err!(
                "late=1 stalls CPUs that come online: only for tests, in a kernel with KUnit\n"
            );
            return Err(EPERM);
        }
        if !sbi::delivers_ipis() {
            let text = "this machine's IPIs are not delivered by SBI: nothing to enable";

            // Built in, nobody has asked for it on this machine.
            if cfg!(MODULE) {
                pr_err!("{text}\n");
            } else {
                pr_info!("{text}\n");
            }
            return Err(ENODEV);
        }
        let irq = PercpuIrq::find(Local::Software)
            .ok_or(ENODEV)
            .inspect_err(|_| pr_err!("the SBI IPI has no interrupt mapped\n"))?;
        states::set_irq(irq);
        takeover::check()?;

        let room = KBox::new_uninit(GFP_KERNEL)?;
        let state = CpusRead::with(|cpus| takeover::TakenOver::new(cpus, late))?;

        if late {
            pr_warn!("late=1: CPUs that come online will stall\n");
        }
        if !takeover::CAN_GIVE_BACK {
            pr_info!("this kernel has no hook to give the state back: the module is permanent\n");
            // SAFETY: `__module_get()` requires that a reference to the module is held: the module
            // loader holds one while `init` runs.
            unsafe { kernel::bindings::__module_get(module.as_ptr()) };
        }
        Ok(RustRiscvSbiIpi {
            _state: state,
            // SAFETY: This is the last step, and it cannot fail. The files are dropped with the
            // module's data, before its text is freed.
            _stats: unsafe { stats::files(room) },
        })
    }
}
