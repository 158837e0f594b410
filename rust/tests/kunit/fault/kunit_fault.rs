// SPDX-License-Identifier: GPL-2.0

//! KUnit suite of user faults: the decision, on VMAs of an address space of the test's own, and what
//! is done about it where the kernel has our hooks.
//!
//! That a task gets its signal is for programs in user mode, `rust/tests/user/`: a kernel thread
//! takes none. Here `do_trap()` is watched: nothing in Rust may
//! call it, as it sleeps on `PREEMPT_RT`, and a task that sleeps does not keep the module in place.

use kernel::prelude::*;

// The suites: each file has the one of its name.
mod fault;
#[cfg(rust_riscv_fault_hook)]
mod fault_hook;

// What they share.
mod bindings;
mod space;

module! {
    type: Tests,
    name: "rust_riscv_kunit_fault",
    authors: ["rust-riscv contributors"],
    description: "KUnit suite of user faults",
    license: "GPL",
}

struct Tests;

impl kernel::Module for Tests {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        Ok(Tests)
    }
}
