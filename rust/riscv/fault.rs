// SPDX-License-Identifier: GPL-2.0

//! Page faults of user mode, from the trap to the point where a page is to be provided.
//!
//! - [`access`]: whether a VMA allows an access, and what the task is told if not;
//! - [`stage`]: the stages of a fault while its VMA is locked, as types;
//! - [`user`]: the kernel's fault path, from which [`user::Handler`] is called.
//!
//! C source: [`arch/riscv/mm/fault.c`](srctree/arch/riscv/mm/fault.c)

pub mod access;
pub mod stage;
pub mod user;
