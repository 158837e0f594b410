// SPDX-License-Identifier: GPL-2.0

//! Rust abstractions for RISC-V Linux that the `kernel` crate does not have.
//!
//! The crate is built into `rust_riscv.ko`; other modules use it with `--extern riscv`.
//!
//! Kernel text:
//!
//! - [`insn`]: encoding, decoding and emulation of instructions;
//! - [`text`]: text, and what writes it: [`edits`](text::edit), the [`plan`](text::plan) for a
//!   batch of them, the [`window`](text::window) that makes text writable, and the protocol that
//!   [commits](text::commit) a batch while harts execute the text;
//! - [`mod@stop_machine`]: stopping all CPUs, and the [`rendezvous`](stop_machine::rendezvous)
//!   whose last CPU to arrive writes;
//! - [`mm`]: page tables, and flushes of instruction caches and TLBs.
//!
//! CPUs and interrupts:
//!
//! - [`cpuhp`]: CPU hotplug states;
//! - [`irq`]: per-CPU interrupts, and IPIs of a CPU to itself;
//! - [`sbi`]: SBI calls to the firmware;
//! - [`mod@current`], [`timebase`], [`percpu_counter`]: the current task and CPU, the `time` CSR,
//!   and per-CPU counters.
//!
//! Page faults: [`fault`]: forbidden accesses of user mode, and reporting them.
//!
//! Ordering: [`barrier`]: barriers that the `kernel` crate does not have, and patterns that use
//! them.
//!
//! The rest: [`debugfs`], files that keep their module loaded while they are open; [`symbol`],
//! symbol names for addresses in the log; [`compat`], differences between kernel versions; and for
//! tests, [`thread`], two kernel threads on two CPUs, and [`adversary`], delays at named points.
//!
//! [`insn`], [`text::edit`], [`text::plan`], [`mm::pgtable`] and [`fault::access`] are plain logic,
//! which is also tested on the host.

use kernel::prelude::*;

use compat::{
    errno,
    parameter, //
};

pub mod adversary;
pub mod barrier;
mod bindings;
pub mod compat;
pub mod cpuhp;
pub mod current;
pub mod debugfs;
pub mod fault;
pub mod insn;
mod interrupts_off;
pub mod irq;
pub mod mm;
pub mod percpu_counter;
pub mod sbi;
pub mod stop_machine;
pub mod symbol;
pub mod text;
pub mod thread;
pub mod timebase;

module! {
    type: RustRiscv,
    name: "rust_riscv",
    authors: ["rust-riscv contributors"],
    description: "Rust abstractions for RISC-V Linux",
    license: "GPL",
    params: {
        adversary_us: u32 {
            default: 0,
            description: "For tests, needs KUnit: longest random delay at critical points, in us",
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
            adversary::start(seed, timebase::Ticks::in_us(longest_us));
        }
        Ok(RustRiscv)
    }
}

/// Returns the number of CPUs that are online now. Any context.
#[inline(always)]
pub fn online_cpus() -> u32 {
    // SAFETY: `num_online_cpus()` only reads an atomic, in any context.
    unsafe { bindings::rust_riscv_num_online_cpus() }
}

/// Returns whether the rate limit allows another log line about refused edits. Any context.
pub fn may_log() -> bool {
    // SAFETY: `__ratelimit()` may be called in any context: it only tries to take its lock.
    unsafe { bindings::rust_riscv_ratelimit() }
}
