// SPDX-License-Identifier: GPL-2.0

//! Tests of the plain logic on the host, without a kernel.
//!
//! `make host-test` runs them, or `rustc --test --edition 2021 --cfg CONFIG_RISCV_ISA_C
//! rust/tests/host.rs -o host-tests && ./host-tests`, and the same without `--cfg`, for a kernel
//! without compressed instructions. The kernel modules are built from the same source files.
//! Expected values are from the ISA manual or from clang's assembler, not from the code under test.

// The tests do not use everything in the files.
#![allow(dead_code)]

extern crate self as kernel;
extern crate self as riscv;

#[path = "../riscv"]
mod sources {
    pub mod insn;
    pub mod fault {
        pub mod access;
        pub mod stage;
    }
    pub mod mm {
        pub mod pgtable;
    }
    pub mod sbi {
        pub mod error;
        pub mod hart_mask;
    }
    pub mod text {
        pub mod edit;
        pub mod plan;
    }
}

/// The machine on which edits are written, unless a test is about one that lacks a feature.
const MACHINE: text::edit::Machine = text::edit::Machine {
    atomic_fetch: true,
    reruns_accesses: true,
};

/// Harts that fetch an aligned 4-byte instruction in two parcels.
const WITHOUT_ZICCIF: text::edit::Machine = text::edit::Machine {
    atomic_fetch: false,
    ..MACHINE
};

// The names by which the sources refer to `crate` and `riscv`.
use sources::{
    fault,
    insn,
    mm,
    sbi,
    text, //
};

// `kernel::ffi`, as far as `rust/fault/ffi.rs` uses it.
mod ffi {
    pub use core::ffi::{
        c_int,
        c_uint, //
    };

    #[allow(non_camel_case_types)]
    pub type c_ulong = usize;
}

#[path = "../fault/ffi.rs"]
mod fault_ffi;

#[cfg(CONFIG_RISCV_ISA_C)]
#[path = "host/edit.rs"]
mod edit_tests;
#[path = "host/emulate.rs"]
mod emulate_tests;
#[path = "host/fault.rs"]
mod fault_tests;
#[path = "host/insn.rs"]
mod insn_tests;
#[cfg(not(CONFIG_RISCV_ISA_C))]
#[path = "host/no_c.rs"]
mod no_c_tests;
#[path = "host/pgtable.rs"]
mod pgtable_tests;
#[cfg(CONFIG_RISCV_ISA_C)]
#[path = "host/plan.rs"]
mod plan_tests;
#[path = "host/sbi.rs"]
mod sbi_tests;
