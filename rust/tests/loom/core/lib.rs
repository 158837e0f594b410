// SPDX-License-Identifier: GPL-2.0

//! `core` for sources that run under loom: atomics and cells are loom's.
//!
//! What the sources use of `core` to share memory is replaced; the rest is the library's. Loom
//! models neither devices nor compiler reordering within a thread. Fences for devices and compiler
//! barriers are fences here, which is how the other side observes them.

pub use ::core::*;

pub mod arch;
pub mod cell;
pub mod pool;
pub mod weaken;
