// SPDX-License-Identifier: GPL-2.0

//! KUnit suites of the text-patching engine, which patch this module's own text.

use kernel::{
    bindings::{
        EBUSY,
        ESHUTDOWN, //
    },
    prelude::*, //
};

use riscv::compat::errno;

// The suites, one per file.
mod adversary;
mod engine;
mod flush;
#[cfg(rust_riscv_text_hooks)]
mod guard;
#[cfg(rust_riscv_text_hooks)]
mod kernel_flush;
#[cfg(all(rust_riscv_text_hooks, CONFIG_KPROBES))]
mod kprobes;
mod memory;
#[cfg(rust_riscv_text_hooks)]
mod provider;
mod rendezvous;
mod tearing;
mod window;

// What the suites share.
#[path = "../support/bindings.rs"]
mod bindings;
mod delay;
mod flip;
mod hammer;
mod hotplug;
mod reader;
#[path = "../support/support.rs"]
mod support;
mod targets;
#[cfg(rust_riscv_text_hooks)]
mod writes;

module! {
    type: Tests,
    name: "rust_riscv_kunit_engine",
    authors: ["rust-riscv contributors"],
    description: "KUnit suites of the text-patching engine",
    license: "GPL",
    params: {
        tearing_live: u32 {
            default: 100_000,
            description: "Commits of each of the live and phased tearing tests",
        },
        tearing_rendezvous: u32 {
            default: 2_000,
            description: "Commits of the rendezvous tearing test",
        },
        flush_rounds: u32 {
            default: 10,
            description: "How often each of the flush tests patches",
        },
        atomic_fetch: u8 {
            default: 1,
            description: "Aligned instructions are fetched at once (Ziccif; not QEMU before 10.1)",
        },
        write_twice: u8 {
            default: 0,
            description: "Text has to be written twice to be seen (QEMU only)",
        },
    },
}

struct Tests;

impl kernel::Module for Tests {
    /// Text of a module that is being loaded is refused. No suite can test this, since suites run
    /// after this function. See `drop`.
    fn init(_module: &'static ThisModule) -> Result<Self> {
        if cfg!(not(MODULE)) {
            // The text is the kernel's, which can be patched at any time.
            return Ok(Tests);
        }
        match flip::flip(&[flip::WORD], true, None) {
            Err(error) if error == errno(EBUSY) => pr_info!("edit while loading: refused\n"),
            other => pr_err!("edit while loading: {other:?}\n"),
        }
        Ok(Tests)
    }
}

impl Drop for Tests {
    /// Text of a module that is being unloaded is refused. No suite can test this, since suites run
    /// while the module is loaded. `scripts/guest/test.sh` checks for the message.
    fn drop(&mut self) {
        match flip::flip(&[flip::WORD], true, None) {
            Err(error) if error == errno(ESHUTDOWN) => pr_info!("edit while unloading: refused\n"),
            other => pr_err!("edit while unloading: {other:?}\n"),
        }
    }
}
