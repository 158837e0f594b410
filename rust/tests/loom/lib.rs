// SPDX-License-Identifier: GPL-2.0

//! Models of our concurrent types, compiled from the shipped sources, under loom.
//!
//! The Rust sources are included by their paths, the C sources are compiled. The parts of the
//! crates `core` and `kernel` and of the kernel's headers that they use are replaced by loom's.
//! Each ordering that a model executes is then weakened: see [`model`].
//!
//! Loom implements the memory model of C11. It has no `fence.i`, no devices, no loads that are
//! delayed after a later store, and no address dependencies.

#![cfg(test)]

extern crate loom_core as core;
extern crate loom_kernel as kernel;
extern crate self as riscv;

/// The parts of the crate `riscv` that can run here.
#[allow(dead_code, unreachable_pub, unused_imports, unused_unsafe)]
#[path = "../../riscv"]
mod sources {
    pub mod adversary;
    pub mod barrier;
    pub mod fault {
        pub mod access;
        pub mod stage;
        #[cfg(rust_riscv_fault_hook)]
        pub mod user;
    }
    pub mod insn;
    pub mod interrupts_off;
    pub mod mm;
    pub mod stop_machine;
    pub mod text {
        pub mod breakpoints;
        pub mod edit;
        pub mod lock;
        pub mod plan;
        #[cfg(rust_riscv_text_hooks)]
        pub mod provider;

        pub use crate::stand_ins::in_text::*;
    }
    pub mod timebase;
}

/// The parts of the module `rust_riscv_patch` that can run here.
#[allow(dead_code, unused_imports, unused_unsafe)]
#[path = "../../patch"]
mod patch {
    #[cfg(rust_riscv_text_hooks)]
    pub mod queue;
    #[cfg(rust_riscv_text_hooks)]
    pub mod text_provider;
    pub mod trap;
}

// The names by which the sources refer to `crate` and `riscv`, and replacements for the parts that
// cannot run here.
#[cfg(rust_riscv_text_hooks)]
use patch::{
    queue,
    trap, //
};
#[allow(unused_imports)]
use sources::*;

mod bindings;
#[cfg(rust_riscv_text_hooks)]
mod engine;
#[cfg(rust_riscv_text_hooks)]
use engine::poke;
mod linux;
#[cfg(any(rust_riscv_fault_hook, rust_riscv_text_hooks))]
mod module;
mod plain;
mod stand_ins;

#[allow(unused_imports)]
use stand_ins::*;

mod model;

/// The models, a file for each type.
mod models {
    mod cancel;
    mod doorbell;
    #[cfg(rust_riscv_fault_hook)]
    mod fault_provider;
    mod guards;
    mod message;
    mod rendezvous;
    mod same_cpu;
    #[cfg(rust_riscv_text_hooks)]
    mod text_provider;
    mod wake_up;
}
