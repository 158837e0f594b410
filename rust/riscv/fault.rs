// SPDX-License-Identifier: GPL-2.0

//! User page faults, from the trap until the access is found to be allowed or forbidden.
//!
//! - [`access`]: the check of an access against the flags of its VMA;
//! - [`stage`]: the stages of a fault under the per-VMA lock, as types;
//! - [`user`]: the hook in the kernel's fault path, which calls a [`user::Handler`].
//!
//! C source: [`arch/riscv/mm/fault.c`](srctree/arch/riscv/mm/fault.c)

pub mod access;
pub mod stage;
pub mod user;
