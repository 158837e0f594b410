// SPDX-License-Identifier: GPL-2.0

//! KUnit suites of user faults: the access check, on VMAs of the test's own address space, and the
//! handler, on a kernel with our hooks.
//!
//! Signals are tested by programs in user mode, `rust/tests/user/`, since a kernel thread takes
//! none. Here calls of `do_trap()` are counted: Rust code must not call it, since it sleeps on
//! `PREEMPT_RT`, and unloading the module does not wait for a task that sleeps.

use kernel::prelude::*;

// The suites, one per file.
mod fault;
#[cfg(rust_riscv_fault_hook)]
mod fault_hook;

// What the suites share.
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
