// SPDX-License-Identifier: GPL-2.0

//! KUnit suite of the kernel's own users of text patching: no call is missed.
//!
//! Kprobes, tracers and a static key count the calls of one function, while others are enabled and
//! disabled on the same function. This tests the kernel's text patching: that of C, or of the
//! provider that is registered.

use kernel::prelude::*;

// The suite.
mod counts;

// What the suite uses.
mod counted;

module! {
    type: Tests,
    name: "rust_riscv_kunit_counts",
    authors: ["rust-riscv contributors"],
    description: "KUnit suite: hits of probes and tracers equal calls",
    license: "GPL",
    params: {
        count_rounds: u32 {
            default: 100,
            description: "How often each test switches everything on and off",
        },
    },
}

struct Tests;

impl kernel::Module for Tests {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        Ok(Tests)
    }
}
