// SPDX-License-Identifier: GPL-2.0

//! What RISC-V Linux needs in Rust and the `kernel` crate does not have.
//!
//! The crate is built into `rust_riscv.ko`; other modules use it with `--extern riscv`. One file
//! is one concept:
//!
//! - [`insn`]: encoding and decoding of instructions;
//! - [`edit`], [`plan`]: an edit of kernel text, and the order and strategy of a batch of them;
//! - [`text`]: which addresses are kernel text, and keeping them so;
//! - [`pgtable`]: walking page tables;
//! - [`window`]: writable aliases of text that close themselves;
//! - [`batch`]: verify every edit, then write;
//! - [`mod@stop_machine`], [`rendezvous`]: stopping every CPU, and meeting there;
//! - [`meet`]: the core of the rendezvous;
//! - [`barrier`]: barriers that the `kernel` crate lacks, and the patterns they are for;
//! - [`fence`]: instruction and translation caches, of this hart and of all;
//! - [`cpuhp`]: CPU hotplug states;
//! - [`percpu_irq`], [`irq_work`]: interrupts that a CPU has of its own, and sends itself;
//! - [`sbi`]: calls of the firmware;
//! - [`thread`]: two kernel threads on two CPUs, for tests and samples;
//! - [`time`]: the `time` CSR.
//!
//! The first three and [`pgtable`] are plain logic, also tested on the host.

use core::borrow::Borrow;

use kernel::{
    ffi::c_int,
    prelude::*, //
};

#[cfg(rust_riscv_barriers)]
pub mod barrier;
pub mod batch;
mod bindings;
pub mod cpuhp;
pub mod edit;
pub mod fence;
pub mod insn;
pub mod irq_work;
pub mod meet;
pub mod percpu_irq;
pub mod pgtable;
pub mod plan;
pub mod rendezvous;
pub mod sbi;
pub mod stop_machine;
pub mod text;
pub mod thread;
pub mod time;
pub mod window;

module! {
    type: RustRiscv,
    name: "rust_riscv",
    authors: ["rust-riscv contributors"],
    description: "Rust abstractions for RISC-V Linux",
    license: "GPL",
}

struct RustRiscv;

impl kernel::Module for RustRiscv {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        Ok(RustRiscv)
    }
}

/// The error whose number is `number`, as C spells it: positive.
///
/// For those that the `kernel` crate of Linux 7.2 does not declare.
pub fn errno(number: u32) -> Error {
    Error::from_errno(-(number as c_int))
}

/// The value of a module parameter, which Linux 7.2 lends and 7.3 copies.
pub fn parameter<T: Copy>(value: impl Borrow<T>) -> T {
    *value.borrow()
}

/// Whether one more line about refused edits may go to the log now.
pub fn may_log() -> bool {
    // SAFETY: No requirements.
    unsafe { bindings::rr_ratelimit() }
}
