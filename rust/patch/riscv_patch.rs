// SPDX-License-Identifier: GPL-2.0

//! Kernel text patching: `rust_riscv_patch.ko`.
//!
//! - [`batch`]: what Rust users call;
//! - [`abi`]: what C users call, see `include/rust_riscv/patch.h`;
//! - `engine`: committing, by the cheapest strategy that is safe;
//! - `control`: overriding the strategy, for measurements;
//! - `stats`: the counters in debugfs.

use kernel::prelude::*;

pub mod abi;
pub mod batch;
mod control;
mod engine;
mod stats;

module! {
    type: RustRiscvPatch,
    name: "rust_riscv_patch",
    authors: ["rust-riscv contributors"],
    description: "RISC-V kernel text patching in Rust",
    license: "GPL",
    params: {
        window_pages: u32 {
            default: 8192,
            description: "Pages of text that one batch can touch (4 KiB each, address space only)",
        },
        write_twice: u8 {
            default: 0,
            description: "Write live edits again after their flush, for QEMU's multi-threaded TCG",
        },
    },
}

struct RustRiscvPatch {
    // Dropped in this order: nobody can look at the engine's counters once it is gone.
    _stats: Pin<KBox<stats::Files>>,
    _engine: engine::Registration,
}

impl kernel::Module for RustRiscvPatch {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        if cfg!(not(CONFIG_STRICT_KERNEL_RWX)) || cfg!(not(CONFIG_STRICT_MODULE_RWX)) {
            pr_err!("needs CONFIG_STRICT_KERNEL_RWX and CONFIG_STRICT_MODULE_RWX\n");
            return Err(riscv::errno(kernel::bindings::EOPNOTSUPP));
        }

        let pages = riscv::parameter::<u32>(module_parameters::window_pages.value()) as usize;
        // SAFETY: Called once, when the module is loaded.
        let engine = unsafe { engine::Registration::new(pages) }
            .inspect_err(|_| pr_err!("no window of {pages} pages\n"))?;

        pr_info!("no hooks in this kernel: patching for our own users only\n");
        Ok(RustRiscvPatch {
            _stats: stats::Files::new()?,
            _engine: engine,
        })
    }
}
