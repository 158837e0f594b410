// SPDX-License-Identifier: GPL-2.0

//! Rust abstractions for RISC-V Linux that the `kernel` crate does not have.
//!
//! The crate is built into `rust_riscv.ko`; other modules use it with `--extern riscv`. Each file
//! holds one concept:
//!
//! - [`insn`]: encoding and decoding of instructions;
//! - [`edit`], [`plan`]: an edit of kernel text, and the order and strategy of a batch of them;
//! - [`emulate`]: emulation of a few instructions on a saved set of registers;
//! - [`text`]: which addresses are kernel text, and pinning the modules that it belongs to;
//! - [`text_lock`]: the lock that excludes other writers of kernel text;
//! - [`provider`]: writers that the kernel calls instead of its C code, if it has our hooks;
//! - [`pgtable`]: page-table walks;
//! - [`window`]: temporary writable mappings of text;
//! - [`guards`]: the table of in-flight edits, for the breakpoint handler;
//! - [`batch`]: verifying and writing a batch of edits;
//! - [`mod@stop_machine`], [`rendezvous`]: stopping all CPUs, and writing on the last to arrive;
//! - [`meet`]: the protocol of the rendezvous;
//! - [`barrier`]: barriers that the `kernel` crate does not have, and patterns that use them;
//! - [`fence`]: flushes of instruction caches and TLBs;
//! - [`cpuhp`]: CPU hotplug states;
//! - [`percpu_irq`], [`irq_work`]: per-CPU interrupts, and IPIs of a CPU to itself;
//! - [`sbi`]: SBI calls to the firmware;
//! - [`symbol`]: symbol names for addresses in the log;
//! - [`debugfs`]: files in debugfs that keep their module loaded while they are open;
//! - [`thread`]: two kernel threads on two CPUs, for tests and samples;
//! - [`fault`], [`user_fault`]: forbidden accesses of user mode, and reporting them;
//! - [`counter`]: per-CPU counters;
//! - [`adversary`]: delays at named points, for tests;
//! - [`tp`]: the current task and CPU;
//! - [`time`]: the `time` CSR.
//!
//! [`insn`], [`edit`], [`plan`], [`emulate`], [`pgtable`] and [`fault`] are plain logic, which is
//! also tested on the host.

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
            description: "Seed of the random delays of adversary_us",
        },
    },
}

struct RustRiscv;

impl kernel::Module for RustRiscv {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let longest_us = parameter::<u32>(module_parameters::adversary_us.value());
        let seed = parameter::<u64>(module_parameters::adversary_seed.value());

        if longest_us > adversary::MOST_US {
            pr_err!("adversary_us is greater than {}\n", adversary::MOST_US);
            return Err(EINVAL);
        }
        if longest_us > 0 && cfg!(not(CONFIG_KUNIT)) {
            pr_err!("adversary_us needs CONFIG_KUNIT\n");
            return Err(errno(kernel::bindings::EOPNOTSUPP));
        }
        if longest_us > 0 {
            pr_info!("delays of up to {longest_us} us, seed {seed}: for tests only\n");
            adversary::start(seed, time::Ticks::in_us(longest_us));
        }
        Ok(RustRiscv)
    }
}

/// The error with the errno `number`, which is positive, as in C.
///
/// For errors that the `kernel` crate of Linux 7.2 does not declare.
pub fn errno(number: u32) -> Error {
    Error::from_errno(-(number as c_int))
}

/// The value of a module parameter, which Linux 7.2 returns by reference and 7.3 by value.
pub fn parameter<T: Copy>(value: impl Borrow<T>) -> T {
    *value.borrow()
}

/// The number of CPUs that are online now. Any context.
#[inline(always)]
pub fn online_cpus() -> u32 {
    // SAFETY: `num_online_cpus()` only reads an atomic, in any context.
    unsafe { bindings::rr_num_online_cpus() }
}

/// Whether the rate limit allows another log line about refused edits.
pub fn may_log() -> bool {
    // SAFETY: `__ratelimit()` may be called in any context: it only tries to take its lock.
    unsafe { bindings::rr_ratelimit() }
}
