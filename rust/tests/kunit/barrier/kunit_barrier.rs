// SPDX-License-Identifier: GPL-2.0

//! KUnit suite of the barriers and the patterns that use them.
//!
//! This suite tests what they guarantee besides ordering. Their orderings are tested by the litmus
//! tests and, on the harts of the machine, by `rust/tests/litmus/rust_litmus.rs`.

use kernel::prelude::*;

// The suite.
mod barrier;

mod probes;

module! {
    type: Tests,
    name: "rust_riscv_kunit_barrier",
    authors: ["rust-riscv contributors"],
    description: "KUnit suite of barriers and their patterns",
    license: "GPL",
}

struct Tests;

impl kernel::Module for Tests {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        probes::keep();
        Ok(Tests)
    }
}
