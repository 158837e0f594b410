// SPDX-License-Identifier: GPL-2.0

//! What RISC-V Linux needs in Rust and the `kernel` crate does not have.
//!
//! The crate is built into `rust_riscv.ko`; other modules use it with `--extern riscv`. One file
//! is one concept:
//!
//! - [`insn`]: encoding and decoding of instructions;
//! - [`edit`], [`plan`]: an edit of kernel text, and the order and strategy of a batch of them;
//! - [`emulate`]: running a few instructions on a saved set of registers;
//! - [`text`]: which addresses are kernel text, and keeping them so;
//! - [`text_lock`]: keeping others from writing it;
//! - [`provider`]: writing it in place of the kernel, where the kernel has our hooks;
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
//! - [`symbol`]: naming kernel text in the log;
//! - [`debugfs`]: files in debugfs that keep their module loaded while they are open;
//! - [`thread`]: two kernel threads on two CPUs, for tests and samples;
//! - [`fault`], [`user_fault`]: forbidden accesses of user mode, and reporting them;
//! - [`counter`]: counters for each CPU;
//! - [`adversary`]: delays at named points, for tests;
//! - [`tp`]: the current task and CPU;
//! - [`time`]: the `time` CSR.
//!
//! The first four, [`pgtable`] and [`fault`] are plain logic, also tested on the host.

use core::borrow::Borrow;

use kernel::{
    ffi::c_int,
    prelude::*, //
};

pub mod adversary;
pub mod barrier;
pub mod batch;
mod bindings;
pub mod counter;
pub mod cpuhp;
pub mod debugfs;
pub mod edit;
pub mod emulate;
pub mod fault;
pub mod fence;
pub mod guards;
pub mod insn;
pub mod irq_work;
pub mod meet;
pub mod percpu_irq;
pub mod pgtable;
pub mod plan;
#[cfg(rust_riscv_text_hooks)]
pub mod provider;
pub mod rendezvous;
pub mod sbi;
pub mod stop_machine;
pub mod symbol;
pub mod text;
pub mod text_lock;
pub mod thread;
pub mod time;
pub mod tp;
pub mod user_fault;
pub mod window;

module! {
    type: RustRiscv,
    name: "rust_riscv",
    authors: ["rust-riscv contributors"],
    description: "Rust abstractions for RISC-V Linux",
    license: "GPL",
    params: {
        adversary_us: u32 {
            default: 0,
            description: "For tests, in a kernel with KUnit: delay critical points by up to this many microseconds",
        },
        adversary_seed: u64 {
            default: 0,
            description: "Where the random numbers of adversary_us begin",
        },
    },
}

struct RustRiscv;

impl kernel::Module for RustRiscv {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let longest_us = parameter::<u32>(module_parameters::adversary_us.value());
        let seed = parameter::<u64>(module_parameters::adversary_seed.value());

        if longest_us > adversary::MOST_US {
            pr_err!("adversary_us: {} at the most\n", adversary::MOST_US);
            return Err(EINVAL);
        }
        if longest_us > 0 && cfg!(not(CONFIG_KUNIT)) {
            pr_err!("adversary_us: only in a kernel with CONFIG_KUNIT\n");
            return Err(errno(kernel::bindings::EOPNOTSUPP));
        }
        if longest_us > 0 {
            pr_info!("delays of up to {longest_us} us, seed {seed}: for tests only\n");
            adversary::start(seed, time::Ticks::in_us(longest_us));
        }
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

/// The number of CPUs that are online now. Any context.
#[inline(always)]
pub fn online_cpus() -> u32 {
    // SAFETY: No requirements.
    unsafe { bindings::rr_num_online_cpus() }
}

/// Whether one more line about refused edits may go to the log now.
pub fn may_log() -> bool {
    // SAFETY: No requirements.
    unsafe { bindings::rr_ratelimit() }
}
