// SPDX-License-Identifier: GPL-2.0

//! `rust_riscv_fault.ko`: checks accesses of user page faults under the per-VMA lock.
//!
//! - [`handler`]: the handlers that the kernel's fault path calls, on a kernel with our hooks;
//! - [`ffi`]: the access check for C, see `include/rust_riscv/fault.h`;
//! - [`stats`]: the counters in debugfs.

use kernel::prelude::*;

use riscv::debugfs::Scope;
#[cfg(rust_riscv_fault_hook)]
use riscv::fault::user::HandlerRegistration;

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
            description: "For measurements: look up VMAs again under mmap_lock, as before 6.12",
        },
    },
}

// The constants in `ffi` have the values of the kernel's.
const _: () = {
    use kernel::bindings;

    assert!(ffi::SIGSEGV as u32 == bindings::SIGSEGV);
    assert!(ffi::SEGV_ACCERR as u32 == bindings::SEGV_ACCERR);
};

/// The registered handler.
#[cfg(rust_riscv_fault_hook)]
#[expect(dead_code, reason = "held until it is dropped")]
enum Hook {
    Signal(HandlerRegistration<handler::SignalForbidden>),
    Retry(HandlerRegistration<handler::RetryForbidden>),
}

#[cfg(rust_riscv_fault_hook)]
impl Hook {
    fn new() -> Result<Hook> {
        let retry =
            riscv::compat::parameter::<u8>(module_parameters::retry_under_mmap_lock.value()) != 0;
        // SAFETY: The registration is dropped with the module's data, or if `init` fails. Both are
        // before the module's text is freed.
        let hook = unsafe {
            if retry {
                HandlerRegistration::new().map(Hook::Retry)
            } else {
                HandlerRegistration::new().map(Hook::Signal)
            }
        };

        hook.inspect(|_| pr_info!("handling user page faults\n"))
            .inspect_err(|_| pr_err!("another fault provider is registered\n"))
    }
}

struct RustRiscvFault {
    // Fields are dropped in this order.
    _stats: Pin<KBox<Scope<stats::View>>>,
    #[cfg(rust_riscv_fault_hook)]
    _hook: Hook,
}

impl kernel::Module for RustRiscvFault {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        if cfg!(not(rust_riscv_fault_hook)) {
            pr_info!("the fault path of this kernel is not hooked: only the C API is available\n");
        }
        Ok(RustRiscvFault {
            #[cfg(rust_riscv_fault_hook)]
            _hook: Hook::new()?,
            // SAFETY: This is the last step that can fail, and the files are dropped with the
            // module's data, before its text is freed.
            _stats: unsafe { stats::files() }?,
        })
    }
}
