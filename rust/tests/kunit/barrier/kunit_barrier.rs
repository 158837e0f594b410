// SPDX-License-Identifier: GPL-2.0

//! KUnit suite of the barriers and of the patterns they are for.
//!
//! That the patterns order anything is shown elsewhere: by the litmus tests, and on real harts by
//! `rust/tests/litmus/rust_litmus.rs`. This is about what they promise beside that.

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
