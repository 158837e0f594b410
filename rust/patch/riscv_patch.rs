// SPDX-License-Identifier: GPL-2.0

//! Kernel text patching: `rust_riscv_patch.ko`.
//!
//! - [`batch`]: the Rust API; [`ffi`]: the C API, see `include/rust_riscv/patch.h`;
//! - `engine`: commits batches, one at a time, by the protocol in [`riscv::text::commit`];
//! - `text_provider`, `queue`, `poke`: writes for the kernel's own users, in a kernel with our
//!   hooks;
//! - `trap`: the handler of the breakpoints that stand in for instructions while they are replaced;
//! - `options`, `strategy`: overrides, for tests and measurements;
//! - `stats`, `debugfs`: counters, and the files that show them.

use kernel::prelude::*;

use riscv::debugfs::Scope;

pub mod batch;
mod debugfs;
mod engine;
pub mod ffi;
mod options;
#[cfg(rust_riscv_text_hooks)]
mod poke;
#[cfg(rust_riscv_text_hooks)]
mod queue;
pub mod stats;
mod strategy;
#[cfg(rust_riscv_text_hooks)]
mod text_provider;
#[cfg(rust_riscv_text_hooks)]
mod trap;

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
            description: "Maximum pages of text in one batch (4 KiB of address space each)",
        },
        queue_edits: u32 {
            default: 32768,
            description: "Maximum edits of the kernel's own users in one batch (32 bytes each)",
        },
        write_twice: u8 {
            default: 0,
            description: "Write live edits again after their flush, for QEMU's multi-threaded TCG",
        },
        atomic_fetch: u8 {
            default: 2,
            description: "Atomic fetch of 4 bytes: 0 no (QEMU < 10.1), 1 yes, 2 as ISA strings say",
        },
    },
}

struct RustRiscvPatch {
    // Dropped in this order: first the provider, so that the kernel falls back to C, then the files
    // that show the engine's state, then the engine.
    #[cfg(rust_riscv_text_hooks)]
    _provider: riscv::text::provider::Registration<text_provider::TextProvider>,
    _stats: Pin<KBox<Scope<debugfs::View>>>,
    _engine: engine::Reservation,
}

/// Registers the provider, so that the kernel's own users write through this module.
#[cfg(rust_riscv_text_hooks)]
fn take_over(
    pages: usize,
) -> Result<riscv::text::provider::Registration<text_provider::TextProvider>> {
    let edits = riscv::compat::parameter::<u32>(module_parameters::queue_edits.value()) as usize;
    let provider = text_provider::TextProvider::new(edits, pages)
        .inspect_err(|_| pr_err!("cannot allocate a queue of {edits} edits\n"))?;

    // SAFETY: The registration is dropped with the module's data, or if `init` fails. Both are
    // before the module's text is freed.
    unsafe { riscv::text::provider::Registration::new(provider) }
        .inspect_err(|_| pr_err!("another provider for kernel text is registered\n"))
        .inspect(|_| pr_info!("registered as the provider for kernel text\n"))
}

impl kernel::Module for RustRiscvPatch {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        if cfg!(not(rust_riscv_text_hooks)) {
            pr_info!("this kernel has no hooks: patching only for users of this module\n");
        }
        if cfg!(not(CONFIG_STRICT_KERNEL_RWX)) || cfg!(not(CONFIG_STRICT_MODULE_RWX)) {
            pr_err!("needs CONFIG_STRICT_KERNEL_RWX and CONFIG_STRICT_MODULE_RWX\n");
            return Err(riscv::compat::errno(kernel::bindings::EOPNOTSUPP));
        }

        let pages =
            riscv::compat::parameter::<u32>(module_parameters::window_pages.value()) as usize;
        // SAFETY: `init` is called once.
        let engine = unsafe { engine::Reservation::new(pages) }
            .inspect_err(|_| pr_err!("cannot reserve a window of {pages} pages\n"))?;

        Ok(RustRiscvPatch {
            // Evaluated in this order. If one fails, those before it are dropped in reverse order.
            _engine: engine,
            #[cfg(rust_riscv_text_hooks)]
            _provider: take_over(pages)?,
            // SAFETY: This is the last step that can fail, and the files are dropped with the
            // module's data, before its text is freed.
            _stats: unsafe { debugfs::files() }?,
        })
    }
}
