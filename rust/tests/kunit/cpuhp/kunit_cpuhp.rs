// SPDX-License-Identifier: GPL-2.0

//! KUnit suites of CPU hotplug states, of SBI calls, and of CPU hotplug under load.

use kernel::prelude::*;

// The suites, one per file.
mod cpuhp;
mod hotplug;
mod sbi;

// What the suites share.
#[path = "../support/bindings.rs"]
mod bindings;
mod cpus;
mod load;
mod states;
#[path = "../support/support.rs"]
mod support;

module! {
    type: Tests,
    name: "rust_riscv_kunit_cpuhp",
    authors: ["rust-riscv contributors"],
    description: "KUnit suites of CPU hotplug states",
    license: "GPL",
    params: {
        hotplug_cycles: u32 {
            default: 1_000,
            description: "How often each CPU but the boot one goes off and on under load",
        },
        hotplug_bound_ms: u32 {
            default: 5_000,
            description: "Within which a call, a timer and a work item are answered meanwhile",
        },
    },
}

struct Tests;

impl kernel::Module for Tests {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        // Built in, this runs before sysfs is mounted.
        if cfg!(MODULE) {
            cpuhp::STATE_NAMES.populate(cpuhp::state_names());
        }
        Ok(Tests)
    }
}
