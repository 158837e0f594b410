// SPDX-License-Identifier: GPL-2.0

//! KUnit suite of the examples in the documentation of our crates.

use kernel::prelude::*;

module! {
    type: Tests,
    name: "rust_riscv_kunit_examples",
    authors: ["rust-riscv contributors"],
    description: "KUnit suite of the examples in the documentation",
    license: "GPL",
}

struct Tests;

impl kernel::Module for Tests {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        Ok(Tests)
    }
}

include!(concat!(
    env!("RUST_RISCV_OBJ"),
    "/tests/kunit/examples/examples_generated.rs"
));
