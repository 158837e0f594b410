// SPDX-License-Identifier: GPL-2.0

//! The SBI IPI of CPUs that come online: `rust_riscv_sbi_ipi.ko`.
//!
//! Takes `CPUHP_AP_IRQ_RISCV_SBI_IPI_STARTING` over from `arch/riscv/kernel/sbi-ipi.c`, and gives it
//! back when it is removed.
//!
//! - `enable`: the states;
//! - `owner`: whose the state is, taking it over and giving it back;
//! - `stats`: the counters in debugfs.

use kernel::prelude::*;

use riscv::{
    cpuhp::CpusRead,
    percpu_irq::{
        Local,
        PercpuIrq, //
    },
    sbi, //
};

mod enable;
mod owner;
mod stats;

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
    // Dropped in this order: once the state is given back, no callback counts any more.
    _stats: Pin<KBox<stats::Files>>,
    _state: owner::TakenOver,
}

impl kernel::Module for RustRiscvSbiIpi {
    fn init(module: &'static ThisModule) -> Result<Self> {
        let late = riscv::parameter::<u8>(module_parameters::late.value()) != 0;

        if late && cfg!(not(CONFIG_KUNIT)) {
            pr_err!(
                "late=1 stalls CPUs that come online: only for tests, on a kernel with KUnit\n"
            );
            return Err(EPERM);
        }
        if !sbi::delivers_ipis() {
            pr_err!("this machine's IPIs are not delivered by SBI: nothing to enable\n");
            return Err(ENODEV);
        }
        let irq = PercpuIrq::find(Local::Software)
            .ok_or(ENODEV)
            .inspect_err(|_| pr_err!("the SBI IPI has no interrupt\n"))?;
        enable::set_irq(irq);
        owner::check()?;

        let room = KBox::new_uninit(GFP_KERNEL)?;
        let state = CpusRead::with(|cpus| owner::TakenOver::new(cpus, late))?;

        if late {
            pr_warn!("CPUs that come online will stall: late=1\n");
        }
        if !owner::CAN_GIVE_BACK {
            pr_info!("no hook in this kernel to give the state back: staying for good\n");
            // SAFETY: Called while the module is loaded, by itself.
            unsafe { kernel::bindings::__module_get(module.as_ptr()) };
        }
        Ok(RustRiscvSbiIpi {
            _state: state,
            // SAFETY: Nothing fails any more, and it is dropped with the module's data, before its
            // text goes.
            _stats: unsafe { stats::Files::new(room) },
        })
    }
}
