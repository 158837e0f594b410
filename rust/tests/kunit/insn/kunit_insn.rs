// SPDX-License-Identifier: GPL-2.0

//! KUnit suite of the plain logic on the target: our encoders against the assembler, and our
//! page-table walk on the kernel's own page tables.

use kernel::prelude::*;

// The suite.
mod insn;

// What the suite compares with.
mod assembled;

module! {
    type: Tests,
    name: "rust_riscv_kunit_insn",
    authors: ["rust-riscv contributors"],
    description: "KUnit suite of instruction encoding and page-table walks",
    license: "GPL",
}

struct Tests;

impl kernel::Module for Tests {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        Ok(Tests)
    }
}
