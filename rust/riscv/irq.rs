// SPDX-License-Identifier: GPL-2.0

//! Per-CPU interrupts, and interrupts that a CPU sends to itself.

pub mod percpu;
pub mod work;
