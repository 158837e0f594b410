// SPDX-License-Identifier: GPL-2.0

//! Kernel text patching: `rust_riscv_patch.ko`.
//!
//! - [`batch`]: what Rust users call;
//! - [`abi`]: what C users call, see `include/rust_riscv/patch.h`;
//! - `engine`: committing, by the cheapest strategy that is safe;
//! - `guard`, `breakpoint`: breakpoints in front of instructions that are replaced together, and
//!   running into one;
//! - `provider`, `queue`: writing what the kernel's own users write, if it has our hooks;
//! - `control`: overriding the strategy, for measurements;
//! - `stats`: the counters in debugfs.

use kernel::prelude::*;

pub mod abi;
pub mod batch;
#[cfg(rust_riscv_text_hooks)]
mod breakpoint;
mod control;
mod engine;
mod guard;
#[cfg(rust_riscv_text_hooks)]
mod provider;
#[cfg(rust_riscv_text_hooks)]
mod queue;
pub mod stats;

pub use engine::fail_next;

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
        queue_edits: u32 {
            default: 32768,
            description: "Edits of the kernel's own users that make up a batch (32 bytes each)",
        },
        write_twice: u8 {
            default: 0,
            description: "Write live edits again after their flush, for QEMU's multi-threaded TCG",
        },
        atomic_fetch: u8 {
            default: 2,
            description: "Harts fetch 4 aligned bytes at once: 0 no (QEMU before 10.1), 1 yes, 2 if their ISA string has Ziccif",
        },
    },
}

struct RustRiscvPatch {
    // Dropped in this order: first the kernel writes its text itself again, and nobody can look at
    // the engine's counters once it is gone.
    #[cfg(rust_riscv_text_hooks)]
    _provider: riscv::provider::Registration<provider::TextProvider>,
    _stats: Pin<KBox<stats::Files>>,
    _engine: engine::Registration,
}

/// Has the kernel's own users patch through us.
#[cfg(rust_riscv_text_hooks)]
fn take_over(pages: usize) -> Result<riscv::provider::Registration<provider::TextProvider>> {
    let edits = riscv::parameter::<u32>(module_parameters::queue_edits.value()) as usize;
    let provider = provider::TextProvider::new(edits, pages)
        .inspect_err(|_| pr_err!("no queue of {edits} edits\n"))?;

    // SAFETY: Dropped with the module's data, before its text goes, as a failed `init` does.
    unsafe { riscv::provider::Registration::new(provider) }
        .inspect_err(|_| pr_err!("somebody else writes the kernel's text already\n"))
        .inspect(|_| pr_info!("writing the kernel's text\n"))
}

impl kernel::Module for RustRiscvPatch {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        if cfg!(not(rust_riscv_text_hooks)) {
            pr_info!("no hooks in this kernel: patching for our own users only\n");
        }
        if cfg!(not(CONFIG_STRICT_KERNEL_RWX)) || cfg!(not(CONFIG_STRICT_MODULE_RWX)) {
            pr_err!("needs CONFIG_STRICT_KERNEL_RWX and CONFIG_STRICT_MODULE_RWX\n");
            return Err(riscv::errno(kernel::bindings::EOPNOTSUPP));
        }

        let pages = riscv::parameter::<u32>(module_parameters::window_pages.value()) as usize;
        // SAFETY: Called once, when the module is loaded.
        let engine = unsafe { engine::Registration::new(pages) }
            .inspect_err(|_| pr_err!("no window of {pages} pages\n"))?;

        Ok(RustRiscvPatch {
            // Evaluated in this order, and given up in the opposite one if a later one fails.
            _engine: engine,
            #[cfg(rust_riscv_text_hooks)]
            _provider: take_over(pages)?,
            // SAFETY: The last step, and dropped with the module's data, before its text goes.
            _stats: unsafe { stats::Files::new() }?,
        })
    }
}
