// SPDX-License-Identifier: GPL-2.0

//! Page tables, and flushes of instruction caches and TLBs.

pub mod flush;
pub mod pgtable;
