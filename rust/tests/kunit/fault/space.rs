// SPDX-License-Identifier: GPL-2.0

//! The addresses, permissions and accesses of the mappings that the suites make.

// From uapi/linux/mman.h.
pub(crate) const MAP_SHARED: u32 = 1;
pub(crate) const MAP_PRIVATE: u32 = 2;

pub(crate) const PAGE: usize = 4096;
pub(crate) const AT: usize = 0x1000_0000;

// From the privileged specification: the codes in scause.
pub(crate) const FETCH: usize = 12;
pub(crate) const LOAD: usize = 13;
pub(crate) const STORE: usize = 15;
