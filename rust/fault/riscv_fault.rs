// SPDX-License-Identifier: GPL-2.0

//! Forbidden accesses of user mode, reported under the lock of their VMA: `rust_riscv_fault.ko`.
//!
//! - [`handler`]: what the kernel's fault path calls, where it has our hooks;
//! - [`ffi`]: the decision for C, see `include/rust_riscv/fault.h`;
//! - [`stats`]: the counters in debugfs.

use kernel::prelude::*;

#[cfg(rust_riscv_fault_hook)]
use riscv::fault::user::Registration;

pub mod ffi;
#[cfg(rust_riscv_fault_hook)]
pub mod handler;
pub mod stats;

module! {
    type: RustRiscvFault,
    name: "rust_riscv_fault",
    authors: ["rust-riscv contributors"],
    description: "RISC-V forbidden user accesses in Rust",
    license: "GPL",
    params: {
        retry_under_mmap_lock: u8 {
            default: 0,
            description: "For measurements: look forbidden accesses up again under mmap_lock, as kernels before 6.12 did",
        },
    },
}

#[cfg(rust_riscv_fault_hook)]
#[expect(dead_code, reason = "held until it is dropped")]
enum Hook {
    Judge(Registration<handler::Judge>),
    Retry(Registration<handler::Retry>),
}

#[cfg(rust_riscv_fault_hook)]
impl Hook {
    fn new() -> Result<Hook> {
        let retry =
            riscv::compat::parameter::<u8>(module_parameters::retry_under_mmap_lock.value()) != 0;
        // SAFETY: Dropped with the module's data, before its text goes, as a failed `init` does.
        let hook = unsafe {
            if retry {
                Registration::new().map(Hook::Retry)
            } else {
                Registration::new().map(Hook::Judge)
            }
        };

        hook.inspect(|_| pr_info!("user faults are judged here\n"))
            .inspect_err(|_| pr_err!("somebody else judges user faults already\n"))
    }
}

struct RustRiscvFault {
    // Dropped in this order.
    _stats: Pin<KBox<stats::Files>>,
    #[cfg(rust_riscv_fault_hook)]
    _hook: Hook,
}

impl kernel::Module for RustRiscvFault {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        if cfg!(not(rust_riscv_fault_hook)) {
            pr_info!("the fault path of this kernel is not hooked: only the decision is offered\n");
        }
        Ok(RustRiscvFault {
            #[cfg(rust_riscv_fault_hook)]
            _hook: Hook::new()?,
            // SAFETY: The last step, and dropped with the module's data, before its text goes.
            _stats: unsafe { stats::Files::new() }?,
        })
    }
}
