// SPDX-License-Identifier: GPL-2.0

//! `core` for sources that run under loom: what threads share is loom's.
//!
//! What the sources use of `core` for that is replaced; all else is the library's. Loom knows of no
//! devices, and of no compiler that reorders what another stretch of the same thread can see: the
//! fences of one and the barriers of the other are fences here, which is what they are to whoever
//! is on the other side.

pub use ::core::*;

pub mod arch;
pub mod cell;
pub mod pool;
pub mod weaken;
